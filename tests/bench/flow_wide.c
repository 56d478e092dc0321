#include "tests/bench/maker.h"

enum {
    TREND_MESSAGES = 8,   /* a trending touch moves a tick in so many messages of its instrument */
    WANDER_MESSAGES = 64, /* and a wandering one */
    NODES_EACH = 6, /* 5.6 are used: five for the first price, and what trends leaves behind */
};

typedef struct universe {
    uint32_t count;
    uint64_t *activity;   /* by rank: sum of the weights up to it */
    uint32_t *instrument; /* by rank: neighbours in rank do not lie together */
    int32_t *middle;      /* by instrument */
    int8_t *trend;        /* by instrument: -1, 0, 1 ticks */
} universe;

static universe make_universe(maker *m, uint32_t count)
{
    universe u = {.count = count,
                  .activity = calloc(count, sizeof *u.activity),
                  .instrument = calloc(count, sizeof *u.instrument),
                  .middle = calloc(count, sizeof *u.middle),
                  .trend = calloc(count, sizeof *u.trend)};
    EXPECT(u.activity != NULL && u.instrument != NULL && u.middle != NULL && u.trend != NULL);
    uint64_t sum = 0;
    for (uint32_t rank = 0; rank < count; rank++) {
        sum += (UINT64_C(1) << 32) / (rank + 1);
        u.activity[rank] = sum;
        /* A shuffle as it grows (Knuth, inside out). */
        uint32_t other = draw(m, rank + 1);
        u.instrument[rank] = u.instrument[other];
        u.instrument[other] = rank;
    }
    for (uint32_t rank = 0; rank < count; rank++) {
        uint32_t instrument = u.instrument[rank];
        u.middle[instrument] = 30000 + (int32_t)draw(m, 200000);
        u.trend[instrument] = rank % 16 != 7 ? 0 : rank % 32 == 7 ? 1 : -1;
        /* By load, back and forth: 0 1 1 0 0 1 1 0 ... */
        m->shard_of[instrument] = (uint8_t)(m->shards == 2 ? (rank + 1) / 2 % 2 : 0);
    }
    return u;
}

static void free_universe(universe *u)
{
    free(u->activity);
    free(u->instrument);
    free(u->middle);
    free(u->trend);
}

static uint32_t draw_instrument(maker *m, const universe *u)
{
    if (draw(m, 4) == 0) {
        return u->instrument[draw(m, u->count)];
    }
    uint64_t at = draw_long(m) % u->activity[u->count - 1];
    uint32_t low = 0;
    uint32_t high = u->count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (u->activity[middle] <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return u->instrument[low];
}

/* Where a passive order goes. A trending price may go through what stands in its way. */
static int32_t wide_price(maker *m, const universe *u, uint32_t instrument, uint8_t side)
{
    int32_t price_ticks = away(side, u->middle[instrument], 1 + draw_steps(m, 4));
    return u->trend[instrument] != 0 ? price_ticks
                                     : short_of_touch(m, instrument, side, price_ticks);
}

static void wide_new(maker *m, universe *u)
{
    uint32_t instrument = draw_instrument(m, u);
    uint8_t side = (uint8_t)(RB_SIDE_BUY + draw(m, 2));
    if (u->trend[instrument] != 0 && draw(m, TREND_MESSAGES / 2) == 0) {
        u->middle[instrument] += u->trend[instrument];
        /* The prices of all flows are bounded; a trend turns there. */
        if (u->middle[instrument] < 4000 || u->middle[instrument] > FLOW_PRICE_TICKS_MAX - 4000) {
            u->trend[instrument] = (int8_t)-u->trend[instrument];
        }
    } else if (draw(m, WANDER_MESSAGES / 2) == 0) {
        u->middle[instrument] += draw(m, 2) == 0 ? 1 : -1;
    }
    int32_t price_ticks = wide_price(m, u, instrument, side);
    emit_new(m, instrument, side, price_ticks, draw_quantity(m, 3), RB_TIME_IN_FORCE_DAY);
}

static void wide_aggressive(maker *m, const universe *u)
{
    uint32_t instrument = draw_instrument(m, u);
    uint8_t side = (uint8_t)(RB_SIDE_BUY + draw(m, 2));
    int32_t other = touch(m, instrument, side == RB_SIDE_BUY ? RB_SIDE_SELL : RB_SIDE_BUY);
    int32_t price_ticks =
        other != 0 ? away(side, other, -(int32_t)draw(m, 3)) : wide_price(m, u, instrument, side);
    emit_new(m, instrument, side, price_ticks, draw_quantity(m, 3), RB_TIME_IN_FORCE_DAY);
}

static void wide_message(maker *m, universe *u)
{
    uint32_t dice = draw(m, 100);
    if (dice < 50 || m->open_count == 0) {
        wide_new(m, u);
    } else if (dice < 96) {
        order one = m->open[draw(m, m->open_count)];
        if (dice < 88) {
            emit_cancel(m, &one);
        } else {
            emit_replace(m, &one, wide_price(m, u, one.instrument, one.side));
        }
    } else {
        wide_aggressive(m, u);
    }
}

void flow_wide(flow *flows, uint32_t shards, uint32_t instruments, uint32_t standing,
               uint64_t timed)
{
    /* It ends with a fifth more than at the start, or less. */
    uint32_t orders = standing + standing / 5 + 1000;
    maker *m = make_maker(flows, shards, instruments, orders);
    for (uint32_t shard = 0; shard < shards; shard++) {
        /* Trending touches trade a part of the standing orders away again. */
        uint64_t lines = 4 * (uint64_t)standing + timed;
        make_book(m, shard, lines, instruments, orders, instruments * NODES_EACH);
    }
    universe u = make_universe(m, instruments);
    while (m->open_count < standing) {
        wide_new(m, &u);
    }
    stand(m);
    for (uint64_t n = 0; n < timed; n++) {
        wide_message(m, &u);
    }
    free_universe(&u);
    finish(m);
}
