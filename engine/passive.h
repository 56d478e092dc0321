/*
 * Passive: what contributors said according to a recorded stream, said to the shards once more.
 *
 * A group of the stream begins with a contributed line, or with the Rejected one that stands for
 * it; the lines behind it that it says go on with it (a tag, terms, legs) belong to it, all others
 * were made by the engine. Such a proposal is put onto the lanes of its shards as the sequencer had
 * put it there: under the next input number, without what the book fills in. What the engine then
 * says can be compared with the record, byte for byte. passive.py says what is decided anew and
 * what is taken as recorded.
 *
 * Who: one thread. Progress: bounded by the batch. No allocation. Crash: private; begins again.
 */
#ifndef ENGINE_PASSIVE_H
#define ENGINE_PASSIVE_H

#include "engine/book.h"
#include "engine/sequencer.h"
#include "ringbus/lane.h"

/* cffi: struct eng_passive */
typedef struct eng_passive {
    rb_lane shards[ENG_SHARDS_MAX];
    const uint8_t *shard_of; /* by instrument */
    uint32_t shard_count;
    uint32_t instrument_count;
    uint64_t input; /* number of the last proposal */
} eng_passive;

/* cffi: begin */
/* `shard_of`: by instrument, kept by the caller. RB_USAGE. */
int32_t eng_passive_init(eng_passive *passive, const uint8_t *shard_of, uint32_t instruments);
/* Attaches the lane to the next shard. RB_FULL, as rb_lane_attach. */
int32_t eng_passive_add_shard(eng_passive *passive, void *memory, size_t bytes);
/* How many of `count` recorded lines, at their end, are of a proposal whose other lines are still
 * to come. */
int64_t eng_passive_unfinished(const void *lines, int64_t count);
/* Says the proposals in `count` recorded lines. A Continued line that nothing follows goes on
 * alone, a line that follows none not at all: that the record is wrong there is then found by
 * comparison. RB_FULL: a lane has not as much room as `count`. */
int32_t eng_passive_say(eng_passive *passive, const void *lines, int64_t count);
/* How many of `count` lines, from the first on, are the same bytes. */
int64_t eng_passive_same(const void *recorded, const void *regenerated, int64_t count);
/* cffi: end */

#endif
