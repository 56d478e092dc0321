/* Drives a book from an array instead of a lane, and fetches ahead what messages will need. */
#include "engine/book_state.h"

/*
 * The steps below do not ask what kind of message it is: that is a coin toss, and a mispredicted
 * branch costs more than a prefetch in vain. Fields that a kind does not use are zero in a
 * proposal, whatever they hold is bounded, and order 0 and node 0 are there to be looked at.
 */

/* Smaller books live in the caches by themselves: 41 M messages/s without the steps, 28 M with them
 * (one instrument, 200 orders); with 10,000 instruments and 2 M orders 8 M and 21 M (EPYC,
 * 2026-11-21). */
#define FETCHED_BYTES_MIN (UINT64_C(4) << 20)

/* The empty statement keeps the calls: gcc 12 finds functions that only prefetch to be without
 * effect and drops them (seen in the disassembly). */
static inline void fetch(const void *line)
{
    __builtin_prefetch(line, 1);
    __asm__ __volatile__("");
}

static inline const eng_ladder *ladder_of(const eng_book *book, const rb_message *message)
{
    uint32_t instrument = message->any.instrument;
    return &book->ladders[instrument < book->instrument_count ? instrument : 0];
}

static inline const eng_order *order_at(const eng_book *book, uint32_t locate)
{
    return &book->orders[locate <= book->order_count ? locate : ENG_LOCATE_NONE];
}

/* The leaf of a price if it is remembered, or node 0. */
static inline const eng_node *leaf_of(const eng_book *book, const eng_ladder *ladder,
                                      int32_t price_ticks)
{
    return &book->nodes.pool[eng_ladder_cached(ladder, price_ticks)];
}

static inline void fetch_level(const eng_node *leaf, int32_t price_ticks)
{
    fetch(&leaf->bitmap);
    fetch(&leaf->levels[(uint32_t)price_ticks & ENG_DIGIT_MASK]);
}

void eng_book_prefetch(const eng_book *book, const rb_message *message)
{
    if (book->arena_bytes < FETCHED_BYTES_MIN) {
        return;
    }
    fetch(ladder_of(book, message));
    fetch(order_at(book, message->cancel.locate));
}

void eng_book_prefetch_near(const eng_book *book, const rb_message *message)
{
    if (book->arena_bytes < FETCHED_BYTES_MIN) {
        return;
    }
    const eng_ladder *ladder = ladder_of(book, message);
    const eng_order *order = order_at(book, message->cancel.locate);
    int32_t price_ticks = message->new_order.price_ticks;
    fetch_level(leaf_of(book, ladder, price_ticks), price_ticks);
    fetch_level(leaf_of(book, ladder, order->price_ticks), order->price_ticks);
    fetch(order_at(book, order->next));
    fetch(order_at(book, order->prev));
}

void eng_book_prefetch_tail(const eng_book *book, const rb_message *message)
{
    if (book->arena_bytes < FETCHED_BYTES_MIN) {
        return;
    }
    int32_t price_ticks = message->new_order.price_ticks;
    const eng_node *leaf = leaf_of(book, ladder_of(book, message), price_ticks);
    fetch(order_at(book, leaf->levels[(uint32_t)price_ticks & ENG_DIGIT_MASK].tail));
}

int32_t eng_book_apply(eng_book *book, const rb_message *message, rb_message *out, int64_t limit,
                       int64_t *count)
{
    int64_t used = 0;
    return eng_book_apply_batch(book, message, message != NULL, out, limit, &used, count);
}

/* One proposal and its tag from the front of `messages`; *taken says how many lines that were. */
static int32_t apply_front(eng_book *book, const rb_message *messages, int64_t left, eng_sink *sink,
                           int64_t *taken)
{
    const rb_message *tag = NULL;
    if ((messages->header.flags & RB_FLAG_CONTINUED) != 0) {
        if (left < 2 || messages[1].header.template_id != RB_TEMPLATE_ORDER_TAG) {
            return RB_USAGE;
        }
        tag = &messages[1];
    }
    int32_t status = eng_book_submit(book, messages, tag, sink);
    *taken = status == RB_OK || status == RB_FULL ? 1 + (tag != NULL) : 0;
    return status;
}

int32_t eng_book_apply_batch(eng_book *book, const rb_message *messages, int64_t message_count,
                             rb_message *out, int64_t limit, int64_t *used, int64_t *count)
{
    *used = 0;
    *count = 0;
    if (message_count < 0 || limit < (int64_t)ENG_SINK_ROOM_MIN) {
        return RB_USAGE;
    }
    eng_sink sink = {.base = out, .mask = ~UINT64_C(0), .position = 0, .limit = (uint64_t)limit};
    int32_t status = RB_OK;
    if (book->state == ENG_BOOK_PENDING) {
        status = eng_book_resume(book, &sink);
    } else if (message_count == 0) {
        status = book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    while (status == RB_OK && *used < message_count) {
        if (eng_sink_room(&sink) < ENG_SINK_ROOM_MIN) {
            status = RB_FULL;
            break;
        }
        if (*used + ENG_AHEAD_FAR < message_count) {
            eng_book_prefetch(book, &messages[*used + ENG_AHEAD_FAR]);
        }
        if (*used + ENG_AHEAD_NEAR < message_count) {
            eng_book_prefetch_near(book, &messages[*used + ENG_AHEAD_NEAR]);
        }
        if (*used + ENG_AHEAD_TAIL < message_count) {
            eng_book_prefetch_tail(book, &messages[*used + ENG_AHEAD_TAIL]);
        }
        int64_t taken = 0;
        status = apply_front(book, &messages[*used], message_count - *used, &sink, &taken);
        *used += taken;
    }
    *count = (int64_t)sink.count;
    return status;
}
