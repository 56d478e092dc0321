#include "engine/admission.h"

#include <string.h>

#include "engine/risk_credit.h"
#include "engine/trade_change.h"
#include "ringbus/check.h"

/* Lines read a call: a long answer is not waited for in one go. */
enum { LINES_MAX = 4096, BEHIND = 256 };
/* An order with one of these says what it does when it meets itself. */
#define SELF_TRADE_NAMED                                                                           \
    (RB_ORDER_OPTION_SELF_TRADE_NEWEST | RB_ORDER_OPTION_SELF_TRADE_OLDEST |                       \
     RB_ORDER_OPTION_SELF_TRADE_DECREMENT | RB_ORDER_OPTION_SELF_TRADE_FIRM)

int32_t eng_admission_init(eng_admission *admission, eng_risk *risk, const void *settled,
                           size_t settled_bytes, const void *ring, size_t ring_bytes, void *readers,
                           size_t readers_bytes, uint64_t next)
{
    int32_t status = rb_layout_verify(settled, settled_bytes, RB_KIND_SETTLED);
    if (status != RB_OK) {
        return status;
    }
    memset(admission, 0, offsetof(eng_admission, flights.ring));
    admission->risk = risk;
    admission->settled = settled;
    admission->has_self_trade = (uint8_t)eng_risk_has_self_trade(risk);
    status = rb_multicast_gate_attach(&admission->stream, ring, ring_bytes, readers, readers_bytes,
                                      "sequencer");
    if (status == RB_OK) {
        uint64_t quarter = rb_multicast_capacity(&admission->stream) / 4;
        admission->behind = quarter < BEHIND ? quarter : BEHIND;
        rb_multicast_seek(&admission->stream, next);
        rb_multicast_release(&admission->stream, next - 1);
    }
    return status;
}

int64_t eng_admission_gate(const eng_admission *admission)
{
    return rb_multicast_gate(&admission->stream);
}

/* --- what has come back ---------------------------------------------------------------------- */

static inline uint64_t flying(const eng_admission *admission)
{
    return admission->flights.tail - admission->flights.head;
}

/* All up to `input` has been read. */
static void land(eng_admission *admission, uint64_t input)
{
    eng_risk_flights *flights = &admission->flights;
    while (flights->head != flights->tail &&
           eng_risk_flight(flights, flights->head)->input <= input) {
        flights->head++;
    }
    admission->input_settled = input;
}

/* Lines up to `tail_seen` that lie in the ring behind each other, from the next one on. */
static uint64_t ready(const eng_admission *admission)
{
    const rb_reader *stream = &admission->stream;
    uint64_t lines = admission->tail_seen + 1 - stream->next;
    uint64_t to_the_end = stream->mask + 1 - ((stream->next - 1) & stream->mask);
    uint64_t most = to_the_end < LINES_MAX ? to_the_end : LINES_MAX;
    return lines < most ? lines : most;
}

/*
 * What is new it learns from the tail, never from the slot that comes next: the publisher holds
 * that line for the message that readers wait for, and a look at it makes the message late.
 */
int64_t eng_admission_settle(eng_admission *admission)
{
    rb_reader *stream = &admission->stream;
    uint64_t first = stream->next;
    if (first > admission->tail_seen) {
        admission->input_seen = eng_settled_input(admission->settled);
        admission->tail_seen = rb_multicast_tail(stream);
    }
    uint64_t lines = first <= admission->tail_seen ? ready(admission) : 0;
    if (lines != 0) {
        const rb_message *line = rb_multicast_peek(stream, first);
        RB_CHECK(line != NULL);
        int32_t status = eng_risk_apply(admission->risk, line, (int64_t)lines);
        if (status != RB_OK) {
            return status;
        }
        admission->has_self_trade = (uint8_t)eng_risk_has_self_trade(admission->risk);
        if (eng_risk_is_over(admission->risk)) {
            /* Whatever is proposed waits for ever: the end of the day is its last line. */
            admission->input_awaited = UINT64_MAX;
        }
        RB_CHECK(rb_multicast_held(stream, first));
        rb_multicast_release(stream, first + lines - 1);
    }
    if (stream->next > admission->tail_seen && admission->input_seen != admission->input_settled) {
        land(admission, admission->input_seen);
    }
    return (int64_t)lines;
}

int eng_admission_is_behind(const eng_admission *admission)
{
    const rb_reader *stream = &admission->stream;
    return rb_multicast_tail(stream) >= stream->next + admission->behind ||
           flying(admission) >= ENG_FLIGHTS / 2;
}

/* --- may it come in? ------------------------------------------------------------------------- */

/* One more of the proposal's demands. */
static inline void demand(eng_admission *admission, const rb_new_order *line, uint8_t side,
                          int slides)
{
    eng_risk_demand *one =
        eng_risk_flight(&admission->flights, admission->flights.tail + admission->asked_count);
    admission->asked_count += (uint32_t)eng_risk_demands(admission->risk, line, side, slides, one);
}

/* Whether the one order that is asked for needs no look at limits. */
static inline int is_within(eng_admission *admission, const rb_message *first)
{
    eng_risk_flights *flights = &admission->flights;
    return eng_risk_is_within(admission->risk, eng_risk_flight(flights, flights->tail),
                              flying(admission), first->header.topic);
}

/* Whether nothing is on its way behind `input`. */
static int is_quiet(eng_admission *admission, uint64_t input)
{
    (void)eng_admission_settle(admission);
    return admission->input_settled == input;
}

/* Whether the line behind a NewOrder or Replace makes it slide. */
static int slides(const eng_group *group)
{
    if (group->count == 1) {
        return 0;
    }
    const rb_message *second = eng_group_line(group, 1);
    return second->header.template_id == RB_TEMPLATE_ORDER_TERMS &&
           (second->order_terms.options & RB_ORDER_OPTION_SLIDE) != 0;
}

/* What a group asks for. *locate: the order of the same owners that leaves for it. Returns whether
 * what it names is known. */
static int demands(eng_admission *admission, const eng_group *group, uint32_t shard,
                   uint32_t *locate)
{
    const rb_message *first = eng_group_line(group, 0);
    const rb_new_order *line = &first->new_order;
    uint8_t side = 0;
    int stays = 0;
    switch (first->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        demand(admission, line, line->side,
               (line->options & RB_ORDER_OPTION_SLIDE) != 0 || slides(group));
        return 1;
    case RB_TEMPLATE_REPLACE:
        if (!eng_risk_find(admission->risk, &first->replace, shard, &side, &stays)) {
            return 0;
        }
        *locate = stays ? first->replace.locate : ENG_LOCATE_NONE;
        demand(admission, line, side, slides(group));
        return 1;
    default:
        for (uint32_t n = 1; n < group->count && n <= ENG_DEMANDS_MAX; n++) {
            const rb_message *leg = eng_group_line(group, n);
            if (leg->header.template_id == RB_TEMPLATE_LEG) {
                demand(admission, &leg->new_order, leg->leg.side, 0);
            }
        }
        return 1;
    }
}

_Static_assert(offsetof(rb_leg, instrument) == offsetof(rb_new_order, instrument), "alike");
_Static_assert(offsetof(rb_leg, price_ticks) == offsetof(rb_new_order, price_ticks), "alike");
_Static_assert(offsetof(rb_leg, quantity) == offsetof(rb_new_order, quantity), "alike");
_Static_assert(offsetof(rb_leg, account) == offsetof(rb_new_order, account), "alike");
_Static_assert(offsetof(rb_leg, firm) == offsetof(rb_new_order, firm), "alike");
_Static_assert(offsetof(rb_replace, quantity) == offsetof(rb_new_order, quantity), "alike");
_Static_assert(offsetof(rb_replace, account) == offsetof(rb_new_order, account), "alike");

/* All demands of the group together: each counts for those behind it. */
static uint16_t reason_of(eng_admission *admission, const rb_message *first, uint64_t time_ns,
                          uint32_t shard, uint32_t locate)
{
    eng_risk_flights *flights = &admission->flights;
    uint16_t reason = 0;
    for (uint32_t n = 0; n < admission->asked_count && reason == 0; n++) {
        reason = eng_risk_reason(admission->risk, flights, flights->tail + n, first->header.topic,
                                 time_ns, shard, locate);
    }
    return reason;
}

static int is_restriction(const rb_message *first)
{
    return first->header.template_id == RB_TEMPLATE_COMMAND &&
           first->command.kind == RB_COMMAND_KIND_RESTRICTION;
}

/* Whether a message changes what is asked here. */
static int is_rule(const rb_message *first)
{
    if (first->header.template_id == RB_TEMPLATE_MASS_CANCEL) {
        return (first->mass_cancel.scope & RB_MASS_CANCEL_SCOPE_KILL) != 0;
    }
    if (first->header.template_id == RB_TEMPLATE_END_OF_DAY) {
        return 1;
    }
    return first->header.template_id == RB_TEMPLATE_COMMAND &&
           first->command.kind != RB_COMMAND_KIND_INSTRUMENT_STATE;
}

/* Options of self-trade that an order gets, since it names none and its owner has a rule. A Replace
 * without terms keeps what its order has. */
static uint8_t self_trade_of(const eng_admission *admission, const eng_group *group)
{
    const rb_message *first = eng_group_line(group, 0);
    const rb_message *second = group->count > 1 ? eng_group_line(group, 1) : first;
    uint8_t options = SELF_TRADE_NAMED;
    switch (first->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        options = first->new_order.options;
        break;
    case RB_TEMPLATE_MULTI_LEG_ORDER:
        options = first->multi_leg_order.options;
        break;
    case RB_TEMPLATE_REPLACE:
        if (second->header.template_id == RB_TEMPLATE_ORDER_TERMS) {
            options = second->order_terms.options;
        }
        break;
    default:
        break;
    }
    const rb_new_order *line = &first->new_order;
    return (options & SELF_TRADE_NAMED) != 0
               ? 0
               : eng_risk_self_trade(admission->risk, line->account, line->firm);
}

void eng_admission_fill_in(const eng_admission *admission, rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        line->new_order.options |= admission->self_trade;
        break;
    case RB_TEMPLATE_MULTI_LEG_ORDER:
        line->multi_leg_order.options |= admission->self_trade;
        break;
    case RB_TEMPLATE_ORDER_TERMS:
        line->order_terms.options |= admission->self_trade;
        break;
    default:
        break;
    }
}

/* A bust: decided when nothing is on its way, and everybody waits until it is settled. */
static uint16_t ask_bust(eng_admission *admission, const eng_group *group, uint64_t input)
{
    if (!is_quiet(admission, input)) {
        return ENG_ASK_LATER;
    }
    admission->holds = 1;
    int may = eng_risk_may_take_back(admission->risk, eng_trade_party(group, 0),
                                     eng_trade_party(group, 1));
    return may ? 0 : RB_REJECT_REASON_INVALID_TRADE;
}

/* Everything but a plain order of somebody who is far from every limit. */
static __attribute__((noinline)) uint16_t look(eng_admission *admission, const eng_group *group,
                                               uint64_t input, uint64_t time_ns, uint32_t shard)
{
    const rb_message *first = eng_group_line(group, 0);
    uint8_t template_id = first->header.template_id;
    admission->asked_count = 0;
    admission->holds = 0;
    if (admission->input_settled < admission->input_awaited) {
        (void)eng_admission_settle(admission);
        if (admission->input_settled < admission->input_awaited) {
            return ENG_ASK_LATER;
        }
    }
    if (template_id == RB_TEMPLATE_TRADE_CHANGE &&
        first->trade_change.kind == RB_TRADE_CHANGE_KIND_BUST) {
        return ask_bust(admission, group, input);
    }
    if (template_id == RB_TEMPLATE_STOP_ORDER) {
        return eng_risk_is_closed(admission->risk) ? RB_REJECT_REASON_DAY_CLOSED : 0;
    }
    if (template_id != RB_TEMPLATE_NEW_ORDER && template_id != RB_TEMPLATE_REPLACE &&
        template_id != RB_TEMPLATE_MULTI_LEG_ORDER) {
        admission->holds = (uint32_t)is_rule(first);
        return is_restriction(first) &&
                       !eng_risk_has_places(admission->risk, 2 * flying(admission) + 1)
                   ? RB_REJECT_REASON_RISK_CAPACITY
                   : 0;
    }
    if (flying(admission) > ENG_FLIGHTS - ENG_DEMANDS_MAX) {
        return ENG_ASK_LATER;
    }
    if (template_id == RB_TEMPLATE_MULTI_LEG_ORDER &&
        !eng_risk_knows(admission->risk, first->multi_leg_order.account,
                        first->multi_leg_order.firm)) {
        return RB_REJECT_REASON_UNKNOWN_OWNER; /* its legs may be of others */
    }
    uint32_t locate = ENG_LOCATE_NONE;
    uint16_t reason = ENG_ASK_LATER;
    int is_known = demands(admission, group, shard, &locate);
    if (!is_known) {
        /* Its order may be on the stream and not read yet. */
        (void)eng_admission_settle(admission);
        admission->asked_count = 0;
        is_known = demands(admission, group, shard, &locate);
    }
    if (is_known && admission->asked_count == 1 && is_within(admission, first)) {
        return 0;
    }
    if (is_known) {
        reason = reason_of(admission, first, time_ns, shard, ENG_LOCATE_NONE);
    }
    if (__builtin_expect(reason == 0, 1)) {
        return 0;
    }
    if (reason == RB_REJECT_REASON_KILLED || reason == RB_REJECT_REASON_UNKNOWN_OWNER ||
        reason == RB_REJECT_REASON_RESTRICTED || reason == RB_REJECT_REASON_DAY_CLOSED) {
        return reason; /* which no answer can change */
    }
    admission->asked_count = 0;
    if (!is_quiet(admission, input)) {
        return ENG_ASK_LATER;
    }
    locate = ENG_LOCATE_NONE;
    if (!demands(admission, group, shard, &locate)) {
        return 0; /* there is no such order: the book will say so */
    }
    return reason_of(admission, first, time_ns, shard, locate);
}

static inline uint16_t ask(eng_admission *admission, const eng_group *group, uint64_t input,
                           uint64_t time_ns, uint32_t shard)
{
    const rb_message *first = eng_group_line(group, 0);
    const rb_new_order *line = &first->new_order;
    if (line->header.template_id == RB_TEMPLATE_NEW_ORDER && group->count == 1 &&
        admission->input_settled >= admission->input_awaited &&
        flying(admission) <= ENG_FLIGHTS - ENG_DEMANDS_MAX) {
        admission->holds = 0;
        admission->asked_count = 0;
        demand(admission, line, line->side, (line->options & RB_ORDER_OPTION_SLIDE) != 0);
        if (admission->asked_count == 0 || is_within(admission, first)) {
            return 0;
        }
    }
    return look(admission, group, input, time_ns, shard);
}

uint16_t eng_admission_ask(eng_admission *admission, const eng_group *group, uint64_t input,
                           uint64_t time_ns, uint32_t shard)
{
    uint16_t reason = ask(admission, group, input, time_ns, shard);
    admission->self_trade = 0;
    if (__builtin_expect(admission->has_self_trade, 0) && reason == 0) {
        admission->self_trade = self_trade_of(admission, group);
    }
    return reason;
}

void eng_admission_took(eng_admission *admission, uint64_t input)
{
    eng_risk_flights *flights = &admission->flights;
    for (uint32_t n = 0; n < admission->asked_count; n++) {
        eng_risk_demand *one = eng_risk_flight(flights, flights->tail++);
        one->input = input;
        eng_risk_take(admission->risk, one);
    }
    admission->input_awaited = admission->holds ? input : admission->input_awaited;
}
