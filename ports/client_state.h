/*
 * What the files of the client port share: client.c (the stream, the lane, the rounds), reception.c
 * (connections and their packets), entrance.c (how a connection and its session come together, and
 * how they part), delivery.c (what goes out) and client_setup.c (how a port is made and told what
 * it serves, and what can be asked of it). Included by nobody else.
 */
#ifndef PORTS_CLIENT_STATE_H
#define PORTS_CLIENT_STATE_H

#include "ports/client.h"
#include "ports/connection.h"
#include "ports/login.h"
#include "ports/session.h"
#include "ringbus/core.h"
#include "ringbus/doorbell.h"
#include "ringbus/histogram.h"
#include "ringbus/marks.h"
#include "ringbus/metrics.h"
#include "ringbus/replay.h"

struct prt_client {
    prt_desk desk;
    prt_connections connections;
    prt_login login;
    prt_queue asked; /* sessions whose request is to be proposed */
    prt_queue held;  /* connections whose next message waits for a mark */
    prt_client_config config;
    /* Core, lane, stream. */
    rb_clock *clock;
    rb_wake *wake;
    uint64_t bells;
    rb_lane lane;
    rb_doorbell *doorbell;
    uint32_t lane_number;
    uint32_t has_journal;
    rb_replay replay;
    const void *marks; /* may be NULL */
    uint32_t copies;   /* journals that must have a message before a client sees it */
    /* The round. */
    uint64_t now_ns;
    uint64_t ticked_ns; /* when the present look at all connections began */
    uint32_t looked;    /* connections that it has come to */
    uint64_t heard;     /* last sequence applied */
    uint64_t allowed;   /* last sequence that a client may see */
    uint8_t reign;      /* of the engine that proposals are made to */
    uint32_t is_live;
    uint32_t stands_by; /* owner: who takes over for it; read by the agent (PS2) */
    uint32_t has_head;
    rb_message head;       /* a line of which not all that belongs to it has come yet */
    rb_message head_terms; /* its terms; template 0: none */
    rb_histogram *hop;
    rb_histogram *whole;
    uint64_t *counters[PRT_COUNTS];
    uint64_t own_counters[PRT_COUNTS];
    rb_message batch[RB_REPLAY_BATCH];
};

static inline void prt_client_add(prt_client *port, enum prt_count which)
{
    rb_count(port->counters[which], 1);
}

/* client.c */

/* Remembers what the QUIET session asks for, to be proposed in this round. */
int32_t prt_client_ask(prt_client *port, prt_session *session, const prt_request *request);

/* delivery.c */

/* A message was added to the outbox of this connection's session: shown at once if it has had all
 * others. */
int32_t prt_client_deliver(prt_client *port, prt_connection *connection, const prt_group *group);
/* The same for those who hear the session that it is about. */
int32_t prt_client_deliver_to_listeners(prt_client *port, const prt_heard *heard,
                                        const prt_group *group);
/* The same for all sessions. */
int32_t prt_client_deliver_to_all(prt_client *port, const prt_group *group);
/* Looks how far the journals are; connections that waited for that are looked at again. */
void prt_client_look_at_marks(prt_client *port);
/* One send for each connection that has something to say, in an order that is drawn by the sequence
 * of the last message, so that none has a place among the others. */
int64_t prt_client_flush(prt_client *port);

/* reception.c */

/* Takes what epoll has. Returns pieces of work. */
int64_t prt_client_poll(prt_client *port, int64_t limit);
/* Takes the packets of the ready connections. */
int64_t prt_client_serve(prt_client *port, int64_t limit);
/* Heartbeats, and those who are silent or do not go: a few connections a round, all of them every
 * 100 ms. 1: not all of them yet; 0; < 0. */
int64_t prt_client_tick(prt_client *port);

/* entrance.c */

/* Takes verdicts of the authenticator. */
int64_t prt_client_take_verdicts(prt_client *port, int64_t limit);
/* The session has become QUIET: whatever is due next. */
int32_t prt_client_settle(prt_client *port, prt_session *session);
/* The session's request is on the stream: what it was for is done now. */
int32_t prt_client_answered(prt_client *port, prt_session *session);
/* The login that the session asked for cannot be: another port has it. */
int32_t prt_client_turn_away(prt_client *port, prt_session *session);
/* Asks for an event of a QUIET session; `kind` is its SessionEventKind. */
int32_t prt_client_ask_event(prt_client *port, prt_session *session, uint8_t kind,
                             uint32_t connection, uint64_t next_message);
/* Closes a connection at once. */
int32_t prt_client_drop(prt_client *port, prt_connection *connection);
/* Tells the client why, and closes when it has read that and has closed, or did not in time. */
int32_t prt_client_dismiss(prt_client *port, prt_connection *connection, const char *why);

static inline prt_session *prt_client_session_of(const prt_client *port,
                                                 const prt_connection *connection)
{
    return connection->session == PRT_NONE ? NULL : &port->desk.sessions[connection->session];
}

static inline uint32_t prt_client_number_of(const prt_client *port,
                                            const prt_connection *connection)
{
    return prt_connections_number(&port->connections, connection);
}

static inline void prt_client_enter_state(const prt_client *port, prt_connection *connection,
                                          uint8_t state)
{
    connection->state = state;
    connection->since_ns = port->now_ns;
}

#endif
