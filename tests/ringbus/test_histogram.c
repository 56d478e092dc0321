/* Round trips of rb_histogram: every count, its edges, saturation, validity and repair. */
#include <stdio.h>
#include <string.h>

#include "ringbus/histogram.h"
#include "ringbus/status.h"

static int failures;

#define EXPECT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            failures++;                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                       \
        }                                                                                          \
    } while (0)

static rb_histogram histogram;

/* Each count starts where the one before it ends, and both its edges are counted in it. */
static void every_count_holds_its_range(void)
{
    uint64_t wrong = 0;
    for (uint32_t i = 0; i < RB_HISTOGRAM_COUNTS; i++) {
        uint64_t lowest = rb_histogram_value(i);
        uint64_t end = rb_histogram_value(i + 1);
        wrong += lowest >= end;
        wrong += rb_histogram_index(lowest) != i;
        wrong += rb_histogram_index(end - 1) != i;
        /* Three digits: a range is no wider than a thousandth of its values. */
        wrong += end - lowest > 1 && (end - lowest) * 1000 > lowest;
    }
    EXPECT(wrong == 0);
    EXPECT(rb_histogram_value(0) == 0);
    EXPECT(rb_histogram_value(RB_HISTOGRAM_COUNTS) == RB_HISTOGRAM_VALUE_MAX + 1);
    EXPECT(rb_histogram_value(UINT32_MAX) == RB_HISTOGRAM_VALUE_MAX + 1);
}

static void a_record_is_counted_once(void)
{
    memset(&histogram, 0, sizeof histogram);
    uint64_t sum = 0;
    uint64_t records = 0;
    for (uint64_t value = 1; value <= RB_HISTOGRAM_VALUE_MAX; value = value * 3 + 1) {
        rb_histogram_record(&histogram, value);
        sum += value;
        records++;
        EXPECT(histogram.counts[rb_histogram_index(value)] == 1);
        EXPECT(histogram.max == value);
    }
    EXPECT(histogram.total == records);
    EXPECT(histogram.sum == sum);
    EXPECT(histogram.saturated == 0);
    EXPECT(rb_histogram_valid(&histogram) == RB_OK);
}

static void too_large_values_saturate(void)
{
    static const uint64_t values[] = {RB_HISTOGRAM_VALUE_MAX, RB_HISTOGRAM_VALUE_MAX + 1,
                                      UINT64_MAX};
    memset(&histogram, 0, sizeof histogram);
    EXPECT(rb_histogram_add_many(&histogram, values, 3) == 3);
    EXPECT(histogram.saturated == 2);
    EXPECT(histogram.max == RB_HISTOGRAM_VALUE_MAX);
    EXPECT(histogram.counts[RB_HISTOGRAM_COUNTS - 1] == 3);
    EXPECT(rb_histogram_valid(&histogram) == RB_OK);
    EXPECT(rb_histogram_add_many(NULL, values, 3) == RB_USAGE);
    EXPECT(rb_histogram_add_many(&histogram, NULL, 3) == RB_USAGE);
}

/* A recorder that dies between its stores leaves a count that total and max do not know of. */
static void repair_follows_the_counts(void)
{
    memset(&histogram, 0, sizeof histogram);
    EXPECT(rb_histogram_valid(&histogram) == RB_OK);
    EXPECT(rb_histogram_repair(&histogram) == 0);
    rb_histogram_record(&histogram, 100);
    histogram.counts[rb_histogram_index(5000)]++;
    EXPECT(rb_histogram_valid(&histogram) == RB_CORRUPT);
    EXPECT(rb_histogram_repair(&histogram) == 1);
    EXPECT(rb_histogram_valid(&histogram) == RB_OK);
    EXPECT(histogram.total == 2);
    EXPECT(rb_histogram_index(histogram.max) == rb_histogram_index(5000));
    histogram.max = 7;
    EXPECT(rb_histogram_valid(&histogram) == RB_CORRUPT);
    EXPECT(rb_histogram_repair(&histogram) == 0);
    EXPECT(rb_histogram_valid(&histogram) == RB_OK);
}

int main(void)
{
    every_count_holds_its_range();
    a_record_is_counted_once();
    too_large_values_saturate();
    repair_follows_the_counts();
    return failures != 0;
}
