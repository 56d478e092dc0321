#include "ports/proposal.h"

#include <string.h>

#include "ports/big_endian.h"

/* Options of an appendage by their tags. */
enum {
    TAG_MIN_QUANTITY = 3,
    TAG_MAX_FLOOR = 5,
    TAG_PRICE_TYPE = 6,
    TAG_PEG_OFFSET = 7,
    TAG_DISCRETION_PRICE = 9,
    TAG_DISCRETION_PRICE_TYPE = 10,
    TAG_DISCRETION_PEG_OFFSET = 11,
    TAG_POST_ONLY = 12,
    TAG_RANDOM_RESERVES = 13,
    TAG_ROUTE = 14,
    TAG_EXPIRE_TIME = 15,
    TAG_TRADE_NOW = 16,
    TAG_HANDLING = 17,
};

static int is_not_zero(const prt_ouch_element *element)
{
    uint8_t bits = 0;
    for (uint32_t n = 0; n < element->value_bytes; n++) {
        bits |= element->value[n];
    }
    return bits != 0;
}

static int is_not_blank(const uint8_t *text, size_t bytes)
{
    int found = 0;
    for (size_t n = 0; n < bytes; n++) {
        found |= text[n] != ' ';
    }
    return found;
}

static int changes_behaviour(const prt_ouch_element *element)
{
    switch (element->tag) {
    case TAG_MIN_QUANTITY:
    case TAG_MAX_FLOOR:
    case TAG_PEG_OFFSET:
    case TAG_DISCRETION_PRICE:
    case TAG_DISCRETION_PEG_OFFSET:
    case TAG_RANDOM_RESERVES:
    case TAG_EXPIRE_TIME:
        return is_not_zero(element);
    case TAG_PRICE_TYPE:
        return element->value[0] != 'L';
    case TAG_DISCRETION_PRICE_TYPE:
        return element->value[0] != 'L' && element->value[0] != ' ';
    case TAG_POST_ONLY:
        return element->value[0] == 'P';
    case TAG_ROUTE:
        return is_not_blank(element->value, element->value_bytes);
    case TAG_TRADE_NOW:
        return element->value[0] == 'Y';
    case TAG_HANDLING:
        return element->value[0] != ' ';
    default:
        return 0;
    }
}

int prt_is_unsupported(const prt_ouch_request *request)
{
    prt_ouch_element element;
    size_t done = 0;
    while (done < request->appendage_bytes) {
        int64_t taken = prt_ouch_next_element(request->appendage + done,
                                              request->appendage_bytes - done, &element);
        if (taken <= 0 || changes_behaviour(&element)) {
            return 1;
        }
        done += (size_t)taken;
    }
    return 0;
}

static uint16_t quantity_fault(const prt_instrument *instrument, uint32_t quantity)
{
    if (quantity == 0 || quantity > instrument->quantity_max) {
        return RB_REJECT_REASON_INVALID_QUANTITY;
    }
    return quantity % instrument->lot != 0 ? RB_REJECT_REASON_OFF_LOT : 0;
}

static uint16_t price_fault(const prt_instrument *instrument, uint64_t price)
{
    uint64_t ticks = price / instrument->tick_1e4;
    if (ticks < (uint64_t)instrument->price_ticks_min ||
        ticks > (uint64_t)instrument->price_ticks_max) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    return price % instrument->tick_1e4 != 0 ? RB_REJECT_REASON_OFF_TICK : 0;
}

/* What an Enter Order and a Replace have in common. */
static uint16_t terms_fault(const prt_instrument *instrument, const prt_request *request)
{
    const prt_ouch_request *ouch = &request->ouch;
    uint16_t fault = quantity_fault(instrument, ouch->quantity);
    if (fault == 0) {
        fault = price_fault(instrument, ouch->price);
    }
    if (fault == 0 && ouch->time_in_force != '0' && ouch->time_in_force != '3') {
        fault = RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
    if (fault == 0 && ouch->display != 'Y' && ouch->display != 'A') {
        fault = RB_REJECT_REASON_INVALID_DISPLAY;
    }
    if (fault == 0 && request->unsupported) {
        fault = RB_REJECT_REASON_NOT_SUPPORTED;
    }
    return fault;
}

static uint8_t side_of(uint8_t letter)
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

static uint8_t time_in_force_of(uint8_t letter)
{
    return letter == '3' ? RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL : RB_TIME_IN_FORCE_DAY;
}

/* Begins a proposal of one zeroed line. */
static rb_message *begin(const prt_party *party, const prt_request *request, uint8_t template_id,
                         uint8_t shard, prt_proposal *out)
{
    memset(out, 0, sizeof *out);
    out->count = 1;
    out->shard = shard;
    rb_header *header = &out->lines[0].header;
    header->time_ns = request->read_ns;
    header->topic = party->topic;
    header->template_id = template_id;
    header->flags = RB_FLAG_LAST_OF_GROUP;
    return &out->lines[0];
}

/* Puts a tag behind the line. */
static rb_order_tag *add_tag(const prt_request *request, prt_proposal *out)
{
    rb_message *tag = &out->lines[1];
    tag->header = out->lines[0].header;
    tag->header.template_id = RB_TEMPLATE_ORDER_TAG;
    memcpy(tag->order_tag.text, request->ouch.clordid, sizeof request->ouch.clordid);
    out->lines[0].header.flags = RB_FLAG_CONTINUED;
    out->count = 2;
    return &tag->order_tag;
}

static int has_clordid(const prt_request *request)
{
    return is_not_blank((const uint8_t *)request->ouch.clordid, sizeof request->ouch.clordid);
}

/* A refusal; `instrument` may be RB_INSTRUMENT_NONE. */
static int32_t refuse(const prt_instruments *instruments, const prt_party *party,
                      const prt_request *request, uint32_t instrument, uint8_t template_id,
                      uint16_t reason, prt_proposal *out)
{
    uint8_t shard = instrument == RB_INSTRUMENT_NONE ? 0 : instruments->rows[instrument].shard;
    rb_reject *reject = &begin(party, request, RB_TEMPLATE_REJECT, shard, out)->reject;
    reject->instrument = instrument;
    reject->quantity = request->ouch.quantity;
    reject->client_order_id = request->ouch.user_ref;
    reject->account = party->account;
    reject->firm = party->firm;
    reject->side = side_of(request->ouch.side);
    reject->refused_template = template_id;
    reject->reason = reason;
    int was_tagged = request->ouch.kind == PRT_OUCH_ENTER || request->ouch.kind == PRT_OUCH_REPLACE;
    if (was_tagged && has_clordid(request)) {
        (void)add_tag(request, out);
    }
    return PRT_PROPOSE;
}

static int32_t propose_enter(const prt_instruments *instruments, const prt_party *party,
                             const prt_request *request, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    if (ouch->user_ref <= party->last_client_order_id) {
        return PRT_DUPLICATE;
    }
    uint16_t reason = 0;
    uint32_t number = prt_instruments_find(instruments, ouch->symbol);
    const prt_instrument *instrument =
        &instruments->rows[number == RB_INSTRUMENT_NONE ? 0 : number];
    if (number == RB_INSTRUMENT_NONE) {
        reason = RB_REJECT_REASON_UNKNOWN_INSTRUMENT;
    } else if (side_of(ouch->side) == 0) {
        reason = RB_REJECT_REASON_INVALID_SIDE;
    } else {
        reason = terms_fault(instrument, request);
    }
    if (reason == 0 && ouch->cross_type != 'N') {
        reason = RB_REJECT_REASON_NOT_SUPPORTED;
    }
    if (reason == 0 && party->full) {
        reason = RB_REJECT_REASON_ORDER_CAPACITY;
    }
    if (reason != 0) {
        return refuse(instruments, party, request, number, RB_TEMPLATE_NEW_ORDER, reason, out);
    }
    rb_new_order *order =
        &begin(party, request, RB_TEMPLATE_NEW_ORDER, instrument->shard, out)->new_order;
    order->instrument = number;
    order->price_ticks = (int32_t)(ouch->price / instrument->tick_1e4);
    order->quantity = ouch->quantity;
    order->client_order_id = ouch->user_ref;
    order->account = party->account;
    order->firm = party->firm;
    order->side = side_of(ouch->side);
    order->time_in_force = time_in_force_of(ouch->time_in_force);
    order->display = (char)ouch->display;
    order->capacity = (char)ouch->capacity;
    order->sweep = (char)ouch->sweep;
    order->cross_type = (char)ouch->cross_type;
    order->original_side = (char)ouch->side;
    if (has_clordid(request)) {
        (void)add_tag(request, out);
    }
    return PRT_PROPOSE;
}

static int32_t cancel_lines(const prt_instruments *instruments, const prt_party *party,
                            const prt_request *request, const prt_order *order, uint32_t quantity,
                            prt_proposal *out)
{
    uint8_t shard = instruments->rows[order->instrument].shard;
    rb_cancel *cancel = &begin(party, request, RB_TEMPLATE_CANCEL, shard, out)->cancel;
    cancel->instrument = order->instrument;
    cancel->quantity = quantity;
    cancel->locate = order->locate;
    cancel->client_order_id = (uint32_t)order->key;
    cancel->account = party->account;
    cancel->firm = party->firm;
    cancel->reason = RB_CANCEL_REASON_USER;
    return PRT_PROPOSE;
}

/* The client names the most that may ever execute, what has executed included. */
static int32_t propose_cancel(const prt_instruments *instruments, const prt_orders *orders,
                              const prt_party *party, const prt_request *request, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    const prt_order *order = prt_orders_find(orders, prt_order_key(party->topic, ouch->user_ref));
    if (order == NULL) {
        return refuse(instruments, party, request, RB_INSTRUMENT_NONE, RB_TEMPLATE_CANCEL,
                      RB_REJECT_REASON_UNKNOWN_ORDER, out);
    }
    uint32_t keep = ouch->quantity > order->executed ? ouch->quantity - order->executed : 0;
    if (keep >= order->remaining) {
        return PRT_NO_EFFECT;
    }
    return cancel_lines(instruments, party, request, order, order->remaining - keep, out);
}

static void replace_lines(const prt_instruments *instruments, const prt_party *party,
                          const prt_request *request, const prt_order *order, prt_proposal *out)
{
    const prt_ouch_request *ouch = &request->ouch;
    const prt_instrument *instrument = &instruments->rows[order->instrument];
    rb_replace *replace =
        &begin(party, request, RB_TEMPLATE_REPLACE, instrument->shard, out)->replace;
    replace->instrument = order->instrument;
    replace->price_ticks = (int32_t)(ouch->price / instrument->tick_1e4);
    replace->quantity = ouch->quantity - order->executed;
    replace->locate = order->locate;
    replace->client_order_id = ouch->user_ref;
    replace->account = party->account;
    replace->firm = party->firm;
    replace->time_in_force = time_in_force_of(ouch->time_in_force);
    replace->display = (char)ouch->display;
    replace->sweep = (char)ouch->sweep;
    replace->original_client_order_id = (uint32_t)order->key;
    rb_order_tag *tag = add_tag(request, out);
    tag->total_quantity = ouch->quantity;
    tag->capacity = order->capacity;
    tag->cross_type = order->cross_type;
    tag->original_side = order->original_side;
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
    if (order == NULL) {
        return refuse(instruments, party, request, RB_INSTRUMENT_NONE, RB_TEMPLATE_REPLACE,
                      RB_REJECT_REASON_UNKNOWN_ORDER, out);
    }
    uint16_t reason = terms_fault(&instruments->rows[order->instrument], request);
    if (reason != 0) {
        return refuse(instruments, party, request, order->instrument, RB_TEMPLATE_REPLACE, reason,
                      out);
    }
    if (ouch->quantity <= order->executed) {
        /* So much has executed already: the rest goes. */
        return cancel_lines(instruments, party, request, order, order->remaining, out);
    }
    replace_lines(instruments, party, request, order, out);
    return PRT_PROPOSE;
}

/* Not offered. Of an order that never was, it must not use up the numbers to come. */
static int32_t propose_modify(const prt_instruments *instruments, const prt_orders *orders,
                              const prt_party *party, const prt_request *request, prt_proposal *out)
{
    uint32_t user_ref = request->ouch.user_ref;
    if (user_ref > party->last_client_order_id) {
        return refuse(instruments, party, request, RB_INSTRUMENT_NONE, RB_TEMPLATE_CANCEL,
                      RB_REJECT_REASON_UNKNOWN_ORDER, out);
    }
    const prt_order *order = prt_orders_find(orders, prt_order_key(party->topic, user_ref));
    return refuse(instruments, party, request,
                  order == NULL ? RB_INSTRUMENT_NONE : order->instrument, RB_TEMPLATE_REPLACE,
                  RB_REJECT_REASON_NOT_SUPPORTED, out);
}

static int32_t propose_event(const prt_party *party, const prt_request *request, prt_proposal *out)
{
    rb_session_event *event =
        &begin(party, request, RB_TEMPLATE_SESSION_EVENT, 0, out)->session_event;
    event->instrument = RB_INSTRUMENT_NONE;
    event->connection = request->connection;
    event->next_message = request->next_message;
    event->account = party->account;
    event->firm = party->firm;
    event->kind = request->event;
    return PRT_PROPOSE;
}

int32_t prt_propose(const prt_instruments *instruments, const prt_orders *orders,
                    const prt_party *party, const prt_request *request, prt_proposal *out)
{
    if (request->event != 0) {
        return propose_event(party, request, out);
    }
    switch (request->ouch.kind) {
    case PRT_OUCH_ENTER:
        return propose_enter(instruments, party, request, out);
    case PRT_OUCH_REPLACE:
        return propose_replace(instruments, orders, party, request, out);
    case PRT_OUCH_CANCEL:
        return propose_cancel(instruments, orders, party, request, out);
    default:
        return propose_modify(instruments, orders, party, request, out);
    }
}
