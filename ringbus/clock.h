/*
 * Clock: the only place that asks the time.
 *
 * Real time is CLOCK_REALTIME by the vDSO, so that stamps of all processes of a host compare. A manual
 * clock is set by whoever steps the agents (tests, simulation); a counted clock moves one microsecond a
 * call, which makes a whole exchange repeatable byte for byte.
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
    uint32_t mode; /* enum rb_clock_mode */
    uint32_t reserved;
    uint64_t now_ns; /* manual and counted: the last time given */
} rb_clock;

/* Nanoseconds since the epoch. */
uint64_t rb_clock_now(rb_clock *clock);
/* cffi: end */

static inline uint64_t rb_clock_read(rb_clock *clock)
{
    if (clock->mode == RB_CLOCK_REAL) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    if (clock->mode == RB_CLOCK_COUNTED) {
        clock->now_ns = clock->now_ns == 0 ? RB_CLOCK_COUNTED_START_NS
                                           : clock->now_ns + RB_CLOCK_COUNTED_STEP_NS;
    }
    return clock->now_ns;
}

#endif
