/*
 * What a benchmark found, for programs: one JSON line a figure or result behind the file that the
 * environment's BENCH_RECORDS names. Without it nothing is written; what is printed is the same.
 *
 * A name that begins with two spaces belongs to the last one that did not: "  p99" below "8
 * clients" is recorded as "8 clients: p99". `tests/bench/records.py` is the same for Python.
 */
#ifndef TESTS_BENCH_RECORD_H
#define TESTS_BENCH_RECORD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

enum { RECORD_NAME_BYTES = 160 };

/* What figures with an indented name belong to. */
static char record_heading[RECORD_NAME_BYTES];
/* CPUs that a figure is of: what is timed on one knows nothing of how far away another is. */
static int record_cpus = 2;

static inline FILE *record_file(void)
{
    static FILE *file;
    const char *path = getenv("BENCH_RECORDS");
    if (file == NULL && path != NULL && path[0] != '\0') {
        file = fopen(path, "a");
        EXPECT(file != NULL);
    }
    return file;
}

static inline void record_below(const char *name)
{
    (void)snprintf(record_heading, sizeof record_heading, "%s", name);
}

static inline void record_name(FILE *file, const char *kind, const char *name)
{
    /* Names are ours: nothing in them needs escaping. */
    EXPECT(strpbrk(name, "\"\\\n") == NULL);
    if (strncmp(name, "  ", 2) == 0) {
        (void)fprintf(file, "{\"%s\": \"%s: %s\"", kind, record_heading, name + 2);
    } else {
        (void)fprintf(file, "{\"%s\": \"%s\"", kind, name);
    }
}

/* The result of the work itself, before any time: the same work gives the same. */
static inline void record_result(const char *name, uint64_t hash)
{
    FILE *file = record_file();
    if (file != NULL) {
        record_name(file, "result", name);
        (void)fprintf(file, ", \"hash\": \"%08llx\"}\n", (unsigned long long)hash);
        (void)fflush(file); /* a forked child must not write it once more */
    }
}

/* `target` is what was asked for, as "<= 1.1", or ""; `bare_ns` the bare line's p50 of the same
 * rounds, 0 if it was not looked at. */
static inline void record_figure(const char *name, const double *values, int count,
                                 const char *unit, const char *target, double bare_ns)
{
    FILE *file = record_file();
    if (name[0] != ' ') {
        record_below(name);
    }
    if (file == NULL) {
        return;
    }
    record_name(file, "figure", name);
    (void)fprintf(file,
                  ", \"unit\": \"%s\", \"target\": \"%s\", \"cpus\": %d, \"bare_ns\": %.1f, "
                  "\"rounds\": [",
                  unit, target, record_cpus, bare_ns);
    for (int n = 0; n < count; n++) {
        (void)fprintf(file, "%s%.9g", n > 0 ? ", " : "", values[n]);
    }
    (void)fprintf(file, "]}\n");
    (void)fflush(file);
}

#endif
