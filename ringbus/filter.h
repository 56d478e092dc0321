/*
 * Filter: which messages of a stream an application wants. The rest is thrown out of a batch in
 * place, before Python sees it.
 *
 * A message is wanted if every part of the filter that is set lets it through: its template, its
 * topic, its shard, its instrument, its account. The lines of one message stay together: the second
 * one has no template or instrument of its own to ask for, it goes where the first one went, over
 * the end of a batch too.
 *
 * Who: one thread a filter, which remembers that much between batches. Progress: bounded by the
 * batch. No allocation; nothing shared.
 */
#ifndef RINGBUS_FILTER_H
#define RINGBUS_FILTER_H

#include <stdint.h>

#include "ringbus/messages.h"

#define RB_FILTER_TOPIC_WORDS 1024u

/* cffi: struct rb_filter */
typedef struct rb_filter {
    uint64_t templates[4];                    /* bit by template id */
    uint64_t shards[4];                       /* bit by shard */
    uint64_t topics[RB_FILTER_TOPIC_WORDS];   /* bit by topic */
    const uint64_t *instruments;              /* bit by instrument; NULL: all */
    uint64_t instrument_count;                /* bits there; what is beyond is not wanted */
    uint64_t accounts[RB_FILTER_TOPIC_WORDS]; /* bit by account */
    uint32_t has_accounts;
    uint32_t keeps_next; /* the next line belongs to a message that was kept */
    uint32_t follows;    /* the next line belongs to the last message */
} rb_filter;

/* cffi: begin */
/* Lets everything through. */
void rb_filter_init(rb_filter *filter);
/* Only these: arrays of `count` numbers, each in range. RB_USAGE. */
int32_t rb_filter_templates(rb_filter *filter, const uint8_t *ids, uint32_t count);
int32_t rb_filter_topics(rb_filter *filter, const uint16_t *topics, uint32_t count);
int32_t rb_filter_shards(rb_filter *filter, const uint8_t *shards, uint32_t count);
/* Messages without an account are not wanted. */
int32_t rb_filter_accounts(rb_filter *filter, const uint16_t *accounts, uint32_t count);
/* Bit n of `bits` is instrument n; the caller keeps it. Messages without an instrument are not
 * wanted. */
void rb_filter_instruments(rb_filter *filter, const uint64_t *bits, uint64_t count);
/* Moves the wanted of `count` messages to the front, in their order; returns how many. */
int64_t rb_filter_keep(rb_filter *filter, void *messages, int64_t count);
/* cffi: end */

#endif
