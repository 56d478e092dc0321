#include "engine/unusual.h"

#include "engine/answer.h"
#include "engine/collar.h"
#include "engine/cross.h"
#include "engine/held.h"
#include "engine/legs.h"
#include "engine/mass_cancel.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "engine/submit.h"
#include "engine/terms.h"
#include "ringbus/check.h"

/* Writes the incoming order's record and holds it for a cross. */
static int32_t hold(eng_book *book, const eng_request *request)
{
    const eng_incoming *in = &book->incoming;
    RB_CHECK(in->locate != ENG_LOCATE_NONE);
    eng_incoming_record(book);
    eng_terms *terms = &book->terms[in->locate];
    terms->time_in_force = eng_is_for_cross(request->time_in_force) ? request->time_in_force
                                                                    : (uint8_t)RB_TIME_IN_FORCE_DAY;
    terms->auction = request->auction;
    eng_order_hold(book, in->locate);
    return RB_OK;
}

/* The least that has to trade at once; *reason is for the Canceled line if it cannot. */
static uint32_t least_quantity(const eng_request *request, uint8_t *reason)
{
    if (request->time_in_force == RB_TIME_IN_FORCE_FILL_OR_KILL) {
        *reason = RB_CANCEL_REASON_FILL_OR_KILL;
        return request->quantity;
    }
    *reason = RB_CANCEL_REASON_MINIMUM_QUANTITY;
    return request->minimum_quantity;
}

/* Why what is left of it is canceled, 0: it rests. */
static uint8_t left_reason(const eng_request *request)
{
    if (!eng_is_immediate(request->time_in_force)) {
        return 0;
    }
    return (request->options & RB_ORDER_OPTION_MARKET) != 0 ? RB_CANCEL_REASON_COLLAR
                                                            : RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL;
}

/* Holds, kills or matches what was accepted; eng_incoming_take has been called. */
static int32_t enter(eng_book *book, const eng_request *request, eng_sink *sink)
{
    eng_incoming *in = &book->incoming;
    uint8_t passive = RB_ORDER_OPTION_POST_ONLY | RB_ORDER_OPTION_SLIDE;
    in->price_ticks = request->price_ticks;
    if ((request->options & RB_ORDER_OPTION_MARKET) != 0 &&
        eng_is_immediate(request->time_in_force)) {
        in->price_ticks =
            eng_collar_clip(book, in->instrument, request->side, request->price_ticks);
    }
    in->options = request->options & (uint8_t)~passive;
    in->display_quantity = request->display_quantity;
    if (request->display_quantity != 0) {
        in->options |= ENG_ORDER_RESERVE;
    }
    if (eng_is_for_cross(request->time_in_force) ||
        eng_state_collects(book->ladders[in->instrument].state)) {
        return hold(book, request);
    }
    uint8_t reason = 0;
    uint32_t least = least_quantity(request, &reason);
    if (least != 0 && eng_fillable(book, least) < least) {
        in->reason = reason;
        book->task.stage = eng_match_nothing;
        return eng_run_stages(book, sink);
    }
    return eng_match(book, sink);
}

int32_t eng_new_order_unusual(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_new_order *line = &eng_group_line(group, 0)->new_order;
    const rb_order_terms *terms = eng_group_terms(group);
    eng_request request = {
        .quantity = line->quantity,
        .price_ticks = line->price_ticks,
        .display_quantity = terms != NULL ? terms->display_quantity : 0,
        .minimum_quantity = terms != NULL ? terms->minimum_quantity : 0,
        .side = line->side,
        .time_in_force = line->time_in_force,
        .options = line->options,
        .auction = terms != NULL ? terms->auction : 0,
    };
    uint16_t reason = eng_new_order_reason(book, line, terms, &request);
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    uint32_t locate =
        eng_is_immediate(line->time_in_force) ? ENG_LOCATE_NONE : eng_order_take(book);
    eng_incoming_take(book, eng_group_line(group, 0), line->side, locate, left_reason(&request));
    book->ladders[line->instrument].changes++;
    rb_new_order *answer = &eng_answer_first(sink, group)->new_order;
    answer->locate = locate;
    answer->price_ticks = request.price_ticks;
    return enter(book, &request, sink);
}

/* --- replace --------------------------------------------------------------------------------- */

/* What an order has of a request's terms. */
static eng_request request_of(const eng_book *book, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    const eng_terms *terms = &book->terms[locate];
    uint8_t of_place = ENG_ORDER_RESERVE | ENG_ORDER_HELD;
    eng_request request = {
        .quantity = eng_order_open(book, locate),
        .price_ticks = order->price_ticks,
        .side = order->side,
        .time_in_force = RB_TIME_IN_FORCE_DAY,
        .options = order->options & (uint8_t)~of_place,
    };
    if ((order->options & ENG_ORDER_RESERVE) != 0) {
        request.display_quantity = terms->display_quantity;
    }
    if ((order->options & ENG_ORDER_HELD) != 0) {
        request.time_in_force = terms->time_in_force;
        request.auction = terms->auction;
    }
    return request;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What a Replace makes of an order: given anew, or kept. */
static eng_request request_after(const eng_request *before, const rb_replace *line,
                                 const rb_order_terms *terms)
{
    eng_request request = *before;
    request.quantity = line->quantity;
    request.price_ticks = line->price_ticks;
    request.time_in_force = line->time_in_force;
    request.display_quantity = smaller(before->display_quantity, line->quantity);
    if (terms != NULL) {
        request.display_quantity = terms->display_quantity;
        request.minimum_quantity = terms->minimum_quantity;
        request.options = terms->options;
        request.auction = terms->auction;
    }
    return request;
}

static int keeps_place(const eng_request *before, const eng_request *after)
{
    uint8_t placing = RB_ORDER_OPTION_HIDDEN | RB_ORDER_OPTION_MARKET;
    if (after->price_ticks != before->price_ticks || after->quantity > before->quantity) {
        return 0;
    }
    if (eng_is_immediate(after->time_in_force) || after->auction != before->auction) {
        return 0;
    }
    return ((after->options ^ before->options) & placing) == 0 &&
           after->display_quantity == smaller(before->display_quantity, after->quantity);
}

/* New data for an order that stays where it is. */
static void change_in_place(eng_book *book, const rb_message *message, const eng_request *request)
{
    uint32_t locate = message->replace.locate;
    eng_order *order = &book->orders[locate];
    uint8_t of_entry = ENG_SELF_TRADE | RB_ORDER_OPTION_SELF_TRADE_FIRM;
    eng_order_reduce(book, locate, eng_order_open(book, locate) - request->quantity);
    order->owner = message->words[6];
    order->options = (order->options & (uint8_t)~of_entry) | (request->options & of_entry);
    if ((order->options & ENG_ORDER_RESERVE) != 0) {
        book->terms[locate].display_quantity = request->display_quantity;
    }
}

int32_t eng_replace_unusual(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    const rb_replace *line = &message->replace;
    uint32_t locate = line->locate;
    eng_request before = request_of(book, locate);
    eng_request after = request_after(&before, line, eng_group_terms(group));
    uint16_t reason = eng_replace_reason(book, line, &after);
    if (reason != ENG_ACCEPTED) {
        return eng_reject(sink, group, reason);
    }
    book->ladders[line->instrument].changes++;
    rb_replace *answer = &eng_answer_first(sink, group)->replace;
    answer->side = before.side;
    answer->price_ticks = after.price_ticks;
    if (keeps_place(&before, &after)) {
        answer->header.flags |= RB_FLAG_KEPT_PRIORITY;
        change_in_place(book, message, &after);
        return RB_OK;
    }
    int32_t status = eng_order_unlink(book, locate);
    if (status != RB_OK) {
        return status;
    }
    book->orders[locate].side = 0;
    eng_incoming_take(book, message, before.side, locate, left_reason(&after));
    return enter(book, &after, sink);
}

/* --- any group ------------------------------------------------------------------------------- */

static uint8_t group_template(const eng_group *group, uint32_t n)
{
    return eng_group_line(group, n)->header.template_id;
}

/* What an operator says has author and reason behind it. */
static int is_operators(uint8_t template_id)
{
    return template_id == RB_TEMPLATE_COMMAND || template_id == RB_TEMPLATE_MASS_CANCEL ||
           template_id == RB_TEMPLATE_COMMAND_ASKED || template_id == RB_TEMPLATE_TRADE_CHANGE;
}

/* Both parties, each with its tag. */
static int has_parties(const eng_group *group)
{
    static const uint8_t behind[] = {RB_TEMPLATE_TRADE_PARTY, RB_TEMPLATE_ORDER_TAG,
                                     RB_TEMPLATE_TRADE_PARTY, RB_TEMPLATE_ORDER_TAG};
    int all = group->count > sizeof behind;
    for (uint32_t n = 0; all && n < sizeof behind; n++) {
        all = group_template(group, 1 + n) == behind[n];
    }
    return all;
}

int eng_group_is_well_formed(const eng_group *group)
{
    uint8_t first = eng_group_line(group, 0)->header.template_id;
    uint32_t at = 1;
    if (first == RB_TEMPLATE_TRADE_CHANGE) {
        if (!has_parties(group)) {
            return 0;
        }
        at += 4;
    }
    if (first == RB_TEMPLATE_MULTI_LEG_ORDER) {
        while (at < group->count && group_template(group, at) == RB_TEMPLATE_LEG) {
            at++;
        }
    }
    if (at < group->count && group_template(group, at) == RB_TEMPLATE_ORDER_TERMS &&
        (first == RB_TEMPLATE_NEW_ORDER || first == RB_TEMPLATE_REPLACE)) {
        at++;
    }
    if (at < group->count && group_template(group, at) == RB_TEMPLATE_ORDER_TAG) {
        at++;
    }
    while (is_operators(first) && at < group->count &&
           group_template(group, at) == RB_TEMPLATE_TEXT) {
        at++;
    }
    return at == group->count;
}

/* Proposals that most days have few of. */
static int32_t submit_rare(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *first = eng_group_line(group, 0);
    uint8_t template_id = first->header.template_id;
    book->time_ns = first->header.time_ns;
    book->input = first->header.checksum;
    if (template_id == RB_TEMPLATE_MASS_CANCEL) {
        return eng_submit_mass_cancel(book, group, sink);
    }
    if (template_id == RB_TEMPLATE_MULTI_LEG_ORDER) {
        return eng_submit_legs(book, group, sink);
    }
    if (first->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    return template_id == RB_TEMPLATE_CROSS_RESULT ? eng_submit_cross(book, group, sink)
                                                   : eng_submit_command(book, group, sink);
}

static int is_rare(uint8_t template_id)
{
    return template_id == RB_TEMPLATE_MASS_CANCEL || template_id == RB_TEMPLATE_CROSS_RESULT ||
           template_id == RB_TEMPLATE_COMMAND || template_id == RB_TEMPLATE_MULTI_LEG_ORDER;
}

static int32_t submit_order(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *first = eng_group_line(group, 0);
    if (first->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    if (first->header.template_id == RB_TEMPLATE_NEW_ORDER) {
        return eng_new_order_unusual(book, group, sink);
    }
    if (first->header.template_id == RB_TEMPLATE_CANCEL) {
        return eng_cancel(book, group, sink);
    }
    if (eng_order_named(book, first, first->replace.original_client_order_id) == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    return eng_replace_unusual(book, group, sink);
}

int32_t eng_submit_unusual(eng_book *book, const eng_group *group, eng_sink *sink)
{
    if (group->count == 0 || group->count > ENG_GROUP_LINES_MAX ||
        group->count > eng_sink_room(sink)) {
        return RB_USAGE;
    }
    uint8_t template_id = group_template(group, 0);
    int is_order = template_id >= RB_TEMPLATE_NEW_ORDER && template_id <= RB_TEMPLATE_REPLACE;
    if (!is_order && !is_rare(template_id)) {
        return RB_USAGE;
    }
    if (!eng_group_is_well_formed(group)) {
        return eng_reject(sink, group, RB_REJECT_REASON_INVALID_PROPOSAL);
    }
    return is_order ? submit_order(book, group, sink) : submit_rare(book, group, sink);
}
