/*
 * Jitter: what a CPU takes away from a loop that wants all of it, and what a line of cache costs
 * between two CPUs.
 *
 * The spinner reads the CPU's counter as fast as it can. Two readings that lie further apart than a
 * threshold are a gap: somebody else had the CPU (an interrupt, another task, the host of a virtual
 * machine), or the CPU itself stood still. After each gap the kernel is asked whether this thread
 * was switched out meanwhile; the time that takes is not counted as a gap.
 *
 * The line is one word that goes there and back: two coherence misses, as in tests/bench/bench.h.
 *
 * Who: one thread, pinned by its caller, for each spinner and each end of a line; `stop` may be
 * written by anybody. Progress: every wait ends after a bounded time. Crash: nothing is shared but
 * the caller's own memory. Source: the method of sysjitter and hwlat.
 */
#ifndef TUNING_JITTER_H
#define TUNING_JITTER_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/atomics.h"
#include "ringbus/histogram.h"

/* cffi: begin */
typedef struct tun_gap {
    uint64_t at_ns;     /* since the spinner's start */
    uint64_t length_ns; /* between the two readings */
    uint64_t switched;  /* this thread was switched out in it */
} tun_gap;

typedef struct tun_spinner {
    uint64_t stop; /* owner: anybody; read by the spinner: nonzero ends it */
    uint64_t duration_ns;
    uint64_t threshold_ns;
    uint64_t gaps_max;  /* how many `gaps` there is room for */
    uint64_t gaps_kept; /* the first ones; all are counted */
    uint64_t gaps_total;
    uint64_t gaps_switched;
    uint64_t lost_ns; /* sum of all gaps */
    uint64_t lost_switched_ns;
    uint64_t noting_ns; /* spent on notes, in which nothing is seen */
    uint64_t spun_ns;   /* from the first reading to the last */
    uint64_t readings;
} tun_spinner;

/* Spins until the time is over or `stop`; `histogram` (rb_histogram) gets every gap in ns, `gaps`
 * the first ones. RB_OK, RB_USAGE, RB_SYSTEM. */
int32_t tun_spin(tun_spinner *spinner, void *histogram, tun_gap *gaps);
/* One end of a line: answers `trips` times. Returns how many it did before `patience_ns` without
 * any was over. */
int64_t tun_line_answer(uint64_t *line, uint64_t trips, uint64_t patience_ns);
/* The other end: asks, and notes every round trip in ns. Returns how many came back. */
int64_t tun_line_ask(uint64_t *line, uint64_t trips, uint64_t patience_ns, double *round_trips_ns);
/* cffi: end */

#endif
