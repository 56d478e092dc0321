/*
 * MoldUDP64: any bytes as datagrams to the agents that answer requests, over real sockets. One has
 * the whole day, the other is behind and passes questions on to a peer, which is played here.
 * Whatever comes, what is asked for properly is answered with the messages of the tape in one
 * packet, and nothing else is answered.
 *
 * The bytes: a control byte, a length, so many bytes, again and again. Bits of the control byte: 0,
 * to the one that is behind; 1, from its peer; 2, with the right session before the bytes; 3, with
 * 1,300 bytes behind them.
 */
#include "ports/big_endian.h"
#include "ports/mold.h"
#include "tests/fuzz/fuzz.h"
#include "tests/market_data.h"

enum { TO_BEHIND = 1, FROM_PEER = 2, IN_SESSION = 4, IS_LONG = 8, PADDING = 1300 };

typedef struct datagram {
    size_t count;
    uint8_t bytes[PRT_MOLD_PACKET_MAX + 512];
} datagram;

typedef struct agent {
    prt_market *market;
    uint16_t port;
} agent;

static stream day;
static agent whole;
static agent behind;
static int client;
static int peer;

static void open_agent(agent *one)
{
    one->market = stream_agent(&day);
    int64_t port = prt_market_answer_at(one->market, "127.0.0.1", 0);
    EXPECT(port > 0);
    one->port = (uint16_t)port;
}

static uint64_t count_of(const agent *one, uint32_t which)
{
    return prt_market_count(one->market, which);
}

static int receive(int fd, datagram *out)
{
    ssize_t got = recv(fd, out->bytes, sizeof out->bytes, 0);
    out->count = got > 0 ? (size_t)got : 0;
    return got >= 0;
}

/* As many messages of the tape as were asked for, or as one packet takes. */
static void expect_answer(const datagram *request, const datagram *answer)
{
    uint64_t number = get_u64(request->bytes + PRT_MOLD_SESSION_BYTES);
    uint16_t count = get_u16(answer->bytes + PRT_MOLD_SESSION_BYTES + 8);
    uint8_t wanted[PACKET_BYTES];
    EXPECT(answer->count <= PACKET_BYTES);
    EXPECT(memcmp(answer->bytes, request->bytes, PRT_MOLD_SESSION_BYTES + 8) == 0);
    EXPECT(count >= 1);
    EXPECT(count <= get_u16(request->bytes + PRT_MOLD_SESSION_BYTES + 8));
    int64_t bytes = prt_market_copy(whole.market, number, count, wanted, sizeof wanted);
    EXPECT((size_t)bytes == answer->count - PRT_MOLD_HEADER_BYTES);
    EXPECT(memcmp(answer->bytes + PRT_MOLD_HEADER_BYTES, wanted, (size_t)bytes) == 0);
}

/* Whether it asks for something that exists, somewhere. */
static int is_request(const datagram *one)
{
    return one->count == PRT_MOLD_HEADER_BYTES && memcmp(one->bytes, "DAY1      ", 10) == 0 &&
           get_u64(one->bytes + 10) != 0 && get_u16(one->bytes + 18) != 0;
}

static void exchange(const datagram *one, uint8_t control)
{
    agent *to = control & TO_BEHIND ? &behind : &whole;
    int from = control & FROM_PEER ? peer : client;
    uint64_t answers = count_of(to, PRT_MARKET_ANSWERS);
    uint64_t passed = count_of(to, PRT_MARKET_PASSED_ON);
    uint64_t relayed = count_of(to, PRT_MARKET_RELAYED);
    uint64_t there = prt_market_messages(to->market);
    udp_send(from, to->port, one->bytes, one->count);
    wait_for(prt_market_epoll(to->market));
    EXPECT(prt_market_work(to->market, 1) >= 1);
    answers = count_of(to, PRT_MARKET_ANSWERS) - answers;
    passed = count_of(to, PRT_MARKET_PASSED_ON) - passed;
    relayed = count_of(to, PRT_MARKET_RELAYED) - relayed;
    uint64_t number = one->count >= PRT_MOLD_HEADER_BYTES ? get_u64(one->bytes + 10) : 0;
    /* The one that is behind hears a line before it answers. */
    EXPECT(answers == 0 || is_request(one));
    EXPECT(answers == 1 || !is_request(one) || number > there);
    EXPECT(passed == 0 || (to == &behind && from == client && is_request(one)));
    EXPECT(relayed == 0 || (to == &behind && from == peer));
    EXPECT(answers + passed <= 1);
    datagram got;
    if (answers == 1) {
        wait_for(from);
        EXPECT(receive(from, &got));
        expect_answer(one, &got);
    }
    if (passed == 1) {
        wait_for(peer);
        EXPECT(receive(peer, &got));
        EXPECT(got.count == one->count);
        EXPECT(memcmp(got.bytes, one->bytes, got.count) == 0);
    }
    for (uint64_t n = 0; n < relayed; n++) {
        /* A datagram that is too long is cut. */
        wait_for(client);
        EXPECT(receive(client, &got));
        EXPECT(got.count <= one->count);
        EXPECT(got.count == one->count || got.count == PRT_MOLD_PACKET_MAX);
        EXPECT(memcmp(got.bytes, one->bytes, got.count) == 0);
    }
    EXPECT(!receive(client, &got));
    EXPECT(!receive(peer, &got));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char session[] = "DAY1      ";
    if (day.ring == NULL) {
        stream_open(&day);
    }
    client = udp_open();
    peer = udp_open();
    open_agent(&whole);
    open_agent(&behind);
    agent_catch_up(whole.market);
    EXPECT(prt_market_add_peer(behind.market, "127.0.0.1", udp_port(peer)) == RB_OK);
    size_t done = 0;
    while (count - done >= 2 && !prt_market_is_live(behind.market)) {
        uint8_t control = bytes[done];
        size_t length = bytes[done + 1];
        done += 2;
        length = length < count - done ? length : count - done;
        datagram one = {.count = 0};
        uint8_t *at = one.bytes;
        at = put_bytes(at, session, control & IN_SESSION ? sizeof session - 1 : 0);
        at = put_bytes(at, bytes + done, length);
        at += control & IS_LONG ? PADDING : 0;
        one.count = (size_t)(at - one.bytes);
        exchange(&one, control);
        done += length;
    }
    EXPECT(prt_market_valid(whole.market) == RB_OK);
    EXPECT(prt_market_valid(behind.market) == RB_OK);
    prt_market_destroy(whole.market);
    prt_market_destroy(behind.market);
    EXPECT(close(client) == 0);
    EXPECT(close(peer) == 0);
    return 0;
}
