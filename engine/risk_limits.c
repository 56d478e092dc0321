#include "engine/risk_state.h"

/* May it come in? The worst case with it, against the limits of its account and of its firm. */

_Static_assert(RB_REJECT_REASON_MESSAGE_RATE_LIMIT - RB_REJECT_REASON_OPEN_LONG_LIMIT ==
                   RB_RISK_LIMIT_MESSAGES_PER_SECOND - RB_RISK_LIMIT_OPEN_LONG,
               "reasons are in the order of the limits");
_Static_assert(RB_RISK_LIMIT_MESSAGES_PER_SECOND == ENG_LIMITS, "dense from 1");

void eng_risk_price(const eng_risk *risk, uint32_t instrument, int32_t price_ticks,
                    uint32_t quantity, int slides, eng_risk_demand *out)
{
    int32_t highest = risk->instruments[instrument].price_ticks_max;
    int32_t ticks = slides && price_ticks < highest ? highest : price_ticks;
    /* A buy slides down. */
    ticks = out->side == RB_SIDE_SELL ? ticks : price_ticks;
    out->instrument = instrument;
    out->quantity = quantity;
    out->notional = quantity * eng_price_at_risk(risk, instrument, ticks, out->side);
}

static void fly(eng_risk *risk, const eng_risk_demand *demand, uint64_t one)
{
    uint16_t numbers[2] = {demand->account, demand->firm};
    risk->flying += (uint32_t)one;
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        eng_risk_flight *flight = &risk->owners[kind][numbers[kind]].flight;
        flight->open[demand->side - 1u] += one * demand->notional;
        flight->quantity += one * demand->quantity;
        flight->orders += (uint32_t)one;
    }
}

void eng_risk_take_off(eng_risk *risk, const eng_risk_demand *demand)
{
    fly(risk, demand, 1);
}

void eng_risk_land(eng_risk *risk, const eng_risk_demand *demand)
{
    fly(risk, demand, ~UINT64_C(0));
}

/* What leaves when another order comes in its place. */
typedef struct leaving {
    const eng_record *order; /* NULL: nothing does */
    uint64_t notional;
} leaving;

static uint64_t of_side(const leaving *out, uint32_t index)
{
    return out->order != NULL && out->order->side - 1u == index ? out->notional : 0;
}

/* The worst case in the instrument after it, less that before it; what is on its way counts whole.
 */
static uint64_t gross_after(const eng_risk *risk, const eng_owner *who, uint32_t kind,
                            const eng_risk_demand *demand, const leaving *out)
{
    uint64_t flying = who->flight.open[0] + who->flight.open[1];
    if (out->order == NULL && flying != 0) {
        return who->now.gross + flying + demand->notional;
    }
    uint16_t number = kind == ENG_ACCOUNT ? demand->account : demand->firm;
    eng_position at = risk->positions[eng_position_place(
        risk, eng_position_key(kind, number, demand->instrument))];
    uint64_t before = eng_worst(at.net, at.open[0], at.open[1]);
    at.open[demand->side - 1u] += demand->notional - of_side(out, demand->side - 1u);
    return who->now.gross + flying + eng_worst(at.net, at.open[0], at.open[1]) - before;
}

static uint16_t owner_reason(const eng_risk *risk, uint32_t kind, const eng_risk_demand *demand,
                             uint64_t time_ns, const leaving *out)
{
    uint16_t number = kind == ENG_ACCOUNT ? demand->account : demand->firm;
    const eng_owner *who = &risk->owners[kind][number];
    const eng_exposure *now = &who->now;
    const uint64_t *limits = who->limits;
    uint64_t sum = demand->notional | now->open[0] | now->open[1] | now->traded | now->gross;
    if (!who->is_limited && sum < ENG_RISK_SMALL) {
        return 0; /* nor are the limits near that stand for none */
    }
    uint32_t index = demand->side - 1u;
    uint64_t gone = out->order != NULL ? out->order->quantity : 0;
    uint64_t open =
        now->open[index] + who->flight.open[index] + demand->notional - of_side(out, index);
    uint64_t other = now->open[index ^ 1u] + who->flight.open[index ^ 1u];
    if (open > limits[index]) {
        return (uint16_t)(RB_REJECT_REASON_OPEN_LONG_LIMIT + index);
    }
    int64_t net = demand->side == RB_SIDE_BUY ? now->net : -now->net;
    if ((int64_t)open + net > (int64_t)limits[RB_RISK_LIMIT_NET_POSITION - 1]) {
        return RB_REJECT_REASON_NET_POSITION_LIMIT;
    }
    if (limits[RB_RISK_LIMIT_GROSS_POSITION - 1] != ENG_RISK_UNLIMITED &&
        gross_after(risk, who, kind, demand, out) > limits[RB_RISK_LIMIT_GROSS_POSITION - 1]) {
        return RB_REJECT_REASON_GROSS_POSITION_LIMIT;
    }
    if (now->traded + open + other > limits[RB_RISK_LIMIT_TRADED_NOTIONAL - 1]) {
        return RB_REJECT_REASON_TRADED_NOTIONAL_LIMIT;
    }
    uint64_t quantity = now->traded_quantity + now->open_quantity + who->flight.quantity;
    if (quantity + demand->quantity - gone > limits[RB_RISK_LIMIT_TRADED_QUANTITY - 1]) {
        return RB_REJECT_REASON_TRADED_QUANTITY_LIMIT;
    }
    uint64_t orders = (uint64_t)now->open_orders + who->flight.orders + (out->order == NULL);
    if (orders > limits[RB_RISK_LIMIT_OPEN_ORDERS - 1]) {
        return RB_REJECT_REASON_OPEN_ORDERS_LIMIT;
    }
    uint64_t said = time_ns / ENG_SECOND_NS == now->second ? now->messages : 0;
    if (said + who->flight.orders + 1 > limits[RB_RISK_LIMIT_MESSAGES_PER_SECOND - 1]) {
        return RB_REJECT_REASON_MESSAGE_RATE_LIMIT;
    }
    return 0;
}

int eng_risk_is_killed(const eng_risk *risk, uint16_t topic, uint16_t account, uint16_t firm)
{
    return risk->all_killed || (topic < risk->topic_count && risk->killed_topics[topic]) ||
           (account < risk->owner_counts[ENG_ACCOUNT] &&
            risk->killed_owners[ENG_ACCOUNT][account]) ||
           (firm < risk->owner_counts[ENG_FIRM] && risk->killed_owners[ENG_FIRM][firm]);
}

int eng_risk_find(const eng_risk *risk, const rb_replace *line, uint32_t shard, uint8_t *side,
                  int *stays)
{
    const eng_record *order = eng_record_resting(risk, shard, line->locate);
    if (order == NULL || order->side == 0 ||
        order->client_order_id != line->original_client_order_id ||
        eng_record_instrument(risk, order) != line->instrument) {
        return 0;
    }
    *side = order->side;
    *stays = order->account == line->account && order->firm == line->firm;
    return 1;
}

int eng_risk_knows(const eng_risk *risk, uint16_t account, uint16_t firm)
{
    return account < risk->owner_counts[ENG_ACCOUNT] && firm < risk->owner_counts[ENG_FIRM];
}

uint16_t eng_risk_reason(const eng_risk *risk, const eng_risk_demand *demand, uint16_t topic,
                         uint64_t time_ns, uint32_t shard, uint32_t locate)
{
    if (!eng_risk_knows(risk, demand->account, demand->firm)) {
        return RB_REJECT_REASON_UNKNOWN_OWNER;
    }
    if (eng_risk_is_killed(risk, topic, demand->account, demand->firm)) {
        return RB_REJECT_REASON_KILLED;
    }
    if (risk->position_count + 2 * (risk->flying + 1) > eng_positions_max(risk)) {
        return RB_REJECT_REASON_RISK_CAPACITY;
    }
    leaving out = {.order = eng_record_resting(risk, shard, locate)};
    out.notional = out.order != NULL ? out.order->price_1e4 * out.order->quantity : 0;
    uint16_t reason = owner_reason(risk, ENG_ACCOUNT, demand, time_ns, &out);
    return reason != 0 ? reason : owner_reason(risk, ENG_FIRM, demand, time_ns, &out);
}
