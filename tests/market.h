/*
 * Market: a client port and the whole engine behind it, in one thread and private memory, for the
 * programs that feed a port bytes (fuzzing) or time it. Nothing moves but by market_step.
 */
#ifndef TESTS_MARKET_H
#define TESTS_MARKET_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/book.h"
#include "engine/publisher.h"
#include "engine/sequencer.h"
#include "engine/shard.h"
#include "ports/client.h"
#include "ringbus/doorbell.h"
#include "ringbus/idle.h"
#include "tests/check.h"

enum { MARKET_INSTRUMENTS = 2, MARKET_TICK = 100, MARKET_START_NS = 1000000000 };

typedef struct market {
    rb_clock clock;
    rb_wake wake;
    void *doorbell;
    void *lane;
    void *in;
    void *out;
    void *ring;
    void *readers;
    uint32_t *topics;
    uint8_t shard_of[MARKET_INSTRUMENTS];
    eng_sequencer sequencer;
    eng_shard shard;
    eng_publisher publisher;
    eng_book *book;
    prt_client *port;
} market;

typedef struct market_size {
    uint32_t sessions;
    uint32_t orders;
    uint64_t messages;
    uint32_t lane_slots;
    uint32_t stream_slots;
} market_size;

static inline void *market_memory(size_t bytes)
{
    size_t whole = (bytes + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
    void *memory = aligned_alloc(RB_GUARD_BYTES, whole);
    EXPECT(memory != NULL);
    memset(memory, 0, whole);
    return memory;
}

static inline void *market_lane(uint32_t slots, const char *name)
{
    void *memory = market_memory(rb_lane_bytes(slots));
    EXPECT(rb_lane_init(memory, rb_lane_bytes(slots), slots, name) == RB_OK);
    return memory;
}

/* Sessions are on topics 1, 2, …, and are called U00000, U00001, …: at most 100,000. */
static inline void market_name(uint32_t number, char *user)
{
    user[0] = 'U';
    user[6] = '\0';
    for (uint32_t n = 5; n > 0; n--, number /= 10) {
        user[n] = (char)('0' + number % 10);
    }
}

static inline prt_client_session market_session(uint32_t number)
{
    prt_client_session row = {.topic = (uint16_t)(number + 1),
                              .account = 1,
                              .firm = 1,
                              .self_trade = 'N',
                              .firm_name = "FIRM"};
    market_name(number, row.user);
    return row;
}

static inline void market_engine(market *m, const market_size *size)
{
    size_t lane = rb_lane_bytes(size->lane_slots);
    size_t ring = rb_multicast_bytes(size->stream_slots);
    m->doorbell = market_memory(rb_doorbell_bytes());
    EXPECT(rb_doorbell_init(m->doorbell, rb_doorbell_bytes(), "market") == RB_OK);
    m->lane = market_lane(size->lane_slots, "port");
    m->in = market_lane(size->lane_slots, "in");
    m->out = market_lane(size->lane_slots, "out");
    m->ring = market_memory(ring);
    m->readers = market_memory(rb_readers_bytes());
    EXPECT(rb_multicast_init(m->ring, ring, size->stream_slots, "stream") == RB_OK);
    EXPECT(rb_readers_init(m->readers, rb_readers_bytes(), "stream") == RB_OK);
    m->topics = calloc(size->sessions + 1, sizeof *m->topics);
    m->book = eng_book_create(MARKET_INSTRUMENTS, size->orders, 1024);
    EXPECT(m->topics != NULL);
    EXPECT(m->book != NULL);
    uint32_t topics = size->sessions + 1;
    EXPECT(eng_sequencer_init(&m->sequencer, m->doorbell, m->shard_of, NULL, MARKET_INSTRUMENTS,
                              topics, &m->clock, &m->wake) == RB_OK);
    EXPECT(eng_sequencer_add_contributor(&m->sequencer, m->lane, lane) == RB_OK);
    EXPECT(eng_sequencer_add_shard(&m->sequencer, m->in, lane, 0) == RB_OK);
    EXPECT(eng_shard_init(&m->shard, 0, m->in, lane, m->out, lane, m->book, m->topics, topics,
                          &m->clock, &m->wake, 0) == RB_OK);
    EXPECT(eng_publisher_init(&m->publisher, m->ring, ring, m->readers, rb_readers_bytes(),
                              &m->clock, &m->wake) == RB_OK);
    EXPECT(eng_publisher_add_shard(&m->publisher, m->out, lane) == RB_OK);
}

static inline prt_instrument market_instrument(uint32_t number)
{
    prt_instrument row = {.symbol = "AAPL    ",
                          .tick_1e4 = MARKET_TICK,
                          .price_ticks_min = 100,
                          .price_ticks_max = 1000000,
                          .lot = 1,
                          .quantity_max = 100000};
    row.symbol[0] = (char)(row.symbol[0] + (char)number);
    return row;
}

/* `config`: what is not of `size`. */
static inline void market_open(market *m, const market_size *size, const prt_client_config *config)
{
    memset(m, 0, sizeof *m);
    m->clock = (rb_clock){.mode = RB_CLOCK_MANUAL, .now_ns = MARKET_START_NS};
    market_engine(m, size);
    prt_client_config whole = *config;
    whole.publisher = 1;
    whole.shards = 1;
    whole.instruments = MARKET_INSTRUMENTS;
    whole.sessions = size->sessions;
    whole.orders = size->orders;
    whole.messages = size->messages;
    memcpy(whole.session, "DAY1", 5);
    EXPECT(prt_client_create(&whole, &m->port) == RB_OK);
    EXPECT(prt_client_attach_core(m->port, &m->clock, &m->wake, 0) == RB_OK);
    EXPECT(prt_client_attach_lane(m->port, m->lane, rb_lane_bytes(size->lane_slots), m->doorbell,
                                  rb_doorbell_bytes(), 0) == RB_OK);
    EXPECT(prt_client_attach_stream(m->port, m->ring, rb_multicast_bytes(size->stream_slots), "",
                                    1024) == RB_OK);
    for (uint32_t n = 0; n < MARKET_INSTRUMENTS; n++) {
        prt_instrument row = market_instrument(n);
        EXPECT(prt_client_add_instrument(m->port, &row) == n);
    }
    for (uint32_t n = 0; n < size->sessions; n++) {
        prt_client_session row = market_session(n);
        EXPECT(prt_client_add_session(m->port, &row) == n);
    }
}

static inline int64_t market_engine_step(market *m)
{
    int64_t sequenced = eng_sequencer_work(&m->sequencer, 256);
    int64_t matched = eng_shard_work(&m->shard, 256);
    int64_t published = eng_publisher_work(&m->publisher, 256);
    EXPECT(sequenced >= 0);
    EXPECT(matched >= 0);
    EXPECT(published >= 0);
    return sequenced + matched + published;
}

/* One round of everything. Returns pieces of work. */
static inline int64_t market_step(market *m)
{
    int64_t worked = prt_client_work(m->port, 256);
    EXPECT(worked >= 0);
    return worked + market_engine_step(m);
}

static inline void market_close(market *m)
{
    prt_client_destroy(m->port);
    eng_book_destroy(m->book);
    free(m->topics);
    free(m->doorbell);
    free(m->lane);
    free(m->in);
    free(m->out);
    free(m->ring);
    free(m->readers);
}

#endif
