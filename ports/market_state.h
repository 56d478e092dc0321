/*
 * What the files of the market data agent share: market.c (the stream, what others ask of it) and
 * packets.c (UDP, both ways). Included by nobody else.
 */
#ifndef PORTS_MARKET_STATE_H
#define PORTS_MARKET_STATE_H

#include <netinet/in.h>

#include "ports/feed.h"
#include "ports/market.h"
#include "ports/mold.h"
#include "ringbus/core.h"
#include "ringbus/marks.h"
#include "ringbus/metrics.h"
#include "ringbus/replay.h"

/* Packets of one system call. */
enum { PRT_MARKET_BATCH = 64, PRT_MARKET_ASKED_MAX = 64 };

/* Whom a peer's answer is for. */
typedef struct prt_market_asked {
    uint64_t number; /* asked for; 0: free */
    struct sockaddr_in from;
} prt_market_asked;

struct prt_market {
    prt_market_config config;
    prt_tape tape;
    prt_tape snapshot;
    prt_feed feed;
    rb_replay replay;
    rb_clock *clock;
    const void *marks; /* may be NULL */
    uint32_t copies;
    uint32_t has_journal;
    uint32_t is_live;
    uint64_t now_ns;
    /* Packets out. */
    int32_t group_fd; /* < 0: it does not send */
    struct sockaddr_in group;
    prt_tape_cursor next;
    uint64_t sent_ns;
    char session[PRT_MOLD_SESSION_BYTES];
    /* Requests in. */
    int32_t epoll_fd;
    int32_t answer_fd; /* < 0: it does not answer */
    uint32_t peer_count;
    uint32_t peer; /* to be asked next */
    struct sockaddr_in peers[PRT_MARKET_PEERS_MAX];
    prt_market_asked asked[PRT_MARKET_ASKED_MAX];
    uint32_t asked_next;
    uint64_t *counters[PRT_MARKET_COUNTS];
    uint64_t own_counters[PRT_MARKET_COUNTS];
    rb_message batch[RB_REPLAY_BATCH];
};

static inline void prt_market_add(prt_market *market, enum prt_market_counted which, uint64_t n)
{
    rb_count(market->counters[which], n);
}

/* Sends what is new, or that nothing is. Returns packets. */
int64_t prt_market_send(prt_market *market, int64_t limit);
/* Takes requests and peers' answers. Returns datagrams. */
int64_t prt_market_answer(prt_market *market, int64_t limit);

#endif
