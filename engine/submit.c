#include "engine/submit.h"

#include "engine/answer.h"
#include "engine/book_state.h"
#include "engine/collar.h"
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

/* Plain functions are made twice: for a message alone, and for one with a tag behind it, which the
 * book only repeats (`has_tag`, a constant where they are inlined). */
#define PLAIN static inline __attribute__((always_inline))

/* The answer's first line, and the tag. */
PLAIN rb_message *answer(eng_sink *sink, const eng_group *group, int has_tag)
{
    rb_message *line = eng_answer_line(sink, group);
    if (has_tag) {
        line->header.flags |= RB_FLAG_CONTINUED;
        eng_line_copy(eng_sink_next(sink), eng_group_line(group, 1));
    }
    return line;
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

PLAIN int32_t new_order(eng_book *book, const eng_group *group, eng_sink *sink, int has_tag)
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
    if (__builtin_expect(ladder->has_collar, 0) && reason == ENG_ACCEPTED) {
        reason = eng_collar_reason(book, line->instrument, line->side, line->price_ticks,
                                   line->quantity, 0);
    }
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    if (line->time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL) {
        eng_incoming_take(book, message, line->side, ENG_LOCATE_NONE,
                          RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL);
        ladder->changes++;
        answer(sink, group, has_tag)->new_order.locate = ENG_LOCATE_NONE;
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
    answer(sink, group, has_tag)->new_order.locate = locate;
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

/* All of an order that only its price's queue knows. */
PLAIN int32_t cancel(eng_book *book, const eng_group *group, eng_sink *sink, int has_tag)
{
    const rb_message *message = eng_group_line(group, 0);
    const rb_cancel *line = &message->cancel;
    const eng_order *order = eng_order_named(book, message, line->client_order_id);
    if (order == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    if (__builtin_expect(order->options != 0 || line->quantity != order->quantity, 0)) {
        return eng_cancel(book, group, sink);
    }
    eng_ladder *ladder = &book->ladders[line->instrument];
    ladder->changes++;
    rb_cancel *first = &answer(sink, group, has_tag)->cancel;
    first->price_ticks = order->price_ticks;
    first->side = order->side;
    first->remaining = 0;
    int32_t status = eng_ladder_remove(book, ladder, order);
    eng_order_release(book, line->locate);
    return status;
}

PLAIN int32_t replace(eng_book *book, const eng_group *group, eng_sink *sink, int has_tag)
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
    if (__builtin_expect(ladder->has_collar, 0) && reason == ENG_ACCEPTED) {
        reason = eng_collar_reason(book, line->instrument, order->side, line->price_ticks,
                                   line->quantity, 0);
    }
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    uint8_t side = order->side;
    int rests = line->time_in_force != RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    if (rests && !eng_price_has_room(book, line->instrument, line->price_ticks, 0)) {
        return eng_reject(sink, group, RB_REJECT_REASON_PRICE_CAPACITY);
    }
    ladder->changes++;
    rb_replace *first = &answer(sink, group, has_tag)->replace;
    first->side = side;
    if (rests && line->price_ticks == order->price_ticks && line->quantity <= order->quantity) {
        first->header.flags |= RB_FLAG_KEPT_PRIORITY;
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

/* NewOrder, Cancel or Replace, alone or with a tag. */
PLAIN int32_t submit_plain(eng_book *book, const eng_group *group, eng_sink *sink, int has_tag)
{
    const rb_message *line = eng_group_line(group, 0);
    if (line->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    if (line->header.template_id == RB_TEMPLATE_NEW_ORDER) {
        return new_order(book, group, sink, has_tag);
    }
    return line->header.template_id == RB_TEMPLATE_CANCEL ? cancel(book, group, sink, has_tag)
                                                          : replace(book, group, sink, has_tag);
}

static int is_tagged(const eng_group *group)
{
    return group->count == 2 &&
           eng_group_line(group, 1)->header.template_id == RB_TEMPLATE_ORDER_TAG;
}

/* What has lines behind it, or is no order. */
static int32_t submit_longer(eng_book *book, const eng_group *group, eng_sink *sink, int is_order)
{
    return is_order && is_tagged(group) ? submit_plain(book, group, sink, 1)
                                        : eng_submit_unusual(book, group, sink);
}

_Static_assert(ENG_SINK_ROOM_MIN >= 2, "an order and its tag");

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
                         ? submit_plain(book, group, sink, 0)
                         : submit_longer(book, group, sink, is_order);
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
