#include "ports/orders.h"

#include <stdlib.h>
#include <string.h>

#include "ringbus/check.h"
#include "ringbus/table.h"

/* Slots per order of the limit, rounded up to a power of two: at twice the limit it is half full.
 */
enum { SLOTS_PER_ORDER = 4 };

static uint64_t home_of(const prt_orders *orders, uint64_t key)
{
    /* Fibonacci hashing: the high bits are the mixed ones. */
    return ((key * UINT64_C(0x9E3779B97F4A7C15)) >> 24) & orders->mask;
}

static uint64_t slots_for(uint32_t limit)
{
    uint64_t slots = 8;
    while (slots < (uint64_t)limit * SLOTS_PER_ORDER) {
        slots *= 2;
    }
    return slots;
}

uint64_t prt_orders_bytes(uint32_t limit)
{
    return slots_for(limit) * sizeof(prt_order);
}

int32_t prt_orders_init(prt_orders *orders, uint32_t limit)
{
    memset(orders, 0, sizeof *orders);
    if (limit == 0 || limit > PRT_ORDERS_MAX) {
        return RB_USAGE;
    }
    uint64_t slots = slots_for(limit);
    orders->slots = rb_table_make(slots, sizeof *orders->slots);
    orders->mask = slots - 1;
    orders->limit = limit;
    return orders->slots == NULL ? RB_SYSTEM : RB_OK;
}

void prt_orders_free(prt_orders *orders)
{
    free(orders->slots);
    orders->slots = NULL;
}

void prt_orders_populate(const prt_orders *orders, const uint32_t *stop)
{
    rb_table_populate(orders->slots, (orders->mask + 1) * sizeof *orders->slots, stop);
}

void prt_orders_ask(const prt_orders *orders, uint64_t key)
{
    __builtin_prefetch(&orders->slots[home_of(orders, key)], 1);
}

prt_order *prt_orders_find(const prt_orders *orders, uint64_t key)
{
    uint64_t place = home_of(orders, key);
    for (uint64_t n = 0; n <= orders->mask && orders->slots[place].key != 0; n++) {
        if (orders->slots[place].key == key) {
            return &orders->slots[place];
        }
        place = (place + 1) & orders->mask;
    }
    return NULL;
}

prt_order *prt_orders_add(prt_orders *orders, uint64_t key)
{
    if (orders->count > orders->mask / 2) {
        return NULL;
    }
    uint64_t place = home_of(orders, key);
    for (uint64_t n = 0; n <= orders->mask && orders->slots[place].key != 0; n++) {
        place = (place + 1) & orders->mask;
    }
    orders->count++;
    memset(&orders->slots[place], 0, sizeof orders->slots[place]);
    orders->slots[place].key = key;
    return &orders->slots[place];
}

/* Behind the gap, every order that could not be reached across it moves into it, and leaves the
 * next. */
void prt_orders_remove(prt_orders *orders, prt_order *order)
{
    uint64_t gap = (uint64_t)(order - orders->slots);
    uint64_t place = gap;
    for (uint64_t n = 0; n <= orders->mask; n++) {
        place = (place + 1) & orders->mask;
        if (orders->slots[place].key == 0) {
            break;
        }
        uint64_t home = home_of(orders, orders->slots[place].key);
        if (((place - home) & orders->mask) >= ((place - gap) & orders->mask)) {
            orders->slots[gap] = orders->slots[place];
            gap = place;
        }
    }
    orders->slots[gap].key = 0;
    orders->count--;
}

int32_t prt_orders_valid(const prt_orders *orders)
{
    uint32_t count = 0;
    for (uint64_t place = 0; place <= orders->mask; place++) {
        if (orders->slots[place].key != 0) {
            RB_CHECK(prt_orders_find(orders, orders->slots[place].key) == &orders->slots[place]);
            RB_CHECK(orders->slots[place].remaining > 0);
            count++;
        }
    }
    RB_CHECK(count == orders->count);
    return RB_OK;
}
