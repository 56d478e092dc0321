/*
 * Risk: what each account and each firm has at stake in the whole market, from the stream alone.
 *
 * An owner is an account or a firm. Of each is kept what is open (notional long and short,
 * quantity, orders), the position that its trades left, what it has traded today, and the messages
 * of this second. All of it is a function of the published lines: a replay, the passive engine and
 * a successor end with the same state (eng_risk_hash).
 *
 * The price that counts. An order has one price at risk, fixed when it is accepted, and every share
 * of it counts at that price while it is open and when it trades: a buy's limit; a sell's limit or
 * the instrument's reference price, whichever is higher; without a reference the highest price that
 * the instrument may have. So a trade moves notional from open to position and makes none, and what
 * was reserved is released to the last share. Units: 1/10,000 of the currency.
 *
 * The worst case. W is what an owner would have if everything that is open traded:
 *
 *     open long, open short       as it is
 *     net position                max(net + long, short - net)
 *     gross position              the same by instrument, summed up
 *     traded quantity, notional   traded + open
 *     open orders, messages       as it is
 *
 * Each grows only when an order is accepted. Who lets an order in only if W with it is within the
 * limits (engine/admission.h) never sees one exceeded, whatever trades or is canceled when. And W
 * grows by no more than the order itself. So a look at all of an owner's limits also says how much
 * it may add before the next one (its credit), and most orders need three comparisons an owner.
 *
 * Commands on the stream change limits and reference prices, kills and resumptions from the line
 * on; what is open stays as it was counted. A bust takes back what its trade had made: position,
 * traded notional and quantity. That may leave an owner above a limit, as a lowered limit does. A
 * correction changes nothing here, since no trade counts at its own price.
 *
 * Who: one thread. Nothing is allocated after create. Progress: wait-free; each line touches its
 * order, two owners and two positions.
 */
#ifndef ENGINE_RISK_H
#define ENGINE_RISK_H

#include "engine/book.h"

/* In place of no limit, and of every one that is higher: sums of these do not overflow. */
#define ENG_RISK_UNLIMITED (UINT64_C(1) << 61)

/* cffi: begin */
/* What an owner has; also as W with limits beside it. */
typedef struct eng_exposure {
    uint64_t open[2]; /* notional, buys and sells */
    uint64_t gross;   /* sum over instruments of the worst case there */
    uint64_t open_quantity;
    uint32_t open_orders;
    uint32_t messages; /* accepted orders and replaces in `second` */
    uint64_t second;   /* of the stream's time, since the epoch */
    int64_t net;       /* notional of what was bought less what was sold */
    uint64_t traded;   /* notional */
    uint64_t traded_quantity;
} eng_exposure;

/* What the price and the size of an instrument's orders are reckoned with. */
typedef struct eng_risk_instrument {
    uint32_t tick_1e4;
    int32_t price_ticks_max;
} eng_risk_instrument;

typedef struct eng_risk eng_risk;

/* For `instruments` (1..2^20; all without a reference), `shards` with locates up to `orders`,
 * accounts and firms below the given numbers (1..65536), `topics` sessions, and room for
 * `positions` pairs of an owner and an instrument (a power of two, 16..2^28). NULL: out of memory
 * or bad arguments. */
eng_risk *eng_risk_create(const eng_risk_instrument *instruments, uint32_t count, uint32_t shards,
                          uint32_t orders, uint32_t accounts, uint32_t firms, uint32_t topics,
                          uint32_t positions);
void eng_risk_destroy(eng_risk *risk);
uint64_t eng_risk_bytes(const eng_risk *risk);
/* Takes published lines, all of them and in order. RB_CORRUPT: they contradict what came before. */
int32_t eng_risk_apply(eng_risk *risk, const rb_message *lines, int64_t count);
/* An account's or a firm's state and its limits (RB_LIMIT_..., index number - 1). RB_UNKNOWN. */
int32_t eng_risk_account(const eng_risk *risk, uint32_t account, eng_exposure *out,
                         uint64_t *limits);
int32_t eng_risk_firm(const eng_risk *risk, uint32_t firm, eng_exposure *out, uint64_t *limits);
/* Whether new orders of a session, an account and a firm are refused. */
int eng_risk_is_killed(const eng_risk *risk, uint16_t topic, uint16_t account, uint16_t firm);
/* Whether the day takes no more orders, and whether it is over. */
int eng_risk_is_closed(const eng_risk *risk);
int eng_risk_is_over(const eng_risk *risk);
/* Hash of everything that the lines have made. */
uint64_t eng_risk_hash(const eng_risk *risk);
/* Checks every sum against the orders and positions it is made of. RB_OK, RB_CORRUPT. */
int32_t eng_risk_verify(const eng_risk *risk);
/* cffi: end */

/* --- for engine/risk.c: a bust ------------------------------------------------------------------
 */

/* Takes a trade back of both its owners. RB_CORRUPT: they have not traded so much. */
int32_t eng_risk_take_back(eng_risk *risk, const rb_trade_party *party);

/* --- for engine/admission.c ------------------------------------------------------------------ */

#define ENG_LIMITS 8u
/* Orders on their way at most; nothing new is taken while there are as many. */
#define ENG_FLIGHTS 4096u

/* What an order adds to its account and to its firm. */
typedef struct eng_risk_demand {
    uint64_t input; /* when it has one */
    uint64_t notional;
    uint32_t quantity;
    uint32_t instrument;
    uint16_t account;
    uint16_t firm;
    uint8_t side; /* 1 or 2 */
    uint8_t spare[3];
} eng_risk_demand;

/* What is on its way to the book, not on the stream yet and to be borne all the same, and behind
 * it, from `tail` on, what is asked for. `head` and `tail` count for ever. */
typedef struct eng_risk_flights {
    uint64_t head;
    uint64_t tail;
    eng_risk_demand ring[ENG_FLIGHTS];
} eng_risk_flights;

static inline eng_risk_demand *eng_risk_flight(eng_risk_flights *flights, uint64_t n)
{
    return &flights->ring[n % ENG_FLIGHTS];
}

/* Whether the order that a Replace names is known; on which side, and whether it stays with its
 * account and firm. */
int eng_risk_find(const eng_risk *risk, const rb_replace *line, uint32_t shard, uint8_t *side,
                  int *stays);
/* What orders of an account and firm do that meet themselves and do not say (enum rb_order_option):
 * the account's rule, if it has none the firm's. */
uint8_t eng_risk_self_trade(const eng_risk *risk, uint16_t account, uint16_t firm);
int eng_risk_has_self_trade(const eng_risk *risk);
/* Whether there is room for so many more positions or restrictions. */
int eng_risk_has_places(const eng_risk *risk, uint64_t places);
/* Whether the owners of both parties have traded what a bust would take back. */
int eng_risk_may_take_back(const eng_risk *risk, const rb_trade_party *one,
                           const rb_trade_party *other);
/* Fetches ahead the order that a line will be about; a hint. */
void eng_risk_prefetch(const eng_risk *risk, uint32_t shard, uint32_t locate);
/* 0, or why order `n` of the flights may not come in behind all that are before it (enum
 * rb_reject_reason): a limit, a kill, a restriction, an unknown owner. `locate` names the order of
 * `shard` that it takes the place of, if that is sure (eng_risk_find says that it stays, and
 * nothing is on its way); else ENG_LOCATE_NONE. What it finds left of its owners' limits is theirs
 * to add. */
uint16_t eng_risk_reason(eng_risk *risk, eng_risk_flights *flights, uint64_t n, uint16_t topic,
                         uint64_t time_ns, uint32_t shard, uint32_t locate);

#endif
