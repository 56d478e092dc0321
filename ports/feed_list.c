#include "ports/feed_list.h"

/* A run in slot n has 2^n orders: there are no more than 2^28. */
enum { RUN_SLOTS = 30 };

/* Less is earlier. */
static uint64_t rank_of(const prt_feed_order *order)
{
    uint64_t place = (uint64_t)(order->hidden != 0) << 1 | (order->side != RB_SIDE_BUY);
    uint32_t price = (uint32_t)order->price_ticks;
    return place << 32 | (order->side == RB_SIDE_BUY ? UINT32_MAX - price : price);
}

/* Merges two chains into one; of equals, those of `first` come first. */
static uint32_t merge(prt_feed_order *orders, uint32_t first, uint32_t second)
{
    uint32_t head = 0;
    uint32_t *link = &head;
    while (first != 0 && second != 0) {
        int takes_second = rank_of(&orders[second]) < rank_of(&orders[first]);
        uint32_t *from = takes_second ? &second : &first;
        *link = *from;
        link = &orders[*from].next;
        *from = *link;
    }
    *link = first != 0 ? first : second;
    return head;
}

void prt_feed_list_sort(prt_feed_order *orders, prt_feed_list *list, uint32_t order_count)
{
    uint32_t runs[RUN_SLOTS] = {0};
    uint32_t locate = list->head;
    for (uint32_t n = 0; n < order_count && locate != 0; n++) {
        uint32_t run = locate;
        locate = orders[run].next;
        orders[run].next = 0;
        uint32_t slot = 0;
        for (; slot < RUN_SLOTS - 1 && runs[slot] != 0; slot++) {
            run = merge(orders, runs[slot], run);
            runs[slot] = 0;
        }
        runs[slot] = run;
    }
    uint32_t sorted = 0;
    for (uint32_t slot = 0; slot < RUN_SLOTS; slot++) {
        sorted = merge(orders, runs[slot], sorted);
    }
    *list = (prt_feed_list){.head = sorted, .tail = 0};
    for (uint32_t n = 0; n < order_count && sorted != 0; n++) {
        orders[sorted].prev = list->tail;
        list->tail = sorted;
        sorted = orders[sorted].next;
    }
}
