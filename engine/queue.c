#include "engine/queue.h"

void eng_ladder_left(eng_book *book, eng_ladder *ladder, uint32_t level, int32_t price_ticks,
                     uint8_t side)
{
    uint32_t index = eng_side_index(side);
    uint32_t leaf = level >> ENG_DIGIT_BITS;
    if (price_ticks == ladder->best[index]) {
        int up = eng_side_up(side);
        int32_t none = up ? ENG_BEST_ASK_NONE : ENG_BEST_BID_NONE;
        int32_t next = eng_leaf_next(&book->nodes, ladder, leaf, price_ticks, up);
        ladder->best[index] = ladder->orders[index] != 0 ? next : none;
    }
    if (book->nodes.heads[leaf].bitmap == 0) {
        eng_ladder_prune(&book->nodes, ladder, price_ticks);
    }
}

void eng_order_hold(eng_book *book, uint32_t locate)
{
    eng_order *order = &book->orders[locate];
    eng_aside *aside = &book->asides[order->instrument];
    order->quantity = eng_order_open(book, locate);
    book->terms[locate].reserve = 0;
    order->options |= ENG_ORDER_HELD;
    order->links = (eng_links){.next = ENG_LOCATE_NONE, .prev = aside->held_tail};
    if (aside->held_tail != ENG_LOCATE_NONE) {
        book->orders[aside->held_tail].links.next = locate;
    } else {
        aside->held_head = locate;
    }
    aside->held_tail = locate;
    aside->held_count++;
}

void eng_order_unhold(eng_book *book, eng_order *order)
{
    eng_aside *aside = &book->asides[order->instrument];
    eng_links links = order->links;
    if (links.prev != ENG_LOCATE_NONE) {
        book->orders[links.prev].links.next = links.next;
    } else {
        aside->held_head = links.next;
    }
    if (links.next != ENG_LOCATE_NONE) {
        book->orders[links.next].links.prev = links.prev;
    } else {
        aside->held_tail = links.prev;
    }
    aside->held_count--;
    order->options &= (uint8_t)~ENG_ORDER_HELD;
}

uint32_t eng_ladder_first(const eng_book *book, const eng_ladder *ladder, uint8_t side)
{
    uint32_t index = eng_side_index(side);
    if (ladder->orders[index] == 0) {
        return ENG_LOCATE_NONE;
    }
    const eng_links *level = eng_ladder_look(&book->nodes, ladder, ladder->best[index]);
    return level != NULL ? eng_level_head(level) : ENG_LOCATE_NONE;
}

uint32_t eng_ladder_after(const eng_book *book, const eng_ladder *ladder, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    uint32_t behind = eng_order_behind(book, order);
    if (behind != ENG_LOCATE_NONE) {
        return behind;
    }
    int32_t price_ticks =
        eng_ladder_next(&book->nodes, ladder, order->price_ticks, eng_side_up(order->side));
    if (price_ticks == 0) {
        return ENG_LOCATE_NONE;
    }
    const eng_links *level = eng_ladder_look(&book->nodes, ladder, price_ticks);
    uint32_t head = level != NULL ? eng_level_head(level) : ENG_LOCATE_NONE;
    /* The other side lies beyond the best price; going away from it there is none. */
    return book->orders[head].side == order->side ? head : ENG_LOCATE_NONE;
}
