/*
 * The C codecs alone, without Python: genuine bytes, every truncation, every too small room, and
 * random bytes. Buffers are allocated to the byte, so that a sanitizer sees one step beyond. Exit
 * code 0: passed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ports/ouch.h"
#include "ports/soup.h"
#include "ringbus/messages.h"

static int failures = 0;

#define EXPECT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                 \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

/* xorshift64; a fixed seed, so that a failure comes again. */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint8_t *memory_of(size_t count)
{
    uint8_t *memory = malloc(count);
    if (memory == NULL && count > 0) {
        abort();
    }
    return memory;
}

static uint8_t *copy_of(const void *bytes, size_t count)
{
    uint8_t *copy = memory_of(count);
    if (count > 0) {
        memcpy(copy, bytes, count);
    }
    return copy;
}

/* Captured from Nasdaq, SoupBinTCP header included. */
static const uint8_t enter_packet[] = {
    0x00, 0x36, 0x55, 0x4f, 0x00, 0x00, 0x00, 0x71, 0x54, 0x00, 0x00, 0x00, 0xe1, 0x43,
    0x56, 0x4c, 0x54, 0x20, 0x20, 0x20, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x9d,
    0xb8, 0x30, 0x59, 0x41, 0x4e, 0x4e, 0x48, 0x38, 0x46, 0x55, 0x42, 0x38, 0x49, 0x56,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x00, 0x06, 0x05, 0x02, 0x4c, 0x49, 0x4d, 0x45,
};
static const uint8_t cancel_packet[] = {0x00, 0x0a, 0x55, 0x58, 0x00, 0x75,
                                        0x2e, 0x71, 0x00, 0x00, 0x00, 0x00};
static const uint8_t accepted_packet[] = {
    0x00, 0x4a, 0x53, 0x41, 0x00, 0x00, 0x28, 0x9b, 0x4d, 0x64, 0xaf, 0x87, 0x00, 0x75, 0x3a, 0x8d,
    0x42, 0x00, 0x00, 0x00, 0x28, 0x41, 0x44, 0x42, 0x45, 0x20, 0x20, 0x20, 0x20, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x48, 0xe7, 0x48, 0x35, 0x59, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x56, 0xb4, 0xf5, 0x41,
    0x4e, 0x4e, 0x4c, 0x37, 0x36, 0x38, 0x32, 0x37, 0x30, 0x31, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x00, 0x09, 0x05, 0x02, 0x4d, 0x4c, 0x52, 0x4f, 0x02, 0x12, 0x30};
static const uint8_t canceled_packet[] = {0x00, 0x13, 0x53, 0x43, 0x00, 0x00, 0x28,
                                          0x9b, 0x4d, 0x68, 0x13, 0x17, 0x00, 0x75,
                                          0x3a, 0x8d, 0x00, 0x00, 0x00, 0x28, 0x55};

static void test_genuine_enter(void)
{
    prt_soup_packet packet;
    prt_ouch_request request;
    EXPECT(prt_soup_next(enter_packet, sizeof enter_packet, &packet) == sizeof enter_packet);
    EXPECT(packet.type == PRT_SOUP_UNSEQUENCED);
    EXPECT(packet.payload == enter_packet + 3);
    EXPECT(packet.payload_bytes == sizeof enter_packet - 3);
    EXPECT(prt_ouch_decode(packet.payload, packet.payload_bytes, &request) == RB_OK);
    EXPECT(request.kind == PRT_OUCH_ENTER);
    EXPECT(request.user_ref == 0x71);
    EXPECT(request.original_user_ref == 0);
    EXPECT(request.side == 'T');
    EXPECT(request.quantity == 225);
    EXPECT(memcmp(request.symbol, "CVLT    ", 8) == 0);
    EXPECT(request.price == 630200);
    EXPECT(request.time_in_force == '0');
    EXPECT(request.display == 'Y');
    EXPECT(request.capacity == 'A');
    EXPECT(request.sweep == 'N');
    EXPECT(request.cross_type == 'N');
    EXPECT(memcmp(request.clordid, "H8FUB8IV      ", 14) == 0);
    EXPECT(request.appendage_bytes == 6);
    prt_ouch_element element;
    EXPECT(prt_ouch_next_element(request.appendage, request.appendage_bytes, &element) == 6);
    EXPECT(element.tag == 2);
    EXPECT(element.value_bytes == 4);
    EXPECT(memcmp(element.value, "LIME", 4) == 0);
    EXPECT(prt_ouch_next_element(request.appendage + 6, 0, &element) == 0);
}

static void test_genuine_cancel(void)
{
    prt_soup_packet packet;
    prt_ouch_request request;
    EXPECT(prt_soup_next(cancel_packet, sizeof cancel_packet, &packet) == sizeof cancel_packet);
    EXPECT(prt_ouch_decode(packet.payload, packet.payload_bytes, &request) == RB_OK);
    EXPECT(request.kind == PRT_OUCH_CANCEL);
    EXPECT(request.user_ref == 0x752e71);
    EXPECT(request.quantity == 0);
    EXPECT(request.appendage == NULL);
}

/* Encoded behind a header, as a port does it; `expected` is the whole packet. */
static void expect_sequenced(const uint8_t *expected, size_t count, const uint8_t *payload)
{
    uint8_t out[128];
    EXPECT(prt_soup_write_sequenced_header(out, sizeof out, count - 3) == 3);
    memcpy(out + 3, payload, count - 3);
    EXPECT(memcmp(out, expected, count) == 0);
}

static prt_ouch_accepted genuine_accepted(void)
{
    prt_ouch_accepted message = {
        .appendage = accepted_packet + sizeof accepted_packet - 9,
        .appendage_bytes = 9,
        .timestamp_ns = 44647483486087u,
        .price = 0x48e748,
        .order_reference = 0x0f56b4f5,
        .user_ref = 0x753a8d,
        .quantity = 40,
        .side = 'B',
        .time_in_force = '5',
        .display = 'Y',
        .capacity = 'A',
        .sweep = 'N',
        .cross_type = 'N',
        .state = 'L',
    };
    memcpy(message.symbol, "ADBE    ", 8);
    memcpy(message.clordid, "7682701       ", 14);
    return message;
}

static void test_genuine_answers(void)
{
    uint8_t out[128];
    prt_ouch_accepted accepted = genuine_accepted();
    EXPECT(prt_ouch_encode_accepted(out, sizeof out, &accepted) == sizeof accepted_packet - 3);
    expect_sequenced(accepted_packet, sizeof accepted_packet, out);
    prt_ouch_canceled canceled = {
        .timestamp_ns = 0x289b4d681317, .user_ref = 0x753a8d, .quantity = 40, .reason = 'U'};
    EXPECT(prt_ouch_encode_canceled(out, sizeof out, &canceled) == sizeof canceled_packet - 3);
    expect_sequenced(canceled_packet, sizeof canceled_packet, out);
}

/* What is not whole says so, and never reads on. */
static void test_truncations(void)
{
    prt_soup_packet packet;
    prt_ouch_request request;
    for (size_t count = 0; count < sizeof enter_packet; count++) {
        uint8_t *bytes = copy_of(enter_packet, count);
        EXPECT(prt_soup_next(bytes, count, &packet) == 0);
        free(bytes);
    }
    for (size_t count = 0; count < sizeof enter_packet - 3; count++) {
        uint8_t *bytes = copy_of(enter_packet + 3, count);
        EXPECT(prt_ouch_decode(bytes, count, &request) == RB_FORMAT);
        free(bytes);
    }
    for (size_t count = 0; count < sizeof cancel_packet - 3; count++) {
        uint8_t *bytes = copy_of(cancel_packet + 3, count);
        EXPECT(prt_ouch_decode(bytes, count, &request) == RB_FORMAT);
        free(bytes);
    }
}

static void test_bad_packets(void)
{
    prt_soup_packet packet;
    static const uint8_t empty[] = {0, 0};
    static const uint8_t longest[] = {0x04, 0x01, 'U'};
    static const uint8_t too_long[] = {0x04, 0x02, 'U'};
    static const uint8_t servers[] = {0, 2, 'S'};
    static const uint8_t fat_heartbeat[] = {0, 2, 'R'};
    static const uint8_t fat_logout[] = {0, 2, 'O', 0};
    EXPECT(prt_soup_next(empty, sizeof empty, &packet) == RB_FORMAT);
    EXPECT(prt_soup_next(longest, sizeof longest, &packet) == 0);
    EXPECT(prt_soup_next(too_long, 2, &packet) == RB_FORMAT);
    EXPECT(prt_soup_next(too_long, sizeof too_long, &packet) == RB_FORMAT);
    EXPECT(prt_soup_next(servers, 2, &packet) == 0);
    EXPECT(prt_soup_next(servers, sizeof servers, &packet) == RB_FORMAT);
    EXPECT(prt_soup_next(fat_heartbeat, sizeof fat_heartbeat, &packet) == RB_FORMAT);
    EXPECT(prt_soup_next(fat_logout, sizeof fat_logout, &packet) == RB_FORMAT);
}

/* Two packets at once: the first alone is taken. */
static void test_merged_packets(void)
{
    static const uint8_t bytes[] = {0, 1, 'R', 0, 2, '+', 'x'};
    prt_soup_packet packet;
    EXPECT(prt_soup_next(bytes, sizeof bytes, &packet) == 3);
    EXPECT(packet.type == PRT_SOUP_CLIENT_HEARTBEAT);
    EXPECT(packet.payload_bytes == 0);
    EXPECT(prt_soup_next(bytes + 3, sizeof bytes - 3, &packet) == 4);
    EXPECT(packet.type == PRT_SOUP_DEBUG);
    EXPECT(packet.payload_bytes == 1);
}

static void test_bad_requests(void)
{
    prt_ouch_request request;
    uint8_t bytes[sizeof enter_packet + 1];
    memcpy(bytes, enter_packet + 3, sizeof enter_packet - 3);
    size_t count = sizeof enter_packet - 3;
    EXPECT(prt_ouch_decode(bytes, count + 1, &request) == RB_FORMAT); /* one byte too many */
    bytes[47] = 4;                                                    /* Firm of 3 bytes */
    EXPECT(prt_ouch_decode(bytes, count, &request) == RB_FORMAT);
    static const uint8_t long_firm[] = {6, 2, 'L', 'I', 'M', 'E', 'S'};
    prt_ouch_element element;
    EXPECT(prt_ouch_next_element(long_firm, sizeof long_firm, &element) == RB_FORMAT);
    bytes[47] = 6; /* beyond the end */
    EXPECT(prt_ouch_decode(bytes, count, &request) == RB_FORMAT);
    bytes[47] = 0; /* no tag */
    EXPECT(prt_ouch_decode(bytes, count, &request) == RB_FORMAT);
    bytes[47] = 5;
    bytes[48] = 200; /* an unknown tag of any size is passed over */
    EXPECT(prt_ouch_decode(bytes, count, &request) == RB_OK);
    bytes[0] = 'Z';
    EXPECT(prt_ouch_decode(bytes, count, &request) == RB_FORMAT);
    EXPECT(prt_ouch_decode((const uint8_t *)"Q", 1, &request) == RB_OK);
    EXPECT(prt_ouch_decode((const uint8_t *)"QQ", 2, &request) == RB_FORMAT);
}

/* Random bytes of every small length, half of them with a beginning that makes sense. */
static void test_random_bytes(void)
{
    static const uint8_t kinds[] = {'O', 'U', 'X', 'M', 'Q', 'L', 'R', '+'};
    prt_soup_packet packet;
    prt_soup_login login;
    prt_ouch_request request;
    for (uint32_t turn = 0; turn < 200000; turn++) {
        size_t count = random_u64() % 80;
        uint8_t *bytes = memory_of(count);
        for (size_t i = 0; i < count; i++) {
            bytes[i] = (uint8_t)(random_u64() >> 33);
        }
        if (count >= 48 && (turn & 1) != 0) {
            bytes[0] = kinds[random_u64() % sizeof kinds];
            bytes[45] = 0;
            bytes[46] = (uint8_t)(count - 47);
            bytes[47] = (uint8_t)(random_u64() % 10);
        }
        int64_t taken = prt_soup_next(bytes, count, &packet);
        EXPECT(taken == RB_FORMAT || (taken >= 0 && (size_t)taken <= count));
        int32_t status = prt_soup_parse_login(bytes, count, &login);
        EXPECT(status == RB_OK || status == RB_FORMAT);
        EXPECT(status == RB_FORMAT || count == 46 || count == 51);
        status = prt_ouch_decode(bytes, count, &request);
        EXPECT(status == RB_OK || status == RB_FORMAT);
        EXPECT(status == RB_FORMAT || request.appendage_bytes <= count);
        free(bytes);
    }
}

static void test_login(void)
{
    prt_soup_login login;
    uint8_t *bytes = memory_of(46);
    memcpy(bytes, "alice ", 6);
    memcpy(bytes + 6, "secret\0\0\0\0", 10);
    memcpy(bytes + 16, "  SESSION1", 10);
    memcpy(bytes + 26, "42                  ", 20);
    EXPECT(prt_soup_parse_login(bytes, 46, &login) == RB_OK);
    EXPECT(memcmp(login.user, "ALICE\0\0", 8) == 0);
    EXPECT(memcmp(login.password, "SECRET\0\0\0\0\0", 12) == 0);
    EXPECT(strcmp(login.session, "SESSION1") == 0);
    EXPECT(login.sequence == 42);
    EXPECT(login.heartbeat_ms == 0);
    memcpy(bytes + 26, "18446744073709551615", 20);
    EXPECT(prt_soup_parse_login(bytes, 46, &login) == RB_OK);
    EXPECT(login.sequence == UINT64_MAX);
    memcpy(bytes + 26, "18446744073709551616", 20);
    EXPECT(prt_soup_parse_login(bytes, 46, &login) == RB_FORMAT);
    memcpy(bytes + 26, "                 1 2", 20);
    EXPECT(prt_soup_parse_login(bytes, 46, &login) == RB_FORMAT);
    memset(bytes + 26, ' ', 20);
    EXPECT(prt_soup_parse_login(bytes, 46, &login) == RB_OK);
    EXPECT(login.sequence == 0);
    bytes[1] = 0;
    EXPECT(prt_soup_parse_login(bytes, 46, &login) == RB_FORMAT);
    EXPECT(prt_soup_parse_login(bytes, 45, &login) == RB_FORMAT);
    free(bytes);
}

static void test_login_accepted(void)
{
    uint8_t out[PRT_SOUP_LOGIN_ACCEPTED_BYTES];
    EXPECT(prt_soup_write_login_accepted(out, sizeof out, "DAY1", 907) == sizeof out);
    EXPECT(memcmp(out,
                  "\0\x1f"
                  "A      DAY1                 907",
                  sizeof out) == 0);
    EXPECT(prt_soup_write_login_accepted(out, sizeof out, "ABCDEFGHIJ", UINT64_MAX) == sizeof out);
    EXPECT(memcmp(out + 3, "ABCDEFGHIJ18446744073709551615", 30) == 0);
    EXPECT(prt_soup_write_login_accepted(out, sizeof out, "X", 0) == sizeof out);
    EXPECT(memcmp(out + 3, "         X                   0", 30) == 0);
    EXPECT(prt_soup_write_login_accepted(out, sizeof out, "", 1) == 0);
    EXPECT(prt_soup_write_login_accepted(out, sizeof out, "ABCDEFGHIJK", 1) == 0);
    EXPECT(prt_soup_write_login_accepted(out, sizeof out - 1, "X", 1) == 0);
}

static void test_small_writers(void)
{
    uint8_t out[8];
    EXPECT(prt_soup_write_login_rejected(out, 4, PRT_SOUP_NOT_AUTHORISED) == 4);
    EXPECT(memcmp(out, "\0\2JA", 4) == 0);
    EXPECT(prt_soup_write_login_rejected(out, 3, PRT_SOUP_NOT_AUTHORISED) == 0);
    EXPECT(prt_soup_write_heartbeat(out, 3) == 3);
    EXPECT(memcmp(out, "\0\1H", 3) == 0);
    EXPECT(prt_soup_write_heartbeat(out, 2) == 0);
    EXPECT(prt_soup_write_end_of_session(out, 3) == 3);
    EXPECT(memcmp(out, "\0\1Z", 3) == 0);
    EXPECT(prt_soup_write_end_of_session(out, 0) == 0);
    EXPECT(prt_soup_write_debug(out, 5, "hi", 2) == 5);
    EXPECT(memcmp(out, "\0\3+hi", 5) == 0);
    EXPECT(prt_soup_write_debug(out, 4, "hi", 2) == 0);
    EXPECT(prt_soup_write_sequenced_header(out, 3, PRT_SOUP_PAYLOAD_LIMIT) == 3);
    EXPECT(memcmp(out, "\xff\xffS", 3) == 0);
    EXPECT(prt_soup_write_sequenced_header(out, 3, PRT_SOUP_PAYLOAD_LIMIT + 1) == 0);
    EXPECT(prt_soup_write_sequenced_header(out, 2, 1) == 0);
}

typedef size_t (*encoder)(uint8_t *out, size_t room);

static size_t encode_system_event(uint8_t *out, size_t room)
{
    prt_ouch_system_event message = {.timestamp_ns = 1, .event = 'S'};
    return prt_ouch_encode_system_event(out, room, &message);
}

static size_t encode_accepted(uint8_t *out, size_t room)
{
    prt_ouch_accepted message = genuine_accepted();
    return prt_ouch_encode_accepted(out, room, &message);
}

static size_t encode_replaced(uint8_t *out, size_t room)
{
    prt_ouch_replaced message = {.order = genuine_accepted(), .original_user_ref = 7};
    return prt_ouch_encode_replaced(out, room, &message);
}

static size_t encode_canceled(uint8_t *out, size_t room)
{
    prt_ouch_canceled message = {.timestamp_ns = 1, .user_ref = 2, .quantity = 3, .reason = 'I'};
    return prt_ouch_encode_canceled(out, room, &message);
}

static size_t encode_executed(uint8_t *out, size_t room)
{
    prt_ouch_executed message = {.timestamp_ns = 1,
                                 .user_ref = 2,
                                 .quantity = 3,
                                 .price = 4,
                                 .liquidity = 'A',
                                 .match_number = 5};
    return prt_ouch_encode_executed(out, room, &message);
}

static size_t encode_rejected(uint8_t *out, size_t room)
{
    prt_ouch_rejected message = {.timestamp_ns = 1, .user_ref = 2, .reason = 23};
    return prt_ouch_encode_rejected(out, room, &message);
}

static size_t encode_cancel_reject(uint8_t *out, size_t room)
{
    prt_ouch_cancel_reject message = {.timestamp_ns = 1, .user_ref = 2};
    return prt_ouch_encode_cancel_reject(out, room, &message);
}

static size_t encode_query_response(uint8_t *out, size_t room)
{
    prt_ouch_query_response message = {.timestamp_ns = 1, .next_user_ref = 2};
    return prt_ouch_encode_query_response(out, room, &message);
}

/* Every encoder in every room: all of the message or nothing, and never a byte outside. */
static void test_rooms(void)
{
    static const struct {
        encoder encode;
        char type;
        size_t bytes;
    } rows[] = {
        {encode_system_event, 'S', PRT_OUCH_SYSTEM_EVENT_BYTES},
        {encode_accepted, 'A', PRT_OUCH_ACCEPTED_BYTES + 9},
        {encode_replaced, 'U', PRT_OUCH_REPLACED_BYTES + 9},
        {encode_canceled, 'C', PRT_OUCH_CANCELED_BYTES},
        {encode_executed, 'E', PRT_OUCH_EXECUTED_BYTES},
        {encode_rejected, 'J', PRT_OUCH_REJECTED_BYTES},
        {encode_cancel_reject, 'I', PRT_OUCH_CANCEL_REJECT_BYTES},
        {encode_query_response, 'Q', PRT_OUCH_QUERY_RESPONSE_BYTES},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t room = 0; room <= rows[row].bytes; room++) {
            uint8_t *out = memory_of(room);
            size_t written = rows[row].encode(out, room);
            EXPECT(written == (room < rows[row].bytes ? 0 : rows[row].bytes));
            EXPECT(written == 0 || out[0] == (uint8_t)rows[row].type);
            free(out);
        }
    }
}

static void test_reject_reasons(void)
{
    EXPECT(prt_ouch_reject_reason(RB_REJECT_REASON_UNKNOWN_INSTRUMENT) == 23);
    EXPECT(prt_ouch_reject_reason(RB_REJECT_REASON_OFF_TICK) == 29);
    EXPECT(prt_ouch_reject_reason(RB_REJECT_REASON_NOT_SUPPORTED) == 15);
    EXPECT(prt_ouch_reject_reason(0) == 15);
    EXPECT(prt_ouch_reject_reason(65535) == 15);
}

int main(void)
{
    test_genuine_enter();
    test_genuine_cancel();
    test_genuine_answers();
    test_truncations();
    test_bad_packets();
    test_merged_packets();
    test_bad_requests();
    test_random_bytes();
    test_login();
    test_login_accepted();
    test_small_writers();
    test_rooms();
    test_reject_reasons();
    return failures == 0 ? 0 : 1;
}
