/* Drives a book from an array instead of a lane, and fetches ahead what messages will need. */
#include "engine/book_state.h"

/* Messages ahead: the first touches what a message names, the second what that names in turn. */
#define PREFETCH_FAR 16
#define PREFETCH_NEAR 8

void eng_book_prefetch(const eng_book *book, const rb_message *message)
{
    if (message->any.instrument < book->instrument_count) {
        __builtin_prefetch(&book->ladders[message->any.instrument], 1);
    }
    if (message->header.template_id != RB_TEMPLATE_NEW_ORDER &&
        message->cancel.locate <= book->order_count) {
        __builtin_prefetch(&book->orders[message->cancel.locate], 1);
    }
}

static void prefetch_level(const eng_book *book, uint32_t instrument, int32_t price_ticks)
{
    uint32_t leaf = eng_ladder_cached(&book->ladders[instrument], price_ticks);
    const eng_node *node = &book->nodes.pool[leaf];
    __builtin_prefetch(&node->bitmap, 1);
    __builtin_prefetch(&node->levels[(uint32_t)price_ticks & ENG_DIGIT_MASK], 1);
}

void eng_book_prefetch_near(const eng_book *book, const rb_message *message)
{
    if (message->any.instrument >= book->instrument_count) {
        return;
    }
    if (message->header.template_id != RB_TEMPLATE_CANCEL) {
        prefetch_level(book, message->any.instrument, message->new_order.price_ticks);
    }
    if (message->header.template_id != RB_TEMPLATE_NEW_ORDER &&
        message->cancel.locate <= book->order_count) {
        const eng_order *order = &book->orders[message->cancel.locate];
        __builtin_prefetch(&book->orders[order->next], 1);
        __builtin_prefetch(&book->orders[order->prev], 1);
        if (order->next == ENG_LOCATE_NONE || order->prev == ENG_LOCATE_NONE) {
            prefetch_level(book, message->any.instrument, order->price_ticks);
        }
    }
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
        if (*used + PREFETCH_FAR < message_count) {
            eng_book_prefetch(book, &messages[*used + PREFETCH_FAR]);
        }
        if (*used + PREFETCH_NEAR < message_count) {
            eng_book_prefetch_near(book, &messages[*used + PREFETCH_NEAR]);
        }
        int64_t taken = 0;
        status = apply_front(book, &messages[*used], message_count - *used, &sink, &taken);
        *used += taken;
    }
    *count = (int64_t)sink.count;
    return status;
}
