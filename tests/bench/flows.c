#include "tests/bench/flows.h"

#include <string.h>

#include "ringbus/crc32c.h"
#include "tests/bench/bench.h"

enum {
    ANSWERS = 1 << 16,
    GONE = 1024,
    SESSIONS = 1000,
    TREND_MESSAGES = 8,   /* a trending touch moves a tick in so many messages of its instrument */
    WANDER_MESSAGES = 64, /* and a wandering one */
    NODES_EACH = 8,
};

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
    order gone[GONE];
    uint32_t gone_count;
    rb_message answers[ANSWERS];
} maker;

static uint64_t draw_long(maker *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static uint32_t draw(maker *m, uint32_t below)
{
    return (uint32_t)((draw_long(m) >> 32) * below >> 32);
}

/* Geometric: each further step is taken with a chance of 1 - 1/one_in. */
static int32_t draw_steps(maker *m, uint32_t one_in)
{
    int32_t steps = 0;
    while (steps < 1000 && draw(m, one_in) != 0) {
        steps++;
    }
    return steps;
}

static uint32_t draw_quantity(maker *m, uint32_t lots)
{
    return 100 * (1 + draw(m, lots));
}

/* --- what lives
 * ----------------------------------------------------------------------------------- */

static void enter(maker *m, uint32_t shard, order one)
{
    m->open[m->open_count] = one;
    m->places[shard][one.locate] = ++m->open_count;
}

static void leave(maker *m, uint32_t shard, uint32_t locate)
{
    uint32_t place = m->places[shard][locate];
    if (place == 0) {
        return;
    }
    m->gone[m->gone_count++ % GONE] = m->open[place - 1];
    order last = m->open[--m->open_count];
    m->open[place - 1] = last;
    m->places[m->shard_of[last.instrument]][last.locate] = place;
    m->places[shard][locate] = 0;
}

static void learn_executed(maker *m, uint32_t shard, const rb_executed *line)
{
    flow *f = &m->flows[shard];
    if (line->liquidity == RB_LIQUIDITY_ADDED) {
        f->trades++;
        f->traded += line->quantity;
    }
    if (line->remaining == 0) {
        leave(m, shard, line->locate);
    } else if (m->places[shard][line->locate] != 0) {
        m->open[m->places[shard][line->locate] - 1].quantity = line->remaining;
    }
}

static void learn(maker *m, uint32_t shard, const rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
    case RB_TEMPLATE_REPLACE:
        leave(m, shard, line->new_order.locate);
        if (line->new_order.locate != ENG_LOCATE_NONE) {
            enter(m, shard,
                  (order){.locate = line->new_order.locate,
                          .client_order_id = line->new_order.client_order_id,
                          .instrument = line->new_order.instrument,
                          .quantity = line->new_order.quantity,
                          .price_ticks = line->new_order.price_ticks,
                          .topic = line->header.topic,
                          .side = line->new_order.side});
        }
        return;
    case RB_TEMPLATE_EXECUTED:
        learn_executed(m, shard, &line->executed);
        return;
    case RB_TEMPLATE_CANCEL:
        leave(m, shard, line->cancel.locate);
        return;
    default:
        /* Of the orders of these flows only those that cannot rest are Canceled, only those that
         * are gone are Rejected: nobody knows them. */
        EXPECT(line->header.template_id == RB_TEMPLATE_CANCELED ||
               line->rejected.reason == RB_REJECT_REASON_UNKNOWN_ORDER);
    }
}

/* --- proposals
 * ------------------------------------------------------------------------------------ */

uint32_t flow_hash(uint32_t hash, const rb_message *lines, int64_t count)
{
    for (int64_t n = 0; n < count; n++) {
        hash =
            hash * 31 + rb_crc32c(&lines[n].words[1], sizeof lines[n] - sizeof lines[n].words[0]);
    }
    return hash;
}

/* Appends a proposal to its shard's flow and learns from the answer. */
static void emit(maker *m, rb_message *message, uint16_t topic)
{
    uint32_t shard = m->shard_of[message->any.instrument];
    flow *f = &m->flows[shard];
    message->header.topic = topic;
    message->header.flags = RB_FLAG_LAST_OF_GROUP;
    message->header.time_ns = f->count;
    message->header.checksum = (uint32_t)f->count;
    f->lines[f->count++] = *message;
    int64_t count = 0;
    EXPECT(eng_book_apply(m->books[shard], message, m->answers, ANSWERS, &count) == RB_OK);
    for (int64_t n = 0; n < count; n++) {
        learn(m, shard, &m->answers[n]);
    }
    f->hash = flow_hash(f->hash, m->answers, count);
    f->answers += (uint64_t)count;
}

static void emit_new(maker *m, uint32_t instrument, uint8_t side, int32_t price_ticks,
                     uint32_t quantity, uint8_t time_in_force)
{
    rb_message message = {.words = {0}};
    rb_new_order *line = &message.new_order;
    line->header.template_id = RB_TEMPLATE_NEW_ORDER;
    line->instrument = instrument;
    line->price_ticks = price_ticks;
    line->quantity = quantity;
    line->client_order_id = ++m->client_order_id;
    line->account = (uint16_t)(1 + draw(m, SESSIONS));
    line->firm = 1;
    line->side = side;
    line->time_in_force = time_in_force;
    emit(m, &message, line->account);
}

static void emit_cancel(maker *m, const order *one)
{
    rb_message message = {.words = {0}};
    rb_cancel *line = &message.cancel;
    line->header.template_id = RB_TEMPLATE_CANCEL;
    line->instrument = one->instrument;
    line->quantity = one->quantity;
    line->locate = one->locate;
    line->client_order_id = one->client_order_id;
    emit(m, &message, one->topic);
}

/* The quantity grows, so that no order keeps its place: engines differ in when they let it. */
static void emit_replace(maker *m, const order *one, int32_t price_ticks)
{
    rb_message message = {.words = {0}};
    rb_replace *line = &message.replace;
    line->header.template_id = RB_TEMPLATE_REPLACE;
    line->instrument = one->instrument;
    line->price_ticks = price_ticks;
    line->quantity = one->quantity < 1000 ? one->quantity + 100 : one->quantity + 1;
    line->locate = one->locate;
    line->client_order_id = ++m->client_order_id;
    line->account = one->topic;
    line->firm = 1;
    line->original_client_order_id = one->client_order_id;
    emit(m, &message, one->topic);
}

/* The best price of a side, 0 if it is empty. */
static int32_t touch(const maker *m, uint32_t instrument, uint8_t side)
{
    rb_message best;
    const eng_book *book = m->books[m->shard_of[instrument]];
    return eng_book_walk(book, instrument, side, &best, 0, 1) > 0 ? best.new_order.price_ticks : 0;
}

/* `price_ticks`, or a tick short of the other side, so that it does not trade. */
static int32_t short_of_touch(const maker *m, uint32_t instrument, uint8_t side,
                              int32_t price_ticks)
{
    int32_t other = touch(m, instrument, side == RB_SIDE_BUY ? RB_SIDE_SELL : RB_SIDE_BUY);
    if (other == 0) {
        return price_ticks;
    }
    int32_t bound = side == RB_SIDE_BUY ? other - 1 : other + 1;
    int crosses = side == RB_SIDE_BUY ? price_ticks > bound : price_ticks < bound;
    return crosses ? bound : price_ticks;
}

static int32_t away(uint8_t side, int32_t middle, int32_t ticks)
{
    return side == RB_SIDE_BUY ? middle - ticks : middle + ticks;
}

static void make_book(maker *m, uint32_t shard, uint64_t lines, uint32_t instruments,
                      uint32_t orders, uint32_t nodes)
{
    flow *f = &m->flows[shard];
    *f = (flow){.instruments = instruments, .orders = orders, .nodes = nodes};
    f->lines = huge(lines * sizeof *f->lines);
    m->books[shard] = eng_book_create(instruments, orders, nodes);
    m->places[shard] = calloc(orders + (size_t)1, sizeof *m->places[shard]);
    EXPECT(m->books[shard] != NULL);
    EXPECT(m->places[shard] != NULL);
}

static maker *make_maker(flow *flows, uint32_t shards, uint32_t instruments, uint64_t orders)
{
    maker *m = calloc(1, sizeof *m);
    EXPECT(m != NULL);
    m->random = 88172645463325252u;
    m->flows = flows;
    m->shards = shards;
    m->shard_of = calloc(instruments, 1);
    m->open = calloc(orders + 1, sizeof *m->open);
    EXPECT(m->shard_of != NULL);
    EXPECT(m->open != NULL);
    return m;
}

static void stand(maker *m)
{
    for (uint32_t shard = 0; shard < m->shards; shard++) {
        flow *f = &m->flows[shard];
        f->fill = f->count;
        f->answers = 0;
        f->trades = 0;
        f->open_before = eng_book_open_orders(m->books[shard]);
    }
}

static void finish(maker *m)
{
    for (uint32_t shard = 0; shard < m->shards; shard++) {
        flow *f = &m->flows[shard];
        f->open_after = eng_book_open_orders(m->books[shard]);
        f->book_hash = eng_book_hash(m->books[shard]);
        EXPECT(eng_book_verify(m->books[shard]) == RB_OK);
        eng_book_destroy(m->books[shard]);
        free(m->places[shard]);
    }
    free(m->shard_of);
    free(m->open);
    free(m);
}

void flow_free(flow *f)
{
    free(f->lines);
}

/* --- wide
 * ------------------------------------------------------------------------------------ */

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
    uint32_t orders = standing + standing / 4 + 1000;
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

/* --- hot
 * ------------------------------------------------------------------------------------- */

static int32_t hot_price(maker *m, hot_scenario scenario, int32_t middle, uint8_t side)
{
    int32_t ticks = draw(m, 20) == 0 ? (int32_t)draw(m, 500) : draw_steps(m, scenario.depth);
    return short_of_touch(m, 0, side, away(side, middle, 1 + ticks));
}

/* How far an order lies on the wrong side of the middle. */
static int32_t beyond(const order *one, int32_t middle)
{
    return one->side == RB_SIDE_BUY ? one->price_ticks - middle : middle - one->price_ticks;
}

static void hot_new(maker *m, hot_scenario scenario, int32_t middle, int can_take)
{
    uint8_t side = (uint8_t)(RB_SIDE_BUY + draw(m, 2));
    if (!can_take || draw(m, 100) >= 15) {
        int32_t price_ticks = hot_price(m, scenario, middle, side);
        emit_new(m, 0, side, price_ticks, draw_quantity(m, 3), RB_TIME_IN_FORCE_DAY);
        return;
    }
    /* What the price has passed is taken first. */
    int32_t bid = touch(m, 0, RB_SIDE_BUY);
    int32_t ask = touch(m, 0, RB_SIDE_SELL);
    side = bid > middle ? RB_SIDE_SELL : ask < middle ? RB_SIDE_BUY : side;
    int32_t other = side == RB_SIDE_BUY ? ask : bid;
    int32_t price_ticks = away(side, other != 0 ? other : middle, -(int32_t)draw(m, 3));
    emit_new(m, 0, side, price_ticks, draw_quantity(m, 3), RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL);
}

/* An order that is to go: of three the one that the price has passed furthest. */
static order hot_victim(maker *m, int32_t middle)
{
    order one = m->open[draw(m, m->open_count)];
    for (int n = 0; n < 2; n++) {
        order other = m->open[draw(m, m->open_count)];
        if (beyond(&other, middle) > 0 && beyond(&other, middle) > beyond(&one, middle)) {
            one = other;
        }
    }
    return one;
}

static void hot_message(maker *m, hot_scenario scenario, int32_t middle)
{
    uint32_t dice = draw(m, 100);
    if (dice < (m->open_count < scenario.standing ? 60u : 40u) || m->open_count == 0) {
        hot_new(m, scenario, middle, 1);
        return;
    }
    int stale = draw(m, 50) == 0 && m->gone_count > GONE;
    order one = stale ? m->gone[draw(m, GONE)] : hot_victim(m, middle);
    if (dice < 90) {
        emit_cancel(m, &one);
    } else {
        emit_replace(m, &one, hot_price(m, scenario, middle, one.side));
    }
}

void flow_hot(flow *f, hot_scenario scenario, uint64_t timed)
{
    const int32_t start = 100000;
    uint32_t orders = 2 * scenario.standing + 1000;
    maker *m = make_maker(f, 1, 1, orders);
    make_book(m, 0, 4 * (uint64_t)orders + timed, 1, orders, 1 << 13);
    while (m->open_count < scenario.standing) {
        hot_new(m, scenario, start, 0);
    }
    stand(m);
    int64_t walk = (int64_t)start * scenario.walk / 100;
    for (uint64_t n = 0; n < timed; n++) {
        hot_message(m, scenario, start + (int32_t)(walk * (int64_t)n / (int64_t)timed));
    }
    finish(m);
}
