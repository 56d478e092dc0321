#include "engine/enter.h"

#include "engine/answer.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "engine/terms.h"
#include "engine/unusual.h"

/*
 * A plain order is one line without options, Day (or its like) or ImmediateOrCancel, on an
 * instrument that trades continuously and has no hidden orders. It is handled here; everything else
 * goes to engine/unusual.c, where each rule is written out. Both make the same checks in the same
 * order: those that are left out here cannot fail for a plain order.
 */
static inline int is_plain(const eng_group *group, const eng_ladder *ladder, uint8_t options,
                           uint8_t time_in_force)
{
    uint32_t forces = ENG_FORCES_RESTING | ENG_FORCE(RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL);
    uint32_t unusual = (group->count ^ 1) | options | ladder->hidden_orders |
                       (uint32_t)(ladder->state ^ RB_INSTRUMENT_STATE_CONTINUOUS) |
                       (uint32_t)!eng_force_in(forces, time_in_force);
    return unusual == 0;
}

int32_t eng_submit_new_order(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_new_order *line = &eng_group_line(group, 0)->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    if (__builtin_expect(!is_plain(group, ladder, line->options, line->time_in_force), 0)) {
        return eng_new_order_unusual(book, group, sink);
    }
    if (line->side != RB_SIDE_BUY && line->side != RB_SIDE_SELL) {
        return eng_reject(sink, group, RB_REJECT_REASON_INVALID_SIDE);
    }
    uint16_t reason = eng_quantity_reason(line->quantity, line->price_ticks);
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    uint32_t locate = ENG_LOCATE_NONE;
    uint8_t left = RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL;
    if (line->time_in_force != RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL) {
        if (book->free_count == 0) {
            return eng_reject(sink, group, RB_REJECT_REASON_ORDER_CAPACITY);
        }
        if (!eng_price_has_room(book, line->instrument, line->price_ticks, 0)) {
            return eng_reject(sink, group, RB_REJECT_REASON_PRICE_CAPACITY);
        }
        locate = eng_order_take(book);
        left = 0;
    }
    eng_incoming_take(book, line, line->side, locate, left);
    ladder->changes++;
    eng_answer_first(sink, group)->new_order.locate = locate;
    return eng_match(book, sink);
}

/* The open order that a Cancel or Replace names, NULL if it is not the sender's. */
static inline eng_order *own_order(eng_book *book, const rb_message *message,
                                   uint32_t client_order_id)
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

int32_t eng_submit_cancel(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    uint32_t quantity = message->cancel.quantity;
    uint32_t locate = message->cancel.locate;
    const eng_order *order = own_order(book, message, message->cancel.client_order_id);
    if (order == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    uint32_t open = eng_order_open(book, locate);
    if (quantity == 0 || quantity > open) {
        return eng_reject(sink, group, RB_REJECT_REASON_INVALID_QUANTITY);
    }
    book->ladders[order->instrument].changes++;
    rb_cancel *answer = &eng_answer_first(sink, group)->cancel;
    answer->price_ticks = order->price_ticks;
    answer->side = order->side;
    answer->remaining = open - quantity;
    if (quantity != open) {
        eng_order_reduce(book, locate, quantity);
        return RB_OK;
    }
    int32_t status = eng_order_unlink(book, locate);
    eng_order_release(book, locate);
    return status;
}

int32_t eng_submit_replace(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t locate = message->replace.locate;
    eng_order *order = own_order(book, message, message->replace.original_client_order_id);
    if (order == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    if (__builtin_expect(!is_plain(group, ladder, order->options, line->time_in_force), 0)) {
        return eng_replace_unusual(book, group, sink);
    }
    uint16_t reason = eng_quantity_reason(line->quantity, line->price_ticks);
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    int rests = line->time_in_force != RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    if (rests && !eng_price_has_room(book, line->instrument, line->price_ticks, 0)) {
        return eng_reject(sink, group, RB_REJECT_REASON_PRICE_CAPACITY);
    }
    ladder->changes++;
    rb_replace *answer = &eng_answer_first(sink, group)->replace;
    answer->side = order->side;
    if (rests && line->price_ticks == order->price_ticks && line->quantity <= order->quantity) {
        answer->header.flags |= RB_FLAG_KEPT_PRIORITY;
        order->quantity = line->quantity;
        order->client_order_id = line->client_order_id;
        order->account = line->account;
        order->firm = line->firm;
        return RB_OK;
    }
    uint8_t side = order->side;
    int32_t status = eng_order_unlink(book, locate);
    if (status != RB_OK) {
        return status;
    }
    order->side = 0;
    eng_incoming_take(book, line, side, locate, rests ? 0 : RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL);
    return eng_match(book, sink);
}
