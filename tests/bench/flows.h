/*
 * Flows: the proposals that a book is timed with, made beforehand.
 *
 * A flow is made by driving a book with it: that is how cancels and replaces know their locates. It
 * is a function of its sizes alone, and so are the answers, whose hash and count are kept: another
 * run over the same proposals has to answer the same. client_order_id is dense and unique, so that
 * an engine that knows nothing of locates can run the same flow.
 *
 * Wide: many instruments, three quarters of the activity Zipf(1) over them, the rest flat. 50 % new
 * orders, most within 10 ticks of the touch (geometric), 38 % cancels and 8 % replaces of any order
 * that lives, 4 % aggressive limits. The touch of every sixteenth instrument trends and leaves any
 * window of ticks behind; the others' wander.
 *
 * Hot: one instrument. 40-60 % new orders, 15 % of them immediate or cancel, 30-50 % cancels, 10 %
 * replaces of any order that lives, 2 % of both of one that is gone. The price walks by `walk`
 * percent of its start during the timed part.
 */
#ifndef TESTS_BENCH_FLOWS_H
#define TESTS_BENCH_FLOWS_H

#include "engine/book.h"

#define FLOW_SHARDS_MAX 2u
/* Prices of all flows lie below this. */
#define FLOW_PRICE_TICKS_MAX (1 << 18)

typedef struct flow {
    rb_message *lines;
    uint64_t fill;    /* so many lines from the first on make the standing book and are not timed */
    uint64_t count;   /* all lines */
    uint64_t answers; /* lines of the answers to the timed ones */
    uint64_t trades;  /* among them, pairs of Executed */
    uint64_t traded;  /* quantity of all trades, standing book included */
    uint32_t hash;    /* of all answers */
    uint32_t open_before;
    uint32_t open_after;
    uint32_t instruments;
    uint32_t orders; /* what a book for it has to have room for */
    uint32_t nodes;
    uint64_t book_hash;
} flow;

typedef struct hot_scenario {
    int32_t walk; /* percent of the price at the start */
    uint32_t standing;
    uint32_t
        depth; /* ticks from the middle, on average; the price passes them at its walk's pace */
} hot_scenario;

/* Makes the wide flow for 1 or 2 shards: flows[shard]. Instruments go to shards by activity. */
void flow_wide(flow *flows, uint32_t shards, uint32_t instruments, uint32_t standing,
               uint64_t timed);
void flow_hot(flow *f, hot_scenario scenario, uint64_t timed);
void flow_free(flow *f);
/* Adds lines of answers to a hash. */
uint32_t flow_hash(uint32_t hash, const rb_message *lines, int64_t count);

#endif
