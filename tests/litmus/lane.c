/*
 * Message passing through a lane: a group of two messages, committed last first.
 *
 *   producer                          consumer
 *     a.payload = t, b.payload = t      look at a
 *     commit: guard of b, guard of a    look at b, if a is there
 *
 *   allowed    neither is there; both are there, both with the payload of this trial
 *   forbidden  a is there and b is not: a group appears at once
 *   forbidden  one is there with an older payload
 *
 * The guards are L3 (release) and L4 (acquire) of ringbus/lane.h.
 * usage: litmus_lane [trials, default 10^7]
 */
#include "ringbus/lane.h"
#include "tests/litmus/litmus.h"

enum { SLOTS = 64, NEITHER = 0, BOTH = 1, HALF = 2, STALE = 3 };

typedef struct lanes {
    rb_lane producer;
    rb_lane consumer;
} lanes;

static uint64_t produce(void *state, uint64_t trial)
{
    rb_lane *lane = &((lanes *)state)->producer;
    EXPECT(rb_lane_room(lane, 2) >= 2);
    for (uint64_t n = 0; n < 2; n++) {
        for (uint64_t i = 1; i < 8; i++) {
            rb_lane_slot(lane, n)->words[i] = trial;
        }
    }
    rb_lane_commit(lane, 2);
    return 0;
}

static uint64_t consume(void *state, uint64_t trial)
{
    const rb_lane *lane = &((lanes *)state)->consumer;
    const rb_message *first = rb_lane_peek(lane, 0);
    if (first == NULL) {
        return NEITHER;
    }
    const rb_message *second = rb_lane_peek(lane, 1);
    if (second == NULL) {
        return HALF;
    }
    for (uint64_t i = 1; i < 8; i++) {
        if (first->words[i] != trial || second->words[i] != trial) {
            return STALE;
        }
    }
    return BOTH;
}

static int judge(void *state, uint64_t trial, uint64_t zero, uint64_t one)
{
    rb_lane *lane = &((lanes *)state)->consumer;
    (void)zero;
    EXPECT(consume(state, trial) == BOTH);
    rb_lane_release(lane, 2);
    return (int)one;
}

int main(int argc, char **argv)
{
    static lanes state;
    size_t bytes = rb_lane_bytes(SLOTS);
    void *memory = litmus_memory(bytes);
    EXPECT(rb_lane_init(memory, bytes, SLOTS, "litmus") == RB_OK);
    EXPECT(rb_lane_attach(&state.producer, memory, bytes) == RB_OK);
    EXPECT(rb_lane_attach(&state.consumer, memory, bytes) == RB_OK);
    static litmus test = {.sides = {produce, consume},
                          .judge = judge,
                          .state = &state,
                          .name = "message passing through a lane",
                          .outcomes = {"neither message", "both messages",
                                       "!the first without the second", "!an older payload"}};
    test.trials = litmus_trials(argc, argv);
    uint64_t forbidden = litmus_run(&test);
    free(memory);
    return forbidden != 0;
}
