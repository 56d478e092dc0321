/*
 * Sequencer: takes proposals from the contributors' lanes, one a turn each, and puts them into one
 * order.
 *
 * A turn goes once round the lanes that have something. Each proposal, a group of 1 to
 * ENG_GROUP_LINES_MAX lines, gets the next input number, the time (read once a work call), the
 * publisher id of its lane, and goes to the lane of the shard that its instrument belongs to;
 * messages without an instrument go to shard 0. A MassCancel without one is a broadcast: it goes to
 * every shard under one input number.
 *
 * With an admission, orders that would exceed a limit are refused in the same way
 * (engine/admission.h).
 *
 * What a contributor may not send is not lost in silence: a proposal of a bad form that still has a
 * topic is turned into a refusal (flag Refused, body Rejected) that the shard it was meant for will
 * publish, with the lines behind it if their form is right; one whose topic does not exist is
 * counted and dropped, since nobody could be told. The legs of a MultiLegOrder must be of one group
 * of instruments, whichever shards they are on.
 *
 * Who: one thread. Progress: wait-free; a proposal whose shard's lane is full stays in its
 * contributor's lane (it has no input number yet) and the others go on. Who found no room is the
 * next to use that lane, so that shorter groups do not slip past a long one for ever, nor past a
 * broadcast, which needs room everywhere at once. Crash: private state is rebuilt from the stream.
 */
#ifndef ENGINE_SEQUENCER_H
#define ENGINE_SEQUENCER_H

#include "engine/admission.h"
#include "engine/book.h"
#include "ringbus/core.h"
#include "ringbus/doorbell.h"
#include "ringbus/histogram.h"
#include "ringbus/lane.h"

#define ENG_SHARDS_MAX 16u
#define ENG_CONTRIBUTORS_MAX RB_DOORBELL_LANES
#define ENG_INSTRUMENTS_MAX (1u << 20)
/* Slots that lanes to and from a shard need: a whole proposal, or its echo and a pair of trades. */
#define ENG_SHARD_LANE_MIN 32u

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
    uint64_t all[RB_DOORBELL_WORDS]; /* lanes that there are */
    uint32_t contributor_count;
    uint32_t word_count; /* of `hot` that are in use */
    uint32_t shard_count;
    uint32_t instrument_count;
    uint32_t topic_count;
    uint32_t hot_count;        /* lanes that are polled */
    uint32_t next_contributor; /* where the next turn begins */
    uint32_t turns_to_sweep;
    uint32_t time_is_old;
    uint8_t reign;            /* of the proposals that are taken, see rb_reign */
    const uint8_t *shard_of;  /* by instrument */
    const uint32_t *group_of; /* by instrument, 0: none; may be NULL */
    rb_doorbell *doorbell;
    rb_clock *clock;
    rb_wake *wake;
    rb_histogram *hop;        /* contributor to sequencer; may be NULL */
    uint64_t *refused_count;  /* proposals of a bad form; may be NULL */
    uint64_t *dropped_count;  /* proposals that nobody can be told about; may be NULL */
    eng_admission *admission; /* NULL: everything may come in */
    uint32_t held_for;        /* contributor + 1 that everybody waits for, 0: nobody */
    rb_lane shards[ENG_SHARDS_MAX];
    uint64_t shard_bells[ENG_SHARDS_MAX]; /* wake masks */
    uint32_t next_for[ENG_SHARDS_MAX];    /* who has the next turn there: contributor + 1, or 0 */
    uint32_t empty_turns[ENG_CONTRIBUTORS_MAX];
    rb_lane contributors[ENG_CONTRIBUTORS_MAX];
} eng_sequencer;

/* cffi: begin */
/* `shard_of` and `group_of` (0: none; NULL: there are no groups): by instrument, kept by the
 * caller; a group is on one shard. Topics are 0..topics-1. */
int32_t eng_sequencer_init(eng_sequencer *sequencer, void *doorbell, const uint8_t *shard_of,
                           const uint32_t *group_of, uint32_t instruments, uint32_t topics,
                           void *clock, void *wake);
/* Attaches the next contributor's lane (its publisher id is its number + 1). RB_FULL. */
int32_t eng_sequencer_add_contributor(eng_sequencer *sequencer, void *memory, size_t bytes);
/* Attaches the lane to the next shard; `bell` is rung when it got something (0: none). RB_FULL,
 * RB_SIZE: fewer than ENG_SHARD_LANE_MIN slots. */
int32_t eng_sequencer_add_shard(eng_sequencer *sequencer, void *memory, size_t bytes,
                                uint64_t bell_mask);
/* Where to record and count; any may be NULL. */
void eng_sequencer_measure(eng_sequencer *sequencer, void *hop, uint64_t *refused,
                           uint64_t *dropped);
/* Before the first work: nothing comes in that `admission`, kept by the caller, refuses. */
void eng_sequencer_guard(eng_sequencer *sequencer, eng_admission *admission);
int64_t eng_sequencer_work(void *sequencer, int64_t limit);
void *eng_sequencer_work_function(void);
uint64_t eng_sequencer_input(const eng_sequencer *sequencer);
/* For a successor, before the first work: goes on behind input number `input`, at `time_ns` or
 * later, in the reign `epoch`; proposals that were made to another one are dropped, since who made
 * them makes them again. */
void eng_sequencer_begin(eng_sequencer *sequencer, uint64_t input, uint64_t time_ns,
                         uint32_t epoch);
/* cffi: end */

#endif
