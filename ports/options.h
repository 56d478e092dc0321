/*
 * Options: what the appendage of an OUCH 5.0 request asks for, and what of it is not offered.
 *
 * OUCH 4.2 says the same in fields of its own (ports/ouch42.h fills in the same struct). Here as in
 * ports/ouch.h nothing is known of instruments or orders.
 *
 * Who: any thread. Progress: bounded by the appendage. Crash: nothing is kept.
 */
#ifndef PORTS_OPTIONS_H
#define PORTS_OPTIONS_H

#include "ports/ouch.h"

/* What was said, where not saying it is something else than zero. */
enum prt_given {
    PRT_GIVEN_DISPLAY_QUANTITY = 1,
};

/* Letters as the client sent them, zero for what it did not say. */
typedef struct prt_options {
    uint32_t minimum_quantity;
    uint32_t display_quantity;
    uint32_t expire_s; /* seconds to live */
    uint16_t group;
    uint16_t fault; /* enum rb_reject_reason of the first one that is not offered; 0 */
    uint8_t given;  /* enum prt_given */
    char post_only;
    char handling; /* 'I' imbalance only */
    char self_trade;
    char customer_type;
    char shares_located;
    char side;
    char firm[4];
} prt_options;

/* Reads the options of a request that prt_ouch_decode took. */
void prt_options_read(const prt_ouch_request *request, prt_options *out);
/* Whether a text has anything but spaces and zeros. */
int prt_is_text(const char *text, size_t bytes);
/* Bits of enum rb_order_option for a letter of self-trade prevention; -1: there is no such. */
int prt_self_trade_options(char letter);

#endif
