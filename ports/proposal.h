/*
 * Proposal: what a port says to the sequencer for one request of a client, given what it knows now.
 *
 * A request is checked against the instrument and against the order that it concerns; what fails
 * becomes a Reject line, so that every refusal is sequenced too. Nothing is changed here: a
 * proposal is not true before it is on the stream, and when somebody else was first it is made
 * again from the same request.
 *
 * Who: one thread. Progress: bounded. Crash: nothing is kept.
 */
#ifndef PORTS_PROPOSAL_H
#define PORTS_PROPOSAL_H

#include "ports/instruments.h"
#include "ports/options.h"
#include "ports/orders.h"

/* One thing that a session asks for: an OUCH request, or an event of its connection. */
typedef struct prt_request {
    prt_ouch_request ouch; /* without its appendage */
    prt_options options;
    uint64_t read_ns;      /* when its bytes were read */
    uint64_t next_message; /* event: what the client asked for */
    uint32_t connection;   /* event */
    uint8_t event;         /* enum rb_session_event_kind; 0: an OUCH request */
    uint8_t is_own;        /* the port itself asks, not the client: it has no number */
    uint8_t is_throttled;  /* above the session's rate */
} prt_request;

/* On whose behalf, and what the session knows that the request is judged by. */
typedef struct prt_party {
    uint64_t notional_max_1e4; /* of one order; 0: any */
    uint32_t last_client_order_id;
    uint16_t topic;
    uint16_t account;
    uint16_t firm;
    uint8_t full;           /* no new orders: capacity is used up */
    uint8_t entry_disabled; /* by the client itself */
    char self_trade;        /* letter of orders that name none */
    char firm_name[4];      /* space padded */
} prt_party;

/* Self-trade prevention, among the options of an order. */
#define PRT_SELF_TRADE_OPTIONS                                                                     \
    (RB_ORDER_OPTION_SELF_TRADE_NEWEST | RB_ORDER_OPTION_SELF_TRADE_OLDEST |                       \
     RB_ORDER_OPTION_SELF_TRADE_DECREMENT | RB_ORDER_OPTION_SELF_TRADE_FIRM)

enum prt_outcome {
    PRT_PROPOSE = 0,
    PRT_DUPLICATE = 1, /* a number that was used: a benign resend */
    PRT_NO_EFFECT = 2, /* a cancel or modify that changes nothing */
    PRT_ELSEWHERE = 3, /* a login of a session that another port has */
};

/* An order, its terms and its tag. */
#define PRT_PROPOSAL_LINES_MAX 3u
/* All shards answer it, and it takes no lock. */
#define PRT_ALL_SHARDS 255u

/* `count` lines but for what the session adds: topic sequence. */
typedef struct prt_proposal {
    rb_message lines[PRT_PROPOSAL_LINES_MAX];
    uint32_t count;
    uint8_t shard; /* that will answer, or PRT_ALL_SHARDS */
} prt_proposal;

/* Makes the lines of `request`. Returns enum prt_outcome; `out` is only defined for PRT_PROPOSE. */
int32_t prt_propose(const prt_instruments *instruments, const prt_orders *orders,
                    const prt_party *party, const prt_request *request, prt_proposal *out);

#endif
