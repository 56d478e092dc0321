/*
 * Lane: a bounded, lossless ring of 64-byte messages with one producer and one consumer.
 *
 * Each slot is guarded by its own first word: a message is there when its `sequence` equals the
 * slot's position + 1. Guard and payload share a cache line, so a hop costs one coherence miss;
 * head and tail are only looked at when the lane seems full, and by whoever watches.
 *
 * Who: the producer functions from one thread of one process at a time, the consumer functions from
 * one other; `rb_lane_valid` and the getters from anybody. Progress: every call is wait-free; a
 * full lane is a return value. Crash: a message is whole or absent, the guard is written last; a
 * new producer or consumer calls attach and goes on where the dead one stopped (`repair`). Source:
 * the slot guard of FastForward (Giacomoni 2008) with the positions of rigtorp's SPSCQueue.
 */
#ifndef RINGBUS_LANE_H
#define RINGBUS_LANE_H

#include "ringbus/atomics.h"
#include "ringbus/distance.h"
#include "ringbus/layout.h"
#include "ringbus/messages.h"
#include "ringbus/status.h"

#define RB_LANE_CAPACITY_MIN 8u
#define RB_LANE_CAPACITY_MAX (1u << 26)
/* Messages before which the producer asks for a slot's line: far, it takes as long as ten. */
#define RB_LANE_AHEAD 16u

/* In shared memory: this, then `capacity` slots, then `capacity` stamps. */
typedef struct rb_lane_shared {
    rb_layout layout;
    RB_ALIGNED uint64_t tail; /* owner: producer; read by a restarted producer and by watchers */
    RB_ALIGNED uint64_t head; /* owner: consumer; read by the producer when the lane seems full */
} rb_lane_shared;

/* One side's private handle. */
/* cffi: struct rb_lane */
typedef struct rb_lane {
    rb_message *slots;
    uint64_t mask;
    uint64_t tail_local;  /* producer: next position to write */
    uint64_t head_cached; /* producer: last seen head */
    uint64_t head_local;  /* consumer: next position to read */
    rb_distance distance; /* consumer: from its producer */
    uint64_t *stamps;     /* by slot: when its message was committed, ns; written after the guard */
    rb_lane_shared *shared;
} rb_lane;

/* cffi: begin */
/* Bytes of a lane of `capacity` slots (a power of two, 8..2^26); 0 if it is not. */
size_t rb_lane_bytes(uint64_t capacity);
/* Lays out an empty lane in zeroed memory. RB_USAGE, RB_SIZE. */
int32_t rb_lane_init(void *memory, size_t bytes, uint64_t capacity, const char *name);
/* Verifies the memory and makes a handle that goes on at the shared head and tail. */
int32_t rb_lane_attach(rb_lane *lane, void *memory, size_t bytes);
/* For a producer that takes over from one that is dead; the consumer may be at work. Messages that
 * were committed but not counted are counted; half-committed groups are erased. Returns lines
 * erased. A consumer's successor needs attach only. */
int64_t rb_lane_repair(rb_lane *lane);
/* Whether every slot between head and tail is as it must be. RB_OK, RB_CORRUPT. Only at rest. */
int32_t rb_lane_valid(const rb_lane *lane);
/* Messages written and not yet released, seen from outside; both sides may be at work. */
uint64_t rb_lane_depth(const rb_lane *lane);
uint64_t rb_lane_capacity(const rb_lane *lane);
/* Producer: messages written since the lane was made, by predecessors too. */
uint64_t rb_lane_written(const rb_lane *lane);
/* All slots, released ones too; what they hold is only settled when the producer is at rest. */
const void *rb_lane_slots(const rb_lane *lane);

/* Producer: copies `count` messages in, whole groups or nothing. Returns count, or 0 when they do
 * not fit now. RB_USAGE if they never could. Sequences are overwritten. */
int64_t rb_lane_offer(rb_lane *lane, const void *messages, int64_t count);
/* Consumer: copies up to `limit` messages out and releases them. */
int64_t rb_lane_take(rb_lane *lane, void *out, int64_t limit);
/* cffi: end */

static inline rb_message *rb_lane_at(const rb_lane *lane, uint64_t position)
{
    return &lane->slots[position & lane->mask];
}

/* Producer: free slots, at least `wanted` if there are so many. */
static inline uint64_t rb_lane_room(rb_lane *lane, uint64_t wanted)
{
    uint64_t room = lane->mask + 1 - (lane->tail_local - lane->head_cached);
    if (room < wanted) {
        /* L1 acquire; pairs with L2 in rb_lane_release: the consumer is done with what we
         * overwrite. */
        lane->head_cached = rb_load_acquire(&lane->shared->head);
        room = lane->mask + 1 - (lane->tail_local - lane->head_cached);
    }
    return room;
}

/* Producer: the n-th slot behind the tail, to be filled but for its `sequence`; n < room. */
static inline rb_message *rb_lane_slot(const rb_lane *lane, uint64_t n)
{
    rb_ask(rb_lane_at(lane, lane->tail_local + n + RB_LANE_AHEAD));
    return rb_lane_at(lane, lane->tail_local + n);
}

/* Producer that looked for work in vain: asks for the line of its next slot, which the other side
 * looks at. Else its answer waits for that line: far 1.38 of the bare round trip, so 1.00. */
static inline void rb_lane_warm(const rb_lane *lane)
{
    rb_ask(rb_lane_at(lane, lane->tail_local));
}

/* Producer: makes the next `count` filled slots visible, last first: they appear at once. */
static inline void rb_lane_commit(rb_lane *lane, uint64_t count)
{
    uint64_t tail = lane->tail_local;
    for (uint64_t n = count; n-- > 0;) {
        /* L3 release; pairs with L4 in rb_lane_peek: the payload is visible before its guard. */
        rb_store_release(&rb_lane_at(lane, tail + n)->header.sequence, tail + n + 1);
    }
    lane->tail_local = tail + count;
    /* relaxed: only a restarted producer and watchers read tail, the guards carry the order. */
    rb_store_relaxed(&lane->shared->tail, lane->tail_local);
}

/* Producer: notes when the message at `position` was committed. Written behind the guard, so that
 * its cache line is never waited for; a consumer that is quicker sees an older stamp and can tell.
 */
static inline void rb_lane_note(const rb_lane *lane, uint64_t position, uint64_t now_ns)
{
    /* relaxed: a measurement, checked for plausibility by its reader. */
    rb_store_relaxed(&lane->stamps[position & lane->mask], now_ns);
}

/* Consumer: the n-th unreleased message, NULL while it is not there. Valid until released. */
static inline const rb_message *rb_lane_peek(const rb_lane *lane, uint64_t n)
{
    uint64_t position = lane->head_local + n;
    const rb_message *slot = rb_lane_at(lane, position);
    /* L4 acquire; pairs with L3 in rb_lane_commit. */
    return rb_load_acquire(&slot->header.sequence) == position + 1 ? slot : NULL;
}

/* Consumer: when the n-th unreleased message was committed, as far as known. */
static inline uint64_t rb_lane_stamp(const rb_lane *lane, uint64_t n)
{
    /* relaxed: see rb_lane_note. */
    return rb_load_relaxed(&lane->stamps[(lane->head_local + n) & lane->mask]);
}

/* Consumer: gives the oldest `count` slots back. */
static inline void rb_lane_release(rb_lane *lane, uint64_t count)
{
    rb_distance_read(&lane->distance, &lane->shared->tail, lane->slots, lane->mask, 1,
                     lane->head_local, count);
    lane->head_local += count;
    /* L2 release; pairs with L1 in rb_lane_room: our reads are done before the slot is reused. */
    rb_store_release(&lane->shared->head, lane->head_local);
}

#endif
