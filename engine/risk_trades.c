/* What a bust takes back: a trade of an owner, as it was counted. */
#include "engine/risk_state.h"
#include "ringbus/check.h"

/* An owner's place in the tables; `place` is that of its position. */
typedef struct owner_at {
    uint64_t key;
    uint32_t place;
    uint16_t number;
} owner_at;

static owner_at find(const eng_risk *risk, const rb_trade_party *party, uint32_t kind)
{
    uint16_t number = kind == ENG_ACCOUNT ? party->account : party->firm;
    uint64_t key = eng_position_key(kind, number, party->instrument);
    return (owner_at){.key = key, .place = eng_position_place(risk, key), .number = number};
}

/* Whether an owner has traded so much, in this instrument among others. */
static int has_traded(const eng_risk *risk, const rb_trade_party *party, uint32_t kind,
                      uint64_t notional_1e4, uint64_t quantity)
{
    owner_at at = find(risk, party, kind);
    if (at.number >= risk->owner_counts[kind] || risk->positions[at.place].key != at.key) {
        return 0;
    }
    const eng_exposure *now = &risk->owners[kind][at.number].now;
    return now->traded >= notional_1e4 && now->traded_quantity >= quantity;
}

int eng_risk_may_take_back(const eng_risk *risk, const rb_trade_party *one,
                           const rb_trade_party *other)
{
    if (one->notional_1e4 > ENG_RISK_UNLIMITED || other->notional_1e4 > ENG_RISK_UNLIMITED) {
        return 0;
    }
    int all = 1;
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        int is_same = find(risk, one, kind).number == find(risk, other, kind).number;
        uint64_t notional_1e4 = is_same ? one->notional_1e4 + other->notional_1e4 : 0;
        uint64_t quantity = is_same ? (uint64_t)one->quantity + other->quantity : 0;
        const rb_trade_party *both[2] = {one, other};
        for (uint32_t n = 0; n < 2; n++) {
            all &= has_traded(risk, both[n], kind, is_same ? notional_1e4 : both[n]->notional_1e4,
                              is_same ? quantity : both[n]->quantity);
        }
    }
    return all;
}

int32_t eng_risk_take_back(eng_risk *risk, const rb_trade_party *party)
{
    uint64_t notional_1e4 = party->notional_1e4;
    int64_t bought = (int64_t)(party->side == RB_SIDE_BUY ? notional_1e4 : 0 - notional_1e4);
    for (uint32_t kind = ENG_ACCOUNT; kind <= ENG_FIRM; kind++) {
        RB_CHECK(has_traded(risk, party, kind, notional_1e4, party->quantity));
        owner_at owner = find(risk, party, kind);
        eng_position *at = &risk->positions[owner.place];
        eng_exposure *now = &risk->owners[kind][owner.number].now;
        uint64_t before = eng_worst(at->net, at->open[0], at->open[1]);
        at->net -= bought;
        now->net -= bought;
        now->gross += eng_worst(at->net, at->open[0], at->open[1]) - before;
        now->traded -= notional_1e4;
        now->traded_quantity -= party->quantity;
        risk->owners[kind][owner.number].credit.orders = 0; /* the position may have grown */
    }
    return RB_OK;
}
