/*
 * Connections: the sockets of a port, their buffers, and who has something to do.
 *
 * What is read lies in a connection's `in` until it is taken; nothing is read while there is a
 * whole packet in it or none may be taken, so TCP stops a client that is too quick. One read takes
 * what the socket has, one send what it takes. Connections with bytes to look at are in the ready
 * queue, in the order in which they got them; those with bytes to send in the dirty one.
 *
 * epoll tells of changes only (edge triggered) and is told once what to look for, so that neither
 * an idle connection nor one that waits for its turn costs a system call: `may_read` and
 * `is_blocked` remember what it said.
 *
 * Who: one thread. Progress: no call blocks; every loop is bounded. No allocation after init.
 * Crash: the kernel closes the sockets; clients log in again.
 */
#ifndef PORTS_CONNECTION_H
#define PORTS_CONNECTION_H

#include <stddef.h>

#include "ports/outbox.h"
#include "ports/queue.h"
#include "ports/soup.h"
#include "ringbus/messages.h"

#define PRT_CONNECTIONS_MAX 65536u
/* Two of the longest packets a client may send. */
#define PRT_IN_BYTES_MIN 2056u
#define PRT_OUT_BYTES_MIN 512u
/* Of `out`, kept for telling a client why it must go. */
#define PRT_LAST_WORDS_BYTES 160u
/* What epoll says of anything but a connection. */
#define PRT_EVENT_BELL UINT64_MAX
#define PRT_EVENT_LISTENER (UINT64_MAX - 1)
#define PRT_EVENT_VERDICT (UINT64_MAX - 2)

enum prt_connection_state {
    PRT_CLOSED = 0,
    PRT_NEW = 1,       /* the login request is awaited */
    PRT_VERIFYING = 2, /* its password is being verified */
    PRT_WAITING = 3,   /* the end of the session's last connection is not sequenced yet */
    PRT_ENTERING = 4,  /* the Login event is on its way */
    PRT_LIVE = 5,
    PRT_LEAVING = 6,  /* the Logout event is on its way */
    PRT_FLUSHING = 7, /* the last bytes go out, nothing is taken any more */
    PRT_DRAINING = 8, /* all is sent; the client's close is awaited */
};

typedef struct prt_connection {
    int32_t fd;
    uint32_t generation; /* of the slot; tells a stale event or verdict */
    uint32_t session;    /* PRT_NONE before the login */
    uint32_t in_begin;
    uint32_t in_end;
    uint32_t out_begin;
    uint32_t out_end;
    uint8_t state; /* enum prt_connection_state */
    uint8_t is_ready;
    uint8_t is_dirty;
    uint8_t may_read;     /* the socket may have bytes, or the end of them */
    uint8_t is_ended;     /* the end is behind the bytes that the socket has */
    uint8_t is_blocked;   /* the socket took no more; epoll will tell */
    uint8_t is_held;      /* its next message may not be shown yet */
    uint16_t whose;       /* topic that a listener was told the last messages are of; 0: none */
    uint64_t since_ns;    /* in this state */
    uint64_t received_ns; /* last bytes from the client */
    uint64_t sent_ns;     /* last bytes to it */
    uint64_t asked_ns;    /* when the request was read whose answer is in `out`; 0: none */
    uint64_t known;       /* messages that were there at login: not counted as its backlog */
    prt_cursor cursor;
    uint8_t *in;
    uint8_t *out;
    prt_soup_login login;
} prt_connection;

typedef struct prt_connections {
    prt_connection *slots;
    uint8_t *buffers;
    uint32_t *free_slots;
    prt_queue ready;
    prt_queue dirty;
    uint32_t capacity;
    uint32_t free_count;
    uint32_t used; /* slots that ever were: all behind them are closed */
    uint32_t in_bytes;
    uint32_t out_bytes;
    uint32_t socket_in_bytes;  /* 0: the system's */
    uint32_t socket_out_bytes; /* 0: the system's */
    int32_t epoll_fd;
    int32_t listener_fd;
} prt_connections;

/* `capacity`: at once. RB_USAGE, RB_SYSTEM; prt_connections_free in any case. */
int32_t prt_connections_init(prt_connections *connections, uint32_t capacity, uint32_t in_bytes,
                             uint32_t out_bytes);
void prt_connections_free(prt_connections *connections);
/* Listens; `host` is an IPv4 or IPv6 address, port 0 is any. Returns the port number. RB_USAGE,
 * RB_SYSTEM. */
int64_t prt_connections_listen(prt_connections *connections, const char *host, uint16_t tcp_port);
/* Adds a descriptor that is not a connection to the epoll set. RB_SYSTEM. */
int32_t prt_connections_watch(prt_connections *connections, int32_t fd, uint64_t event);
/* Accepts one. 1: `out` is it; 2: it was refused, there is no slot; 0: none waits. */
int32_t prt_connections_accept(prt_connections *connections, uint64_t now_ns, prt_connection **out);
/* Makes a connection of a socket that is connected already; it owns `fd` from then on, also when
 * there is no room. As prt_connections_accept, but never 0. */
int32_t prt_connections_adopt(prt_connections *connections, int32_t fd, uint64_t now_ns,
                              prt_connection **out);
/* The connection that an epoll event is about, NULL if it is gone. */
prt_connection *prt_connections_find(prt_connections *connections, uint64_t event);
uint32_t prt_connections_number(const prt_connections *connections,
                                const prt_connection *connection);
/* Closes at once and frees the slot. */
void prt_connections_close(prt_connections *connections, prt_connection *connection);
/* Into the queues, unless it is there or, for the dirty one, blocked. */
void prt_connections_make_ready(prt_connections *connections, prt_connection *connection);
void prt_connections_make_dirty(prt_connections *connections, prt_connection *connection);
/* The next in the queue, out of it; NULL if it is empty. */
prt_connection *prt_connections_next_ready(prt_connections *connections);
prt_connection *prt_connections_next_dirty(prt_connections *connections);
/* Reads what fits, at most once. Bytes read; 0: nothing now; < 0: the client closed or the
 * connection broke. */
int64_t prt_connection_receive(const prt_connections *connections, prt_connection *connection);
/* Sends what is in `out`. Bytes sent, or < 0: the connection broke. */
int64_t prt_connection_send(prt_connection *connection);
/* Bytes of memory that prt_connections_init takes. */
uint64_t prt_connections_bytes(uint32_t capacity, uint32_t in_bytes, uint32_t out_bytes);
/* Bytes at the end of `out` where something can be written, made as large as possible. */
size_t prt_connection_room(const prt_connections *connections, prt_connection *connection);

#endif
