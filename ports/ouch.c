#include "ports/ouch.h"

#include <stdbool.h>
#include <string.h>

#include "ports/big_endian.h"
#include "ringbus/messages.h"

/* Bytes of each tag's value; 0: the tag is not assigned. */
static const uint8_t tag_bytes[] = {
    [1] = 8, /* SecondaryOrdRefNum */
    [PRT_OUCH_TAG_FIRM] = 4,
    [PRT_OUCH_TAG_MIN_QUANTITY] = 4,
    [PRT_OUCH_TAG_CUSTOMER_TYPE] = 1,
    [PRT_OUCH_TAG_MAX_FLOOR] = 4,
    [PRT_OUCH_TAG_PRICE_TYPE] = 1,
    [PRT_OUCH_TAG_PEG_OFFSET] = 4,
    [PRT_OUCH_TAG_DISCRETION_PRICE] = 8,
    [PRT_OUCH_TAG_DISCRETION_PRICE_TYPE] = 1,
    [PRT_OUCH_TAG_DISCRETION_PEG_OFFSET] = 4,
    [PRT_OUCH_TAG_POST_ONLY] = 1,
    [PRT_OUCH_TAG_RANDOM_RESERVES] = 4,
    [PRT_OUCH_TAG_ROUTE] = 4,
    [PRT_OUCH_TAG_EXPIRE_TIME] = 4,
    [PRT_OUCH_TAG_TRADE_NOW] = 1,
    [PRT_OUCH_TAG_HANDLE_INST] = 1,
    [18] = 1, /* BBO Weight Indicator */
    [19] = 8, /* Reference Price */
    [20] = 1, /* Reference Price Type */
    [PRT_OUCH_TAG_DISPLAY_QUANTITY] = 4,
    [23] = 8, /* Display Price */
    [PRT_OUCH_TAG_GROUP_ID] = 2,
    [PRT_OUCH_TAG_SHARES_LOCATED] = 1,
    [26] = 4, /* LocateBroker */
    [PRT_OUCH_TAG_SIDE] = 1,
    [PRT_OUCH_TAG_USER_REF_INDEX] = 1,
    [PRT_OUCH_TAG_SELF_TRADE] = 1,
    [PRT_OUCH_TAG_SELF_TRADE_GROUP] = 2,
};

static uint8_t size_of_tag(uint8_t tag)
{
    return tag < sizeof tag_bytes ? tag_bytes[tag] : 0;
}

int64_t prt_ouch_next_element(const uint8_t *appendage, size_t count, prt_ouch_element *out)
{
    if (count == 0) {
        return 0;
    }
    /* The first byte counts the tag and the value. */
    uint8_t length = appendage[0];
    if (length == 0) {
        return RB_FORMAT;
    }
    if (count < 1 + (size_t)length) {
        return RB_FORMAT;
    }
    uint8_t expected = size_of_tag(appendage[1]);
    if (expected != 0 && expected != length - 1) {
        return RB_FORMAT;
    }
    out->tag = appendage[1];
    out->value = appendage + 2;
    out->value_bytes = (uint8_t)(length - 1);
    return 1 + (int64_t)length;
}

/* The appendage that ends a message: its length stands at `at`, the message ends at `count`. */
static int32_t decode_appendage(const uint8_t *payload, size_t at, size_t count,
                                prt_ouch_request *out)
{
    if (count < at + 2) {
        return RB_FORMAT;
    }
    uint16_t bytes = get_u16(payload + at);
    if (count != at + 2 + bytes) {
        return RB_FORMAT;
    }
    const uint8_t *appendage = payload + at + 2;
    prt_ouch_element element;
    size_t done = 0;
    while (done < bytes) {
        int64_t taken = prt_ouch_next_element(appendage + done, bytes - done, &element);
        if (taken < 0) {
            return (int32_t)taken;
        }
        done += (size_t)taken;
    }
    out->appendage = bytes == 0 ? NULL : appendage;
    out->appendage_bytes = bytes;
    return RB_OK;
}

static int32_t decode_enter(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    if (count < PRT_OUCH_ENTER_BYTES) {
        return RB_FORMAT;
    }
    out->user_ref = get_u32(payload + 1);
    out->side = payload[5];
    out->quantity = get_u32(payload + 6);
    memcpy(out->symbol, payload + 10, sizeof out->symbol);
    out->price = get_u64(payload + 18);
    out->time_in_force = payload[26];
    out->display = payload[27];
    out->capacity = payload[28];
    out->sweep = payload[29];
    out->cross_type = payload[30];
    memcpy(out->clordid, payload + 31, sizeof out->clordid);
    return decode_appendage(payload, PRT_OUCH_ENTER_BYTES - 2, count, out);
}

static int32_t decode_replace(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    if (count < PRT_OUCH_REPLACE_BYTES) {
        return RB_FORMAT;
    }
    out->original_user_ref = get_u32(payload + 1);
    out->user_ref = get_u32(payload + 5);
    out->quantity = get_u32(payload + 9);
    out->price = get_u64(payload + 13);
    out->time_in_force = payload[21];
    out->display = payload[22];
    out->sweep = payload[23];
    memcpy(out->clordid, payload + 24, sizeof out->clordid);
    return decode_appendage(payload, PRT_OUCH_REPLACE_BYTES - 2, count, out);
}

/* Messages that had no appendage before the revision of 2023 end at `at`, or go on with one. */
static int32_t decode_late_appendage(const uint8_t *payload, size_t at, size_t count,
                                     prt_ouch_request *out)
{
    return count == at ? RB_OK : decode_appendage(payload, at, count, out);
}

static int32_t decode_cancel(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    if (count < PRT_OUCH_CANCEL_BYTES) {
        return RB_FORMAT;
    }
    out->user_ref = get_u32(payload + 1);
    out->quantity = get_u32(payload + 5);
    return decode_late_appendage(payload, PRT_OUCH_CANCEL_BYTES, count, out);
}

static int32_t decode_modify(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    if (count < PRT_OUCH_MODIFY_BYTES) {
        return RB_FORMAT;
    }
    out->user_ref = get_u32(payload + 1);
    out->side = payload[5];
    out->quantity = get_u32(payload + 6);
    return decode_late_appendage(payload, PRT_OUCH_MODIFY_BYTES, count, out);
}

static int32_t decode_mass_cancel(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    if (count < PRT_OUCH_MASS_CANCEL_BYTES) {
        return RB_FORMAT;
    }
    out->user_ref = get_u32(payload + 1);
    memcpy(out->firm, payload + 5, sizeof out->firm);
    memcpy(out->symbol, payload + 9, sizeof out->symbol);
    return decode_appendage(payload, PRT_OUCH_MASS_CANCEL_BYTES - 2, count, out);
}

static int32_t decode_entry(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    if (count < PRT_OUCH_ENTRY_BYTES) {
        return RB_FORMAT;
    }
    out->user_ref = get_u32(payload + 1);
    memcpy(out->firm, payload + 5, sizeof out->firm);
    return decode_appendage(payload, PRT_OUCH_ENTRY_BYTES - 2, count, out);
}

int32_t prt_ouch_decode(const uint8_t *payload, size_t count, prt_ouch_request *out)
{
    memset(out, 0, sizeof *out);
    if (count == 0) {
        return RB_FORMAT;
    }
    out->kind = payload[0];
    switch (payload[0]) {
    case PRT_OUCH_ENTER:
        return decode_enter(payload, count, out);
    case PRT_OUCH_REPLACE:
        return decode_replace(payload, count, out);
    case PRT_OUCH_CANCEL:
        return decode_cancel(payload, count, out);
    case PRT_OUCH_MODIFY:
        return decode_modify(payload, count, out);
    case PRT_OUCH_MASS_CANCEL:
        return decode_mass_cancel(payload, count, out);
    case PRT_OUCH_DISABLE:
    case PRT_OUCH_ENABLE:
        return decode_entry(payload, count, out);
    case PRT_OUCH_QUERY:
        return decode_late_appendage(payload, PRT_OUCH_QUERY_BYTES, count, out);
    default:
        return RB_FORMAT;
    }
}

/* Type and timestamp, which begin every answer. */
static uint8_t *put_start(uint8_t *at, char type, uint64_t timestamp_ns)
{
    return put_u64(put_u8(at, (uint8_t)type), timestamp_ns);
}

static uint8_t *put_appendage(uint8_t *at, const uint8_t *appendage, uint16_t bytes)
{
    return put_bytes(put_u16(at, bytes), appendage, bytes);
}

size_t prt_ouch_encode_system_event(uint8_t *out, size_t room, const prt_ouch_system_event *message)
{
    if (room < PRT_OUCH_SYSTEM_EVENT_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'S', message->timestamp_ns);
    at = put_u8(at, message->event);
    return (size_t)(at - out);
}

/* From the side on, Accepted and Replaced are the same. */
static uint8_t *put_order(uint8_t *at, const prt_ouch_accepted *order)
{
    at = put_u8(at, order->side);
    at = put_u32(at, order->quantity);
    at = put_bytes(at, order->symbol, sizeof order->symbol);
    at = put_u64(at, order->price);
    at = put_u8(at, order->time_in_force);
    at = put_u8(at, order->display);
    at = put_u64(at, order->order_reference);
    at = put_u8(at, order->capacity);
    at = put_u8(at, order->sweep);
    at = put_u8(at, order->cross_type);
    at = put_u8(at, order->state);
    at = put_bytes(at, order->clordid, sizeof order->clordid);
    return put_appendage(at, order->appendage, order->appendage_bytes);
}

size_t prt_ouch_encode_accepted(uint8_t *out, size_t room, const prt_ouch_accepted *message)
{
    if (room < (size_t)PRT_OUCH_ACCEPTED_BYTES + message->appendage_bytes) {
        return 0;
    }
    uint8_t *at = put_start(out, 'A', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_order(at, message);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_replaced(uint8_t *out, size_t room, const prt_ouch_replaced *message)
{
    if (room < (size_t)PRT_OUCH_REPLACED_BYTES + message->order.appendage_bytes) {
        return 0;
    }
    uint8_t *at = put_start(out, 'U', message->order.timestamp_ns);
    at = put_u32(at, message->original_user_ref);
    at = put_u32(at, message->order.user_ref);
    at = put_order(at, &message->order);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_canceled(uint8_t *out, size_t room, const prt_ouch_canceled *message)
{
    if (room < PRT_OUCH_CANCELED_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'C', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u32(at, message->quantity);
    at = put_u8(at, message->reason);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_executed(uint8_t *out, size_t room, const prt_ouch_executed *message)
{
    if (room < (size_t)PRT_OUCH_EXECUTED_BYTES + message->appendage_bytes) {
        return 0;
    }
    uint8_t *at = put_start(out, 'E', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u32(at, message->quantity);
    at = put_u64(at, message->price);
    at = put_u8(at, message->liquidity);
    at = put_u64(at, message->match_number);
    at = put_appendage(at, message->appendage, message->appendage_bytes);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_broken(uint8_t *out, size_t room, const prt_ouch_broken *message)
{
    if (room < PRT_OUCH_BROKEN_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'B', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u64(at, message->match_number);
    at = put_u8(at, message->reason);
    at = put_bytes(at, message->clordid, sizeof message->clordid);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_corrected(uint8_t *out, size_t room, const prt_ouch_corrected *message)
{
    if (room < PRT_OUCH_CORRECTED_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'F', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u32(at, message->quantity);
    at = put_u64(at, message->price);
    at = put_u8(at, message->liquidity);
    at = put_u64(at, message->match_number);
    at = put_u8(at, message->reason);
    at = put_bytes(at, message->clordid, sizeof message->clordid);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_rejected(uint8_t *out, size_t room, const prt_ouch_rejected *message)
{
    if (room < PRT_OUCH_REJECTED_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'J', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u16(at, message->reason);
    at = put_bytes(at, message->clordid, sizeof message->clordid);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_cancel_reject(uint8_t *out, size_t room,
                                     const prt_ouch_cancel_reject *message)
{
    if (room < PRT_OUCH_CANCEL_REJECT_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'I', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_query_response(uint8_t *out, size_t room,
                                      const prt_ouch_query_response *message)
{
    if (room < PRT_OUCH_QUERY_RESPONSE_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'Q', message->timestamp_ns);
    at = put_u32(at, message->next_user_ref);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_aiq_canceled(uint8_t *out, size_t room, const prt_ouch_aiq_canceled *message)
{
    if (room < PRT_OUCH_AIQ_CANCELED_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'D', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u32(at, message->quantity);
    at = put_u8(at, 'Q');
    at = put_u32(at, message->prevented);
    at = put_u64(at, message->price);
    at = put_u8(at, message->liquidity);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_modified(uint8_t *out, size_t room, const prt_ouch_modified *message)
{
    if (room < PRT_OUCH_MODIFIED_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'M', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u8(at, message->side);
    at = put_u32(at, message->quantity);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_restated(uint8_t *out, size_t room, const prt_ouch_restated *message)
{
    if (room < (size_t)PRT_OUCH_RESTATED_BYTES + message->appendage_bytes) {
        return 0;
    }
    uint8_t *at = put_start(out, 'R', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_u8(at, message->reason);
    at = put_appendage(at, message->appendage, message->appendage_bytes);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_mass_cancel_response(uint8_t *out, size_t room,
                                            const prt_ouch_mass_cancel_response *message)
{
    if (room < PRT_OUCH_MASS_CANCEL_RESPONSE_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, 'X', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_bytes(at, message->firm, sizeof message->firm);
    at = put_bytes(at, message->symbol, sizeof message->symbol);
    at = put_u16(at, 0);
    return (size_t)(at - out);
}

size_t prt_ouch_encode_entry_response(uint8_t *out, size_t room,
                                      const prt_ouch_entry_response *message)
{
    if (room < PRT_OUCH_ENTRY_RESPONSE_BYTES) {
        return 0;
    }
    uint8_t *at = put_start(out, message->is_enabled ? 'K' : 'G', message->timestamp_ns);
    at = put_u32(at, message->user_ref);
    at = put_bytes(at, message->firm, sizeof message->firm);
    at = put_u16(at, 0);
    return (size_t)(at - out);
}

uint8_t prt_ouch_cancel_reason(uint8_t reason)
{
    switch (reason) {
    case RB_CANCEL_REASON_USER:
    case RB_CANCEL_REASON_MASS_CANCEL:
        return 'U';
    case RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL:
    case RB_CANCEL_REASON_FILL_OR_KILL:
    case RB_CANCEL_REASON_MINIMUM_QUANTITY:
    case RB_CANCEL_REASON_LEGS:
        return 'I';
    case RB_CANCEL_REASON_SELF_TRADE:
        return 'Q';
    case RB_CANCEL_REASON_COLLAR:
        return 'K';
    case RB_CANCEL_REASON_CROSS:
        return 'C';
    case RB_CANCEL_REASON_EXPIRED:
        return 'T';
    case RB_CANCEL_REASON_SUPERVISORY:
        return 'S';
    default:
        return 'Z';
    }
}

uint16_t prt_ouch_reject_reason(uint16_t reason)
{
    switch (reason) {
    case RB_REJECT_REASON_INVALID_DISPLAY:
        return 3;
    case RB_REJECT_REASON_INVALID_DISPLAY_QUANTITY:
        return 4; /* invalid max floor */
    case RB_REJECT_REASON_INVALID_PEG_TYPE:
        return 5;
    case RB_REJECT_REASON_FAT_FINGER:
        return 6;
    case RB_REJECT_REASON_INSTRUMENT_STATE:
    case RB_REJECT_REASON_DAY_CLOSED:
        return 7; /* halted */
    case RB_REJECT_REASON_INVALID_SIDE:
        return 9;
    case RB_REJECT_REASON_ORDER_CAPACITY:
    case RB_REJECT_REASON_PRICE_CAPACITY:
    case RB_REJECT_REASON_INVALID_PROPOSAL:
    case RB_REJECT_REASON_RISK_CAPACITY:
        return 10; /* processing error */
    case RB_REJECT_REASON_ENTRY_DISABLED:
    case RB_REJECT_REASON_UNKNOWN_FIRM:
    case RB_REJECT_REASON_UNKNOWN_OWNER:
    case RB_REJECT_REASON_KILLED:
    case RB_REJECT_REASON_RESTRICTED:
        return 12; /* firm not authorised */
    case RB_REJECT_REASON_INVALID_MINIMUM_QUANTITY:
        return 13;
    case RB_REJECT_REASON_PEGGING_NOT_SUPPORTED:
        return 17;
    case RB_REJECT_REASON_WOULD_TRADE:
        return 18; /* crossed market */
    case RB_REJECT_REASON_INVALID_QUANTITY:
    case RB_REJECT_REASON_OFF_LOT:
        return 19;
    case RB_REJECT_REASON_INVALID_CROSS:
    case RB_REJECT_REASON_STALE_CROSS:
        return 20;
    case RB_REJECT_REASON_UNKNOWN_ORDER:
        return 21; /* replace not allowed */
    case RB_REJECT_REASON_ROUTING_NOT_SUPPORTED:
        return 22;
    case RB_REJECT_REASON_UNKNOWN_INSTRUMENT:
        return 23;
    case RB_REJECT_REASON_RETAIL_NOT_SUPPORTED:
        return 26;
    case RB_REJECT_REASON_INVALID_PRICE:
    case RB_REJECT_REASON_OFF_TICK:
    case RB_REJECT_REASON_PRICE_COLLAR:
        return 29;
    case RB_REJECT_REASON_QUANTITY_EXCEEDED:
    case RB_REJECT_REASON_OPEN_LONG_LIMIT:
    case RB_REJECT_REASON_OPEN_SHORT_LIMIT:
    case RB_REJECT_REASON_NET_POSITION_LIMIT:
    case RB_REJECT_REASON_GROSS_POSITION_LIMIT:
    case RB_REJECT_REASON_TRADED_QUANTITY_LIMIT:
        return 30; /* shares exceed threshold */
    case RB_REJECT_REASON_NOTIONAL_EXCEEDED:
    case RB_REJECT_REASON_TRADED_NOTIONAL_LIMIT:
        return 31;
    default:
        return 15; /* other */
    }
}
