/* The market data agent's datagrams: packets to the group, requests and what they are answered. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ports/market_state.h"

static int32_t address_of(const char *host, uint16_t port, struct sockaddr_in *out)
{
    memset(out, 0, sizeof *out);
    out->sin_family = AF_INET;
    out->sin_port = htons(port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1 ? RB_OK : RB_USAGE;
}

static int32_t open_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int32_t close_and_fail(int fd)
{
    int saved = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = saved;
    return RB_SYSTEM;
}

/* --- to the group --- */

int32_t prt_market_send_to(prt_market *market, const char *group, uint16_t udp_port,
                           const char *from)
{
    struct in_addr interface;
    if (market->group_fd >= 0 || udp_port == 0 || inet_pton(AF_INET, from, &interface) != 1 ||
        address_of(group, udp_port, &market->group) != RB_OK) {
        return RB_USAGE;
    }
    int fd = open_socket();
    unsigned char on = 1;
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on) != 0) {
        return close_and_fail(fd);
    }
    market->group_fd = fd;
    return RB_OK;
}

/* What one system call sends. */
typedef struct burst {
    struct mmsghdr messages[PRT_MARKET_BATCH];
    struct iovec parts[PRT_MARKET_BATCH][2];
    uint8_t headers[PRT_MARKET_BATCH][PRT_MOLD_HEADER_BYTES];
    prt_tape_cursor behind[PRT_MARKET_BATCH]; /* the place behind each packet */
    uint32_t count;
} burst;

/* A header, and `bytes` of the tape from `offset` on. */
static void add_packet(prt_market *market, burst *out, const prt_mold_header *header,
                       uint64_t offset, size_t bytes, prt_tape_cursor behind)
{
    uint32_t n = out->count++;
    prt_mold_write_header(out->headers[n], header);
    out->parts[n][0] =
        (struct iovec){.iov_base = out->headers[n], .iov_len = PRT_MOLD_HEADER_BYTES};
    out->parts[n][1] = (struct iovec){.iov_base = market->tape.bytes + offset, .iov_len = bytes};
    out->behind[n] = behind;
    out->messages[n] = (struct mmsghdr){.msg_hdr = {.msg_name = &market->group,
                                                    .msg_namelen = sizeof market->group,
                                                    .msg_iov = out->parts[n],
                                                    .msg_iovlen = bytes > 0 ? 2 : 1}};
}

/* Packets of all that has not been sent; a heartbeat, or the end of the day, if there is nothing
 * and it is time. */
static void fill(prt_market *market, burst *out, int64_t limit)
{
    prt_mold_header header;
    memcpy(header.session, market->session, sizeof header.session);
    prt_tape_cursor cursor = market->next;
    uint32_t most = limit < PRT_MARKET_BATCH ? (uint32_t)limit : (uint32_t)PRT_MARKET_BATCH;
    while (out->count < most && cursor.number <= market->tape.count) {
        uint64_t offset = cursor.offset;
        size_t bytes =
            prt_mold_pack(&market->tape, &cursor, UINT32_MAX, market->config.packet_bytes, &header);
        add_packet(market, out, &header, offset, bytes, cursor);
    }
    int is_due = market->now_ns - market->sent_ns >= market->config.heartbeat_ns;
    if (out->count == 0 && most > 0 && is_due) {
        header.number = cursor.number;
        header.count = market->feed.is_over ? (uint16_t)PRT_MOLD_END : 0;
        add_packet(market, out, &header, cursor.offset, 0, cursor);
    }
}

int64_t prt_market_send(prt_market *market, int64_t limit)
{
    if (market->group_fd < 0) {
        return 0;
    }
    burst out;
    out.count = 0;
    fill(market, &out, limit);
    if (out.count == 0) {
        return 0;
    }
    int sent = sendmmsg(market->group_fd, out.messages, out.count, MSG_DONTWAIT);
    if (sent <= 0) {
        /* Full, or the network is down: what is not sent is tried again, and can be asked for. */
        prt_market_add(market, PRT_MARKET_BLOCKED, 1);
        return 0;
    }
    market->next = out.behind[sent - 1];
    market->sent_ns = market->now_ns;
    prt_market_add(market, PRT_MARKET_PACKETS, (uint64_t)sent);
    return sent;
}

/* --- requests --- */

int64_t prt_market_answer_at(prt_market *market, const char *host, uint16_t udp_port)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (market->answer_fd >= 0 || address_of(host, udp_port, &address) != RB_OK) {
        return RB_USAGE;
    }
    int fd = open_socket();
    struct epoll_event wanted = {.events = EPOLLIN};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        epoll_ctl(market->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) != 0) {
        return close_and_fail(fd);
    }
    market->answer_fd = fd;
    return ntohs(address.sin_port);
}

int32_t prt_market_add_peer(prt_market *market, const char *host, uint16_t udp_port)
{
    if (market->peer_count == PRT_MARKET_PEERS_MAX) {
        return RB_FULL;
    }
    int32_t status = address_of(host, udp_port, &market->peers[market->peer_count]);
    market->peer_count += status == RB_OK;
    return status;
}

static void send_to(const prt_market *market, const void *bytes, size_t count,
                    const struct sockaddr_in *to)
{
    /* Lost is lost: who asked asks again. */
    (void)sendto(market->answer_fd, bytes, count, MSG_DONTWAIT, (const struct sockaddr *)to,
                 sizeof *to);
}

static int is_same(const struct sockaddr_in *one, const struct sockaddr_in *other)
{
    return one->sin_port == other->sin_port && one->sin_addr.s_addr == other->sin_addr.s_addr;
}

static int is_peer(const prt_market *market, const struct sockaddr_in *from)
{
    for (uint32_t n = 0; n < market->peer_count; n++) {
        if (is_same(&market->peers[n], from)) {
            return 1;
        }
    }
    return 0;
}

/* Asks the next peer, and remembers for whom; the oldest question is forgotten. */
static void pass_on(prt_market *market, const prt_mold_header *request,
                    const struct sockaddr_in *from)
{
    prt_market_asked *asked = &market->asked[market->asked_next++ % PRT_MARKET_ASKED_MAX];
    *asked = (prt_market_asked){.number = request->number, .from = *from};
    uint8_t bytes[PRT_MOLD_HEADER_BYTES];
    prt_mold_write_header(bytes, request);
    send_to(market, bytes, sizeof bytes, &market->peers[market->peer++ % market->peer_count]);
    prt_market_add(market, PRT_MARKET_PASSED_ON, 1);
}

/* A peer's packet goes to everybody who asked for what it begins with. */
static void relay(prt_market *market, const prt_mold_header *header, const uint8_t *packet,
                  size_t bytes)
{
    for (uint32_t n = 0; n < PRT_MARKET_ASKED_MAX; n++) {
        if (market->asked[n].number == header->number) {
            market->asked[n].number = 0;
            send_to(market, packet, bytes, &market->asked[n].from);
            prt_market_add(market, PRT_MARKET_RELAYED, 1);
        }
    }
}

/* As many of the messages as one packet takes; nothing for what nobody can have yet. */
static void on_request(prt_market *market, const prt_mold_header *request,
                       const struct sockaddr_in *from)
{
    prt_market_add(market, PRT_MARKET_REQUESTS, 1);
    if (request->number == 0 || request->count == 0) {
        prt_market_add(market, PRT_MARKET_IGNORED, 1);
        return;
    }
    if (request->number > market->tape.count) {
        /* A question of a peer that has no more itself goes no further: it would go round. */
        if (market->is_live || market->peer_count == 0 || is_peer(market, from)) {
            prt_market_add(market, PRT_MARKET_IGNORED, 1);
            return;
        }
        pass_on(market, request, from);
        return;
    }
    prt_tape_cursor cursor = prt_tape_seek(&market->tape, request->number);
    uint64_t offset = cursor.offset;
    prt_mold_header header = *request;
    size_t bytes =
        prt_mold_pack(&market->tape, &cursor, request->count, market->config.packet_bytes, &header);
    uint8_t packet[PRT_MOLD_PACKET_MAX];
    prt_mold_write_header(packet, &header);
    memcpy(packet + PRT_MOLD_HEADER_BYTES, market->tape.bytes + offset, bytes);
    send_to(market, packet, PRT_MOLD_HEADER_BYTES + bytes, from);
    prt_market_add(market, PRT_MARKET_ANSWERS, 1);
}

int64_t prt_market_answer(prt_market *market, int64_t limit)
{
    int64_t done = 0;
    for (; done < limit && market->answer_fd >= 0; done++) {
        uint8_t bytes[PRT_MOLD_PACKET_MAX];
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(market->answer_fd, bytes, sizeof bytes, MSG_DONTWAIT,
                               (struct sockaddr *)&from, &length);
        if (got < 0 && errno != ECONNREFUSED) {
            break;
        }
        prt_mold_header header;
        if (got < 0 || prt_mold_read_header(bytes, (size_t)got, &header) != RB_OK ||
            memcmp(header.session, market->session, sizeof header.session) != 0) {
            prt_market_add(market, PRT_MARKET_IGNORED, 1);
        } else if ((size_t)got > PRT_MOLD_HEADER_BYTES) {
            /* A place that is free has asked for number 0. */
            if (header.number != 0 && is_peer(market, &from)) {
                relay(market, &header, bytes, (size_t)got);
            }
        } else {
            on_request(market, &header, &from);
        }
    }
    return done;
}
