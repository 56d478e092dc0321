/*
 * Credit: what lets most orders in, for the admission and without a call.
 *
 * What an order asks for, whether its owners may add it without a look at their limits, and what is
 * then left of that. All of it on the way of every proposal; where it does not do, risk_limits.c
 * looks at the limits one by one.
 */
#ifndef ENGINE_RISK_CREDIT_H
#define ENGINE_RISK_CREDIT_H

#include "engine/risk_state.h"

/* What an order of this instrument, price, quantity, account and firm (a NewOrder, or a Replace or
 * Leg, where they lie in the same places) would add. 0: the book will refuse it for its form, so it
 * asks for nothing. `slides`: at the price that it may slide to. */
static inline int eng_risk_demands(const eng_risk *risk, const rb_new_order *line, uint8_t side,
                                   int slides, eng_risk_demand *out)
{
    if (side - 1u > 1u || line->price_ticks <= 0 || line->quantity == 0) {
        return 0;
    }
    int32_t ticks = line->price_ticks;
    if (slides && side == RB_SIDE_SELL) { /* a buy slides down */
        int32_t highest = risk->instruments[line->instrument].price_ticks_max;
        ticks = ticks < highest ? highest : ticks;
    }
    out->notional = line->quantity * eng_price_at_risk(risk, line->instrument, ticks, side);
    out->quantity = line->quantity;
    out->instrument = line->instrument;
    out->account = line->account;
    out->firm = line->firm;
    out->side = side;
    return 1;
}

/* Whether there are such an account and such a firm. */
static inline int eng_risk_knows(const eng_risk *risk, uint16_t account, uint16_t firm)
{
    return account < risk->owner_counts[ENG_ACCOUNT] && firm < risk->owner_counts[ENG_FIRM];
}

static inline int eng_credit_covers(const eng_credit *credit, const eng_risk_demand *demand)
{
    return demand->notional <= credit->notional && demand->quantity <= credit->quantity &&
           credit->orders != 0;
}

/* Whether both its owners may add it, with `flying` others on their way. */
static inline int eng_risk_is_within(const eng_risk *risk, const eng_risk_demand *demand,
                                     uint64_t flying, uint16_t topic)
{
    if (!eng_risk_knows(risk, demand->account, demand->firm) || topic >= risk->topic_count) {
        return 0;
    }
    return !(risk->all_killed | risk->is_closed) && !risk->killed_topics[topic] &&
           risk->position_count + 2 * (flying + 1) <= eng_positions_max(risk) &&
           eng_credit_covers(&risk->owners[ENG_ACCOUNT][demand->account].credit, demand) &&
           eng_credit_covers(&risk->owners[ENG_FIRM][demand->firm].credit, demand);
}

static inline void eng_credit_take(eng_credit *credit, const eng_risk_demand *demand)
{
    uint64_t notional = credit->notional;
    uint64_t quantity = credit->quantity;
    credit->notional = notional - (demand->notional < notional ? demand->notional : notional);
    credit->quantity = quantity - (demand->quantity < quantity ? demand->quantity : quantity);
    credit->orders -= credit->orders != 0;
}

/* Takes an order that comes in off what its owners may add without a look at their limits. */
static inline void eng_risk_take(eng_risk *risk, const eng_risk_demand *demand)
{
    eng_credit_take(&risk->owners[ENG_ACCOUNT][demand->account].credit, demand);
    eng_credit_take(&risk->owners[ENG_FIRM][demand->firm].credit, demand);
}

#endif
