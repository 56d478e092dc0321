/*
 * The whole reception path: any bytes as what a client sends over its connection, in pieces of any
 * size, with the real engine behind the port. Whatever they are, the port goes on, its tables are
 * right, all that it answers are packets of a server, and a client beside it is served.
 *
 * The first byte: bit 0, whether a good login comes before the rest; the others, bytes a piece
 * (0: all at once).
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ports/big_endian.h"
#include "ports/soup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/market.h"

enum { ROUNDS_MAX = 4096, ANSWER_BYTES = 1 << 16 };

static market m;

typedef struct client {
    int fd;
    int is_closed;
    uint32_t answers; /* sequenced messages */
    size_t count;
    uint8_t bytes[ANSWER_BYTES];
} client;

static client one;
static client other;

static void connect_client(client *c)
{
    int ends[2];
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    EXPECT(prt_client_adopt(m.port, ends[1]) == RB_OK);
    c->fd = ends[0];
    c->is_closed = 0;
    c->answers = 0;
    c->count = 0;
}

/* Takes what came, and takes whole packets of a server off it. */
static void receive(client *c)
{
    if (c->is_closed) {
        return;
    }
    ssize_t got = recv(c->fd, c->bytes + c->count, sizeof c->bytes - c->count, 0);
    c->is_closed = got == 0;
    c->count += got > 0 ? (size_t)got : 0;
    size_t done = 0;
    while (c->count - done >= PRT_SOUP_HEADER_BYTES) {
        size_t length = get_u16(c->bytes + done);
        EXPECT(length >= 1);
        EXPECT(length <= 200);
        EXPECT(memchr("+AJSH", c->bytes[done + 2], 5) != NULL);
        if (c->count - done < 2 + length) {
            break;
        }
        c->answers += c->bytes[done + 2] == PRT_SOUP_SEQUENCED;
        done += 2 + length;
    }
    memmove(c->bytes, c->bytes + done, c->count - done);
    c->count -= done;
}

/* Passwords are "X". */
static void verify(void)
{
    prt_client_login login;
    while (prt_client_login_next(m.port, &login) == 1) {
        uint32_t good = strcmp(login.password, "X") == 0;
        EXPECT(prt_client_login_verdict(m.port, login.connection, login.generation, good) == 1);
    }
}

/* Rounds until nobody has anything to do. */
static void settle(void)
{
    uint32_t quiet = 0;
    for (uint32_t n = 0; quiet < 3; n++) {
        EXPECT(n < ROUNDS_MAX);
        quiet = market_step(&m) == 0 ? quiet + 1 : 0;
        verify();
        receive(&one);
        receive(&other);
    }
}

static void send_login(client *c, const char *user)
{
    uint8_t packet[PRT_SOUP_HEADER_BYTES + 46];
    memset(packet, ' ', sizeof packet);
    (void)put_u8(put_u16(packet, sizeof packet - 2), PRT_SOUP_LOGIN_REQUEST);
    memcpy(packet + 3, user, 6);
    packet[9] = 'X';
    packet[29] = '1';
    EXPECT(send(c->fd, packet, sizeof packet, MSG_NOSIGNAL) == sizeof packet);
}

static void send_pieces(const uint8_t *bytes, size_t count, size_t piece)
{
    for (size_t done = 0; done < count && !one.is_closed;) {
        size_t some = count - done < piece || piece == 0 ? count - done : piece;
        ssize_t sent = send(one.fd, bytes + done, some, MSG_NOSIGNAL);
        if (sent < 0) {
            break;
        }
        done += (size_t)sent;
        settle();
    }
}

/* The one beside it enters an order and is answered. */
static void trade(uint32_t user_ref)
{
    uint8_t packet[PRT_SOUP_HEADER_BYTES + 47] = {0};
    uint8_t *at = put_u8(put_u16(packet, sizeof packet - 2), PRT_SOUP_UNSEQUENCED);
    at = put_u8(put_u32(put_u8(at, 'O'), user_ref), 'B');
    at = put_bytes(put_u32(at, 100), "AAPL    ", 8);
    at = put_bytes(put_u64(at, 1500000), "0YANN", 5);
    memset(at, ' ', 14);
    uint32_t before = other.answers;
    EXPECT(send(other.fd, packet, sizeof packet, MSG_NOSIGNAL) == sizeof packet);
    settle();
    EXPECT(other.answers > before);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const market_size size = {
        .sessions = 3, .orders = 64, .messages = 1024, .lane_slots = 256, .stream_slots = 4096};
    static const prt_client_config config = {.backlog_max = 1024,
                                             .heartbeat_ns = UINT64_C(1000000000),
                                             .dead_ns = UINT64_C(15000000000),
                                             .connections = 2,
                                             .receive_bytes = 2056,
                                             .send_bytes = 2048};
    if (count == 0) {
        return 0;
    }
    market_open(&m, &size, &config);
    settle();
    connect_client(&one);
    connect_client(&other);
    send_login(&other, "U00001");
    if (bytes[0] & 1) {
        send_login(&one, "U00000");
    }
    settle();
    trade(1);
    send_pieces(bytes + 1, count - 1, bytes[0] / 2);
    trade(2);
    EXPECT(prt_client_valid(m.port) == RB_OK);
    EXPECT(close(one.fd) == 0);
    one.is_closed = 1;
    settle();
    trade(3);
    EXPECT(prt_client_valid(m.port) == RB_OK);
    EXPECT(close(other.fd) == 0);
    other.is_closed = 1;
    market_close(&m);
    return 0;
}
