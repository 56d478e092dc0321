#include "engine/ladder.h"

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

static uint32_t child_of(const eng_node *node, uint32_t digit)
{
    return (node->bitmap >> digit & 1) != 0 ? node->children[digit] : ENG_NODE_NONE;
}

static trail descend(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick)
{
    trail path = {{0}, 0};
    uint32_t at = ladder->root;
    for (uint32_t depth = 0; depth < ENG_LADDER_DEPTHS && at != ENG_NODE_NONE; depth++) {
        path.nodes[depth] = at;
        path.length = depth + 1;
        if (depth < DEPTH_LEAF) {
            at = child_of(&nodes->pool[at], digit_at(tick, depth));
        }
    }
    return path;
}

static uint32_t node_take(eng_nodes *nodes)
{
    uint32_t at = nodes->free_head;
    if (at != ENG_NODE_NONE) {
        nodes->free_head = nodes->pool[at].children[0];
        nodes->free_count--;
    }
    return at;
}

static void node_release(eng_nodes *nodes, uint32_t at)
{
    nodes->pool[at].bitmap = 0;
    nodes->pool[at].children[0] = nodes->free_head;
    nodes->free_head = at;
    nodes->free_count++;
}

void eng_nodes_init(eng_nodes *nodes, eng_node *pool, uint32_t count)
{
    *nodes = (eng_nodes){.pool = pool, .count = count, .free_count = 0, .free_head = ENG_NODE_NONE};
    pool[0].bitmap = 0;
    for (uint32_t at = count; at > 0; at--) {
        node_release(nodes, at);
    }
}

void eng_ladder_init(eng_ladder *ladder)
{
    *ladder = (eng_ladder){.best = {ENG_BEST_BID_NONE, ENG_BEST_ASK_NONE}};
    for (uint32_t slot = 0; slot < ENG_LEAVES_CACHED; slot++) {
        ladder->cached_keys[slot] = ENG_KEY_NONE;
    }
}

static void remember(eng_ladder *ladder, int32_t tick, uint32_t leaf)
{
    uint32_t key = (uint32_t)tick >> ENG_DIGIT_BITS;
    ladder->cached_keys[key % ENG_LEAVES_CACHED] = key;
    ladder->cached_leaves[key % ENG_LEAVES_CACHED] = leaf;
}

static void forget(eng_ladder *ladder, int32_t tick)
{
    uint32_t key = (uint32_t)tick >> ENG_DIGIT_BITS;
    uint32_t slot = key % ENG_LEAVES_CACHED;
    if (ladder->cached_keys[slot] == key) {
        ladder->cached_keys[slot] = ENG_KEY_NONE;
        ladder->cached_leaves[slot] = ENG_NODE_NONE;
    }
}

uint32_t eng_ladder_find(const eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    trail path = descend(nodes, ladder, tick);
    if (path.length < ENG_LADDER_DEPTHS) {
        return ENG_NODE_NONE;
    }
    remember(ladder, tick, path.nodes[DEPTH_LEAF]);
    return path.nodes[DEPTH_LEAF];
}

const eng_level *eng_ladder_look(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick)
{
    uint32_t digit = (uint32_t)tick & ENG_DIGIT_MASK;
    uint32_t leaf = eng_ladder_cached(ladder, tick);
    if (leaf == ENG_NODE_NONE) {
        leaf = descend(nodes, ladder, tick).nodes[DEPTH_LEAF];
    }
    const eng_node *node = &nodes->pool[leaf];
    return (node->bitmap >> digit & 1) != 0 ? &node->levels[digit] : NULL;
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
        uint32_t at = node_take(nodes);
        path.nodes[depth] = at;
        if (depth == 0) {
            ladder->root = at;
        } else {
            eng_node *parent = &nodes->pool[path.nodes[depth - 1]];
            uint32_t digit = digit_at(tick, depth - 1);
            parent->bitmap |= UINT64_C(1) << digit;
            parent->children[digit] = at;
        }
    }
    remember(ladder, tick, path.nodes[DEPTH_LEAF]);
    return path.nodes[DEPTH_LEAF];
}

void eng_ladder_prune(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    trail path = descend(nodes, ladder, tick);
    forget(ladder, tick);
    for (uint32_t depth = path.length; depth-- > 0;) {
        eng_node *node = &nodes->pool[path.nodes[depth]];
        if (depth < DEPTH_LEAF) {
            node->bitmap &= ~(UINT64_C(1) << digit_at(tick, depth));
        }
        if (node->bitmap != 0) {
            return;
        }
        node_release(nodes, path.nodes[depth]);
    }
    ladder->root = ENG_NODE_NONE;
}

int32_t eng_ladder_seek(const eng_nodes *nodes, const eng_ladder *ladder, int32_t tick, int up)
{
    trail path = descend(nodes, ladder, tick);
    for (uint32_t depth = path.length; depth-- > 0;) {
        const eng_node *node = &nodes->pool[path.nodes[depth]];
        uint64_t bits = eng_bits_beyond(node->bitmap, digit_at(tick, depth), up);
        if (bits == 0) {
            continue;
        }
        /* Turn off here, and from there on keep to the near side. */
        uint32_t digit = eng_bits_first(bits, up);
        uint32_t found = (uint32_t)tick >> (ENG_DIGIT_BITS * (DEPTH_LEAF - depth));
        found = (found & ~ENG_DIGIT_MASK) | digit;
        for (uint32_t below = depth + 1; below < ENG_LADDER_DEPTHS; below++) {
            node = &nodes->pool[node->children[digit]];
            digit = eng_bits_first(node->bitmap, up);
            found = found << ENG_DIGIT_BITS | digit;
        }
        return (int32_t)found;
    }
    return 0;
}

int32_t eng_nodes_verify(const eng_nodes *nodes)
{
    uint32_t seen = 0;
    uint32_t at = nodes->free_head;
    RB_CHECK(nodes->pool[0].bitmap == 0);
    for (; at != ENG_NODE_NONE && seen < nodes->count; seen++) {
        RB_CHECK(at <= nodes->count);
        RB_CHECK(nodes->pool[at].bitmap == 0);
        at = nodes->pool[at].children[0];
    }
    RB_CHECK(at == ENG_NODE_NONE);
    RB_CHECK(seen == nodes->free_count);
    return RB_OK;
}

/* Goes through the trie with a stack of what is left to visit at each depth. A node that hangs in
 * two places shows itself: the two would hold different ticks, and the orders know theirs. */
static int32_t verify_tree(const eng_nodes *nodes, const eng_ladder *ladder, uint64_t *node_count,
                           uint64_t *level_count)
{
    uint32_t path[ENG_LADDER_DEPTHS] = {ladder->root};
    uint64_t left[ENG_LADDER_DEPTHS] = {nodes->pool[ladder->root].bitmap};
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
        RB_CHECK(nodes->pool[at].bitmap != 0);
        ++*node_count;
        if (depth + 1 == DEPTH_LEAF) {
            *level_count += (uint64_t)__builtin_popcountll(nodes->pool[at].bitmap);
        } else {
            depth++;
            path[depth] = at;
            left[depth] = nodes->pool[at].bitmap;
        }
    }
    return rb_check_failed("the trie has no more nodes than the pool", __FILE__, __LINE__);
}

int32_t eng_ladder_verify(const eng_nodes *nodes, const eng_ladder *ladder, uint64_t *node_count,
                          uint64_t *level_count)
{
    *node_count = 0;
    *level_count = 0;
    for (uint32_t slot = 0; slot < ENG_LEAVES_CACHED; slot++) {
        uint32_t key = ladder->cached_keys[slot];
        if (key == ENG_KEY_NONE) {
            continue;
        }
        RB_CHECK(key % ENG_LEAVES_CACHED == slot);
        trail path = descend(nodes, ladder, (int32_t)(key << ENG_DIGIT_BITS));
        RB_CHECK(path.length == ENG_LADDER_DEPTHS);
        RB_CHECK(path.nodes[DEPTH_LEAF] == ladder->cached_leaves[slot]);
    }
    for (uint32_t i = 0; i < sizeof ladder->reserved / sizeof ladder->reserved[0]; i++) {
        RB_CHECK(ladder->reserved[i] == 0);
    }
    RB_CHECK(ladder->root <= nodes->count);
    return ladder->root == ENG_NODE_NONE ? RB_OK
                                         : verify_tree(nodes, ladder, node_count, level_count);
}
