/*
 * Metrics page: the counters and histograms of one process, in shared memory, readable by anybody
 * permitted without stopping or slowing the owner.
 *
 * Names are written before the entry is counted, entries are only added. One page per core, with
 * room for as many histograms as its size says: 208 KiB each.
 * Who: entries are made by the owning process before its loop runs; each is written by one thread.
 * Crash: the page stays; a successor with the same names goes on counting where it stopped.
 */
#ifndef RINGBUS_METRICS_H
#define RINGBUS_METRICS_H

#include "ringbus/histogram.h"
#include "ringbus/layout.h"

#define RB_METRICS_COUNTERS_MAX 128u
#define RB_METRICS_HISTOGRAMS_MAX 64u
#define RB_METRICS_NAME_BYTES 48u

typedef struct rb_metrics_shared {
    rb_layout layout;
    uint32_t counter_count; /* owner: the process; released after the entry is named */
    uint32_t histogram_count;
    char counter_names[RB_METRICS_COUNTERS_MAX][RB_METRICS_NAME_BYTES];
    char histogram_names[RB_METRICS_HISTOGRAMS_MAX][RB_METRICS_NAME_BYTES];
    RB_ALIGNED uint64_t counters[RB_METRICS_COUNTERS_MAX];
    RB_ALIGNED rb_histogram histograms[]; /* layout.capacity of them */
} rb_metrics_shared;

/* cffi: begin */
/* Bytes of a page with room for so many histograms. */
size_t rb_metrics_bytes(uint32_t histograms);
/* Lays out a page with room for as many as fit. */
int32_t rb_metrics_init(void *memory, size_t bytes, const char *name);
/* Whether the memory holds a metrics page whose tables can be walked. As rb_layout_verify; RB_SIZE,
 * RB_CORRUPT. Any time, any process. */
int32_t rb_metrics_verify(const void *memory, size_t bytes);
/* Whether every entry is as it must be. RB_OK, RB_CORRUPT. Only at rest. */
int32_t rb_metrics_valid(const void *metrics);
/* Mends the histograms that a dead owner left one record apart; for its successor, before it
 * records. Returns by how many records totals were wrong. */
int64_t rb_metrics_repair(void *metrics);
/* The counter or histogram called `name`, made if it is not there; NULL if there is no room. */
uint64_t *rb_metrics_counter(void *metrics, const char *name);
void *rb_metrics_histogram(void *metrics, const char *name);
/* Entry n: its name, or NULL behind the last. */
const char *rb_metrics_counter_name(const void *metrics, uint32_t n);
const char *rb_metrics_histogram_name(const void *metrics, uint32_t n);
/* Adds to and reads a counter; rb_count of the data plane, for Python. */
void rb_metrics_add(uint64_t *counter, uint64_t more);
uint64_t rb_metrics_value(const uint64_t *counter);
/* Offsets into the page, for views from Python. */
size_t rb_metrics_counters_at(void);
size_t rb_metrics_histograms_at(void);
/* cffi: end */

/* The process's counter: one writer, so no atomic add. */
static inline void rb_count(uint64_t *counter, uint64_t more)
{
    rb_store_relaxed(counter, *counter + more);
}

#endif
