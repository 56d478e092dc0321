#include "ports/terms.h"

#include <string.h>

/* A reserve that shows less of itself would be too many lines: engine/README.md. */
enum { RESERVE_PARTS_MAX = 1024 };
enum { DAY_S = 86400 };
static const uint64_t second_ns = 1000000000;

uint8_t prt_side_of(char letter)
{
    switch (letter) {
    case 'B':
        return RB_SIDE_BUY;
    case 'S':
    case 'T':
    case 'E':
        return RB_SIDE_SELL;
    default:
        return 0;
    }
}

uint16_t prt_terms_quantity_fault(const prt_instrument *instrument, uint32_t quantity)
{
    if (quantity == 0) {
        return RB_REJECT_REASON_INVALID_QUANTITY;
    }
    if (quantity > instrument->quantity_max) {
        return RB_REJECT_REASON_QUANTITY_EXCEEDED;
    }
    return quantity % instrument->lot != 0 ? RB_REJECT_REASON_OFF_LOT : 0;
}

/* A market order's price is the collar that it would cross last. */
static uint16_t read_price(const prt_instrument *instrument, uint64_t price, prt_terms *out)
{
    if (price == PRT_MARKET_PRICE) {
        out->options |= RB_ORDER_OPTION_MARKET;
        out->price_ticks = prt_side_of(out->side) == RB_SIDE_BUY ? instrument->price_ticks_max
                                                                 : instrument->price_ticks_min;
        return 0;
    }
    uint64_t ticks = price / instrument->tick_1e4;
    if (ticks < (uint64_t)instrument->price_ticks_min ||
        ticks > (uint64_t)instrument->price_ticks_max) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    out->price_ticks = (int32_t)ticks;
    return price % instrument->tick_1e4 != 0 ? RB_REJECT_REASON_OFF_TICK : 0;
}

/* An order for a cross is gone after it, whether the client says "day" or "immediate". */
static uint16_t read_cross(const prt_request *request, char cross_type, prt_terms *out)
{
    uint8_t letter = request->ouch.time_in_force;
    if (letter != '0' && letter != '3' && letter != '5') {
        return RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
    out->letter = (char)letter;
    switch (cross_type) {
    case 'O':
    case 'H':
        out->time_in_force = RB_TIME_IN_FORCE_AT_OPENING;
        return 0;
    case 'C':
        out->time_in_force = RB_TIME_IN_FORCE_AT_CLOSE;
        return 0;
    default:
        return RB_REJECT_REASON_INVALID_CROSS;
    }
}

static uint16_t read_time(const prt_request *request, const prt_order *before, prt_terms *out)
{
    uint32_t expire_s = request->options.expire_s;
    switch (request->ouch.time_in_force) {
    case '0':
        out->time_in_force = RB_TIME_IN_FORCE_DAY;
        return 0;
    case '3':
        out->time_in_force = RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
        return 0;
    case '5':
        out->time_in_force = RB_TIME_IN_FORCE_GOOD_TILL_CANCEL;
        return 0;
    case '6':
        out->time_in_force = RB_TIME_IN_FORCE_GOOD_TILL_TIME;
        out->expire_time_ns = before != NULL ? before->expire_time_ns : 0;
        if (expire_s != 0) {
            out->expire_time_ns = request->read_ns + expire_s * second_ns;
        }
        return out->expire_time_ns == 0 || expire_s >= DAY_S
                   ? RB_REJECT_REASON_INVALID_TIME_IN_FORCE
                   : 0;
    default:
        return RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
}

static int rests(const prt_terms *terms)
{
    return terms->time_in_force == RB_TIME_IN_FORCE_DAY ||
           terms->time_in_force == RB_TIME_IN_FORCE_GOOD_TILL_CANCEL ||
           terms->time_in_force == RB_TIME_IN_FORCE_GOOD_TILL_TIME;
}

/* What is shown. Hidden is a way to rest: an order that never does needs no hiding. */
static uint16_t read_display(const prt_instrument *instrument, const prt_request *request,
                             const prt_order *before, prt_terms *out)
{
    int is_hidden = request->ouch.display == 'N' && rests(out);
    out->options |= is_hidden ? RB_ORDER_OPTION_HIDDEN : 0;
    if ((request->options.given & PRT_GIVEN_DISPLAY_QUANTITY) == 0) {
        uint32_t kept = before != NULL && !is_hidden && rests(out) ? before->display_quantity : 0;
        out->display_quantity = kept < out->quantity ? kept : out->quantity;
        return 0;
    }
    uint32_t shown = request->options.display_quantity;
    out->display_quantity = shown;
    if (shown == 0) {
        return 0;
    }
    if (is_hidden || !rests(out) || shown > out->quantity || shown % instrument->lot != 0) {
        return RB_REJECT_REASON_INVALID_DISPLAY_QUANTITY;
    }
    return (uint64_t)shown * RESERVE_PARTS_MAX < out->quantity
               ? RB_REJECT_REASON_INVALID_DISPLAY_QUANTITY
               : 0;
}

static uint16_t read_options(const prt_party *party, const prt_request *request,
                             const prt_order *before, prt_terms *out)
{
    const prt_options *options = &request->options;
    uint8_t before_options = before != NULL ? before->options : 0;
    if (options->fault != 0) {
        return options->fault;
    }
    int is_post_only = options->post_only == 'P' ||
                       (options->post_only == 0 && before_options & RB_ORDER_OPTION_POST_ONLY);
    out->options |= is_post_only ? RB_ORDER_OPTION_POST_ONLY : 0;
    out->self_trade = options->self_trade;
    char letter = options->self_trade;
    if (letter == 0 && before != NULL) {
        out->options |= before_options & PRT_SELF_TRADE_OPTIONS;
    } else {
        letter = letter == 0 || letter == '*' ? party->self_trade : letter;
        out->options |= (uint8_t)prt_self_trade_options(letter);
    }
    out->minimum_quantity = options->minimum_quantity;
    out->customer_type = options->customer_type;
    out->shares_located = options->shares_located;
    out->group = options->group;
    memcpy(out->firm, options->firm, sizeof out->firm);
    if (prt_is_text(options->firm, sizeof options->firm) &&
        memcmp(options->firm, party->firm_name, sizeof options->firm) != 0) {
        return RB_REJECT_REASON_UNKNOWN_FIRM;
    }
    int is_imbalance = options->handling == 'I' ||
                       (options->handling == 0 && before != NULL && before->auction != 0);
    if (is_imbalance) {
        out->auction = RB_AUCTION_OPTION_IMBALANCE_ONLY;
        return out->letter == 0 ? RB_REJECT_REASON_INVALID_CROSS : 0;
    }
    return 0;
}

static uint16_t notional_fault(const prt_instrument *instrument, const prt_party *party,
                               uint32_t quantity, const prt_terms *terms)
{
    uint64_t price = (uint64_t)terms->price_ticks * instrument->tick_1e4;
    if (party->notional_max_1e4 == 0 || quantity <= party->notional_max_1e4 / price) {
        return 0;
    }
    return RB_REJECT_REASON_NOTIONAL_EXCEEDED;
}

/* The side: of a replaced order only among the kinds of selling. */
static uint16_t read_side(const prt_request *request, const prt_order *before, prt_terms *out)
{
    out->side = before == NULL ? (char)request->ouch.side : before->original_side;
    uint8_t side = prt_side_of(out->side);
    if (before != NULL && request->options.side != 0) {
        out->side = request->options.side;
    }
    return side == 0 || prt_side_of(out->side) != side ? RB_REJECT_REASON_INVALID_SIDE : 0;
}

uint16_t prt_terms_read(const prt_instrument *instrument, const prt_party *party,
                        const prt_request *request, const prt_order *before, prt_terms *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    memset(out, 0, sizeof *out);
    uint32_t executed = before != NULL ? before->executed : 0;
    char cross_type = before != NULL ? before->cross_type : (char)ouch->cross_type;
    out->quantity = ouch->quantity > executed ? ouch->quantity - executed : 0;
    uint16_t fault = read_side(request, before, out);
    if (fault == 0) {
        fault = prt_terms_quantity_fault(instrument, ouch->quantity);
    }
    if (fault == 0) {
        fault = read_price(instrument, ouch->price, out);
    }
    if (fault == 0) {
        fault = cross_type == 'N' ? read_time(request, before, out)
                                  : read_cross(request, cross_type, out);
    }
    if (fault == 0) {
        fault = read_options(party, request, before, out);
    }
    if (fault == 0 && out->quantity > 0) {
        fault = read_display(instrument, request, before, out);
    }
    return fault != 0 ? fault : notional_fault(instrument, party, ouch->quantity, out);
}

void prt_terms_keep(const prt_order *order, prt_terms *out)
{
    memset(out, 0, sizeof *out);
    out->price_ticks = order->price_ticks;
    out->display_quantity = order->display_quantity;
    out->expire_time_ns = order->expire_time_ns;
    out->time_in_force = order->time_in_force;
    out->options = order->options;
    out->auction = order->auction;
    out->side = order->original_side;
}

int prt_terms_need_line(const prt_terms *terms, const prt_order *before)
{
    int is_said = terms->display_quantity != 0 || terms->minimum_quantity != 0 ||
                  terms->auction != 0 || terms->expire_time_ns != 0 || terms->letter != 0;
    is_said |= terms->customer_type != 0 || terms->shares_located != 0 || terms->group != 0 ||
               terms->self_trade != 0 || prt_is_text(terms->firm, sizeof terms->firm);
    if (before != NULL) {
        /* Of a Replace without one the book keeps what was. */
        is_said |= (terms->options | before->options) != 0 || before->display_quantity != 0 ||
                   before->auction != 0 || before->expire_time_ns != 0;
    }
    return is_said;
}
