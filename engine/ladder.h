/*
 * Ladder: the prices of one instrument that have orders, both sides in one, as a 64-ary trie.
 *
 * A tick of 30 bits is five digits of six bits. A leaf holds 64 neighbouring ticks: a bitmap of
 * those with orders and the level (head and tail of the queue) of each; an inner node holds a
 * bitmap of its children and their indices. A node exists while its bitmap is not zero, so memory
 * follows use and the next price with an order is a few bit scans away, however far it lies.
 *
 *     tick  bbbbbb cccccc dddddd eeeeee ffffff
 *             |      |      |      |      └── level within the leaf      (depth 4)
 *            root ─▶ node ─▶ node ─▶ node ─▶ leaf
 *
 * The walk from the root is for the unusual case. A leaf's number is its key (tick >> 6), and each
 * ladder has a table of leaves by the low bits of the key: four slots in the ladder's own line,
 * which is 256 ticks round the touch. Where two leaves want one slot, the last used has it; when
 * that has happened as often as there are slots, the ladder gets a table of twice the slots, up to
 * 4,096 or 262,144 ticks, as long as there are any. So what is busy or wide is found as quickly as
 * what is quiet and narrow, and only the few have more than a line.
 *
 * Forgetting is the danger there: a leaf that is freed leaves the table in the same call (prune),
 * so that what is in a ladder's table is a leaf of this ladder.
 *
 * Bids lie below asks, so a level needs no side. `best` is kept by the book, whose matching knows
 * it.
 *
 * Who: the book's thread. Nothing is allocated; nodes and tables are of engine/nodes.h. Source: the
 * hierarchical bitmap (a 64-ary van Emde Boas tree without its recursion), nodes on demand.
 */
#ifndef ENGINE_LADDER_H
#define ENGINE_LADDER_H

#include "engine/nodes.h"

#define ENG_LADDER_DEPTHS 5u
#define ENG_DIGIT_BITS 6u
#define ENG_DIGIT_MASK 63u
#define ENG_LEAVES_OWN 4u
#define ENG_LEAVES_MAX 4096u
/* `best` of an empty side: no price crosses it. */
#define ENG_BEST_BID_NONE 0
#define ENG_BEST_ASK_NONE INT32_MAX

typedef struct eng_ladder {
    int32_t best[2];    /* bid, ask */
    uint32_t orders[2]; /* open, by side */
    uint32_t root;
    uint32_t table;                  /* in nodes->tables; ENG_TABLE_NONE: `leaves` */
    uint32_t mask;                   /* slots of the table - 1 */
    uint32_t clashes;                /* leaves that have lost their slot to another */
    uint32_t leaves[ENG_LEAVES_OWN]; /* by key & mask: a leaf of this ladder, or ENG_NODE_NONE */
    /* The book's own words about the instrument, here because this line is at hand; all zero in a
     * ladder of hidden orders. */
    union {
        struct {
            uint32_t hidden_orders; /* in the instrument's other ladder */
            uint8_t state;          /* enum rb_instrument_state */
            uint8_t has_collar;     /* its orders' prices or sizes are ruled (engine/collar.h) */
            uint8_t unused[2];      /* zero */
        };
        uint64_t manner; /* all of that, asked at once */
    };
    uint32_t changes; /* lines that an auction has to have seen */
    uint8_t reserved[4];
} eng_ladder;

_Static_assert(sizeof(eng_ladder) == 64, "one cache line");
void eng_ladder_init(eng_ladder *ladder);
/* Nodes that a level at `tick` would take from the pool: 0..5. */
uint32_t eng_ladder_missing(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick);
/* The level of a tick for an observer, who must not change what the ladder remembers; NULL if it
 * has none. */
const eng_links *eng_ladder_look(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick);
/* Checks every node and counts them and the levels into *node_count and *level_count. */
int32_t eng_ladder_verify(const eng_nodes *nodes, const eng_ladder *ladder, uint64_t *node_count,
                          uint64_t *level_count);

/* The slow ways of the inline functions below: from the root. */
uint32_t eng_ladder_find(eng_nodes *nodes, eng_ladder *ladder, int32_t tick);
uint32_t eng_ladder_grow(eng_nodes *nodes, eng_ladder *ladder, int32_t tick);
void eng_ladder_prune(eng_nodes *nodes, eng_ladder *ladder, int32_t tick);
int32_t eng_ladder_seek(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick, int up);

/* Bits of a bitmap above or below bit `digit`. */
static inline uint64_t eng_bits_beyond(uint64_t bitmap, uint32_t digit, int up)
{
    /* Two shifts, since one by 64 is undefined. */
    uint64_t from = ~UINT64_C(0) << digit;
    return bitmap & (up ? from << 1 : ~from);
}

/* The bit of a bitmap that is not zero that comes first, going up or down. */
static inline uint32_t eng_bits_first(uint64_t bitmap, int up)
{
    uint64_t last = up ? bitmap & (0 - bitmap) : bitmap;
    return (uint32_t)(63 - __builtin_clzll(last));
}

/* Where a ladder's table has the leaf of a key, if it has it. */
static inline uint32_t eng_ladder_slot(const eng_nodes *nodes, const eng_ladder *ladder,
                                       uint32_t key)
{
    const uint32_t *table =
        ladder->table != ENG_TABLE_NONE ? &nodes->tables[ladder->table] : ladder->leaves;
    return table[key & ladder->mask];
}

/* The leaf of a tick if the table has it, ENG_NODE_NONE if not. */
static inline uint32_t eng_ladder_known(const eng_nodes *nodes, const eng_ladder *ladder,
                                        int32_t tick)
{
    uint32_t key = (uint32_t)tick >> ENG_DIGIT_BITS;
    uint32_t leaf = eng_ladder_slot(nodes, ladder, key);
    return nodes->heads[leaf].key == key ? leaf : ENG_NODE_NONE;
}

/* The leaf of a tick, ENG_NODE_NONE if there is none. */
static inline uint32_t eng_ladder_leaf(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t leaf = eng_ladder_known(nodes, ladder, tick);
    return leaf != ENG_NODE_NONE ? leaf : eng_ladder_find(nodes, ladder, tick);
}

/* The level of a tick, NULL if it has no orders. */
static inline eng_links *eng_ladder_level(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t digit = (uint32_t)tick & ENG_DIGIT_MASK;
    uint32_t leaf = eng_ladder_leaf(nodes, ladder, tick);
    /* heads[0] is always empty. */
    return (nodes->heads[leaf].bitmap >> digit & 1) != 0 ? &nodes->pool[leaf].levels[digit] : NULL;
}

/* Sets the bit of a tick in its leaf; the number of its level. */
static inline uint32_t eng_leaf_enter(eng_nodes *nodes, uint32_t leaf, int32_t tick)
{
    uint32_t digit = (uint32_t)tick & ENG_DIGIT_MASK;
    nodes->heads[leaf].bitmap |= UINT64_C(1) << digit;
    return leaf << ENG_DIGIT_BITS | digit;
}

/* The number of a tick's level; its bit is set. Below 64: out of nodes; the caller has to make sure
 * of eng_ladder_missing before, this is only there to fail loudly. */
static inline uint32_t eng_ladder_enter(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t leaf = eng_ladder_leaf(nodes, ladder, tick);
    if (__builtin_expect(leaf == ENG_NODE_NONE, 0)) {
        leaf = eng_ladder_grow(nodes, ladder, tick);
        if (leaf == ENG_NODE_NONE) {
            return 0;
        }
    }
    return eng_leaf_enter(nodes, leaf, tick);
}

/* The next tick with a level above (up) or below `tick`, whose leaf is given (or ENG_NODE_NONE); 0
 * if there is none. */
static inline int32_t eng_leaf_next(const eng_nodes *nodes, const eng_ladder *ladder, uint32_t leaf,
                                    int32_t tick, int up)
{
    uint64_t bits = eng_bits_beyond(nodes->heads[leaf].bitmap, (uint32_t)tick & ENG_DIGIT_MASK, up);
    if (bits != 0) {
        return (tick & ~(int32_t)ENG_DIGIT_MASK) | (int32_t)eng_bits_first(bits, up);
    }
    return eng_ladder_seek(nodes, ladder, tick, up);
}

/* The next tick with a level above (up) or below `tick`, 0 if there is none. */
static inline int32_t eng_ladder_next(const eng_nodes *nodes, const eng_ladder *ladder,
                                      int32_t tick, int up)
{
    return eng_leaf_next(nodes, ladder, eng_ladder_known(nodes, ladder, tick), tick, up);
}

#endif
