#include "engine/submit.h"

#include "engine/answer.h"
#include "engine/book_state.h"
#include "engine/collar.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "engine/terms.h"
#include "engine/unusual.h"

/*
 * The plain way. Plain is one line, NewOrder, Cancel or Replace, alone or with a tag behind it that
 * the book only repeats; without options, of a time in force that rests now or never, on an
 * instrument that trades continuously and has no hidden orders; and nothing about it has to be
 * refused. Whether it is so is asked before anything is done. Everything else goes to
 * engine/unusual.c (a cancel to eng_cancel below), where each rule is written out.
 *
 * What is not common in it is a function apart, called last: so the common functions have nothing
 * to save across a call. They are made twice, for a message alone and with a tag (`tag` is a
 * constant NULL where they are inlined for the one alone), and what is not plain gets its group
 * back.
 */
#define PLAIN static inline __attribute__((always_inline))
#define APART static __attribute__((noinline))
#define LIKELY(condition) __builtin_expect(condition, 1)
#define UNLIKELY(condition) __builtin_expect(condition, 0)

/* Latches what has to be remembered of a status. */
static int32_t conclude(eng_book *book, int32_t status)
{
    book->state = status == RB_OK || status == RB_USAGE ? ENG_BOOK_IDLE
                  : status == RB_FULL                   ? ENG_BOOK_PENDING
                                                        : ENG_BOOK_FAILED;
    return status;
}

/* Whether a NewOrder's or Replace's own terms are plain, but for options. */
static inline int is_plain(const rb_new_order *line)
{
    uint32_t forces = ENG_FORCES_RESTING | ENG_FORCE(RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL);
    return eng_force_in(forces, line->time_in_force) &&
           eng_quantity_reason(line->quantity, line->price_ticks) == ENG_ACCEPTED;
}

static inline int keeps_collar(const eng_book *book, const rb_new_order *line, uint8_t side)
{
    return eng_collar_reason(book, line->instrument, side, line->price_ticks, line->quantity, 0) ==
           ENG_ACCEPTED;
}

/* Whether there are nodes for any price. */
static inline int has_nodes(const eng_book *book)
{
    return book->nodes.free_count >= ENG_LADDER_DEPTHS;
}

static inline int is_side(uint8_t side)
{
    return side == RB_SIDE_BUY || side == RB_SIDE_SELL;
}

/* Whether it trades at once, or never rests. */
static inline int is_immediate(const eng_ladder *ladder, const rb_new_order *line, uint8_t side)
{
    int32_t best = ladder->best[eng_side_index_other(side)];
    return line->time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL ||
           eng_meets(side, line->price_ticks, best);
}

/* The answer's first line, and the tag. */
PLAIN rb_message *answer(eng_sink *sink, const rb_message *message, const rb_message *tag)
{
    rb_message *line = eng_answer_line(sink, message, tag != NULL ? RB_FLAG_CONTINUED : 0);
    if (tag != NULL) {
        eng_line_copy(eng_sink_next(sink), tag);
    }
    return line;
}

/* Both as a group again, for what is not plain; `lines` are its memory. */
static eng_group group_of(rb_message lines[2], const rb_message *message, const rb_message *tag)
{
    if (tag == NULL) {
        return (eng_group){.base = message, .mask = ~UINT64_C(0), .position = 0, .count = 1};
    }
    lines[0] = *message;
    lines[1] = *tag;
    return (eng_group){.base = lines, .mask = ~UINT64_C(0), .position = 0, .count = 2};
}

/* Fills in a record of the pool as a plain order and puts it at the back of a level. */
static inline void rest(const eng_book *book, eng_ladder *ladder, const rb_message *message,
                        uint32_t locate, uint8_t side, uint32_t level)
{
    const rb_new_order *line = &message->new_order;
    eng_order *order = &book->orders[locate];
    order->quantity = line->quantity;
    order->price_ticks = line->price_ticks;
    order->owner = message->words[6];
    order->instrument = line->instrument;
    order->topic = line->header.topic;
    order->side = side;
    order->options = 0;
    eng_links_append(book, level, &order->links, eng_link_to(locate));
    eng_ladder_count(ladder, side, line->price_ticks);
}

/* --- NewOrder -------------------------------------------------------------------------------- */

APART int32_t new_unusual(eng_book *book, eng_sink *sink, const rb_message *message,
                          const rb_message *tag)
{
    rb_message lines[2];
    const eng_group group = group_of(lines, message, tag);
    return conclude(book, eng_new_order_unusual(book, &group, sink));
}

APART int32_t new_immediate(eng_book *book, eng_sink *sink, const rb_message *message,
                            const rb_message *tag)
{
    const rb_new_order *line = &message->new_order;
    int rests = line->time_in_force != RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    if (rests && UNLIKELY(!has_nodes(book))) {
        return new_unusual(book, sink, message, tag);
    }
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t locate = rests ? eng_order_take(book) : ENG_LOCATE_NONE;
    eng_incoming_take(book, message, line->side, locate,
                      rests ? 0 : RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL);
    ladder->changes++;
    answer(sink, message, tag)->new_order.locate = locate;
    return conclude(book, eng_match_plain(book, ladder, sink));
}

PLAIN int32_t new_resting(eng_book *book, eng_sink *sink, const rb_message *message,
                          const rb_message *tag, uint32_t level)
{
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t locate = eng_order_take(book);
    ladder->changes++;
    answer(sink, message, tag)->new_order.locate = locate;
    rest(book, ladder, message, locate, line->side, level);
    return RB_OK;
}

/* At a price whose leaf the ladder's table does not have. */
APART int32_t new_elsewhere(eng_book *book, eng_sink *sink, const rb_message *message,
                            const rb_message *tag)
{
    const rb_new_order *line = &message->new_order;
    if (!has_nodes(book)) {
        return new_unusual(book, sink, message, tag);
    }
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t level = eng_ladder_enter(&book->nodes, ladder, line->price_ticks);
    return new_resting(book, sink, message, tag, level);
}

APART int32_t new_ruled(eng_book *book, eng_sink *sink, const rb_message *message,
                        const rb_message *tag);

PLAIN int32_t new_order(eng_book *book, eng_sink *sink, const rb_message *message,
                        const rb_message *tag, int is_ruled)
{
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    if (!is_ruled && UNLIKELY(((ladder->manner ^ ENG_MANNER_PLAIN) | line->options) != 0)) {
        return new_ruled(book, sink, message, tag);
    }
    if (UNLIKELY(!is_plain(line)) || UNLIKELY(!is_side(line->side)) ||
        UNLIKELY(book->free_head == ENG_LOCATE_NONE)) {
        return new_unusual(book, sink, message, tag);
    }
    if (is_immediate(ladder, line, line->side)) {
        return new_immediate(book, sink, message, tag);
    }
    uint32_t leaf = eng_ladder_known(&book->nodes, ladder, line->price_ticks);
    if (UNLIKELY(leaf == ENG_NODE_NONE)) {
        return new_elsewhere(book, sink, message, tag);
    }
    uint32_t level = eng_leaf_enter(&book->nodes, leaf, line->price_ticks);
    return new_resting(book, sink, message, tag, level);
}

/* Plain but for a collar that holds, or unusual. */
APART int32_t new_ruled(eng_book *book, eng_sink *sink, const rb_message *message,
                        const rb_message *tag)
{
    const rb_new_order *line = &message->new_order;
    const eng_ladder *ladder = &book->ladders[line->instrument];
    if (ladder->manner != (ENG_MANNER_PLAIN | ENG_MANNER_COLLAR) || line->options != 0 ||
        !is_plain(line) || !keeps_collar(book, line, line->side)) {
        return new_unusual(book, sink, message, tag);
    }
    return new_order(book, sink, message, tag, 1);
}

APART int32_t new_alone(eng_book *book, eng_sink *sink, const rb_message *message)
{
    return new_order(book, sink, message, NULL, 0);
}

APART int32_t new_tagged(eng_book *book, eng_sink *sink, const rb_message *message,
                         const rb_message *tag)
{
    return new_order(book, sink, message, tag, 0);
}

/* --- Cancel ---------------------------------------------------------------------------------- */

int32_t eng_cancel(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    uint32_t quantity = message->cancel.quantity;
    uint32_t locate = message->cancel.locate;
    const eng_order *order = eng_order_named(book, message, message->cancel.client_order_id);
    if (order == NULL) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_ORDER);
    }
    uint32_t open = eng_order_open(book, locate);
    if (quantity == 0 || quantity > open) {
        return eng_reject(sink, group, RB_REJECT_REASON_INVALID_QUANTITY);
    }
    book->ladders[order->instrument].changes++;
    rb_cancel *answer = &eng_answer_first(sink, group)->cancel;
    answer->price_ticks = order->price_ticks;
    answer->side = order->side;
    answer->remaining = open - quantity;
    if (quantity != open) {
        eng_order_reduce(book, locate, quantity);
        return RB_OK;
    }
    int32_t status = eng_order_unlink(book, locate);
    eng_order_release(book, locate);
    return status;
}

APART int32_t cancel_unusual(eng_book *book, eng_sink *sink, const rb_message *message,
                             const rb_message *tag)
{
    rb_message lines[2];
    const eng_group group = group_of(lines, message, tag);
    return conclude(book, eng_cancel(book, &group, sink));
}

APART int32_t left(eng_book *book, eng_ladder *ladder, uint32_t level, int32_t price_ticks,
                   uint8_t side)
{
    eng_ladder_left(book, ladder, level, price_ticks, side);
    return RB_OK;
}

APART int32_t corrupt(eng_book *book)
{
    return conclude(book, rb_check_failed("an order alone links to a level", __FILE__, __LINE__));
}

/* All of an order that only its price's queue knows. */
PLAIN int32_t cancel(eng_book *book, eng_sink *sink, const rb_message *message,
                     const rb_message *tag)
{
    const rb_cancel *line = &message->cancel;
    uint32_t locate = line->locate;
    const eng_order *order = eng_order_named(book, message, line->client_order_id);
    if (UNLIKELY(order == NULL) ||
        UNLIKELY((order->options | (line->quantity ^ order->quantity)) != 0)) {
        return cancel_unusual(book, sink, message, tag);
    }
    rb_cancel *first = &answer(sink, message, tag)->cancel;
    int32_t price_ticks = order->price_ticks;
    uint8_t side = order->side;
    first->price_ticks = price_ticks;
    first->side = side;
    first->remaining = 0;
    eng_ladder *ladder = &book->ladders[line->instrument];
    ladder->changes++;
    ladder->orders[eng_side_index(side)]--;
    uint32_t level = eng_links_remove(book, order->links);
    eng_order_release(book, locate);
    if (UNLIKELY(level >> ENG_DIGIT_BITS > book->nodes.count)) {
        return corrupt(book);
    }
    return UNLIKELY(eng_ladder_leave(book, ladder, level, price_ticks, side))
               ? left(book, ladder, level, price_ticks, side)
               : RB_OK;
}

APART int32_t cancel_alone(eng_book *book, eng_sink *sink, const rb_message *message)
{
    return cancel(book, sink, message, NULL);
}

APART int32_t cancel_tagged(eng_book *book, eng_sink *sink, const rb_message *message,
                            const rb_message *tag)
{
    return cancel(book, sink, message, tag);
}

/* --- Replace --------------------------------------------------------------------------------- */

APART int32_t replace_unknown(eng_sink *sink, const rb_message *message, const rb_message *tag)
{
    rb_message lines[2];
    const eng_group group = group_of(lines, message, tag);
    return eng_reject(sink, &group, RB_REJECT_REASON_UNKNOWN_ORDER);
}

APART int32_t replace_unusual(eng_book *book, eng_sink *sink, const rb_message *message,
                              const rb_message *tag)
{
    rb_message lines[2];
    const eng_group group = group_of(lines, message, tag);
    return conclude(book, eng_replace_unusual(book, &group, sink));
}

/* Whether it may keep its place: only less of it. */
static inline int keeps_place(const eng_order *order, const rb_new_order *line)
{
    return line->price_ticks == order->price_ticks && line->quantity <= order->quantity;
}

/* Plain, but for whether it keeps its place, trades, or comes to a price that has no leaf. */
APART int32_t replace_elsewhere(eng_book *book, eng_sink *sink, const rb_message *message,
                                const rb_message *tag)
{
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t locate = message->replace.locate;
    eng_order *order = &book->orders[locate];
    uint8_t side = order->side;
    if (UNLIKELY(!has_nodes(book))) {
        return replace_unusual(book, sink, message, tag);
    }
    ladder->changes++;
    rb_replace *first = &answer(sink, message, tag)->replace;
    first->side = side;
    int never_rests = line->time_in_force == RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    if (!never_rests && keeps_place(order, line)) {
        first->header.flags |= RB_FLAG_KEPT_PRIORITY;
        order->quantity = line->quantity;
        order->owner = message->words[6];
        return RB_OK;
    }
    int32_t status = eng_ladder_remove(book, ladder, order);
    if (UNLIKELY(status != RB_OK)) {
        return conclude(book, status);
    }
    if (!is_immediate(ladder, line, side)) {
        uint32_t level = eng_ladder_enter(&book->nodes, ladder, line->price_ticks);
        rest(book, ladder, message, locate, side, level);
        return RB_OK;
    }
    order->side = 0;
    eng_incoming_take(book, message, side, locate,
                      never_rests ? RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL : 0);
    return conclude(book, eng_match_plain(book, ladder, sink));
}

/* To another price that has a leaf. The new level is there before the old one is left for good:
 * then it is found if it is the next best. */
PLAIN int32_t replace(eng_book *book, eng_sink *sink, const rb_message *message,
                      const rb_message *tag)
{
    const rb_new_order *line = &message->new_order;
    eng_ladder *ladder = &book->ladders[line->instrument];
    uint32_t locate = message->replace.locate;
    eng_order *order = eng_order_named(book, message, message->replace.original_client_order_id);
    if (UNLIKELY(order == NULL)) {
        return replace_unknown(sink, message, tag);
    }
    uint64_t manner = (ladder->manner & ~ENG_MANNER_COLLAR) ^ ENG_MANNER_PLAIN;
    if (UNLIKELY((manner | order->options) != 0) || UNLIKELY(!is_plain(line)) ||
        UNLIKELY(ladder->has_collar && !keeps_collar(book, line, order->side))) {
        return replace_unusual(book, sink, message, tag);
    }
    uint32_t leaf = eng_ladder_known(&book->nodes, ladder, line->price_ticks);
    if (UNLIKELY(leaf == ENG_NODE_NONE) || UNLIKELY(line->price_ticks == order->price_ticks) ||
        UNLIKELY(is_immediate(ladder, line, order->side))) {
        return replace_elsewhere(book, sink, message, tag);
    }
    rb_replace *first = &answer(sink, message, tag)->replace;
    uint8_t side = order->side;
    int32_t price_ticks = order->price_ticks;
    first->side = side;
    ladder->changes++;
    uint32_t level = eng_links_remove(book, order->links);
    if (UNLIKELY(level >> ENG_DIGIT_BITS > book->nodes.count)) {
        return corrupt(book);
    }
    int is_left = eng_ladder_leave(book, ladder, level, price_ticks, side);
    order->quantity = line->quantity;
    order->price_ticks = line->price_ticks;
    order->owner = message->words[6];
    eng_links_append(book, eng_leaf_enter(&book->nodes, leaf, line->price_ticks), &order->links,
                     eng_link_to(locate));
    eng_ladder_improve(ladder, side, line->price_ticks);
    return UNLIKELY(is_left) ? left(book, ladder, level, price_ticks, side) : RB_OK;
}

APART int32_t replace_alone(eng_book *book, eng_sink *sink, const rb_message *message)
{
    return replace(book, sink, message, NULL);
}

APART int32_t replace_tagged(eng_book *book, eng_sink *sink, const rb_message *message,
                             const rb_message *tag)
{
    return replace(book, sink, message, tag);
}

/* --- any proposal ---------------------------------------------------------------------------- */

static int is_tagged(const eng_group *group)
{
    return group->count == 2 &&
           eng_group_line(group, 1)->header.template_id == RB_TEMPLATE_ORDER_TAG;
}

_Static_assert(ENG_SINK_ROOM_MIN >= 2, "an order and its tag");

/* What has lines behind it, is no order, or has to wait. */
APART int32_t submit_other(eng_book *book, const eng_group *group, eng_sink *sink,
                           const rb_message *message)
{
    if (book->state != ENG_BOOK_IDLE) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    if (eng_sink_room(sink) < ENG_SINK_ROOM_MIN) {
        return RB_USAGE;
    }
    uint8_t template_id = message->header.template_id;
    int is_order = template_id >= RB_TEMPLATE_NEW_ORDER && template_id <= RB_TEMPLATE_REPLACE;
    if (!is_order || (group->count != 1 && !is_tagged(group))) {
        return conclude(book, eng_submit_unusual(book, group, sink));
    }
    if (message->any.instrument >= book->instrument_count) {
        return eng_reject(sink, group, RB_REJECT_REASON_UNKNOWN_INSTRUMENT);
    }
    const rb_message *tag = eng_group_line(group, 1);
    if (template_id == RB_TEMPLATE_NEW_ORDER) {
        return new_tagged(book, sink, message, tag);
    }
    return template_id == RB_TEMPLATE_CANCEL ? cancel_tagged(book, sink, message, tag)
                                             : replace_tagged(book, sink, message, tag);
}

APART int32_t alone_other(eng_book *book, const rb_message *message, eng_sink *sink)
{
    const eng_group group = group_of(NULL, message, NULL);
    return submit_other(book, &group, sink, message);
}

int32_t eng_book_submit_alone(eng_book *book, const rb_message *message, eng_sink *sink)
{
    if (UNLIKELY(book->state != ENG_BOOK_IDLE) ||
        UNLIKELY(eng_sink_room(sink) < ENG_SINK_ROOM_MIN) ||
        UNLIKELY(message->any.instrument >= book->instrument_count)) {
        return alone_other(book, message, sink);
    }
    /* The rarest first: of coin tosses, that leaves the fewest. */
    uint8_t template_id = message->header.template_id;
    if (UNLIKELY(template_id == RB_TEMPLATE_REPLACE)) {
        return replace_alone(book, sink, message);
    }
    if (template_id == RB_TEMPLATE_NEW_ORDER) {
        return new_alone(book, sink, message);
    }
    return LIKELY(template_id == RB_TEMPLATE_CANCEL) ? cancel_alone(book, sink, message)
                                                     : alone_other(book, message, sink);
}

int32_t eng_book_submit(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    return LIKELY(group->count == 1) ? eng_book_submit_alone(book, message, sink)
                                     : submit_other(book, group, sink, message);
}

int32_t eng_book_resume(eng_book *book, eng_sink *sink)
{
    if (book->state != ENG_BOOK_PENDING) {
        return book->state == ENG_BOOK_FAILED ? RB_CORRUPT : RB_USAGE;
    }
    return conclude(book, eng_run_stages(book, sink));
}

int32_t eng_book_pending(const eng_book *book)
{
    return book->state == ENG_BOOK_PENDING;
}
