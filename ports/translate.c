#include "ports/translate.h"

#include <string.h>

static const uint64_t day_ns = UINT64_C(86400) * 1000000000;

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
        return 1;
    case RB_TEMPLATE_REJECT:
    case RB_TEMPLATE_REJECTED:
        /* A client is told of its own requests only: NewOrder, Cancel, Replace. */
        return line->rejected.refused_template <= RB_TEMPLATE_REPLACE;
    default:
        return 0;
    }
}

static uint64_t since_midnight(const rb_message *line)
{
    return line->header.time_ns % day_ns;
}

static const prt_instrument *instrument_of(const prt_instruments *instruments,
                                           const rb_message *line)
{
    uint32_t number = line->any.instrument;
    return number < instruments->count ? &instruments->rows[number] : NULL;
}

static uint64_t price_of(const prt_instrument *instrument, int32_t price_ticks)
{
    return instrument != NULL && price_ticks > 0
               ? (uint64_t)price_ticks * (uint64_t)instrument->tick_1e4
               : 0;
}

static void put_symbol(const prt_instrument *instrument, char *symbol)
{
    if (instrument != NULL) {
        memcpy(symbol, instrument->symbol, sizeof instrument->symbol);
    } else {
        memset(symbol, ' ', sizeof instrument->symbol);
    }
}

static void put_clordid(const rb_message *tag, char *clordid, size_t bytes)
{
    if (tag != NULL) {
        memcpy(clordid, tag->order_tag.text, bytes);
    } else {
        memset(clordid, ' ', bytes);
    }
}

static uint8_t letter_of(uint8_t time_in_force)
{
    return time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL ? '3' : '0';
}

static size_t system_event(const rb_message *line, uint8_t event, uint8_t *out, size_t room)
{
    prt_ouch_system_event message = {.timestamp_ns = since_midnight(line), .event = event};
    return prt_ouch_encode_system_event(out, room, &message);
}

static size_t accepted(const prt_instruments *instruments, const rb_message *line,
                       const rb_message *tag, uint8_t *out, size_t room)
{
    const rb_new_order *order = &line->new_order;
    const prt_instrument *instrument = instrument_of(instruments, line);
    prt_ouch_accepted message = {
        .timestamp_ns = since_midnight(line),
        .price = price_of(instrument, order->price_ticks),
        .order_reference = line->header.sequence,
        .user_ref = order->client_order_id,
        .quantity = order->quantity,
        .side = (uint8_t)order->original_side,
        .time_in_force = letter_of(order->time_in_force),
        .display = (uint8_t)order->display,
        .capacity = (uint8_t)order->capacity,
        .sweep = (uint8_t)order->sweep,
        .cross_type = (uint8_t)order->cross_type,
        .state = 'L',
    };
    put_symbol(instrument, message.symbol);
    put_clordid(tag, message.clordid, sizeof message.clordid);
    return prt_ouch_encode_accepted(out, room, &message);
}

/* What the Replace line has no room for stands in its tag; a contributor without tags is shown
 * plainly. */
static size_t replaced(const prt_instruments *instruments, const rb_message *line,
                       const rb_message *tag, uint8_t *out, size_t room)
{
    const rb_replace *order = &line->replace;
    const prt_instrument *instrument = instrument_of(instruments, line);
    uint8_t plain_side = order->side == RB_SIDE_SELL ? 'S' : 'B';
    prt_ouch_replaced message = {
        .order =
            {
                .timestamp_ns = since_midnight(line),
                .price = price_of(instrument, order->price_ticks),
                .order_reference = line->header.sequence,
                .user_ref = order->client_order_id,
                .quantity = tag != NULL ? tag->order_tag.total_quantity : order->quantity,
                .side = tag != NULL ? (uint8_t)tag->order_tag.original_side : plain_side,
                .time_in_force = letter_of(order->time_in_force),
                .display = (uint8_t)order->display,
                .capacity = tag != NULL ? (uint8_t)tag->order_tag.capacity : 'A',
                .sweep = (uint8_t)order->sweep,
                .cross_type = tag != NULL ? (uint8_t)tag->order_tag.cross_type : 'N',
                .state = 'L',
            },
        .original_user_ref = order->original_client_order_id,
    };
    put_symbol(instrument, message.order.symbol);
    put_clordid(tag, message.order.clordid, sizeof message.order.clordid);
    return prt_ouch_encode_replaced(out, room, &message);
}

/* Cancel and Canceled have the fields that are needed at the same places. */
static size_t canceled(const rb_message *line, uint8_t *out, size_t room)
{
    const rb_canceled *taken = &line->canceled;
    prt_ouch_canceled message = {
        .timestamp_ns = since_midnight(line),
        .user_ref = taken->client_order_id,
        .quantity = taken->quantity,
        .reason = taken->reason == RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL ? 'I' : 'U',
    };
    return prt_ouch_encode_canceled(out, room, &message);
}

_Static_assert(offsetof(rb_cancel, client_order_id) == offsetof(rb_canceled, client_order_id), "");
_Static_assert(offsetof(rb_cancel, quantity) == offsetof(rb_canceled, quantity), "");
_Static_assert(offsetof(rb_cancel, reason) == offsetof(rb_canceled, reason), "");
_Static_assert(offsetof(rb_cancel, remaining) == offsetof(rb_canceled, remaining), "");

static size_t executed(const prt_instruments *instruments, const rb_message *line, uint8_t *out,
                       size_t room)
{
    const rb_executed *trade = &line->executed;
    int removed = trade->liquidity == RB_LIQUIDITY_REMOVED;
    prt_ouch_executed message = {
        .timestamp_ns = since_midnight(line),
        .price = price_of(instrument_of(instruments, line), trade->price_ticks),
        /* Both sides are told the place of the incoming side's line, which is the first of the two.
         */
        .match_number = line->header.sequence - (removed ? 0 : 1),
        .user_ref = trade->client_order_id,
        .quantity = trade->quantity,
        .liquidity = removed ? 'R' : 'A',
    };
    return prt_ouch_encode_executed(out, room, &message);
}

/* Reject and Rejected are laid out alike. */
static size_t rejected(const rb_message *line, const rb_message *tag, uint8_t *out, size_t room)
{
    const rb_rejected *refusal = &line->rejected;
    if (refusal->refused_template == RB_TEMPLATE_CANCEL) {
        prt_ouch_cancel_reject message = {.timestamp_ns = since_midnight(line),
                                          .user_ref = refusal->client_order_id};
        return prt_ouch_encode_cancel_reject(out, room, &message);
    }
    prt_ouch_rejected message = {
        .timestamp_ns = since_midnight(line),
        .user_ref = refusal->client_order_id,
        .reason = prt_ouch_reject_reason(refusal->reason),
    };
    put_clordid(tag, message.clordid, sizeof message.clordid);
    return prt_ouch_encode_rejected(out, room, &message);
}

_Static_assert(offsetof(rb_reject, client_order_id) == offsetof(rb_rejected, client_order_id), "");
_Static_assert(offsetof(rb_reject, refused_template) == offsetof(rb_rejected, refused_template),
               "");
_Static_assert(offsetof(rb_reject, reason) == offsetof(rb_rejected, reason), "");

size_t prt_translate(const prt_instruments *instruments, const rb_message *line,
                     const rb_message *tag, uint8_t *out, size_t room)
{
    if (room < PRT_SHOWN_BYTES_MAX || !prt_is_shown(line)) {
        return 0;
    }
    switch (line->header.template_id) {
    case RB_TEMPLATE_BUILD_RECORD:
        return system_event(line, 'S', out, room);
    case RB_TEMPLATE_END_OF_DAY:
        return system_event(line, 'E', out, room);
    case RB_TEMPLATE_NEW_ORDER:
        return accepted(instruments, line, tag, out, room);
    case RB_TEMPLATE_REPLACE:
        return replaced(instruments, line, tag, out, room);
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_CANCELED:
        return canceled(line, out, room);
    case RB_TEMPLATE_EXECUTED:
        return executed(instruments, line, out, room);
    default:
        return rejected(line, tag, out, room);
    }
}
