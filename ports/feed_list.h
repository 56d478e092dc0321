/*
 * Feed's lists: the orders of one instrument that rest, and those that are held.
 *
 * Doubly linked by locate through the orders themselves, which all lie in one shard; locate 0 is
 * none. For the files of the feed only.
 */
#ifndef PORTS_FEED_LIST_H
#define PORTS_FEED_LIST_H

#include "ports/feed.h"

static inline void feed_list_append(prt_feed_order *orders, prt_feed_list *list, uint32_t locate)
{
    orders[locate].next = 0;
    orders[locate].prev = list->tail;
    if (list->tail != 0) {
        orders[list->tail].next = locate;
    } else {
        list->head = locate;
    }
    list->tail = locate;
}

static inline void feed_list_remove(prt_feed_order *orders, prt_feed_list *list, uint32_t locate)
{
    const prt_feed_order *order = &orders[locate];
    if (order->prev != 0) {
        orders[order->prev].next = order->next;
    } else {
        list->head = order->next;
    }
    if (order->next != 0) {
        orders[order->next].prev = order->prev;
    } else {
        list->tail = order->prev;
    }
}

/* Sorts a list as the engine lines orders up for an auction: displayed bids, displayed asks, hidden
 * bids, hidden asks, each from the best price on; of equals the earlier stays before the later. */
void prt_feed_list_sort(prt_feed_order *orders, prt_feed_list *list, uint32_t order_count);

#endif
