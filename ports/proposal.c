#include "ports/proposal.h"

#include <string.h>

#include "ports/control.h"
#include "ports/lines.h"

/* What keeps a session from entering orders at all. */
static uint16_t entry_fault(const prt_party *party, const prt_request *request)
{
    if (party->entry_disabled) {
        return RB_REJECT_REASON_ENTRY_DISABLED;
    }
    return request->is_throttled ? RB_REJECT_REASON_THROTTLED : 0;
}

static void order_line(const prt_party *party, const prt_request *request, const prt_terms *terms,
                       rb_new_order *order)
{
    const prt_ouch_request *ouch = &request->ouch;
    order->price_ticks = terms->price_ticks;
    order->quantity = terms->quantity;
    order->client_order_id = ouch->user_ref;
    order->account = party->account;
    order->firm = party->firm;
    order->side = prt_side_of(terms->side);
    order->time_in_force = terms->time_in_force;
    order->display = (char)ouch->display;
    order->capacity = (char)ouch->capacity;
    order->sweep = (char)ouch->sweep;
    order->cross_type = (char)ouch->cross_type;
    order->original_side = terms->side;
    order->options = terms->options;
}

static int32_t propose_enter(const prt_instruments *instruments, const prt_party *party,
                             const prt_request *request, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    if (ouch->user_ref <= party->last_client_order_id) {
        return PRT_DUPLICATE;
    }
    prt_terms terms;
    uint32_t number = prt_instruments_find(instruments, ouch->symbol);
    uint16_t reason = entry_fault(party, request);
    if (reason == 0 && number == RB_INSTRUMENT_NONE) {
        reason = RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    }
    if (reason == 0) {
        reason = prt_terms_read(&instruments->rows[number], party, request, NULL, &terms);
    }
    if (reason == 0 && party->full) {
        reason = RB_REJECT_REASON_ORDER_CAPACITY;
    }
    if (reason != 0) {
        return prt_lines_refuse(instruments, party, request, number, RB_TEMPLATE_NEW_ORDER, reason,
                                out);
    }
    uint8_t shard = instruments->rows[number].shard;
    rb_new_order *order =
        &prt_lines_begin(party, request, RB_TEMPLATE_NEW_ORDER, shard, out)->new_order;
    order->instrument = number;
    order_line(party, request, &terms, order);
    if (prt_terms_need_line(&terms, NULL)) {
        prt_lines_terms(&terms, out);
    }
    if (prt_lines_has_tag(request)) {
        (void)prt_lines_tag(ouch->clordid, sizeof ouch->clordid, out);
    }
    return PRT_PROPOSE;
}

static int32_t cancel_lines(const prt_instruments *instruments, const prt_party *party,
                            const prt_request *request, const prt_order *order, uint32_t quantity,
                            prt_proposal *out)
{
    uint8_t shard = instruments->rows[order->instrument].shard;
    rb_cancel *cancel = &prt_lines_begin(party, request, RB_TEMPLATE_CANCEL, shard, out)->cancel;
    cancel->instrument = order->instrument;
    cancel->quantity = quantity;
    cancel->locate = order->locate;
    cancel->client_order_id = (uint32_t)order->key;
    cancel->account = party->account;
    cancel->firm = party->firm;
    cancel->reason = RB_CANCEL_REASON_USER;
    return PRT_PROPOSE;
}

/* The order that a cancel or modify names; the client hears a cancel reject if there is none. */
static const prt_order *named(const prt_orders *orders, const prt_party *party,
                              const prt_request *request)
{
    return prt_orders_find(orders, prt_order_key(party->topic, request->ouch.user_ref));
}

/* What is left to be had of an order if no more than `total` of it may ever execute. */
static uint32_t left_of(const prt_order *order, uint32_t total)
{
    return total > order->executed ? total - order->executed : 0;
}

static int32_t propose_cancel(const prt_instruments *instruments, const prt_orders *orders,
                              const prt_party *party, const prt_request *request, prt_proposal *out)
{
    const prt_order *order = named(orders, party, request);
    uint16_t reason = order == NULL ? RB_REJECT_REASON_UNKNOWN_ORDER : request->options.fault;
    if (reason != 0) {
        return prt_lines_refuse(instruments, party, request, RB_INSTRUMENT_NONE, RB_TEMPLATE_CANCEL,
                                reason, out);
    }
    uint32_t keep = left_of(order, request->ouch.quantity);
    if (keep >= order->remaining) {
        return PRT_NO_EFFECT;
    }
    return cancel_lines(instruments, party, request, order, order->remaining - keep, out);
}

/* Replace and tag, and terms if they must be said. `letter` is 'M' for a Modify. */
static void replace_lines(const prt_instruments *instruments, const prt_party *party,
                          const prt_request *request, const prt_order *order,
                          const prt_terms *terms, char letter, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    uint8_t shard = instruments->rows[order->instrument].shard;
    rb_replace *replace =
        &prt_lines_begin(party, request, RB_TEMPLATE_REPLACE, shard, out)->replace;
    int is_modify = letter == 'M';
    replace->instrument = order->instrument;
    replace->price_ticks = terms->price_ticks;
    replace->quantity = terms->quantity;
    replace->locate = order->locate;
    replace->client_order_id = ouch->user_ref;
    replace->account = party->account;
    replace->firm = party->firm;
    replace->time_in_force = terms->time_in_force;
    replace->display = is_modify ? order->display : (char)ouch->display;
    replace->sweep = is_modify ? order->sweep : (char)ouch->sweep;
    replace->original_client_order_id = (uint32_t)order->key;
    if (prt_terms_need_line(terms, order)) {
        prt_lines_terms(terms, out);
    }
    rb_order_tag *tag = prt_lines_tag(ouch->clordid, sizeof ouch->clordid, out);
    tag->total_quantity = ouch->quantity;
    tag->capacity = order->capacity;
    tag->cross_type = order->cross_type;
    tag->original_side = terms->side;
    tag->request = letter;
}

static int32_t propose_replace(const prt_instruments *instruments, const prt_orders *orders,
                               const prt_party *party, const prt_request *request,
                               prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    if (ouch->user_ref <= party->last_client_order_id) {
        return PRT_DUPLICATE;
    }
    const prt_order *order =
        prt_orders_find(orders, prt_order_key(party->topic, ouch->original_user_ref));
    uint32_t number = order == NULL ? RB_INSTRUMENT_NONE : order->instrument;
    uint16_t reason = entry_fault(party, request);
    if (reason == 0 && order == NULL) {
        reason = RB_REJECT_REASON_UNKNOWN_ORDER;
    }
    prt_terms terms;
    if (reason == 0) {
        reason = prt_terms_read(&instruments->rows[number], party, request, order, &terms);
    }
    if (reason != 0) {
        return prt_lines_refuse(instruments, party, request, number, RB_TEMPLATE_REPLACE, reason,
                                out);
    }
    if (terms.quantity == 0) {
        /* So much has executed already: the rest goes. */
        return cancel_lines(instruments, party, request, order, order->remaining, out);
    }
    replace_lines(instruments, party, request, order, &terms, 0, out);
    return PRT_PROPOSE;
}

/* The order goes on under its own number, with another kind of selling or another quantity. A
 * refusal is a cancel reject: a Rejected would say that the order is none. */
static int32_t propose_modify(const prt_instruments *instruments, const prt_orders *orders,
                              const prt_party *party, const prt_request *request, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    const prt_order *order = named(orders, party, request);
    uint32_t number = order == NULL ? RB_INSTRUMENT_NONE : order->instrument;
    uint16_t reason = order == NULL ? RB_REJECT_REASON_UNKNOWN_ORDER : request->options.fault;
    uint8_t side = prt_side_of((char)ouch->side);
    if (reason == 0 && (side == 0 || side != prt_side_of(order->original_side))) {
        reason = RB_REJECT_REASON_INVALID_SIDE;
    }
    uint32_t left = reason == 0 ? left_of(order, ouch->quantity) : 0;
    if (reason == 0 && left != 0) {
        reason = prt_terms_quantity_fault(&instruments->rows[number], ouch->quantity);
    }
    if (reason == 0 && left > order->remaining) {
        reason = entry_fault(party, request);
    }
    if (reason != 0) {
        return prt_lines_refuse(instruments, party, request, number, RB_TEMPLATE_CANCEL, reason,
                                out);
    }
    if (left == 0) {
        return cancel_lines(instruments, party, request, order, order->remaining, out);
    }
    if (left == order->remaining && (char)ouch->side == order->original_side) {
        return PRT_NO_EFFECT;
    }
    prt_terms terms;
    prt_terms_keep(order, &terms);
    terms.quantity = left;
    terms.display_quantity = terms.display_quantity < left ? terms.display_quantity : left;
    terms.side = (char)ouch->side;
    replace_lines(instruments, party, request, order, &terms, 'M', out);
    return PRT_PROPOSE;
}

int32_t prt_propose(const prt_instruments *instruments, const prt_orders *orders,
                    const prt_party *party, const prt_request *request, prt_proposal *out)
{
    if (request->event != 0) {
        return prt_propose_event(party, request, out);
    }
    switch (request->ouch.kind) {
    case PRT_OUCH_ENTER:
        return propose_enter(instruments, party, request, out);
    case PRT_OUCH_REPLACE:
        return propose_replace(instruments, orders, party, request, out);
    case PRT_OUCH_CANCEL:
        return propose_cancel(instruments, orders, party, request, out);
    case PRT_OUCH_MODIFY:
        return propose_modify(instruments, orders, party, request, out);
    case PRT_OUCH_MASS_CANCEL:
        return prt_propose_mass_cancel(instruments, party, request, out);
    case PRT_OUCH_QUERY:
        return prt_propose_query(party, request, out);
    default:
        return prt_propose_entry(instruments, party, request, out);
    }
}
