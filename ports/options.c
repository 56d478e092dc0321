#include "ports/options.h"

#include <string.h>

#include "ports/big_endian.h"
#include "ringbus/messages.h"

int prt_is_text(const char *text, size_t bytes)
{
    int found = 0;
    for (size_t n = 0; n < bytes; n++) {
        found |= text[n] != ' ' && text[n] != '\0';
    }
    return found;
}

/* Capitals: the account's orders do not meet (Nasdaq's MPID); small ones: those of the firm. */
int prt_self_trade_options(char letter)
{
    int firm = letter >= 'a' ? RB_ORDER_OPTION_SELF_TRADE_FIRM : 0;
    switch (letter) {
    case '\0':
    case ' ':
    case '*':
    case 'N':
        return 0;
    case 'O':
    case 'o':
        return firm | RB_ORDER_OPTION_SELF_TRADE_OLDEST;
    case 'W':
    case 'w':
        return firm | RB_ORDER_OPTION_SELF_TRADE_NEWEST;
    case 'D':
    case 'd':
    case 'Y':
    case 'y':
        return firm | RB_ORDER_OPTION_SELF_TRADE_DECREMENT;
    default:
        return -1;
    }
}

/* One of the letters, or `otherwise`. */
static uint16_t unless(char letter, const char *allowed, uint16_t otherwise)
{
    return letter != '\0' && strchr(allowed, letter) != NULL ? 0 : otherwise;
}

static uint16_t read_price_type(char letter)
{
    if (letter == 'L') {
        return 0;
    }
    return unless(letter, "PMRQ", RB_REJECT_REASON_INVALID_PEG_TYPE) != 0
               ? RB_REJECT_REASON_INVALID_PEG_TYPE
               : RB_REJECT_REASON_PEGGING_NOT_SUPPORTED;
}

static uint16_t read_handling(char letter, prt_options *out)
{
    out->handling = letter;
    if (unless(letter, "OTQR", 1) == 0) {
        return RB_REJECT_REASON_RETAIL_NOT_SUPPORTED;
    }
    return unless(letter, " I", RB_REJECT_REASON_NOT_SUPPORTED);
}

static uint16_t if_any(uint32_t number, uint16_t reason)
{
    return number != 0 ? reason : 0;
}

/* What the order is to be. Returns why that is not to be had, or 0. */
static uint16_t read_terms(const prt_ouch_element *element, prt_options *out)
{
    const uint8_t *value = element->value;
    switch (element->tag) {
    case PRT_OUCH_TAG_MIN_QUANTITY:
        out->minimum_quantity = get_u32(value);
        return 0;
    case PRT_OUCH_TAG_MAX_FLOOR:
        out->display_quantity = get_u32(value);
        out->given |= PRT_GIVEN_DISPLAY_QUANTITY;
        return 0;
    case PRT_OUCH_TAG_PRICE_TYPE:
        return read_price_type((char)value[0]);
    case PRT_OUCH_TAG_PEG_OFFSET:
    case PRT_OUCH_TAG_DISCRETION_PEG_OFFSET:
        return if_any(get_u32(value), RB_REJECT_REASON_PEGGING_NOT_SUPPORTED);
    case PRT_OUCH_TAG_DISCRETION_PRICE:
        return get_u64(value) != 0 ? RB_REJECT_REASON_NOT_SUPPORTED : 0;
    case PRT_OUCH_TAG_DISCRETION_PRICE_TYPE:
        return unless((char)value[0], "L ", RB_REJECT_REASON_PEGGING_NOT_SUPPORTED);
    case PRT_OUCH_TAG_POST_ONLY:
        out->post_only = (char)value[0];
        return unless(out->post_only, "PN", RB_REJECT_REASON_NOT_SUPPORTED);
    case PRT_OUCH_TAG_RANDOM_RESERVES:
        return if_any(get_u32(value), RB_REJECT_REASON_NOT_SUPPORTED);
    case PRT_OUCH_TAG_ROUTE:
        return prt_is_text((const char *)value, 4) ? RB_REJECT_REASON_ROUTING_NOT_SUPPORTED : 0;
    case PRT_OUCH_TAG_EXPIRE_TIME:
        out->expire_s = get_u32(value);
        return 0;
    case PRT_OUCH_TAG_TRADE_NOW:
        return unless((char)value[0], "N ", RB_REJECT_REASON_NOT_SUPPORTED);
    case PRT_OUCH_TAG_HANDLE_INST:
        return read_handling((char)value[0], out);
    default:
        return 0;
    }
}

/* Whose the order is. */
static uint16_t read_owner(const prt_ouch_element *element, prt_options *out)
{
    const uint8_t *value = element->value;
    switch (element->tag) {
    case PRT_OUCH_TAG_FIRM:
        memcpy(out->firm, value, sizeof out->firm);
        return 0;
    case PRT_OUCH_TAG_CUSTOMER_TYPE:
        out->customer_type = (char)value[0];
        return unless(out->customer_type, "RN ", RB_REJECT_REASON_NOT_SUPPORTED);
    case PRT_OUCH_TAG_GROUP_ID:
        out->group = get_u16(value);
        return 0;
    case PRT_OUCH_TAG_SHARES_LOCATED:
        out->shares_located = (char)value[0];
        return unless(out->shares_located, "YN", RB_REJECT_REASON_NOT_SUPPORTED);
    case PRT_OUCH_TAG_SIDE:
        out->side = (char)value[0];
        return unless(out->side, "BSTE", RB_REJECT_REASON_INVALID_SIDE);
    case PRT_OUCH_TAG_USER_REF_INDEX:
        return if_any(value[0], RB_REJECT_REASON_NOT_SUPPORTED);
    case PRT_OUCH_TAG_SELF_TRADE:
        out->self_trade = (char)value[0];
        return prt_self_trade_options(out->self_trade) < 0 ? RB_REJECT_REASON_NOT_SUPPORTED : 0;
    case PRT_OUCH_TAG_SELF_TRADE_GROUP:
        return prt_is_text((const char *)value, 2) ? RB_REJECT_REASON_NOT_SUPPORTED : 0;
    default:
        return 0;
    }
}

void prt_options_read(const prt_ouch_request *request, prt_options *out)
{
    memset(out, 0, sizeof *out);
    int has_display = request->kind == PRT_OUCH_ENTER || request->kind == PRT_OUCH_REPLACE;
    if (has_display) {
        out->fault = unless((char)request->display, "YNA", RB_REJECT_REASON_INVALID_DISPLAY);
    }
    prt_ouch_element element;
    for (size_t done = 0; done < request->appendage_bytes;) {
        int64_t taken = prt_ouch_next_element(request->appendage + done,
                                              request->appendage_bytes - done, &element);
        if (taken <= 0) {
            return;
        }
        uint16_t fault = read_terms(&element, out);
        fault = fault != 0 ? fault : read_owner(&element, out);
        out->fault = out->fault != 0 ? out->fault : fault;
        done += (size_t)taken;
    }
}
