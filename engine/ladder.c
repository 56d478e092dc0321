#include "engine/ladder.h"

#include <string.h>

#include "ringbus/check.h"

#define DEPTH_LEAF (ENG_LADDER_DEPTHS - 1)

/* Nodes from the root towards the leaf of a tick. */
typedef struct trail {
    uint32_t nodes[ENG_LADDER_DEPTHS];
    uint32_t length; /* how many there are; all five if the leaf is there */
} trail;

/* The tick's digit that a node of this depth looks at. */
static uint32_t digit_at(int32_t tick, uint32_t depth)
{
    return ((uint32_t)tick >> (ENG_DIGIT_BITS * (DEPTH_LEAF - depth))) & ENG_DIGIT_MASK;
}

static uint32_t child_of(const eng_nodes *nodes, uint32_t at, uint32_t digit)
{
    return (nodes->heads[at].bitmap >> digit & 1) != 0 ? nodes->pool[at].children[digit]
                                                       : ENG_NODE_NONE;
}

static trail descend(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick)
{
    trail path = {{0}, 0};
    uint32_t at = ladder->root;
    for (uint32_t depth = 0; depth < ENG_LADDER_DEPTHS && at != ENG_NODE_NONE; depth++) {
        path.nodes[depth] = at;
        path.length = depth + 1;
        if (depth < DEPTH_LEAF) {
            at = child_of(nodes, at, digit_at(tick, depth));
        }
    }
    return path;
}

void eng_ladder_init(eng_ladder *ladder)
{
    *ladder = (eng_ladder){.best = {ENG_BEST_BID_NONE, ENG_BEST_ASK_NONE},
                           .table = ENG_TABLE_NONE,
                           .mask = ENG_LEAVES_OWN - 1};
}

static uint32_t *slot_of(eng_nodes *nodes, eng_ladder *ladder, uint32_t key)
{
    uint32_t *table =
        ladder->table != ENG_TABLE_NONE ? &nodes->tables[ladder->table] : ladder->leaves;
    return &table[key & ladder->mask];
}

/* Gives a ladder a table of twice the slots, if there is one. */
static void grow_table(eng_nodes *nodes, eng_ladder *ladder)
{
    uint32_t slots = ladder->mask + 1;
    uint32_t table =
        slots < ENG_LEAVES_MAX ? eng_table_take(nodes, 2 * slots) : (uint32_t)ENG_TABLE_NONE;
    ladder->clashes = 0;
    if (table == ENG_TABLE_NONE) {
        return;
    }
    uint32_t mask = 2 * slots - 1;
    for (uint32_t n = 0; n < slots; n++) {
        uint32_t leaf = *slot_of(nodes, ladder, n);
        if (leaf != ENG_NODE_NONE) {
            nodes->tables[table + (nodes->heads[leaf].key & mask)] = leaf;
        }
    }
    if (ladder->table != ENG_TABLE_NONE) {
        eng_table_release(nodes, ladder->table, slots);
    }
    memset(ladder->leaves, 0, sizeof ladder->leaves);
    ladder->table = table;
    ladder->mask = mask;
}

static void remember(eng_nodes *nodes, eng_ladder *ladder, int32_t tick, uint32_t leaf)
{
    uint32_t key = (uint32_t)tick >> ENG_DIGIT_BITS;
    if (*slot_of(nodes, ladder, key) != ENG_NODE_NONE && ladder->clashes++ == ladder->mask) {
        grow_table(nodes, ladder);
    }
    *slot_of(nodes, ladder, key) = leaf;
}

static void forget(eng_nodes *nodes, eng_ladder *ladder, uint32_t leaf)
{
    uint32_t *slot = slot_of(nodes, ladder, nodes->heads[leaf].key);
    if (*slot == leaf) {
        *slot = ENG_NODE_NONE;
    }
}

uint32_t eng_ladder_find(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    trail path = descend(nodes, ladder, tick);
    if (path.length < ENG_LADDER_DEPTHS) {
        return ENG_NODE_NONE;
    }
    remember(nodes, ladder, tick, path.nodes[DEPTH_LEAF]);
    return path.nodes[DEPTH_LEAF];
}

const eng_links *eng_ladder_look(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick)
{
    uint32_t digit = (uint32_t)tick & ENG_DIGIT_MASK;
    uint32_t leaf = eng_ladder_known(nodes, ladder, tick);
    if (leaf == ENG_NODE_NONE) {
        leaf = descend(nodes, ladder, tick).nodes[DEPTH_LEAF];
    }
    return (nodes->heads[leaf].bitmap >> digit & 1) != 0 ? &nodes->pool[leaf].levels[digit] : NULL;
}

uint32_t eng_ladder_missing(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick)
{
    return ENG_LADDER_DEPTHS - descend(nodes, ladder, tick).length;
}

uint32_t eng_ladder_grow(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    trail path = descend(nodes, ladder, tick);
    if (ENG_LADDER_DEPTHS - path.length > nodes->free_count) {
        return ENG_NODE_NONE;
    }
    for (uint32_t depth = path.length; depth < ENG_LADDER_DEPTHS; depth++) {
        uint32_t at = eng_node_take(nodes);
        path.nodes[depth] = at;
        if (depth == 0) {
            ladder->root = at;
        } else {
            uint32_t parent = path.nodes[depth - 1];
            uint32_t digit = digit_at(tick, depth - 1);
            nodes->heads[parent].bitmap |= UINT64_C(1) << digit;
            nodes->pool[parent].children[digit] = at;
        }
    }
    eng_node_close(nodes, path.nodes[DEPTH_LEAF]);
    nodes->heads[path.nodes[DEPTH_LEAF]].key = (uint32_t)tick >> ENG_DIGIT_BITS;
    remember(nodes, ladder, tick, path.nodes[DEPTH_LEAF]);
    return path.nodes[DEPTH_LEAF];
}

void eng_ladder_prune(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    trail path = descend(nodes, ladder, tick);
    forget(nodes, ladder, path.nodes[DEPTH_LEAF]);
    for (uint32_t depth = path.length; depth-- > 0;) {
        eng_head *head = &nodes->heads[path.nodes[depth]];
        if (depth < DEPTH_LEAF) {
            head->bitmap &= ~(UINT64_C(1) << digit_at(tick, depth));
        }
        if (head->bitmap != 0) {
            return;
        }
        eng_node_release(nodes, path.nodes[depth]);
    }
    ladder->root = ENG_NODE_NONE;
}

int32_t eng_ladder_seek(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick, int up)
{
    trail path = descend(nodes, ladder, tick);
    for (uint32_t depth = path.length; depth-- > 0;) {
        uint32_t at = path.nodes[depth];
        uint64_t bits = eng_bits_beyond(nodes->heads[at].bitmap, digit_at(tick, depth), up);
        if (bits == 0) {
            continue;
        }
        /* Turn off here, and from there on keep to the near side. */
        uint32_t digit = eng_bits_first(bits, up);
        uint32_t found = (uint32_t)tick >> (ENG_DIGIT_BITS * (DEPTH_LEAF - depth));
        found = (found & ~ENG_DIGIT_MASK) | digit;
        for (uint32_t below = depth + 1; below < ENG_LADDER_DEPTHS; below++) {
            at = nodes->pool[at].children[digit];
            digit = eng_bits_first(nodes->heads[at].bitmap, up);
            found = found << ENG_DIGIT_BITS | digit;
        }
        return (int32_t)found;
    }
    return 0;
}

/* The levels of a leaf without orders: each links to itself. */
static int32_t verify_empty(const eng_nodes *nodes, uint32_t leaf)
{
    uint64_t bitmap = nodes->heads[leaf].bitmap;
    for (uint32_t digit = 0; digit <= ENG_DIGIT_MASK; digit++) {
        uint32_t level = leaf << ENG_DIGIT_BITS | digit;
        const eng_links *links = eng_level_at(nodes, level);
        RB_CHECK((bitmap >> digit & 1) != 0 || links->next == nodes->links + level);
        RB_CHECK((bitmap >> digit & 1) != 0 || links->prev == nodes->links + level);
    }
    return RB_OK;
}

/* Goes through the trie with a stack of what is left to visit at each depth. A node that hangs in
 * two places shows itself: the two would hold different ticks, and the orders know theirs. */
static int32_t verify_tree(const eng_nodes *nodes, const eng_ladder *ladder, uint64_t *node_count,
                           uint64_t *level_count)
{
    uint32_t path[ENG_LADDER_DEPTHS] = {ladder->root};
    uint64_t left[ENG_LADDER_DEPTHS] = {nodes->heads[ladder->root].bitmap};
    uint32_t depth = 0;
    uint64_t steps_max = 3 * (uint64_t)nodes->count + 1;
    *node_count = 1;
    RB_CHECK(left[0] != 0);
    for (uint64_t step = 0; step < steps_max; step++) {
        if (left[depth] == 0) {
            if (depth == 0) {
                return RB_OK;
            }
            depth--;
            continue;
        }
        uint32_t digit = eng_bits_first(left[depth], 1);
        uint32_t at = nodes->pool[path[depth]].children[digit];
        left[depth] &= left[depth] - 1;
        RB_CHECK(at != ENG_NODE_NONE);
        RB_CHECK(at <= nodes->count);
        uint64_t bitmap = nodes->heads[at].bitmap;
        RB_CHECK(bitmap != 0);
        ++*node_count;
        if (depth + 1 == DEPTH_LEAF) {
            *level_count += (uint64_t)__builtin_popcountll(bitmap);
            RB_CHECK(nodes->heads[at].key != ENG_KEY_NONE);
            int32_t status = verify_empty(nodes, at);
            if (status != RB_OK) {
                return status;
            }
        } else {
            depth++;
            path[depth] = at;
            left[depth] = bitmap;
            RB_CHECK(nodes->heads[at].key == ENG_KEY_NONE);
        }
    }
    return rb_check_failed("the trie has no more nodes than the pool", __FILE__, __LINE__);
}

int32_t eng_ladder_verify(const eng_nodes *nodes, const eng_ladder *ladder, uint64_t *node_count,
                          uint64_t *level_count)
{
    *node_count = 0;
    *level_count = 0;
    RB_CHECK(ladder->mask < ENG_LEAVES_MAX);
    RB_CHECK((ladder->mask & (ladder->mask + 1)) == 0);
    RB_CHECK((ladder->table == ENG_TABLE_NONE) == (ladder->mask == ENG_LEAVES_OWN - 1));
    RB_CHECK(ladder->table + ladder->mask < nodes->table_used + ENG_LEAVES_OWN);
    for (uint32_t slot = 0; slot <= ladder->mask; slot++) {
        uint32_t leaf = eng_ladder_slot(nodes, ladder, slot);
        if (leaf == ENG_NODE_NONE) {
            continue;
        }
        RB_CHECK(leaf <= nodes->count);
        uint32_t key = nodes->heads[leaf].key;
        RB_CHECK((key & ladder->mask) == slot);
        trail path = descend(nodes, ladder, (int32_t)(key << ENG_DIGIT_BITS));
        RB_CHECK(path.length == ENG_LADDER_DEPTHS);
        RB_CHECK(path.nodes[DEPTH_LEAF] == leaf);
    }
    RB_CHECK(ladder->unused[0] == 0);
    RB_CHECK(ladder->unused[1] == 0);
    for (uint32_t i = 0; i < sizeof ladder->reserved / sizeof ladder->reserved[0]; i++) {
        RB_CHECK(ladder->reserved[i] == 0);
    }
    RB_CHECK(ladder->root <= nodes->count);
    return ladder->root == ENG_NODE_NONE ? RB_OK
                                         : verify_tree(nodes, ladder, node_count, level_count);
}
