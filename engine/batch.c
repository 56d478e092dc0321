/* Drives a book from an array instead of a lane, and fetches ahead what messages will need. */
#include "engine/book_state.h"
#include "engine/queue.h"

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

/* The leaf that the ladder's table has for a price, perhaps another one's, or node 0. */
static inline uint32_t leaf_of(const eng_book *book, const eng_ladder *ladder, int32_t price_ticks)
{
    return eng_ladder_slot(&book->nodes, ladder, (uint32_t)price_ticks >> ENG_DIGIT_BITS);
}

static inline const eng_links *level_of(const eng_book *book, uint32_t leaf, int32_t price_ticks)
{
    return &book->nodes.pool[leaf].levels[(uint32_t)price_ticks & ENG_DIGIT_MASK];
}

static inline void fetch_level(const eng_book *book, uint32_t leaf, int32_t price_ticks)
{
    fetch(&book->nodes.heads[leaf]);
    fetch(level_of(book, leaf, price_ticks));
}

static inline int is_fetched(const eng_book *book)
{
    return book->arena_bytes >= FETCHED_BYTES_MIN;
}

static inline void fetch_far(const eng_book *book, const rb_message *message)
{
    fetch(ladder_of(book, message));
    fetch(order_at(book, message->cancel.locate));
}

static inline void fetch_near(const eng_book *book, const rb_message *message)
{
    const eng_ladder *ladder = ladder_of(book, message);
    const eng_order *order = order_at(book, message->cancel.locate);
    int32_t price_ticks = message->new_order.price_ticks;
    fetch_level(book, leaf_of(book, ladder, price_ticks), price_ticks);
    /* Links lead into the book wherever the order is: of a free or held one they are locates. */
    fetch(eng_links_at(book, order->links.next));
    fetch(eng_links_at(book, order->links.prev));
}

static inline void fetch_tail(const eng_book *book, const rb_message *message)
{
    int32_t price_ticks = message->new_order.price_ticks;
    uint32_t leaf = leaf_of(book, ladder_of(book, message), price_ticks);
    fetch(eng_links_at(book, level_of(book, leaf, price_ticks)->prev));
}

void eng_book_prefetch(const eng_book *book, const rb_message *message)
{
    if (is_fetched(book)) {
        fetch_far(book, message);
    }
}

void eng_book_prefetch_near(const eng_book *book, const rb_message *message)
{
    if (is_fetched(book)) {
        fetch_near(book, message);
    }
}

void eng_book_prefetch_tail(const eng_book *book, const rb_message *message)
{
    if (is_fetched(book)) {
        fetch_tail(book, message);
    }
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
           template_id == RB_TEMPLATE_ORDER_TAG || template_id == RB_TEMPLATE_TEXT;
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

/* The three steps for what lies behind the first of `left` messages. */
static inline void fetch_behind(const eng_book *book, const rb_message *messages, int64_t left)
{
    if (__builtin_expect(left > ENG_AHEAD_FAR, 1)) {
        fetch_far(book, &messages[ENG_AHEAD_FAR]);
        fetch_near(book, &messages[ENG_AHEAD_NEAR]);
        fetch_tail(book, &messages[ENG_AHEAD_TAIL]);
        return;
    }
    if (left > ENG_AHEAD_NEAR) {
        fetch_near(book, &messages[ENG_AHEAD_NEAR]);
    }
    if (left > ENG_AHEAD_TAIL) {
        fetch_tail(book, &messages[ENG_AHEAD_TAIL]);
    }
}

/* Applies messages until one of them fails, the sink is full, or all are done; how many of them
 * were taken is group->position. */
static int32_t apply_all(eng_book *book, eng_group *group, int64_t message_count, eng_sink *sink)
{
    const int ahead = is_fetched(book);
    int64_t at = 0;
    int32_t status = RB_OK;
    while (status == RB_OK && at < message_count) {
        const rb_message *message = &group->base[at];
        group->count = 1;
        if (__builtin_expect((message->header.flags & RB_FLAG_CONTINUED) != 0, 0)) {
            status = group_front(group, message_count - at);
            if (status != RB_OK) {
                break;
            }
        }
        if (eng_sink_room(sink) < ENG_SINK_ROOM_MIN || eng_sink_room(sink) < group->count) {
            status = group->count > sink->limit ? RB_USAGE : RB_FULL;
            break;
        }
        if (ahead) {
            fetch_behind(book, message, message_count - at);
        }
        status = group->count == 1 ? eng_book_submit_alone(book, message, sink)
                                   : eng_book_submit(book, group, sink);
        at += status == RB_OK || status == RB_FULL ? group->count : 0;
        group->position = (uint64_t)at;
    }
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
    eng_group group = {.base = messages, .mask = ~UINT64_C(0), .position = 0, .count = 1};
    int32_t status = RB_OK;
    if (book->state == ENG_BOOK_PENDING) {
        status = eng_book_resume(book, &sink);
    } else if (message_count == 0) {
        status = book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    if (status == RB_OK) {
        status = apply_all(book, &group, message_count, &sink);
    }
    *used = (int64_t)group.position;
    *count = (int64_t)sink.count;
    return status;
}
