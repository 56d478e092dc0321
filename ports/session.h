/*
 * Session: what a port knows of each of its clients, and how the stream changes it. No sockets.
 *
 * A desk (desk.c) holds all sessions of one port. State comes from the stream alone: topic
 * sequences, the last client's number, open orders, and the list of messages the client is shown. A
 * request is remembered, one a session, until the stream has answered it:
 *
 *     QUIET --prt_session_ask--> ASKED --prt_desk_propose--> PROPOSED --our line--> QUIET
 *                                  ^                            |
 *                                  +--- somebody else's line ---+
 *                                       took the number
 *
 * The number is that of the session's topic in the shard that will answer. Whoever takes it, the
 * shard has dropped everything else that named it, so a proposal is either what the stream shows
 * under its number or nothing at all: it can be made again from what is known then, and nothing is
 * ever done twice.
 *
 * Who: one thread. Progress: every call is bounded. No allocation after the sessions are added.
 * Crash: private memory; a successor applies the stream from message 1 and is where the dead one
 * was.
 */
#ifndef PORTS_SESSION_H
#define PORTS_SESSION_H

#include "ports/client.h"
#include "ports/hearing.h"
#include "ports/ouch42.h"
#include "ports/outbox.h"
#include "ports/proposal.h"
#include "ports/translate.h"
#include "ringbus/layout.h"

#define PRT_SHARDS_MAX 16u
#define PRT_SESSIONS_MAX 65535u
#define PRT_ASK_AHEAD 16

enum prt_phase {
    PRT_QUIET = 0,    /* nothing is asked */
    PRT_ASKED = 1,    /* to be proposed, for the first time or again */
    PRT_PROPOSED = 2, /* on its way; the stream will tell */
};

typedef struct prt_session {
    /* What every line touches, from the stream but for the protocol: together with the numbers of
     * the first shards it is one line of memory. */
    _Alignas(RB_LINE_BYTES) prt_outbox outbox;
    uint32_t last_client_order_id;
    uint32_t open_orders;
    uint16_t topic;
    uint8_t protocol; /* enum prt_protocol */
    /* Of the one request; the rest of it is below. */
    uint8_t phase; /* enum prt_phase */
    uint8_t proposed_template;
    uint8_t proposed_kind;    /* of a SessionEvent */
    uint8_t proposed_shard;   /* PRT_ALL_SHARDS: it takes no number */
    uint32_t proposed_number; /* of the topic */
    uint32_t proposed_client_order_id;
    /* Of the connections; owner: the agent. */
    uint32_t connection; /* that is logged in or being so; PRT_NONE */
    /* From the stream. */
    uint32_t topic_sequence[PRT_SHARDS_MAX]; /* last number taken, by shard */
    uint16_t holder; /* publisher id of the port where it is logged in; 0: nowhere */
    uint16_t left;   /* of the port that it has left with orders open; 0: none */
    uint8_t entry_disabled;
    /* From the configuration. */
    uint8_t cancels_on_disconnect;
    uint8_t listens; /* it asks for nothing, and is shown what others are */
    char self_trade;
    char firm_name[4];
    uint16_t account;
    uint16_t firm;
    uint32_t rate; /* orders in a second; 0: any */
    uint64_t notional_max_1e4;
    /* Its rate: when the orders so far would have come if they had come evenly. */
    uint64_t due_ns;
    prt_request request;
    uint32_t waiting; /* connection that logs in when the end of the last is sequenced; PRT_NONE */
    char user[8];
} prt_session;

_Static_assert(offsetof(prt_session, topic_sequence[3]) <= RB_LINE_BYTES,
               "a line, with up to three shards");

typedef struct prt_desk {
    prt_instruments instruments;
    prt_orders orders;
    prt_tokens tokens; /* of OUCH 4.2 */
    prt_pool pool;
    prt_hearing hearing;
    prt_session *sessions;
    uint16_t *by_topic; /* session number + 1; 0: not ours */
    uint16_t *by_user;  /* likewise, by hash: open addressing, at most half full */
    uint32_t user_mask;
    uint32_t tokens_max;
    uint32_t session_count;
    uint32_t session_capacity;
    uint32_t shard_count;
    uint16_t publisher;
} prt_desk;

typedef struct prt_bounds {
    uint32_t publisher; /* of the port's lane */
    uint32_t shards;
    uint32_t instruments;
    uint32_t sessions;
    uint32_t orders;
    uint32_t tokens;   /* of OUCH 4.2, in a day */
    uint32_t ears;     /* pairs of a listener and a session that it hears */
    uint64_t messages; /* shown to all clients together */
} prt_bounds;

/* What a message of the stream meant. */
typedef struct prt_change {
    uint32_t session;       /* whose topic it is; PRT_NONE */
    uint8_t shown;          /* to that session */
    uint8_t everyone;       /* to all sessions */
    uint8_t answered;       /* it is the answer to the session's request, which is QUIET again */
    uint8_t lost;           /* it took the number that the request had named: ASKED again */
    const prt_heard *heard; /* whose listeners are shown it; NULL */
    uint32_t epoch; /* another engine reigns: what was PROPOSED to the last one is ASKED again */
} prt_change;

/* Bytes of memory that prt_desk_init takes. */
uint64_t prt_desk_bytes(const prt_bounds *bounds);
/* Allocates everything. RB_USAGE, RB_SYSTEM: no memory; prt_desk_free in any case. */
int32_t prt_desk_init(prt_desk *desk, const prt_bounds *bounds);
void prt_desk_free(prt_desk *desk);
/* Adds a session. RB_USAGE: the topic is 0 or taken, or the user's name, or a letter is none;
 * RB_FULL. */
int64_t prt_desk_add_session(prt_desk *desk, const prt_client_session *config);
/* Lets a session hear what another is shown, one of another port. RB_USAGE: it does already, it
 * speaks another protocol than OUCH 5.0, or it is this port's; RB_FULL. */
int32_t prt_desk_add_hearing(prt_desk *desk, uint16_t listener, uint16_t topic, const char *whose);
/* Puts a line of a session that is not ours onto the lists of those who hear it. RB_FULL. */
int32_t prt_desk_tell(prt_desk *desk, const rb_message *line, prt_change *change);
/* Session of the user (upper case), or NULL. */
prt_session *prt_desk_find_user(const prt_desk *desk, const char *user);
/* Asks for what prt_desk_apply will touch for a line that is PRT_ASK_AHEAD messages ahead: hints,
 * for the misses of several messages to overlap. */
void prt_desk_ask(const prt_desk *desk, const rb_message *line);
/* The same for what can only be found through what the former brought, half as far ahead. */
void prt_desk_ask_more(const prt_desk *desk, const rb_message *line);
/* Applies the next message of the stream. RB_FULL, RB_CORRUPT. */
int32_t prt_desk_apply(prt_desk *desk, const prt_group *group, prt_change *change);
/* Writes what the session's client is shown of a message, in its protocol: as prt_translate. */
size_t prt_desk_show(const prt_desk *desk, const prt_session *session, const prt_group *group,
                     uint8_t *out, size_t room);
/* Whether a request that is read at `now_ns` is above the session's rate; counts it if not. What
 * takes risk away is never above it. */
int prt_session_throttle(prt_session *session, uint8_t kind, uint64_t now_ns);
/* Whether its orders are to be canceled because its client has gone; if so, the request for it. */
int prt_session_owes_cancel(const prt_desk *desk, const prt_session *session, uint64_t now_ns,
                            prt_request *request);
/* Remembers what a QUIET session asks for. RB_CORRUPT. */
int32_t prt_session_ask(prt_session *session, const prt_request *request);
/* Makes the proposal of an ASKED session, which must then be sent. Returns enum prt_outcome; for
 * anything but PRT_PROPOSE nothing is to be sent and the session is QUIET. RB_CORRUPT. */
int32_t prt_desk_propose(const prt_desk *desk, prt_session *session, prt_proposal *out);

static inline uint32_t prt_desk_number(const prt_desk *desk, const prt_session *session)
{
    return (uint32_t)(session - desk->sessions);
}

#endif
