/*
 * Store buffering through the bells: a message is published while its reader goes to sleep.
 *
 *   waker                             sleeper
 *     x = t                             announce: sleeping |= me     (I1)
 *     ring: fence (I2), look who        r = x
 *     sleeps, wake them
 *
 *   allowed    the sleeper saw the message; the waker saw the sleeper; each saw the other
 *   forbidden  neither: the sleeper sleeps on a message that is there
 *
 * I1 and I2 are those of ringbus/idle.c; the announcement is rb_idle_step of a core that parks.
 * usage: litmus_bells [trials, default 10^7]
 */
#include "ringbus/idle.h"
#include "ringbus/status.h"
#include "tests/litmus/litmus.h"

enum { SAW_MESSAGE = 0, SAW_SLEEPER = 1, SAW_BOTH = 2, SAW_NEITHER = 3 };

typedef struct bells {
    rb_idle waker;
    rb_idle sleeper;
    RB_ALIGNED uint64_t message;
} bells;

static uint64_t publish(void *state, uint64_t trial)
{
    bells *b = state;
    uint64_t before = rb_idle_wakes(&b->waker);
    rb_store_release(&b->message, trial);
    rb_idle_ring(&b->waker, UINT64_C(1) << rb_idle_bell(&b->sleeper), 0);
    return rb_idle_wakes(&b->waker) - before;
}

static uint64_t fall_asleep(void *state, uint64_t trial)
{
    bells *b = state;
    /* With no time to spin, the first step announces, and says that we must look once more. */
    EXPECT(rb_idle_step(&b->sleeper, 0) == 1);
    return rb_load_acquire(&b->message) == trial;
}

static int judge(void *state, uint64_t trial, uint64_t woken, uint64_t seen)
{
    bells *b = state;
    (void)trial;
    /* Awake again: the bit is withdrawn. */
    EXPECT(rb_idle_step(&b->sleeper, 1) == 0);
    if (woken && seen) {
        return SAW_BOTH;
    }
    if (woken) {
        return SAW_SLEEPER;
    }
    return seen ? SAW_MESSAGE : SAW_NEITHER;
}

int main(int argc, char **argv)
{
    static bells state;
    size_t bytes = rb_bells_bytes();
    void *memory = litmus_memory(bytes);
    EXPECT(rb_bells_init(memory, bytes, "litmus") == RB_OK);
    EXPECT(rb_idle_attach(&state.waker, memory, bytes, "waker", RB_IDLE_SPIN, -1, 0) == RB_OK);
    EXPECT(rb_idle_attach(&state.sleeper, memory, bytes, "sleeper", RB_IDLE_PARK, -1, 0) == RB_OK);
    rb_idle_set_spin(&state.sleeper, 0);
    static litmus test = {.sides = {publish, fall_asleep},
                          .judge = judge,
                          .state = &state,
                          .name = "store buffering through the bells",
                          .outcomes = {"the sleeper saw the message", "the waker saw the sleeper",
                                       "each saw the other", "!neither: it sleeps on a message"}};
    test.trials = litmus_trials(argc, argv);
    uint64_t forbidden = litmus_run(&test);
    rb_idle_close(&state.waker);
    rb_idle_close(&state.sleeper);
    free(memory);
    return forbidden != 0;
}
