/* OUCH: any bytes as a client's message, and what a session makes of those that can be read. */
#include <string.h>

#include "ports/ouch.h"
#include "ports/ouch42.h"
#include "ports/session.h"
#include "ports/translate.h"
#include "tests/market.h"

#include "tests/fuzz/fuzz.h"

enum { TOPIC = 1, ORDERS = 16, RESTING = 3 };

static prt_desk desk;

static void apply(rb_message *line, uint64_t sequence)
{
    prt_change change;
    prt_group group = {.line = line};
    line->header.sequence = sequence;
    EXPECT(prt_desk_apply(&desk, &group, &change) == RB_OK);
}

/* A session with three orders. */
static void make_desk(uint8_t protocol)
{
    prt_bounds bounds = {.publisher = 1,
                         .shards = 1,
                         .instruments = MARKET_INSTRUMENTS,
                         .sessions = 1,
                         .orders = ORDERS,
                         .tokens = 16,
                         .messages = 64};
    EXPECT(prt_desk_init(&desk, &bounds) == RB_OK);
    for (uint32_t n = 0; n < MARKET_INSTRUMENTS; n++) {
        prt_instrument row = market_instrument(n);
        EXPECT(prt_instruments_add(&desk.instruments, &row) == n);
    }
    prt_client_session row = market_session(TOPIC - 1);
    row.protocol = protocol;
    EXPECT(prt_desk_add_session(&desk, &row) == 0);
    for (uint32_t n = 1; n <= RESTING; n++) {
        rb_message line = {0};
        line.new_order.header.template_id = RB_TEMPLATE_NEW_ORDER;
        line.new_order.header.topic = TOPIC;
        line.new_order.header.topic_sequence = n;
        line.new_order.header.publisher = 1;
        line.new_order.quantity = 100;
        line.new_order.price_ticks = 15000;
        line.new_order.client_order_id = n;
        line.new_order.locate = n;
        line.new_order.side = RB_SIDE_BUY;
        apply(&line, n);
    }
}

/* The lines are of the session, numbered if they take a lock, and can be shown to its client. */
static void look_at(const prt_proposal *proposal)
{
    uint8_t out[PRT_SHOWN_BYTES_MAX];
    prt_group group = {.line = &proposal->lines[0]};
    EXPECT(proposal->count >= 1);
    EXPECT(proposal->count <= PRT_PROPOSAL_LINES_MAX);
    for (uint32_t n = 0; n < proposal->count; n++) {
        const rb_header *header = &proposal->lines[n].header;
        EXPECT(header->topic == TOPIC);
        EXPECT(proposal->shard == PRT_ALL_SHARDS || header->topic_sequence == RESTING + 1);
        EXPECT(((header->flags & RB_FLAG_CONTINUED) != 0) == (n + 1 < proposal->count));
        group.terms =
            header->template_id == RB_TEMPLATE_ORDER_TERMS ? &proposal->lines[n] : group.terms;
        group.tag = header->template_id == RB_TEMPLATE_ORDER_TAG ? &proposal->lines[n] : group.tag;
    }
    if (prt_is_shown(group.line)) {
        size_t bytes = prt_desk_show(&desk, &desk.sessions[0], &group, out, sizeof out);
        EXPECT(bytes <= sizeof out);
    }
}

static void elements(const prt_ouch_request *request)
{
    size_t done = 0;
    while (done < request->appendage_bytes) {
        prt_ouch_element element;
        int64_t taken = prt_ouch_next_element(request->appendage + done,
                                              request->appendage_bytes - done, &element);
        EXPECT(taken > 0);
        EXPECT(element.value + element.value_bytes == request->appendage + done + taken);
        done += (size_t)taken;
    }
    EXPECT(done == request->appendage_bytes);
}

/* What a session asks for: a proposal that is sound, or none. */
static void ask(uint8_t protocol, const prt_request *request)
{
    make_desk(protocol);
    prt_session *session = &desk.sessions[0];
    EXPECT(prt_session_ask(session, request) == RB_OK);
    prt_proposal proposal;
    int32_t outcome = prt_desk_propose(&desk, session, &proposal);
    EXPECT(outcome >= 0);
    if (outcome == PRT_PROPOSE) {
        look_at(&proposal);
    }
    EXPECT(prt_orders_valid(&desk.orders) == RB_OK);
    prt_desk_free(&desk);
}

/* The same bytes in both versions. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    prt_request request = {.read_ns = 1};
    int32_t status = prt_ouch_decode(bytes, count, &request.ouch);
    EXPECT(status == RB_OK || status == RB_FORMAT);
    if (status == RB_OK) {
        elements(&request.ouch);
        prt_options_read(&request.ouch, &request.options);
        request.ouch.appendage = NULL;
        request.ouch.appendage_bytes = 0;
        ask(PRT_OUCH50, &request);
    }
    prt_request older = {.read_ns = 1};
    status = prt_ouch42_decode(bytes, count, &older.ouch, &older.options);
    EXPECT(status == RB_OK || status == RB_FORMAT);
    if (status == RB_OK) {
        ask(PRT_OUCH42, &older);
    }
    return 0;
}
