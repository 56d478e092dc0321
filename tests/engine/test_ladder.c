/*
 * The ladder alone, against a plain array: prices near and far, entered and left at random, so that
 * its table of leaves grows and nodes are used again. Exit code 0: passed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "engine/ladder.h"
#include "tests/check.h"

/* xorshift64; a fixed seed, so that a failure comes again. */
static uint32_t random_below(uint32_t bound)
{
    static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

#define TICKS 400

/* The ladder of `set` as a plain array: next price in a direction, 0 if none. */
static int32_t plain_next(const uint8_t *set, const int32_t *ticks, int32_t at, int up)
{
    int32_t found = 0;
    for (uint32_t n = 0; n < TICKS; n++) {
        int beyond = up ? ticks[n] > at : ticks[n] < at;
        int nearer = found == 0 || (up ? ticks[n] < found : ticks[n] > found);
        found = set[n] && beyond && nearer ? ticks[n] : found;
    }
    return found;
}

/* As the book does it: the bit first, then the nodes. */
static void leave(eng_nodes *nodes, eng_ladder *ladder, int32_t tick)
{
    uint32_t leaf = eng_ladder_leaf(nodes, ladder, tick);
    nodes->heads[leaf].bitmap &= ~(UINT64_C(1) << ((uint32_t)tick & ENG_DIGIT_MASK));
    if (nodes->heads[leaf].bitmap == 0) {
        eng_ladder_prune(nodes, ladder, tick);
    }
}

static void test_ladder(void)
{
    void *memory = calloc(1, eng_nodes_bytes(5 * TICKS));
    static uint8_t set[TICKS];
    static int32_t ticks[TICKS];
    eng_nodes nodes;
    eng_ladder ladder;
    EXPECT(memory != NULL);
    eng_nodes_init(&nodes, memory, 5 * TICKS, 0);
    eng_ladder_init(&ladder);
    for (uint32_t n = 0; n < TICKS; n++) {
        /* Distinct, near and far. */
        uint32_t spread = (UINT32_C(1) << (n % 20)) - 1;
        ticks[n] = (int32_t)((n + 1) + 512 * (random_below(1000) & spread) + (spread << 10));
    }
    uint32_t in_use = 0;
    for (uint32_t turn = 0; turn < 6000; turn++) {
        /* Fills, then empties, then fills again. */
        uint32_t n = random_below(TICKS);
        int enter = turn / 2000 != 1;
        if (enter && !set[n]) {
            uint32_t missing = eng_ladder_missing(&nodes, &ladder, ticks[n]);
            uint32_t before = nodes.free_count;
            EXPECT(eng_ladder_level(&nodes, &ladder, ticks[n]) == NULL);
            EXPECT(eng_ladder_enter(&nodes, &ladder, ticks[n]) > ENG_DIGIT_MASK);
            EXPECT(before - nodes.free_count == missing);
            in_use++;
        } else if (!enter && set[n]) {
            leave(&nodes, &ladder, ticks[n]);
            in_use--;
        }
        set[n] = (uint8_t)enter;
        EXPECT(eng_ladder_missing(&nodes, &ladder, ticks[n]) == 0 || !enter);
        int32_t from = ticks[random_below(TICKS)];
        int up = (int)random_below(2);
        EXPECT(eng_ladder_next(&nodes, &ladder, from, up) == plain_next(set, ticks, from, up));
        uint64_t node_count = 0;
        uint64_t level_count = 0;
        EXPECT(eng_ladder_verify(&nodes, &ladder, &node_count, &level_count) == RB_OK);
        EXPECT(level_count == in_use);
        EXPECT(node_count + nodes.free_count == nodes.count);
    }
    for (uint32_t n = 0; n < TICKS; n++) {
        if (set[n]) {
            leave(&nodes, &ladder, ticks[n]);
        }
    }
    EXPECT(nodes.free_count == nodes.count);
    EXPECT(ladder.mask > ENG_LEAVES_OWN);
    EXPECT(eng_nodes_verify(&nodes) == RB_OK);
    free(memory);
}

static void test_ladder_out_of_nodes(void)
{
    void *memory = calloc(1, eng_nodes_bytes(4));
    eng_nodes nodes;
    eng_ladder ladder;
    EXPECT(memory != NULL);
    eng_nodes_init(&nodes, memory, 4, 0);
    eng_ladder_init(&ladder);
    EXPECT(eng_ladder_missing(&nodes, &ladder, 1) == 5);
    EXPECT(eng_ladder_enter(&nodes, &ladder, 1) == 0);
    EXPECT(nodes.free_count == 4);
    EXPECT(eng_nodes_verify(&nodes) == RB_OK);
    free(memory);
}

int main(void)
{
    test_ladder();
    test_ladder_out_of_nodes();
    return 0;
}
