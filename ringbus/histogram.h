/*
 * Histogram: counts of values from 1 to 2^36 - 1 (68 s in ns) with three significant digits.
 *
 * The counts array is laid out as HdrHistogram's (2,048 sub-buckets, unit 1), so that its tools and
 * files take it as it is. Recording is one add in memory that nobody else writes; anybody may read
 * at any time and sees counts that are at most a few records apart.
 *
 * Who: one thread records, anybody reads. Progress: wait-free. Crash: the counts are the truth;
 * what is kept beside them (total, max) can be one record behind until `rb_histogram_repair`.
 * Source: Gil Tene's HdrHistogram.
 */
#ifndef RINGBUS_HISTOGRAM_H
#define RINGBUS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/atomics.h"

#define RB_HISTOGRAM_SUB_BITS 11u /* 2,048 sub-buckets: 3 significant digits */
#define RB_HISTOGRAM_SUB_HALF (1u << (RB_HISTOGRAM_SUB_BITS - 1))
#define RB_HISTOGRAM_VALUE_BITS 36u
#define RB_HISTOGRAM_VALUE_MAX ((UINT64_C(1) << RB_HISTOGRAM_VALUE_BITS) - 1)
#define RB_HISTOGRAM_BUCKETS (RB_HISTOGRAM_VALUE_BITS - RB_HISTOGRAM_SUB_BITS + 1)
#define RB_HISTOGRAM_COUNTS ((RB_HISTOGRAM_BUCKETS + 1) * RB_HISTOGRAM_SUB_HALF)

typedef struct rb_histogram {
    uint64_t total;     /* records */
    uint64_t saturated; /* records above the highest value, counted there */
    uint64_t max;
    uint64_t sum;
    uint64_t counts[RB_HISTOGRAM_COUNTS];
} rb_histogram;

_Static_assert(offsetof(rb_histogram, counts) == 4 * sizeof(uint64_t), "Python reads it as words");
_Static_assert(sizeof(rb_histogram) == (4 + RB_HISTOGRAM_COUNTS) * sizeof(uint64_t), "no padding");

/* Where `value` is counted; it must not be above RB_HISTOGRAM_VALUE_MAX. */
static inline uint32_t rb_histogram_index(uint64_t value)
{
    uint64_t high = value | (2u * RB_HISTOGRAM_SUB_HALF - 1);
    uint32_t bucket = 63u - (uint32_t)__builtin_clzll(high) - (RB_HISTOGRAM_SUB_BITS - 1);
    return (bucket << (RB_HISTOGRAM_SUB_BITS - 1)) + (uint32_t)(value >> bucket);
}

static inline void rb_histogram_record(rb_histogram *histogram, uint64_t value)
{
    if (__builtin_expect(value > RB_HISTOGRAM_VALUE_MAX, 0)) {
        rb_store_relaxed(&histogram->saturated, histogram->saturated + 1);
        value = RB_HISTOGRAM_VALUE_MAX;
    }
    /* relaxed: one writer, and readers want numbers, not an order. */
    uint64_t *count = &histogram->counts[rb_histogram_index(value)];
    rb_store_relaxed(count, *count + 1);
    rb_store_relaxed(&histogram->total, histogram->total + 1);
    rb_store_relaxed(&histogram->sum, histogram->sum + value);
    if (value > histogram->max) {
        rb_store_relaxed(&histogram->max, value);
    }
}

/* cffi: begin */
/* Records one value; the inline function of the data plane, for Python and tests. */
void rb_histogram_add(void *histogram, uint64_t value);
/* Records `count` values. Returns count, or RB_USAGE. */
int64_t rb_histogram_add_many(void *histogram, const uint64_t *values, uint32_t count);
/* Lowest value that is counted in counts[index]; one index behind the last gives the end. */
uint64_t rb_histogram_value(uint32_t index);
/* Whether total and max agree with the counts. RB_OK, RB_CORRUPT. Only at rest. */
int32_t rb_histogram_valid(const void *histogram);
/* Makes total and max agree with the counts, for who takes over from a dead recorder. Returns by
 * how many records total was wrong. */
int64_t rb_histogram_repair(void *histogram);
size_t rb_histogram_bytes(void);
/* cffi: end */

#endif
