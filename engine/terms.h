/*
 * Terms: what a NewOrder or Replace asks for, all lines of it together, and the checks of it
 * (engine/README.md), in their order. For the files of the book only.
 */
#ifndef ENGINE_TERMS_H
#define ENGINE_TERMS_H

#include "engine/book_state.h"

/* Why a proposal is refused: a value of enum rb_reject_reason, or this. */
#define ENG_ACCEPTED 0u

typedef struct eng_request {
    uint32_t quantity;
    int32_t price_ticks;
    uint32_t display_quantity; /* 0: all of it */
    uint32_t minimum_quantity; /* 0: any */
    uint8_t side;
    uint8_t time_in_force;
    uint8_t options; /* enum rb_order_option */
    uint8_t auction; /* enum rb_auction_option */
} eng_request;

/* Sets of times in force, by their number: Day, GoodTillCancel and GoodTillTime rest, AtOpening and
 * AtClose are held, ImmediateOrCancel and FillOrKill do neither. */
#define ENG_FORCE(time_in_force) (UINT32_C(1) << (time_in_force))
#define ENG_FORCES_RESTING                                                                         \
    (ENG_FORCE(RB_TIME_IN_FORCE_DAY) | ENG_FORCE(RB_TIME_IN_FORCE_GOOD_TILL_CANCEL) |              \
     ENG_FORCE(RB_TIME_IN_FORCE_GOOD_TILL_TIME))
#define ENG_FORCES_HELD                                                                            \
    (ENG_FORCE(RB_TIME_IN_FORCE_AT_OPENING) | ENG_FORCE(RB_TIME_IN_FORCE_AT_CLOSE))
#define ENG_FORCES_IMMEDIATE                                                                       \
    (ENG_FORCE(RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL) | ENG_FORCE(RB_TIME_IN_FORCE_FILL_OR_KILL))

static inline int eng_force_in(uint32_t forces, uint8_t time_in_force)
{
    return time_in_force < 8 && (forces >> time_in_force & 1) != 0;
}

static inline uint16_t eng_quantity_reason(uint32_t quantity, int32_t price_ticks)
{
    if (quantity == 0) {
        return RB_REJECT_REASON_INVALID_QUANTITY;
    }
    return price_ticks < 1 || price_ticks > ENG_PRICE_TICKS_MAX ? RB_REJECT_REASON_INVALID_PRICE
                                                                : ENG_ACCEPTED;
}

static inline int eng_is_immediate(uint8_t time_in_force)
{
    return eng_force_in(ENG_FORCES_IMMEDIATE, time_in_force);
}

static inline int eng_is_for_cross(uint8_t time_in_force)
{
    return eng_force_in(ENG_FORCES_HELD, time_in_force);
}

/* Whether the self-trade options name one way, or none at all. */
int eng_is_self_trade_clear(uint8_t options);
/* The line of terms of a well-formed group, NULL if it has none. */
const rb_order_terms *eng_group_terms(const eng_group *group);
/* All checks of a NewOrder behind the instrument's; ENG_ACCEPTED or a RejectReason. A price that
 * slides is moved in the request. */
uint16_t eng_new_order_reason(const eng_book *book, const rb_new_order *line,
                              const rb_order_terms *terms, eng_request *request);
/* All checks of a Replace behind the order's. */
uint16_t eng_replace_reason(const eng_book *book, const rb_replace *line, eng_request *request);

#endif
