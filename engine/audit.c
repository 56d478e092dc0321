/* The proof that a book's structures hold, and what counts its orders. */
#include "engine/book_state.h"
#include "engine/held.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "ringbus/check.h"

/* Whether the incoming order of a pending answer has a record of the pool that is nowhere else. */
static uint32_t incoming_orders(const eng_book *book)
{
    int matching = book->task.matching || book->task.stage == eng_match ||
                   book->task.stage == eng_match_nothing;
    return book->state == ENG_BOOK_PENDING && matching && book->incoming.locate != ENG_LOCATE_NONE;
}

uint32_t eng_book_open_orders(const eng_book *book)
{
    return book->order_count - book->free_count - incoming_orders(book);
}

/* One of the ladders of an instrument, and what was found there. */
typedef struct finding {
    const eng_book *book;
    const eng_ladder *ladder;
    uint32_t instrument;
    uint8_t hidden; /* RB_ORDER_OPTION_HIDDEN or 0: which ladder it is */
    uint64_t levels;
    uint64_t orders;
} finding;

/* An order in the queue of a price: that it belongs there, and what it has in reserve. */
static int32_t verify_queued(const finding *in, const eng_order *order, const eng_terms *terms)
{
    RB_CHECK(order->instrument == in->instrument);
    RB_CHECK(order->quantity != 0);
    RB_CHECK((order->options & RB_ORDER_OPTION_HIDDEN) == in->hidden);
    RB_CHECK((order->options & (ENG_ORDER_HELD | RB_ORDER_OPTION_MARKET)) == 0);
    if ((order->options & ENG_ORDER_RESERVE) == 0) {
        return RB_OK;
    }
    RB_CHECK(in->hidden == 0);
    RB_CHECK(order->quantity <= terms->display_quantity);
    RB_CHECK(terms->reserve <= UINT32_MAX - order->quantity);
    return RB_OK;
}

/* The queue of one level: both directions of its links, and its orders. */
static int32_t verify_level(finding *in, uint8_t side, int32_t price_ticks)
{
    const eng_book *book = in->book;
    const eng_links *level = eng_ladder_look(&book->nodes, in->ladder, price_ticks);
    RB_CHECK(level != NULL);
    uint32_t end = book->nodes.links + (uint32_t)(level - eng_level_at(&book->nodes, 0));
    uint32_t prev = end;
    uint32_t link = level->next;
    RB_CHECK(link != end);
    for (; link != end && in->orders <= book->order_count; in->orders++) {
        uint32_t locate = link / ENG_LINKS_AN_ORDER;
        RB_CHECK(link == eng_link_to(locate));
        RB_CHECK(locate >= 1);
        RB_CHECK(locate <= book->order_count);
        const eng_order *order = &book->orders[locate];
        RB_CHECK(order->links.prev == prev);
        RB_CHECK(order->side == side);
        RB_CHECK(order->price_ticks == price_ticks);
        int32_t status = verify_queued(in, order, &book->terms[locate]);
        if (status != RB_OK) {
            return status;
        }
        prev = link;
        link = order->links.next;
    }
    RB_CHECK(link == end);
    RB_CHECK(level->prev == prev);
    return RB_OK;
}

/* One side from its best price away from the touch. */
static int32_t verify_side(finding *in, uint8_t side)
{
    const eng_ladder *ladder = in->ladder;
    uint32_t index = eng_side_index(side);
    uint64_t orders_before = in->orders;
    if (ladder->orders[index] == 0) {
        RB_CHECK(ladder->best[index] == (index == 0 ? ENG_BEST_BID_NONE : ENG_BEST_ASK_NONE));
        return RB_OK;
    }
    int32_t price_ticks = ladder->best[index];
    RB_CHECK(price_ticks >= 1);
    RB_CHECK(price_ticks <= ENG_PRICE_TICKS_MAX);
    for (; price_ticks != 0 && in->levels <= in->book->order_count; in->levels++) {
        int32_t status = verify_level(in, side, price_ticks);
        if (status != RB_OK) {
            return status;
        }
        price_ticks = eng_ladder_next(&in->book->nodes, ladder, price_ticks, eng_side_up(side));
    }
    RB_CHECK(price_ticks == 0);
    RB_CHECK(in->orders - orders_before == ladder->orders[index]);
    return RB_OK;
}

static int32_t verify_ladder(const eng_book *book, uint32_t instrument, uint8_t hidden,
                             uint64_t *nodes, uint64_t *orders)
{
    const eng_ladder *ladder =
        hidden != 0 ? eng_ladder_hidden(book, instrument) : &book->ladders[instrument];
    finding in = {.book = book, .ladder = ladder, .instrument = instrument, .hidden = hidden};
    uint64_t tree_nodes = 0;
    uint64_t tree_levels = 0;
    int32_t status = eng_ladder_verify(&book->nodes, ladder, &tree_nodes, &tree_levels);
    if (status == RB_OK) {
        status = verify_side(&in, RB_SIDE_BUY);
    }
    if (status == RB_OK) {
        status = verify_side(&in, RB_SIDE_SELL);
    }
    if (status != RB_OK) {
        return status;
    }
    RB_CHECK(in.levels == tree_levels);
    *nodes += tree_nodes;
    *orders += in.orders;
    return RB_OK;
}

/* Both ladders, and what each says of the other. */
static int32_t verify_instrument(const eng_book *book, uint32_t instrument, uint64_t *nodes,
                                 uint64_t *orders)
{
    const eng_ladder *displayed = &book->ladders[instrument];
    const eng_ladder *hidden = eng_ladder_hidden(book, instrument);
    int32_t status = verify_ladder(book, instrument, 0, nodes, orders);
    if (status == RB_OK) {
        status = verify_ladder(book, instrument, RB_ORDER_OPTION_HIDDEN, nodes, orders);
    }
    if (status == RB_OK) {
        status = eng_held_verify(book, instrument, orders);
    }
    if (status != RB_OK) {
        return status;
    }
    RB_CHECK(eng_best_of_all(book, instrument, RB_SIDE_BUY) <
             eng_best_of_all(book, instrument, RB_SIDE_SELL));
    RB_CHECK(displayed->hidden_orders == (uint64_t)hidden->orders[0] + hidden->orders[1]);
    RB_CHECK(hidden->state == 0);
    RB_CHECK(hidden->changes == 0);
    RB_CHECK(hidden->hidden_orders == 0);
    return RB_OK;
}

/* The free list, and that every record is free, open or held: never two of these. */
static int32_t verify_pool(const eng_book *book, uint64_t open)
{
    uint64_t seen = 0;
    uint32_t locate = book->free_head;
    for (; locate != ENG_LOCATE_NONE && seen < book->order_count; seen++) {
        RB_CHECK(locate <= book->order_count);
        RB_CHECK(book->orders[locate].side == 0);
        RB_CHECK(incoming_orders(book) == 0 || locate != book->incoming.locate);
        locate = book->orders[locate].links.next;
    }
    RB_CHECK(locate == ENG_LOCATE_NONE);
    RB_CHECK(seen == book->free_count);
    RB_CHECK(incoming_orders(book) == 0 || book->orders[book->incoming.locate].side == 0);
    RB_CHECK(seen + open + incoming_orders(book) == book->order_count);
    return RB_OK;
}

int32_t eng_book_verify(const eng_book *book)
{
    uint64_t nodes = 0;
    uint64_t orders = 0;
    RB_CHECK(book->state != ENG_BOOK_FAILED);
    for (uint32_t instrument = 0; instrument < book->instrument_count; instrument++) {
        int32_t status = verify_instrument(book, instrument, &nodes, &orders);
        if (status != RB_OK) {
            return status;
        }
    }
    RB_CHECK(nodes + book->nodes.free_count == book->nodes.count);
    int32_t status = eng_nodes_verify(&book->nodes);
    return status == RB_OK ? verify_pool(book, orders) : status;
}
