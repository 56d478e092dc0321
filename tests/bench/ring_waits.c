/* What a wait costs, legs of bench_ring: the writer to end it, the sleeper to wake up, the CPU; and
 * what one record of a histogram costs, and a core that measures its turns and stalls. */
#include <string.h>
#include <time.h>

#include "ringbus/core.h"
#include "ringbus/histogram.h"
#include "ringbus/idle.h"
#include "ringbus/status.h"
#include "tests/bench/ring_legs.h"

enum { IDLE_GAP_NS = 1000000, IDLE_NS = 200000000 };

static double cpu_seconds(void)
{
    struct timespec now;
    EXPECT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Takes each stamp as it comes: how late, and at the end what CPU time it took in all. */
static void sleeper(void *bells, uint32_t strategy)
{
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "sleeper", strategy, -1, 1) == RB_OK);
    double before = cpu_seconds();
    board_ready();
    uint64_t seen = 0;
    for (int over = 0; !over;) {
        over = rb_load_acquire(&table->over) != 0;
        uint64_t stamped = rb_load_acquire(&table->stamped);
        uint64_t now = ticks();
        int64_t found = (int64_t)(stamped - seen);
        for (; seen < stamped; seen++) {
            uint64_t stamp = rb_load_relaxed(&table->stamps[seen]);
            table->latencies[seen] = now > stamp ? now - stamp : 0;
        }
        (void)rb_idle_step(&idle, found);
    }
    table->readers[0].received = seen;
    table->cpu_seconds = cpu_seconds() - before;
    board_leave(0);
}

static void wait_until_ns(uint64_t until_ns)
{
    while (now_ns() < until_ns) {
        rb_pause();
    }
}

/* Stamps `count` times, `gap_ns` apart: what ringing takes of the writer, how late each was seen,
 * and the sleeper's share of its CPU. */
typedef struct idle_result {
    double cost;
    spread seen;
    double cpu;
} idle_result;

static idle_result idle_at(void *bells, rb_idle *idle, uint32_t strategy, int count,
                           uint64_t gap_ns)
{
    static uint64_t costs[STAMPS];
    idle_result result = {.cost = 0};
    board_start();
    pid_t child = board_fork();
    if (child == 0) {
        sleeper(bells, strategy);
    }
    board_wait_ready(1);
    uint64_t start_ns = now_ns();
    for (int n = 0; n < count; n++) {
        wait_until_ns(start_ns + (uint64_t)(n + 1) * gap_ns);
        uint64_t start = ticks();
        rb_store_relaxed(&table->stamps[n], start);
        rb_store_release(&table->stamped, (uint64_t)n + 1);
        rb_idle_ring(idle, 0, 1);
        costs[n] = ticks() - start;
    }
    wait_until_ns(start_ns + (uint64_t)(count + 1) * gap_ns);
    uint64_t end_ns = now_ns();
    /* Seen at its next look at the latest: a sleep ends after a millisecond. */
    rb_store_release(&table->over, 1);
    board_reap(child);
    result.cpu = table->cpu_seconds / ((double)(end_ns - start_ns) / 1e9) * 100;
    EXPECT(table->readers[0].received == (uint64_t)count);
    if (count > 0) {
        result.cost = spread_of(costs, (size_t)count, set.ns_per_tick).p50;
        memcpy(set.samples, table->latencies, table->readers[0].received * sizeof set.samples[0]);
        result.seen = spread_of(set.samples, table->readers[0].received, set.ns_per_tick);
    }
    return result;
}

static void run_idle(double *out, uint32_t strategy)
{
    void *bells = shared(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "bench") == RB_OK);
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "writer", RB_IDLE_SPIN, -1, 0) == RB_OK);
    idle_result slow = idle_at(bells, &idle, strategy, STAMPS / 100, IDLE_GAP_NS);
    idle_result fast = idle_at(bells, &idle, strategy, STAMPS, IDLE_GAP_NS / 100);
    out[0] = slow.cost;
    out[1] = slow.seen.p50;
    out[2] = slow.seen.p99;
    out[3] = slow.cpu;
    out[4] = fast.cost;
    out[5] = fast.seen.p50;
    out[6] = fast.seen.p99;
    out[7] = fast.cpu;
    out[8] = idle_at(bells, &idle, strategy, 0, IDLE_NS).cpu;
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

void run_adaptive(double *out)
{
    run_idle(out, RB_IDLE_ADAPTIVE);
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

/* An agent that always did as much as its state says. */
static int64_t as_told(void *state, int64_t limit)
{
    (void)limit;
    return *(const int64_t *)state;
}

enum { CORE_AGENTS = 4, CORE_ROUNDS = 4096, CORE_STRETCHES = 1024 };

/* A core of CORE_AGENTS agents that spins; measured or not. */
static void make_core(rb_core *core, rb_idle *idle, void *bells, const char *name, int64_t *did,
                      int is_measured)
{
    static rb_histogram histograms[CORE_AGENTS + 1];
    void *page = shared(rb_core_page_bytes());
    EXPECT(rb_core_page_init(page, rb_core_page_bytes(), name) == RB_OK);
    EXPECT(rb_idle_attach(idle, bells, rb_bells_bytes(), name, RB_IDLE_SPIN, -1, 0) == RB_OK);
    EXPECT(rb_core_attach(core, page, rb_core_page_bytes(), idle, RB_CLOCK_REAL, -1) == RB_OK);
    rb_work work = as_told;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    for (uint32_t n = 0; n < CORE_AGENTS; n++) {
        char agent[2] = {(char)('a' + n), '\0'};
        EXPECT(rb_core_add(core, agent, pointer, did, NULL) == RB_OK);
        if (is_measured) {
            EXPECT(rb_core_time(core, n, &histograms[n]) == RB_OK);
        }
    }
    if (is_measured) {
        rb_core_watch(core, &histograms[CORE_AGENTS]);
    }
}

void run_core(double *out)
{
    void *bells = shared(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "bench") == RB_OK);
    static rb_core cores[2];
    static rb_idle idles[2];
    int64_t did = 0;
    make_core(&cores[0], &idles[0], bells, "plain", &did, 0);
    make_core(&cores[1], &idles[1], bells, "measured", &did, 1);
    static uint64_t took[2][CORE_STRETCHES];
    uint64_t stretches = set.messages / 4 / CORE_ROUNDS + 1;
    stretches = stretches < CORE_STRETCHES ? stretches : CORE_STRETCHES;
    for (did = 0; did < 2; did++) {
        /* In turns, so that both meet the same moods of the host. */
        for (uint64_t n = 0; n < 2 * stretches; n++) {
            uint64_t start_ns = now_ns();
            for (int round = 0; round < CORE_ROUNDS; round++) {
                EXPECT(rb_core_turn(&cores[n & 1], 0) == 1);
            }
            took[n & 1][n / 2] = now_ns() - start_ns;
        }
        double plain = spread_of(took[0], stretches, 1).p50 / CORE_ROUNDS;
        out[2 * did] = plain;
        out[2 * did + 1] = spread_of(took[1], stretches, 1).p50 / CORE_ROUNDS - plain;
    }
    for (int n = 0; n < 2; n++) {
        EXPECT(munmap(cores[n].page, rb_core_page_bytes()) == 0);
        rb_idle_close(&idles[n]);
    }
    EXPECT(munmap(bells, rb_bells_bytes()) == 0);
}
