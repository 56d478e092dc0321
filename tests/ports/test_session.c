/*
 * The client port's insides alone, without sockets and without Python: tables, proposals, sessions,
 * and the way from a line of the stream to what a client is shown. The engine is played by hand:
 * `turn_round` says what it would have published. Exit code 0: passed.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ports/big_endian.h"
#include "ports/connection.h"
#include "ports/login.h"
#include "ports/session.h"
#include "tests/check.h"

enum { PUBLISHER = 3, TOPIC = 7, OTHER_TOPIC = 9 };

/* xorshift64; a fixed seed, so that a failure comes again. */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static prt_desk desk;
static uint64_t stream_sequence;

/* A message of one line, and of more. */
static int32_t apply(const rb_message *line, prt_change *change)
{
    prt_group group = {.line = line};
    return prt_desk_apply(&desk, &group, change);
}

static prt_group group_of(const rb_message *lines, uint32_t count)
{
    prt_group group = {.line = &lines[0]};
    for (uint32_t n = 1; n < count; n++) {
        if (lines[n].header.template_id == RB_TEMPLATE_ORDER_TERMS) {
            group.terms = &lines[n];
        } else {
            group.tag = &lines[n];
        }
    }
    return group;
}

static size_t translate(const rb_message *line, uint8_t *out)
{
    prt_group group = {.line = line};
    return prt_translate(&desk.instruments, &group, out, PRT_SHOWN_BYTES_MAX);
}

static void make_desk(uint32_t orders, uint64_t messages)
{
    prt_bounds bounds = {.publisher = PUBLISHER,
                         .shards = 2,
                         .instruments = 2,
                         .sessions = 2,
                         .orders = orders,
                         .messages = messages};
    EXPECT(prt_desk_init(&desk, &bounds) == RB_OK);
    prt_instrument apple = {.symbol = "AAPL    ",
                            .tick_1e4 = 100,
                            .price_ticks_min = 100,
                            .price_ticks_max = 1000000,
                            .lot = 10,
                            .quantity_max = 5000,
                            .shard = 0};
    prt_instrument msft = apple;
    msft.symbol[0] = 'M';
    msft.shard = 1;
    EXPECT(prt_instruments_add(&desk.instruments, &apple) == 0);
    EXPECT(prt_instruments_add(&desk.instruments, &msft) == 1);
    prt_client_session alice = {.topic = TOPIC,
                                .user = "ALICE",
                                .account = 1,
                                .firm = 2,
                                .firm_name = {'F', 'R', 'M', '1'},
                                .rate = 1000,
                                .cancels_on_disconnect = 1,
                                .notional_max_1e4 = UINT64_C(150000000) * 5000};
    prt_client_session bob = {
        .topic = OTHER_TOPIC, .user = "BOB", .account = 3, .firm = 4, .self_trade = 'o'};
    EXPECT(prt_desk_add_session(&desk, &alice) == 0);
    EXPECT(prt_desk_add_session(&desk, &bob) == 1);
    bob.topic++;
    bob.user[0] = 'R';
    bob.self_trade = 'X';
    EXPECT(prt_desk_add_session(&desk, &bob) == RB_USAGE);
    stream_sequence = 0;
}

static void test_outbox(void)
{
    enum { MESSAGES = 1000 };
    prt_pool pool;
    EXPECT(prt_pool_init(&pool, MESSAGES, 1) == RB_OK);
    prt_outbox outbox = {0};
    prt_cursor live = {.chunk = NULL, .next = 1};
    EXPECT(prt_outbox_at(&outbox, &live) == 0);
    for (uint64_t n = 1; n <= MESSAGES; n++) {
        EXPECT(prt_outbox_append(&outbox, &pool, 10 * n) == RB_OK);
        if (n % 3 != 0) {
            EXPECT(prt_outbox_at(&outbox, &live) == 10 * live.next);
            prt_outbox_advance(&live);
        }
    }
    for (uint64_t first = 1; first <= MESSAGES + 1; first += 50) {
        prt_cursor cursor;
        prt_outbox_seek(&outbox, &cursor, first);
        for (uint64_t n = first; n <= MESSAGES; n++) {
            EXPECT(prt_outbox_at(&outbox, &cursor) == 10 * n);
            prt_outbox_advance(&cursor);
        }
        EXPECT(prt_outbox_at(&outbox, &cursor) == 0);
        EXPECT(cursor.next == MESSAGES + 1);
    }
    /* The bound holds, and is said before it is reached. */
    int was_low = 0;
    int32_t status = RB_OK;
    for (uint32_t n = 0; n < 4 * MESSAGES && status == RB_OK; n++) {
        was_low = prt_pool_is_low(&pool);
        status = prt_outbox_append(&outbox, &pool, 1);
    }
    EXPECT(status == RB_FULL);
    EXPECT(was_low);
    EXPECT(outbox.count >= MESSAGES);
    prt_pool_free(&pool);
}

static void test_orders(void)
{
    enum { NUMBERS = 600, LIMIT = 256 };
    static uint32_t there[NUMBERS];
    prt_orders orders;
    EXPECT(prt_orders_init(&orders, LIMIT) == RB_OK);
    uint32_t count = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t number = (uint32_t)random_below(NUMBERS);
        uint64_t key = prt_order_key(5, number);
        prt_order *order = prt_orders_find(&orders, key);
        EXPECT((order != NULL) == (there[number] != 0));
        if (order != NULL) {
            EXPECT(order->locate == there[number]);
            prt_orders_remove(&orders, order);
            there[number] = 0;
            count--;
        } else if (count < LIMIT) {
            order = prt_orders_add(&orders, key);
            EXPECT(order != NULL);
            order->remaining = 1;
            order->locate = step + 1;
            there[number] = step + 1;
            count++;
        }
        EXPECT(orders.count == count);
    }
    EXPECT(prt_orders_valid(&orders) == RB_OK);
    prt_order *victim = NULL;
    for (uint32_t n = 0; n < NUMBERS && victim == NULL; n++) {
        victim = prt_orders_find(&orders, prt_order_key(5, n));
    }
    EXPECT(victim != NULL);
    victim->key = prt_order_key(6, 1);
    EXPECT(prt_orders_valid(&orders) == RB_CORRUPT);
    prt_orders_free(&orders);
}

/* Over many seeds that follow each other, everyone is everywhere equally often, and each is before
 * each other half of the time. The seeds are fixed, so the counts are. */
static void test_shuffle(void)
{
    enum { COUNT = 7, SEEDS = 70000 };
    static uint32_t at[COUNT][COUNT];
    static uint32_t before[COUNT][COUNT];
    prt_queue queue = {0};
    EXPECT(prt_queue_init(&queue, COUNT) == RB_OK);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (uint32_t n = 0; n < COUNT; n++) {
            prt_queue_push(&queue, n);
        }
        prt_queue_shuffle(&queue, seed);
        uint32_t place[COUNT];
        for (uint32_t n = 0; n < COUNT; n++) {
            place[n] = COUNT;
        }
        for (uint32_t n = 0; n < COUNT; n++) {
            uint32_t who = prt_queue_pop(&queue);
            EXPECT(place[who] == COUNT);
            place[who] = n;
            at[who][n]++;
        }
        for (uint32_t one = 0; one < COUNT; one++) {
            for (uint32_t other = 0; other < COUNT; other++) {
                before[one][other] += place[one] < place[other];
            }
        }
    }
    for (uint32_t one = 0; one < COUNT; one++) {
        for (uint32_t other = 0; other < COUNT; other++) {
            /* Five standard deviations of 10,000 are 463, of 35,000 are 661. */
            EXPECT(at[one][other] > 10000 - 463);
            EXPECT(at[one][other] < 10000 + 463);
            EXPECT(one == other || before[one][other] > 35000 - 661);
        }
    }
    prt_queue_shuffle(&queue, 1);
    EXPECT(prt_queue_count(&queue) == 0);
    prt_queue_free(&queue);
}

static prt_request enter(uint32_t user_ref)
{
    prt_request request = {.read_ns = 1};
    request.ouch.kind = PRT_OUCH_ENTER;
    request.ouch.user_ref = user_ref;
    request.ouch.side = 'B';
    request.ouch.quantity = 100;
    memcpy(request.ouch.symbol, "AAPL    ", 8);
    request.ouch.price = 20000;
    request.ouch.time_in_force = '0';
    request.ouch.display = 'Y';
    request.ouch.capacity = 'A';
    request.ouch.sweep = 'N';
    request.ouch.cross_type = 'N';
    memset(request.ouch.clordid, ' ', sizeof request.ouch.clordid);
    return request;
}

static prt_request cancel(uint32_t user_ref, uint32_t quantity)
{
    prt_request request = {.read_ns = 1};
    request.ouch.kind = PRT_OUCH_CANCEL;
    request.ouch.user_ref = user_ref;
    request.ouch.quantity = quantity;
    return request;
}

static prt_request replace(uint32_t original, uint32_t user_ref, uint32_t quantity, uint64_t price)
{
    prt_request request = enter(user_ref);
    request.ouch.kind = PRT_OUCH_REPLACE;
    request.ouch.original_user_ref = original;
    request.ouch.quantity = quantity;
    request.ouch.price = price;
    memset(request.ouch.symbol, 0, sizeof request.ouch.symbol);
    return request;
}

static int32_t propose(prt_session *session, const prt_request *request, prt_proposal *out)
{
    EXPECT(prt_session_ask(session, request) == RB_OK);
    return prt_desk_propose(&desk, session, out);
}

/* What the engine publishes for the proposal if it accepts it. */
static prt_change turn_round(const prt_proposal *proposal, uint32_t locate)
{
    rb_message lines[PRT_PROPOSAL_LINES_MAX];
    memcpy(lines, proposal->lines, sizeof lines);
    for (uint32_t n = 0; n < proposal->count; n++) {
        lines[n].header.sequence = ++stream_sequence;
        lines[n].header.publisher = PUBLISHER;
        lines[n].header.shard = proposal->shard == PRT_ALL_SHARDS ? 0 : proposal->shard;
        lines[n].header.time_ns = UINT64_C(86400000000000) * 3 + stream_sequence;
    }
    if (lines[0].header.template_id == RB_TEMPLATE_NEW_ORDER) {
        lines[0].new_order.locate = locate;
    }
    if (lines[0].header.template_id == RB_TEMPLATE_CANCEL) {
        const prt_order *order = prt_orders_find(
            &desk.orders, prt_order_key(lines[0].header.topic, lines[0].cancel.client_order_id));
        EXPECT(order != NULL);
        EXPECT(order->locate == lines[0].cancel.locate);
        lines[0].cancel.remaining = order->remaining - lines[0].cancel.quantity;
    }
    if (proposal->shard == PRT_ALL_SHARDS) {
        lines[0].header.flags |= RB_FLAG_BROADCAST;
    }
    prt_change change;
    prt_group group = group_of(lines, proposal->count);
    EXPECT(prt_desk_apply(&desk, &group, &change) == RB_OK);
    return change;
}

static prt_change trade(prt_session *session, uint8_t shard, uint32_t client_order_id,
                        uint32_t quantity, uint32_t remaining)
{
    rb_message line = {0};
    line.header.sequence = ++stream_sequence;
    line.header.topic = session->topic;
    line.header.topic_sequence = session->topic_sequence[shard] + 1;
    line.header.shard = shard;
    line.header.template_id = RB_TEMPLATE_EXECUTED;
    line.header.flags = RB_FLAG_GENERATED | RB_FLAG_LAST_OF_GROUP;
    line.executed.client_order_id = client_order_id;
    line.executed.quantity = quantity;
    line.executed.remaining = remaining;
    line.executed.liquidity = RB_LIQUIDITY_ADDED;
    line.executed.price_ticks = 200;
    prt_change change;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.shown);
    return change;
}

/* Asks and lets the engine accept. */
static void take(prt_session *session, const prt_request *request, uint32_t locate)
{
    prt_proposal proposal;
    EXPECT(propose(session, request, &proposal) == PRT_PROPOSE);
    prt_change change = turn_round(&proposal, locate);
    EXPECT(change.answered);
    EXPECT(!change.lost);
    EXPECT(session->phase == PRT_QUIET);
}

static void expect_refusal(const prt_request *request, uint8_t template_id, uint16_t reason)
{
    prt_session *session = &desk.sessions[0];
    prt_proposal proposal;
    EXPECT(propose(session, request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].header.template_id == RB_TEMPLATE_REJECT);
    EXPECT(proposal.lines[0].reject.refused_template == template_id);
    EXPECT(proposal.lines[0].reject.reason == reason);
    EXPECT(proposal.lines[0].reject.client_order_id == request->ouch.user_ref);
    EXPECT(turn_round(&proposal, 0).answered);
}

static void test_refusals(void)
{
    make_desk(8, 10000);
    uint32_t number = 0;
    prt_request request;
#define REFUSED(change, reason)                                                                    \
    request = enter(++number);                                                                     \
    request.change;                                                                                \
    expect_refusal(&request, RB_TEMPLATE_NEW_ORDER, RB_REJECT_REASON_##reason)
    REFUSED(ouch.symbol[0] = 'X', UNKNOWN_INSTRUMENT);
    REFUSED(ouch.side = 'X', INVALID_SIDE);
    REFUSED(ouch.quantity = 0, INVALID_QUANTITY);
    REFUSED(ouch.quantity = 5010, QUANTITY_EXCEEDED);
    REFUSED(ouch.quantity = 4999, OFF_LOT);
    REFUSED(ouch.price = 0, INVALID_PRICE);
    REFUSED(ouch.price = 99 * 100, INVALID_PRICE);
    REFUSED(ouch.price = 1000001 * 100, INVALID_PRICE);
    REFUSED(ouch.price = UINT64_MAX, INVALID_PRICE);
    REFUSED(ouch.price = 20001, OFF_TICK);
    REFUSED(ouch.time_in_force = 'E', INVALID_TIME_IN_FORCE);
    REFUSED(ouch.time_in_force = '6', INVALID_TIME_IN_FORCE);
    REFUSED(ouch.cross_type = 'S', INVALID_CROSS);
    REFUSED(options.fault = RB_REJECT_REASON_INVALID_DISPLAY, INVALID_DISPLAY);
    REFUSED(options.handling = 'I', INVALID_CROSS);
    REFUSED(options.firm[0] = 'X', UNKNOWN_FIRM);
    REFUSED(is_throttled = 1, THROTTLED);
#undef REFUSED
    EXPECT(desk.sessions[0].last_client_order_id == number);
    EXPECT(desk.sessions[0].outbox.count == number);
    EXPECT(desk.orders.count == 0);
    /* Refusals without an instrument are numbered in shard 0, those of an instrument in its own. */
    EXPECT(desk.sessions[0].topic_sequence[0] == number);
    request = enter(++number);
    memcpy(request.ouch.symbol, "MAPL    ", 8);
    request.ouch.price = 20001;
    expect_refusal(&request, RB_TEMPLATE_NEW_ORDER, RB_REJECT_REASON_OFF_TICK);
    EXPECT(desk.sessions[0].topic_sequence[1] == 1);

    request = cancel(99, 0);
    expect_refusal(&request, RB_TEMPLATE_CANCEL, RB_REJECT_REASON_UNKNOWN_ORDER);
    EXPECT(desk.sessions[0].last_client_order_id == number);
    request = replace(99, ++number, 100, 20000);
    expect_refusal(&request, RB_TEMPLATE_REPLACE, RB_REJECT_REASON_UNKNOWN_ORDER);
    EXPECT(desk.sessions[0].last_client_order_id == number);
    /* A Modify has no number of its own: whatever it names, none is used up. */
    request = cancel(UINT32_MAX, 10);
    request.ouch.kind = PRT_OUCH_MODIFY;
    expect_refusal(&request, RB_TEMPLATE_CANCEL, RB_REJECT_REASON_UNKNOWN_ORDER);
    EXPECT(desk.sessions[0].last_client_order_id == number);
    prt_desk_free(&desk);
}

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

/* An order's life: what the client says, and what is proposed for it. */
static void test_life(void)
{
    make_desk(8, 10000);
    prt_session *session = &desk.sessions[0];
    prt_proposal proposal;
    prt_request request = enter(1);
    memcpy(request.ouch.clordid, "first", 5);
    request.ouch.side = 'T';
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.count == 2);
    EXPECT(proposal.shard == 0);
    EXPECT(proposal.lines[0].header.flags == RB_FLAG_CONTINUED);
    EXPECT(proposal.lines[1].header.flags == RB_FLAG_LAST_OF_GROUP);
    EXPECT(proposal.lines[0].header.topic == TOPIC);
    EXPECT(proposal.lines[0].header.topic_sequence == 1);
    EXPECT(proposal.lines[1].header.topic_sequence == 1);
    EXPECT(proposal.lines[0].new_order.price_ticks == 200);
    EXPECT(proposal.lines[0].new_order.side == RB_SIDE_SELL);
    EXPECT(proposal.lines[0].new_order.original_side == 'T');
    EXPECT(proposal.lines[0].new_order.account == 1);
    EXPECT(proposal.lines[0].new_order.firm == 2);
    /* A proposal changes nothing. */
    EXPECT(session->outbox.count == 0);
    EXPECT(session->last_client_order_id == 0);
    EXPECT(desk.orders.count == 0);
    EXPECT(turn_round(&proposal, 77).answered);
    EXPECT(desk.orders.count == 1);
    EXPECT(session->last_client_order_id == 1);

    /* A number that was used is a resend. */
    EXPECT(propose(session, &request, &proposal) == PRT_DUPLICATE);
    EXPECT(session->phase == PRT_QUIET);

    (void)trade(session, 0, 1, 30, 70);
    /* Intended totals of 100 and more leave what there is; 60 leaves 30 of the 70. */
    request = cancel(1, 100);
    EXPECT(propose(session, &request, &proposal) == PRT_NO_EFFECT);
    request = cancel(1, 60);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].cancel.quantity == 40);
    EXPECT(proposal.lines[0].cancel.locate == 77);
    EXPECT(proposal.lines[0].header.topic_sequence == 3);
    EXPECT(turn_round(&proposal, 0).answered);

    /* New total 80, of which 30 have executed. */
    request = replace(1, 2, 80, 30000);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].header.template_id == RB_TEMPLATE_REPLACE);
    EXPECT(proposal.lines[0].replace.quantity == 50);
    EXPECT(proposal.lines[0].replace.price_ticks == 300);
    EXPECT(proposal.lines[0].replace.original_client_order_id == 1);
    EXPECT(proposal.lines[1].order_tag.total_quantity == 80);
    EXPECT(proposal.lines[1].order_tag.original_side == 'T');
    EXPECT(proposal.lines[1].order_tag.capacity == 'A');
    EXPECT(turn_round(&proposal, 0).answered);
    EXPECT(desk.orders.count == 1);
    EXPECT(prt_orders_find(&desk.orders, prt_order_key(TOPIC, 1)) == NULL);

    /* A new total that has executed already takes the rest away. */
    request = replace(2, 3, 30, 30000);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].header.template_id == RB_TEMPLATE_CANCEL);
    EXPECT(proposal.lines[0].cancel.client_order_id == 2);
    EXPECT(proposal.lines[0].cancel.quantity == 50);
    EXPECT(turn_round(&proposal, 0).answered);
    EXPECT(desk.orders.count == 0);
    EXPECT(session->outbox.count == 5);
    prt_desk_free(&desk);
}

static void test_capacity(void)
{
    make_desk(2, 10000);
    for (uint32_t n = 1; n <= 2; n++) {
        prt_request request = enter(n);
        take(&desk.sessions[0], &request, n);
    }
    prt_request request = enter(3);
    expect_refusal(&request, RB_TEMPLATE_NEW_ORDER, RB_REJECT_REASON_ORDER_CAPACITY);
    request = replace(1, 4, 100, 20100);
    take(&desk.sessions[0], &request, 1);
    request = cancel(2, 0);
    take(&desk.sessions[0], &request, 0);
    request = enter(5);
    take(&desk.sessions[0], &request, 2);
    prt_desk_free(&desk);
}

/* Somebody else takes the number: the request is judged again by what is true then. */
static void test_races(void)
{
    make_desk(8, 10000);
    prt_session *session = &desk.sessions[0];
    prt_request request = enter(1);
    take(session, &request, 5);
    prt_proposal proposal;

    /* A cancel of what has just traded becomes a sequenced cancel reject. */
    request = cancel(1, 0);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    prt_change change = trade(session, 0, 1, 40, 60);
    EXPECT(change.lost);
    EXPECT(!change.answered);
    EXPECT(session->phase == PRT_ASKED);
    EXPECT(prt_desk_propose(&desk, session, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].cancel.quantity == 60);
    EXPECT(proposal.lines[0].header.topic_sequence == 3);
    EXPECT(trade(session, 0, 1, 60, 0).lost);
    EXPECT(prt_desk_propose(&desk, session, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].header.template_id == RB_TEMPLATE_REJECT);
    EXPECT(proposal.lines[0].reject.refused_template == RB_TEMPLATE_CANCEL);
    EXPECT(turn_round(&proposal, 0).answered);

    /* A line of another shard or another session takes nothing away. */
    request = enter(2);
    memcpy(request.ouch.symbol, "MAPL    ", 8);
    take(session, &request, 6);
    request = enter(1);
    take(&desk.sessions[1], &request, 7);
    request = enter(3);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    change = trade(session, 1, 2, 10, 90);
    EXPECT(!change.lost);
    EXPECT(!change.answered);
    change = trade(&desk.sessions[1], 0, 1, 10, 90);
    EXPECT(!change.lost);
    EXPECT(session->phase == PRT_PROPOSED);

    /* Nor does the same message by somebody else answer it: it was not ours. */
    prt_proposal foreign = proposal;
    rb_message line = foreign.lines[0];
    line.header.sequence = ++stream_sequence;
    line.header.publisher = PUBLISHER + 1;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.lost);
    EXPECT(prt_desk_propose(&desk, session, &proposal) == PRT_DUPLICATE);
    EXPECT(session->phase == PRT_QUIET);

    /* Nor does a predecessor's message, of another order under our own name. */
    request = enter(9);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    line = proposal.lines[0];
    line.header.sequence = ++stream_sequence;
    line.header.publisher = PUBLISHER;
    line.new_order.client_order_id = 4;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.lost);
    EXPECT(prt_desk_propose(&desk, session, &proposal) == PRT_PROPOSE);
    EXPECT(turn_round(&proposal, 8).answered);

    /* The engine's refusal of it answers it. */
    request = enter(10);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    line = proposal.lines[0];
    line.header.sequence = ++stream_sequence;
    line.header.publisher = PUBLISHER;
    line.header.template_id = RB_TEMPLATE_REJECTED;
    memset(line.words + 4, 0, 32);
    line.rejected.client_order_id = 10;
    line.rejected.refused_template = RB_TEMPLATE_NEW_ORDER;
    line.rejected.reason = RB_REJECT_REASON_PRICE_CAPACITY;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.answered);
    EXPECT(session->last_client_order_id == 10);
    EXPECT(prt_orders_valid(&desk.orders) == RB_OK);
    prt_desk_free(&desk);
}

/* A line that all shards have answered counts in each of them, whichever it names. */
static void test_broadcast(void)
{
    make_desk(8, 10000);
    prt_session *session = &desk.sessions[0];
    prt_request request = enter(1);
    take(session, &request, 5);
    request = enter(2);
    memcpy(request.ouch.symbol, "MAPL    ", 8);
    prt_proposal proposal;
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.shard == 1);
    EXPECT(proposal.lines[0].header.topic_sequence == 1);

    rb_message line = {0};
    line.header.sequence = ++stream_sequence;
    line.header.topic = session->topic;
    line.header.topic_sequence = session->topic_sequence[0] + 1;
    line.header.template_id = RB_TEMPLATE_MASS_CANCEL;
    line.header.flags = RB_FLAG_BROADCAST;
    line.header.publisher = PUBLISHER + 1;
    line.mass_cancel.instrument = RB_INSTRUMENT_NONE;
    prt_change change;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.lost);
    EXPECT(!change.shown);
    EXPECT(session->topic_sequence[0] == 2);
    EXPECT(session->topic_sequence[1] == 1);
    EXPECT(prt_desk_propose(&desk, session, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].header.topic_sequence == 2);
    EXPECT(turn_round(&proposal, 6).answered);

    /* What it canceled comes from the order's own shard. */
    request = cancel(1, 0);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.lines[0].header.topic_sequence == 3);
    line.header.sequence = ++stream_sequence;
    line.header.topic_sequence = 3;
    line.header.template_id = RB_TEMPLATE_CANCELED;
    line.header.flags = RB_FLAG_GENERATED | RB_FLAG_LAST_OF_GROUP;
    line.header.publisher = 0;
    memset(line.words + 4, 0, 32);
    line.canceled.client_order_id = 1;
    line.canceled.quantity = 100;
    line.canceled.reason = RB_CANCEL_REASON_MASS_CANCEL;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.lost);
    EXPECT(change.shown);
    EXPECT(session->topic_sequence[0] == 3);
    EXPECT(session->topic_sequence[1] == 2);
    prt_desk_free(&desk);
}

static prt_request event(uint8_t kind)
{
    prt_request request = {.read_ns = 1, .event = kind, .connection = 12, .next_message = 3};
    return request;
}

/* What a line of another port's session is to those who hear it. */
static void test_hearing(void)
{
    prt_bounds bounds = {.publisher = PUBLISHER,
                         .shards = 2,
                         .instruments = 1,
                         .sessions = 3,
                         .orders = 1,
                         .messages = 1000,
                         .ears = 3};
    EXPECT(prt_desk_init(&desk, &bounds) == RB_OK);
    const char *users[] = {"FIRST", "SECOND", "PLAIN"};
    for (uint16_t n = 0; n < 3; n++) {
        prt_client_session one = {.topic = (uint16_t)(n + 1), .self_trade = 'N'};
        memcpy(one.user, users[n], strlen(users[n]));
        EXPECT(prt_desk_add_session(&desk, &one) == n);
    }
    char longest[PRT_WHOSE_BYTES_MAX + 1];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    EXPECT(prt_desk_add_hearing(&desk, 1, TOPIC, longest) == RB_USAGE);
    EXPECT(prt_desk_add_hearing(&desk, 1, TOPIC, "") == RB_USAGE);
    EXPECT(prt_desk_add_hearing(&desk, 1, 3, "its own port's") == RB_USAGE);
    EXPECT(prt_desk_add_hearing(&desk, 1, 0, "the operator's") == RB_USAGE);
    EXPECT(prt_desk_add_hearing(&desk, 8, TOPIC, "no listener") == RB_USAGE);
    EXPECT(prt_desk_add_hearing(&desk, 1, TOPIC, "whose A") == RB_OK);
    EXPECT(prt_desk_add_hearing(&desk, 1, TOPIC, "whose A") == RB_USAGE);
    EXPECT(prt_desk_add_hearing(&desk, 2, TOPIC, "whose A") == RB_OK);
    EXPECT(prt_desk_add_hearing(&desk, 2, OTHER_TOPIC, "whose B") == RB_OK);
    EXPECT(prt_desk_add_hearing(&desk, 1, OTHER_TOPIC, "whose B") == RB_FULL);
    EXPECT(desk.sessions[0].listens && desk.sessions[1].listens && !desk.sessions[2].listens);
    prt_change change;
    uint16_t topics[] = {TOPIC, OTHER_TOPIC, OTHER_TOPIC + 1, TOPIC, 0};
    for (uint64_t n = 0; n < 5; n++) {
        rb_message line = {.header = {.sequence = n + 1,
                                      .topic = topics[n],
                                      .template_id = topics[n] == 0 ? RB_TEMPLATE_END_OF_DAY
                                                                    : RB_TEMPLATE_CANCELED}};
        EXPECT(apply(&line, &change) == RB_OK);
        EXPECT((change.heard != NULL) == (topics[n] == TOPIC || topics[n] == OTHER_TOPIC));
        EXPECT(change.session == PRT_NONE);
    }
    /* What no client is shown, nobody hears. */
    rb_message login = {.header = {.topic = TOPIC, .template_id = RB_TEMPLATE_SESSION_EVENT}};
    login.session_event.kind = RB_SESSION_EVENT_KIND_LOGIN;
    EXPECT(apply(&login, &change) == RB_OK);
    EXPECT(change.heard == NULL);
    const uint64_t heard[3][5] = {{1, 4, 5}, {1, 2, 4, 5}, {5}};
    for (uint32_t n = 0; n < 3; n++) {
        prt_cursor cursor = {.chunk = NULL, .next = 1};
        for (uint32_t m = 0; heard[n][m] != 0; m++) {
            EXPECT(prt_outbox_at(&desk.sessions[n].outbox, &cursor) == heard[n][m]);
            prt_outbox_advance(&cursor);
        }
        EXPECT(prt_outbox_at(&desk.sessions[n].outbox, &cursor) == 0);
    }
    prt_desk_free(&desk);
}

static void test_events(void)
{
    make_desk(8, 10000);
    prt_session *session = &desk.sessions[0];
    prt_request request = event(RB_SESSION_EVENT_KIND_LOGIN);
    take(session, &request, 0);
    EXPECT(session->holder == PUBLISHER);
    EXPECT(session->outbox.count == 0);
    request = event(RB_SESSION_EVENT_KIND_DISCONNECT);
    take(session, &request, 0);
    EXPECT(session->holder == 0);
    prt_proposal proposal;
    EXPECT(propose(session, &request, &proposal) == PRT_NO_EFFECT);

    /* Nobody has left orders behind, so none are to be canceled. */
    EXPECT(!prt_session_owes_cancel(&desk, session, 1, &request));

    /* Another port's login of the session goes first: ours must not follow. */
    request = event(RB_SESSION_EVENT_KIND_LOGIN);
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    rb_message line = proposal.lines[0];
    line.header.sequence = ++stream_sequence;
    line.header.publisher = PUBLISHER + 1;
    prt_change change;
    EXPECT(apply(&line, &change) == RB_OK);
    EXPECT(change.lost);
    EXPECT(prt_desk_propose(&desk, session, &proposal) == PRT_ELSEWHERE);
    EXPECT(session->holder == PUBLISHER + 1);
    prt_desk_free(&desk);
}

/* A client that has gone with orders open owes a mass cancel until that is on the stream: a port
 * that was killed between the two finds it there. */
static void test_cancel_on_disconnect(void)
{
    make_desk(8, 10000);
    prt_session *session = &desk.sessions[0];
    prt_request request = event(RB_SESSION_EVENT_KIND_LOGIN);
    take(session, &request, 0);
    request = enter(1);
    take(session, &request, 5);
    EXPECT(!prt_session_owes_cancel(&desk, session, 1, &request));
    request = event(RB_SESSION_EVENT_KIND_DISCONNECT);
    take(session, &request, 0);
    EXPECT(prt_session_owes_cancel(&desk, session, 1, &request));
    prt_proposal proposal;
    EXPECT(propose(session, &request, &proposal) == PRT_PROPOSE);
    EXPECT(proposal.shard == PRT_ALL_SHARDS);
    EXPECT(proposal.lines[0].mass_cancel.scope == RB_MASS_CANCEL_SCOPE_SESSION);
    EXPECT(proposal.lines[0].mass_cancel.session == TOPIC);
    EXPECT(proposal.lines[0].mass_cancel.client_order_id == 0);
    /* It takes no lock: what else happens on its topic does not make it be said twice. */
    prt_change change = trade(session, 0, 1, 10, 90);
    EXPECT(!change.lost);
    EXPECT(session->phase == PRT_PROPOSED);
    proposal.lines[0].header.topic_sequence = session->topic_sequence[0] + 1;
    change = turn_round(&proposal, 0);
    EXPECT(change.answered);
    EXPECT(!change.shown);
    EXPECT(!prt_session_owes_cancel(&desk, session, 1, &request));
    EXPECT(session->topic_sequence[1] == 1);

    /* A session that is not configured so keeps its orders. */
    session = &desk.sessions[1];
    request = event(RB_SESSION_EVENT_KIND_LOGIN);
    take(session, &request, 0);
    request = enter(1);
    take(session, &request, 6);
    request = event(RB_SESSION_EVENT_KIND_DISCONNECT);
    take(session, &request, 0);
    EXPECT(!prt_session_owes_cancel(&desk, session, 1, &request));
    prt_desk_free(&desk);
}

/* 1,000 in a second: as many at once, then one a millisecond. Cancels are free. */
static void test_throttle(void)
{
    make_desk(8, 10000);
    prt_session *session = &desk.sessions[0];
    uint64_t now_ns = UINT64_C(5000000000);
    for (uint32_t n = 0; n < 1000; n++) {
        EXPECT(!prt_session_throttle(session, PRT_OUCH_ENTER, now_ns));
    }
    EXPECT(prt_session_throttle(session, PRT_OUCH_ENTER, now_ns));
    EXPECT(prt_session_throttle(session, PRT_OUCH_REPLACE, now_ns + 999999));
    EXPECT(!prt_session_throttle(session, PRT_OUCH_CANCEL, now_ns));
    EXPECT(!prt_session_throttle(session, PRT_OUCH_MASS_CANCEL, now_ns));
    EXPECT(!prt_session_throttle(session, PRT_OUCH_REPLACE, now_ns + 1000000));
    EXPECT(prt_session_throttle(session, PRT_OUCH_ENTER, now_ns + 1000000));
    uint32_t taken = 0;
    for (uint32_t n = 0; n < 100000; n++) {
        now_ns += 100000;
        taken += prt_session_throttle(session, PRT_OUCH_ENTER, now_ns) == 0;
    }
    EXPECT(taken == 9999);
    /* No rate, no throttle. */
    for (uint32_t n = 0; n < 5000; n++) {
        EXPECT(!prt_session_throttle(&desk.sessions[1], PRT_OUCH_ENTER, now_ns));
    }
    prt_desk_free(&desk);
}

/* A stream that is not what it must be is not followed. */
static void test_corruption(void)
{
    make_desk(8, 10000);
    prt_request request = enter(1);
    take(&desk.sessions[0], &request, 5);
    rb_message line = {0};
    line.header.topic = TOPIC;
    line.header.topic_sequence = 3;
    line.header.template_id = RB_TEMPLATE_SESSION_EVENT;
    prt_change change;
    EXPECT(apply(&line, &change) == RB_CORRUPT);
    line.header.topic_sequence = 2;
    line.header.shard = 2;
    EXPECT(apply(&line, &change) == RB_CORRUPT);
    line.header.shard = 0;
    line.header.template_id = RB_TEMPLATE_EXECUTED;
    line.executed.client_order_id = 2;
    EXPECT(apply(&line, &change) == RB_CORRUPT);
    prt_desk_free(&desk);
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

static int connect_to(int64_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* Turns: each connection is in a queue once, those that are gone are passed over, and the round can
 * begin anywhere. */
static void test_turns(void)
{
    prt_connections connections;
    prt_connection *three[3];
    int clients[4];
    EXPECT(prt_connections_init(&connections, 3, PRT_IN_BYTES_MIN, PRT_OUT_BYTES_MIN) == RB_OK);
    int64_t port = prt_connections_listen(&connections, "127.0.0.1", 0);
    EXPECT(port > 0);
    for (uint32_t n = 0; n < 3; n++) {
        clients[n] = connect_to(port);
        EXPECT(prt_connections_accept(&connections, 1, &three[n]) == 1);
        EXPECT(prt_connections_number(&connections, three[n]) == n);
    }
    prt_connection *none = NULL;
    EXPECT(prt_connections_accept(&connections, 1, &none) == 0);
    clients[3] = connect_to(port);
    EXPECT(prt_connections_accept(&connections, 1, &none) == 2);
    for (uint32_t n = 0; n < 6; n++) {
        prt_connections_make_dirty(&connections, three[n % 3]);
    }
    EXPECT(prt_queue_count(&connections.dirty) == 3);
    for (uint32_t n = 0; n < 3; n++) {
        EXPECT(prt_connections_next_dirty(&connections) == three[n]);
    }
    EXPECT(prt_connections_next_dirty(&connections) == NULL);
    uint64_t event = (uint64_t)three[1]->generation << 32 | 1;
    EXPECT(prt_connections_find(&connections, event) == three[1]);
    EXPECT(prt_connections_find(&connections, PRT_EVENT_VERDICT) == NULL);
    prt_connections_make_ready(&connections, three[1]);
    prt_connections_make_ready(&connections, three[2]);
    prt_connections_close(&connections, three[1]);
    EXPECT(prt_connections_next_ready(&connections) == three[2]);
    EXPECT(prt_connections_next_ready(&connections) == NULL);
    EXPECT(prt_connections_find(&connections, event) == NULL);
    /* The slot's next user is not taken for its last. */
    int again = connect_to(port);
    prt_connection *reused = NULL;
    EXPECT(prt_connections_accept(&connections, 1, &reused) == 1);
    EXPECT(reused == three[1]);
    EXPECT(prt_connections_find(&connections, event) == NULL);
    for (uint32_t n = 0; n < 4; n++) {
        (void)close(clients[n]);
    }
    (void)close(again);
    prt_connections_free(&connections);
}

enum { LOGINS = 20000 };

static void *authenticate(void *state)
{
    prt_login *login = state;
    uint32_t answered = 0;
    while (answered < LOGINS) {
        prt_client_login asked;
        if (prt_login_hear(login, &asked) == 0) {
            continue;
        }
        EXPECT(asked.connection == answered);
        EXPECT(strcmp(asked.password, "SECRET") == 0);
        prt_login_verdict verdict = {asked.connection, asked.generation, asked.generation % 3 == 0};
        while (prt_login_answer(login, &verdict) == 0) {
            rb_pause();
        }
        answered++;
    }
    return NULL;
}

/* Questions and verdicts between two threads: none is lost, doubled or out of order. */
static void test_logins(void)
{
    prt_login login;
    EXPECT(prt_login_init(&login, 16) == RB_OK);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, authenticate, &login) == 0);
    uint32_t asked = 0;
    uint32_t heard = 0;
    while (heard < LOGINS) {
        prt_client_login question = {
            .connection = asked, .generation = asked * 7, .user = "ALICE", .password = "SECRET"};
        if (asked < LOGINS && prt_login_ask(&login, &question) == 1) {
            asked++;
        }
        prt_login_verdict verdict;
        if (prt_login_take(&login, &verdict) == 1) {
            EXPECT(verdict.connection == heard);
            EXPECT(verdict.good == (heard * 7 % 3 == 0));
            heard++;
        }
    }
    EXPECT(pthread_join(thread, NULL) == 0);
    /* No password is left behind. */
    const uint8_t *memory = login.question_memory;
    for (size_t n = 0; n + 6 <= rb_lane_bytes(16); n++) {
        EXPECT(memcmp(memory + n, "SECRET", 6) != 0);
    }
    prt_login_free(&login);
}

int main(void)
{
    test_outbox();
    test_shuffle();
    test_orders();
    test_refusals();
    test_options();
    test_life();
    test_capacity();
    test_races();
    test_broadcast();
    test_hearing();
    test_events();
    test_cancel_on_disconnect();
    test_throttle();
    test_corruption();
    test_translation();
    test_turns();
    test_logins();
    return 0;
}
