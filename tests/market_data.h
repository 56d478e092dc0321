/*
 * Market data: a day's stream in private memory and agents that follow it, with real sockets on
 * loopback, for the programs that test the agent and feed it datagrams. Time stands still.
 */
#ifndef TESTS_MARKET_DATA_H
#define TESTS_MARKET_DATA_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ports/market.h"
#include "ringbus/clock.h"
#include "ringbus/layout.h"
#include "ringbus/messages.h"
#include "ringbus/multicast.h"
#include "tests/check.h"

enum { STREAM_SLOTS = 1024, STREAM_ORDERS = 300, PACKET_BYTES = 256, WAIT_MS = 2000 };

typedef struct stream {
    void *ring;
    void *readers;
    rb_writer writer;
    rb_clock clock;
} stream;

static inline void *stream_memory(size_t bytes)
{
    size_t whole = (bytes + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
    void *memory = aligned_alloc(RB_GUARD_BYTES, whole);
    EXPECT(memory != NULL);
    memset(memory, 0, whole);
    return memory;
}

static inline void stream_say(stream *s, rb_message line)
{
    line.header.flags |= RB_FLAG_LAST_OF_GROUP;
    EXPECT(rb_multicast_offer(&s->writer, &line, 1) == 1);
}

/* An order that rests: one message on the tape. */
static inline void stream_add(stream *s, uint32_t locate)
{
    rb_message line = {.header = {.template_id = RB_TEMPLATE_NEW_ORDER}};
    line.new_order.locate = locate;
    line.new_order.price_ticks = (int32_t)(1000 + locate);
    line.new_order.quantity = locate;
    line.new_order.side = RB_SIDE_SELL;
    stream_say(s, line);
}

/* The first lines of the day and STREAM_ORDERS orders. */
static inline void stream_open(stream *s)
{
    size_t bytes = rb_multicast_bytes(STREAM_SLOTS);
    memset(s, 0, sizeof *s);
    s->clock = (rb_clock){.mode = RB_CLOCK_MANUAL, .now_ns = UINT64_C(1000000000)};
    s->ring = stream_memory(bytes);
    s->readers = stream_memory(rb_readers_bytes());
    EXPECT(rb_multicast_init(s->ring, bytes, STREAM_SLOTS, "stream") == RB_OK);
    EXPECT(rb_readers_init(s->readers, rb_readers_bytes(), "stream") == RB_OK);
    EXPECT(rb_multicast_writer_attach(&s->writer, s->ring, bytes, s->readers, rb_readers_bytes()) ==
           RB_OK);
    rb_message first = {.header = {.template_id = RB_TEMPLATE_BUILD_RECORD}};
    first.any.instrument = RB_INSTRUMENT_NONE;
    stream_say(s, first);
    rb_message definition = {.header = {.template_id = RB_TEMPLATE_INSTRUMENT_DEFINITION}};
    definition.instrument_definition.tick_1e4 = 100;
    definition.instrument_definition.lot = 1;
    memcpy(definition.instrument_definition.symbol, "AAPL    ", 8);
    stream_say(s, definition);
    for (uint32_t n = 1; n <= STREAM_ORDERS; n++) {
        stream_add(s, n);
    }
}

static inline void stream_close(stream *s)
{
    free(s->ring);
    free(s->readers);
}

static inline prt_market_config stream_config(void)
{
    return (prt_market_config){.tape_bytes = 1 << 16,
                               .tape_messages = 1 << 10,
                               .heartbeat_ns = UINT64_C(1000000000),
                               .instruments = 1,
                               .shards = 1,
                               .orders = STREAM_ORDERS + 100,
                               .packet_bytes = PACKET_BYTES,
                               .session = "DAY1"};
}

/* An agent that has heard nothing yet. */
static inline prt_market *stream_agent(stream *s)
{
    prt_market_config config = stream_config();
    prt_market *market;
    EXPECT(prt_market_create(&config, &market) == RB_OK);
    EXPECT(prt_market_attach_core(market, &s->clock) == RB_OK);
    EXPECT(prt_market_attach_stream(market, s->ring, rb_multicast_bytes(STREAM_SLOTS), "", 1024) ==
           RB_OK);
    return market;
}

static inline void agent_catch_up(prt_market *market)
{
    for (uint32_t n = 0; n < STREAM_SLOTS && !prt_market_is_live(market); n++) {
        EXPECT(prt_market_work(market, 256) >= 0);
    }
    EXPECT(prt_market_is_live(market));
}

static inline struct sockaddr_in at_loopback(uint16_t udp_port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(udp_port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket of somebody who asks. */
static inline int udp_open(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = at_loopback(0);
    EXPECT(fd >= 0);
    EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static inline uint16_t udp_port(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    EXPECT(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    return ntohs(address.sin_port);
}

static inline void udp_send(int fd, uint16_t to, const uint8_t *bytes, size_t count)
{
    struct sockaddr_in address = at_loopback(to);
    EXPECT(sendto(fd, bytes, count, 0, (struct sockaddr *)&address, sizeof address) ==
           (ssize_t)count);
}

/* Until something is there to be read; loopback takes a moment under load. */
static inline void wait_for(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&one, 1, WAIT_MS);
    } while (ready < 0 && errno == EINTR);
    EXPECT(ready == 1);
}

#endif
