#include "engine/mass_cancel.h"

#include <string.h>

#include "engine/answer.h"
#include "engine/held.h"
#include "engine/match.h"

#define SCOPES                                                                                     \
    (RB_MASS_CANCEL_SCOPE_EVERYTHING | RB_MASS_CANCEL_SCOPE_SESSION |                              \
     RB_MASS_CANCEL_SCOPE_ACCOUNT | RB_MASS_CANCEL_SCOPE_FIRM | RB_MASS_CANCEL_SCOPE_INSTRUMENT |  \
     RB_MASS_CANCEL_SCOPE_SIDE)
#define OWNERS                                                                                     \
    (RB_MASS_CANCEL_SCOPE_EVERYTHING | RB_MASS_CANCEL_SCOPE_SESSION |                              \
     RB_MASS_CANCEL_SCOPE_ACCOUNT | RB_MASS_CANCEL_SCOPE_FIRM)
#define MARKS_A_WORD 64u

/* --- what is in scope --------------------------------------------------------------------------
 */

_Static_assert(offsetof(eng_order, topic) - offsetof(eng_order, instrument) == 4, "one word");
_Static_assert(offsetof(eng_order, side) - offsetof(eng_order, instrument) == 6, "one word");
_Static_assert(offsetof(eng_order, instrument) + 8 == sizeof(eng_order), "the last word");

/* The words of an order that a scope can name are compared whole, under a mask. */
static uint64_t differing(const eng_sweep *sweep, const eng_order *order)
{
    uint64_t has;
    uint64_t wanted;
    uint64_t mask;
    memcpy(&has, &order->instrument, sizeof has);
    memcpy(&wanted, &sweep->wanted.instrument, sizeof wanted);
    memcpy(&mask, &sweep->mask.instrument, sizeof mask);
    return ((has ^ wanted) & mask) | ((order->owner ^ sweep->wanted.owner) & sweep->mask.owner);
}

static int is_in_scope(const eng_sweep *sweep, const eng_order *order)
{
    return differing(sweep, order) == 0;
}

static void take_scope(eng_sweep *sweep, const rb_mass_cancel *request)
{
    uint8_t scope = request->scope;
    eng_order *mask = &sweep->mask;
    *mask = (eng_order){.side = 0};
    mask->topic = (scope & RB_MASS_CANCEL_SCOPE_SESSION) != 0 ? UINT16_MAX : 0;
    mask->account = (scope & RB_MASS_CANCEL_SCOPE_ACCOUNT) != 0 ? UINT16_MAX : 0;
    mask->firm = (scope & RB_MASS_CANCEL_SCOPE_FIRM) != 0 ? UINT16_MAX : 0;
    mask->side = (scope & RB_MASS_CANCEL_SCOPE_SIDE) != 0 ? UINT8_MAX : 0;
    sweep->wanted = (eng_order){.topic = request->session,
                                .account = request->account,
                                .firm = request->firm,
                                .side = request->side};
}

/* Why the request is refused, or 0. */
static uint16_t reason_of(const eng_book *book, const rb_mass_cancel *request)
{
    uint8_t scope = request->scope & (uint8_t)~RB_MASS_CANCEL_SCOPE_KILL;
    int is_kill = scope != request->scope;
    int names_instrument = (scope & RB_MASS_CANCEL_SCOPE_INSTRUMENT) != 0;
    if (scope == 0 || (scope & ~SCOPES) != 0) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    if ((scope & RB_MASS_CANCEL_SCOPE_EVERYTHING) != 0 &&
        scope != RB_MASS_CANCEL_SCOPE_EVERYTHING) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    /* A kill is of one of these and of nothing else. */
    if (is_kill && (scope & (scope - 1)) + (scope & ~OWNERS) != 0) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    if ((scope & RB_MASS_CANCEL_SCOPE_SIDE) != 0 && request->side != RB_SIDE_BUY &&
        request->side != RB_SIDE_SELL) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    if (names_instrument != (request->instrument != RB_INSTRUMENT_NONE)) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    return names_instrument && request->instrument >= book->instrument_count
               ? RB_REJECT_REASON_UNKNOWN_INSTRUMENT
               : 0;
}

/* --- where to look -------------------------------------------------------------------------------
 */

static uint32_t mark_words(uint32_t instruments)
{
    return (instruments + MARKS_A_WORD - 1) / MARKS_A_WORD;
}

static uint32_t found_max(uint32_t orders)
{
    return orders < ENG_SWEEP_FOUND_MAX ? orders : ENG_SWEEP_FOUND_MAX;
}

uint64_t eng_sweep_bytes(uint32_t instruments, uint32_t orders)
{
    return sizeof(eng_sweep) + mark_words(instruments) * sizeof(uint64_t) +
           (uint64_t)ENG_SWEEP_LANES * found_max(orders) * sizeof(uint32_t);
}

eng_sweep *eng_sweep_init(void *memory, uint32_t instruments, uint32_t orders)
{
    eng_sweep *sweep = memory;
    sweep->marks = (uint64_t *)(void *)(sweep + 1);
    sweep->found_max = found_max(orders);
    uint32_t *found = (uint32_t *)(void *)(sweep->marks + mark_words(instruments));
    for (uint32_t lane = 0; lane < ENG_SWEEP_LANES; lane++) {
        sweep->lanes[lane].found = found + lane * sweep->found_max;
    }
    return sweep;
}

static void mark(eng_sweep *sweep, uint32_t instrument)
{
    sweep->marks[instrument / MARKS_A_WORD] |= UINT64_C(1) << (instrument % MARKS_A_WORD);
}

/* Marks the instruments with an order in scope. */
static void mark_all(const eng_book *book, eng_sweep *sweep)
{
    for (uint32_t locate = 1; locate <= book->order_count; locate++) {
        const eng_order *order = &book->orders[locate];
        if (is_in_scope(sweep, order) && order->side != 0) {
            mark(sweep, order->instrument);
        }
    }
}

/* The first marked instrument from `instrument` on; instrument_count if there is none. */
static uint32_t next_marked(const eng_book *book, uint32_t instrument)
{
    const uint64_t *marks = book->sweep->marks;
    uint32_t words = mark_words(book->instrument_count);
    uint64_t beyond = ~UINT64_C(0) << (instrument % MARKS_A_WORD);
    for (uint32_t word = instrument / MARKS_A_WORD; word < words; word++) {
        uint64_t bits = marks[word] & beyond;
        if (bits != 0) {
            return word * MARKS_A_WORD + (uint32_t)__builtin_ctzll(bits);
        }
        beyond = ~UINT64_C(0);
    }
    return book->instrument_count;
}

/* --- lanes ---------------------------------------------------------------------------------------
 */

/* The next queue in the order of the answer; ENG_LOCATE_NONE: there is none. */
static uint32_t next_queue(const eng_book *book, eng_sweep *sweep)
{
    while (sweep->instrument < book->instrument_count) {
        uint32_t head = eng_place_queue(book, sweep->instrument, sweep->place, &sweep->price_ticks);
        if (head != ENG_LOCATE_NONE) {
            return head;
        }
        sweep->price_ticks = 0;
        if (++sweep->place == ENG_PLACES) {
            sweep->place = 0;
            sweep->instrument = next_marked(book, sweep->instrument + 1);
        }
    }
    return ENG_LOCATE_NONE;
}

/* Gives the lanes the next queues; none: all are through. */
static void take_lanes(const eng_book *book, eng_sweep *sweep)
{
    sweep->lane = 0;
    sweep->lane_count = 0;
    while (sweep->lane_count < ENG_SWEEP_LANES) {
        uint32_t head = next_queue(book, sweep);
        if (head == ENG_LOCATE_NONE) {
            return;
        }
        __builtin_prefetch(&book->orders[head], 1);
        eng_sweep_lane *lane = &sweep->lanes[sweep->lane_count++];
        lane->next = head;
        lane->count = 0;
        lane->used = 0;
    }
}

/* A step of a lane; 0: it cannot go on after it. */
static uint32_t step(const eng_book *book, const eng_sweep *sweep, eng_sweep_lane *lane)
{
    uint32_t locate = lane->next;
    const eng_order *order = &book->orders[locate];
    uint32_t next = eng_order_behind(book, order);
    lane->next = next;
    __builtin_prefetch(&book->orders[next], 1);
    lane->found[lane->count] = locate;
    lane->count += (uint32_t)is_in_scope(sweep, order);
    return next != ENG_LOCATE_NONE && lane->count != sweep->found_max;
}

/* Lets the lanes from the one that is being canceled on go as far as they can. */
static void look(const eng_book *book, eng_sweep *sweep)
{
    uint16_t going[ENG_SWEEP_LANES];
    uint32_t count = 0;
    for (uint32_t lane = sweep->lane; lane < sweep->lane_count; lane++) {
        int can = sweep->lanes[lane].next != ENG_LOCATE_NONE &&
                  sweep->lanes[lane].count != sweep->found_max;
        going[count] = (uint16_t)lane;
        count += (uint32_t)can;
    }
    for (uint32_t n = 0; n < book->order_count && count != 0; n++) {
        uint32_t left = 0;
        for (uint32_t at = 0; at < count; at++) {
            uint16_t lane = going[at];
            going[left] = lane;
            left += step(book, sweep, &sweep->lanes[lane]);
        }
        count = left;
    }
}

/* A stage. */
static int32_t cancel_found(eng_book *book, eng_sink *sink)
{
    eng_sweep *sweep = book->sweep;
    while (sweep->lane < sweep->lane_count) {
        eng_sweep_lane *lane = &sweep->lanes[sweep->lane];
        for (; lane->used < lane->count; lane->used++) {
            if (eng_sink_room(sink) < 1) {
                return RB_FULL;
            }
            uint32_t locate = lane->found[lane->used];
            int is_own = book->orders[locate].topic == sweep->topic;
            int32_t status = eng_answer_order_canceled(book, sink, locate,
                                                       is_own ? RB_CANCEL_REASON_MASS_CANCEL
                                                              : RB_CANCEL_REASON_SUPERVISORY);
            if (status != RB_OK) {
                return status;
            }
        }
        lane->count = 0;
        lane->used = 0;
        if (lane->next != ENG_LOCATE_NONE) {
            look(book, sweep);
        } else if (++sweep->lane == sweep->lane_count) {
            take_lanes(book, sweep);
            look(book, sweep);
        }
    }
    return RB_OK;
}

int32_t eng_submit_mass_cancel(eng_book *book, const eng_group *group, eng_sink *sink)
{
    const rb_mass_cancel *request = &eng_group_line(group, 0)->mass_cancel;
    eng_sweep *sweep = book->sweep;
    uint16_t reason = reason_of(book, request);
    if (reason != 0) {
        return eng_reject(sink, group, reason);
    }
    take_scope(sweep, request);
    sweep->topic = request->header.topic;
    memset(sweep->marks, 0, mark_words(book->instrument_count) * sizeof(uint64_t));
    if (request->instrument != RB_INSTRUMENT_NONE) {
        mark(sweep, request->instrument);
    } else {
        mark_all(book, sweep);
    }
    eng_answer_first(sink, group);
    sweep->place = 0;
    sweep->price_ticks = 0;
    sweep->instrument = next_marked(book, 0);
    take_lanes(book, sweep);
    look(book, sweep);
    book->task.stage = cancel_found;
    return eng_run_stages(book, sink);
}
