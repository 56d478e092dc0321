#include "engine/cross.h"

#include "engine/answer.h"
#include "engine/held.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "ringbus/check.h"

/* 2^28 runs at most, and the last slot is never carried on. */
#define RUN_SLOTS 30u
_Static_assert(ENG_ORDERS_MAX < UINT32_C(1) << (RUN_SLOTS - 1), "a slot for every carry");

static int32_t trade_cross(eng_book *book, eng_sink *sink);

int eng_cross_lends(const eng_book *book, uint32_t instrument)
{
    return book->task.stage == trade_cross && book->task.instrument == instrument;
}

/* --- who takes part ----------------------------------------------------------------------------
 */

/* The time in force that waits for this cross and no other. */
static uint8_t force_of(uint8_t cross_type)
{
    return cross_type == RB_CROSS_TYPE_CLOSING ? RB_TIME_IN_FORCE_AT_CLOSE
                                               : RB_TIME_IN_FORCE_AT_OPENING;
}

static int waits_for(const eng_book *book, uint32_t locate, uint8_t cross_type)
{
    return book->terms[locate].time_in_force == force_of(cross_type);
}

static int is_within(const eng_order *order, int32_t price_ticks)
{
    if ((order->options & RB_ORDER_OPTION_MARKET) != 0) {
        return 1;
    }
    return order->side == RB_SIDE_BUY ? order->price_ticks >= price_ticks
                                      : order->price_ticks <= price_ticks;
}

static int takes_part(const eng_book *book, uint32_t locate, const rb_cross_result *cross)
{
    const eng_order *order = &book->orders[locate];
    if (!is_within(order, cross->price_ticks)) {
        return 0;
    }
    if ((order->options & ENG_ORDER_HELD) == 0 || eng_held_rests(book, locate)) {
        return 1;
    }
    return waits_for(book, locate, cross->cross_type);
}

static int is_imbalance_only(const eng_book *book, uint32_t locate)
{
    return (book->orders[locate].options & ENG_ORDER_HELD) != 0 &&
           (book->terms[locate].auction & RB_AUCTION_OPTION_IMBALANCE_ONLY) != 0;
}

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* What can be matched: the least of both sides' sums and the larger of the sums without
 * imbalance-only orders, since two of these do not trade with each other. */
static uint64_t executable(const eng_book *book, const rb_cross_result *cross)
{
    uint64_t all[2] = {0, 0};
    uint64_t plain[2] = {0, 0};
    for (uint32_t place = 0; place < ENG_PLACES; place++) {
        uint32_t locate = eng_place_first(book, cross->instrument, place);
        for (uint32_t n = 0; n < book->order_count && locate != ENG_LOCATE_NONE; n++) {
            uint32_t open = takes_part(book, locate, cross) ? eng_order_open(book, locate) : 0;
            uint32_t side = eng_side_index(book->orders[locate].side);
            all[side] += open;
            plain[side] += is_imbalance_only(book, locate) ? 0 : open;
            /* In a ladder the worse prices follow. */
            int more = place == ENG_PLACE_HELD || open != 0;
            locate = more ? eng_place_after(book, locate, place) : ENG_LOCATE_NONE;
        }
    }
    return least(least(all[0], all[1]), plain[0] > plain[1] ? plain[0] : plain[1]);
}

/* --- priority -----------------------------------------------------------------------------------
 */

/* Less is earlier: market orders; then by price, displayed before hidden; imbalance-only orders. */
static uint64_t rank_of(const eng_book *book, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    if ((order->options & RB_ORDER_OPTION_MARKET) != 0) {
        return 0;
    }
    uint64_t class = is_imbalance_only(book, locate) ? 2 : 1;
    uint32_t price = (uint32_t)order->price_ticks;
    uint32_t worse = order->side == RB_SIDE_BUY ? (uint32_t)ENG_PRICE_TICKS_MAX - price : price;
    uint32_t hidden = (order->options & RB_ORDER_OPTION_HIDDEN) != 0;
    return class << 32 | worse << 1 | hidden;
}

/* Merges two chains in order into one; of equals, those of `first` come first. */
static uint32_t merge(eng_book *book, uint32_t first, uint32_t second)
{
    uint32_t head = ENG_LOCATE_NONE;
    uint32_t *link = &head;
    uint64_t rank_first = first != ENG_LOCATE_NONE ? rank_of(book, first) : 0;
    uint64_t rank_second = second != ENG_LOCATE_NONE ? rank_of(book, second) : 0;
    for (uint32_t n = 0;
         n < book->order_count && first != ENG_LOCATE_NONE && second != ENG_LOCATE_NONE; n++) {
        if (rank_second < rank_first) {
            *link = second;
            link = &book->orders[second].links.prev;
            second = *link;
            rank_second = second != ENG_LOCATE_NONE ? rank_of(book, second) : 0;
        } else {
            *link = first;
            link = &book->orders[first].links.prev;
            first = *link;
            rank_first = first != ENG_LOCATE_NONE ? rank_of(book, first) : 0;
        }
    }
    *link = first != ENG_LOCATE_NONE ? first : second;
    return head;
}

/* Cuts the run that begins with `head` off a chain; returns what is behind it. */
static uint32_t cut_run(eng_book *book, uint32_t head)
{
    uint64_t rank = rank_of(book, head);
    uint32_t last = head;
    uint32_t next = book->orders[head].links.prev;
    for (uint32_t n = 0; n < book->order_count && next != ENG_LOCATE_NONE; n++) {
        uint64_t rank_next = rank_of(book, next);
        if (rank_next < rank) {
            break;
        }
        rank = rank_next;
        last = next;
        next = book->orders[next].links.prev;
    }
    book->orders[last].links.prev = ENG_LOCATE_NONE;
    return next;
}

static uint32_t sort(eng_book *book, uint32_t head)
{
    uint32_t runs[RUN_SLOTS] = {ENG_LOCATE_NONE};
    for (uint32_t n = 0; n < book->order_count && head != ENG_LOCATE_NONE; n++) {
        uint32_t run = head;
        head = cut_run(book, run);
        uint32_t slot = 0;
        for (; slot < RUN_SLOTS - 1 && runs[slot] != ENG_LOCATE_NONE; slot++) {
            run = merge(book, runs[slot], run);
            runs[slot] = ENG_LOCATE_NONE;
        }
        runs[slot] = run;
    }
    uint32_t sorted = ENG_LOCATE_NONE;
    for (uint32_t slot = 0; slot < RUN_SLOTS; slot++) {
        sorted = merge(book, runs[slot], sorted);
    }
    return sorted;
}

/* Chains those who take part, by side and priority. */
static void line_up(eng_book *book, const rb_cross_result *cross)
{
    eng_cross *work = &book->task.cross;
    const eng_aside *aside = &book->asides[cross->instrument];
    *work = (eng_cross){.heads = {ENG_LOCATE_NONE, ENG_LOCATE_NONE}};
    uint32_t *ends[2] = {&work->heads[0], &work->heads[1]};
    uint32_t locate = aside->held_head;
    for (uint32_t n = 0; n < aside->held_count && locate != ENG_LOCATE_NONE; n++) {
        eng_order *order = &book->orders[locate];
        if (takes_part(book, locate, cross)) {
            uint32_t side = eng_side_index(order->side);
            *ends[side] = locate;
            ends[side] = &order->links.prev;
        }
        order->links.prev = ENG_LOCATE_NONE;
        locate = order->links.next;
    }
    work->heads[0] = sort(book, work->heads[0]);
    work->heads[1] = sort(book, work->heads[1]);
}

/* --- stages, the last first ----------------------------------------------------------------------
 */

/* A stage: cancels the orders that waited for this cross alone, from task.locate on. */
static int32_t cancel_waiting(eng_book *book, eng_sink *sink)
{
    eng_task *task = &book->task;
    uint8_t cross_type = task->lines[0].cross_result.cross_type;
    while (task->step != 0) {
        uint32_t locate = task->locate;
        RB_CHECK(locate != ENG_LOCATE_NONE);
        int waits = waits_for(book, locate, cross_type);
        if (waits && eng_sink_room(sink) < 1) {
            return RB_FULL;
        }
        task->locate = book->orders[locate].links.next;
        task->step--;
        int32_t status =
            waits ? eng_answer_order_canceled(book, sink, locate, RB_CANCEL_REASON_CROSS) : RB_OK;
        if (status != RB_OK) {
            return status;
        }
    }
    task->stage = eng_change_state;
    return ENG_NEXT;
}

/* Gives the held list its links back, without those who have nothing open any more. */
static int32_t line_off(eng_book *book)
{
    const eng_task *task = &book->task;
    eng_aside *aside = &book->asides[task->instrument];
    uint32_t count = aside->held_count;
    uint32_t locate = aside->held_head;
    uint32_t done = task->cross.done_head;
    uint32_t *link = &aside->held_head;
    aside->held_tail = ENG_LOCATE_NONE;
    aside->held_count = 0;
    for (uint32_t n = 0; n < count; n++) {
        RB_CHECK(locate != ENG_LOCATE_NONE);
        eng_order *order = &book->orders[locate];
        uint32_t next = order->links.next;
        if (eng_order_open(book, locate) != 0) {
            *link = locate;
            link = &order->links.next;
            order->links.prev = aside->held_tail;
            aside->held_tail = locate;
            aside->held_count++;
        }
        locate = next;
    }
    *link = ENG_LOCATE_NONE;
    RB_CHECK(locate == ENG_LOCATE_NONE);
    for (uint32_t n = aside->held_count; n < count; n++) {
        RB_CHECK(done != ENG_LOCATE_NONE);
        uint32_t next = book->orders[done].links.prev;
        eng_order_release(book, done);
        done = next;
    }
    RB_CHECK(done == ENG_LOCATE_NONE);
    return RB_OK;
}

_Static_assert((int)RB_TRADE_DETAIL_OPENING_CROSS == (int)RB_CROSS_TYPE_OPENING, "execute");
_Static_assert((int)RB_TRADE_DETAIL_CLOSING_CROSS == (int)RB_CROSS_TYPE_CLOSING, "execute");
_Static_assert((int)RB_TRADE_DETAIL_HALT_CROSS == (int)RB_CROSS_TYPE_HALT, "execute");

/* One side of a trade. */
static void execute(eng_book *book, uint32_t locate, uint32_t quantity, eng_sink *sink)
{
    eng_cross *work = &book->task.cross;
    eng_order *order = &book->orders[locate];
    eng_order_reduce(book, locate, quantity);
    const rb_cross_result *cross = &book->task.lines[0].cross_result;
    book->last_ticks[order->instrument] = cross->price_ticks;
    eng_answer_order(book, sink, RB_TEMPLATE_EXECUTED, locate, cross->price_ticks, quantity,
                     RB_LIQUIDITY_CROSS | ENG_MARK_DETAIL(cross->cross_type));
    if (eng_order_open(book, locate) != 0) {
        return;
    }
    work->heads[eng_side_index(order->side)] = order->links.prev;
    order->links.prev = ENG_LOCATE_NONE;
    if (work->done_tail != ENG_LOCATE_NONE) {
        book->orders[work->done_tail].links.prev = locate;
    } else {
        work->done_head = locate;
    }
    work->done_tail = locate;
}

/* A stage: pairs of trades until task.quantity is done. */
static int32_t trade_cross(eng_book *book, eng_sink *sink)
{
    eng_task *task = &book->task;
    while (task->quantity != 0) {
        uint32_t buy = task->cross.heads[0];
        uint32_t sell = task->cross.heads[1];
        RB_CHECK(buy != ENG_LOCATE_NONE);
        RB_CHECK(sell != ENG_LOCATE_NONE);
        if (eng_sink_room(sink) < 2) {
            return RB_FULL;
        }
        uint64_t both = least(eng_order_open(book, buy), eng_order_open(book, sell));
        uint32_t quantity = (uint32_t)least(both, task->quantity);
        task->quantity -= quantity;
        execute(book, buy, quantity, sink);
        execute(book, sell, quantity, sink);
    }
    int32_t status = line_off(book);
    if (status != RB_OK) {
        return status;
    }
    task->locate = book->asides[task->instrument].held_head;
    task->step = book->asides[task->instrument].held_count;
    task->stage = cancel_waiting;
    return ENG_NEXT;
}

/* --- the proposal --------------------------------------------------------------------------------
 */

/* Why it is refused, or 0. */
static uint16_t reason_of(const eng_book *book, const rb_cross_result *cross)
{
    const eng_ladder *ladder = &book->ladders[cross->instrument];
    if (ladder->state == RB_INSTRUMENT_STATE_CLOSED ||
        ladder->state == RB_INSTRUMENT_STATE_PRE_OPEN) {
        return RB_REJECT_REASON_INSTRUMENT_STATE;
    }
    if (cross->cross_type < RB_CROSS_TYPE_OPENING || cross->cross_type > RB_CROSS_TYPE_HALT ||
        !eng_is_state(cross->state)) {
        return RB_REJECT_REASON_INVALID_CROSS;
    }
    if (cross->changes != ladder->changes) {
        return RB_REJECT_REASON_STALE_CROSS;
    }
    if (cross->quantity == 0) {
        return 0;
    }
    if (cross->price_ticks < 1 || cross->price_ticks > ENG_PRICE_TICKS_MAX) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    return cross->quantity > executable(book, cross) ? RB_REJECT_REASON_INVALID_CROSS : 0;
}

int32_t eng_submit_cross(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_message *message = eng_group_line(group, 0);
    const rb_cross_result *cross = &message->cross_result;
    uint16_t reason = reason_of(book, cross);
    if (reason != 0) {
        return eng_reject(sink, group, reason);
    }
    eng_answer_first(sink, group);
    int32_t status = eng_hold_resting(book, cross->instrument);
    if (status != RB_OK) {
        return status;
    }
    book->task.lines[0] = *message;
    book->task.instrument = cross->instrument;
    book->task.state = cross->state;
    book->task.quantity = cross->quantity;
    line_up(book, cross);
    book->task.stage = trade_cross;
    return eng_run_stages(book, sink);
}
