/*
 * Outbox: the messages that one session is shown, in order, as places on the stream.
 *
 * Client's message n is the n-th entry, the first is 1: an entry is the stream sequence of the line
 * that the message is made from, so a day of a session costs 8 bytes a message, and what is sent
 * live, at login and to a slow reader is made in one way. Entries lie in chunks from one bounded
 * pool.
 *
 * Who: one thread. Progress: append and at are O(1), seek walks the chunks. No allocation after
 * init. Crash: private memory, rebuilt from the stream.
 */
#ifndef PORTS_OUTBOX_H
#define PORTS_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/status.h"

#define PRT_CHUNK_MESSAGES 255u
/* The number of no session and of no connection. */
#define PRT_NONE UINT32_MAX

typedef struct prt_chunk {
    struct prt_chunk *next;
    uint64_t sequences[PRT_CHUNK_MESSAGES];
} prt_chunk;

/* Where the chunks of all sessions of a port come from; they are never given back. */
typedef struct prt_pool {
    prt_chunk *chunks;
    uint32_t capacity;
    uint32_t used;
    uint32_t reserve; /* kept for what cannot be refused: executions, cancels, system events */
} prt_pool;

typedef struct prt_outbox {
    prt_chunk *first;
    prt_chunk *last;
    uint64_t count; /* messages, and the number of the last */
} prt_outbox;

/* A connection's own place. */
typedef struct prt_cursor {
    const prt_chunk *chunk; /* that holds `next`; NULL: not known, or not there yet */
    uint64_t next;          /* number of the next message to send, first is 1 */
} prt_cursor;

/* Bytes of memory that prt_pool_init takes. */
uint64_t prt_pool_bytes(uint64_t messages, uint32_t outboxes);
/* Chunks for `messages` of up to `outboxes` sessions. RB_USAGE, RB_SYSTEM: no memory. */
int32_t prt_pool_init(prt_pool *pool, uint64_t messages, uint32_t outboxes);
void prt_pool_free(prt_pool *pool);
/* Whether only the reserve is left: what can be refused should be. */
int prt_pool_is_low(const prt_pool *pool);
/* Asks for the line that the next append writes: a hint. */
static inline void prt_outbox_ask(const prt_outbox *outbox)
{
    if (outbox->last != NULL) {
        __builtin_prefetch(&outbox->last->sequences[outbox->count % PRT_CHUNK_MESSAGES], 1);
    }
}
/* RB_FULL: no chunk is left. */
int32_t prt_outbox_append(prt_outbox *outbox, prt_pool *pool, uint64_t sequence);
/* Sets the place to message `next`, 1..count + 1. */
void prt_outbox_seek(const prt_outbox *outbox, prt_cursor *cursor, uint64_t next);
/* Stream sequence of the message at the cursor; 0: it is behind the last. */
uint64_t prt_outbox_at(const prt_outbox *outbox, prt_cursor *cursor);
void prt_outbox_advance(prt_cursor *cursor);

#endif
