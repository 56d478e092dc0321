/* What a wait costs, legs of bench_ring: the writer to end it, the sleeper to wake up, the CPU; and
 * what one record of a histogram costs. */
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ringbus/histogram.h"
#include "ringbus/idle.h"
#include "ringbus/status.h"
#include "tests/bench/ring_legs.h"

enum { IDLE_MS = 200, WAKE_GAP_NS = 300000 };

/* Sees the writer's stamps: how late, and at the end what CPU time an idle wait took. */
static void sleeper(void *bells, uint32_t strategy)
{
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "sleeper", strategy, -1, 1) == RB_OK);
    board_ready();
    uint64_t last = 0;
    uint64_t seen = 0;
    while (rb_load_acquire(&table->over) == 0) {
        uint64_t stamp = rb_load_acquire(&table->stamp);
        uint64_t now = ticks();
        int64_t found = stamp != last;
        if (found && seen < WAKES) {
            table->latencies[seen++] = now > stamp ? now - stamp : 0;
            last = stamp;
        }
        (void)rb_idle_step(&idle, found);
    }
    table->readers[0].received = seen;
    board_leave(0);
}

static void wait_ns(uint64_t length_ns)
{
    for (uint64_t start_ns = now_ns(); now_ns() - start_ns < length_ns;) {
        rb_pause();
    }
}

static double cpu_seconds_of_children(void)
{
    struct rusage usage;
    EXPECT(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* out: ns that a ring takes of the writer, wake-up latency p50 in ns. */
static void wake_many(rb_idle *idle, double *out)
{
    static uint64_t costs[WAKES];
    for (int n = 0; n < WAKES; n++) {
        wait_ns(WAKE_GAP_NS);
        uint64_t start = ticks();
        rb_store_release(&table->stamp, start);
        rb_idle_ring(idle, 0, 1);
        costs[n] = ticks() - start;
    }
    wait_ns(WAKE_GAP_NS);
    out[0] = spread_of(costs, WAKES, set.ns_per_tick).p50;
}

static void run_idle(double *out, uint32_t strategy)
{
    void *bells = shared(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "bench") == RB_OK);
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "writer", RB_IDLE_SPIN, -1, 0) == RB_OK);
    /* First with wake-ups, then with nothing to do, for the CPU that it takes. */
    for (int busy = 1; busy >= 0; busy--) {
        board_start();
        double before = cpu_seconds_of_children();
        pid_t child = board_fork();
        if (child == 0) {
            sleeper(bells, strategy);
        }
        board_wait_ready(1);
        if (busy) {
            wake_many(&idle, out);
        } else {
            struct timespec pause = {.tv_nsec = IDLE_MS * 1000000L};
            EXPECT(nanosleep(&pause, NULL) == 0);
        }
        rb_store_release(&table->over, 1);
        board_reap(child);
        if (busy) {
            EXPECT(table->readers[0].received > 0);
            memcpy(set.samples, table->latencies, sizeof table->latencies);
            out[1] = spread_of(set.samples, table->readers[0].received, set.ns_per_tick).p50;
        } else {
            out[2] = (cpu_seconds_of_children() - before) / (IDLE_MS / 1e3) * 100;
        }
    }
    rb_idle_close(&idle);
    EXPECT(munmap(bells, rb_bells_bytes()) == 0);
}

void run_spin(double *out)
{
    run_idle(out, RB_IDLE_SPIN);
}

void run_yield(double *out)
{
    run_idle(out, RB_IDLE_YIELD);
}

void run_park(double *out)
{
    run_idle(out, RB_IDLE_PARK);
}

void run_histogram(double *out)
{
    static rb_histogram histogram;
    static uint64_t values[4096];
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 4096; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* Latencies as they come: most of a few hundred ns, some long. */
        values[i] = 150 + (random & 255) + ((random >> 32) % 100 == 0 ? random >> 50 : 0);
    }
    uint64_t count = set.messages / 4096 * 4096;
    uint64_t start_ns = now_ns();
    for (uint64_t n = 0; n < count; n++) {
        rb_histogram_record(&histogram, values[n & 4095]);
    }
    out[0] = (double)(now_ns() - start_ns) / (double)count;
}
