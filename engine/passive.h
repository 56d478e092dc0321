/*
 * Passive: what contributors said according to a recorded stream, said to the shards once more.
 *
 * A group of the stream begins with a contributed line, or with the Rejected one that stands for
 * it; the lines behind it that it says go on with it (a tag, terms, legs) belong to it, all others
 * were made by the engine. Such a proposal is put onto the lanes of its shards as the sequencer had
 * put it there: under the next input number, without what the book fills in. What the engine's own
 * agents then say is compared with the record, byte for byte, before it is on a ring. passive.py
 * says what is decided anew and what is taken as recorded.
 *
 * Who: one thread. Progress: bounded by the batch. No allocation. Crash: private; begins again.
 */
#ifndef ENGINE_PASSIVE_H
#define ENGINE_PASSIVE_H

#include "engine/book.h"
#include "engine/publisher.h"
#include "engine/sequencer.h"
#include "engine/shard.h"
#include "ringbus/lane.h"
#include "ringbus/multicast.h"

/* cffi: struct eng_passive */
typedef struct eng_passive {
    rb_lane lanes[ENG_SHARDS_MAX];
    void *shards[ENG_SHARDS_MAX]; /* eng_shard, on the other side of its lane */
    void *publisher;              /* eng_publisher */
    rb_reader ring;               /* what they say beyond what is recorded */
    const uint8_t *shard_of;      /* by instrument */
    uint32_t shard_count;
    uint32_t instrument_count;
    uint64_t input;   /* number of the last proposal */
    uint64_t epochs;  /* EpochStart lines that were said */
    uint32_t is_over; /* EndOfDay was */
    uint8_t reserved[4];
} eng_passive;

/* cffi: begin */
/* `shard_of`: by instrument; `publisher`: an eng_publisher onto `ring`. Both kept by the caller.
 * RB_USAGE, as rb_multicast_reader_attach. */
int32_t eng_passive_init(eng_passive *passive, const uint8_t *shard_of, uint32_t instruments,
                         void *publisher, const void *ring, size_t ring_bytes);
/* The next shard, and the lane to it; half of the first one's slots are said ahead. RB_FULL, as
 * rb_lane_attach. */
int32_t eng_passive_add_shard(eng_passive *passive, void *shard, void *memory, size_t bytes);
/* How many of `count` recorded lines, at their end, are of a proposal whose other lines are still
 * to come. */
int64_t eng_passive_unfinished(const void *lines, int64_t count);
/* Says the proposals in `count` recorded lines, lets the engine answer, and compares. Returns how
 * many lines, from the first on, it has said in the same bytes: fewer than `count` if the next one
 * is another, or there is none. What it says behind the last of them waits on its lanes:
 * eng_passive_work puts it onto the ring, for eng_passive_take. A Continued line that nothing
 * follows goes on alone, a line that follows none not at all: that the record is wrong there is
 * then found by comparison. < 0: failed. */
int64_t eng_passive_follow(eng_passive *passive, const void *lines, int64_t count);
/* Copies up to `limit` lines out that the engine has said and nobody has heard yet. */
int64_t eng_passive_take(eng_passive *passive, void *out, int64_t limit);
/* How many engines have begun to reign behind the first, and whether the day has its end, in what
 * was said so far. */
uint64_t eng_passive_epochs(const eng_passive *passive);
int32_t eng_passive_is_over(const eng_passive *passive);
/* One turn of each agent; returns what was done, 0 when they rest. < 0: failed. */
int64_t eng_passive_work(eng_passive *passive);
/* cffi: end */

#endif
