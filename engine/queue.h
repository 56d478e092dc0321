/*
 * Queue: where the orders of a book are, and the only ways to move them.
 *
 * Places: the pool's free list, the queue of a price in the displayed or the hidden ladder, the
 * instrument's held list. Each mover takes an order from exactly one place; the counts of both
 * ladders, the best prices and the nodes of the tries go with it. Nothing is written to a sink
 * here, and `changes` is not counted: the lines are (engine/answer.h).
 *
 * For the files of the book only. Inline, since the plain path is a few instructions each.
 */
#ifndef ENGINE_QUEUE_H
#define ENGINE_QUEUE_H

#include "engine/book_state.h"
#include "ringbus/check.h"

/* --- the pool -------------------------------------------------------------------------------- */

/* There must be a free one: free_head. */
static inline uint32_t eng_order_take(eng_book *book)
{
    uint32_t locate = book->free_head;
    book->free_head = book->orders[locate].links.next;
    book->free_count--;
    return locate;
}

/* Gives back the record of an order that is in no queue. */
static inline void eng_order_release(eng_book *book, uint32_t locate)
{
    eng_order *order = &book->orders[locate];
    order->side = 0;
    order->links.next = book->free_head;
    book->free_head = locate;
    book->free_count++;
}

/* The open order that a Cancel or Replace names, NULL if it is not the sender's. */
static inline eng_order *eng_order_named(const eng_book *book, const rb_message *message,
                                         uint32_t client_order_id)
{
    /* Order 0 is there to be looked at, and is nobody's. */
    uint32_t locate = message->cancel.locate;
    if (locate > book->order_count) {
        return NULL;
    }
    eng_order *order = &book->orders[locate];
    uint32_t differs = (order->client_order_id ^ client_order_id) |
                       (order->instrument ^ message->cancel.instrument) |
                       (uint32_t)(order->topic ^ message->header.topic);
    return (differs | (uint32_t)(order->side == 0)) == 0 ? order : NULL;
}

/* --- quantity -------------------------------------------------------------------------------- */

/* All of it, reserve included. */
static inline uint32_t eng_order_open(const eng_book *book, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    if (__builtin_expect((order->options & ENG_ORDER_RESERVE) != 0, 0)) {
        return order->quantity + book->terms[locate].reserve;
    }
    return order->quantity;
}

/* Takes quantity (1 to open) off the reserve first, then off what is shown. Nothing left: the order
 * has to be unlinked and released by the caller. */
static inline void eng_order_reduce(eng_book *book, uint32_t locate, uint32_t quantity)
{
    eng_order *order = &book->orders[locate];
    if (__builtin_expect((order->options & ENG_ORDER_RESERVE) != 0, 0)) {
        uint32_t *reserve = &book->terms[locate].reserve;
        uint32_t unseen = quantity < *reserve ? quantity : *reserve;
        *reserve -= unseen;
        quantity -= unseen;
    }
    order->quantity -= quantity;
}

/* --- queues of prices ------------------------------------------------------------------------ */

static inline eng_ladder *eng_ladder_hidden(const eng_book *book, uint32_t instrument)
{
    return &book->asides[instrument].hidden;
}

/* Whether the pool of nodes has what a price needs in the displayed or hidden ladder. Freeing n
 * nodes makes at most n more of them missing, so what is enough stays enough. */
static inline int eng_price_has_room(const eng_book *book, uint32_t instrument, int32_t price_ticks,
                                     int hidden)
{
    if (book->nodes.free_count >= ENG_LADDER_DEPTHS) {
        return 1;
    }
    const eng_ladder *ladder =
        hidden ? eng_ladder_hidden(book, instrument) : &book->ladders[instrument];
    return book->nodes.free_count >= eng_ladder_missing(&book->nodes, ladder, price_ticks);
}

#define ENG_LINKS_AN_ORDER ((uint32_t)(sizeof(eng_order) / sizeof(eng_links)))

/* What links to an order in its queue. */
static inline uint32_t eng_link_to(uint32_t locate)
{
    return locate * ENG_LINKS_AN_ORDER;
}

/* An order's links, or a level's. */
static inline eng_links *eng_links_at(const eng_book *book, uint32_t link)
{
    return (eng_links *)(void *)book->orders + link;
}

/* The order that a link leads to, ENG_LOCATE_NONE if it is the level. */
static inline uint32_t eng_link_locate(const eng_book *book, uint32_t link)
{
    return link < book->nodes.links ? link / ENG_LINKS_AN_ORDER : ENG_LOCATE_NONE;
}

/* The oldest order of a level that has one. */
static inline uint32_t eng_level_head(const eng_links *level)
{
    return level->next / ENG_LINKS_AN_ORDER;
}

/* The order behind a queued or held one, ENG_LOCATE_NONE if it is the last. */
static inline uint32_t eng_order_behind(const eng_book *book, const eng_order *order)
{
    uint32_t next = order->links.next;
    return (order->options & ENG_ORDER_HELD) != 0 ? next : eng_link_locate(book, next);
}

/* Links an order to the back of a level. */
static inline void eng_links_append(const eng_book *book, uint32_t level, eng_links *order,
                                    uint32_t link)
{
    eng_links *end = eng_level_at(&book->nodes, level);
    uint32_t last = end->prev;
    *order = (eng_links){.next = book->nodes.links + level, .prev = last};
    eng_links_at(book, last)->next = link;
    end->prev = link;
}

/* A side has an order at a price: perhaps its best. */
static inline void eng_ladder_improve(eng_ladder *ladder, uint8_t side, int32_t price_ticks)
{
    uint32_t index = eng_side_index(side);
    int32_t best = ladder->best[index];
    ladder->best[index] = eng_is_better(side, price_ticks, best) ? price_ticks : best;
}

/* An order at a level that it was linked to: the side's count and best price. */
static inline void eng_ladder_count(eng_ladder *ladder, uint8_t side, int32_t price_ticks)
{
    ladder->orders[eng_side_index(side)]++;
    eng_ladder_improve(ladder, side, price_ticks);
}

/* Links an order whose record is filled in to the back of its price in one ladder. */
static inline int32_t eng_ladder_append(eng_book *book, eng_ladder *ladder, uint32_t locate)
{
    eng_order *order = &book->orders[locate];
    uint32_t level = eng_ladder_enter(&book->nodes, ladder, order->price_ticks);
    RB_CHECK(level > ENG_DIGIT_MASK);
    eng_links_append(book, level, &order->links, eng_link_to(locate));
    eng_ladder_count(ladder, order->side, order->price_ticks);
    return RB_OK;
}

/* Takes an order out of its ring. The level if it is empty then, 0 if not: without a branch, since
 * whether an order was alone is a coin toss where prices move. */
static inline uint32_t eng_links_remove(const eng_book *book, eng_links links)
{
    eng_links_at(book, links.prev)->next = links.next;
    eng_links_at(book, links.next)->prev = links.prev;
    uint32_t was_alone = links.prev == links.next;
    return (links.next - book->nodes.links) & (0 - was_alone);
}

/* Takes an empty level (or none: 0) out of its leaf. Whether more has to follow, which is rare:
 * eng_ladder_left. */
static inline int eng_ladder_leave(eng_book *book, const eng_ladder *ladder, uint32_t level,
                                   int32_t price_ticks, uint8_t side)
{
    /* All bits if there is no level: then bit 0 of head 0, which is never set, is cleared, no price
     * is the best (none is -1), and no bitmap is empty. */
    uint64_t none = (uint64_t)0 - (level == 0);
    eng_head *head = &book->nodes.heads[level >> ENG_DIGIT_BITS];
    uint64_t bitmap = head->bitmap & ~(UINT64_C(1) << (level & ENG_DIGIT_MASK));
    head->bitmap = bitmap;
    int was_best = (price_ticks | (int32_t)none) == ladder->best[eng_side_index(side)];
    return ((bitmap | none) == 0) | was_best;
}

/* A level has no orders any more, and was the best or the last of its leaf. */
void eng_ladder_left(eng_book *book, eng_ladder *ladder, uint32_t level, int32_t price_ticks,
                     uint8_t side);

/* Takes an order out of its queue in one ladder. */
static inline int32_t eng_ladder_remove(eng_book *book, eng_ladder *ladder, const eng_order *order)
{
    ladder->orders[eng_side_index(order->side)]--;
    uint32_t level = eng_links_remove(book, order->links);
    RB_CHECK(level >> ENG_DIGIT_BITS <= book->nodes.count);
    if (eng_ladder_leave(book, ladder, level, order->price_ticks, order->side)) {
        eng_ladder_left(book, ladder, level, order->price_ticks, order->side);
    }
    return RB_OK;
}

/* --- any place ------------------------------------------------------------------------------- */

/* Puts an order that is nowhere and whose record is filled in (options too; with ENG_ORDER_RESERVE
 * its terms) at the back of its price, in the ladder that its options say. The room must be there:
 * eng_price_has_room. */
static inline int32_t eng_order_queue(eng_book *book, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    eng_ladder *ladder = &book->ladders[order->instrument];
    if (__builtin_expect((order->options & RB_ORDER_OPTION_HIDDEN) != 0, 0)) {
        ladder->hidden_orders++;
        ladder = eng_ladder_hidden(book, order->instrument);
    }
    return eng_ladder_append(book, ladder, locate);
}

/* Puts an order that is nowhere, whose record and terms are filled in, at the end of its
 * instrument's held list. Nothing is shown there: its reserve joins its quantity. */
void eng_order_hold(eng_book *book, uint32_t locate);

/* Takes an order out of its instrument's held list. */
void eng_order_unhold(eng_book *book, eng_order *order);

/* Takes an order from wherever it is queued or held; it is nowhere then, its record and locate are
 * the caller's, who releases it or puts it elsewhere. */
static inline int32_t eng_order_unlink(eng_book *book, uint32_t locate)
{
    eng_order *order = &book->orders[locate];
    eng_ladder *ladder = &book->ladders[order->instrument];
    if (__builtin_expect((order->options & (ENG_ORDER_HELD | RB_ORDER_OPTION_HIDDEN)) != 0, 0)) {
        if ((order->options & ENG_ORDER_HELD) != 0) {
            eng_order_unhold(book, order);
            return RB_OK;
        }
        ladder->hidden_orders--;
        ladder = eng_ladder_hidden(book, order->instrument);
    }
    return eng_ladder_remove(book, ladder, order);
}

/* --- going through a ladder ------------------------------------------------------------------ */

/* First of a side of one ladder, best price first, then oldest first; ENG_LOCATE_NONE if there is
 * none. Changes nothing. */
uint32_t eng_ladder_first(const eng_book *book, const eng_ladder *ladder, uint8_t side);

/* The one behind a queued order in the same ladder and on the same side. To remove orders on the
 * way, ask before removing. */
uint32_t eng_ladder_after(const eng_book *book, const eng_ladder *ladder, uint32_t locate);

#endif
