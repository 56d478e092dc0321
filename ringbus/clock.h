/*
 * Clock: the only place that asks the time.
 *
 * Real time is CLOCK_REALTIME, so that stamps of all processes of a host compare. The kernel's
 * answer costs 23 ns (2026-11, AMD Zen 5) because it waits for everything before it; so it is asked
 * at most every 100 us, and in between the CPU's cycle counter says how far we are, where that
 * counter is invariant. The rate is measured against the kernel over 10 ms first; until then the
 * kernel is asked each time. An error of the rate of 10^-5 makes 1 ns in 100 us. No reading of one
 * clock is below the one before, but for a step of the wall clock by more than a millisecond, which
 * is followed. A manual clock is set by whoever steps the agents (tests, simulation); a counted
 * clock moves one microsecond a call, which makes a whole exchange repeatable byte for byte.
 * Thread: each clock belongs to one thread.
 */
#ifndef RINGBUS_CLOCK_H
#define RINGBUS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define RB_CLOCK_COUNTED_START_NS UINT64_C(1000000000000000000)
#define RB_CLOCK_COUNTED_STEP_NS UINT64_C(1000)

/* cffi: begin */
enum rb_clock_mode { RB_CLOCK_REAL = 0, RB_CLOCK_MANUAL = 1, RB_CLOCK_COUNTED = 2 };

typedef struct rb_clock {
    uint32_t mode;         /* enum rb_clock_mode */
    uint32_t rate_known;   /* the counter's rate is known */
    uint64_t now_ns;       /* manual and counted: the last time given */
    uint64_t anchor_ns;    /* real: what the kernel said last */
    uint64_t anchor_ticks; /* the counter then */
    uint64_t first_ns;     /* where the measurement of the rate began */
    uint64_t first_ticks;
    uint64_t ns_per_tick32; /* rate, times 2^32 */
    uint64_t span_ticks;    /* how long an anchor holds */
    uint64_t floor_ns;      /* real: no reading is below it */
} rb_clock;

/* Nanoseconds since the epoch. */
uint64_t rb_clock_now(rb_clock *clock);
/* cffi: end */

/* Asks the kernel and anchors the counter there; the slow part of rb_clock_read. */
uint64_t rb_clock_anchor(rb_clock *clock);

static inline uint64_t rb_clock_read(rb_clock *clock)
{
    if (clock->mode == RB_CLOCK_REAL) {
#if defined(__x86_64__)
        uint64_t ticks = __builtin_ia32_rdtsc() - clock->anchor_ticks;
        if (__builtin_expect(ticks < clock->span_ticks, 1)) {
            uint64_t now_ns = clock->anchor_ns + ((ticks * clock->ns_per_tick32) >> 32);
            return now_ns > clock->floor_ns ? now_ns : clock->floor_ns;
        }
#endif
        return rb_clock_anchor(clock);
    }
    if (clock->mode == RB_CLOCK_COUNTED) {
        clock->now_ns = clock->now_ns == 0 ? RB_CLOCK_COUNTED_START_NS
                                           : clock->now_ns + RB_CLOCK_COUNTED_STEP_NS;
    }
    return clock->now_ns;
}

#endif
