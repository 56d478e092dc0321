/* OUCH: any bytes as a client's message, and what a session makes of those that can be read. */
#include <string.h>

#include "ports/ouch.h"
#include "ports/session.h"
#include "ports/translate.h"
#include "tests/market.h"

#include "tests/fuzz/fuzz.h"

enum { TOPIC = 1, ORDERS = 16, RESTING = 3 };

static prt_desk desk;

static void apply(rb_message *line, uint64_t sequence)
{
    prt_change change;
    line->header.sequence = sequence;
    EXPECT(prt_desk_apply(&desk, line, NULL, &change) == RB_OK);
}

/* A session with three orders. */
static void make_desk(void)
{
    prt_bounds bounds = {.publisher = 1,
                         .shards = 1,
                         .instruments = MARKET_INSTRUMENTS,
                         .sessions = 1,
                         .orders = ORDERS,
                         .messages = 64};
    EXPECT(prt_desk_init(&desk, &bounds) == RB_OK);
    for (uint32_t n = 0; n < MARKET_INSTRUMENTS; n++) {
        prt_instrument row = market_instrument(n);
        EXPECT(prt_instruments_add(&desk.instruments, &row) == n);
    }
    EXPECT(prt_desk_add_session(&desk, TOPIC, "ALICE", 1, 2) == 0);
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

/* The lines are of the session, numbered, and can be shown to its client. */
static void look_at(const prt_proposal *proposal)
{
    uint8_t out[PRT_SHOWN_BYTES_MAX];
    EXPECT(proposal->count >= 1);
    EXPECT(proposal->count <= sizeof proposal->lines / sizeof proposal->lines[0]);
    for (uint32_t n = 0; n < proposal->count; n++) {
        const rb_header *header = &proposal->lines[n].header;
        EXPECT(header->topic == TOPIC);
        EXPECT(header->topic_sequence == RESTING + 1);
        EXPECT((header->flags & RB_FLAG_CONTINUED) ==
               (n + 1 < proposal->count ? RB_FLAG_CONTINUED : 0));
    }
    const rb_message *tag = proposal->count > 1 ? &proposal->lines[proposal->count - 1] : NULL;
    if (tag != NULL && tag->header.template_id != RB_TEMPLATE_ORDER_TAG) {
        tag = NULL;
    }
    if (prt_is_shown(&proposal->lines[0])) {
        size_t bytes = prt_translate(&desk.instruments, &proposal->lines[0], tag, out, sizeof out);
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    prt_request request = {.read_ns = 1};
    int32_t status = prt_ouch_decode(bytes, count, &request.ouch);
    EXPECT(status == RB_OK || status == RB_FORMAT);
    if (status != RB_OK || request.ouch.kind == PRT_OUCH_QUERY) {
        return 0;
    }
    elements(&request.ouch);
    request.unsupported = (uint8_t)prt_is_unsupported(&request.ouch);
    request.ouch.appendage = NULL;
    request.ouch.appendage_bytes = 0;
    make_desk();
    prt_session *session = &desk.sessions[0];
    EXPECT(prt_session_ask(session, &request) == RB_OK);
    prt_proposal proposal;
    int32_t outcome = prt_desk_propose(&desk, session, &proposal);
    EXPECT(outcome >= 0);
    if (outcome == PRT_PROPOSE) {
        look_at(&proposal);
    }
    EXPECT(prt_orders_valid(&desk.orders) == RB_OK);
    prt_desk_free(&desk);
    return 0;
}
