/*
 * Ladder: the prices of one instrument that have orders, both sides in one, as a 64-ary trie.
 *
 * A tick of 30 bits is five digits of six bits. A leaf holds 64 neighbouring ticks: a bitmap of
 * those with orders and the queue (head, tail) of each; an inner node holds a bitmap of its
 * children and their indices. A node exists while its bitmap is not zero, so memory follows use and
 * the next price with an order is a few bit scans away, however far it lies.
 *
 *     tick  bbbbbb cccccc dddddd eeeeee ffffff
 *             |      |      |      |      └── level within the leaf      (depth 4)
 *            root ─▶ node ─▶ node ─▶ node ─▶ leaf
 *
 * The walk from the root is for the unusual case: each ladder remembers its last used leaf for each
 * residue of the leaf number modulo four, so the 256 ticks round the touch are found at once.
 * Forgetting is the danger there: a leaf that is freed leaves the memory in the same call (prune).
 *
 * Bids lie below asks, so a level needs no side. `best` is kept by the book, whose matching knows
 * it.
 *
 * Who: the book's thread. Nodes come from a pool shared by all ladders of a book; nothing is
 * allocated. Source: the hierarchical bitmap (a 64-ary van Emde Boas tree without its recursion),
 * nodes on demand.
 */
#ifndef ENGINE_LADDER_H
#define ENGINE_LADDER_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/status.h"

#define ENG_LADDER_DEPTHS 5u
#define ENG_DIGIT_BITS 6u
#define ENG_DIGIT_MASK 63u
#define ENG_NODE_NONE UINT32_C(0)
#define ENG_LEAVES_CACHED 4u
#define ENG_KEY_NONE UINT32_MAX
/* `best` of an empty side: no price crosses it. */
#define ENG_BEST_BID_NONE 0
#define ENG_BEST_ASK_NONE INT32_MAX

/* The queue of one price. Meaningless unless the leaf's bit is set. */
typedef struct eng_level {
    uint32_t head;
    uint32_t tail;
} eng_level;

typedef struct eng_node {
    uint64_t bitmap; /* 0: the node is free */
    union {
        eng_level levels[64];
        uint32_t children[64]; /* of a free node: [0] is the next free one */
    };
} eng_node;

_Static_assert(sizeof(eng_node) == 520, "bitmap and 64 levels");

typedef struct eng_nodes {
    eng_node *pool; /* pool[0] is not used */
    uint32_t count;
    uint32_t free_count;
    uint32_t free_head;
} eng_nodes;

typedef struct eng_ladder {
    int32_t best[2];    /* bid, ask */
    uint32_t orders[2]; /* open, by side */
    uint32_t root;
    uint32_t cached_keys[ENG_LEAVES_CACHED]; /* tick >> 6 of the leaf below, or ENG_KEY_NONE */
    uint32_t cached_leaves[ENG_LEAVES_CACHED];
    /* The book's own words about the instrument, here because this line is at hand; all zero in a
     * ladder of hidden orders. */
    uint32_t changes;       /* lines that an auction has to have seen */
    uint32_t hidden_orders; /* in the instrument's other ladder */
    uint8_t state;          /* enum rb_instrument_state */
    uint8_t reserved[3];
} eng_ladder;

_Static_assert(sizeof(eng_ladder) == 64, "one cache line");

/* Chains `count` nodes of zeroed memory, pool[1] first. */
void eng_nodes_init(eng_nodes *nodes, eng_node *pool, uint32_t count);
/* Checks the free list. RB_OK, RB_CORRUPT. */
int32_t eng_nodes_verify(const eng_nodes *nodes);
void eng_ladder_init(eng_ladder *ladder);
/* Nodes that a level at `tick` would take from the pool: 0..5. */
uint32_t eng_ladder_missing(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick);
/* The level of a tick for an observer, who must not change what the ladder remembers; NULL if it
 * has none. */
const eng_level *eng_ladder_look(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick);
/* Checks every node and counts them and the levels into *node_count and *level_count. */
int32_t eng_ladder_verify(const eng_nodes *nodes, const eng_ladder *ladder, uint64_t *node_count,
                          uint64_t *level_count);

/* The slow ways of the inline functions below: from the root. */
uint32_t eng_ladder_find(const eng_nodes *nodes, eng_ladder *ladder, int32_t tick);
uint32_t eng_ladder_grow(eng_nodes *nodes, eng_ladder *ladder, int32_t tick);
void eng_ladder_prune(eng_nodes *nodes, eng_ladder *ladder, int32_t tick);
int32_t eng_ladder_seek(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick, int up);

/* Bits of a bitmap above or below bit `digit`. */
static inline uint64_t eng_bits_beyond(uint64_t bitmap, uint32_t digit, int up)
{
    /* Two shifts, since one by 64 is undefined. */
    return up ? bitmap & ((~UINT64_C(0) << digit) << 1) : bitmap & ~(~UINT64_C(0) << digit);
}

/* The bit of a bitmap that is not zero that comes first, going up or down. */
static inline uint32_t eng_bits_first(uint64_t bitmap, int up)
{
    return (uint32_t)(up ? __builtin_ctzll(bitmap) : 63 - __builtin_clzll(bitmap));
}

/* The leaf of a tick if it is remembered, ENG_NODE_NONE if not. */
static inline uint32_t eng_ladder_cached(const eng_ladder *ladder, int32_t tick)
{
    uint32_t key = (uint32_t)tick >> ENG_DIGIT_BITS;
    uint32_t slot = key % ENG_LEAVES_CACHED;
    return ladder->cached_keys[slot] == key ? ladder->cached_leaves[slot] : ENG_NODE_NONE;
}

/* The leaf of a tick, ENG_NODE_NONE if there is none. */
static inline uint32_t eng_ladder_leaf(const eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t leaf = eng_ladder_cached(ladder, tick);
    return leaf != ENG_NODE_NONE ? leaf : eng_ladder_find(nodes, ladder, tick);
}

/* The level of a tick, NULL if it has none. */
static inline eng_level *eng_ladder_level(const eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t digit = (uint32_t)tick & ENG_DIGIT_MASK;
    uint32_t leaf = eng_ladder_leaf(nodes, ladder, tick);
    eng_node *node = &nodes->pool[leaf];
    /* pool[0] is always empty. */
    return (node->bitmap >> digit & 1) != 0 ? &node->levels[digit] : NULL;
}

/* The level of a tick, made (empty) if it has none. NULL: out of nodes; the caller has to make sure
 * of eng_ladder_missing before, this is only there to fail loudly. */
static inline eng_level *eng_ladder_enter(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t digit = (uint32_t)tick & ENG_DIGIT_MASK;
    uint32_t leaf = eng_ladder_leaf(nodes, ladder, tick);
    if (leaf == ENG_NODE_NONE) {
        leaf = eng_ladder_grow(nodes, ladder, tick);
        if (leaf == ENG_NODE_NONE) {
            return NULL;
        }
    }
    eng_node *node = &nodes->pool[leaf];
    if ((node->bitmap >> digit & 1) == 0) {
        node->bitmap |= UINT64_C(1) << digit;
        node->levels[digit] = (eng_level){0, 0};
    }
    return &node->levels[digit];
}

/* Takes the level of a tick out; it must be there. */
static inline void eng_ladder_leave(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    eng_node *node = &nodes->pool[eng_ladder_leaf(nodes, ladder, tick)];
    node->bitmap &= ~(UINT64_C(1) << ((uint32_t)tick & ENG_DIGIT_MASK));
    if (node->bitmap == 0) {
        eng_ladder_prune(nodes, ladder, tick);
    }
}

/* The next tick with a level above (up) or below `tick`, 0 if there is none. */
static inline int32_t eng_ladder_next(const eng_nodes *nodes, const eng_ladder *ladder,
                                      int32_t tick, int up)
{
    const eng_node *node = &nodes->pool[eng_ladder_cached(ladder, tick)];
    uint64_t bits = eng_bits_beyond(node->bitmap, (uint32_t)tick & ENG_DIGIT_MASK, up);
    if (bits != 0) {
        return (tick & ~(int32_t)ENG_DIGIT_MASK) | (int32_t)eng_bits_first(bits, up);
    }
    return eng_ladder_seek(nodes, ladder, tick, up);
}

#endif
