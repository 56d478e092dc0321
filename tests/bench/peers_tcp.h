/*
 * The clients of bench_ports: all of them in one process, over TCP. Each asks on and on (an order,
 * then its cancel), with `window` requests on their way, or they ask in turn at a given rate;
 * latency counts from when a request was due.
 */
#ifndef TESTS_BENCH_PEERS_TCP_H
#define TESTS_BENCH_PEERS_TCP_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "ports/big_endian.h"
#include "ports/soup.h"
#include "tests/bench/bench.h"
#include "tests/market.h"

enum { PEERS_MAX = 2048, PEER_BYTES = 8192, WINDOW_MAX = 64, SAMPLES_MAX = 1 << 20 };

typedef struct tcp_plan {
    uint32_t clients;
    uint32_t window;
    uint32_t rate;   /* requests a second of all together; 0: as fast as they are answered */
    uint32_t floods; /* one more, which sends as much as TCP takes */
    uint32_t storm;  /* so many more connect in a burst half-way */
    uint64_t taken_ns;
} tcp_plan;

typedef struct tcp_result {
    uint32_t phase; /* owner: clients; 1: begun, 2: ended */
    uint64_t answers;
    uint64_t flood_answers;
    uint64_t taken_ns;
    uint64_t storm_ns;
    spread latency;
} tcp_result;

typedef struct peer_tcp {
    int fd;
    uint32_t accepted;
    uint32_t next; /* requests made */
    uint32_t answers;
    size_t in_count;
    size_t out_begin;
    size_t out_end;
    uint64_t due_ns[WINDOW_MAX]; /* by number of the request */
    uint8_t in[PEER_BYTES];
    uint8_t out[PEER_BYTES];
} peer_tcp;

/* Request number `n` of a session: an order that rests, or its cancel. Returns its bytes. */
static inline size_t make_request(uint8_t *out, uint32_t n)
{
    uint32_t user_ref = n / 2 + 1;
    uint8_t *at = out + 2;
    at = put_u8(at, PRT_SOUP_UNSEQUENCED);
    if (n % 2 == 1) {
        at = put_u32(put_u32(put_u8(at, 'X'), user_ref), 0);
    } else {
        at = put_u8(put_u32(put_u8(at, 'O'), user_ref), 'B');
        at = put_bytes(put_u32(at, 100), "AAPL    ", 8);
        at = put_bytes(put_u64(at, 1500000), "0YANN", 5);
        memset(at, ' ', 14);
        at = put_u16(at + 14, 0);
    }
    size_t count = (size_t)(at - out);
    (void)put_u16(out, (uint16_t)(count - 2));
    return count;
}

static peer_tcp peers[PEERS_MAX];
static uint64_t samples[SAMPLES_MAX];
static size_t sample_count;
static int peers_epoll;

/* Connects and asks for the login; does not wait for either. */
static inline void peer_connect(uint32_t number, uint16_t port)
{
    peer_tcp *p = &peers[number];
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(p->fd >= 0);
    EXPECT(setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    EXPECT(connect(p->fd, (struct sockaddr *)&address, sizeof address) == 0);
    uint8_t packet[PRT_SOUP_HEADER_BYTES + 46];
    memset(packet, ' ', sizeof packet);
    (void)put_u8(put_u16(packet, sizeof packet - 2), PRT_SOUP_LOGIN_REQUEST);
    char user[7];
    market_name(number, user);
    memcpy(packet + 3, user, 6);
    packet[9] = 'X';
    packet[29] = '1';
    EXPECT(send(p->fd, packet, sizeof packet, MSG_NOSIGNAL) == sizeof packet);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    EXPECT(epoll_ctl(peers_epoll, EPOLL_CTL_ADD, p->fd, &event) == 0);
}

static inline void peer_ask(peer_tcp *p, uint64_t due_ns)
{
    p->due_ns[p->next % WINDOW_MAX] = due_ns;
    p->out_end += make_request(p->out + p->out_end, p->next++);
}

static inline void peer_flush(peer_tcp *p)
{
    ssize_t sent =
        send(p->fd, p->out + p->out_begin, p->out_end - p->out_begin, MSG_DONTWAIT | MSG_NOSIGNAL);
    EXPECT(sent >= 0 || errno == EAGAIN);
    p->out_begin += sent > 0 ? (size_t)sent : 0;
    if (p->out_begin == p->out_end) {
        p->out_begin = p->out_end = 0;
    }
}

/* Fills the buffer and sends as much as TCP takes. */
static inline void peer_flood(peer_tcp *p)
{
    if (p->out_begin == 0) {
        while (p->out_end + 64 <= sizeof p->out) {
            peer_ask(p, 0);
        }
    }
    peer_flush(p);
}

/* Takes what came. Returns answers. */
static inline uint32_t peer_receive(peer_tcp *p, int is_timed)
{
    ssize_t got = recv(p->fd, p->in + p->in_count, sizeof p->in - p->in_count, MSG_DONTWAIT);
    EXPECT(got > 0 || (got < 0 && errno == EAGAIN));
    p->in_count += got > 0 ? (size_t)got : 0;
    size_t done = 0;
    uint32_t came = 0;
    uint64_t now = is_timed ? now_ns() : 0;
    while (p->in_count - done >= PRT_SOUP_HEADER_BYTES) {
        size_t length = 2u + get_u16(p->in + done);
        if (p->in_count - done < length) {
            break;
        }
        uint8_t type = p->in[done + 2];
        EXPECT(type != PRT_SOUP_LOGIN_REJECTED);
        p->accepted |= type == PRT_SOUP_LOGIN_ACCEPTED;
        if (type == PRT_SOUP_SEQUENCED) {
            uint64_t due_ns = p->due_ns[p->answers++ % WINDOW_MAX];
            if (is_timed && sample_count < SAMPLES_MAX) {
                samples[sample_count++] = now > due_ns ? now - due_ns : 0;
            }
            came++;
        }
        done += length;
    }
    memmove(p->in, p->in + done, p->in_count - done);
    p->in_count -= done;
    return came;
}

static inline uint32_t peers_login(uint32_t first, uint32_t count, uint16_t port)
{
    for (uint32_t n = first; n < first + count; n++) {
        peer_connect(n, port);
    }
    uint32_t accepted = 0;
    while (accepted < count) {
        struct epoll_event events[64];
        int found = epoll_wait(peers_epoll, events, 64, 1000);
        for (int n = 0; n < found; n++) {
            peer_tcp *p = &peers[events[n].data.u32];
            uint32_t before = p->accepted;
            (void)peer_receive(p, 0);
            accepted += p->accepted - before;
        }
    }
    return accepted;
}

/* The storm's share of a turn: a few connects, so that the others are not forgotten meanwhile. */
static inline void storm_step(const tcp_plan *plan, uint16_t port, uint32_t *connected)
{
    uint32_t first = plan->clients + plan->floods;
    for (uint32_t n = 0; n < 8 && *connected < plan->storm; n++) {
        peer_connect(first + (*connected)++, port);
    }
}

static inline void run_clients(const tcp_plan *plan, uint16_t port, tcp_result *result)
{
    struct rlimit files;
    EXPECT(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    EXPECT(setrlimit(RLIMIT_NOFILE, &files) == 0);
    peers_epoll = epoll_create1(EPOLL_CLOEXEC);
    EXPECT(peers_epoll >= 0);
    uint32_t ready = plan->clients + plan->floods;
    (void)peers_login(0, ready, port);
    uint32_t connected = 0;
    uint32_t in_storm = 0; /* of the storm's, logged in */
    uint64_t storm_start_ns = 0;
    uint64_t asked = 0;
    rb_store_release_u32(&result->phase, 1);
    uint64_t start_ns = now_ns();
    uint64_t end_ns = start_ns + plan->taken_ns;
    for (uint32_t n = 0; n < plan->clients && plan->rate == 0; n++) {
        for (uint32_t w = 0; w < plan->window; w++) {
            peer_ask(&peers[n], start_ns);
        }
        peer_flush(&peers[n]);
    }
    for (uint64_t now = start_ns; now < end_ns || in_storm < plan->storm; now = now_ns()) {
        while (plan->rate > 0 && start_ns + asked * 1000000000 / plan->rate <= now) {
            peer_tcp *p = &peers[asked % plan->clients];
            peer_ask(p, start_ns + asked++ * 1000000000 / plan->rate);
            peer_flush(p);
        }
        if (plan->storm > 0 && now > start_ns + plan->taken_ns / 2) {
            storm_start_ns = storm_start_ns == 0 ? now : storm_start_ns;
            storm_step(plan, port, &connected);
        }
        if (plan->floods) {
            peer_flood(&peers[plan->clients]);
        }
        struct epoll_event events[64];
        int found = epoll_wait(peers_epoll, events, 64, 0);
        for (int n = 0; n < found; n++) {
            uint32_t number = events[n].data.u32;
            peer_tcp *p = &peers[number];
            uint32_t was_in = p->accepted;
            uint32_t came = peer_receive(p, number < plan->clients);
            if (number < plan->clients) {
                result->answers += came;
                for (uint32_t more = 0; plan->rate == 0 && more < came; more++) {
                    peer_ask(p, now_ns());
                }
                if (came > 0 && plan->rate == 0) {
                    peer_flush(p);
                }
            } else if (number < ready) {
                result->flood_answers += came;
            } else {
                in_storm += p->accepted - was_in;
                result->storm_ns = now_ns() - storm_start_ns;
            }
        }
    }
    result->taken_ns = now_ns() - start_ns;
    result->latency = spread_of(samples, sample_count, 1.0);
    rb_store_release_u32(&result->phase, 2);
}

#endif
