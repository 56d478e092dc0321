#include "engine/legs.h"

#include "engine/answer.h"
#include "engine/collar.h"
#include "engine/match.h"
#include "engine/terms.h"

#define LEGS_MIN 2u
#define LEGS_MAX 8u
_Static_assert(LEGS_MAX + 2 <= ENG_GROUP_LINES_MAX, "first line, legs and a tag");

/* Makes a leg the incoming order. It never rests: were something of it left, eng_match would find
 * that it has no record. */
static void enter_leg(eng_book *book, const rb_message *first, const rb_leg *leg)
{
    book->incoming = (eng_incoming){
        .instrument = leg->instrument,
        .price_ticks = leg->price_ticks,
        .quantity = leg->quantity,
        .locate = ENG_LOCATE_NONE,
        .client_order_id = leg->client_order_id,
        .topic = first->header.topic,
        .account = leg->account,
        .firm = leg->firm,
        .side = leg->side,
        .options = first->multi_leg_order.options,
    };
}

/* --- checks ------------------------------------------------------------------------------------
 */

static int is_leg_valid(const eng_book *book, const eng_group *group, uint32_t n)
{
    const rb_leg *leg = &eng_group_line(group, n)->leg;
    if (leg->instrument >= book->instrument_count) {
        return 0;
    }
    for (uint32_t other = 1; other < n; other++) {
        if (eng_group_line(group, other)->leg.instrument == leg->instrument) {
            return 0;
        }
    }
    if (leg->side != RB_SIDE_BUY && leg->side != RB_SIDE_SELL) {
        return 0;
    }
    return leg->quantity != 0 && leg->price_ticks >= 1 && leg->price_ticks <= ENG_PRICE_TICKS_MAX;
}

static int are_legs_valid(const eng_book *book, const eng_group *group)
{
    uint32_t count = eng_group_line(group, 0)->multi_leg_order.leg_count;
    uint32_t legs = 0;
    for (uint32_t n = 1; n < group->count; n++) {
        legs += eng_group_line(group, n)->header.template_id == RB_TEMPLATE_LEG;
    }
    if (legs != count || count < LEGS_MIN || count > LEGS_MAX) {
        return 0;
    }
    for (uint32_t n = 1; n <= count; n++) {
        if (!is_leg_valid(book, group, n)) {
            return 0;
        }
    }
    return 1;
}

/* Why the proposal is refused, or 0. */
static uint16_t reason_of(const eng_book *book, const eng_group *group)
{
    const rb_multi_leg_order *order = &eng_group_line(group, 0)->multi_leg_order;
    if (!are_legs_valid(book, group)) {
        return RB_REJECT_REASON_INVALID_LEGS;
    }
    if ((order->options & ~(ENG_SELF_TRADE | RB_ORDER_OPTION_SELF_TRADE_FIRM)) != 0 ||
        !eng_is_self_trade_clear(order->options)) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    for (uint32_t n = 1; n <= order->leg_count; n++) {
        uint32_t instrument = eng_group_line(group, n)->leg.instrument;
        if (book->ladders[instrument].state != RB_INSTRUMENT_STATE_CONTINUOUS) {
            return RB_REJECT_REASON_INSTRUMENT_STATE;
        }
    }
    uint16_t reason = 0;
    for (uint32_t n = 1; n <= order->leg_count && reason == 0; n++) {
        const rb_leg *leg = &eng_group_line(group, n)->leg;
        reason = book->ladders[leg->instrument].has_collar
                     ? eng_collar_reason(book, leg->instrument, leg->side, leg->price_ticks,
                                         leg->quantity, 0)
                     : 0;
    }
    return reason;
}

static int can_be_filled(eng_book *book, const eng_group *group)
{
    const rb_message *first = eng_group_line(group, 0);
    for (uint32_t n = 1; n <= first->multi_leg_order.leg_count; n++) {
        const rb_leg *leg = &eng_group_line(group, n)->leg;
        enter_leg(book, first, leg);
        if (eng_fillable(book, leg->quantity) < leg->quantity) {
            return 0;
        }
    }
    return 1;
}

/* --- stages --------------------------------------------------------------------------------------
 */

/* The next leg becomes the incoming order. */
static void enter_next(eng_book *book)
{
    eng_task *task = &book->task;
    task->step++;
    enter_leg(book, &task->lines[0], &task->lines[task->step].leg);
}

static int32_t trade_legs(eng_book *book, eng_sink *sink)
{
    eng_task *task = &book->task;
    int32_t status = task->matching ? eng_match(book, sink) : RB_OK;
    while (status == RB_OK && task->step < task->line_count) {
        enter_next(book);
        task->matching = 1;
        status = eng_match(book, sink);
    }
    return status;
}

static int32_t cancel_legs(eng_book *book, eng_sink *sink)
{
    while (book->task.step < book->task.line_count) {
        if (eng_sink_room(sink) < 1) {
            return RB_FULL;
        }
        enter_next(book);
        eng_answer_incoming_canceled(book, sink, RB_CANCEL_REASON_LEGS);
    }
    return RB_OK;
}

int32_t eng_submit_legs(eng_book *book, const eng_group *group, eng_sink *sink)
{
    eng_task *task = &book->task;
    uint16_t reason = reason_of(book, group);
    if (reason != 0) {
        return eng_reject(sink, group, reason);
    }
    eng_answer_first(sink, group);
    task->line_count = eng_group_line(group, 0)->multi_leg_order.leg_count;
    for (uint32_t n = 0; n <= task->line_count; n++) {
        task->lines[n] = *eng_group_line(group, n);
    }
    task->step = 0;
    task->stage = can_be_filled(book, group) ? trade_legs : cancel_legs;
    return eng_run_stages(book, sink);
}
