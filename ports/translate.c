#include "ports/translate.h"

#include <string.h>

#include "ports/big_endian.h"
#include "ports/terms.h"

static const uint64_t day_ns = UINT64_C(86400) * 1000000000;

_Static_assert(PRT_SHOWN_BYTES_MAX >= PRT_OUCH_REPLACED_BYTES + PRT_OUCH_APPENDAGE_BYTES_MAX, "");

/* A client is told of its own requests only, and of those that it had given a number. */
static int is_refusal_shown(const rb_rejected *line)
{
    uint8_t refused = line->refused_template;
    return refused <= RB_TEMPLATE_REPLACE ||
           (line->client_order_id != 0 &&
            (refused == RB_TEMPLATE_MASS_CANCEL || refused == RB_TEMPLATE_SESSION_EVENT));
}

int prt_is_shown(const rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_BUILD_RECORD:
    case RB_TEMPLATE_END_OF_DAY:
        return line->header.topic == 0;
    case RB_TEMPLATE_NEW_ORDER:
    case RB_TEMPLATE_REPLACE:
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_EXECUTED:
    case RB_TEMPLATE_CANCELED:
    case RB_TEMPLATE_REPLENISHED:
    case RB_TEMPLATE_TRADE_CHANGED:
        return 1;
    case RB_TEMPLATE_REJECT:
    case RB_TEMPLATE_REJECTED:
        return is_refusal_shown(&line->rejected);
    case RB_TEMPLATE_MASS_CANCEL:
        return line->mass_cancel.client_order_id != 0;
    case RB_TEMPLATE_SESSION_EVENT:
        return line->session_event.kind >= RB_SESSION_EVENT_KIND_ENTRY_DISABLED &&
               line->session_event.kind <= RB_SESSION_EVENT_KIND_ACCOUNT_QUERY;
    default:
        return 0;
    }
}

uint64_t prt_since_midnight(const rb_message *line)
{
    return line->header.time_ns % day_ns;
}

const prt_instrument *prt_instrument_of(const prt_instruments *instruments, const rb_message *line)
{
    uint32_t number = line->any.instrument;
    return number < instruments->count ? &instruments->rows[number] : NULL;
}

uint64_t prt_limit_of(const prt_instrument *instrument, int32_t price_ticks, uint8_t options)
{
    if (options & RB_ORDER_OPTION_MARKET) {
        return PRT_MARKET_PRICE;
    }
    return instrument != NULL && price_ticks > 0
               ? (uint64_t)price_ticks * (uint64_t)instrument->tick_1e4
               : 0;
}

static uint64_t price_of(const prt_instrument *instrument, int32_t price_ticks)
{
    return prt_limit_of(instrument, price_ticks, 0);
}

static void put_symbol(const prt_instrument *instrument, char *symbol)
{
    if (instrument != NULL) {
        memcpy(symbol, instrument->symbol, sizeof instrument->symbol);
    } else {
        memset(symbol, ' ', sizeof instrument->symbol);
    }
}

/* The beginning of the tag's text. */
static void put_text(const rb_message *tag, char *text, size_t bytes)
{
    if (tag != NULL && tag->order_tag.text[0] != 0) {
        memcpy(text, tag->order_tag.text, bytes);
    } else {
        memset(text, ' ', bytes);
    }
}

uint8_t prt_time_letter(uint8_t time_in_force, const rb_message *terms)
{
    switch (time_in_force) {
    case RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL:
    case RB_TIME_IN_FORCE_FILL_OR_KILL:
        return '3';
    case RB_TIME_IN_FORCE_GOOD_TILL_CANCEL:
        return '5';
    case RB_TIME_IN_FORCE_GOOD_TILL_TIME:
        return '6';
    case RB_TIME_IN_FORCE_AT_OPENING:
    case RB_TIME_IN_FORCE_AT_CLOSE:
        return terms != NULL && terms->order_terms.time_in_force != 0
                   ? (uint8_t)terms->order_terms.time_in_force
                   : '3';
    default:
        return '0';
    }
}

static uint8_t *put_tag(uint8_t *at, uint8_t tag, uint8_t value_bytes)
{
    return put_u8(put_u8(at, (uint8_t)(value_bytes + 1)), tag);
}

static uint8_t *put_number(uint8_t *at, uint8_t tag, uint32_t number)
{
    return number == 0 ? at : put_u32(put_tag(at, tag, 4), number);
}

static uint8_t *put_letter(uint8_t *at, uint8_t tag, char letter)
{
    return letter == 0 ? at : put_u8(put_tag(at, tag, 1), (uint8_t)letter);
}

uint32_t prt_seconds_left(const prt_group *group)
{
    const uint64_t second_ns = 1000000000;
    uint64_t now_ns = group->line->header.time_ns;
    uint64_t end_ns = group->terms != NULL ? group->terms->order_terms.expire_time_ns : 0;
    return end_ns <= now_ns ? 0 : (uint32_t)((end_ns - now_ns + second_ns - 1) / second_ns);
}

/* The options that the order has, as the client would have said them. Returns bytes. */
static uint16_t put_options(const prt_group *group, uint8_t options, uint8_t *out)
{
    uint8_t *at = out;
    static const rb_order_terms nothing;
    const rb_order_terms *terms = group->terms != NULL ? &group->terms->order_terms : &nothing;
    if (terms->firm_name[0] != 0) {
        at = put_bytes(put_tag(at, PRT_OUCH_TAG_FIRM, 4), terms->firm_name, 4);
    }
    at = put_number(at, PRT_OUCH_TAG_MIN_QUANTITY, terms->minimum_quantity);
    at = put_letter(at, PRT_OUCH_TAG_CUSTOMER_TYPE, terms->customer_type);
    at = put_number(at, PRT_OUCH_TAG_MAX_FLOOR, terms->display_quantity);
    at = put_letter(at, PRT_OUCH_TAG_POST_ONLY, options & RB_ORDER_OPTION_POST_ONLY ? 'P' : '\0');
    at = put_number(at, PRT_OUCH_TAG_EXPIRE_TIME, prt_seconds_left(group));
    at = put_letter(at, PRT_OUCH_TAG_HANDLE_INST, terms->auction != 0 ? 'I' : '\0');
    if (terms->group != 0) {
        at = put_u16(put_tag(at, PRT_OUCH_TAG_GROUP_ID, 2), terms->group);
    }
    at = put_letter(at, PRT_OUCH_TAG_SHARES_LOCATED, terms->shares_located);
    at = put_letter(at, PRT_OUCH_TAG_SELF_TRADE, terms->self_trade);
    return (uint16_t)(at - out);
}

static size_t system_event(const rb_message *line, uint8_t event, uint8_t *out, size_t room)
{
    prt_ouch_system_event message = {.timestamp_ns = prt_since_midnight(line), .event = event};
    return prt_ouch_encode_system_event(out, room, &message);
}

static size_t accepted(const prt_instruments *instruments, const prt_group *group, uint8_t *out,
                       size_t room)
{
    const rb_new_order *order = &group->line->new_order;
    const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
    uint8_t appendage[PRT_OUCH_APPENDAGE_BYTES_MAX];
    prt_ouch_accepted message = {
        .appendage = appendage,
        .appendage_bytes = put_options(group, order->options, appendage),
        .timestamp_ns = prt_since_midnight(group->line),
        .price = prt_limit_of(instrument, order->price_ticks, order->options),
        .order_reference = order->header.sequence,
        .user_ref = order->client_order_id,
        .quantity = order->quantity,
        .side = (uint8_t)order->original_side,
        .time_in_force = prt_time_letter(order->time_in_force, group->terms),
        .display = (uint8_t)order->display,
        .capacity = (uint8_t)order->capacity,
        .sweep = (uint8_t)order->sweep,
        .cross_type = (uint8_t)order->cross_type,
        .state = 'L',
    };
    put_symbol(instrument, message.symbol);
    put_text(group->tag, message.clordid, sizeof message.clordid);
    return prt_ouch_encode_accepted(out, room, &message);
}

/* The client asked for a change that keeps the order's number. */
static size_t modified(const prt_group *group, uint8_t *out, size_t room)
{
    const rb_order_tag *tag = &group->tag->order_tag;
    prt_ouch_modified message = {.timestamp_ns = prt_since_midnight(group->line),
                                 .user_ref = group->line->replace.client_order_id,
                                 .quantity = tag->total_quantity,
                                 .side = (uint8_t)tag->original_side};
    return prt_ouch_encode_modified(out, room, &message);
}

/* What the Replace line has no room for stands in its tag; a contributor without tags is shown
 * plainly. */
static size_t replaced(const prt_instruments *instruments, const prt_group *group, uint8_t *out,
                       size_t room)
{
    const rb_replace *order = &group->line->replace;
    const rb_message *tag = group->tag;
    if (tag != NULL && tag->order_tag.request == 'M') {
        return modified(group, out, room);
    }
    const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
    uint8_t plain_side = order->side == RB_SIDE_SELL ? 'S' : 'B';
    uint8_t options = group->terms != NULL ? group->terms->order_terms.options : 0;
    uint8_t appendage[PRT_OUCH_APPENDAGE_BYTES_MAX];
    prt_ouch_replaced message = {
        .order =
            {
                .appendage = appendage,
                .appendage_bytes = put_options(group, options, appendage),
                .timestamp_ns = prt_since_midnight(group->line),
                .price = prt_limit_of(instrument, order->price_ticks, options),
                .order_reference = order->header.sequence,
                .user_ref = order->client_order_id,
                .quantity = tag != NULL ? tag->order_tag.total_quantity : order->quantity,
                .side = tag != NULL ? (uint8_t)tag->order_tag.original_side : plain_side,
                .time_in_force = prt_time_letter(order->time_in_force, group->terms),
                .display = (uint8_t)order->display,
                .capacity = tag != NULL ? (uint8_t)tag->order_tag.capacity : 'A',
                .sweep = (uint8_t)order->sweep,
                .cross_type = tag != NULL ? (uint8_t)tag->order_tag.cross_type : 'N',
                .state = 'L',
            },
        .original_user_ref = order->original_client_order_id,
    };
    put_symbol(instrument, message.order.symbol);
    put_text(tag, message.order.clordid, sizeof message.order.clordid);
    return prt_ouch_encode_replaced(out, room, &message);
}

/* Cancel and Canceled have the fields that are needed at the same places. */
static size_t canceled(const prt_instruments *instruments, const rb_message *line, uint8_t *out,
                       size_t room)
{
    const rb_canceled *taken = &line->canceled;
    if (taken->reason == RB_CANCEL_REASON_SELF_TRADE) {
        prt_ouch_aiq_canceled message = {
            .timestamp_ns = prt_since_midnight(line),
            .price = price_of(prt_instrument_of(instruments, line), taken->price_ticks),
            .user_ref = taken->client_order_id,
            .quantity = taken->quantity,
            .prevented = taken->quantity,
            .liquidity = taken->liquidity == RB_LIQUIDITY_REMOVED ? 'R' : 'A',
        };
        return prt_ouch_encode_aiq_canceled(out, room, &message);
    }
    prt_ouch_canceled message = {
        .timestamp_ns = prt_since_midnight(line),
        .user_ref = taken->client_order_id,
        .quantity = taken->quantity,
        .reason = prt_ouch_cancel_reason(taken->reason),
    };
    return prt_ouch_encode_canceled(out, room, &message);
}

_Static_assert(offsetof(rb_cancel, client_order_id) == offsetof(rb_canceled, client_order_id), "");
_Static_assert(offsetof(rb_cancel, quantity) == offsetof(rb_canceled, quantity), "");
_Static_assert(offsetof(rb_cancel, reason) == offsetof(rb_canceled, reason), "");
_Static_assert(offsetof(rb_cancel, remaining) == offsetof(rb_canceled, remaining), "");

uint8_t prt_liquidity_letter(const rb_executed *trade)
{
    switch (trade->detail) {
    case RB_TRADE_DETAIL_OPENING_CROSS:
        return 'O';
    case RB_TRADE_DETAIL_CLOSING_CROSS:
        return 'C';
    case RB_TRADE_DETAIL_HALT_CROSS:
        return 'H';
    case RB_TRADE_DETAIL_HIDDEN:
        return 'J';
    default:
        return trade->liquidity == RB_LIQUIDITY_REMOVED ? 'R' : 'A';
    }
}

/* It is the place of the first of their two lines: the incoming side's, in a cross the buyer's. */
uint64_t prt_match_number(const rb_message *line)
{
    const rb_executed *trade = &line->executed;
    int is_first = trade->liquidity == RB_LIQUIDITY_CROSS
                       ? trade->side == RB_SIDE_BUY
                       : trade->liquidity == RB_LIQUIDITY_REMOVED;
    return line->header.sequence - (is_first ? 0 : 1);
}

static size_t executed(const prt_instruments *instruments, const rb_message *line, uint8_t *out,
                       size_t room)
{
    const rb_executed *trade = &line->executed;
    prt_ouch_executed message = {
        .timestamp_ns = prt_since_midnight(line),
        .price = price_of(prt_instrument_of(instruments, line), trade->price_ticks),
        .match_number = prt_match_number(line),
        .user_ref = trade->client_order_id,
        .quantity = trade->quantity,
        .liquidity = prt_liquidity_letter(trade),
    };
    return prt_ouch_encode_executed(out, room, &message);
}

/* A trade that was told before is void, or has another price. */
static size_t trade_changed(const prt_instruments *instruments, const prt_group *group,
                            uint8_t *out, size_t room)
{
    const rb_trade_changed *change = &group->line->trade_changed;
    if (change->kind == RB_TRADE_CHANGE_KIND_BUST) {
        prt_ouch_broken message = {
            .timestamp_ns = prt_since_midnight(group->line),
            .match_number = change->match,
            .user_ref = change->client_order_id,
            .reason = (uint8_t)change->reason,
        };
        put_text(group->tag, message.clordid, sizeof message.clordid);
        return prt_ouch_encode_broken(out, room, &message);
    }
    prt_ouch_corrected message = {
        .timestamp_ns = prt_since_midnight(group->line),
        .price = price_of(prt_instrument_of(instruments, group->line), change->price_ticks),
        .match_number = change->match,
        .user_ref = change->client_order_id,
        .quantity = change->quantity,
        .liquidity = (uint8_t)change->liquidity,
        .reason = (uint8_t)change->reason,
    };
    put_text(group->tag, message.clordid, sizeof message.clordid);
    return prt_ouch_encode_corrected(out, room, &message);
}

/* The reserve shows its next part. */
static size_t restated(const rb_message *line, uint8_t *out, size_t room)
{
    uint8_t appendage[PRT_OUCH_APPENDAGE_BYTES_MAX];
    uint8_t *end = put_number(appendage, PRT_OUCH_TAG_DISPLAY_QUANTITY, line->replenished.quantity);
    prt_ouch_restated message = {.appendage = appendage,
                                 .appendage_bytes = (uint16_t)(end - appendage),
                                 .timestamp_ns = prt_since_midnight(line),
                                 .user_ref = line->replenished.client_order_id,
                                 .reason = 'R'};
    return prt_ouch_encode_restated(out, room, &message);
}

/* Reject and Rejected are laid out alike. A refused Modify leaves its order as it is. */
static size_t rejected(const prt_group *group, uint8_t *out, size_t room)
{
    const rb_rejected *refusal = &group->line->rejected;
    int is_modify = group->tag != NULL && group->tag->order_tag.request == 'M';
    if (refusal->refused_template == RB_TEMPLATE_CANCEL || is_modify) {
        prt_ouch_cancel_reject message = {.timestamp_ns = prt_since_midnight(group->line),
                                          .user_ref = refusal->client_order_id};
        return prt_ouch_encode_cancel_reject(out, room, &message);
    }
    prt_ouch_rejected message = {
        .timestamp_ns = prt_since_midnight(group->line),
        .user_ref = refusal->client_order_id,
        .reason = prt_ouch_reject_reason(refusal->reason),
    };
    put_text(group->tag, message.clordid, sizeof message.clordid);
    return prt_ouch_encode_rejected(out, room, &message);
}

_Static_assert(offsetof(rb_reject, client_order_id) == offsetof(rb_rejected, client_order_id), "");
_Static_assert(offsetof(rb_reject, refused_template) == offsetof(rb_rejected, refused_template),
               "");
_Static_assert(offsetof(rb_reject, reason) == offsetof(rb_rejected, reason), "");

static size_t mass_canceled(const prt_instruments *instruments, const prt_group *group,
                            uint8_t *out, size_t room)
{
    prt_ouch_mass_cancel_response message = {
        .timestamp_ns = prt_since_midnight(group->line),
        .user_ref = group->line->mass_cancel.client_order_id,
    };
    put_text(group->tag, message.firm, sizeof message.firm);
    put_symbol(prt_instrument_of(instruments, group->line), message.symbol);
    return prt_ouch_encode_mass_cancel_response(out, room, &message);
}

static size_t session_event(const prt_group *group, uint8_t *out, size_t room)
{
    const rb_session_event *event = &group->line->session_event;
    if (event->kind == RB_SESSION_EVENT_KIND_ACCOUNT_QUERY) {
        prt_ouch_query_response message = {.timestamp_ns = prt_since_midnight(group->line),
                                           .next_user_ref = (uint32_t)event->next_message};
        return prt_ouch_encode_query_response(out, room, &message);
    }
    prt_ouch_entry_response message = {
        .timestamp_ns = prt_since_midnight(group->line),
        .user_ref = event->client_order_id,
        .is_enabled = event->kind == RB_SESSION_EVENT_KIND_ENTRY_ENABLED,
    };
    put_text(group->tag, message.firm, sizeof message.firm);
    return prt_ouch_encode_entry_response(out, room, &message);
}

size_t prt_translate(const prt_instruments *instruments, const prt_group *group, uint8_t *out,
                     size_t room)
{
    const rb_message *line = group->line;
    if (room < PRT_SHOWN_BYTES_MAX || !prt_is_shown(line)) {
        return 0;
    }
    switch (line->header.template_id) {
    case RB_TEMPLATE_BUILD_RECORD:
        return system_event(line, 'S', out, room);
    case RB_TEMPLATE_END_OF_DAY:
        return system_event(line, 'E', out, room);
    case RB_TEMPLATE_NEW_ORDER:
        return accepted(instruments, group, out, room);
    case RB_TEMPLATE_REPLACE:
        return replaced(instruments, group, out, room);
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_CANCELED:
        return canceled(instruments, line, out, room);
    case RB_TEMPLATE_EXECUTED:
        return executed(instruments, line, out, room);
    case RB_TEMPLATE_REPLENISHED:
        return restated(line, out, room);
    case RB_TEMPLATE_TRADE_CHANGED:
        return trade_changed(instruments, group, out, room);
    case RB_TEMPLATE_MASS_CANCEL:
        return mass_canceled(instruments, group, out, room);
    case RB_TEMPLATE_SESSION_EVENT:
        return session_event(group, out, room);
    default:
        return rejected(group, out, room);
    }
}
