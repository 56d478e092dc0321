/* What a book shows of itself: best, walk, hash, and the proof that its structures hold. */
#include <string.h>

#include "engine/book_state.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "ringbus/check.h"

/* RB_OK if the instrument has such a side. */
static int32_t check_side(const eng_book *book, uint32_t instrument, uint8_t side)
{
    if (side != RB_SIDE_BUY && side != RB_SIDE_SELL) {
        return RB_USAGE;
    }
    return instrument < book->instrument_count ? RB_OK : RB_UNKNOWN;
}

uint64_t eng_book_bytes(const eng_book *book)
{
    return sizeof *book + book->arena_bytes;
}

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

int64_t eng_book_orders(const eng_book *book, uint32_t instrument, uint8_t side)
{
    int32_t status = check_side(book, instrument, side);
    if (status != RB_OK) {
        return status;
    }
    return book->ladders[instrument].orders[eng_side_index(side)];
}

/* Goes through the orders of one side, best first, then oldest first. */
typedef struct cursor {
    const eng_book *book;
    const eng_ladder *ladder;
    int32_t price_ticks; /* of the current level, 0 behind the last */
    uint32_t locate;     /* ENG_LOCATE_NONE behind the last */
    int up;
} cursor;

static uint32_t level_head(const eng_book *book, const eng_ladder *ladder, int32_t price_ticks)
{
    const eng_level *level = eng_ladder_look(&book->nodes, ladder, price_ticks);
    return level != NULL ? level->head : ENG_LOCATE_NONE;
}

static cursor cursor_first(const eng_book *book, uint32_t instrument, uint8_t side)
{
    cursor at = {.book = book, .ladder = &book->ladders[instrument], .up = eng_side_up(side)};
    if (at.ladder->orders[eng_side_index(side)] != 0) {
        at.price_ticks = at.ladder->best[eng_side_index(side)];
        at.locate = level_head(book, at.ladder, at.price_ticks);
    }
    return at;
}

static void cursor_next(cursor *at, uint8_t side)
{
    at->locate = at->book->orders[at->locate].next;
    if (at->locate != ENG_LOCATE_NONE) {
        return;
    }
    at->price_ticks = eng_ladder_next(&at->book->nodes, at->ladder, at->price_ticks, at->up);
    if (at->price_ticks != 0) {
        uint32_t head = level_head(at->book, at->ladder, at->price_ticks);
        at->locate = at->book->orders[head].side == side ? head : ENG_LOCATE_NONE;
    }
}

int32_t eng_book_best(const eng_book *book, uint32_t instrument, uint8_t side, uint64_t *quantity)
{
    int32_t status = check_side(book, instrument, side);
    if (status != RB_OK) {
        return status;
    }
    uint64_t sum = 0;
    cursor at = cursor_first(book, instrument, side);
    uint32_t locate = at.locate;
    for (uint32_t n = 0; n < book->order_count && locate != ENG_LOCATE_NONE; n++) {
        sum += book->orders[locate].quantity;
        locate = book->orders[locate].next;
    }
    if (quantity != NULL) {
        *quantity = sum;
    }
    return at.price_ticks;
}

static void write_order(rb_message *out, const eng_order *order, uint32_t locate)
{
    memset(out, 0, sizeof *out);
    out->header.topic = order->topic;
    out->header.template_id = RB_TEMPLATE_NEW_ORDER;
    out->new_order.instrument = order->instrument;
    out->new_order.price_ticks = order->price_ticks;
    out->new_order.quantity = order->quantity;
    out->new_order.locate = locate;
    out->new_order.client_order_id = order->client_order_id;
    out->new_order.account = order->account;
    out->new_order.firm = order->firm;
    out->new_order.side = order->side;
}

int64_t eng_book_walk(const eng_book *book, uint32_t instrument, uint8_t side, rb_message *out,
                      int64_t skip, int64_t limit)
{
    int32_t status = check_side(book, instrument, side);
    if (status != RB_OK) {
        return status;
    }
    if (skip < 0 || limit < 0) {
        return RB_USAGE;
    }
    int64_t total = book->ladders[instrument].orders[eng_side_index(side)];
    int64_t end = limit < total - skip ? skip + limit : total;
    cursor at = cursor_first(book, instrument, side);
    for (int64_t n = 0; n < end; n++) {
        if (n >= skip) {
            write_order(&out[n - skip], &book->orders[at.locate], at.locate);
        }
        cursor_next(&at, side);
    }
    return end > skip ? end - skip : 0;
}

/* The finalizer of splitmix64: every bit of the input changes half of the output's. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    uint64_t z = (hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t hash_order(uint64_t hash, const eng_order *order, uint32_t locate)
{
    hash = mix(hash, (uint64_t)order->instrument << 32 | locate);
    hash = mix(hash, (uint64_t)(uint32_t)order->price_ticks << 32 | order->quantity);
    hash = mix(hash, (uint64_t)order->client_order_id << 32 | order->side);
    return mix(hash, (uint64_t)order->topic << 32 | (uint64_t)order->account << 16 | order->firm);
}

uint64_t eng_book_hash(const eng_book *book)
{
    uint64_t hash = 0;
    for (uint32_t instrument = 0; instrument < book->instrument_count; instrument++) {
        for (uint8_t side = RB_SIDE_BUY; side <= RB_SIDE_SELL; side++) {
            uint32_t left = book->ladders[instrument].orders[eng_side_index(side)];
            cursor at = cursor_first(book, instrument, side);
            for (; left > 0 && at.locate != ENG_LOCATE_NONE; left--) {
                hash = hash_order(hash, &book->orders[at.locate], at.locate);
                cursor_next(&at, side);
            }
        }
    }
    return hash;
}

/* The queue of one level: both directions of its links, and that its orders belong there. */
static int32_t verify_level(const eng_book *book, uint32_t instrument, uint8_t side,
                            int32_t price_ticks, uint64_t *orders)
{
    const eng_level *level = eng_ladder_look(&book->nodes, &book->ladders[instrument], price_ticks);
    RB_CHECK(level != NULL);
    uint32_t prev = ENG_LOCATE_NONE;
    uint32_t locate = level->head;
    RB_CHECK(locate != ENG_LOCATE_NONE);
    for (; locate != ENG_LOCATE_NONE && *orders <= book->order_count; ++*orders) {
        RB_CHECK(locate <= book->order_count);
        const eng_order *order = &book->orders[locate];
        RB_CHECK(order->prev == prev);
        RB_CHECK(order->side == side);
        RB_CHECK(order->price_ticks == price_ticks);
        RB_CHECK(order->instrument == instrument);
        RB_CHECK(order->quantity != 0);
        RB_CHECK((order->options & (RB_ORDER_OPTION_HIDDEN | ENG_ORDER_HELD)) == 0);
        prev = locate;
        locate = order->next;
    }
    RB_CHECK(locate == ENG_LOCATE_NONE);
    RB_CHECK(level->tail == prev);
    return RB_OK;
}

/* One side from its best price away from the touch; *levels and *orders count on. */
static int32_t verify_side(const eng_book *book, uint32_t instrument, uint8_t side,
                           uint64_t *levels, uint64_t *orders)
{
    const eng_ladder *ladder = &book->ladders[instrument];
    uint32_t index = eng_side_index(side);
    uint64_t orders_before = *orders;
    if (ladder->orders[index] == 0) {
        RB_CHECK(ladder->best[index] == (index == 0 ? ENG_BEST_BID_NONE : ENG_BEST_ASK_NONE));
        return RB_OK;
    }
    int32_t price_ticks = ladder->best[index];
    RB_CHECK(price_ticks >= 1);
    RB_CHECK(price_ticks <= ENG_PRICE_TICKS_MAX);
    for (; price_ticks != 0 && *levels <= book->order_count; ++*levels) {
        int32_t status = verify_level(book, instrument, side, price_ticks, orders);
        if (status != RB_OK) {
            return status;
        }
        price_ticks = eng_ladder_next(&book->nodes, ladder, price_ticks, eng_side_up(side));
    }
    RB_CHECK(price_ticks == 0);
    RB_CHECK(*orders - orders_before == ladder->orders[index]);
    return RB_OK;
}

static int32_t verify_instrument(const eng_book *book, uint32_t instrument, uint64_t *nodes,
                                 uint64_t *orders)
{
    const eng_ladder *ladder = &book->ladders[instrument];
    uint64_t tree_nodes = 0;
    uint64_t tree_levels = 0;
    uint64_t levels = 0;
    int32_t status = eng_ladder_verify(&book->nodes, ladder, &tree_nodes, &tree_levels);
    if (status == RB_OK) {
        status = verify_side(book, instrument, RB_SIDE_BUY, &levels, orders);
    }
    if (status == RB_OK) {
        status = verify_side(book, instrument, RB_SIDE_SELL, &levels, orders);
    }
    if (status != RB_OK) {
        return status;
    }
    RB_CHECK(ladder->best[0] < ladder->best[1]);
    RB_CHECK(levels == tree_levels);
    RB_CHECK(ladder->hidden_orders ==
             book->asides[instrument].hidden.orders[0] + book->asides[instrument].hidden.orders[1]);
    *nodes += tree_nodes;
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
        locate = book->orders[locate].next;
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
