/*
 * The options of an order, and what a client is shown of the stream. Exit code 0: passed.
 */
#include <stdint.h>
#include <string.h>

#include "ports/big_endian.h"
#include "ports/options.h"
#include "ports/translate.h"
#include "tests/check.h"
#include "tests/ports/desk.h"

static prt_options options_of(const void *appendage, size_t bytes)
{
    prt_ouch_request request = {.kind = PRT_OUCH_ENTER,
                                .display = 'Y',
                                .appendage = appendage,
                                .appendage_bytes = (uint16_t)bytes};
    prt_options options;
    prt_options_read(&request, &options);
    return options;
}

static void expect_option(uint8_t tag, const void *value, uint8_t bytes, uint16_t fault)
{
    uint8_t appendage[16] = {(uint8_t)(bytes + 1), tag};
    memcpy(appendage + 2, value, bytes);
    EXPECT(options_of(appendage, bytes + 2u).fault == fault);
}

static void test_options(void)
{
    static const uint8_t zero[8] = {0};
    static const uint8_t one[8] = {0, 0, 0, 1};
    const uint16_t other = RB_REJECT_REASON_NOT_SUPPORTED;
    const uint16_t pegging = RB_REJECT_REASON_PEGGING_NOT_SUPPORTED;
    expect_option(3, one, 4, 0);
    expect_option(5, one, 4, 0);
    expect_option(7, zero, 4, 0);
    expect_option(7, one, 4, pegging);
    expect_option(11, one, 4, pegging);
    expect_option(13, zero, 4, 0);
    expect_option(13, one, 4, other);
    expect_option(15, one, 4, 0);
    expect_option(9, zero, 8, 0);
    expect_option(9, one, 8, other);
    expect_option(2, "LIME", 4, 0);
    expect_option(4, "R", 1, 0);
    expect_option(4, "x", 1, other);
    expect_option(6, "L", 1, 0);
    expect_option(6, "M", 1, pegging);
    expect_option(6, "x", 1, RB_REJECT_REASON_INVALID_PEG_TYPE);
    expect_option(6, "", 1, RB_REJECT_REASON_INVALID_PEG_TYPE);
    expect_option(10, "L", 1, 0);
    expect_option(10, "P", 1, pegging);
    expect_option(12, "N", 1, 0);
    expect_option(12, "P", 1, 0);
    expect_option(12, "x", 1, other);
    expect_option(14, "    ", 4, 0);
    expect_option(14, "BRUT", 4, RB_REJECT_REASON_ROUTING_NOT_SUPPORTED);
    expect_option(16, "N", 1, 0);
    expect_option(16, "Y", 1, other);
    expect_option(17, " ", 1, 0);
    expect_option(17, "I", 1, 0);
    expect_option(17, "O", 1, RB_REJECT_REASON_RETAIL_NOT_SUPPORTED);
    expect_option(17, "B", 1, other);
    expect_option(24, one, 2, 0);
    expect_option(25, "Y", 1, 0);
    expect_option(25, "x", 1, other);
    expect_option(27, "T", 1, 0);
    expect_option(27, "x", 1, RB_REJECT_REASON_INVALID_SIDE);
    expect_option(28, zero, 1, 0);
    expect_option(28, one + 3, 1, other);
    expect_option(29, "O", 1, 0);
    expect_option(29, "x", 1, other);
    expect_option(30, "  ", 2, 0);
    expect_option(30, "AB", 2, other);
    expect_option(26, "LOCA", 4, 0);
    expect_option(77, "what", 4, 0);
    /* All are read, and of several faults the first is said. */
    static const uint8_t two[] = {5, 2, 'L', 'I', 'M', 'E', 2, 12, 'P', 5, 5, 0, 0, 0, 9};
    prt_options options = options_of(two, sizeof two);
    EXPECT(memcmp(options.firm, "LIME", 4) == 0);
    EXPECT(options.post_only == 'P');
    EXPECT(options.display_quantity == 9);
    EXPECT(options.given == PRT_GIVEN_DISPLAY_QUANTITY);
    static const uint8_t faults[] = {2, 17, 'O', 2, 6, 'M'};
    EXPECT(options_of(faults, sizeof faults).fault == RB_REJECT_REASON_RETAIL_NOT_SUPPORTED);
}

static size_t translate(const rb_message *line, uint8_t *out)
{
    prt_group group = {.line = line};
    return prt_translate(&desk.instruments, &group, out, PRT_SHOWN_BYTES_MAX);
}

static void test_translation(void)
{
    make_desk(8, 10000);
    uint8_t out[PRT_SHOWN_BYTES_MAX];
    prt_request request = enter(9);
    memcpy(request.ouch.clordid, "tagged", 6);
    prt_proposal proposal;
    EXPECT(propose(&desk.sessions[0], &request, &proposal) == PRT_PROPOSE);
    rb_message *line = &proposal.lines[0];
    line->header.sequence = 1234;
    line->header.time_ns = UINT64_C(86400000000000) * 20000 + 42;
    prt_group group = group_of(proposal.lines, proposal.count);
    size_t bytes = prt_translate(&desk.instruments, &group, out, sizeof out);
    EXPECT(bytes == PRT_OUCH_ACCEPTED_BYTES);
    EXPECT(out[0] == 'A');
    EXPECT(get_u64(out + 1) == 42);
    EXPECT(get_u32(out + 9) == 9);
    EXPECT(memcmp(out + 18, "AAPL    ", 8) == 0);
    EXPECT(get_u64(out + 26) == 20000);
    EXPECT(get_u64(out + 36) == 1234);
    EXPECT(out[47] == 'L');
    EXPECT(memcmp(out + 48, "tagged        ", 14) == 0);
    bytes = translate(line, out);
    EXPECT(memcmp(out + 48, "              ", 14) == 0);
    EXPECT(prt_translate(&desk.instruments, &group, out, sizeof out - 1) == 0);

    /* Both sides of a trade are told the same number: the place of the incoming side's line. */
    rb_message sides[2] = {0};
    for (uint32_t n = 0; n < 2; n++) {
        sides[n].header.sequence = 500 + n;
        sides[n].header.template_id = RB_TEMPLATE_EXECUTED;
        sides[n].executed.liquidity = n == 0 ? RB_LIQUIDITY_REMOVED : RB_LIQUIDITY_ADDED;
        sides[n].executed.price_ticks = 205;
        bytes = translate(&sides[n], out);
        EXPECT(bytes == PRT_OUCH_EXECUTED_BYTES);
        EXPECT(get_u64(out + 17) == 20500);
        EXPECT(out[25] == (n == 0 ? 'R' : 'A'));
        EXPECT(get_u64(out + 26) == 500);
    }

    /* System events are for everyone, on the operator's topic only. */
    rb_message day = {0};
    prt_change change;
    day.header.sequence = 1;
    day.header.template_id = RB_TEMPLATE_BUILD_RECORD;
    EXPECT(apply(&day, &change) == RB_OK);
    EXPECT(change.everyone);
    EXPECT(desk.sessions[0].outbox.count == 1);
    EXPECT(desk.sessions[1].outbox.count == 1);
    EXPECT(translate(&day, out) == 10);
    EXPECT(out[9] == 'S');
    day.header.template_id = RB_TEMPLATE_END_OF_DAY;
    EXPECT(translate(&day, out) == 10);
    EXPECT(out[9] == 'E');
    day.header.template_id = RB_TEMPLATE_INSTRUMENT_DEFINITION;
    EXPECT(translate(&day, out) == 0);
    prt_desk_free(&desk);
}

int main(void)
{
    test_options();
    test_translation();
    return 0;
}
