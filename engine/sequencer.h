/*
 * Sequencer: takes proposals from the contributors' lanes, one a turn each, and puts them into one
 * order.
 *
 * A turn goes once round the lanes that have something. Each proposal gets the next input number,
 * the time (read once a work call), the publisher id of its lane, and goes to the lane of the shard
 * that its instrument belongs to; messages without an instrument go to shard 0. What a contributor
 * may not send is not lost in silence: a proposal of a bad form that still has a topic is turned
 * into a refusal (flag Refused, body Rejected) that its shard will publish; one whose topic does
 * not exist is counted and dropped, since nobody could be told.
 *
 * Who: one thread. Progress: wait-free; a proposal whose shard's lane is full stays in its
 * contributor's lane (it has no input number yet) and the others go on. Crash: private state is
 * rebuilt from the stream.
 */
#ifndef ENGINE_SEQUENCER_H
#define ENGINE_SEQUENCER_H

#include "ringbus/core.h"
#include "ringbus/doorbell.h"
#include "ringbus/histogram.h"
#include "ringbus/lane.h"

#define ENG_SHARDS_MAX 16u
#define ENG_CONTRIBUTORS_MAX RB_DOORBELL_LANES
#define ENG_INSTRUMENTS_MAX (1u << 20)

/* Of the hops inside the engine one input in so many is measured: two readings of the clock (23 ns
 * each here, 2026-11) would be a fifth of what an input costs. The same inputs are measured at
 * every hop. */
#define ENG_MEASURE_EVERY 16u

static inline int eng_is_measured(const rb_message *message)
{
    return message->header.checksum % ENG_MEASURE_EVERY == 0;
}

/* cffi: struct eng_sequencer */
typedef struct eng_sequencer {
    uint64_t input;                  /* number of the last input */
    uint64_t time_ns;                /* last time given; never goes back */
    uint64_t hot[RB_DOORBELL_WORDS]; /* lanes that are polled */
    uint32_t contributor_count;
    uint32_t word_count; /* of `hot` that are in use */
    uint32_t shard_count;
    uint32_t instrument_count;
    uint32_t topic_count;
    uint32_t next_contributor; /* where the next turn begins */
    uint32_t turns_to_sweep;
    uint32_t time_is_old;
    const uint8_t *shard_of; /* by instrument */
    rb_doorbell *doorbell;
    rb_clock *clock;
    rb_wake *wake;
    rb_histogram *hop;       /* contributor to sequencer; may be NULL */
    uint64_t *refused_count; /* proposals of a bad form; may be NULL */
    uint64_t *dropped_count; /* proposals that nobody can be told about; may be NULL */
    rb_lane shards[ENG_SHARDS_MAX];
    uint64_t shard_bells[ENG_SHARDS_MAX]; /* wake masks */
    uint32_t empty_turns[ENG_CONTRIBUTORS_MAX];
    rb_lane contributors[ENG_CONTRIBUTORS_MAX];
} eng_sequencer;

/* cffi: begin */
/* `shard_of`: one byte an instrument, kept by the caller. Topics are 0..topics-1. */
int32_t eng_sequencer_init(eng_sequencer *sequencer, void *doorbell, const uint8_t *shard_of,
                           uint32_t instruments, uint32_t topics, void *clock, void *wake);
/* Attaches the next contributor's lane (its publisher id is its number + 1). RB_FULL. */
int32_t eng_sequencer_add_contributor(eng_sequencer *sequencer, void *memory, size_t bytes);
/* Attaches the lane to the next shard; `bell` is rung when it got something (0: none). */
int32_t eng_sequencer_add_shard(eng_sequencer *sequencer, void *memory, size_t bytes,
                                uint64_t bell_mask);
/* Where to record and count; any may be NULL. */
void eng_sequencer_measure(eng_sequencer *sequencer, void *hop, uint64_t *refused,
                           uint64_t *dropped);
int64_t eng_sequencer_work(void *sequencer, int64_t limit);
void *eng_sequencer_work_function(void);
uint64_t eng_sequencer_input(const eng_sequencer *sequencer);
/* cffi: end */

#endif
