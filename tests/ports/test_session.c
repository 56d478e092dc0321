/*
 * The rules of a session: what is proposed for what its client asks, what is refused, and what the
 * lines of the stream change. Exit code 0: passed.
 */
#include <stdint.h>
#include <string.h>

#include "ports/session.h"
#include "tests/check.h"
#include "tests/ports/desk.h"

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

int main(void)
{
    test_refusals();
    test_life();
    test_capacity();
    test_races();
    test_broadcast();
    test_hearing();
    test_events();
    test_cancel_on_disconnect();
    test_throttle();
    test_corruption();
    return 0;
}
