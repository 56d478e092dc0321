#include "engine/book.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/answer.h"
#include "engine/book_state.h"
#include "ringbus/check.h"

_Static_assert(ENG_PRICE_TICKS_MAX == (1 << (ENG_LADDER_DEPTHS * ENG_DIGIT_BITS)) - 1, "ticks");
/* Why a proposal is refused: a value of enum rb_reject_reason, or this. */
#define ACCEPTED 0u
#define ARENA_ALIGN (UINT64_C(1) << 21) /* a huge page */

/* Orders and their queues */

static uint32_t take_order(eng_book *book)
{
    uint32_t locate = book->free_head;
    book->free_head = book->orders[locate].next;
    book->free_count--;
    return locate;
}

static void release_order(eng_book *book, uint32_t locate)
{
    eng_order *order = &book->orders[locate];
    order->side = 0;
    order->next = book->free_head;
    book->free_head = locate;
    book->free_count++;
}

/* Puts the incoming order at the back of its level. */
static int32_t rest(eng_book *book)
{
    const eng_incoming *in = &book->incoming;
    eng_ladder *ladder = &book->ladders[in->instrument];
    eng_level *level = eng_ladder_enter(&book->nodes, ladder, in->price_ticks);
    RB_CHECK(level != NULL);
    RB_CHECK(in->locate != ENG_LOCATE_NONE);
    book->orders[in->locate] = (eng_order){
        .next = ENG_LOCATE_NONE,
        .prev = level->tail,
        .quantity = in->quantity,
        .price_ticks = in->price_ticks,
        .client_order_id = in->client_order_id,
        .instrument = in->instrument,
        .topic = in->topic,
        .account = in->account,
        .firm = in->firm,
        .side = in->side,
    };
    if (level->tail != ENG_LOCATE_NONE) {
        book->orders[level->tail].next = in->locate;
    } else {
        level->head = in->locate;
    }
    level->tail = in->locate;
    uint32_t index = eng_side_index(in->side);
    ladder->orders[index]++;
    int better = eng_side_up(in->side) ? in->price_ticks < ladder->best[index]
                                       : in->price_ticks > ladder->best[index];
    if (better) {
        ladder->best[index] = in->price_ticks;
    }
    return RB_OK;
}

/* Takes an empty level out of the ladder. */
static void close_level(eng_book *book, eng_ladder *ladder, int32_t price_ticks, uint8_t side)
{
    uint32_t index = eng_side_index(side);
    int last = ladder->orders[index] == 0;
    if (last) {
        ladder->best[index] = eng_side_up(side) ? ENG_BEST_ASK_NONE : ENG_BEST_BID_NONE;
    } else if (price_ticks == ladder->best[index]) {
        ladder->best[index] = eng_ladder_next(&book->nodes, ladder, price_ticks, eng_side_up(side));
    }
    eng_ladder_leave(&book->nodes, ladder, price_ticks);
}

/* Takes an open order out of its queue; its record and locate stay the caller's. */
static int32_t unlink_order(eng_book *book, eng_order *order)
{
    eng_ladder *ladder = &book->ladders[order->instrument];
    ladder->orders[eng_side_index(order->side)]--;
    if (order->prev != ENG_LOCATE_NONE && order->next != ENG_LOCATE_NONE) {
        book->orders[order->prev].next = order->next;
        book->orders[order->next].prev = order->prev;
        return RB_OK;
    }
    eng_level *level = eng_ladder_level(&book->nodes, ladder, order->price_ticks);
    RB_CHECK(level != NULL);
    if (order->prev != ENG_LOCATE_NONE) {
        book->orders[order->prev].next = ENG_LOCATE_NONE;
        level->tail = order->prev;
    } else if (order->next != ENG_LOCATE_NONE) {
        book->orders[order->next].prev = ENG_LOCATE_NONE;
        level->head = order->next;
    } else {
        close_level(book, ladder, order->price_ticks, order->side);
    }
    return RB_OK;
}

/* Matching */

/* One trade with the oldest order at the best price of the other side. */
static int32_t trade(eng_book *book, eng_ladder *ladder, int32_t price_ticks, eng_sink *sink)
{
    eng_incoming *in = &book->incoming;
    eng_level *level = eng_ladder_level(&book->nodes, ladder, price_ticks);
    RB_CHECK(level != NULL);
    uint32_t locate = level->head;
    eng_order *resting = &book->orders[locate];
    RB_CHECK(resting->quantity != 0);
    RB_CHECK(resting->side + in->side == RB_SIDE_BUY + RB_SIDE_SELL);
    uint32_t quantity = in->quantity < resting->quantity ? in->quantity : resting->quantity;
    in->quantity -= quantity;
    resting->quantity -= quantity;
    eng_answer_incoming(sink, in, price_ticks, quantity);
    eng_answer_resting(sink, in, resting, locate, quantity);
    if (resting->quantity != 0) {
        return RB_OK;
    }
    ladder->orders[eng_side_index(resting->side)]--;
    level->head = resting->next;
    if (level->head != ENG_LOCATE_NONE) {
        book->orders[level->head].prev = ENG_LOCATE_NONE;
    } else {
        close_level(book, ladder, price_ticks, resting->side);
    }
    release_order(book, locate);
    return RB_OK;
}

static int crosses(const eng_incoming *in, const eng_ladder *ladder)
{
    return in->side == RB_SIDE_BUY ? in->price_ticks >= ladder->best[1]
                                   : in->price_ticks <= ladder->best[0];
}

/* Trades the incoming order as far as it and the sink go, then rests, cancels or forgets it. */
static int32_t match(eng_book *book, eng_sink *sink)
{
    eng_incoming *in = &book->incoming;
    eng_ladder *ladder = &book->ladders[in->instrument];
    uint32_t other = in->side == RB_SIDE_BUY ? 1 : 0;
    while (in->quantity != 0 && crosses(in, ladder)) {
        if (eng_sink_room(sink) < 2) {
            return RB_FULL;
        }
        int32_t status = trade(book, ladder, ladder->best[other], sink);
        if (status != RB_OK) {
            return status;
        }
    }
    if (in->quantity != 0 && in->time_in_force == RB_TIME_IN_FORCE_DAY) {
        return rest(book);
    }
    if (in->quantity != 0) {
        if (eng_sink_room(sink) < 1) {
            return RB_FULL;
        }
        eng_answer_canceled(sink, in);
        in->quantity = 0;
    }
    if (in->locate != ENG_LOCATE_NONE) {
        release_order(book, in->locate);
    }
    return RB_OK;
}

/* Latches what has to be remembered of a status. */
static int32_t conclude(eng_book *book, int32_t status)
{
    book->state = status == RB_OK     ? ENG_BOOK_IDLE
                  : status == RB_FULL ? ENG_BOOK_PENDING
                                      : ENG_BOOK_FAILED;
    return status;
}

/* Proposals */

/* The open order that a Cancel or Replace names, NULL if it is not the sender's. */
static eng_order *own_order(eng_book *book, const rb_message *message, uint32_t client_order_id)
{
    uint32_t locate = message->cancel.locate;
    if (locate == ENG_LOCATE_NONE || locate > book->order_count) {
        return NULL;
    }
    eng_order *order = &book->orders[locate];
    if (order->side == 0 || order->topic != message->header.topic) {
        return NULL;
    }
    if (order->client_order_id != client_order_id ||
        order->instrument != message->cancel.instrument) {
        return NULL;
    }
    return order;
}

/* What NewOrder and Replace share: `quantity` to `time_in_force`, then room for the price. */
static uint16_t terms_reason(const eng_book *book, const rb_new_order *terms)
{
    if (terms->quantity == 0) {
        return RB_REJECT_REASON_INVALID_QUANTITY;
    }
    if (terms->price_ticks < 1 || terms->price_ticks > ENG_PRICE_TICKS_MAX) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    if (terms->time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL) {
        return ACCEPTED;
    }
    if (terms->time_in_force != RB_TIME_IN_FORCE_DAY) {
        return RB_REJECT_REASON_INVALID_TIME_IN_FORCE;
    }
    if (terms->header.template_id == RB_TEMPLATE_NEW_ORDER && book->free_count == 0) {
        return RB_REJECT_REASON_ORDER_CAPACITY;
    }
    /* Freeing n nodes on the way makes at most n more of these missing, so what is enough now stays
     * enough. */
    if (book->nodes.free_count < ENG_LADDER_DEPTHS &&
        book->nodes.free_count < eng_ladder_missing(&book->nodes, &book->ladders[terms->instrument],
                                                    terms->price_ticks)) {
        return RB_REJECT_REASON_PRICE_CAPACITY;
    }
    return ACCEPTED;
}

_Static_assert(offsetof(rb_replace, price_ticks) == offsetof(rb_new_order, price_ticks), "terms");
_Static_assert(offsetof(rb_replace, quantity) == offsetof(rb_new_order, quantity), "terms");
_Static_assert(offsetof(rb_replace, time_in_force) == offsetof(rb_new_order, time_in_force),
               "terms");

static void take_terms(eng_incoming *in, const rb_new_order *terms, uint8_t side, uint32_t locate)
{
    in->time_ns = terms->header.time_ns;
    in->input = terms->header.checksum;
    in->instrument = terms->instrument;
    in->price_ticks = terms->price_ticks;
    in->quantity = terms->quantity;
    in->locate = locate;
    in->client_order_id = terms->client_order_id;
    in->topic = terms->header.topic;
    in->account = terms->account;
    in->firm = terms->firm;
    in->side = side;
    in->time_in_force = terms->time_in_force;
}

static int32_t submit_new_order(eng_book *book, const rb_message *message, const rb_message *tag,
                                eng_sink *sink)
{
    const rb_new_order *order = &message->new_order;
    uint16_t reason = order->side == RB_SIDE_BUY || order->side == RB_SIDE_SELL
                          ? terms_reason(book, order)
                          : RB_REJECT_REASON_INVALID_SIDE;
    if (reason != ACCEPTED) {
        eng_answer_rejected(sink, message, tag, reason);
        return RB_OK;
    }
    uint32_t locate =
        order->time_in_force == RB_TIME_IN_FORCE_DAY ? take_order(book) : ENG_LOCATE_NONE;
    take_terms(&book->incoming, order, order->side, locate);
    eng_answer_first(sink, message, tag)->new_order.locate = locate;
    return match(book, sink);
}

static int32_t submit_cancel(eng_book *book, const rb_message *message, const rb_message *tag,
                             eng_sink *sink)
{
    uint32_t quantity = message->cancel.quantity;
    eng_order *order = own_order(book, message, message->cancel.client_order_id);
    if (order == NULL) {
        eng_answer_rejected(sink, message, tag, RB_REJECT_REASON_UNKNOWN_ORDER);
        return RB_OK;
    }
    if (quantity == 0 || quantity > order->quantity) {
        eng_answer_rejected(sink, message, tag, RB_REJECT_REASON_INVALID_QUANTITY);
        return RB_OK;
    }
    order->quantity -= quantity;
    uint32_t locate = message->cancel.locate;
    rb_cancel *line = &eng_answer_first(sink, message, tag)->cancel;
    line->price_ticks = order->price_ticks;
    line->side = order->side;
    line->remaining = order->quantity;
    if (order->quantity != 0) {
        return RB_OK;
    }
    int32_t status = unlink_order(book, order);
    release_order(book, locate);
    return status;
}

static int32_t submit_replace(eng_book *book, const rb_message *message, const rb_message *tag,
                              eng_sink *sink)
{
    eng_order *order = own_order(book, message, message->replace.original_client_order_id);
    uint16_t reason = order != NULL ? terms_reason(book, &message->new_order)
                                    : (uint16_t)RB_REJECT_REASON_UNKNOWN_ORDER;
    if (reason != ACCEPTED) {
        eng_answer_rejected(sink, message, tag, reason);
        return RB_OK;
    }
    int32_t status = unlink_order(book, order);
    if (status != RB_OK) {
        return status;
    }
    take_terms(&book->incoming, &message->new_order, order->side, message->replace.locate);
    order->side = 0;
    eng_answer_first(sink, message, tag)->replace.side = book->incoming.side;
    return match(book, sink);
}

int32_t eng_book_submit(eng_book *book, const rb_message *message, const rb_message *tag,
                        eng_sink *sink)
{
    if (__builtin_expect(book->state != ENG_BOOK_IDLE, 0)) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    uint8_t template_id = message->header.template_id;
    if (eng_sink_room(sink) < ENG_SINK_ROOM_MIN || template_id < RB_TEMPLATE_NEW_ORDER ||
        template_id > RB_TEMPLATE_REPLACE) {
        return RB_USAGE;
    }
    if (message->any.instrument >= book->instrument_count) {
        eng_answer_rejected(sink, message, tag, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
        return RB_OK;
    }
    if (template_id == RB_TEMPLATE_NEW_ORDER) {
        return conclude(book, submit_new_order(book, message, tag, sink));
    }
    if (template_id == RB_TEMPLATE_CANCEL) {
        return conclude(book, submit_cancel(book, message, tag, sink));
    }
    return conclude(book, submit_replace(book, message, tag, sink));
}

int32_t eng_book_resume(eng_book *book, eng_sink *sink)
{
    if (book->state != ENG_BOOK_PENDING) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    return conclude(book, match(book, sink));
}

int32_t eng_book_pending(const eng_book *book)
{
    return book->state == ENG_BOOK_PENDING;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* One piece of memory for everything, on huge pages where the host gives them: with millions of
 * orders the address translation costs as much as the cache misses. */
static void *make_arena(uint64_t bytes)
{
    void *arena = aligned_alloc(ARENA_ALIGN, bytes);
    if (arena != NULL) {
        (void)madvise(arena, bytes, MADV_HUGEPAGE); /* a wish: refusal changes nothing but speed */
        memset(arena, 0, bytes);
    }
    return arena;
}

eng_book *eng_book_create(uint32_t instruments, uint32_t orders, uint32_t nodes)
{
    if (instruments == 0 || instruments > ENG_BOOK_INSTRUMENTS_MAX || orders == 0 ||
        orders > ENG_ORDERS_MAX || nodes == 0 || nodes > ENG_NODES_MAX) {
        return NULL;
    }
    /* At most 2^26 + 2^33 + 2^34 bytes: no overflow. */
    uint64_t ladders_bytes = instruments * (uint64_t)sizeof(eng_ladder);
    uint64_t orders_bytes = round_up((orders + UINT64_C(1)) * sizeof(eng_order), RB_MESSAGE_BYTES);
    uint64_t nodes_bytes = (nodes + UINT64_C(1)) * sizeof(eng_node);
    uint64_t bytes = round_up(ladders_bytes + orders_bytes + nodes_bytes, ARENA_ALIGN);
    eng_book *book = calloc(1, sizeof *book);
    uint8_t *arena = make_arena(bytes);
    if (book == NULL || arena == NULL) {
        free(book);
        free(arena);
        return NULL;
    }
    book->arena = arena;
    book->arena_bytes = bytes;
    book->ladders = (eng_ladder *)(void *)arena;
    book->orders = (eng_order *)(void *)(arena + ladders_bytes);
    book->instrument_count = instruments;
    book->order_count = orders;
    eng_nodes_init(&book->nodes, (eng_node *)(void *)(arena + ladders_bytes + orders_bytes), nodes);
    for (uint32_t i = 0; i < instruments; i++) {
        eng_ladder_init(&book->ladders[i]);
    }
    for (uint32_t locate = orders; locate > 0; locate--) {
        release_order(book, locate);
    }
    return book;
}

void eng_book_destroy(eng_book *book)
{
    if (book != NULL) {
        free(book->arena);
        free(book);
    }
}
