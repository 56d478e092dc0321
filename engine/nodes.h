/*
 * Nodes: the memory of all ladders of a book, in three pieces.
 *
 *   heads   16 bytes a node: what is looked at to know whether a price has a queue. They lie
 *           together, so that those of thousands of instruments stay in the caches.
 *   nodes   8 lines each: the levels of 64 prices of a leaf, or the children of an inner node
 *   tables  where a busy ladder finds its leaves (engine/ladder.h), 8 to 4,096 words each
 *
 * Nodes are taken from a free list, last freed first. Tables are cut from the front and freed into
 * a list of their size; there being none left is no error, the ladder then goes without.
 *
 * Who: the book's thread. Nothing is allocated behind eng_nodes_init.
 */
#ifndef ENGINE_NODES_H
#define ENGINE_NODES_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/status.h"

#define ENG_NODE_NONE UINT32_C(0)
#define ENG_KEY_NONE UINT32_MAX
/* Tables have 8 << class words. */
#define ENG_TABLE_NONE UINT32_C(0)
#define ENG_TABLE_SLOTS_MIN 8u
#define ENG_TABLE_CLASSES 10u

/*
 * The queue of a price is a ring: its orders, oldest first, closed by the level. A link says where
 * its neighbour's eng_links lie, whichever of the two it is, so that an order leaves its queue
 * without a look at the price. An empty level, whose leaf's bit is not set, links to itself.
 */
typedef struct eng_links {
    uint32_t next; /* of a level: the oldest order */
    uint32_t prev; /* of a level: the newest order */
} eng_links;

typedef struct eng_node {
    union {
        eng_links levels[64];
        uint32_t children[64];
    };
} eng_node;

_Static_assert(sizeof(eng_node) == 512, "eight lines");

typedef struct eng_head {
    uint64_t bitmap; /* of prices with a queue, or of children; 0: the node is free */
    uint32_t key;    /* of a leaf: its ticks >> 6; else ENG_KEY_NONE */
    uint32_t next;   /* of a free node: the next free one */
} eng_head;

_Static_assert(sizeof(eng_head) == 16, "four a line");

typedef struct eng_nodes {
    eng_head *heads; /* heads[0] and pool[0] are no node: their bitmap is zero */
    eng_node *pool;
    uint32_t *tables; /* tables[0] is not used */
    uint32_t count;
    uint32_t links; /* what links to level 0; to others by their number more */
    uint32_t free_count;
    uint32_t free_head;
    uint32_t table_words;
    uint32_t table_used;                    /* words from the front that have been cut */
    uint32_t table_free[ENG_TABLE_CLASSES]; /* first word of each: the next one */
} eng_nodes;

/* Bytes of `count` nodes and their tables; a multiple of a line. */
uint64_t eng_nodes_bytes(uint32_t count);
/* Chains `count` nodes in zeroed memory, aligned to a line, node 1 first. */
void eng_nodes_init(eng_nodes *nodes, void *memory, uint32_t count, uint32_t links);
/* Checks the free lists. RB_OK, RB_CORRUPT. */
int32_t eng_nodes_verify(const eng_nodes *nodes);

/* A node with an empty bitmap and no key, ENG_NODE_NONE if there is none. */
uint32_t eng_node_take(eng_nodes *nodes);
void eng_node_release(eng_nodes *nodes, uint32_t at);
/* Makes a node that was taken a leaf of 64 empty levels. */
void eng_node_close(eng_nodes *nodes, uint32_t at);
/* A table of `slots` (a power of two) zeros, ENG_TABLE_NONE if there is none. */
uint32_t eng_table_take(eng_nodes *nodes, uint32_t slots);
void eng_table_release(eng_nodes *nodes, uint32_t at, uint32_t slots);

/* Levels are numbered through all nodes: 64 times the leaf's place and the price's digit. */
static inline eng_links *eng_level_at(const eng_nodes *nodes, uint32_t level)
{
    return (eng_links *)(void *)nodes->pool + level;
}

#endif
