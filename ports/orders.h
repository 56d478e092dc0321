/*
 * Orders: the open orders of a port's sessions, found by session and client's number.
 *
 * An open-addressed table, at most half full, with linear probing; a removal closes the gap, so
 * there are no tombstones and the table of a long day is as quick as a fresh one. A slot has what
 * the search needs, eight of them a line; the record lies apart, a line each, and the one that was
 * freed last is taken first. So an order costs two misses, of which both can be asked for ahead,
 * and what is open lies together.
 *
 *     key --> slots: mixed | number --> records: key, terms
 *
 * Who: one thread. Progress: bounded by the size of the table, a few steps on average. No
 * allocation after init. Crash: private memory, rebuilt from the stream.
 */
#ifndef PORTS_ORDERS_H
#define PORTS_ORDERS_H

#include <stdint.h>

#include "ringbus/status.h"

#define PRT_ORDERS_MAX (UINT32_C(1) << 28)

/* An open order as its client sees it. */
typedef struct prt_order {
    uint64_t key; /* prt_order_key; 0: a free record */
    uint64_t expire_time_ns;
    uint32_t instrument;
    uint32_t locate;
    uint32_t executed;
    uint32_t remaining;
    uint32_t display_quantity;
    int32_t price_ticks;
    char original_side;
    char capacity;
    char cross_type;
    char display;
    char sweep;
    uint8_t time_in_force;
    uint8_t options; /* enum rb_order_option */
    uint8_t auction;
    uint32_t next; /* of a free record: the one that was freed before it; 0: none */
    uint32_t reserved[3];
} prt_order;

_Static_assert(sizeof(prt_order) == 64, "a line");

typedef struct prt_order_slot {
    uint32_t mixed;  /* from the key: where the search for it begins, and whose it may be */
    uint32_t number; /* of the record; 0: free */
} prt_order_slot;

typedef struct prt_orders {
    prt_order_slot *slots;
    prt_order *records; /* the first is none */
    uint64_t mask;
    uint32_t count;
    uint32_t used; /* records that have ever been taken */
    uint32_t free; /* the record that was freed last; 0: none */
    uint32_t
        limit; /* the port refuses new orders from here on; the table has room for twice as many */
} prt_orders;

/* Topics of sessions begin at 1, so no key is 0. */
static inline uint64_t prt_order_key(uint16_t topic, uint32_t client_order_id)
{
    return (uint64_t)topic << 32 | client_order_id;
}

/* Bytes of memory that prt_orders_init takes. */
uint64_t prt_orders_bytes(uint32_t limit);
/* RB_USAGE, RB_SYSTEM: no memory. */
int32_t prt_orders_init(prt_orders *orders, uint32_t limit);
void prt_orders_free(prt_orders *orders);
/* rb_table_populate: any order may be the first in its page. */
void prt_orders_populate(const prt_orders *orders, const uint32_t *stop);
/* Asks for the line where the search for `key` will begin: a hint, some messages ahead. */
void prt_orders_ask(const prt_orders *orders, uint64_t key);
/* The same for the record that this line names, if it has come. */
void prt_orders_ask_more(const prt_orders *orders, uint64_t key);
/* The order, or NULL. Valid until it is removed. */
prt_order *prt_orders_find(const prt_orders *orders, uint64_t key);
/* A zeroed record under `key`, which must not be there. NULL: the table is full. */
prt_order *prt_orders_add(prt_orders *orders, uint64_t key);
void prt_orders_remove(prt_orders *orders, prt_order *order);
/* Whether every order is found where it is and the count is right. RB_OK, RB_CORRUPT. */
int32_t prt_orders_valid(const prt_orders *orders);

#endif
