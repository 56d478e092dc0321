/*
 * Pipeline: the engine of one core between a contributor's lane and the stream, and a client's flow
 * for it: orders near a price, most of them canceled later. For bench_engine and bench_latency.
 */
#ifndef TESTS_BENCH_PIPELINE_H
#define TESTS_BENCH_PIPELINE_H

#include <string.h>

#include "engine/publisher.h"
#include "engine/sequencer.h"
#include "engine/shard.h"
#include "ringbus/crc32c.h"
#include "tests/bench/bench.h"

enum {
    LANE = 4096,
    STREAM = 65536,
    TOPICS = 4,
    INSTRUMENTS = 8,
    ORDERS = 1 << 16,
    NODES = 1 << 12,
    BATCH = 32,
    OWNERS = 64, /* accounts, and firms */
};

typedef struct pipeline {
    void *doorbell;
    void *contributor;
    void *in;
    void *out;
    void *ring;
    void *readers;
    void *bells;
    void *page;
    void *settled;
} pipeline;

static inline pipeline make_pipeline(void)
{
    pipeline p = {
        .doorbell = shared(rb_doorbell_bytes()),
        .contributor = shared(rb_lane_bytes(LANE)),
        .in = shared(rb_lane_bytes(LANE)),
        .out = shared(rb_lane_bytes(LANE)),
        .ring = shared(rb_multicast_bytes(STREAM)),
        .readers = shared(rb_readers_bytes()),
        .bells = shared(rb_bells_bytes()),
        .page = shared(rb_core_page_bytes()),
        .settled = shared(eng_settled_bytes()),
    };
    EXPECT(rb_doorbell_init(p.doorbell, rb_doorbell_bytes(), "bench") == RB_OK);
    EXPECT(rb_lane_init(p.contributor, rb_lane_bytes(LANE), LANE, "contributor") == RB_OK);
    EXPECT(rb_lane_init(p.in, rb_lane_bytes(LANE), LANE, "in") == RB_OK);
    EXPECT(rb_lane_init(p.out, rb_lane_bytes(LANE), LANE, "out") == RB_OK);
    EXPECT(rb_multicast_init(p.ring, rb_multicast_bytes(STREAM), STREAM, "stream") == RB_OK);
    EXPECT(rb_readers_init(p.readers, rb_readers_bytes(), "stream") == RB_OK);
    EXPECT(rb_bells_init(p.bells, rb_bells_bytes(), "bench") == RB_OK);
    EXPECT(rb_core_page_init(p.page, rb_core_page_bytes(), "bench") == RB_OK);
    EXPECT(eng_settled_init(p.settled, eng_settled_bytes()) == RB_OK);
    return p;
}

static inline void free_pipeline(const pipeline *p)
{
    EXPECT(munmap(p->doorbell, rb_doorbell_bytes()) == 0);
    EXPECT(munmap(p->contributor, rb_lane_bytes(LANE)) == 0);
    EXPECT(munmap(p->in, rb_lane_bytes(LANE)) == 0);
    EXPECT(munmap(p->out, rb_lane_bytes(LANE)) == 0);
    EXPECT(munmap(p->ring, rb_multicast_bytes(STREAM)) == 0);
    EXPECT(munmap(p->readers, rb_readers_bytes()) == 0);
    EXPECT(munmap(p->bells, rb_bells_bytes()) == 0);
    EXPECT(munmap(p->page, rb_core_page_bytes()) == 0);
    EXPECT(munmap(p->settled, eng_settled_bytes()) == 0);
}

static inline void prefault_pipeline(const pipeline *p)
{
    prefault(p->contributor, rb_lane_bytes(LANE));
    prefault(p->in, rb_lane_bytes(LANE));
    prefault(p->out, rb_lane_bytes(LANE));
    prefault(p->ring, rb_multicast_bytes(STREAM));
}

/* The engine of one core, over a pipeline. */
typedef struct engine {
    rb_idle idle;
    rb_core core;
    eng_sequencer sequencer;
    eng_shard shard;
    eng_publisher publisher;
    uint32_t topics[TOPICS];
    uint8_t shard_of[INSTRUMENTS];
} engine;

static inline void add(rb_core *core, const char *name, void *work, void *state)
{
    EXPECT(rb_core_add(core, name, work, state, NULL) == RB_OK);
}

static inline engine *make_engine(const pipeline *p)
{
    engine *e = calloc(1, sizeof *e);
    EXPECT(e != NULL);
    EXPECT(rb_idle_attach(&e->idle, p->bells, rb_bells_bytes(), "engine", RB_IDLE_SPIN, -1, 0) ==
           RB_OK);
    EXPECT(rb_core_attach(&e->core, p->page, rb_core_page_bytes(), &e->idle, RB_CLOCK_REAL, 0) ==
           RB_OK);
    void *clock = rb_core_clock(&e->core);
    void *wake = rb_core_wake(&e->core);
    EXPECT(eng_sequencer_init(&e->sequencer, p->doorbell, e->shard_of, NULL, INSTRUMENTS, TOPICS,
                              clock, wake) == RB_OK);
    EXPECT(eng_sequencer_add_contributor(&e->sequencer, p->contributor, rb_lane_bytes(LANE)) ==
           RB_OK);
    EXPECT(eng_sequencer_add_shard(&e->sequencer, p->in, rb_lane_bytes(LANE), 0) == RB_OK);
    void *book = eng_book_create(INSTRUMENTS, ORDERS, NODES);
    EXPECT(book != NULL);
    EXPECT(eng_shard_init(&e->shard, 0, p->in, rb_lane_bytes(LANE), p->out, rb_lane_bytes(LANE),
                          book, e->topics, TOPICS, clock, wake, 0) == RB_OK);
    EXPECT(eng_publisher_init(&e->publisher, p->ring, rb_multicast_bytes(STREAM), p->readers,
                              rb_readers_bytes(), clock, wake) == RB_OK);
    EXPECT(eng_publisher_add_shard(&e->publisher, p->out, rb_lane_bytes(LANE)) == RB_OK);
    add(&e->core, "sequencer", eng_sequencer_work_function(), &e->sequencer);
    add(&e->core, "shard.0", eng_shard_work_function(), &e->shard);
    add(&e->core, "publisher", eng_publisher_work_function(), &e->publisher);
    return e;
}

/* Every limit of every account and firm, far off: all are looked at, none is met. */
static inline void limit_all(eng_risk *risk)
{
    rb_message message = {.words = {0}};
    rb_command *line = &message.command;
    line->header.template_id = RB_TEMPLATE_COMMAND;
    line->header.flags = RB_FLAG_LAST_OF_GROUP;
    line->kind = RB_COMMAND_KIND_LIMIT;
    line->instrument = RB_INSTRUMENT_NONE;
    line->value = ENG_RISK_UNLIMITED - 1;
    for (uint32_t n = 0; n < 2 * OWNERS; n++) {
        line->scope = n < OWNERS ? RB_MASS_CANCEL_SCOPE_ACCOUNT : RB_MASS_CANCEL_SCOPE_FIRM;
        line->account = (uint16_t)(n % OWNERS);
        line->firm = (uint16_t)(n % OWNERS);
        for (uint32_t limit = 1; limit <= ENG_LIMITS; limit++) {
            line->limit = (uint8_t)limit;
            EXPECT(eng_risk_apply(risk, &message, 1) == RB_OK);
        }
    }
}

/* Lets the engine keep limits of accounts and firms; before its first work. */
static inline void guard(engine *e, const pipeline *p)
{
    eng_risk_instrument instruments[INSTRUMENTS];
    for (uint32_t n = 0; n < INSTRUMENTS; n++) {
        instruments[n] = (eng_risk_instrument){.tick_1e4 = 100, .price_ticks_max = 20000};
    }
    eng_risk *risk =
        eng_risk_create(instruments, INSTRUMENTS, 1, ORDERS, OWNERS, OWNERS, TOPICS, 1 << 16);
    eng_admission *admission = calloc(1, sizeof *admission);
    EXPECT(risk != NULL);
    EXPECT(admission != NULL);
    limit_all(risk);
    EXPECT(eng_admission_init(admission, risk, p->settled, eng_settled_bytes(), p->ring,
                              rb_multicast_bytes(STREAM), p->readers, rb_readers_bytes(),
                              1) == RB_OK);
    EXPECT(eng_publisher_settle(&e->publisher, p->settled, eng_settled_bytes()) == RB_OK);
    eng_sequencer_guard(&e->sequencer, admission);
}

/* --- what a client says: orders near a price, most of them canceled later
 * ------------------------- */

typedef struct flow {
    uint64_t random;
    uint32_t client_order_id;
    uint32_t topic_sequence;
    uint32_t resting_count;
    struct {
        uint32_t locate;
        uint32_t client_order_id;
        uint32_t instrument;
    } resting[ORDERS];
} flow;

static inline uint32_t draw(flow *f, uint32_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (uint32_t)((f->random >> 32) * below >> 32);
}

static inline void new_order(flow *f, rb_message *message, int aggressive)
{
    uint8_t side = (uint8_t)(1 + draw(f, 2));
    int32_t away = 1 + (int32_t)draw(f, 10);
    if (aggressive) {
        away = -5;
    }
    rb_new_order *order = &message->new_order;
    order->header.template_id = RB_TEMPLATE_NEW_ORDER;
    order->instrument = draw(f, INSTRUMENTS);
    order->price_ticks = side == RB_SIDE_BUY ? 10000 - away : 10000 + away;
    order->quantity = 100 * (1 + draw(f, 9));
    order->client_order_id = ++f->client_order_id;
    order->side = side;
    order->account = (uint16_t)(order->client_order_id % OWNERS);
    order->firm = (uint16_t)(order->client_order_id / 7 % OWNERS);
    order->time_in_force = aggressive ? RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL : RB_TIME_IN_FORCE_DAY;
}

static inline void cancel(flow *f, rb_message *message)
{
    uint32_t n = draw(f, f->resting_count);
    rb_cancel *request = &message->cancel;
    request->header.template_id = RB_TEMPLATE_CANCEL;
    request->instrument = f->resting[n].instrument;
    request->locate = f->resting[n].locate;
    request->client_order_id = f->resting[n].client_order_id;
    request->quantity = 100;
    f->resting[n] = f->resting[--f->resting_count];
}

/* `aggressive`: it trades, which takes numbers of the topic, so nothing may be in flight behind it.
 */
static inline void next_message(flow *f, rb_message *message, int aggressive)
{
    memset(message, 0, sizeof *message);
    uint32_t dice = draw(f, 100);
    if (!aggressive && f->resting_count > 100 && (dice < 48 || f->resting_count > ORDERS / 4)) {
        cancel(f, message);
    } else {
        new_order(f, message, aggressive);
    }
    message->header.topic = 1;
    message->header.flags = RB_FLAG_LAST_OF_GROUP;
}

static inline void learn(flow *f, const rb_message *message)
{
    if (message->header.topic == 1) {
        f->topic_sequence = message->header.topic_sequence;
    }
    if (message->header.template_id == RB_TEMPLATE_NEW_ORDER && message->new_order.locate != 0 &&
        f->resting_count < ORDERS) {
        f->resting[f->resting_count].locate = message->new_order.locate;
        f->resting[f->resting_count].client_order_id = message->new_order.client_order_id;
        f->resting[f->resting_count].instrument = message->new_order.instrument;
        f->resting_count++;
    }
}

#endif
