/*
 * Terms: what a request makes of an order, checked against its instrument and its session.
 *
 * The port's own checks: symbol, side, lot, most of one order, price collar and tick, time in
 * force, options, and the session's limit of notional. What only the book knows (the instrument's
 * state, whether a post-only order would trade) is the book's to refuse.
 *
 * Who: one thread. Progress: bounded. Crash: nothing is kept.
 */
#ifndef PORTS_TERMS_H
#define PORTS_TERMS_H

#include "ports/proposal.h"

/* OUCH's price of a market order. */
#define PRT_MARKET_PRICE UINT64_C(0x7FFFFFFF)

typedef struct prt_terms {
    uint64_t expire_time_ns;
    int32_t price_ticks;
    uint32_t quantity; /* open, once it is in */
    uint32_t display_quantity;
    uint32_t minimum_quantity;
    uint16_t group;
    uint8_t time_in_force;
    uint8_t options;
    uint8_t auction;
    char side; /* the client's letter */
    /* Said again as the client said it. */
    char letter; /* time in force of an order for a cross */
    char customer_type;
    char shares_located;
    char self_trade;
    char firm[4];
} prt_terms;

/* Terms of a new order (`before` NULL) or of one that is replaced. 0, or enum rb_reject_reason;
 * `out` is undefined then. */
uint16_t prt_terms_read(const prt_instrument *instrument, const prt_party *party,
                        const prt_request *request, const prt_order *before, prt_terms *out);
/* Those that the order has now, but for its quantity. */
void prt_terms_keep(const prt_order *order, prt_terms *out);
/* Whether an OrderTerms line must say them: the first line does not. */
int prt_terms_need_line(const prt_terms *terms, const prt_order *before);
/* 0, or why an order of this instrument may not have this quantity. */
uint16_t prt_terms_quantity_fault(const prt_instrument *instrument, uint32_t quantity);
/* enum rb_side of a client's letter; 0: it is none. */
uint8_t prt_side_of(char letter);

#endif
