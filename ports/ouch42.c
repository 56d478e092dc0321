#include "ports/ouch42.h"

#include <string.h>

#include "ports/big_endian.h"
#include "ports/terms.h"

/* Lengths of what clients send. */
enum {
    ENTER_BYTES = 49,
    REPLACE_BYTES = 47,
    CANCEL_BYTES = 19,
    MODIFY_BYTES = 20,
    TRADE_NOW_BYTES = 15,
};
/* Times in force that are not so many seconds. */
enum { MARKET_HOURS = 99998, SYSTEM_HOURS = 99999 };

static uint8_t read_time(uint32_t seconds, prt_options *options)
{
    switch (seconds) {
    case 0:
        return '3';
    case MARKET_HOURS:
        return '0';
    case SYSTEM_HOURS:
        return '5';
    default:
        options->expire_s = seconds;
        return '6';
    }
}

/* One letter says here what OUCH 5.0 says with several options. */
static uint16_t read_display(uint8_t letter, prt_options *options)
{
    options->post_only = 'N';
    switch (letter) {
    case 'A':
    case 'Y':
    case 'N':
        return 0;
    case 'P':
    case 'L':
        options->post_only = 'P';
        return 0;
    case 'I':
        options->handling = 'I';
        return 0;
    case 'M':
    case 'W':
    case 'm':
        return RB_REJECT_REASON_PEGGING_NOT_SUPPORTED;
    case 'O':
    case 'T':
    case 'Q':
        return RB_REJECT_REASON_RETAIL_NOT_SUPPORTED;
    default:
        return RB_REJECT_REASON_INVALID_DISPLAY;
    }
}

static void read_token(const uint8_t *at, char *token)
{
    memcpy(token, at, PRT_TOKEN_BYTES);
}

static void decode_enter(const uint8_t *payload, prt_ouch_request *out, prt_options *options)
{
    read_token(payload + 1, out->clordid);
    out->side = payload[15];
    out->quantity = get_u32(payload + 16);
    memcpy(out->symbol, payload + 20, sizeof out->symbol);
    out->price = get_u32(payload + 28);
    out->time_in_force = read_time(get_u32(payload + 32), options);
    if (prt_is_text((const char *)payload + 36, sizeof options->firm)) {
        memcpy(options->firm, payload + 36, sizeof options->firm);
    }
    out->display = payload[40];
    options->fault = read_display(out->display, options);
    out->capacity = payload[41];
    out->sweep = payload[42];
    options->minimum_quantity = get_u32(payload + 43);
    out->cross_type = payload[47];
    char customer_type = (char)payload[48];
    options->customer_type = customer_type == ' ' ? '\0' : customer_type;
    if (options->fault == 0 && strchr("RN ", customer_type) == NULL) {
        options->fault = RB_REJECT_REASON_NOT_SUPPORTED;
    }
}

static void decode_replace(const uint8_t *payload, prt_ouch_request *out, prt_options *options)
{
    read_token(payload + 1, out->original_token);
    read_token(payload + 15, out->clordid);
    out->quantity = get_u32(payload + 29);
    out->price = get_u32(payload + 33);
    out->time_in_force = read_time(get_u32(payload + 37), options);
    out->display = payload[41];
    options->fault = read_display(out->display, options);
    out->sweep = payload[42];
    options->minimum_quantity = get_u32(payload + 43);
}

int32_t prt_ouch42_decode(const uint8_t *payload, size_t count, prt_ouch_request *out,
                          prt_options *options)
{
    memset(out, 0, sizeof *out);
    memset(options, 0, sizeof *options);
    if (count == 0) {
        return RB_FORMAT;
    }
    out->kind = payload[0];
    switch (payload[0]) {
    case 'O':
        if (count != ENTER_BYTES) {
            return RB_FORMAT;
        }
        decode_enter(payload, out, options);
        return RB_OK;
    case 'U':
        if (count != REPLACE_BYTES) {
            return RB_FORMAT;
        }
        decode_replace(payload, out, options);
        return RB_OK;
    case 'X':
        if (count != CANCEL_BYTES) {
            return RB_FORMAT;
        }
        read_token(payload + 1, out->clordid);
        out->quantity = get_u32(payload + 15);
        return RB_OK;
    case 'M':
        if (count != MODIFY_BYTES) {
            return RB_FORMAT;
        }
        read_token(payload + 1, out->clordid);
        out->side = payload[15];
        out->quantity = get_u32(payload + 16);
        return RB_OK;
    case 'N':
        if (count != TRADE_NOW_BYTES) {
            return RB_FORMAT;
        }
        /* Not offered: refused as a change of the order that it names. */
        out->kind = PRT_OUCH_MODIFY;
        options->fault = RB_REJECT_REASON_NOT_SUPPORTED;
        read_token(payload + 1, out->clordid);
        return RB_OK;
    default:
        return RB_FORMAT;
    }
}

uint8_t prt_ouch42_reject_reason(uint16_t reason)
{
    switch (reason) {
    case RB_REJECT_REASON_UNKNOWN_INSTRUMENT:
        return 'S';
    case RB_REJECT_REASON_INVALID_PRICE:
    case RB_REJECT_REASON_OFF_TICK:
    case RB_REJECT_REASON_PRICE_COLLAR:
        return 'X';
    case RB_REJECT_REASON_INVALID_DISPLAY:
        return 'D';
    case RB_REJECT_REASON_INSTRUMENT_STATE:
    case RB_REJECT_REASON_DAY_CLOSED:
        return 'H';
    case RB_REJECT_REASON_INVALID_MINIMUM_QUANTITY:
        return 'N';
    case RB_REJECT_REASON_QUANTITY_EXCEEDED:
    case RB_REJECT_REASON_FAT_FINGER:
        return 'Z';
    case RB_REJECT_REASON_RESTRICTED:
        return 'c'; /* restricted list */
    case RB_REJECT_REASON_OPEN_LONG_LIMIT:
    case RB_REJECT_REASON_OPEN_SHORT_LIMIT:
    case RB_REJECT_REASON_NET_POSITION_LIMIT:
    case RB_REJECT_REASON_GROSS_POSITION_LIMIT:
    case RB_REJECT_REASON_TRADED_QUANTITY_LIMIT:
        return 'm';
    case RB_REJECT_REASON_KILLED:
        return 'a';
    case RB_REJECT_REASON_NOTIONAL_EXCEEDED:
    case RB_REJECT_REASON_TRADED_NOTIONAL_LIMIT:
        return 'n';
    case RB_REJECT_REASON_INVALID_CROSS:
        return 'R';
    case RB_REJECT_REASON_UNKNOWN_FIRM:
        return 'L';
    default:
        return 'O';
    }
}

int prt_ouch42_is_shown(const rb_message *line)
{
    return line->header.template_id != RB_TEMPLATE_REPLENISHED &&
           line->header.template_id != RB_TEMPLATE_MASS_CANCEL &&
           line->header.template_id != RB_TEMPLATE_SESSION_EVENT;
}

/* --- answers --------------------------------------------------------------------------------- */

static uint8_t *put_start(uint8_t *at, char type, const prt_group *group)
{
    return put_u64(put_u8(at, (uint8_t)type), prt_since_midnight(group->line));
}

static uint8_t *put_blanks(uint8_t *at, size_t count)
{
    memset(at, ' ', count);
    return at + count;
}

/* The token of the order that the line is about: from its tag, or as it was given before. */
static uint8_t *put_token(uint8_t *at, const prt_tokens *tokens, const prt_group *group,
                          uint32_t client_order_id)
{
    const char *text = group->tag != NULL && group->tag->order_tag.text[0] != 0
                           ? group->tag->order_tag.text
                           : prt_tokens_text(tokens, group->line->header.topic, client_order_id);
    return text != NULL ? put_bytes(at, text, PRT_TOKEN_BYTES) : put_blanks(at, PRT_TOKEN_BYTES);
}

/* A price is never above 2^31 - 1 (tools/instruments.py). */
static uint8_t *put_price(uint8_t *at, uint64_t price)
{
    return put_u32(at, (uint32_t)price);
}

static uint32_t seconds_of(uint8_t letter, const prt_group *group)
{
    switch (letter) {
    case '3':
        return 0;
    case '5':
        return SYSTEM_HOURS;
    case '6':
        return prt_seconds_left(group);
    default:
        return MARKET_HOURS;
    }
}

/* Accepted and Replaced, from the symbol to the order's state. */
typedef struct order_view {
    const prt_instrument *instrument;
    uint64_t price;
    uint64_t reference;
    uint32_t seconds;
    char display;
    char capacity;
    char sweep;
    char cross_type;
} order_view;

static uint8_t *put_order(uint8_t *at, const order_view *order, const rb_message *terms)
{
    if (order->instrument != NULL) {
        at = put_bytes(at, order->instrument->symbol, sizeof order->instrument->symbol);
    } else {
        at = put_blanks(at, sizeof order->instrument->symbol);
    }
    at = put_price(at, order->price);
    at = put_u32(at, order->seconds);
    int has_firm = terms != NULL && terms->order_terms.firm_name[0] != 0;
    at = has_firm ? put_bytes(at, terms->order_terms.firm_name, 4) : put_blanks(at, 4);
    at = put_u8(at, (uint8_t)order->display);
    at = put_u64(at, order->reference);
    at = put_u8(at, (uint8_t)order->capacity);
    at = put_u8(at, (uint8_t)order->sweep);
    at = put_u32(at, terms != NULL ? terms->order_terms.minimum_quantity : 0);
    at = put_u8(at, (uint8_t)order->cross_type);
    return put_u8(at, 'L');
}

static uint8_t *put_accepted(uint8_t *at, const prt_instruments *instruments,
                             const prt_tokens *tokens, const prt_group *group)
{
    const rb_new_order *order = &group->line->new_order;
    const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
    order_view view = {
        .instrument = instrument,
        .price = prt_limit_of(instrument, order->price_ticks, order->options),
        .reference = order->header.sequence,
        .seconds = seconds_of(prt_time_letter(order->time_in_force, group->terms), group),
        .display = order->display,
        .capacity = order->capacity,
        .sweep = order->sweep,
        .cross_type = order->cross_type,
    };
    at = put_token(put_start(at, 'A', group), tokens, group, order->client_order_id);
    at = put_u8(at, (uint8_t)order->original_side);
    at = put_u32(at, order->quantity);
    at = put_order(at, &view, group->terms);
    return put_u8(at, ' ');
}

static uint8_t *put_modified(uint8_t *at, const prt_tokens *tokens, const prt_group *group)
{
    at = put_token(put_start(at, 'M', group), tokens, group, group->line->replace.client_order_id);
    at = put_u8(at, (uint8_t)group->tag->order_tag.original_side);
    return put_u32(at, group->tag->order_tag.total_quantity);
}

/* The port's own Replaces have a tag. */
static uint8_t *put_replaced(uint8_t *at, const prt_instruments *instruments,
                             const prt_tokens *tokens, const prt_group *group)
{
    static const rb_order_tag plain = {.capacity = 'A', .cross_type = 'N', .original_side = 'B'};
    const rb_replace *order = &group->line->replace;
    const rb_order_tag *tag = group->tag != NULL ? &group->tag->order_tag : &plain;
    if (tag->request == 'M') {
        return put_modified(at, tokens, group);
    }
    const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
    uint8_t options = group->terms != NULL ? group->terms->order_terms.options : 0;
    order_view view = {
        .instrument = instrument,
        .price = prt_limit_of(instrument, order->price_ticks, options),
        .reference = order->header.sequence,
        .seconds = seconds_of(prt_time_letter(order->time_in_force, group->terms), group),
        .display = order->display,
        .capacity = tag->capacity,
        .sweep = order->sweep,
        .cross_type = tag->cross_type,
    };
    at = put_token(put_start(at, 'U', group), tokens, group, order->client_order_id);
    at = put_u8(at, (uint8_t)tag->original_side);
    at = put_u32(at, group->tag != NULL ? tag->total_quantity : order->quantity);
    at = put_order(at, &view, group->terms);
    prt_group before = {.line = group->line};
    at = put_token(at, tokens, &before, order->original_client_order_id);
    return put_u8(at, ' ');
}

static uint8_t *put_canceled(uint8_t *at, const prt_instruments *instruments,
                             const prt_tokens *tokens, const prt_group *group)
{
    const rb_canceled *taken = &group->line->canceled;
    int is_prevented = taken->reason == RB_CANCEL_REASON_SELF_TRADE;
    at = put_start(at, is_prevented ? 'D' : 'C', group);
    at = put_token(at, tokens, group, taken->client_order_id);
    at = put_u32(at, taken->quantity);
    at = put_u8(at, prt_ouch_cancel_reason(taken->reason));
    if (!is_prevented) {
        return at;
    }
    const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
    at = put_u32(at, taken->quantity);
    at = put_price(at, prt_limit_of(instrument, taken->price_ticks, 0));
    return put_u8(at, taken->liquidity == RB_LIQUIDITY_REMOVED ? 'R' : 'A');
}

static uint8_t *put_executed(uint8_t *at, const prt_instruments *instruments,
                             const prt_tokens *tokens, const prt_group *group)
{
    const rb_executed *trade = &group->line->executed;
    const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
    at = put_token(put_start(at, 'E', group), tokens, group, trade->client_order_id);
    at = put_u32(at, trade->quantity);
    at = put_price(at, prt_limit_of(instrument, trade->price_ticks, 0));
    at = put_u8(at, prt_liquidity_letter(trade));
    return put_u64(at, prt_match_number(group->line));
}

static uint8_t *put_trade_changed(uint8_t *at, const prt_instruments *instruments,
                                  const prt_tokens *tokens, const prt_group *group)
{
    const rb_trade_changed *change = &group->line->trade_changed;
    int is_bust = change->kind == RB_TRADE_CHANGE_KIND_BUST;
    at = put_start(at, is_bust ? 'B' : 'F', group);
    at = put_token(at, tokens, group, change->client_order_id);
    if (!is_bust) {
        const prt_instrument *instrument = prt_instrument_of(instruments, group->line);
        at = put_u32(at, change->quantity);
        at = put_price(at, prt_limit_of(instrument, change->price_ticks, 0));
        at = put_u8(at, (uint8_t)change->liquidity);
    }
    at = put_u64(at, change->match);
    return put_u8(at, (uint8_t)change->reason);
}

static uint8_t *put_rejected(uint8_t *at, const prt_tokens *tokens, const prt_group *group)
{
    const rb_rejected *refusal = &group->line->rejected;
    int is_modify = group->tag != NULL && group->tag->order_tag.request == 'M';
    int lives = refusal->refused_template == RB_TEMPLATE_CANCEL || is_modify;
    at = put_start(at, lives ? 'I' : 'J', group);
    at = put_token(at, tokens, group, refusal->client_order_id);
    return lives ? at : put_u8(at, prt_ouch42_reject_reason(refusal->reason));
}

size_t prt_ouch42_translate(const prt_instruments *instruments, const prt_tokens *tokens,
                            const prt_group *group, uint8_t *out, size_t room)
{
    const rb_message *line = group->line;
    if (room < PRT_SHOWN_BYTES_MAX || !prt_is_shown(line) || !prt_ouch42_is_shown(line)) {
        return 0;
    }
    uint8_t *end = out;
    switch (line->header.template_id) {
    case RB_TEMPLATE_BUILD_RECORD:
        end = put_u8(put_start(out, 'S', group), 'S');
        break;
    case RB_TEMPLATE_END_OF_DAY:
        end = put_u8(put_start(out, 'S', group), 'E');
        break;
    case RB_TEMPLATE_NEW_ORDER:
        end = put_accepted(out, instruments, tokens, group);
        break;
    case RB_TEMPLATE_REPLACE:
        end = put_replaced(out, instruments, tokens, group);
        break;
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_CANCELED:
        end = put_canceled(out, instruments, tokens, group);
        break;
    case RB_TEMPLATE_EXECUTED:
        end = put_executed(out, instruments, tokens, group);
        break;
    case RB_TEMPLATE_TRADE_CHANGED:
        end = put_trade_changed(out, instruments, tokens, group);
        break;
    default:
        end = put_rejected(out, tokens, group);
        break;
    }
    return (size_t)(end - out);
}
