#include "tuning/jitter.h"

#include <sys/resource.h>

#include "ringbus/clock.h"
#include "ringbus/status.h"

/* A reading of both clocks is taken again if somebody came between, but not for ever. */
enum { CALIBRATION_NS = 10000000, PROMPT_TICKS = 4000, TRIES_MAX = 1000, LOOKS_MAX = 4096 };

typedef struct moment {
    uint64_t ns;
    uint64_t ticks;
} moment;

static uint64_t kernel_ns(void)
{
    rb_clock clock = {.mode = RB_CLOCK_REAL};
    return rb_clock_read(&clock);
}

static inline uint64_t read_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return kernel_ns();
#endif
}

static moment both(void)
{
    moment now = {0};
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        uint64_t before = read_ticks();
        now.ns = kernel_ns();
        now.ticks = read_ticks();
        if (now.ticks - before < PROMPT_TICKS) {
            break;
        }
    }
    return now;
}

/* Nanoseconds a tick; 0 if the kernel's clock was set meanwhile. */
static double measure_rate(void)
{
    moment first = both();
    moment last = first;
    while (last.ns - first.ns < CALIBRATION_NS) {
        last = both();
    }
    double ticks = (double)(last.ticks - first.ticks);
    /* A counter is slower than 10 GHz and faster than 10 MHz. */
    double rate = ticks > 0 ? (double)(last.ns - first.ns) / ticks : 0.0;
    return rate > 0.1 && rate < 100.0 ? rate : 0.0;
}

/* How often this thread has lost its CPU, or has given it away. */
static int32_t count_switches(int64_t *switches)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0) {
        return RB_SYSTEM;
    }
    *switches = (int64_t)usage.ru_nivcsw + (int64_t)usage.ru_nvcsw;
    return RB_OK;
}

static void note(tun_spinner *spinner, rb_histogram *histogram, tun_gap *gaps, tun_gap gap)
{
    rb_histogram_record(histogram, gap.length_ns);
    if (spinner->gaps_kept < spinner->gaps_max) {
        gaps[spinner->gaps_kept] = gap;
        spinner->gaps_kept++;
    }
    spinner->gaps_total++;
    spinner->gaps_switched += gap.switched;
    spinner->lost_ns += gap.length_ns;
    spinner->lost_switched_ns += gap.switched != 0 ? gap.length_ns : 0;
}

int32_t tun_spin(tun_spinner *spinner, void *histogram, tun_gap *gaps)
{
    if (spinner == NULL || histogram == NULL || gaps == NULL || spinner->threshold_ns == 0) {
        return RB_USAGE;
    }
    double rate = measure_rate();
    int64_t switches = 0;
    if (rate <= 0.0 || count_switches(&switches) != RB_OK) {
        return RB_SYSTEM;
    }
    uint64_t threshold = (uint64_t)((double)spinner->threshold_ns / rate);
    uint64_t duration = (uint64_t)((double)spinner->duration_ns / rate);
    uint64_t noting = 0;
    uint64_t start = read_ticks();
    uint64_t last = start;
    uint64_t readings = 0;
    /* relaxed: a word that says stop orders nothing. */
    while (last - start < duration && rb_load_relaxed(&spinner->stop) == 0) {
        uint64_t now = read_ticks();
        readings++;
        if (__builtin_expect(now - last > threshold, 0)) {
            int64_t before = switches;
            if (count_switches(&switches) != RB_OK) {
                return RB_SYSTEM;
            }
            tun_gap gap = {.at_ns = (uint64_t)((double)(last - start) * rate),
                           .length_ns = (uint64_t)((double)(now - last) * rate),
                           .switched = switches != before};
            note(spinner, histogram, gaps, gap);
            last = read_ticks();
            noting += last - now;
            continue;
        }
        last = now;
    }
    spinner->spun_ns = (uint64_t)((double)(last - start) * rate);
    spinner->noting_ns = (uint64_t)((double)noting * rate);
    spinner->readings = readings;
    return RB_OK;
}

/* Waits until the line says `value`. Returns 0 when it did not for `patience_ns`. */
static int wait_for(const uint64_t *line, uint64_t value, uint64_t patience_ns)
{
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        /* T1 acquire; pairs with T2: what the other end did before its word is behind us. */
        if (rb_load_acquire(line) == value) {
            return 1;
        }
    }
    uint64_t start_ns = kernel_ns();
    while (kernel_ns() - start_ns < patience_ns) {
        for (int looks = 0; looks < LOOKS_MAX; looks++) {
            if (rb_load_acquire(line) == value) {
                return 1;
            }
        }
    }
    return 0;
}

int64_t tun_line_answer(uint64_t *line, uint64_t trips, uint64_t patience_ns)
{
    for (uint64_t n = 0; n < trips; n++) {
        if (!wait_for(line, 2 * n + 1, patience_ns)) {
            return (int64_t)n;
        }
        /* T2 release; pairs with T1: the other end's wait ends. */
        rb_store_release(line, 2 * n + 2);
    }
    return (int64_t)trips;
}

int64_t tun_line_ask(uint64_t *line, uint64_t trips, uint64_t patience_ns, double *round_trips_ns)
{
    double rate = measure_rate();
    for (uint64_t n = 0; n < trips; n++) {
        uint64_t sent = read_ticks();
        rb_store_release(line, 2 * n + 1); /* T2 again, of this end */
        if (!wait_for(line, 2 * n + 2, patience_ns)) {
            return (int64_t)n;
        }
        round_trips_ns[n] = (double)(read_ticks() - sent) * rate;
    }
    return (int64_t)trips;
}
