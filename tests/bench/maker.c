#include "tests/bench/maker.h"

#include "ringbus/crc32c.h"

enum { SESSIONS = 1000 };

uint64_t draw_long(maker *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

uint32_t draw(maker *m, uint32_t below)
{
    return (uint32_t)((draw_long(m) >> 32) * below >> 32);
}

int32_t draw_steps(maker *m, uint32_t one_in)
{
    int32_t steps = 0;
    while (steps < 1000 && draw(m, one_in) != 0) {
        steps++;
    }
    return steps;
}

uint32_t draw_quantity(maker *m, uint32_t lots)
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
    m->gone[m->gone_count++ % MAKER_GONE] = m->open[place - 1];
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
    EXPECT(eng_book_apply(m->books[shard], message, m->answers, MAKER_ANSWERS, &count) == RB_OK);
    for (int64_t n = 0; n < count; n++) {
        learn(m, shard, &m->answers[n]);
    }
    f->hash = flow_hash(f->hash, m->answers, count);
    f->answers += (uint64_t)count;
}

void emit_new(maker *m, uint32_t instrument, uint8_t side, int32_t price_ticks, uint32_t quantity,
              uint8_t time_in_force)
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

void emit_cancel(maker *m, const order *one)
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

void emit_replace(maker *m, const order *one, int32_t price_ticks)
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

int32_t touch(const maker *m, uint32_t instrument, uint8_t side)
{
    rb_message best;
    const eng_book *book = m->books[m->shard_of[instrument]];
    return eng_book_walk(book, instrument, side, &best, 0, 1) > 0 ? best.new_order.price_ticks : 0;
}

int32_t short_of_touch(const maker *m, uint32_t instrument, uint8_t side, int32_t price_ticks)
{
    int32_t other = touch(m, instrument, side == RB_SIDE_BUY ? RB_SIDE_SELL : RB_SIDE_BUY);
    if (other == 0) {
        return price_ticks;
    }
    int32_t bound = side == RB_SIDE_BUY ? other - 1 : other + 1;
    int crosses = side == RB_SIDE_BUY ? price_ticks > bound : price_ticks < bound;
    return crosses ? bound : price_ticks;
}

int32_t away(uint8_t side, int32_t middle, int32_t ticks)
{
    return side == RB_SIDE_BUY ? middle - ticks : middle + ticks;
}

void make_book(maker *m, uint32_t shard, uint64_t lines, uint32_t instruments, uint32_t orders,
               uint32_t nodes)
{
    flow *f = &m->flows[shard];
    *f = (flow){.instruments = instruments, .orders = orders, .nodes = nodes};
    f->lines = huge(lines * sizeof *f->lines);
    m->books[shard] = eng_book_create(instruments, orders, nodes);
    m->places[shard] = calloc(orders + (size_t)1, sizeof *m->places[shard]);
    EXPECT(m->books[shard] != NULL);
    EXPECT(m->places[shard] != NULL);
}

maker *make_maker(flow *flows, uint32_t shards, uint32_t instruments, uint64_t orders)
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

void stand(maker *m)
{
    for (uint32_t shard = 0; shard < m->shards; shard++) {
        flow *f = &m->flows[shard];
        f->fill = f->count;
        f->answers = 0;
        f->trades = 0;
        f->open_before = eng_book_open_orders(m->books[shard]);
    }
}

void finish(maker *m)
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
