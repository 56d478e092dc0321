/*
 * Publisher: merges the shards' answers strictly in input order and puts them onto the stream.
 *
 * Every line from a shard carries the low 32 bits of its input number; the group of the next input
 * is at the head of exactly one lane. Lines get the next sequence and their checksum and are
 * published as they come; Skip lines end here. So the stream does not depend on how fast which
 * shard is.
 *
 * The answer to a broadcast comes from all shards at once, each with a first line of its own, and
 * becomes one group: the first line (and what is behind it) of shard 0, then the generated lines of
 * all shards, ascending by instrument. Each shard's are so already; the publisher takes the lowest
 * of the lanes' heads, so it keeps nothing and the group may be longer than all lanes together:
 *
 *     shard 0:  M  c1  c5           M  c1  c2  c5  c7      a shard that has not said what comes
 *     shard 1:  M  c2  c7    -->                           next, or that it is done, is waited for
 *
 * Nobody waits in a circle: all answers before the broadcast's are published, so the lane of a
 * shard that is waited for is empty, the broadcast is in the lane before it, and it can go on.
 *
 * Who: one thread. Progress: wait-free; it waits for gating readers (the journal) by doing nothing.
 * Crash: a line is on the stream or not; the successor goes on behind the last whole one.
 */
#ifndef ENGINE_PUBLISHER_H
#define ENGINE_PUBLISHER_H

#include "engine/sequencer.h"
#include "engine/settled.h"
#include "ringbus/multicast.h"

/* cffi: struct eng_publisher */
typedef struct eng_publisher {
    rb_writer writer;
    uint64_t input;   /* number of the input whose group is awaited */
    uint32_t current; /* shard whose group is being published, shard_count if none */
    uint32_t shard_count;
    uint32_t merging;    /* shards that have more to say to the broadcast at hand, one bit each */
    uint32_t head_lines; /* of it that are still to come from shard 0 */
    rb_clock *clock;
    rb_wake *wake;
    rb_histogram *hop;    /* shard to publisher; may be NULL */
    eng_settled *settled; /* may be NULL */
    rb_lane shards[ENG_SHARDS_MAX];
} eng_publisher;

/* cffi: begin */
int32_t eng_publisher_init(eng_publisher *publisher, void *ring, size_t ring_bytes, void *readers,
                           size_t readers_bytes, void *clock, void *wake);
/* RB_FULL, RB_SIZE: fewer than ENG_SHARD_LANE_MIN slots. */
int32_t eng_publisher_add_shard(eng_publisher *publisher, void *memory, size_t bytes);
/* Says there of which inputs everything is published; of none, to begin with. As
 * rb_layout_verify. */
int32_t eng_publisher_settle(eng_publisher *publisher, void *settled, size_t bytes);
void eng_publisher_measure(eng_publisher *publisher, void *hop);
int64_t eng_publisher_work(void *publisher, int64_t limit);
/* For a passive engine: as work, but what would be published is compared with `count` recorded
 * lines instead, all of it. Returns how many are the same, the first ones; the stream goes on
 * behind them. *differs: the next one is not. < 0: failed. */
int64_t eng_publisher_compare(eng_publisher *publisher, const void *recorded, int64_t count,
                              int32_t *differs);
void *eng_publisher_work_function(void);
uint64_t eng_publisher_next(const eng_publisher *publisher);
/* For a successor, before the first work: puts lines that the dead engine owed onto the stream. As
 * rb_multicast_offer. */
int64_t eng_publisher_offer(eng_publisher *publisher, const void *messages, int64_t count);
/* cffi: end */

#endif
