#include "engine/submit.h"

#include "engine/answer.h"
#include "engine/book_state.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "engine/terms.h"
#include "engine/unusual.h"

/*
 * The plain way. Plain is one line, NewOrder, Cancel or Replace, without options, of a time in
 * force that rests now or never, on an instrument that trades continuously and has no hidden
 * orders. It is handled here, with as little as it needs; everything else goes to engine/unusual.c,
 * where each rule is written out. Both make the same checks in the same order: those that are left
 * out here cannot fail for a plain order.
 */
static inline int is_plain(const eng_ladder *ladder, uint8_t options, uint8_t time_in_force)
{
    uint32_t forces = ENG_FORCES_RESTING | ENG_FORCE(RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL);
    uint32_t unusual = options | ladder->hidden_orders |
                       (uint32_t)(ladder->state ^ RB_INSTRUMENT_STATE_CONTINUOUS) |
                       (uint32_t)!eng_force_in(forces, time_in_force);
    return unusual == 0;
}

/* Whether a limit meets what the other side displays. */
static inline int meets_displayed(const eng_ladder *ladder, uint8_t side, int32_t price_ticks)
{
    return eng_meets(side, price_ticks, ladder->best[eng_side_index(eng_side_other(side))]);
}

/* Fills in a record of the pool as a plain order and puts it at the back of its price. */
static inline int32_t rest(eng_book *book, eng_ladder *ladder, const rb_message *message,
                           uint32_t locate, uint8_t side)
{
    const rb_new_order *line = &message->new_order;
    eng_order *order = &book->orders[locate];
    order->quantity = line->quantity;
    order->price_ticks = line->price_ticks;
    order->owner = message->words[6];
    order->instrument = line->instrument;
    order->topic = line->header.topic;
    order->side = side;
    order->options = 0;
    return eng_ladder_append(book, ladder, locate);
}

static inline int32_t new_order(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    if (__builtin_expect(!is_plain(ladder, line->options, line->time_in_force), 0)) {
        return eng_new_order_unusual(book, group, sink);
    }
    if (line->side != RB_SIDE_BUY && line->side != RB_SIDE_SELL) {
        return eng_reject(sink, group, RB_REJECT_REASON_INVALID_SIDE);
    }
    uint16_t reason = eng_quantity_reason(line->quantity, line->price_ticks);
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    if (line->time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL) {
        eng_incoming_take(book, message, line->side, ENG_LOCATE_NONE,
                          RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL);
        ladder->changes++;
        eng_answer_line(sink, group)->new_order.locate = ENG_LOCATE_NONE;
        return eng_match_plain(book, ladder, sink);
    }
    if (book->free_count == 0) {
        return eng_reject(sink, group, RB_REJECT_REASON_ORDER_CAPACITY);
    }
    if (!eng_price_has_room(book, line->instrument, line->price_ticks, 0)) {
        return eng_reject(sink, group, RB_REJECT_REASON_PRICE_CAPACITY);
    }
    uint32_t locate = eng_order_take(book);
    ladder->changes++;
    eng_answer_line(sink, group)->new_order.locate = locate;
    if (!meets_displayed(ladder, line->side, line->price_ticks)) {
        return rest(book, ladder, message, locate, line->side);
    }
    eng_incoming_take(book, message, line->side, locate, 0);
    return eng_match_plain(book, ladder, sink);
}

int32_t eng_cancel(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    uint32_t quantity = message->cancel.quantity;
    uint32_t locate = message->cancel.locate;
    const eng_order *order = eng_order_named(book, message, message->cancel.client_order_id);
    if (order == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    uint32_t open = eng_order_open(book, locate);
    if (quantity == 0 || quantity > open) {
        return eng_reject(sink, group, RB_REJECT_REASON_INVALID_QUANTITY);
    }
    book->ladders[order->instrument].changes++;
    int is_alone = group->count == 1;
    rb_message *first = is_alone ? eng_answer_line(sink, group) : eng_answer_first(sink, group);
    rb_cancel *answer = &first->cancel;
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

static inline int32_t replace(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t locate = message->replace.locate;
    eng_order *order = eng_order_named(book, message, message->replace.original_client_order_id);
    if (order == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    if (__builtin_expect(!is_plain(ladder, order->options, line->time_in_force), 0)) {
        return eng_replace_unusual(book, group, sink);
    }
    uint16_t reason = eng_quantity_reason(line->quantity, line->price_ticks);
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    uint8_t side = order->side;
    int rests = line->time_in_force != RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    if (rests && !eng_price_has_room(book, line->instrument, line->price_ticks, 0)) {
        return eng_reject(sink, group, RB_REJECT_REASON_PRICE_CAPACITY);
    }
    ladder->changes++;
    rb_replace *answer = &eng_answer_line(sink, group)->replace;
    answer->side = side;
    if (rests && line->price_ticks == order->price_ticks && line->quantity <= order->quantity) {
        answer->header.flags |= RB_FLAG_KEPT_PRIORITY;
        order->quantity = line->quantity;
        order->owner = message->words[6];
        return RB_OK;
    }
    int32_t status = eng_ladder_remove(book, ladder, order);
    if (status != RB_OK) {
        return status;
    }
    if (rests && !meets_displayed(ladder, side, line->price_ticks)) {
        return rest(book, ladder, message, locate, side);
    }
    order->side = 0;
    eng_incoming_take(book, message, side, locate,
                      rests ? 0 : RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL);
    return eng_match_plain(book, ladder, sink);
}

/* Latches what has to be remembered of a status. */
static int32_t conclude(eng_book *book, int32_t status)
{
    book->state = status == RB_OK || status == RB_USAGE ? ENG_BOOK_IDLE
                  : status == RB_FULL                   ? ENG_BOOK_PENDING
                                                        : ENG_BOOK_FAILED;
    return status;
}

/* One line of NewOrder, Cancel or Replace. */
static inline int32_t submit_line(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *line = eng_group_line(group, 0);
    if (line->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    if (line->header.template_id == RB_TEMPLATE_NEW_ORDER) {
        return new_order(book, group, sink);
    }
    return line->header.template_id == RB_TEMPLATE_CANCEL ? eng_cancel(book, group, sink)
                                                          : replace(book, group, sink);
}

int32_t eng_book_submit(eng_book *book, const eng_group *group, eng_sink *sink)
{
    if (__builtin_expect(book->state != ENG_BOOK_IDLE, 0)) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    if (eng_sink_room(sink) < ENG_SINK_ROOM_MIN) {
        return RB_USAGE;
    }
    uint8_t template_id = eng_group_line(group, 0)->header.template_id;
    int is_order = template_id >= RB_TEMPLATE_NEW_ORDER && template_id <= RB_TEMPLATE_REPLACE;
    int32_t status = __builtin_expect(is_order && group->count == 1, 1)
                         ? submit_line(book, group, sink)
                         : eng_submit_unusual(book, group, sink);
    return __builtin_expect(status == RB_OK, 1) ? RB_OK : conclude(book, status);
}

int32_t eng_book_resume(eng_book *book, eng_sink *sink)
{
    if (book->state != ENG_BOOK_PENDING) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    return conclude(book, eng_run_stages(book, sink));
}

int32_t eng_book_pending(const eng_book *book)
{
    return book->state == ENG_BOOK_PENDING;
}
