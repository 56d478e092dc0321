/*
 * Store buffering through a doorbell: a message is committed while the consumer takes the lane off
 * its list.
 *
 *   producer                          consumer
 *     commit (L3)                       clear the bit              (D2)
 *     ring: fence (D1), look at the     look at the lane
 *     bit, set it if it is clear
 *
 *   allowed    the consumer saw the message; the bit is set; both
 *   forbidden  neither: the message lies in a lane that nobody looks at
 *
 * D1 and D2 are those of ringbus/doorbell.h. The bit is set when the trial starts, as that of a
 * lane that was busy.
 * usage: litmus_doorbell [trials, default 10^7]
 */
#include "ringbus/doorbell.h"
#include "ringbus/lane.h"
#include "tests/litmus/litmus.h"

enum { SLOTS = 64, LANE_BIT = 77, SAW_MESSAGE = 0, BIT_SET = 1, SAW_BOTH = 2, SAW_NEITHER = 3 };

typedef struct door {
    rb_lane producer;
    rb_lane consumer;
    rb_doorbell *doorbell;
} door;

static uint64_t produce(void *state, uint64_t trial)
{
    door *d = state;
    EXPECT(rb_lane_room(&d->producer, 1) > 0);
    rb_lane_slot(&d->producer, 0)->words[1] = trial;
    rb_lane_commit(&d->producer, 1);
    rb_doorbell_ring(d->doorbell, LANE_BIT);
    return 0;
}

static uint64_t leave(void *state, uint64_t trial)
{
    door *d = state;
    rb_doorbell_clear(d->doorbell, LANE_BIT);
    const rb_message *message = rb_lane_peek(&d->consumer, 0);
    EXPECT(message == NULL || message->words[1] == trial);
    return message != NULL;
}

static int judge(void *state, uint64_t trial, uint64_t zero, uint64_t seen)
{
    door *d = state;
    (void)zero;
    (void)trial;
    uint64_t word = rb_load_relaxed(&d->doorbell->words[LANE_BIT / 64]);
    int is_set = (word >> (LANE_BIT % 64)) & 1;
    EXPECT(rb_lane_peek(&d->consumer, 0) != NULL);
    rb_lane_release(&d->consumer, 1);
    (void)rb_fetch_or(&d->doorbell->words[LANE_BIT / 64], UINT64_C(1) << (LANE_BIT % 64));
    if (is_set && seen) {
        return SAW_BOTH;
    }
    if (is_set) {
        return BIT_SET;
    }
    return seen ? SAW_MESSAGE : SAW_NEITHER;
}

int main(int argc, char **argv)
{
    static door state;
    size_t bytes = rb_lane_bytes(SLOTS);
    void *memory = litmus_memory(bytes);
    void *bell = litmus_memory(rb_doorbell_bytes());
    EXPECT(rb_lane_init(memory, bytes, SLOTS, "litmus") == RB_OK);
    EXPECT(rb_lane_attach(&state.producer, memory, bytes) == RB_OK);
    EXPECT(rb_lane_attach(&state.consumer, memory, bytes) == RB_OK);
    EXPECT(rb_doorbell_init(bell, rb_doorbell_bytes(), "litmus") == RB_OK);
    EXPECT(rb_doorbell_press(bell, LANE_BIT) == RB_OK);
    state.doorbell = bell;
    static litmus test = {.sides = {produce, leave},
                          .judge = judge,
                          .state = &state,
                          .name = "store buffering through a doorbell",
                          .outcomes = {"the consumer saw the message", "the bit is set",
                                       "seen, and the bit is set",
                                       "!neither: nobody looks at the lane"}};
    test.trials = litmus_trials(argc, argv);
    uint64_t forbidden = litmus_run(&test);
    free(bell);
    free(memory);
    return forbidden != 0;
}
