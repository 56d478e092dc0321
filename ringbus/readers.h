/*
 * Readers: a table of places in which the readers of one ring stand, for its writer and for
 * watchers.
 *
 * The places of a ring's gates are what its writer waits for (multicast.h says how). A second
 * table, of which no writer knows, is for lossy readers that want to be seen. In its place each
 * reader shows what it has received, lost, and how often it was overtaken.
 *
 * Who: a place is claimed by anybody, then belongs to one reader; watchers read at any time.
 * Progress: a claim is bounded by the number of places. Crash: a dead reader's place stays its own,
 * for a successor of its name, until somebody who knows that it is dead reclaims it.
 */
#ifndef RINGBUS_READERS_H
#define RINGBUS_READERS_H

#include "ringbus/layout.h"

#define RB_READERS_MAX 64u

enum rb_reader_state {
    RB_READER_FREE = 0,
    RB_READER_OPENING = 1, /* claimed, cursor not yet valid */
    RB_READER_GATING = 2,
    RB_READER_LOSSY = 3, /* only shows its statistics */
};

typedef struct rb_reader_slot {
    RB_ALIGNED uint64_t
        cursor;     /* owner: the reader; last sequence it is done with; read by the writer */
    uint32_t state; /* enum rb_reader_state */
    uint32_t pid;
    char name[32];
    /* A line that the writer does not look at. owner: the reader; read by watchers */
    __attribute__((aligned(RB_LINE_BYTES))) uint64_t received;
    uint64_t lost;
    uint64_t laps;     /* times that it was overtaken */
    uint64_t distance; /* enum rb_distance_known */
} rb_reader_slot;

_Static_assert(sizeof(rb_reader_slot) == RB_GUARD_BYTES, "one guard");

typedef struct rb_readers_shared {
    rb_layout layout;
    rb_reader_slot slots[RB_READERS_MAX];
} rb_readers_shared;

/* Whether `readers` is a table of places and `name` can stand in it. RB_USAGE, as layouts. */
int32_t rb_readers_verify(const void *readers, size_t bytes, const char *name);
/* The place of that name and state, or NULL. */
rb_reader_slot *rb_readers_find(rb_readers_shared *readers, const char *name,
                                enum rb_reader_state state);
/* A free place, marked as being opened, with its name on it; NULL: there is none. */
rb_reader_slot *rb_readers_claim(rb_readers_shared *readers, const char *name);

/* cffi: begin */
size_t rb_readers_bytes(void);
int32_t rb_readers_init(void *memory, size_t bytes, const char *name);
/* Place n of RB_READERS_MAX as a watcher sees it: RB_READER_GATING or RB_READER_LOSSY and its
 * name, cursor and pid, or 0 if nobody stands there. */
int32_t rb_readers_get(const void *readers, uint32_t n, char *name, uint64_t *cursor,
                       uint32_t *pid);
/* Whether place n is in use, being opened included. */
int32_t rb_readers_used(const void *readers, uint32_t n);
/* Frees place n, whose process is known to be dead. */
int32_t rb_readers_reclaim(void *readers, uint32_t n);
/* What the reader in place n has received, lost, and how often it was overtaken. RB_USAGE. */
int32_t rb_readers_statistics(const void *readers, uint32_t n, uint64_t *received, uint64_t *lost,
                              uint64_t *laps);
/* What the reader in place n knows of its distance from the writer: enum rb_distance_known.
 * RB_USAGE. */
int32_t rb_readers_distance(const void *readers, uint32_t n);
/* cffi: end */

#endif
