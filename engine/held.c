#include "engine/held.h"

#include "engine/answer.h"
#include "engine/collar.h"
#include "engine/cross.h"
#include "engine/match.h"
#include "engine/queue.h"
#include "engine/terms.h"
#include "ringbus/check.h"

_Static_assert(ENG_PLACE_BIDS == 0 && ENG_PLACE_HIDDEN_BIDS == 2, "bids are even");

static int is_rule(uint8_t kind)
{
    return kind == RB_COMMAND_KIND_REFERENCE_PRICE || kind == RB_COMMAND_KIND_COLLAR ||
           kind == RB_COMMAND_KIND_FAT_FINGER;
}

int32_t eng_submit_command(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_command *command = &eng_group_line(group, 0)->command;
    uint16_t reason = 0;
    if (is_rule(command->kind)) {
        reason = eng_collar_command(book, command);
        if (reason == 0) {
            eng_answer_first(sink, group);
            return RB_OK;
        }
    } else if (command->kind != RB_COMMAND_KIND_INSTRUMENT_STATE) {
        reason = RB_REJECT_REASON_INVALID_PROPOSAL;
    } else if (!eng_is_state(command->state) ||
               command->state == book->ladders[command->instrument].state) {
        reason = RB_REJECT_REASON_INSTRUMENT_STATE;
    }
    if (reason != 0) {
        return eng_reject(sink, group, reason);
    }
    book->task.instrument = command->instrument;
    book->task.state = command->state;
    book->task.stage = eng_change_state;
    book->task.lines[0] = *eng_group_line(group, 0);
    eng_answer_first(sink, group);
    return eng_run_stages(book, sink);
}

/* --- places ------------------------------------------------------------------------------------
 */

static uint8_t side_of(uint32_t place)
{
    return place % 2 == 0 ? RB_SIDE_BUY : RB_SIDE_SELL;
}

static const eng_ladder *ladder_of(const eng_book *book, uint32_t instrument, uint32_t place)
{
    return place < ENG_PLACE_HIDDEN_BIDS ? &book->ladders[instrument]
                                         : eng_ladder_hidden(book, instrument);
}

uint32_t eng_place_first(const eng_book *book, uint32_t instrument, uint32_t place)
{
    if (place == ENG_PLACE_HELD) {
        return book->asides[instrument].held_head;
    }
    return eng_ladder_first(book, ladder_of(book, instrument, place), side_of(place));
}

uint32_t eng_place_after(const eng_book *book, uint32_t locate, uint32_t place)
{
    const eng_order *order = &book->orders[locate];
    return place == ENG_PLACE_HELD
               ? order->links.next
               : eng_ladder_after(book, ladder_of(book, order->instrument, place), locate);
}

uint32_t eng_place_queue(const eng_book *book, uint32_t instrument, uint32_t place,
                         int32_t *price_ticks)
{
    if (place == ENG_PLACE_HELD) {
        uint32_t head = *price_ticks == 0 ? book->asides[instrument].held_head : ENG_LOCATE_NONE;
        *price_ticks = 1;
        return head;
    }
    const eng_ladder *ladder = ladder_of(book, instrument, place);
    uint32_t index = eng_side_index(side_of(place));
    if (*price_ticks != 0) {
        *price_ticks =
            eng_ladder_next(&book->nodes, ladder, *price_ticks, eng_side_up(side_of(place)));
    } else if (ladder->orders[index] != 0) {
        *price_ticks = ladder->best[index];
    }
    if (*price_ticks == 0) {
        return ENG_LOCATE_NONE;
    }
    const eng_links *level = eng_ladder_look(&book->nodes, ladder, *price_ticks);
    return level != NULL ? eng_level_head(level) : ENG_LOCATE_NONE;
}

/* --- holding -------------------------------------------------------------------------------------
 */

int eng_held_rests(const eng_book *book, uint32_t locate)
{
    return !eng_is_for_cross(book->terms[locate].time_in_force);
}

static int32_t hold(eng_book *book, uint32_t locate)
{
    int32_t status = eng_order_unlink(book, locate);
    /* Which of those that rest is forgotten. */
    book->terms[locate].time_in_force = RB_TIME_IN_FORCE_DAY;
    book->terms[locate].auction = 0;
    eng_order_hold(book, locate);
    return status;
}

int32_t eng_hold_resting(eng_book *book, uint32_t instrument)
{
    for (uint32_t place = ENG_PLACE_BIDS; place < ENG_PLACE_HELD; place++) {
        uint32_t locate = eng_place_first(book, instrument, place);
        for (uint32_t n = 0; n < book->order_count && locate != ENG_LOCATE_NONE; n++) {
            int32_t status = hold(book, locate);
            if (status != RB_OK) {
                return status;
            }
            locate = eng_place_first(book, instrument, place);
        }
    }
    return RB_OK;
}

/* --- releasing -----------------------------------------------------------------------------------
 */

/* A stage: releases task.step held orders, task.locate first; those that wait for a cross stay. */
static int32_t release_held(eng_book *book, eng_sink *sink)
{
    eng_task *task = &book->task;
    int32_t status = task->matching ? eng_match(book, sink) : RB_OK;
    while (status == RB_OK && task->step != 0) {
        uint32_t locate = task->locate;
        RB_CHECK(locate != ENG_LOCATE_NONE);
        const eng_order *order = &book->orders[locate];
        int rests = eng_held_rests(book, locate);
        int fits = eng_price_has_room(book, order->instrument, order->price_ticks,
                                      (order->options & RB_ORDER_OPTION_HIDDEN) != 0);
        task->matching = 0;
        if (rests && !fits && eng_sink_room(sink) < 1) {
            return RB_FULL;
        }
        task->locate = order->links.next;
        task->step--;
        if (rests && fits) {
            status = eng_order_unlink(book, locate);
            eng_incoming_of(book, locate);
            task->matching = 1;
            status = status == RB_OK ? eng_match(book, sink) : status;
        } else if (rests) {
            status = eng_answer_order_canceled(book, sink, locate, RB_CANCEL_REASON_CAPACITY);
        }
    }
    return status;
}

int32_t eng_change_state(eng_book *book, eng_sink *sink)
{
    eng_task *task = &book->task;
    eng_ladder *ladder = &book->ladders[task->instrument];
    if (eng_sink_room(sink) < 1) {
        return RB_FULL;
    }
    eng_answer_state(book, sink, task->lines[0].header.topic, task->instrument, ladder->state,
                     task->state);
    ladder->state = task->state;
    if (eng_state_collects(task->state)) {
        return eng_hold_resting(book, task->instrument);
    }
    if (task->state != RB_INSTRUMENT_STATE_CONTINUOUS) {
        return RB_OK;
    }
    task->locate = book->asides[task->instrument].held_head;
    task->step = book->asides[task->instrument].held_count;
    task->matching = 0;
    task->stage = release_held;
    return ENG_NEXT;
}

/* --- proof ---------------------------------------------------------------------------------------
 */

static int32_t verify_held(const eng_book *book, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    const eng_terms *terms = &book->terms[locate];
    int has_display = (order->options & ENG_ORDER_RESERVE) != 0;
    RB_CHECK((order->options & ENG_ORDER_HELD) != 0);
    RB_CHECK(order->side == RB_SIDE_BUY || order->side == RB_SIDE_SELL);
    RB_CHECK(terms->reserve == 0);
    RB_CHECK(terms->reserved == 0);
    RB_CHECK(terms->display_quantity != 0 || !has_display);
    RB_CHECK(terms->auction == 0 || !eng_held_rests(book, locate));
    return RB_OK;
}

int32_t eng_held_verify(const eng_book *book, uint32_t instrument, uint64_t *orders)
{
    const eng_aside *aside = &book->asides[instrument];
    const eng_ladder *ladder = &book->ladders[instrument];
    int lends = eng_cross_lends(book, instrument);
    int releases = book->state == ENG_BOOK_PENDING && book->task.instrument == instrument;
    uint32_t last = ENG_LOCATE_NONE;
    uint32_t locate = aside->held_head;
    RB_CHECK(eng_is_state(ladder->state));
    if (eng_state_collects(ladder->state)) {
        RB_CHECK(ladder->orders[0] + ladder->orders[1] + ladder->hidden_orders == 0);
    }
    for (uint32_t n = 0; n < aside->held_count; n++) {
        RB_CHECK(locate != ENG_LOCATE_NONE);
        RB_CHECK(locate <= book->order_count);
        const eng_order *order = &book->orders[locate];
        RB_CHECK(order->instrument == instrument);
        RB_CHECK(order->links.prev == last || lends);
        RB_CHECK(order->quantity != 0 || lends);
        RB_CHECK(ladder->state != RB_INSTRUMENT_STATE_CONTINUOUS || releases ||
                 !eng_held_rests(book, locate));
        int32_t status = verify_held(book, locate);
        if (status != RB_OK) {
            return status;
        }
        last = locate;
        locate = order->links.next;
    }
    RB_CHECK(locate == ENG_LOCATE_NONE);
    RB_CHECK(aside->held_tail == last);
    *orders += aside->held_count;
    return RB_OK;
}
