/*
 * Legs: what a benchmark times in each round, each between two looks at the bare line, and how the
 * figures are printed: median over the rounds, lowest, highest, and the line beside them.
 */
#ifndef TESTS_BENCH_LEGS_H
#define TESTS_BENCH_LEGS_H

#include "tests/bench/bench.h"

enum { LEG_FIGURES = 9, BARE_TRIPS = 10000, GOES_MAX = 8, LEGS_MAX = 32 };

/* Something that is timed between two looks at the bare line, and the figures that it gives. */
typedef struct leg {
    void (*run)(double *out);
    const char *names[LEG_FIGURES];
    const char *units[LEG_FIGURES];
    const char *targets[LEG_FIGURES];
    int is_shared;    /* its readers take a CPU from each other: others may, too */
    int against_bare; /* the three figures behind the first three are their ratios to the line */
    figure figures[LEG_FIGURES];
    figure bares[3]; /* p50, p99, p99.9 of the line around each round */
    int thrown_away;
    int is_spoiled; /* no go was clean: the figures are of the last one */
} leg;

/* Where the bare line is timed: from this CPU to `cpu`. */
typedef struct route {
    uint64_t *line;
    uint64_t *samples; /* room for BARE_TRIPS */
    size_t cpu;
    int (*was_disturbed)(void); /* since it was last asked */
} route;

/* Runs a leg between two looks at the bare line; again, but not for ever, if it moved or another
 * job took a CPU from the leg. What is spoiled to the end is no figure, unless there is no other.
 */
static inline void run_leg(leg *l, const route *at, int is_last)
{
    double out[LEG_FIGURES] = {0};
    spread around = {0};
    int is_spoiled = 1;
    for (int go = 0; go < GOES_MAX && is_spoiled; go++) {
        spread before = bare(at->line, at->samples, BARE_TRIPS, at->cpu);
        (void)at->was_disturbed();
        l->run(out);
        is_spoiled = at->was_disturbed() && !l->is_shared;
        spread after = bare(at->line, at->samples, BARE_TRIPS, at->cpu);
        is_spoiled |= has_moved(before, after);
        around = spread_between(before, after);
        l->thrown_away += is_spoiled;
    }
    if (is_spoiled && !(is_last && l->bares[0].count == 0)) {
        return;
    }
    l->is_spoiled = is_spoiled;
    double line_of[3] = {around.p50, around.p99, around.p999};
    for (int i = 0; i < 3; i++) {
        note(&l->bares[i], line_of[i]);
    }
    for (int i = 0; i < LEG_FIGURES && l->names[i] != NULL; i++) {
        int is_ratio = l->against_bare && i >= 3 && i < 6;
        note(&l->figures[i], is_ratio ? out[i - 3] / line_of[i - 3] : out[i]);
    }
}

/* The rounds of figure `f` in which the bare line was near, or those in which it was far. */
static inline figure rounds_of(const figure *f, const figure *line_p50, double limit, int is_near)
{
    figure out = {.count = 0};
    for (int i = 0; i < f->count; i++) {
        if ((line_p50->values[i] < limit) == is_near) {
            note(&out, f->values[i]);
        }
    }
    return out;
}

static inline void print_leg(const leg *l, double limit, int is_near)
{
    for (int i = 0; i < LEG_FIGURES && l->names[i] != NULL; i++) {
        figure f = rounds_of(&l->figures[i], &l->bares[0], limit, is_near);
        if (f.count == 0) {
            return;
        }
        const char *target = l->targets[i] == NULL ? "" : l->targets[i];
        figure line = rounds_of(&l->bares[0], &l->bares[0], limit, is_near);
        record_figure(l->names[i], f.values, l->is_spoiled ? 0 : f.count, l->units[i], target,
                      median(&line));
        double middle = median(&f);
        (void)printf("%-34s %9.2f %-4s (%.2f .. %.2f, %d rounds) bare ", l->names[i], middle,
                     l->units[i], f.values[0], f.values[f.count - 1], f.count);
        for (int k = 0; k < 3; k++) {
            figure of_line = rounds_of(&l->bares[k], &l->bares[0], limit, is_near);
            (void)printf(k < 2 ? "%.0f/" : "%.0f ns", median(&of_line));
        }
        (void)printf("  %s%s\n", target, l->is_spoiled ? " spoiled" : "");
    }
}

/* Two CPUs of a virtual machine share a cache in one hour and do not in the next: what was timed on
 * the one machine is no figure of the other. The border lies in the widest gap between the lines'
 * lengths, where a line is at least 1.8 times the next shorter; there is none if they are alike. */
static inline double border(const leg *legs, int count)
{
    static double lengths[ROUNDS_MAX * LEGS_MAX];
    size_t n = 0;
    for (int l = 0; l < count; l++) {
        for (int i = 0; i < legs[l].bares[0].count; i++) {
            lengths[n++] = legs[l].bares[0].values[i];
        }
    }
    qsort(lengths, n, sizeof *lengths, compare_doubles);
    double widest = 1.8;
    double at = 0;
    for (size_t i = 1; i < n; i++) {
        if (lengths[i] >= widest * lengths[i - 1]) {
            widest = lengths[i] / lengths[i - 1];
            at = lengths[i];
        }
    }
    return at;
}

static inline void print_all(const leg *legs, int count)
{
    double far = border(legs, count);
    int all_thrown_away = 0;
    for (int n = 0; n < count; n++) {
        all_thrown_away += legs[n].thrown_away;
    }
    if (far > 0) {
        (void)printf("the two CPUs are near each other, bare line below %.0f ns:\n", far);
    }
    for (int n = 0; n < count; n++) {
        print_leg(&legs[n], far > 0 ? far : 1e18, 1);
    }
    if (far > 0) {
        (void)printf("they are far from each other, %.0f ns and above:\n", far);
        for (int n = 0; n < count; n++) {
            print_leg(&legs[n], far, 0);
        }
    }
    (void)printf(
        "goes thrown away because the bare line moved by more than 20 %% or a CPU was taken: %d\n",
        all_thrown_away);
}

#endif
