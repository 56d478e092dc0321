/*
 * Maker: makes a flow by driving a book with it, and knows what lives there as its clients do. For
 * flow_wide.c and flow_hot.c.
 */
#ifndef TESTS_BENCH_MAKER_H
#define TESTS_BENCH_MAKER_H

#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/flows.h"

enum { MAKER_ANSWERS = 1 << 16, MAKER_GONE = 1024 };

/* An open order, as its owner knows it. */
typedef struct order {
    uint32_t locate;
    uint32_t client_order_id;
    uint32_t instrument;
    uint32_t quantity;
    int32_t price_ticks;
    uint16_t topic;
    uint8_t side;
} order;

typedef struct maker {
    uint64_t random;
    uint32_t client_order_id;
    flow *flows;
    uint32_t shards;
    uint8_t *shard_of; /* by instrument */
    eng_book *books[FLOW_SHARDS_MAX];
    uint32_t *places[FLOW_SHARDS_MAX]; /* by locate: where in `open`, plus 1 */
    order *open;
    uint32_t open_count;
    order gone[MAKER_GONE];
    uint32_t gone_count;
    rb_message answers[MAKER_ANSWERS];
} maker;

uint64_t draw_long(maker *m);
uint32_t draw(maker *m, uint32_t below);
/* Geometric: each further step is taken with a chance of 1 - 1/one_in. */
int32_t draw_steps(maker *m, uint32_t one_in);
uint32_t draw_quantity(maker *m, uint32_t lots);
void emit_new(maker *m, uint32_t instrument, uint8_t side, int32_t price_ticks, uint32_t quantity,
              uint8_t time_in_force);
void emit_cancel(maker *m, const order *one);
/* The quantity grows, so that no order keeps its place: engines differ in when they let it. */
void emit_replace(maker *m, const order *one, int32_t price_ticks);
/* The best price of a side, 0 if it is empty. */
int32_t touch(const maker *m, uint32_t instrument, uint8_t side);
/* `price_ticks`, or a tick short of the other side, so that it does not trade. */
int32_t short_of_touch(const maker *m, uint32_t instrument, uint8_t side, int32_t price_ticks);
int32_t away(uint8_t side, int32_t middle, int32_t ticks);
void make_book(maker *m, uint32_t shard, uint64_t lines, uint32_t instruments, uint32_t orders,
               uint32_t nodes);
maker *make_maker(flow *flows, uint32_t shards, uint32_t instruments, uint64_t orders);
void stand(maker *m);
void finish(maker *m);

#endif
