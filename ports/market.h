/*
 * Market data: the agent that follows the stream, makes the day's ITCH messages of it, sends them
 * as MoldUDP64 packets to a multicast group, and gives those that were lost again to who asks.
 *
 *     stream --> feed --> tape --> packets --> group
 *                           ^--- answers to requests, snapshots, SoupBinTCP (ports/glimpse.py)
 *
 * A message of the tape is the same bytes in every process that follows the stream, so any number
 * of these agents can send, answer, or both, and each is made again from the journal. One that
 * starts late, or again, sends only what comes from then on; what its clients missed they ask for.
 * One that does not have what is asked for (it is still reading) passes the question to a peer and
 * the answer back. What it knows waits for the journals as clients' answers do
 * (prt_market_attach_marks).
 *
 * Who: create, attach and open from one thread before the first round; then all from the core's.
 * Progress: work never blocks and is bounded by `limit`. What a socket does not take now is sent in
 * the next round. Crash: nothing to lose.
 */
#ifndef PORTS_MARKET_H
#define PORTS_MARKET_H

#include <stddef.h>
#include <stdint.h>

/* What is counted: PRT_MARKET_COUNT(NAME, text). */
#define PRT_MARKET_COUNT_LIST(PRT_MARKET_COUNT)                                                    \
    PRT_MARKET_COUNT(MESSAGES, "messages")   /* on the tape */                                     \
    PRT_MARKET_COUNT(PACKETS, "packets")     /* to the group */                                    \
    PRT_MARKET_COUNT(BLOCKED, "blocked")     /* rounds in which the socket took no more */         \
    PRT_MARKET_COUNT(REQUESTS, "requests")   /* for what was lost */                               \
    PRT_MARKET_COUNT(ANSWERS, "answers")     /* from the own tape */                               \
    PRT_MARKET_COUNT(PASSED_ON, "passed on") /* to a peer */                                       \
    PRT_MARKET_COUNT(RELAYED, "relayed")     /* a peer's answers */                                \
    PRT_MARKET_COUNT(IGNORED, "ignored")     /* what is no request, or for what is not yet */

#define PRT_MARKET_COUNT_ENUM(name, text) PRT_MARKET_##name,
enum prt_market_counted { PRT_MARKET_COUNT_LIST(PRT_MARKET_COUNT_ENUM) PRT_MARKET_COUNTS };
#undef PRT_MARKET_COUNT_ENUM

/* cffi: begin */
#define PRT_MARKET_PEERS_MAX 8u

typedef struct prt_market prt_market;

typedef struct prt_market_config {
    uint64_t tape_bytes; /* of the day's messages, their lengths included */
    uint64_t tape_messages;
    uint64_t heartbeat_ns; /* longest time without a packet */
    uint32_t instruments;
    uint32_t shards;
    uint32_t orders;       /* of a shard's pool */
    uint32_t packet_bytes; /* of UDP payload */
    char session[12];      /* 1..10 characters */
} prt_market_config;

/* Allocates everything. RB_USAGE, RB_SYSTEM; `*out` is NULL then. */
int32_t prt_market_create(const prt_market_config *config, prt_market **out);
void prt_market_destroy(prt_market *market);
int32_t prt_market_attach_core(prt_market *market, void *clock);
/* The stream from message 1; see rb_replay_attach, rb_replay_add, rb_marks_verify. */
int32_t prt_market_attach_stream(prt_market *market, const void *ring, size_t ring_bytes,
                                 const char *directory, uint64_t segment_messages);
int32_t prt_market_add_journal(prt_market *market, const char *directory);
int32_t prt_market_attach_marks(prt_market *market, const void *marks, size_t marks_bytes,
                                uint32_t copies);
/* Its reader of the stream, for rb_readers_join. */
void *prt_market_reader(prt_market *market);
/* Sends to an IPv4 group (or any address) from the interface with the address `from`. RB_USAGE: no
 * address; RB_SYSTEM. */
int32_t prt_market_send_to(prt_market *market, const char *group, uint16_t udp_port,
                           const char *from);
/* Answers requests there; port 0 is any. Returns the port number. RB_USAGE, RB_SYSTEM. */
int64_t prt_market_answer_at(prt_market *market, const char *host, uint16_t udp_port);
/* Another that answers, asked when the own tape does not have it. RB_USAGE, RB_FULL. */
int32_t prt_market_add_peer(prt_market *market, const char *host, uint16_t udp_port);
/* Readable when somebody asks. */
int32_t prt_market_epoll(const prt_market *market);
int64_t prt_market_work(void *market, int64_t limit);
void *prt_market_work_function(void);

/* Applies lines that somebody hands over in the place of the stream. RB_FULL: the tape is;
 * RB_CORRUPT. */
int32_t prt_market_hear(prt_market *market, const void *lines, int64_t count);
/* Whether it has caught up with the stream. */
int32_t prt_market_is_live(const prt_market *market);
/* Whether the last message of the day is on the tape. */
int32_t prt_market_is_over(const prt_market *market);
uint64_t prt_market_messages(const prt_market *market);
/* Copies messages from `number` on, each with its length before it: as many as `room` bytes take,
 * `limit` at most. Returns bytes; 0: it is not there, or there is no room. RB_USAGE. */
int64_t prt_market_copy(const prt_market *market, uint64_t number, uint32_t limit, uint8_t *out,
                        size_t room);
/* The same as packets of Sequenced Data of SoupBinTCP; `*next` is the first that did not fit. */
int64_t prt_market_copy_soup(const prt_market *market, uint64_t number, uint8_t *out, size_t room,
                             uint64_t *next);
/* Makes a snapshot of what is shown now, in GLIMPSE's order, which can be copied until the next is
 * made. Returns its messages; 0: not now, the last input's lines have not all come. RB_FULL,
 * RB_CORRUPT. */
int64_t prt_market_snapshot(prt_market *market);
int64_t prt_market_copy_snapshot(const prt_market *market, uint64_t number, uint8_t *out,
                                 size_t room, uint64_t *next);
/* Checks the tables. RB_OK, RB_CORRUPT. */
int32_t prt_market_valid(const prt_market *market);
/* Name of count number `n`, NULL behind the last. */
const char *prt_market_count_name(uint32_t n);
uint64_t prt_market_count(const prt_market *market, uint32_t n);
/* Counts number `n` there instead of inside. RB_USAGE. */
int32_t prt_market_count_into(prt_market *market, uint32_t n, uint64_t *counter);
/* cffi: end */

#endif
