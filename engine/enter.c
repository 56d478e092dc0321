#include "engine/enter.h"

#include "engine/answer.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "ringbus/check.h"

/* Why a proposal is refused: a value of enum rb_reject_reason, or this. */
#define ACCEPTED 0u

/* The open order that a Cancel or Replace names, NULL if it is not the sender's. */
static eng_order *own_order(eng_book *book, const rb_message *message, uint32_t client_order_id)
{
    uint32_t locate = message->cancel.locate;
    if (locate == ENG_LOCATE_NONE || locate > book->order_count) {
        return NULL;
    }
    eng_order *order = &book->orders[locate];
    if (order->side == 0 || order->topic != message->header.topic) {
        return NULL;
    }
    if (order->client_order_id != client_order_id ||
        order->instrument != message->cancel.instrument) {
        return NULL;
    }
    return order;
}

/* What NewOrder and Replace share: `quantity` to `time_in_force`, then room for the price. */
static uint16_t terms_reason(const eng_book *book, const rb_new_order *terms)
{
    if (terms->quantity == 0) {
        return RB_REJECT_REASON_INVALID_QUANTITY;
    }
    if (terms->price_ticks < 1 || terms->price_ticks > ENG_PRICE_TICKS_MAX) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    if (terms->time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL) {
        return ACCEPTED;
    }
    if (terms->time_in_force != RB_TIME_IN_FORCE_DAY) {
        return RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
    if (terms->header.template_id == RB_TEMPLATE_NEW_ORDER && book->free_count == 0) {
        return RB_REJECT_REASON_ORDER_CAPACITY;
    }
    if (!eng_price_has_room(book, terms->instrument, terms->price_ticks, 0)) {
        return RB_REJECT_REASON_PRICE_CAPACITY;
    }
    return ACCEPTED;
}

_Static_assert(offsetof(rb_replace, price_ticks) == offsetof(rb_new_order, price_ticks), "terms");
_Static_assert(offsetof(rb_replace, quantity) == offsetof(rb_new_order, quantity), "terms");
_Static_assert(offsetof(rb_replace, time_in_force) == offsetof(rb_new_order, time_in_force),
               "terms");

static void take_terms(eng_book *book, const rb_new_order *terms, uint8_t side, uint32_t locate)
{
    eng_incoming *in = &book->incoming;
    book->time_ns = terms->header.time_ns;
    book->input = terms->header.checksum;
    in->instrument = terms->instrument;
    in->price_ticks = terms->price_ticks;
    in->quantity = terms->quantity;
    in->locate = locate;
    in->client_order_id = terms->client_order_id;
    in->topic = terms->header.topic;
    in->account = terms->account;
    in->firm = terms->firm;
    in->side = side;
    in->options = 0;
    in->reason =
        terms->time_in_force == RB_TIME_IN_FORCE_DAY ? 0 : RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL;
}

int32_t eng_submit_new_order(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_new_order *order = &eng_group_line(group, 0)->new_order;
    uint16_t reason = order->side == RB_SIDE_BUY || order->side == RB_SIDE_SELL
                          ? terms_reason(book, order)
                          : RB_REJECT_REASON_INVALID_SIDE;
    if (reason != ACCEPTED) {
        eng_answer_rejected(sink, group, reason);
        return RB_OK;
    }
    uint32_t locate =
        order->time_in_force == RB_TIME_IN_FORCE_DAY ? eng_order_take(book) : ENG_LOCATE_NONE;
    take_terms(book, order, order->side, locate);
    eng_answer_first(sink, group)->new_order.locate = locate;
    book->ladders[order->instrument].changes++;
    return eng_match(book, sink);
}

int32_t eng_submit_cancel(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    uint32_t quantity = message->cancel.quantity;
    uint32_t locate = message->cancel.locate;
    eng_order *order = own_order(book, message, message->cancel.client_order_id);
    if (order == NULL) {
        eng_answer_rejected(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
        return RB_OK;
    }
    uint32_t open = eng_order_open(book, locate);
    if (quantity == 0 || quantity > open) {
        eng_answer_rejected(sink, group, RB_REJECT_REASON_INVALID_QUANTITY);
        return RB_OK;
    }
    rb_cancel *line = &eng_answer_first(sink, group)->cancel;
    line->price_ticks = order->price_ticks;
    line->side = order->side;
    line->remaining = open - quantity;
    book->ladders[order->instrument].changes++;
    eng_order_reduce(book, locate, quantity);
    if (quantity != open) {
        return RB_OK;
    }
    int32_t status = eng_order_unlink(book, locate);
    eng_order_release(book, locate);
    return status;
}

int32_t eng_submit_replace(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    uint32_t locate = message->replace.locate;
    eng_order *order = own_order(book, message, message->replace.original_client_order_id);
    uint16_t reason = order != NULL ? terms_reason(book, &message->new_order)
                                    : (uint16_t)RB_REJECT_REASON_UNKNOWN_ORDER;
    if (reason != ACCEPTED) {
        eng_answer_rejected(sink, group, reason);
        return RB_OK;
    }
    book->ladders[order->instrument].changes++;
    rb_message *line = eng_answer_first(sink, group);
    line->replace.side = order->side;
    int32_t status = eng_order_unlink(book, locate);
    if (status != RB_OK) {
        return status;
    }
    take_terms(book, &message->new_order, order->side, locate);
    order->side = 0;
    return eng_match(book, sink);
}
