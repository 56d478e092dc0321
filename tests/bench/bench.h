/*
 * What the benchmarks share: memory that forked processes share, clocks, figures over rounds, and
 * the bare round trip of one cache line, which every figure is seen beside.
 *
 * On a virtual machine the two CPUs may move on the host between two rounds; the bare line moves
 * with them. A round around which it moved by more than a fifth is thrown away.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ringbus/atomics.h"
#include "ringbus/clock.h"
#include "tests/bench/record.h"
#include "tests/check.h"

enum { ROUNDS_MAX = 64 };

typedef struct figure {
    double values[ROUNDS_MAX];
    int count;
} figure;

typedef struct spread {
    double p50;
    double p99;
    double p999;
} spread;

static inline void *shared(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    EXPECT(memory != MAP_FAILED);
    return memory;
}

/* A forked child has no page tables for shared memory yet: a fault every 64 messages. */
static inline void prefault(void *memory, size_t bytes)
{
    EXPECT(madvise(memory, bytes, MADV_POPULATE_WRITE) == 0);
}

/* Memory of one process, zero, on huge pages where the host gives them. */
static inline void *huge(size_t bytes)
{
    const size_t page = (size_t)1 << 21;
    void *memory = aligned_alloc(page, (bytes + page - 1) / page * page);
    EXPECT(memory != NULL);
    (void)madvise(memory, bytes, MADV_HUGEPAGE); /* a wish */
    memset(memory, 0, bytes);
    return memory;
}

static inline uint64_t now_ns(void)
{
    rb_clock clock = {.mode = RB_CLOCK_REAL};
    return rb_clock_read(&clock);
}

/* What this thread had of a CPU: other jobs of the machine take nothing of it but cache. */
static inline uint64_t cpu_ns(void)
{
    struct timespec t;
    EXPECT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A cheaper clock than now_ns where there is one; ticks are turned into ns by the length of the
 * run. */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return now_ns();
#endif
}

static inline void pin(size_t cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    EXPECT(sched_setaffinity(0, sizeof set, &set) == 0);
}

/* Another process of the benchmark, which spins: it ends with whoever made it. */
static inline pid_t fork_bound(void)
{
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    }
    return child;
}

static inline void note(figure *f, double value)
{
    EXPECT(f->count < ROUNDS_MAX);
    f->values[f->count++] = value;
}

static inline int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the rounds. */
static inline double median(figure *f)
{
    qsort(f->values, (size_t)f->count, sizeof f->values[0], compare_doubles);
    return f->values[f->count / 2];
}

/* Also for programs, in the order of the rounds. */
static inline void print_against(const char *name, figure *f, const char *unit, const char *target)
{
    record_figure(name, f->values, f->count, unit, target, 0);
    double middle = median(f);
    (void)printf("%-34s %10.1f %-10s (rounds %.1f .. %.1f)%s%s\n", name, middle, unit, f->values[0],
                 f->values[f->count - 1], target[0] != '\0' ? "  " : "", target);
    (void)fflush(stdout);
}

static inline void print(const char *name, figure *f, const char *unit)
{
    print_against(name, f, unit, "");
}

static inline int compare_ticks(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static inline spread spread_of(uint64_t *samples, size_t count, double ns_per_tick)
{
    qsort(samples, count, sizeof samples[0], compare_ticks);
    spread s = {.p50 = (double)samples[count / 2] * ns_per_tick,
                .p99 = (double)samples[count * 99 / 100] * ns_per_tick,
                .p999 = (double)samples[count * 999 / 1000] * ns_per_tick};
    return s;
}

static inline spread spread_between(spread a, spread b)
{
    spread s = {
        .p50 = (a.p50 + b.p50) / 2, .p99 = (a.p99 + b.p99) / 2, .p999 = (a.p999 + b.p999) / 2};
    return s;
}

/* Whether the bare line moved too much between two looks for what was timed in between to count. */
static inline int has_moved(spread before, spread after)
{
    double low = before.p50 < after.p50 ? before.p50 : after.p50;
    double high = before.p50 < after.p50 ? after.p50 : before.p50;
    return high > 1.2 * low;
}

/* One word back and forth between this CPU and `cpu`: the coherence miss itself. */
static inline spread bare(uint64_t *line, uint64_t *samples, uint64_t trips, size_t cpu)
{
    rb_store_release(line, 0);
    pid_t child = fork_bound();
    if (child == 0) {
        pin(cpu);
        for (uint64_t n = 0; n < trips; n++) {
            while (rb_load_acquire(line) != 2 * n + 1) {
            }
            rb_store_release(line, 2 * n + 2);
        }
        _exit(0);
    }
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (uint64_t n = 0; n < trips; n++) {
        uint64_t sent = ticks();
        rb_store_release(line, 2 * n + 1);
        while (rb_load_acquire(line) != 2 * n + 2) {
        }
        samples[n] = ticks() - sent;
    }
    double ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    EXPECT(waitpid(child, NULL, 0) == child);
    return spread_of(samples, trips, ns_per_tick);
}

#endif
