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

/* Whether a line belongs to the one before it. */
static int is_continuation(uint8_t template_id)
{
    return template_id == RB_TEMPLATE_ORDER_TERMS || template_id == RB_TEMPLATE_LEG ||
           template_id == RB_TEMPLATE_ORDER_TAG;
}

/* The group at the front of the `left` lines from `position` on. */
static int32_t group_front(eng_group *group, int64_t left)
{
    uint32_t count = 1;
    while ((eng_group_line(group, count - 1)->header.flags & RB_FLAG_CONTINUED) != 0) {
        if (count == left || count == ENG_GROUP_LINES_MAX ||
            !is_continuation(eng_group_line(group, count)->header.template_id)) {
            return RB_USAGE;
        }
        count++;
    }
    group->count = count;
    return RB_OK;
}

static void prefetch_behind(const eng_book *book, const rb_message *messages, int64_t left)
{
    if (ENG_AHEAD_FAR < left) {
        eng_book_prefetch(book, &messages[ENG_AHEAD_FAR]);
    }
    if (ENG_AHEAD_NEAR < left) {
        eng_book_prefetch_near(book, &messages[ENG_AHEAD_NEAR]);
    }
    if (ENG_AHEAD_TAIL < left) {
        eng_book_prefetch_tail(book, &messages[ENG_AHEAD_TAIL]);
    }
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
    eng_group group = {.base = messages, .mask = ~UINT64_C(0), .position = 0, .count = 1};
    int32_t status = RB_OK;
    if (book->state == ENG_BOOK_PENDING) {
        status = eng_book_resume(book, &sink);
    } else if (message_count == 0) {
        status = book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    while (status == RB_OK && *used < message_count) {
        int64_t left = message_count - *used;
        group.position = (uint64_t)*used;
        status = group_front(&group, left);
        if (status != RB_OK) {
            break;
        }
        if (eng_sink_room(&sink) < ENG_SINK_ROOM_MIN || eng_sink_room(&sink) < group.count) {
            status = group.count > (uint64_t)limit ? RB_USAGE : RB_FULL;
            break;
        }
        prefetch_behind(book, &messages[*used], left);
        status = eng_book_submit(book, &group, &sink);
        *used += status == RB_OK || status == RB_FULL ? group.count : 0;
    }
    *count = (int64_t)sink.count;
    return status;
}
