#include "ports/orders.h"

#include <string.h>

#include "ringbus/check.h"
#include "ringbus/table.h"

/* Slots per order of the limit, rounded up to a power of two: at twice the limit it is half full.
 */
enum { SLOTS_PER_ORDER = 4 };

static uint32_t mixed_of(uint64_t key)
{
    /* Fibonacci hashing: the high bits are the mixed ones. */
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static uint64_t slots_for(uint32_t limit)
{
    uint64_t slots = 8;
    while (slots < (uint64_t)limit * SLOTS_PER_ORDER) {
        slots *= 2;
    }
    return slots;
}

/* As many as half the slots, and the one that is none. */
static uint64_t records_for(uint64_t slots)
{
    return slots / 2 + 1;
}

uint64_t prt_orders_bytes(uint32_t limit)
{
    uint64_t slots = slots_for(limit);
    return slots * sizeof(prt_order_slot) + records_for(slots) * sizeof(prt_order);
}

int32_t prt_orders_init(prt_orders *orders, uint32_t limit)
{
    memset(orders, 0, sizeof *orders);
    if (limit == 0 || limit > PRT_ORDERS_MAX) {
        return RB_USAGE;
    }
    uint64_t slots = slots_for(limit);
    orders->slots = rb_table_make(slots, sizeof *orders->slots);
    orders->records = rb_table_make(records_for(slots), sizeof *orders->records);
    orders->mask = slots - 1;
    orders->limit = limit;
    return orders->slots == NULL || orders->records == NULL ? RB_SYSTEM : RB_OK;
}

void prt_orders_free(prt_orders *orders)
{
    rb_table_free(orders->slots);
    rb_table_free(orders->records);
    orders->slots = NULL;
    orders->records = NULL;
}

void prt_orders_populate(const prt_orders *orders, const uint32_t *stop)
{
    uint64_t slots = orders->mask + 1;
    rb_table_populate(orders->slots, slots * sizeof *orders->slots, stop);
    rb_table_populate(orders->records, records_for(slots) * sizeof *orders->records, stop);
}

void prt_orders_ask(const prt_orders *orders, uint64_t key)
{
    __builtin_prefetch(&orders->slots[mixed_of(key) & orders->mask], 1);
}

void prt_orders_ask_more(const prt_orders *orders, uint64_t key)
{
    const prt_order_slot *slot = &orders->slots[mixed_of(key) & orders->mask];
    __builtin_prefetch(&orders->records[slot->number], 1);
}

prt_order *prt_orders_find(const prt_orders *orders, uint64_t key)
{
    uint32_t mixed = mixed_of(key);
    uint64_t place = mixed & orders->mask;
    for (uint64_t n = 0; n <= orders->mask && orders->slots[place].number != 0; n++) {
        if (orders->slots[place].mixed == mixed) {
            prt_order *order = &orders->records[orders->slots[place].number];
            if (order->key == key) {
                return order;
            }
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
    uint32_t mixed = mixed_of(key);
    uint64_t place = mixed & orders->mask;
    for (uint64_t n = 0; n <= orders->mask && orders->slots[place].number != 0; n++) {
        place = (place + 1) & orders->mask;
    }
    uint32_t number = orders->free;
    if (number == 0) {
        number = ++orders->used;
    } else {
        orders->free = orders->records[number].next;
    }
    orders->slots[place] = (prt_order_slot){.mixed = mixed, .number = number};
    orders->count++;
    prt_order *order = &orders->records[number];
    memset(order, 0, sizeof *order);
    order->key = key;
    return order;
}

/* Behind the gap, every order that could not be reached across it moves into it, and leaves the
 * next. */
static void close_gap(prt_orders *orders, uint64_t gap)
{
    uint64_t place = gap;
    for (uint64_t n = 0; n <= orders->mask; n++) {
        place = (place + 1) & orders->mask;
        if (orders->slots[place].number == 0) {
            break;
        }
        uint64_t home = orders->slots[place].mixed & orders->mask;
        if (((place - home) & orders->mask) >= ((place - gap) & orders->mask)) {
            orders->slots[gap] = orders->slots[place];
            gap = place;
        }
    }
    orders->slots[gap] = (prt_order_slot){0};
}

void prt_orders_remove(prt_orders *orders, prt_order *order)
{
    uint32_t number = (uint32_t)(order - orders->records);
    uint64_t place = mixed_of(order->key) & orders->mask;
    for (uint64_t n = 0; n <= orders->mask && orders->slots[place].number != number; n++) {
        place = (place + 1) & orders->mask;
    }
    close_gap(orders, place);
    order->key = 0;
    order->next = orders->free;
    orders->free = number;
    orders->count--;
}

int32_t prt_orders_valid(const prt_orders *orders)
{
    uint32_t count = 0;
    for (uint64_t place = 0; place <= orders->mask; place++) {
        if (orders->slots[place].number != 0) {
            RB_CHECK(orders->slots[place].number <= orders->used);
            const prt_order *order = &orders->records[orders->slots[place].number];
            RB_CHECK(prt_orders_find(orders, order->key) == order);
            RB_CHECK(order->remaining > 0);
            count++;
        }
    }
    RB_CHECK(count == orders->count);
    uint32_t free_count = 0;
    for (uint32_t number = orders->free; number != 0; number = orders->records[number].next) {
        RB_CHECK(number <= orders->used);
        RB_CHECK(orders->records[number].key == 0);
        RB_CHECK(++free_count <= orders->used);
    }
    RB_CHECK(count + free_count == orders->used);
    return RB_OK;
}
