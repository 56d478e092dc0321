/*
 * What a book is made of; for book.c and audit.c only.
 *
 * An order is in one of three states: free (in the free list), open (in the queue of its level), or
 * held (taken out of the free list for the incoming order of a pending answer). `side` is zero but
 * for open ones.
 */
#ifndef ENGINE_BOOK_STATE_H
#define ENGINE_BOOK_STATE_H

#include "engine/book.h"
#include "engine/ladder.h"

typedef struct eng_order {
    uint32_t next; /* towards the back of the queue; of a free order: the next free one */
    uint32_t prev;
    uint32_t quantity; /* open */
    int32_t price_ticks;
    uint32_t client_order_id;
    uint32_t instrument;
    uint16_t topic;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t reserved;
} eng_order;

_Static_assert(sizeof(eng_order) == 32, "two orders a cache line");

/* The order that is being matched. */
typedef struct eng_incoming {
    uint64_t time_ns;
    uint32_t input; /* low bits of the input number, the lines' checksum field */
    uint32_t instrument;
    int32_t price_ticks;
    uint32_t quantity; /* not yet traded */
    uint32_t locate;   /* ENG_LOCATE_NONE: it cannot rest and came without one */
    uint32_t client_order_id;
    uint16_t topic;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t time_in_force;
} eng_incoming;

enum eng_book_state {
    ENG_BOOK_IDLE = 0,
    ENG_BOOK_PENDING = 1,
    ENG_BOOK_FAILED = 2,
};

struct eng_book {
    eng_order *orders; /* orders[0] is not used */
    eng_ladder *ladders;
    eng_nodes nodes;
    uint32_t instrument_count;
    uint32_t order_count;
    uint32_t free_head; /* of the orders: last freed, first taken */
    uint32_t free_count;
    uint32_t state; /* enum eng_book_state */
    eng_incoming incoming;
    uint64_t arena_bytes;
    void *arena;
};

/* The side's place in eng_ladder's arrays: 0 bid, 1 ask. */
static inline uint32_t eng_side_index(uint8_t side)
{
    return (uint32_t)side - RB_SIDE_BUY;
}

/* Whether prices get worse going up: they do for sells. */
static inline int eng_side_up(uint8_t side)
{
    return side == RB_SIDE_SELL;
}

#endif
