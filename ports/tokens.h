/*
 * Tokens: OUCH 4.2's names of orders, 14 characters that a client chooses, and the numbers that the
 * port gives them on the stream.
 *
 * All tokens of a day are kept, of both ways: a token that was used is a resend, and what happened
 * to an order is told under its token, at a replay in the evening too.
 *
 * Who: one thread. Progress: a look-up is bounded by the table, which is at most half full. No
 * allocation after init. Crash: private memory, rebuilt from the tags on the stream.
 */
#ifndef PORTS_TOKENS_H
#define PORTS_TOKENS_H

#include <stdint.h>

#include "ringbus/status.h"

#define PRT_TOKEN_BYTES 14u
#define PRT_TOKENS_MAX (UINT32_C(1) << 28)

typedef struct prt_token {
    char text[PRT_TOKEN_BYTES];
    uint16_t topic;
    uint32_t client_order_id;
} prt_token;

typedef struct prt_tokens {
    prt_token *entries;
    uint32_t *by_text; /* slot to entry + 1; 0: free */
    uint32_t *by_number;
    uint32_t mask;
    uint32_t count;
    uint32_t capacity;
} prt_tokens;

/* Bytes of memory that prt_tokens_init takes. */
uint64_t prt_tokens_bytes(uint32_t capacity);
/* Room for `capacity`, 0 for a port without OUCH 4.2. RB_USAGE, RB_SYSTEM: no memory. */
int32_t prt_tokens_init(prt_tokens *tokens, uint32_t capacity);
void prt_tokens_free(prt_tokens *tokens);
/* The order's number, 0: the session has never used the token. */
uint32_t prt_tokens_find(const prt_tokens *tokens, uint16_t topic, const char *text);
/* The token of an order, NULL: it has none. */
const char *prt_tokens_text(const prt_tokens *tokens, uint16_t topic, uint32_t client_order_id);
/* Adds one that is not there. RB_FULL. */
int32_t prt_tokens_add(prt_tokens *tokens, uint16_t topic, const char *text,
                       uint32_t client_order_id);

#endif
