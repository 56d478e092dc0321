#include "ringbus/histogram.h"

#include "ringbus/check.h"
#include "ringbus/status.h"

void rb_histogram_add(void *histogram, uint64_t value)
{
    rb_histogram_record(histogram, value);
}

int64_t rb_histogram_add_many(void *histogram, const uint64_t *values, uint32_t count)
{
    if (histogram == NULL || values == NULL) {
        return RB_USAGE;
    }
    for (uint32_t i = 0; i < count; i++) {
        rb_histogram_record(histogram, values[i]);
    }
    return (int64_t)count;
}

uint64_t rb_histogram_value(uint32_t index)
{
    if (index < 2 * RB_HISTOGRAM_SUB_HALF) {
        return index;
    }
    if (index >= RB_HISTOGRAM_COUNTS) {
        return RB_HISTOGRAM_VALUE_MAX + 1;
    }
    uint32_t bucket = index / RB_HISTOGRAM_SUB_HALF - 1;
    uint64_t sub = index % RB_HISTOGRAM_SUB_HALF + RB_HISTOGRAM_SUB_HALF;
    return sub << bucket;
}

/* Sum of all counts; `top` becomes the index behind the highest that is not zero, 0 if all are. */
static uint64_t count_all(const rb_histogram *histogram, uint32_t *top)
{
    uint64_t total = 0;
    *top = 0;
    for (uint32_t i = 0; i < RB_HISTOGRAM_COUNTS; i++) {
        uint64_t count = rb_load_relaxed(&histogram->counts[i]); /* relaxed: at rest. */
        total += count;
        *top = count != 0 ? i + 1 : *top;
    }
    return total;
}

int32_t rb_histogram_valid(const void *histogram)
{
    const rb_histogram *shared = histogram;
    uint32_t top;
    uint64_t total = count_all(shared, &top);
    RB_CHECK(shared->total == total);
    RB_CHECK(shared->saturated <= total);
    RB_CHECK(shared->max <= RB_HISTOGRAM_VALUE_MAX);
    if (top == 0) {
        RB_CHECK(shared->max == 0);
        return RB_OK;
    }
    RB_CHECK(rb_histogram_index(shared->max) == top - 1);
    return RB_OK;
}

int64_t rb_histogram_repair(void *histogram)
{
    rb_histogram *shared = histogram;
    uint32_t top;
    uint64_t total = count_all(shared, &top);
    int64_t wrong = (int64_t)(total - shared->total);
    rb_store_relaxed(&shared->total, total); /* relaxed: as in rb_histogram_record. */
    if (shared->saturated > total) {
        rb_store_relaxed(&shared->saturated, total);
    }
    if (top == 0) {
        rb_store_relaxed(&shared->max, 0);
    } else if (shared->max > RB_HISTOGRAM_VALUE_MAX || rb_histogram_index(shared->max) != top - 1) {
        /* The exact value died with its recorder: the highest one that is counted there. */
        rb_store_relaxed(&shared->max, rb_histogram_value(top) - 1);
    }
    return wrong < 0 ? -wrong : wrong;
}

size_t rb_histogram_bytes(void)
{
    return sizeof(rb_histogram);
}
