#include "ringbus/metrics.h"

#include <string.h>

#include "ringbus/check.h"
#include "ringbus/status.h"

size_t rb_metrics_bytes(uint32_t histograms)
{
    return sizeof(rb_metrics_shared) + histograms * sizeof(rb_histogram);
}

int32_t rb_metrics_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_metrics_shared)) {
        return RB_SIZE;
    }
    size_t fit = (bytes - sizeof(rb_metrics_shared)) / sizeof(rb_histogram);
    uint32_t room = (uint32_t)(fit < RB_METRICS_HISTOGRAMS_MAX ? fit : RB_METRICS_HISTOGRAMS_MAX);
    return rb_layout_init(memory, rb_metrics_bytes(room), RB_KIND_METRICS, room, name);
}

int32_t rb_metrics_verify(const void *memory, size_t bytes)
{
    int32_t status = rb_layout_verify(memory, bytes, RB_KIND_METRICS);
    if (status != RB_OK) {
        return status;
    }
    const rb_metrics_shared *shared = memory;
    RB_CHECK(shared->layout.capacity <= RB_METRICS_HISTOGRAMS_MAX);
    if (shared->layout.bytes != rb_metrics_bytes((uint32_t)shared->layout.capacity)) {
        return RB_SIZE;
    }
    RB_CHECK(rb_load_acquire_u32(&shared->counter_count) <= RB_METRICS_COUNTERS_MAX);
    RB_CHECK(rb_load_acquire_u32(&shared->histogram_count) <= shared->layout.capacity);
    return RB_OK;
}

/* Names are there, end, and differ from one another. */
static int32_t names_valid(const char (*names)[RB_METRICS_NAME_BYTES], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        RB_CHECK(names[i][0] != '\0');
        RB_CHECK(names[i][RB_METRICS_NAME_BYTES - 1] == '\0');
        for (uint32_t earlier = 0; earlier < i; earlier++) {
            RB_CHECK(strcmp(names[i], names[earlier]) != 0);
        }
    }
    return RB_OK;
}

int32_t rb_metrics_valid(const void *metrics)
{
    const rb_metrics_shared *shared = metrics;
    int32_t status = rb_metrics_verify(metrics, shared->layout.bytes);
    if (status == RB_OK) {
        status = names_valid(shared->counter_names, shared->counter_count);
    }
    if (status == RB_OK) {
        status = names_valid(shared->histogram_names, shared->histogram_count);
    }
    for (uint32_t i = 0; status == RB_OK && i < shared->layout.capacity; i++) {
        status = rb_histogram_valid(&shared->histograms[i]);
    }
    return status;
}

int64_t rb_metrics_repair(void *metrics)
{
    rb_metrics_shared *shared = metrics;
    int32_t status = rb_metrics_verify(metrics, shared->layout.bytes);
    if (status != RB_OK) {
        return status;
    }
    int64_t wrong = 0;
    for (uint32_t i = 0; i < shared->layout.capacity; i++) {
        wrong += rb_histogram_repair(&shared->histograms[i]);
    }
    return wrong;
}

/* Index of `name` in a table of names, added if there is room; `limit` if there is none. */
static uint32_t find_or_add(char (*names)[RB_METRICS_NAME_BYTES], uint32_t *count, uint32_t limit,
                            const char *name)
{
    if (name == NULL || name[0] == '\0' || strlen(name) >= RB_METRICS_NAME_BYTES) {
        return limit;
    }
    uint32_t used = rb_load_acquire_u32(count);
    if (used > limit) {
        return limit;
    }
    for (uint32_t i = 0; i < used; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    if (used >= limit) {
        return limit;
    }
    memcpy(names[used], name, strlen(name) + 1);
    /* N1 release; pairs with N2: a counted entry has its name. */
    rb_store_release_u32(count, used + 1);
    return used;
}

uint64_t *rb_metrics_counter(void *metrics, const char *name)
{
    rb_metrics_shared *shared = metrics;
    uint32_t index =
        find_or_add(shared->counter_names, &shared->counter_count, RB_METRICS_COUNTERS_MAX, name);
    return index < RB_METRICS_COUNTERS_MAX ? &shared->counters[index] : NULL;
}

void *rb_metrics_histogram(void *metrics, const char *name)
{
    rb_metrics_shared *shared = metrics;
    uint32_t room = (uint32_t)shared->layout.capacity;
    uint32_t index = find_or_add(shared->histogram_names, &shared->histogram_count, room, name);
    return index < room ? &shared->histograms[index] : NULL;
}

const char *rb_metrics_counter_name(const void *metrics, uint32_t n)
{
    const rb_metrics_shared *shared = metrics;
    if (n >= RB_METRICS_COUNTERS_MAX) {
        return NULL;
    }
    /* N2 acquire; pairs with N1. */
    return n < rb_load_acquire_u32(&shared->counter_count) ? shared->counter_names[n] : NULL;
}

const char *rb_metrics_histogram_name(const void *metrics, uint32_t n)
{
    const rb_metrics_shared *shared = metrics;
    if (n >= RB_METRICS_HISTOGRAMS_MAX) {
        return NULL;
    }
    /* N2 acquire; pairs with N1. */
    return n < rb_load_acquire_u32(&shared->histogram_count) ? shared->histogram_names[n] : NULL;
}

size_t rb_metrics_counters_at(void)
{
    return offsetof(rb_metrics_shared, counters);
}

size_t rb_metrics_histograms_at(void)
{
    return offsetof(rb_metrics_shared, histograms);
}

void rb_metrics_add(uint64_t *counter, uint64_t more)
{
    rb_count(counter, more);
}

uint64_t rb_metrics_value(const uint64_t *counter)
{
    return rb_load_relaxed(counter); /* relaxed: a number, not an order. */
}
