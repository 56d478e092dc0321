/*
 * Client port: the agent that clients talk to, OUCH 5.0 over SoupBinTCP.
 *
 * It proposes what its clients ask and shows them what the stream says: nothing a client hears, a
 * refusal included, was not on the stream first. It follows the stream from message 1, takes logins
 * when it has caught up, and keeps nothing that the stream does not give a successor.
 *
 *     clients ==TCP==> connection --> session (one request in flight) --> lane to the sequencer
 *     clients <==TCP== connection <-- outbox (places on the stream)   <-- the stream
 *
 * What is shown waits for the journals when the exchange promises so (prt_client_attach_marks);
 * what is proposed does not.
 *
 * A session's next packet is taken only when the stream has answered the last one: TCP stops a
 * client that is too quick. A slow reader costs its cursor, and beyond `backlog_max` messages its
 * connection; what it missed it can ask for at its next login, as can any client after any crash.
 *
 * Who: create, add and attach from one thread before the first round; work from the core's thread;
 * the login functions from the authenticator's thread; counters from anybody. Progress: work never
 * blocks, and what it does in one call is bounded by `limit` and the number of connections. Crash:
 * clients are disconnected; the successor proposes the Disconnect events that are missing.
 */
#ifndef PORTS_CLIENT_H
#define PORTS_CLIENT_H

#include <stddef.h>

#include "ports/instruments.h"

/* What is counted: PRT_COUNT(NAME, name). */
#define PRT_COUNT_LIST(PRT_COUNT)                                                                  \
    PRT_COUNT(CONNECTIONS, "connections")                 /* accepted */                           \
    PRT_COUNT(CONNECTIONS_REFUSED, "refused connections") /* more than there is room for */        \
    PRT_COUNT(LOGINS, "logins")                                                                    \
    PRT_COUNT(LOGINS_REFUSED, "refused logins")                                                    \
    PRT_COUNT(MALFORMED, "malformed connections") /* connections cut for breaking the format */    \
    PRT_COUNT(SILENT,                                                                              \
              "silent connections")     /* connections cut for silence, or that never logged in */ \
    PRT_COUNT(SLOW, "slow connections") /* connections cut at their backlog */                     \
    PRT_COUNT(BROKEN, "broken connections") /* connections that ended without a logout */          \
    PRT_COUNT(REQUESTS, "requests")                                                                \
    PRT_COUNT(PROPOSALS, "proposals")                                                              \
    PRT_COUNT(RETRIES, "retries")               /* proposals whose number somebody else took */    \
    PRT_COUNT(DUPLICATES, "duplicate requests") /* requests with a number that was used */         \
    PRT_COUNT(NO_EFFECT, "requests without effect") /* cancels that leave what there is */         \
    PRT_COUNT(THROTTLED, "throttled requests")      /* refused for the session's rate */           \
    PRT_COUNT(LANE_FULL, "full lane")     /* rounds in which the sequencer did not keep up */      \
    PRT_COUNT(MESSAGES, "messages shown") /* sequenced messages written */

#define PRT_COUNT_ENUM(name, text) PRT_COUNT_##name,
enum prt_count { PRT_COUNT_LIST(PRT_COUNT_ENUM) PRT_COUNTS };
#undef PRT_COUNT_ENUM

/* cffi: begin */
/* Of a text that tells a drop copy whose its messages are. */
#define PRT_WHOSE_BYTES_MAX 64

typedef struct prt_client prt_client;

/* Bounds and times. */
typedef struct prt_client_config {
    uint64_t messages;     /* shown to all clients together in a day */
    uint64_t backlog_max;  /* messages that a connection may be behind */
    uint64_t heartbeat_ns; /* longest time without sending */
    uint64_t dead_ns;      /* silence after which a client is cut off, and limit of its login */
    uint64_t opening;      /* messages that the day begins with: no client is let in before */
    uint32_t publisher;    /* id of the port's lane: its number + 1 */
    uint32_t shards;
    uint32_t instruments;
    uint32_t sessions;
    uint32_t orders; /* open at once */
    uint32_t tokens; /* of OUCH 4.2, in a day; 0: no session has it */
    uint32_t ears;   /* of all listeners together: a session that one hears is one */
    uint32_t connections;
    uint32_t receive_bytes;        /* buffer of a connection */
    uint32_t send_bytes;           /* likewise */
    uint32_t socket_receive_bytes; /* the kernel's buffer; 0: its own choice */
    uint32_t socket_send_bytes;    /* likewise */
    char session[12];              /* SoupBinTCP session, 1..10 characters */
} prt_client_config;

enum prt_protocol {
    PRT_OUCH50 = 0,
    PRT_OUCH42 = 1,
};

/* A client of the day. */
typedef struct prt_client_session {
    uint64_t notional_max_1e4; /* quantity times price of one order, 1/10,000; 0: any */
    uint32_t rate;             /* new orders and replaces in a second; 0: any */
    uint16_t topic;
    uint16_t account;
    uint16_t firm;
    uint8_t protocol; /* enum prt_protocol */
    uint8_t cancels_on_disconnect;
    char self_trade;   /* letter of orders that name none (OUCH's AIQ strategy); 'N': none */
    char firm_name[4]; /* as a client writes it, space padded */
    char user[8];      /* 1..6 characters, upper case, zero padded */
} prt_client_session;

/* A login that waits to be verified; text is upper case and zero terminated. */
typedef struct prt_client_login {
    uint32_t connection;
    uint32_t generation;
    char user[8];
    char password[12];
} prt_client_login;

/* What a port of this configuration takes. */
typedef struct prt_client_size {
    uint64_t bytes;            /* all of its memory; prt_client_create takes no more */
    uint64_t connection_bytes; /* of that, by one more connection */
    uint64_t session_bytes;    /* by one more session, without its messages */
    uint64_t kernel_bytes;     /* at most of the kernel's for one connection, besides; 0: unknown */
} prt_client_size;

void prt_client_size_of(const prt_client_config *config, prt_client_size *out);
/* Allocates everything. RB_USAGE, RB_SYSTEM; `*out` is NULL then. */
int32_t prt_client_create(const prt_client_config *config, prt_client **out);
void prt_client_destroy(prt_client *port);
/* Adds the next instrument; the order must be the day's. Returns its number. RB_USAGE, RB_FULL. */
int64_t prt_client_add_instrument(prt_client *port, const prt_instrument *instrument);
/* Adds a session. RB_USAGE, RB_FULL. */
int64_t prt_client_add_session(prt_client *port, const prt_client_session *session);
/* Makes the session on topic `listener` a drop copy, if it is not, of what the one on `topic` is
 * shown, which is another port's; see ports/hearing.h. It is told `whose` they are, in less than
 * PRT_WHOSE_BYTES_MAX characters. RB_USAGE, RB_FULL. */
int32_t prt_client_add_hearing(prt_client *port, uint16_t listener, uint16_t topic,
                               const char *whose);
/* The core's clock and wake set; `bells` is rung when something was proposed. RB_USAGE. */
int32_t prt_client_attach_core(prt_client *port, void *clock, void *wake, uint64_t bells);
/* The port's lane, its number, and the sequencer's doorbell. What a dead predecessor left is
 * repaired. */
int32_t prt_client_attach_lane(prt_client *port, void *lane, size_t lane_bytes, void *doorbell,
                               size_t doorbell_bytes, uint32_t number);
/* Before the first round: it follows the stream but says nothing, and needs neither lane nor
 * address, until prt_client_speak. */
void prt_client_stand_by(prt_client *port);
/* It has lane and address now, and speaks as soon as it has caught up. Thread: any, which was the
 * one to attach them. */
void prt_client_speak(prt_client *port);
/* The stream from message 1; see rb_replay_attach. */
int32_t prt_client_attach_stream(prt_client *port, const void *ring, size_t ring_bytes,
                                 const char *directory, uint64_t segment_messages);
/* Another journal, as rb_replay_add. */
int32_t prt_client_add_journal(prt_client *port, const char *directory);
/* Clients are shown nothing that fewer than `copies` journals have durably; 0: whatever is on the
 * stream. As rb_marks_verify; RB_USAGE. */
int32_t prt_client_attach_marks(prt_client *port, const void *marks, size_t marks_bytes,
                                uint32_t copies);
/* Its reader of the stream, for rb_readers_join. */
void *prt_client_reader(prt_client *port);
/* Where to record; any may be NULL: publisher to reader, and bytes read to answer sent. */
void prt_client_measure(prt_client *port, void *hop, void *whole);
/* Counts number `n` there instead of inside. RB_USAGE. */
int32_t prt_client_count_into(prt_client *port, uint32_t n, uint64_t *counter);
/* Name of count number `n`, NULL behind the last. */
const char *prt_client_count_name(uint32_t n);
uint64_t prt_client_count(const prt_client *port, uint32_t n);

/* Listens for clients. `host` is an address; port 0 is any. Returns the port number. RB_SYSTEM. */
int64_t prt_client_listen(prt_client *port, const char *host, uint16_t tcp_port);
/* Serves a socket that is connected already and does not block (of whatever kind, as an activator
 * or a simulation hands it over); it is the port's from then on. RB_FULL. Thread: the core's. */
int32_t prt_client_adopt(prt_client *port, int32_t fd);
/* The epoll set in which the core may wait. */
int32_t prt_client_epoll(const prt_client *port);
int64_t prt_client_work(void *port, int64_t limit);
void *prt_client_work_function(void);

/* Whether it has caught up with the stream and takes logins. */
int32_t prt_client_is_live(const prt_client *port);
/* Messages of the session on `topic` so far, or RB_UNKNOWN. */
int64_t prt_client_messages(const prt_client *port, uint16_t topic);
uint32_t prt_client_open_orders(const prt_client *port);
/* Checks the order table. RB_OK, RB_CORRUPT. */
int32_t prt_client_valid(const prt_client *port);

/* The next login to verify: 1, or 0. */
int32_t prt_client_login_next(prt_client *port, prt_client_login *login);
/* Says whether it was good. 1, or 0: the port has not taken the last verdicts yet, try again. */
int32_t prt_client_login_verdict(prt_client *port, uint32_t connection, uint32_t generation,
                                 uint32_t good);
/* Descriptor that is readable when a login waits; hush makes it unreadable, wake readable. */
int32_t prt_client_login_fd(const prt_client *port);
void prt_client_login_hush(prt_client *port);
void prt_client_login_wake(prt_client *port);
/* Gets the pages of the table of orders, so that none of them has to wait for its own, until *stop
 * is not zero. Any thread, while the port works. */
void prt_client_populate(const prt_client *port, const uint32_t *stop);
/* cffi: end */

#endif
