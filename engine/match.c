#include "engine/match.h"

#include "engine/answer.h"
#include "engine/queue.h"
#include "ringbus/check.h"

/* --- what is left ------------------------------------------------------------------------------
 */

/* Puts the incoming order at the back of its price. */
static int32_t rest(eng_book *book)
{
    const eng_incoming *in = &book->incoming;
    RB_CHECK(in->locate != ENG_LOCATE_NONE);
    eng_order *order = &book->orders[in->locate];
    order->quantity = in->quantity;
    order->price_ticks = in->price_ticks;
    order->client_order_id = in->client_order_id;
    order->instrument = in->instrument;
    order->topic = in->topic;
    order->account = in->account;
    order->firm = in->firm;
    order->side = in->side;
    order->options = in->options;
    if (__builtin_expect((in->options & ENG_ORDER_RESERVE) != 0, 0)) {
        eng_terms *terms = &book->terms[in->locate];
        uint32_t display = in->display_quantity;
        order->quantity = in->quantity < display ? in->quantity : display;
        terms->display_quantity = display;
        terms->reserve = in->quantity - order->quantity;
    }
    return eng_order_queue(book, in->locate);
}

int32_t eng_match_nothing(eng_book *book, eng_sink *sink)
{
    const eng_incoming *in = &book->incoming;
    if (in->quantity != 0) {
        if (in->reason == 0) {
            return rest(book);
        }
        if (eng_sink_room(sink) < 1) {
            return RB_FULL;
        }
        eng_answer_incoming_canceled(book, sink, in->reason);
    }
    if (in->locate != ENG_LOCATE_NONE) {
        eng_order_release(book, in->locate);
    }
    return RB_OK;
}

/* --- trades --------------------------------------------------------------------------------------
 */

static int32_t say_replenished(eng_book *book, eng_sink *sink)
{
    uint32_t locate = book->incoming.replenished;
    const eng_order *order = &book->orders[locate];
    if (eng_sink_room(sink) < 1) {
        return RB_FULL;
    }
    eng_answer_order(book, sink, RB_TEMPLATE_REPLENISHED, locate, order->price_ticks,
                     order->quantity, 0);
    book->incoming.replenished = ENG_LOCATE_NONE;
    return RB_OK;
}

/* The first order of a level, whose displayed part is used up, shows the next part of its reserve
 * at the back. */
static int32_t replenish(eng_book *book, eng_level *level, eng_sink *sink)
{
    uint32_t locate = level->head;
    eng_order *order = &book->orders[locate];
    eng_terms *terms = &book->terms[locate];
    uint32_t shown =
        terms->reserve < terms->display_quantity ? terms->reserve : terms->display_quantity;
    terms->reserve -= shown;
    order->quantity = shown;
    if (level->tail != locate) {
        level->head = order->next;
        book->orders[level->head].prev = ENG_LOCATE_NONE;
        order->next = ENG_LOCATE_NONE;
        order->prev = level->tail;
        book->orders[level->tail].next = locate;
        level->tail = locate;
    }
    book->incoming.replenished = locate;
    return say_replenished(book, sink);
}

/* Takes the first order of a level away, which is used up. */
static void remove_head(eng_book *book, eng_ladder *ladder, eng_level *level)
{
    uint32_t locate = level->head;
    const eng_order *resting = &book->orders[locate];
    ladder->orders[eng_side_index(resting->side)]--;
    if (__builtin_expect((resting->options & RB_ORDER_OPTION_HIDDEN) != 0, 0)) {
        book->ladders[resting->instrument].hidden_orders--;
    }
    level->head = resting->next;
    if (level->head != ENG_LOCATE_NONE) {
        book->orders[level->head].prev = ENG_LOCATE_NONE;
    } else {
        eng_ladder_close(book, ladder, resting->price_ticks, resting->side);
    }
    eng_order_release(book, locate);
}

/* One trade with the oldest order of a level. */
static int32_t trade(eng_book *book, eng_ladder *ladder, eng_level *level, eng_sink *sink)
{
    eng_incoming *in = &book->incoming;
    uint32_t locate = level->head;
    eng_order *resting = &book->orders[locate];
    RB_CHECK(resting->quantity != 0);
    RB_CHECK(resting->side == eng_side_other(in->side));
    uint32_t quantity = in->quantity < resting->quantity ? in->quantity : resting->quantity;
    int32_t price_ticks = resting->price_ticks;
    in->quantity -= quantity;
    resting->quantity -= quantity;
    eng_answer_incoming(book, sink, RB_TEMPLATE_EXECUTED, price_ticks, quantity,
                        RB_LIQUIDITY_REMOVED);
    eng_answer_order(book, sink, RB_TEMPLATE_EXECUTED, locate, price_ticks, quantity,
                     RB_LIQUIDITY_ADDED);
    if (resting->quantity != 0) {
        return RB_OK;
    }
    if (__builtin_expect((resting->options & ENG_ORDER_RESERVE) != 0, 0) &&
        book->terms[locate].reserve != 0) {
        return replenish(book, level, sink);
    }
    remove_head(book, ladder, level);
    return RB_OK;
}

/* The usual case: nothing hidden on the instrument, no self-trade option. */
static int32_t match_displayed(eng_book *book, eng_ladder *ladder, eng_sink *sink)
{
    const eng_incoming *in = &book->incoming;
    uint32_t other = eng_side_index(eng_side_other(in->side));
    while (in->quantity != 0 && eng_meets(in->side, in->price_ticks, ladder->best[other])) {
        if (eng_sink_room(sink) < 2) {
            return RB_FULL;
        }
        eng_level *level = eng_ladder_level(&book->nodes, ladder, ladder->best[other]);
        RB_CHECK(level != NULL);
        int32_t status = trade(book, ladder, level, sink);
        if (status != RB_OK) {
            return status;
        }
    }
    return RB_OK;
}

int32_t eng_match(eng_book *book, eng_sink *sink)
{
    if (__builtin_expect(book->incoming.replenished != ENG_LOCATE_NONE, 0)) {
        int32_t status = say_replenished(book, sink);
        if (status != RB_OK) {
            return status;
        }
    }
    eng_ladder *ladder = &book->ladders[book->incoming.instrument];
    int32_t status = match_displayed(book, ladder, sink);
    return status == RB_OK ? eng_match_nothing(book, sink) : status;
}

int32_t eng_run_stages(eng_book *book, eng_sink *sink)
{
    int32_t status = ENG_NEXT;
    for (uint32_t n = 0; n < ENG_STAGES_MAX && status == ENG_NEXT; n++) {
        status = book->task.stage(book, sink);
    }
    RB_CHECK(status != ENG_NEXT);
    if (status == RB_OK) {
        book->task.stage = eng_match;
        book->task.matching = 0;
    }
    return status;
}
