/*
 * Shard: one matching core's instruments: their book, and the topic locks of everything it answers.
 *
 * A proposal names the next number of its topic in this shard. Equal: it is applied, and every
 * message of the answer takes one number of the topic that it is on. Not equal: the contributor had
 * not seen something; it is answered by a Skip line, which tells the publisher to go on and is
 * published to nobody. A broadcast is applied whatever number it names, and takes one like others.
 *
 * The answer is written straight into the lane to the publisher: first the lines of the proposal,
 * under one number, then those that the engine made. One that does not fit waits in the book until
 * the publisher has made room; its last line so far waits too, since it may turn out to be the last
 * of its group.
 *
 * Who: one thread. Progress: wait-free. Crash: rebuilt from the stream.
 */
#ifndef ENGINE_SHARD_H
#define ENGINE_SHARD_H

#include "engine/book.h"
#include "ringbus/core.h"
#include "ringbus/histogram.h"
#include "ringbus/lane.h"

/* cffi: struct eng_shard */
typedef struct eng_shard {
    rb_lane in;
    rb_lane out;
    eng_book *book;
    uint32_t *topics; /* by topic: numbers taken */
    uint32_t topic_count;
    uint8_t number;
    uint8_t sweeping; /* the book holds the rest of an answer, and its line so far is behind tail */
    rb_clock *clock;
    rb_wake *wake;
    uint64_t publisher_bell;
    rb_histogram *hop;    /* sequencer to shard; may be NULL */
    uint64_t *drop_count; /* proposals with a stale topic sequence; may be NULL */
} eng_shard;

/* cffi: begin */
/* `topics`: `topic_count` zeroed words, kept by the caller; `book`: an eng_book. RB_SIZE: a lane
 * has fewer than ENG_SHARD_LANE_MIN slots. */
int32_t eng_shard_init(eng_shard *shard, uint8_t number, void *in, size_t in_bytes, void *out,
                       size_t out_bytes, void *book, uint32_t *topics, uint32_t topic_count,
                       void *clock, void *wake, uint64_t publisher_bell_mask);
void eng_shard_measure(eng_shard *shard, void *hop, uint64_t *dropped);
int64_t eng_shard_work(void *shard, int64_t limit);
void *eng_shard_work_function(void);
/* cffi: end */

#endif
