#include "ringbus/histogram.h"

void rb_histogram_add(void *histogram, uint64_t value)
{
    rb_histogram_record(histogram, value);
}

uint64_t rb_histogram_value(uint32_t index)
{
    if (index < 2 * RB_HISTOGRAM_SUB_HALF) {
        return index;
    }
    uint32_t bucket = index / RB_HISTOGRAM_SUB_HALF - 1;
    uint64_t sub = index % RB_HISTOGRAM_SUB_HALF + RB_HISTOGRAM_SUB_HALF;
    return sub << bucket;
}

size_t rb_histogram_bytes(void)
{
    return sizeof(rb_histogram);
}
