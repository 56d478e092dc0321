/*
 * A desk of two sessions for C tests of the client port's insides, without sockets and without
 * Python. The engine is played by hand: `turn_round` says what it would have published.
 */
#ifndef TESTS_PORTS_DESK_H
#define TESTS_PORTS_DESK_H

#include <stdint.h>
#include <string.h>

#include "ports/session.h"
#include "tests/check.h"

enum { PUBLISHER = 3, TOPIC = 7, OTHER_TOPIC = 9 };

static prt_desk desk;
static uint64_t stream_sequence;

/* A message of one line, and of more. */
static inline int32_t apply(const rb_message *line, prt_change *change)
{
    prt_group group = {.line = line};
    return prt_desk_apply(&desk, &group, change);
}

static inline prt_group group_of(const rb_message *lines, uint32_t count)
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

static inline void make_desk(uint32_t orders, uint64_t messages)
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

static inline prt_request enter(uint32_t user_ref)
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

static inline prt_request cancel(uint32_t user_ref, uint32_t quantity)
{
    prt_request request = {.read_ns = 1};
    request.ouch.kind = PRT_OUCH_CANCEL;
    request.ouch.user_ref = user_ref;
    request.ouch.quantity = quantity;
    return request;
}

static inline prt_request replace(uint32_t original, uint32_t user_ref, uint32_t quantity,
                                  uint64_t price)
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
static inline prt_change turn_round(const prt_proposal *proposal, uint32_t locate)
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

static inline prt_change trade(prt_session *session, uint8_t shard, uint32_t client_order_id,
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
static inline void take(prt_session *session, const prt_request *request, uint32_t locate)
{
    prt_proposal proposal;
    EXPECT(propose(session, request, &proposal) == PRT_PROPOSE);
    prt_change change = turn_round(&proposal, locate);
    EXPECT(change.answered);
    EXPECT(!change.lost);
    EXPECT(session->phase == PRT_QUIET);
}

static inline void expect_refusal(const prt_request *request, uint8_t template_id, uint16_t reason)
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

static inline prt_request event(uint8_t kind)
{
    prt_request request = {.read_ns = 1, .event = kind, .connection = 12, .next_message = 3};
    return request;
}

#endif
