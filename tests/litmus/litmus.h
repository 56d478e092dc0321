/*
 * What the litmus programs share: two threads that meet before every trial, so that both run their
 * few instructions at about the same time, and the counts of what came out.
 *
 * The threads run the shipped inline functions. A trial starts with a few turns of waiting, drawn
 * anew each time, so that the two meet at all distances. Each program lists at its top which
 * outcomes the memory model allows; it prints how often each came, and ends with 1 if a forbidden
 * one did. An allowed outcome that never came says that the two did not meet: on one CPU they do
 * not.
 */
#ifndef TESTS_LITMUS_LITMUS_H
#define TESTS_LITMUS_LITMUS_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "ringbus/atomics.h"
#include "ringbus/layout.h"
#include "tests/check.h"

enum { OUTCOMES_MAX = 8 };

typedef struct litmus {
    /* Run by thread 0 and thread 1, once a trial; what it returns is given to `judge`. */
    uint64_t (*sides[2])(void *state, uint64_t trial);
    /* Between trials, alone: which outcome it was; makes ready for the next. */
    int (*judge)(void *state, uint64_t trial, uint64_t zero, uint64_t one);
    void *state;
    const char *name;
    const char *outcomes[OUTCOMES_MAX]; /* those that start with '!' are forbidden */
    uint64_t trials;
    uint64_t counts[OUTCOMES_MAX];
    RB_ALIGNED uint64_t results[2];
    RB_ALIGNED uint64_t start; /* owner: thread 0; trial that may start */
    RB_ALIGNED uint64_t ended; /* owner: thread 1; trials that it has ended */
} litmus;

static inline void *litmus_memory(size_t bytes)
{
    size_t rounded = (bytes + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
    void *memory = aligned_alloc(RB_GUARD_BYTES, rounded);
    EXPECT(memory != NULL);
    memset(memory, 0, rounded);
    return memory;
}

/* Until `word` is `value`; lets others run after a while, for there may be one CPU. */
static inline void litmus_await(const uint64_t *word, uint64_t value)
{
    for (uint64_t turns = 1; rb_load_acquire(word) != value; turns++) {
        if (turns % 4096 == 0) {
            (void)sched_yield();
        }
    }
}

/* Up to `most` looks at a word of its own, a power of two. */
static inline void litmus_scatter(uint64_t *random, uint64_t most)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    for (uint64_t turns = (*random >> 32) & (most - 1); turns > 0; turns--) {
        (void)rb_load_acquire(random);
    }
}

static inline void *litmus_other_side(void *argument)
{
    litmus *test = argument;
    uint64_t random = 88172645463325252u;
    for (uint64_t trial = 1; trial <= test->trials; trial++) {
        litmus_await(&test->start, trial);
        litmus_scatter(&random, 64);
        test->results[1] = test->sides[1](test->state, trial);
        rb_store_release(&test->ended, trial);
    }
    return NULL;
}

/* Returns how many forbidden outcomes there were. */
static inline uint64_t litmus_run(litmus *test)
{
    pthread_t other;
    uint64_t random = 6364136223846793005u;
    uint64_t forbidden = 0;
    EXPECT(pthread_create(&other, NULL, litmus_other_side, test) == 0);
    for (uint64_t trial = 1; trial <= test->trials; trial++) {
        rb_store_release(&test->start, trial);
        /* The other side hears of the trial one hop later than this one: up to some 500 ns. */
        litmus_scatter(&random, 2048);
        test->results[0] = test->sides[0](test->state, trial);
        litmus_await(&test->ended, trial);
        int outcome = test->judge(test->state, trial, test->results[0], test->results[1]);
        EXPECT(outcome >= 0);
        EXPECT(outcome < OUTCOMES_MAX);
        test->counts[outcome]++;
    }
    EXPECT(pthread_join(other, NULL) == 0);
    (void)printf("%s: %llu trials\n", test->name, (unsigned long long)test->trials);
    for (int i = 0; i < OUTCOMES_MAX && test->outcomes[i] != NULL; i++) {
        int is_forbidden = test->outcomes[i][0] == '!';
        forbidden += is_forbidden ? test->counts[i] : 0;
        (void)printf("  %-9s %-52s %12llu\n", is_forbidden ? "forbidden" : "allowed",
                     test->outcomes[i] + is_forbidden, (unsigned long long)test->counts[i]);
    }
    return forbidden;
}

static inline uint64_t litmus_trials(int argc, char **argv)
{
    uint64_t trials = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    EXPECT(trials > 0);
    return trials;
}

#endif
