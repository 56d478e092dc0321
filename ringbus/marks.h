/*
 * Marks: how far each journal of a stream has come, for those who promise something to a client.
 *
 * One place a journal: the last sequence that it has made durable. A port that acknowledges
 * "journaled" shows a client nothing above the best of them, one that acknowledges "replicated"
 * nothing above the second best. The pipeline behind them never waits for a mark.
 *
 * Who: a place is written by one journal's syncing thread, under its name; read by anybody.
 * Progress: wait-free. Crash: a mark stays where it was; what it said is on the disk, and the
 * successor goes on from there.
 */
#ifndef RINGBUS_MARKS_H
#define RINGBUS_MARKS_H

#include "ringbus/layout.h"

#define RB_MARKS_MAX 8u

typedef struct rb_mark {
    RB_ALIGNED uint64_t durable; /* owner: the journal; read by everybody */
    char name[32];               /* written once, before the count */
} rb_mark;

typedef struct rb_marks_shared {
    rb_layout layout;
    uint32_t count;
    rb_mark marks[RB_MARKS_MAX];
} rb_marks_shared;

/* cffi: begin */
size_t rb_marks_bytes(void);
int32_t rb_marks_init(void *memory, size_t bytes, const char *name);
/* As rb_layout_verify; RB_CORRUPT: more places than there can be. */
int32_t rb_marks_verify(const void *memory, size_t bytes);
/* The place of the journal `name`, made if it is not there; by one process at a time (the launcher,
 * before the journals start). RB_FULL, RB_USAGE. */
int64_t rb_marks_place(void *marks, const char *name);
/* The mark of a place and its name, NULL behind the last. */
uint64_t rb_marks_durable(const void *marks, uint32_t place);
const char *rb_marks_name(const void *marks, uint32_t place);
/* Says that all up to `sequence` is durable there. RB_USAGE: no such place, or it would go back. */
int32_t rb_marks_set(void *marks, uint32_t place, uint64_t sequence);
/* The last sequence that at least `copies` journals (0..RB_MARKS_MAX) have durably. 0 copies:
 * everything, so UINT64_MAX. */
uint64_t rb_marks_reached(const void *marks, uint32_t copies);
/* cffi: end */

#endif
