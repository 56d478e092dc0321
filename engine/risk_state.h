/*
 * What engine/risk.h keeps, for its own files only: risk.c (from the lines), risk_credit.h and
 * risk_limits.c (may an order come in), risk_audit.c (what it shows of itself).
 */
#ifndef ENGINE_RISK_STATE_H
#define ENGINE_RISK_STATE_H

#include "engine/risk.h"

/* Price times quantity stays below 2^63. */
#define ENG_RISK_PRICE_MAX (UINT64_C(1) << 31)
#define ENG_SECOND_NS UINT64_C(1000000000)
/* Legs of one order, or the one order that cannot rest. */
#define ENG_LOOSE_MAX 8u

/* What an owner may still add before its limits are looked at one by one: no more than the least of
 * what they leave. Each order takes of it and nothing is given back, until a whole look fills it
 * anew; so it errs on the safe side, and most orders are let in by three comparisons. */
typedef struct eng_credit {
    uint64_t notional;
    uint64_t quantity;
    uint32_t orders; /* 0 also where something has changed: a limit, a kill */
    uint8_t spare[4];
} eng_credit;

/* An account or a firm. */
typedef struct eng_owner {
    eng_credit credit;
    eng_exposure now;
    uint64_t limits[ENG_LIMITS];
    uint8_t self_trade;    /* enum rb_order_option: of its orders that do not say */
    uint8_t is_restricted; /* somewhere: it has no credit, each order is looked at */
    uint8_t reserved[30];
} eng_owner;

_Static_assert(offsetof(eng_owner, now.second) == 64, "what every order touches is one line");
_Static_assert(sizeof(eng_owner) == 192, "whole lines");

/* What an owner has in one instrument. Kept for the day once it is there. */
typedef struct eng_position {
    uint64_t key; /* 0: free */
    uint64_t open[2];
    int64_t net;
} eng_position;

/* An open order. `side` 0: there is none. */
typedef struct eng_record {
    uint64_t price_1e4; /* at risk */
    uint32_t quantity;
    uint32_t places[2]; /* positions of the account and of the firm */
    uint32_t client_order_id;
    uint16_t account;
    uint16_t firm;
    uint8_t side;
    uint8_t spare[3];
} eng_record;

_Static_assert(sizeof(eng_position) == 32, "two a line");
_Static_assert(sizeof(eng_record) == 32, "two a line");

/* What the price of its orders is reckoned with. */
typedef struct eng_pricing {
    uint32_t tick_1e4;
    int32_t price_ticks_max;
    int32_t least[2]; /* at risk, of a buy and of a sell: the reference price or the highest */
} eng_pricing;

struct eng_risk {
    eng_pricing *instruments;
    eng_record *orders; /* by shard, then locate; the first of each shard is never used */
    eng_owner *owners[2];
    eng_position *positions;
    uint8_t *killed_topics;
    uint8_t *killed_owners[2];
    uint32_t owner_counts[2];
    uint32_t instrument_count;
    uint32_t shard_count;
    uint32_t order_count; /* a shard */
    uint32_t topic_count;
    uint32_t position_mask;
    uint32_t position_count; /* in use */
    uint8_t all_killed;
    uint8_t is_closed;      /* no more orders are taken */
    uint8_t is_over;        /* nothing is */
    uint8_t has_self_trade; /* some owner has a rule, now or before */
    uint8_t is_inside;      /* of a group */
    uint8_t template_id;    /* of the group's first line */
    uint8_t loose_count;
    eng_record loose[ENG_LOOSE_MAX]; /* orders of this group that cannot rest */
    uint64_t bytes;
};

enum eng_owner_kind { ENG_ACCOUNT, ENG_FIRM };

/* A restriction lies among the positions, where it is found in the same way; its rule is in `net`.
 */
#define ENG_KEY_RESTRICTION (UINT64_C(1) << 61)

static inline uint64_t eng_position_key(uint32_t kind, uint16_t number, uint32_t instrument)
{
    return UINT64_C(1) << 63 | (uint64_t)kind << 62 | (uint64_t)number << 32 | instrument;
}

/* Where the search for it begins: with a line, whose second place is looked at without another
 * miss. */
static inline uint32_t eng_position_home(const eng_risk *risk, uint64_t key)
{
    return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & risk->position_mask & ~1u;
}

/* Where a position is, or the free place where it would be. There is always a free one. */
static inline uint32_t eng_position_place(const eng_risk *risk, uint64_t key)
{
    uint32_t at = eng_position_home(risk, key);
    for (uint32_t step = 0; step <= risk->position_mask; step++) {
        if (risk->positions[at].key == key || risk->positions[at].key == 0) {
            break;
        }
        at = (at + 1) & risk->position_mask;
    }
    return at;
}

static inline uint32_t eng_positions_max(const eng_risk *risk)
{
    return risk->position_mask / 4 * 3;
}

/* If all that is open on one side traded, and nothing on the other. */
static inline uint64_t eng_worst(int64_t net, uint64_t buys, uint64_t sells)
{
    int64_t bought = net + (int64_t)buys;
    int64_t sold = (int64_t)sells - net;
    return (uint64_t)(bought > sold ? bought : sold);
}

/* Without a branch on the side, which nobody can foretell. */
static inline uint64_t eng_price_at_risk(const eng_risk *risk, uint32_t instrument,
                                         int32_t price_ticks, uint8_t side)
{
    const eng_pricing *in = &risk->instruments[instrument];
    int32_t least = in->least[side - 1u];
    int32_t ticks = price_ticks > least ? price_ticks : least;
    uint64_t price = (uint64_t)(uint32_t)ticks * in->tick_1e4;
    return price < ENG_RISK_PRICE_MAX ? price : ENG_RISK_PRICE_MAX;
}

static inline uint32_t eng_record_instrument(const eng_risk *risk, const eng_record *order)
{
    return (uint32_t)risk->positions[order->places[ENG_ACCOUNT]].key;
}

/* The record of an order that rests, NULL if there can be none of that locate. */
static inline eng_record *eng_record_resting(const eng_risk *risk, uint32_t shard, uint32_t locate)
{
    if (shard >= risk->shard_count || locate == ENG_LOCATE_NONE || locate > risk->order_count) {
        return NULL;
    }
    return &risk->orders[(uint64_t)shard * (risk->order_count + UINT64_C(1)) + locate];
}

#endif
