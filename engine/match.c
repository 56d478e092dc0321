#include "engine/match.h"

#include "engine/answer.h"
#include "engine/queue.h"
#include "ringbus/check.h"

/* --- what is left ---------------------------------------------------------------------------- */

void eng_incoming_record(eng_book *book)
{
    const eng_incoming *in = &book->incoming;
    eng_order *order = &book->orders[in->locate];
    order->quantity = in->quantity;
    order->price_ticks = in->price_ticks;
    order->owner = in->owner;
    order->instrument = in->instrument;
    order->topic = in->topic;
    order->side = in->side;
    order->options = in->options;
    if (__builtin_expect((in->options & ENG_ORDER_RESERVE) != 0, 0)) {
        eng_terms *terms = &book->terms[in->locate];
        order->quantity = in->quantity < in->display_quantity ? in->quantity : in->display_quantity;
        terms->display_quantity = in->display_quantity;
        terms->reserve = in->quantity - order->quantity;
    }
}

/* Puts the incoming order at the back of its price. */
static int32_t rest(eng_book *book)
{
    RB_CHECK(book->incoming.locate != ENG_LOCATE_NONE);
    eng_incoming_record(book);
    return eng_order_queue(book, book->incoming.locate);
}

/* Rests, cancels or forgets the incoming order as it is. */
static inline int32_t leave(eng_book *book, eng_sink *sink)
{
    const eng_incoming *in = &book->incoming;
    if (in->quantity != 0) {
        if (in->reason == 0) {
            return rest(book);
        }
        if (eng_sink_room(sink) < 1) {
            return RB_FULL;
        }
        eng_answer_incoming_canceled(book, sink, in->reason);
    }
    if (in->locate != ENG_LOCATE_NONE) {
        eng_order_release(book, in->locate);
    }
    return RB_OK;
}

int32_t eng_match_nothing(eng_book *book, eng_sink *sink)
{
    return leave(book, sink);
}

/* --- trades ---------------------------------------------------------------------------------- */

static int32_t say_replenished(eng_book *book, eng_sink *sink)
{
    uint32_t locate = book->incoming.replenished;
    const eng_order *order = &book->orders[locate];
    if (eng_sink_room(sink) < 1) {
        return RB_FULL;
    }
    eng_answer_order(book, sink, RB_TEMPLATE_REPLENISHED, locate, order->price_ticks,
                     order->quantity, 0);
    book->incoming.replenished = ENG_LOCATE_NONE;
    return RB_OK;
}

/* The first order of a level, whose displayed part is used up, shows the next part of its reserve
 * at the back. */
static int32_t replenish(eng_book *book, const eng_links *level, eng_sink *sink)
{
    uint32_t locate = eng_level_head(level);
    eng_order *order = &book->orders[locate];
    eng_terms *terms = &book->terms[locate];
    uint32_t shown =
        terms->reserve < terms->display_quantity ? terms->reserve : terms->display_quantity;
    terms->reserve -= shown;
    order->quantity = shown;
    eng_links links = order->links;
    eng_links_at(book, links.prev)->next = links.next;
    eng_links_at(book, links.next)->prev = links.prev;
    eng_links_append(book, links.prev - book->nodes.links, &order->links, eng_link_to(locate));
    book->incoming.replenished = locate;
    return say_replenished(book, sink);
}

/* One trade with the oldest order of a level, which is not hidden unless `may_hide`, a constant.
 * The caller counts the two lines. */
static inline __attribute__((always_inline)) int32_t trade(eng_book *book, eng_ladder *ladder,
                                                           const eng_links *level, eng_sink *sink,
                                                           int may_hide)
{
    eng_incoming *in = &book->incoming;
    uint32_t locate = eng_level_head(level);
    eng_order *resting = &book->orders[locate];
    RB_CHECK(resting->quantity != 0);
    RB_CHECK(resting->side == eng_side_other(in->side));
    uint32_t quantity = in->quantity < resting->quantity ? in->quantity : resting->quantity;
    int32_t price_ticks = resting->price_ticks;
    in->quantity -= quantity;
    resting->quantity -= quantity;
    book->last_ticks[in->instrument] = price_ticks;
    rb_message *first = eng_sink_next(sink);
    rb_message *second = eng_sink_next(sink);
    eng_line_about(book, first, RB_TEMPLATE_EXECUTED, eng_party_incoming(book), price_ticks,
                   quantity, RB_LIQUIDITY_REMOVED);
    uint32_t is_hidden = may_hide ? resting->options & RB_ORDER_OPTION_HIDDEN : 0;
    uint32_t detail = is_hidden * RB_TRADE_DETAIL_HIDDEN;
    eng_line_about(book, second, RB_TEMPLATE_EXECUTED, eng_party_order(book, locate), price_ticks,
                   quantity, RB_LIQUIDITY_ADDED | ENG_MARK_DETAIL(detail));
    if (resting->quantity != 0) {
        return RB_OK;
    }
    if (__builtin_expect((resting->options & ENG_ORDER_RESERVE) != 0, 0) &&
        book->terms[locate].reserve != 0) {
        return replenish(book, level, sink);
    }
    if (__builtin_expect(is_hidden != 0, 0)) {
        book->ladders[in->instrument].hidden_orders--;
    }
    int32_t status = eng_ladder_remove(book, ladder, resting);
    eng_order_release(book, locate);
    return status;
}

int32_t eng_match_plain(eng_book *book, eng_ladder *ladder, eng_sink *sink)
{
    const eng_incoming *in = &book->incoming;
    const uint8_t side = in->side;
    const int32_t limit = in->price_ticks;
    const uint32_t other = eng_side_index_other(side);
    while (in->quantity != 0 && eng_meets(side, limit, ladder->best[other])) {
        if (eng_sink_room(sink) < 2) {
            return RB_FULL;
        }
        const eng_links *level = eng_ladder_level(&book->nodes, ladder, ladder->best[other]);
        RB_CHECK(level != NULL);
        ladder->changes += 2;
        int32_t status = trade(book, ladder, level, sink, 0);
        if (status != RB_OK) {
            return status;
        }
    }
    return leave(book, sink);
}

/* --- hidden orders and self-trade prevention ------------------------------------------------- */

int32_t eng_best_of_all(const eng_book *book, uint32_t instrument, uint8_t side)
{
    const eng_ladder *ladder = &book->ladders[instrument];
    uint32_t index = eng_side_index(side);
    int32_t displayed = ladder->best[index];
    if (ladder->hidden_orders == 0) {
        return displayed;
    }
    int32_t hidden = eng_ladder_hidden(book, instrument)->best[index];
    int hidden_is_better = side == RB_SIDE_BUY ? hidden > displayed : hidden < displayed;
    return hidden_is_better ? hidden : displayed;
}

/* Whether self-trade prevention keeps the incoming order from this one. */
static int is_kept_from(const eng_incoming *in, const eng_order *resting)
{
    if ((in->options & ENG_SELF_TRADE) == 0) {
        return 0;
    }
    return (in->options & RB_ORDER_OPTION_SELF_TRADE_FIRM) != 0 ? in->firm == resting->firm
                                                                : in->account == resting->account;
}

/* Of the Canceled lines of two orders that do not trade. */
enum {
    KEPT_INCOMING = RB_CANCEL_REASON_SELF_TRADE | ENG_MARK_DETAIL(RB_LIQUIDITY_REMOVED),
    KEPT_RESTING = RB_CANCEL_REASON_SELF_TRADE | ENG_MARK_DETAIL(RB_LIQUIDITY_ADDED),
};
_Static_assert(RB_ORDER_OPTION_HIDDEN == 1,
               "the mark of a hidden order is its bit times the detail");

/* Takes the smaller open quantity off both. */
static int32_t decrement(eng_book *book, uint32_t locate, eng_sink *sink)
{
    eng_incoming *in = &book->incoming;
    uint32_t open = eng_order_open(book, locate);
    uint32_t quantity = in->quantity < open ? in->quantity : open;
    in->quantity -= quantity;
    int32_t price_ticks = book->orders[locate].price_ticks;
    eng_answer_incoming(book, sink, RB_TEMPLATE_CANCELED, price_ticks, quantity, KEPT_INCOMING);
    if (quantity == open) {
        return eng_answer_order_canceled(book, sink, locate, KEPT_RESTING);
    }
    eng_order_reduce(book, locate, quantity);
    eng_answer_order(book, sink, RB_TEMPLATE_CANCELED, locate, price_ticks, quantity, KEPT_RESTING);
    return RB_OK;
}

/* What happens instead of a trade with oneself. Two lines at most. */
static int32_t prevent(eng_book *book, uint32_t locate, eng_sink *sink)
{
    uint8_t options = book->incoming.options;
    if ((options & RB_ORDER_OPTION_SELF_TRADE_DECREMENT) != 0) {
        return decrement(book, locate, sink);
    }
    if ((options & RB_ORDER_OPTION_SELF_TRADE_NEWEST) != 0) {
        uint32_t quantity = book->incoming.quantity;
        book->incoming.quantity = 0;
        eng_answer_incoming(book, sink, RB_TEMPLATE_CANCELED, book->orders[locate].price_ticks,
                            quantity, KEPT_INCOMING);
    }
    if ((options & RB_ORDER_OPTION_SELF_TRADE_OLDEST) != 0) {
        return eng_answer_order_canceled(book, sink, locate, KEPT_RESTING);
    }
    return RB_OK;
}

/* The ladder of the best order of the other side, NULL if the limit does not meet it. */
static eng_ladder *best_ladder(const eng_book *book)
{
    const eng_incoming *in = &book->incoming;
    uint8_t other = eng_side_other(in->side);
    eng_ladder *displayed = &book->ladders[in->instrument];
    int32_t best = eng_best_of_all(book, in->instrument, other);
    if (!eng_meets(in->side, in->price_ticks, best)) {
        return NULL;
    }
    return displayed->best[eng_side_index(other)] == best ? displayed
                                                          : eng_ladder_hidden(book, in->instrument);
}

/* Like eng_match_plain, with everything. */
static int32_t match_all(eng_book *book, eng_sink *sink)
{
    const eng_incoming *in = &book->incoming;
    uint32_t other = eng_side_index(eng_side_other(in->side));
    eng_ladder *ladder = best_ladder(book);
    for (; in->quantity != 0 && ladder != NULL; ladder = best_ladder(book)) {
        if (eng_sink_room(sink) < 2) {
            return RB_FULL;
        }
        const eng_links *level = eng_ladder_level(&book->nodes, ladder, ladder->best[other]);
        RB_CHECK(level != NULL);
        int32_t status = RB_OK;
        if (is_kept_from(in, &book->orders[eng_level_head(level)])) {
            status = prevent(book, eng_level_head(level), sink);
        } else {
            book->ladders[in->instrument].changes += 2;
            status = trade(book, ladder, level, sink, 1);
        }
        if (status != RB_OK) {
            return status;
        }
    }
    return leave(book, sink);
}

/* --- counting -------------------------------------------------------------------------------- */

/* Adds up one queue from `locate` on. Returns 1 when the count is at its end: it has reached
 * `wanted`, or an order that stops it. */
static int count_queue(const eng_book *book, uint32_t locate, uint64_t wanted, uint64_t *total)
{
    const eng_incoming *in = &book->incoming;
    int stops = (in->options & ENG_SELF_TRADE) != RB_ORDER_OPTION_SELF_TRADE_OLDEST;
    uint64_t shown = 0;
    uint64_t open = 0;
    for (uint32_t n = 0; n < book->order_count && locate != ENG_LOCATE_NONE; n++) {
        const eng_order *order = &book->orders[locate];
        int is_self = is_kept_from(in, order);
        if (is_self && stops) {
            break;
        }
        shown += is_self ? 0 : order->quantity;
        open += is_self ? 0 : eng_order_open(book, locate);
        if (*total + shown >= wanted) {
            break;
        }
        locate = eng_order_behind(book, order);
    }
    /* What is shown comes before the order that stops the count, what is in reserve behind it. */
    *total += locate != ENG_LOCATE_NONE ? shown : open;
    return locate != ENG_LOCATE_NONE || *total >= wanted;
}

/* A price of the other side that eng_meets understands, also if there is none. */
static int32_t price_or_none(int32_t price_ticks, uint8_t side)
{
    int32_t none = eng_side_up(side) ? ENG_BEST_ASK_NONE : ENG_BEST_BID_NONE;
    return price_ticks != 0 ? price_ticks : none;
}

uint64_t eng_fillable(const eng_book *book, uint64_t wanted)
{
    const eng_incoming *in = &book->incoming;
    uint8_t other = eng_side_other(in->side);
    uint32_t index = eng_side_index(other);
    const eng_ladder *ladders[2] = {&book->ladders[in->instrument],
                                    eng_ladder_hidden(book, in->instrument)};
    int32_t prices[2] = {ladders[0]->best[index], ladders[1]->best[index]};
    uint64_t total = 0;
    for (uint32_t n = 0; n < 2 * book->order_count; n++) {
        /* Displayed before hidden at a price. */
        int first = eng_side_up(other) ? prices[0] <= prices[1] : prices[0] >= prices[1];
        uint32_t which = first ? 0 : 1;
        int32_t price_ticks = prices[which];
        if (!eng_meets(in->side, in->price_ticks, price_ticks)) {
            break;
        }
        const eng_links *level = eng_ladder_look(&book->nodes, ladders[which], price_ticks);
        if (level == NULL || count_queue(book, eng_level_head(level), wanted, &total)) {
            break;
        }
        int32_t next =
            eng_ladder_next(&book->nodes, ladders[which], price_ticks, eng_side_up(other));
        prices[which] = price_or_none(next, other);
    }
    return total;
}

/* --- stages ---------------------------------------------------------------------------------- */

int32_t eng_match(eng_book *book, eng_sink *sink)
{
    const eng_incoming *in = &book->incoming;
    eng_ladder *ladder = &book->ladders[in->instrument];
    if (in->replenished != ENG_LOCATE_NONE) {
        int32_t status = say_replenished(book, sink);
        if (status != RB_OK) {
            return status;
        }
    }
    int is_plain = (in->options & ENG_SELF_TRADE) == 0 && ladder->hidden_orders == 0;
    return is_plain ? eng_match_plain(book, ladder, sink) : match_all(book, sink);
}

void eng_incoming_of(eng_book *book, uint32_t locate)
{
    eng_order *order = &book->orders[locate];
    eng_incoming *in = &book->incoming;
    in->instrument = order->instrument;
    in->price_ticks = order->price_ticks;
    in->quantity = eng_order_open(book, locate);
    in->locate = locate;
    in->owner = order->owner;
    in->topic = order->topic;
    in->side = order->side;
    in->options = order->options;
    in->reason = 0;
    in->display_quantity = book->terms[locate].display_quantity;
    order->side = 0;
}

int32_t eng_run_stages(eng_book *book, eng_sink *sink)
{
    int32_t status = ENG_NEXT;
    for (uint32_t n = 0; n < ENG_STAGES_MAX && status == ENG_NEXT; n++) {
        status = book->task.stage(book, sink);
    }
    RB_CHECK(status != ENG_NEXT);
    if (status == RB_OK) {
        book->task.stage = eng_match;
        book->task.matching = 0;
    }
    return status;
}
