/*
 * The market data agent without Python: configurations, what it sends to a group, what is copied
 * from it in rooms of every size, snapshots, and what it says when its stream is not what it was.
 * What it answers to datagrams: tests/fuzz/fuzz_mold.c. Exit code 0: passed.
 */
#include "ports/big_endian.h"
#include "ports/itch.h"
#include "ports/mold.h"
#include "ports/soup.h"
#include "tests/market_data.h"

#define GROUP "239.255.77.9"

enum { ROUNDS_MAX = 1000, COPY_ROOM = 200 };

static stream day;

static void test_configurations(void)
{
    for (uint32_t wrong = 0; wrong < 9; wrong++) {
        prt_market_config config = stream_config();
        prt_market *market;
        config.session[0] = wrong == 0 ? '\0' : 'D';
        memset(config.session + 4, wrong == 1 ? 'X' : '\0', sizeof config.session - 4);
        config.heartbeat_ns = wrong == 2 ? 0 : config.heartbeat_ns;
        config.packet_bytes = wrong == 3   ? PRT_MOLD_PACKET_MIN - 1
                              : wrong == 4 ? PRT_MOLD_PACKET_MAX + 1
                                           : config.packet_bytes;
        config.tape_bytes = wrong == 5 ? 51 : config.tape_bytes;
        config.tape_messages = wrong == 6 ? 0 : config.tape_messages;
        config.shards = wrong == 7 ? 17 : config.shards;
        config.orders = wrong == 8 ? 0 : config.orders;
        EXPECT(prt_market_create(&config, &market) == RB_USAGE);
        EXPECT(market == NULL);
    }
    prt_market *market = stream_agent(&day);
    EXPECT(prt_market_attach_core(market, NULL) == RB_USAGE);
    EXPECT(prt_market_work(market, 256) == RB_CORRUPT);
    EXPECT(prt_market_attach_core(market, &day.clock) == RB_OK);
    EXPECT(prt_market_attach_stream(market, NULL, 0, "", 1024) == RB_USAGE);
    EXPECT(prt_market_attach_marks(market, NULL, 0, RB_READERS_MAX) == RB_USAGE);
    EXPECT(prt_market_send_to(market, "nowhere", 9, "127.0.0.1") == RB_USAGE);
    EXPECT(prt_market_send_to(market, GROUP, 0, "127.0.0.1") == RB_USAGE);
    EXPECT(prt_market_send_to(market, GROUP, 9, "here") == RB_USAGE);
    EXPECT(prt_market_answer_at(market, "nowhere", 0) == RB_USAGE);
    EXPECT(prt_market_answer_at(market, "192.0.2.1", 0) == RB_SYSTEM);
    for (uint32_t n = 0; n < PRT_MARKET_PEERS_MAX; n++) {
        EXPECT(prt_market_add_peer(market, "nowhere", 9) == RB_USAGE);
        EXPECT(prt_market_add_peer(market, "127.0.0.1", 9) == RB_OK);
    }
    EXPECT(prt_market_add_peer(market, "127.0.0.1", 9) == RB_FULL);
    uint64_t counter = 0;
    EXPECT(prt_market_count_into(market, PRT_MARKET_COUNTS, &counter) == RB_USAGE);
    EXPECT(prt_market_count_into(market, PRT_MARKET_MESSAGES, NULL) == RB_USAGE);
    EXPECT(prt_market_count_into(market, PRT_MARKET_MESSAGES, &counter) == RB_OK);
    EXPECT(prt_market_count_name(PRT_MARKET_COUNTS) == NULL);
    agent_catch_up(market);
    EXPECT(counter == prt_market_messages(market));
    EXPECT(prt_market_count(market, PRT_MARKET_MESSAGES) == counter);
    prt_market_destroy(market);
    prt_market_destroy(NULL);
}

/* --- to a group ----------------------------------------------------------------------------------
 */

static int join(uint16_t *port)
{
    int fd = udp_open();
    *port = udp_port(fd);
    (void)close(fd);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = at_loopback(*port);
    EXPECT(inet_pton(AF_INET, GROUP, &address.sin_addr) == 1);
    struct ip_mreq member = {.imr_multiaddr = address.sin_addr,
                             .imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
    EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) == 0);
    return fd;
}

/* The next packet, in memory of its length. The caller frees it. */
static uint8_t *next_packet(prt_market *market, int fd, prt_mold_header *header, size_t *count)
{
    uint8_t bytes[2048];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    for (uint32_t n = 0; n < ROUNDS_MAX && got < 0; n++) {
        EXPECT(prt_market_work(market, 256) >= 0);
        got = recv(fd, bytes, sizeof bytes, 0);
    }
    EXPECT(got >= (ssize_t)PRT_MOLD_HEADER_BYTES);
    EXPECT(got <= PACKET_BYTES);
    EXPECT(prt_mold_read_header(bytes, (size_t)got, header) == RB_OK);
    EXPECT(memcmp(header->session, "DAY1      ", sizeof header->session) == 0);
    *count = (size_t)got - PRT_MOLD_HEADER_BYTES;
    uint8_t *out = malloc(*count + 1);
    EXPECT(out != NULL);
    memcpy(out, bytes + PRT_MOLD_HEADER_BYTES, *count);
    return out;
}

static void expect_empty(prt_market *market, int fd, uint16_t wanted)
{
    prt_mold_header header;
    size_t count;
    free(next_packet(market, fd, &header, &count));
    EXPECT(header.count == wanted);
    EXPECT(count == 0);
    EXPECT(header.number == prt_market_messages(market) + 1);
}

/* A heartbeat when it has caught up, what is new in packets, the end again and again. */
static void test_group(void)
{
    prt_market *market = stream_agent(&day);
    uint16_t port;
    int fd = join(&port);
    EXPECT(prt_market_send_to(market, GROUP, port, "127.0.0.1") == RB_OK);
    EXPECT(prt_market_send_to(market, GROUP, port, "127.0.0.1") == RB_USAGE);
    agent_catch_up(market);
    expect_empty(market, fd, 0);
    uint64_t number = prt_market_messages(market) + 1;
    for (uint32_t n = 1; n <= 40; n++) {
        stream_add(&day, STREAM_ORDERS + n);
    }
    for (uint64_t last = number + 39; number <= last;) {
        prt_mold_header header;
        size_t count;
        uint8_t *packet = next_packet(market, fd, &header, &count);
        uint8_t tape[PACKET_BYTES];
        EXPECT(header.number == number);
        EXPECT(prt_market_copy(market, number, header.count, tape, sizeof tape) == (int64_t)count);
        EXPECT(memcmp(tape, packet, count) == 0);
        number += header.count;
        free(packet);
    }
    day.clock.now_ns += UINT64_C(1000000000);
    expect_empty(market, fd, 0);
    rb_message last = {.header = {.template_id = RB_TEMPLATE_END_OF_DAY}};
    last.any.instrument = RB_INSTRUMENT_NONE;
    stream_say(&day, last);
    prt_mold_header header;
    size_t count;
    free(next_packet(market, fd, &header, &count));
    EXPECT(header.count == 2);
    EXPECT(prt_market_is_over(market));
    for (uint32_t n = 0; n < 3; n++) {
        day.clock.now_ns += UINT64_C(1000000000);
        expect_empty(market, fd, PRT_MOLD_END);
    }
    (void)close(fd);
    prt_market_destroy(market);
}

/* --- copies --------------------------------------------------------------------------------------
 */

typedef int64_t copier(const prt_market *market, uint64_t number, uint8_t *out, size_t room,
                       uint64_t *next);

/* From every message on, in rooms of every size: whole packets, one byte longer than on the tape,
 * as many as have room. */
static void expect_copies(const prt_market *market, copier *copy, uint64_t messages)
{
    uint64_t next = 0;
    EXPECT(copy(market, 0, NULL, 0, &next) == RB_USAGE);
    for (size_t room = 0; room < COPY_ROOM; room++) {
        uint64_t number = 1 + room * 37 % messages;
        uint8_t *out = malloc(room + 1);
        EXPECT(out != NULL);
        int64_t used = copy(market, number, out + 1, room, &next);
        EXPECT(used >= 0);
        EXPECT((size_t)used <= room);
        int64_t at = 0;
        for (uint64_t n = number; n < next; n++) {
            uint16_t length = get_u16(out + 1 + at);
            EXPECT(out[1 + at + 2] == PRT_SOUP_SEQUENCED);
            at += 2 + length;
        }
        EXPECT(at == used);
        EXPECT(next == messages + 1 || room - (size_t)used < PRT_SOUP_HEADER_BYTES + 50);
        free(out);
    }
    EXPECT(copy(market, messages + 1, NULL, 0, &next) == 0);
    EXPECT(next == messages + 1);
    EXPECT(copy(market, UINT64_MAX, NULL, 0, &next) == 0);
}

static void test_copies(void)
{
    prt_market *market = stream_agent(&day);
    agent_catch_up(market);
    expect_copies(market, prt_market_copy_soup, prt_market_messages(market));
    int64_t messages = prt_market_snapshot(market);
    EXPECT(messages == 1 + 2 + STREAM_ORDERS + 40 + 1);
    expect_copies(market, prt_market_copy_snapshot, (uint64_t)messages);
    EXPECT(prt_market_copy(market, 0, 1, NULL, 0) == RB_USAGE);
    uint8_t nothing;
    EXPECT(prt_market_copy(market, 1, UINT32_MAX, &nothing, 0) == 0);
    EXPECT(prt_market_valid(market) == RB_OK);
    prt_market_destroy(market);
}

/* Lines that do not follow those before end the agent; a group that is not whole has no snapshot.
 */
static void test_other_streams(void)
{
    prt_market *market = stream_agent(&day);
    rb_message line = {.header = {.sequence = 1, .template_id = RB_TEMPLATE_BUILD_RECORD}};
    line.any.instrument = RB_INSTRUMENT_NONE;
    EXPECT(prt_market_hear(market, &line, 1) == RB_OK);
    EXPECT(prt_market_snapshot(market) == 0);
    line.header.sequence = 3;
    EXPECT(prt_market_hear(market, &line, 1) == RB_CORRUPT);
    prt_market_destroy(market);
}

int main(void)
{
    stream_open(&day);
    test_configurations();
    test_group();
    test_copies();
    test_other_streams();
    stream_close(&day);
    return 0;
}
