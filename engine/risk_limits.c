#include "engine/risk_credit.h"

/* May it come in? The worst case with it, against the limits of its account and of its firm. */

_Static_assert(RB_REJECT_REASON_MESSAGE_RATE_LIMIT - RB_REJECT_REASON_OPEN_LONG_LIMIT ==
                   RB_RISK_LIMIT_MESSAGES_PER_SECOND - RB_RISK_LIMIT_OPEN_LONG,
               "reasons are in the order of the limits");
_Static_assert(RB_RISK_LIMIT_MESSAGES_PER_SECOND == ENG_LIMITS, "dense from 1");

/* What of an owner is on its way, or stands before an order in its own group. */
typedef struct coming {
    uint64_t notional[2];
    uint64_t quantity;
    uint64_t orders;
} coming;

static uint16_t number_of(const eng_risk_demand *demand, uint32_t kind)
{
    return kind == ENG_ACCOUNT ? demand->account : demand->firm;
}

static coming before(eng_risk_flights *flights, uint64_t n, uint32_t kind, uint16_t number)
{
    coming sum = {.notional = {0, 0}};
    for (uint64_t at = flights->head; at < n; at++) {
        const eng_risk_demand *one = eng_risk_flight(flights, at);
        if (number_of(one, kind) == number) {
            sum.notional[one->side - 1u] += one->notional;
            sum.quantity += one->quantity;
            sum.orders++;
        }
    }
    return sum;
}

/* --- may it come in? ------------------------------------------------------------------------- */

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
                            const eng_risk_demand *demand, const coming *ahead, const leaving *out)
{
    uint64_t flying = ahead->notional[0] + ahead->notional[1];
    if (out->order == NULL && flying != 0) {
        return who->now.gross + flying + demand->notional;
    }
    eng_position at = risk->positions[eng_position_place(
        risk, eng_position_key(kind, number_of(demand, kind), demand->instrument))];
    uint64_t worst = eng_worst(at.net, at.open[0], at.open[1]);
    at.open[demand->side - 1u] += demand->notional - of_side(out, demand->side - 1u);
    return who->now.gross + flying + eng_worst(at.net, at.open[0], at.open[1]) - worst;
}

static uint64_t said_in(const eng_owner *who, uint64_t time_ns)
{
    return time_ns / ENG_SECOND_NS == who->now.second ? who->now.messages : 0;
}

static uint16_t owner_reason(const eng_risk *risk, uint32_t kind, const eng_risk_demand *demand,
                             const coming *ahead, uint64_t time_ns, const leaving *out)
{
    const eng_owner *who = &risk->owners[kind][number_of(demand, kind)];
    const eng_exposure *now = &who->now;
    const uint64_t *limits = who->limits;
    uint32_t index = demand->side - 1u;
    uint64_t gone = out->order != NULL ? out->order->quantity : 0;
    uint64_t open =
        now->open[index] + ahead->notional[index] + demand->notional - of_side(out, index);
    uint64_t other = now->open[index ^ 1u] + ahead->notional[index ^ 1u];
    if (open > limits[index]) {
        return (uint16_t)(RB_REJECT_REASON_OPEN_LONG_LIMIT + index);
    }
    int64_t net = demand->side == RB_SIDE_BUY ? now->net : -now->net;
    if ((int64_t)open + net > (int64_t)limits[RB_RISK_LIMIT_NET_POSITION - 1]) {
        return RB_REJECT_REASON_NET_POSITION_LIMIT;
    }
    if (limits[RB_RISK_LIMIT_GROSS_POSITION - 1] != ENG_RISK_UNLIMITED &&
        gross_after(risk, who, kind, demand, ahead, out) >
            limits[RB_RISK_LIMIT_GROSS_POSITION - 1]) {
        return RB_REJECT_REASON_GROSS_POSITION_LIMIT;
    }
    if (now->traded + open + other > limits[RB_RISK_LIMIT_TRADED_NOTIONAL - 1]) {
        return RB_REJECT_REASON_TRADED_NOTIONAL_LIMIT;
    }
    uint64_t quantity = now->traded_quantity + now->open_quantity + ahead->quantity;
    if (quantity + demand->quantity - gone > limits[RB_RISK_LIMIT_TRADED_QUANTITY - 1]) {
        return RB_REJECT_REASON_TRADED_QUANTITY_LIMIT;
    }
    uint64_t orders = (uint64_t)now->open_orders + ahead->orders + (out->order == NULL);
    if (orders > limits[RB_RISK_LIMIT_OPEN_ORDERS - 1]) {
        return RB_REJECT_REASON_OPEN_ORDERS_LIMIT;
    }
    if (said_in(who, time_ns) + ahead->orders + 1 > limits[RB_RISK_LIMIT_MESSAGES_PER_SECOND - 1]) {
        return RB_REJECT_REASON_MESSAGE_RATE_LIMIT;
    }
    return 0;
}

/* --- what may come in without that ----------------------------------------------------------- */

static void leave(uint64_t *most, uint64_t limit, int64_t used)
{
    int64_t left = (int64_t)limit - used;
    uint64_t positive = left > 0 ? (uint64_t)left : 0;
    *most = *most < positive ? *most : positive;
}

/* Fills an owner's credit: the least that a limit leaves, whatever comes. */
static void fill(eng_owner *who, const coming *ahead, uint64_t time_ns)
{
    const eng_exposure *now = &who->now;
    const uint64_t *limits = who->limits;
    int64_t buys = (int64_t)(now->open[0] + ahead->notional[0]);
    int64_t sells = (int64_t)(now->open[1] + ahead->notional[1]);
    int64_t flying = (int64_t)(ahead->notional[0] + ahead->notional[1]);
    eng_credit *credit = &who->credit;
    uint64_t orders = who->is_restricted ? 0 : UINT32_MAX;
    credit->notional = ENG_RISK_UNLIMITED;
    credit->quantity = ENG_RISK_UNLIMITED;
    leave(&credit->notional, limits[RB_RISK_LIMIT_OPEN_LONG - 1], buys);
    leave(&credit->notional, limits[RB_RISK_LIMIT_OPEN_SHORT - 1], sells);
    leave(&credit->notional, limits[RB_RISK_LIMIT_NET_POSITION - 1], buys + now->net);
    leave(&credit->notional, limits[RB_RISK_LIMIT_NET_POSITION - 1], sells - now->net);
    leave(&credit->notional, limits[RB_RISK_LIMIT_GROSS_POSITION - 1],
          (int64_t)now->gross + flying);
    leave(&credit->notional, limits[RB_RISK_LIMIT_TRADED_NOTIONAL - 1],
          (int64_t)now->traded + buys + sells);
    leave(&credit->quantity, limits[RB_RISK_LIMIT_TRADED_QUANTITY - 1],
          (int64_t)(now->traded_quantity + now->open_quantity + ahead->quantity));
    leave(&orders, limits[RB_RISK_LIMIT_OPEN_ORDERS - 1],
          (int64_t)(now->open_orders + ahead->orders));
    leave(&orders, limits[RB_RISK_LIMIT_MESSAGES_PER_SECOND - 1],
          (int64_t)(said_in(who, time_ns) + ahead->orders));
    credit->orders = (uint32_t)orders;
}

int eng_risk_has_places(const eng_risk *risk, uint64_t places)
{
    return risk->position_count + places <= eng_positions_max(risk);
}

int eng_risk_is_killed(const eng_risk *risk, uint16_t topic, uint16_t account, uint16_t firm)
{
    return risk->all_killed || (topic < risk->topic_count && risk->killed_topics[topic]) ||
           (account < risk->owner_counts[ENG_ACCOUNT] &&
            risk->killed_owners[ENG_ACCOUNT][account]) ||
           (firm < risk->owner_counts[ENG_FIRM] && risk->killed_owners[ENG_FIRM][firm]);
}

int eng_risk_is_closed(const eng_risk *risk)
{
    return risk->is_closed;
}

int eng_risk_is_over(const eng_risk *risk)
{
    return risk->is_over;
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

/* Whether an owner may not do this in the instrument. */
static int is_restricted(const eng_risk *risk, uint32_t kind, const eng_risk_demand *demand)
{
    uint16_t number = number_of(demand, kind);
    if (!risk->owners[kind][number].is_restricted) {
        return 0;
    }
    uint64_t key = eng_position_key(kind, number, demand->instrument) | ENG_KEY_RESTRICTION;
    int64_t rule = risk->positions[eng_position_place(risk, key)].net;
    return rule == RB_RESTRICTION_NO_ORDERS ||
           (rule == RB_RESTRICTION_SELL_ONLY && demand->side != RB_SIDE_SELL);
}

int eng_risk_has_self_trade(const eng_risk *risk)
{
    return risk->has_self_trade;
}

uint8_t eng_risk_self_trade(const eng_risk *risk, uint16_t account, uint16_t firm)
{
    if (!risk->has_self_trade || !eng_risk_knows(risk, account, firm)) {
        return 0;
    }
    uint8_t own = risk->owners[ENG_ACCOUNT][account].self_trade;
    return own != 0 ? own : risk->owners[ENG_FIRM][firm].self_trade;
}

uint16_t eng_risk_reason(eng_risk *risk, eng_risk_flights *flights, uint64_t n, uint16_t topic,
                         uint64_t time_ns, uint32_t shard, uint32_t locate)
{
    const eng_risk_demand *demand = eng_risk_flight(flights, n);
    if (!eng_risk_knows(risk, demand->account, demand->firm)) {
        return RB_REJECT_REASON_UNKNOWN_OWNER;
    }
    if (risk->is_closed) {
        return RB_REJECT_REASON_DAY_CLOSED;
    }
    if (eng_risk_is_killed(risk, topic, demand->account, demand->firm)) {
        return RB_REJECT_REASON_KILLED;
    }
    if (is_restricted(risk, ENG_ACCOUNT, demand) || is_restricted(risk, ENG_FIRM, demand)) {
        return RB_REJECT_REASON_RESTRICTED;
    }
    if (!eng_risk_has_places(risk, 2 * (n + 1 - flights->head))) {
        return RB_REJECT_REASON_RISK_CAPACITY;
    }
    leaving out = {.order = eng_record_resting(risk, shard, locate)};
    out.notional = out.order != NULL ? out.order->price_1e4 * out.order->quantity : 0;
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        uint16_t number = number_of(demand, kind);
        coming ahead = before(flights, n, kind, number);
        uint16_t reason = owner_reason(risk, kind, demand, &ahead, time_ns, &out);
        if (reason != 0) {
            return reason;
        }
        fill(&risk->owners[kind][number], &ahead, time_ns);
    }
    return 0;
}
