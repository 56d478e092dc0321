/* What a book shows of itself: counts, best, depth, walks, hash. Nothing here changes anything. */
#include <string.h>

#include "engine/book_state.h"
#include "engine/collar.h"
#include "engine/queue.h"

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

int64_t eng_book_orders(const eng_book *book, uint32_t instrument, uint8_t side)
{
    int32_t status = check_side(book, instrument, side);
    if (status != RB_OK) {
        return status;
    }
    uint32_t index = eng_side_index(side);
    return (int64_t)book->ladders[instrument].orders[index] +
           book->asides[instrument].hidden.orders[index];
}

int64_t eng_book_held_orders(const eng_book *book, uint32_t instrument)
{
    return instrument < book->instrument_count ? (int64_t)book->asides[instrument].held_count
                                               : RB_UNKNOWN;
}

uint32_t eng_book_open(const eng_book *book, uint32_t locate)
{
    if (locate == ENG_LOCATE_NONE || locate > book->order_count || book->orders[locate].side == 0) {
        return 0;
    }
    return eng_order_open(book, locate);
}

int32_t eng_book_state(const eng_book *book, uint32_t instrument)
{
    return instrument < book->instrument_count ? book->ladders[instrument].state : RB_UNKNOWN;
}

int64_t eng_book_changes(const eng_book *book, uint32_t instrument)
{
    return instrument < book->instrument_count ? (int64_t)book->ladders[instrument].changes
                                               : RB_UNKNOWN;
}

/* --- prices ---------------------------------------------------------------------------------- */

/* The orders from `locate` to the back of its queue. */
static eng_depth add_up(const eng_book *book, uint32_t locate)
{
    eng_depth depth = {.price_ticks = book->orders[locate].price_ticks};
    for (uint32_t n = 0; n < book->order_count && locate != ENG_LOCATE_NONE; n++) {
        depth.quantity += book->orders[locate].quantity;
        depth.orders++;
        locate = eng_order_behind(book, &book->orders[locate]);
    }
    return depth;
}

int64_t eng_book_depth(const eng_book *book, uint32_t instrument, uint8_t side, eng_depth *out,
                       int64_t limit)
{
    int32_t status = check_side(book, instrument, side);
    if (status != RB_OK) {
        return status;
    }
    if (limit < 0) {
        return RB_USAGE;
    }
    const eng_ladder *ladder = &book->ladders[instrument];
    uint32_t index = eng_side_index(side);
    int32_t price_ticks = ladder->orders[index] != 0 ? ladder->best[index] : 0;
    int64_t count = 0;
    for (; count < limit && price_ticks != 0; count++) {
        const eng_links *level = eng_ladder_look(&book->nodes, ladder, price_ticks);
        if (level == NULL || book->orders[eng_level_head(level)].side != side) {
            break;
        }
        out[count] = add_up(book, eng_level_head(level));
        price_ticks = eng_ladder_next(&book->nodes, ladder, price_ticks, eng_side_up(side));
    }
    return count;
}

int32_t eng_book_best(const eng_book *book, uint32_t instrument, uint8_t side, uint64_t *quantity)
{
    eng_depth depth = {0};
    int64_t count = eng_book_depth(book, instrument, side, &depth, 1);
    if (count < 0) {
        return (int32_t)count;
    }
    if (quantity != NULL) {
        *quantity = depth.quantity;
    }
    return depth.price_ticks;
}

/* --- orders ---------------------------------------------------------------------------------- */

/* Goes through the orders of one side: by price, displayed before hidden, then time. */
typedef struct cursor {
    const eng_book *book;
    const eng_ladder *ladders[2]; /* displayed, hidden */
    uint32_t heads[2];            /* the next one of each, ENG_LOCATE_NONE behind the last */
    int up;
} cursor;

static cursor cursor_first(const eng_book *book, uint32_t instrument, uint8_t side)
{
    cursor at = {.book = book,
                 .ladders = {&book->ladders[instrument], eng_ladder_hidden(book, instrument)},
                 .up = eng_side_up(side)};
    for (uint32_t which = 0; which < 2; which++) {
        at.heads[which] = eng_ladder_first(book, at.ladders[which], side);
    }
    return at;
}

/* The next order, ENG_LOCATE_NONE if there is none. */
static uint32_t cursor_next(cursor *at)
{
    uint32_t which = at->heads[0] == ENG_LOCATE_NONE;
    if (at->heads[0] != ENG_LOCATE_NONE && at->heads[1] != ENG_LOCATE_NONE) {
        int32_t displayed = at->book->orders[at->heads[0]].price_ticks;
        int32_t hidden = at->book->orders[at->heads[1]].price_ticks;
        which = at->up ? hidden < displayed : hidden > displayed;
    }
    uint32_t locate = at->heads[which];
    if (locate != ENG_LOCATE_NONE) {
        at->heads[which] = eng_ladder_after(at->book, at->ladders[which], locate);
    }
    return locate;
}

static void write_order(const eng_book *book, rb_message *out, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    uint8_t of_place = ENG_ORDER_RESERVE | ENG_ORDER_HELD;
    memset(out, 0, sizeof *out);
    out->header.topic = order->topic;
    out->header.template_id = RB_TEMPLATE_NEW_ORDER;
    out->new_order.instrument = order->instrument;
    out->new_order.price_ticks = order->price_ticks;
    out->new_order.quantity = eng_order_open(book, locate);
    out->new_order.locate = locate;
    out->new_order.client_order_id = order->client_order_id;
    out->new_order.account = order->account;
    out->new_order.firm = order->firm;
    out->new_order.side = order->side;
    out->new_order.options = order->options & (uint8_t)~of_place;
    if ((order->options & ENG_ORDER_HELD) != 0) {
        out->new_order.time_in_force = book->terms[locate].time_in_force;
    }
}

int64_t eng_book_walk(const eng_book *book, uint32_t instrument, uint8_t side, rb_message *out,
                      int64_t skip, int64_t limit)
{
    int64_t total = eng_book_orders(book, instrument, side);
    if (total < 0) {
        return total;
    }
    if (skip < 0 || limit < 0) {
        return RB_USAGE;
    }
    int64_t end = limit < total - skip ? skip + limit : total;
    cursor at = cursor_first(book, instrument, side);
    for (int64_t n = 0; n < end; n++) {
        uint32_t locate = cursor_next(&at);
        if (n >= skip) {
            write_order(book, &out[n - skip], locate);
        }
    }
    return end > skip ? end - skip : 0;
}

int64_t eng_book_walk_held(const eng_book *book, uint32_t instrument, rb_message *out, int64_t skip,
                           int64_t limit)
{
    int64_t total = eng_book_held_orders(book, instrument);
    if (total < 0) {
        return total;
    }
    if (skip < 0 || limit < 0) {
        return RB_USAGE;
    }
    int64_t end = limit < total - skip ? skip + limit : total;
    uint32_t locate = book->asides[instrument].held_head;
    for (int64_t n = 0; n < end; n++) {
        if (n >= skip) {
            write_order(book, &out[n - skip], locate);
        }
        locate = book->orders[locate].links.next;
    }
    return end > skip ? end - skip : 0;
}

/* --- hash ------------------------------------------------------------------------------------ */

/* The finalizer of splitmix64: every bit of the input changes half of the output's. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    uint64_t z = (hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t hash_order(const eng_book *book, uint64_t hash, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    const eng_terms *terms = &book->terms[locate];
    uint64_t kind = (uint64_t)order->options << 8 | order->side;
    hash = mix(hash, (uint64_t)order->instrument << 32 | locate);
    hash = mix(hash, (uint64_t)(uint32_t)order->price_ticks << 32 | order->quantity);
    hash = mix(hash, (uint64_t)order->client_order_id << 32 | kind);
    hash = mix(hash, (uint64_t)order->topic << 32 | (uint64_t)order->account << 16 | order->firm);
    if ((order->options & ENG_ORDER_RESERVE) != 0) {
        hash = mix(hash, (uint64_t)terms->display_quantity << 32 | terms->reserve);
    }
    if ((order->options & ENG_ORDER_HELD) != 0) {
        hash = mix(hash, (uint64_t)terms->time_in_force << 8 | terms->auction);
    }
    return hash;
}

static uint64_t hash_collar(uint64_t hash, const eng_collar *collar)
{
    for (uint32_t phase = 0; phase < 2; phase++) {
        const eng_range *range = &collar->phases[phase];
        hash = mix(hash, (uint64_t)(uint32_t)range->low << 32 | (uint32_t)range->high);
        hash = mix(hash, (uint32_t)range->width);
    }
    hash = mix(hash,
               (uint64_t)(uint32_t)collar->reference_ticks << 32 | (uint32_t)collar->finger_ticks);
    return mix(hash, collar->finger_value);
}

static uint64_t hash_instrument(const eng_book *book, uint64_t hash, uint32_t instrument)
{
    const eng_ladder *ladder = &book->ladders[instrument];
    hash = mix(hash, (uint64_t)ladder->state << 32 | ladder->changes);
    hash = mix(hash, (uint32_t)book->last_ticks[instrument]);
    hash = hash_collar(hash, &book->collars[instrument]);
    for (uint8_t side = RB_SIDE_BUY; side <= RB_SIDE_SELL; side++) {
        int64_t left = eng_book_orders(book, instrument, side);
        cursor at = cursor_first(book, instrument, side);
        uint32_t locate = cursor_next(&at);
        for (; left > 0 && locate != ENG_LOCATE_NONE; left--) {
            hash = hash_order(book, hash, locate);
            locate = cursor_next(&at);
        }
    }
    uint32_t locate = book->asides[instrument].held_head;
    for (uint32_t n = 0; n < book->order_count && locate != ENG_LOCATE_NONE; n++) {
        hash = hash_order(book, hash, locate);
        locate = book->orders[locate].links.next;
    }
    return hash;
}

uint64_t eng_book_hash(const eng_book *book)
{
    uint64_t hash = 0;
    for (uint32_t instrument = 0; instrument < book->instrument_count; instrument++) {
        hash = hash_instrument(book, hash, instrument);
    }
    return hash;
}
