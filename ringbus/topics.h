/*
 * Topics: the last number taken of every topic in every shard, as a reader of the stream knows it.
 *
 * Whoever proposes names the number behind it. A line takes the next number of its topic in its
 * shard; the lines behind a Continued one share its number, and a broadcast takes one in each
 * shard. The numbers that the stream carries must be those: anything else is a gap that nobody
 * noticed.
 *
 * Who: one thread a table. Progress: bounded by the batch. No allocation; crash: private memory, a
 * successor hears the stream from message 1.
 */
#ifndef RINGBUS_TOPICS_H
#define RINGBUS_TOPICS_H

#include <stdint.h>

#include "ringbus/messages.h"

/* cffi: struct rb_topics */
typedef struct rb_topics {
    uint32_t *last; /* [shard][topic] */
    uint32_t topic_count;
    uint32_t shard_count;
    uint32_t epoch;   /* of the last EpochStart; 1 before there was one */
    uint32_t follows; /* the next line shares the number of the last one */
} rb_topics;

/* cffi: begin */
/* `last` is zeroed, topic_count * shard_count numbers, and the caller's. RB_USAGE. */
int32_t rb_topics_init(rb_topics *topics, uint32_t *last, uint32_t topic_count,
                       uint32_t shard_count);
/* Counts the next `count` messages of the stream. RB_OK, RB_CORRUPT. */
int32_t rb_topics_hear(rb_topics *topics, const void *messages, int64_t count);
/* Number of the reign: proposals are made to it. */
uint32_t rb_topics_epoch(const rb_topics *topics);
/* What a proposal says of it in the `reserved` byte of its first line. */
uint8_t rb_topics_reign(const rb_topics *topics);
/* cffi: end */

#endif
