#include "engine/terms.h"

#include <stddef.h>

#include "engine/collar.h"
#include "engine/held.h"
#include "engine/match.h"
#include "engine/queue.h"

const rb_order_terms *eng_group_terms(const eng_group *group)
{
    if (group->count == 1) {
        return NULL;
    }
    const rb_message *second = eng_group_line(group, 1);
    return second->header.template_id == RB_TEMPLATE_ORDER_TERMS ? &second->order_terms : NULL;
}

int eng_is_self_trade_clear(uint8_t options)
{
    int others =
        (options & (RB_ORDER_OPTION_SELF_TRADE_NEWEST | RB_ORDER_OPTION_SELF_TRADE_OLDEST)) != 0;
    int decrement = (options & RB_ORDER_OPTION_SELF_TRADE_DECREMENT) != 0;
    int firm = (options & RB_ORDER_OPTION_SELF_TRADE_FIRM) != 0;
    if (decrement && others) {
        return 0;
    }
    return !firm || decrement || others;
}

/* Whether the options go together, and with the time in force. */
static int are_options_clear(const eng_request *request)
{
    uint8_t options = request->options;
    uint8_t passive = options & (RB_ORDER_OPTION_POST_ONLY | RB_ORDER_OPTION_SLIDE);
    int market = (options & RB_ORDER_OPTION_MARKET) != 0;
    int rests = eng_force_in(ENG_FORCES_RESTING, request->time_in_force);
    if (passive == (RB_ORDER_OPTION_POST_ONLY | RB_ORDER_OPTION_SLIDE)) {
        return 0;
    }
    if (passive != 0 && (market || !rests)) {
        return 0;
    }
    if (market && rests) {
        return 0;
    }
    if ((options & RB_ORDER_OPTION_HIDDEN) != 0 && (!rests || request->display_quantity != 0)) {
        return 0;
    }
    return eng_is_self_trade_clear(options);
}

static int is_auction_clear(const eng_request *request)
{
    if (request->auction == 0) {
        return 1;
    }
    if (request->auction != RB_AUCTION_OPTION_IMBALANCE_ONLY) {
        return 0;
    }
    return eng_force_in(ENG_FORCES_HELD, request->time_in_force) &&
           (request->options & RB_ORDER_OPTION_MARKET) == 0;
}

/* Row 6 of the checks. */
static uint16_t contradiction(const eng_request *request)
{
    if (!are_options_clear(request) || !is_auction_clear(request)) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    if (request->display_quantity != 0 &&
        (request->display_quantity > request->quantity ||
         (uint64_t)request->display_quantity * ENG_RESERVE_PARTS_MAX < request->quantity ||
         !eng_force_in(ENG_FORCES_RESTING, request->time_in_force))) {
        return RB_REJECT_REASON_INVALID_DISPLAY;
    }
    if (request->minimum_quantity != 0 &&
        (request->minimum_quantity > request->quantity ||
         request->time_in_force != RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL)) {
        return RB_REJECT_REASON_INVALID_MINIMUM_QUANTITY;
    }
    return ENG_ACCEPTED;
}

/* Whether the request would go into a queue of a price now. */
static int may_rest(const eng_ladder *ladder, const eng_request *request)
{
    return ladder->state == RB_INSTRUMENT_STATE_CONTINUOUS &&
           eng_force_in(ENG_FORCES_RESTING, request->time_in_force);
}

/* Whether the state of the instrument takes such a NewOrder. */
static int is_state_open(uint8_t state, const eng_request *request)
{
    uint8_t passive = request->options & (RB_ORDER_OPTION_POST_ONLY | RB_ORDER_OPTION_SLIDE);
    if (eng_state_collects(state)) {
        return passive == 0 && !eng_is_immediate(request->time_in_force);
    }
    return state == RB_INSTRUMENT_STATE_CONTINUOUS;
}

/* Post-only: refused or moved if it would trade. */
static uint16_t passive_reason(const eng_book *book, uint32_t instrument, eng_request *request)
{
    uint8_t passive = request->options & (RB_ORDER_OPTION_POST_ONLY | RB_ORDER_OPTION_SLIDE);
    if (passive == 0 || !may_rest(&book->ladders[instrument], request)) {
        return ENG_ACCEPTED;
    }
    int32_t best = eng_best_of_all(book, instrument, eng_side_other(request->side));
    if (!eng_meets(request->side, request->price_ticks, best)) {
        return ENG_ACCEPTED;
    }
    int32_t slid = request->side == RB_SIDE_BUY ? best - 1 : best + 1;
    if (passive == RB_ORDER_OPTION_POST_ONLY || slid < 1 || slid > ENG_PRICE_TICKS_MAX) {
        return RB_REJECT_REASON_WOULD_TRADE;
    }
    request->price_ticks = slid;
    return ENG_ACCEPTED;
}

/* With the price to which it has slid: whoever follows the stream sees no other. */
static uint16_t collar_reason(const eng_book *book, uint32_t instrument, const eng_request *request)
{
    return book->ladders[instrument].has_collar
               ? eng_collar_reason(book, instrument, request->side, request->price_ticks,
                                   request->quantity, request->options)
               : ENG_ACCEPTED;
}

static uint16_t room_reason(const eng_book *book, uint32_t instrument, const eng_request *request)
{
    int hidden = (request->options & RB_ORDER_OPTION_HIDDEN) != 0;
    if (may_rest(&book->ladders[instrument], request) &&
        !eng_price_has_room(book, instrument, request->price_ticks, hidden)) {
        return RB_REJECT_REASON_PRICE_CAPACITY;
    }
    return ENG_ACCEPTED;
}

uint16_t eng_new_order_reason(const eng_book *book, const rb_new_order *line,
                              const rb_order_terms *terms, eng_request *request)
{
    if (line->side != RB_SIDE_BUY && line->side != RB_SIDE_SELL) {
        return RB_REJECT_REASON_INVALID_SIDE;
    }
    uint16_t reason = eng_quantity_reason(line->quantity, line->price_ticks);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    if (!eng_force_in(ENG_FORCES_RESTING | ENG_FORCES_HELD | ENG_FORCES_IMMEDIATE,
                      line->time_in_force)) {
        return RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
    if (terms != NULL && terms->options != line->options) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    reason = contradiction(request);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    if (!is_state_open(book->ladders[line->instrument].state, request)) {
        return RB_REJECT_REASON_INSTRUMENT_STATE;
    }
    reason = passive_reason(book, line->instrument, request);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    reason = collar_reason(book, line->instrument, request);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    if (!eng_is_immediate(line->time_in_force) && book->free_count == 0) {
        return RB_REJECT_REASON_ORDER_CAPACITY;
    }
    return room_reason(book, line->instrument, request);
}

/* Whether an order may become one of this time in force. */
static int is_force_allowed(const eng_book *book, uint32_t locate, uint8_t time_in_force)
{
    if ((book->orders[locate].options & ENG_ORDER_HELD) == 0) {
        return eng_force_in(ENG_FORCES_RESTING, time_in_force) ||
               time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    }
    uint8_t held_for = book->terms[locate].time_in_force;
    return eng_is_for_cross(held_for) ? time_in_force == held_for
                                      : eng_force_in(ENG_FORCES_RESTING, time_in_force);
}

uint16_t eng_replace_reason(const eng_book *book, const rb_replace *line, eng_request *request)
{
    uint8_t state = book->ladders[line->instrument].state;
    if (state != RB_INSTRUMENT_STATE_CONTINUOUS && !eng_state_collects(state)) {
        return RB_REJECT_REASON_INSTRUMENT_STATE;
    }
    uint16_t reason = eng_quantity_reason(line->quantity, line->price_ticks);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    if (!is_force_allowed(book, line->locate, line->time_in_force)) {
        return RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
    reason = contradiction(request);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    reason = passive_reason(book, line->instrument, request);
    if (reason != ENG_ACCEPTED) {
        return reason;
    }
    reason = collar_reason(book, line->instrument, request);
    return reason != ENG_ACCEPTED ? reason : room_reason(book, line->instrument, request);
}
