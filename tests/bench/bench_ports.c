/*
 * The client port, timed. `bench_ports [ROUNDS [MESSAGES [MILLISECONDS [STORM]]]]`.
 *
 * Lane side: bytes of requests through decode, check and proposal onto the lane, and the stream's
 * answers through the session's state into the bytes that a client is shown; the engine in between
 * runs but is not counted. No sockets.
 *
 * Over loopback TCP: port and engine spin in one thread on one CPU, all clients in one process on
 * another. System calls of the port are counted as they are made (the linker puts counters in their
 * place).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "ports/big_endian.h"
#include "ports/session.h"
#include "ports/soup.h"
#include "ports/translate.h"
#include "ringbus/crc32c.h"
#include "ringbus/replay.h"
#include "tests/bench/bench.h"
#include "tests/bench/peers_tcp.h"
#include "tests/market.h"

enum { SESSIONS_MAX = 2048, LANE_SLOTS = 4096, STREAM_SLOTS = 1 << 16, TURNS_MAX = 1 << 21 };

/* --- system calls of this process ---------------------------------------------------------- */

enum { CALL_RECEIVE, CALL_SEND, CALL_WAIT, CALL_CONTROL, CALLS, CALL_SAMPLES = 1 << 16 };

static const char *const call_names[CALLS] = {"recv", "send", "epoll_wait", "epoll_ctl"};

typedef struct calls {
    uint64_t counts[CALLS];
    uint64_t messages; /* sequenced ones that were written */
} calls;

static calls made;
static uint64_t call_ticks[CALLS][CALL_SAMPLES]; /* the last ones */

ssize_t __real_recv(int fd, void *bytes, size_t count, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t count, int flags);
int __real_epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms);
int __real_epoll_ctl(int fd, int what, int about, struct epoll_event *event);
ssize_t __wrap_recv(int fd, void *bytes, size_t count, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms);
int __wrap_epoll_ctl(int fd, int what, int about, struct epoll_event *event);

static void count_call(int which, uint64_t start)
{
    call_ticks[which][made.counts[which]++ % CALL_SAMPLES] = ticks() - start;
}

ssize_t __wrap_recv(int fd, void *bytes, size_t count, int flags)
{
    uint64_t start = ticks();
    ssize_t got = __real_recv(fd, bytes, count, flags);
    count_call(CALL_RECEIVE, start);
    return got;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags)
{
    uint64_t start = ticks();
    ssize_t sent = __real_send(fd, bytes, count, flags);
    count_call(CALL_SEND, start);
    return sent;
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
    uint64_t start = ticks();
    int found = __real_epoll_wait(fd, events, most, timeout_ms);
    if (found > 0) { /* a spinning core asks all the time */
        count_call(CALL_WAIT, start);
    }
    return found;
}

int __wrap_epoll_ctl(int fd, int what, int about, struct epoll_event *event)
{
    uint64_t start = ticks();
    int status = __real_epoll_ctl(fd, what, about, event);
    count_call(CALL_CONTROL, start);
    return status;
}

/* --- lane side ----------------------------------------------------------------------------- */

typedef struct lane_side {
    market m;
    prt_desk desk;
    rb_lane lane;
    rb_replay replay;
    rb_message batch[RB_REPLAY_BATCH];
    rb_message head;
    int has_head;
    uint32_t next[SESSIONS_MAX]; /* requests that a session has made */
    uint32_t hash;
    uint64_t shown;
} lane_side;

static lane_side side;
static uint64_t turn_ticks[TURNS_MAX];

static void open_side(uint32_t sessions)
{
    market_size size = {.sessions = sessions,
                        .orders = 1 << 16,
                        .messages = UINT64_C(1) << 26,
                        .lane_slots = LANE_SLOTS,
                        .stream_slots = STREAM_SLOTS};
    prt_bounds bounds = {.publisher = 1,
                         .shards = 1,
                         .instruments = MARKET_INSTRUMENTS,
                         .sessions = sessions,
                         .orders = size.orders,
                         .messages = size.messages};
    memset(&side, 0, sizeof side);
    side.m.clock = (rb_clock){.mode = RB_CLOCK_MANUAL, .now_ns = MARKET_START_NS};
    market_engine(&side.m, &size);
    EXPECT(prt_desk_init(&side.desk, &bounds) == RB_OK);
    for (uint32_t n = 0; n < MARKET_INSTRUMENTS; n++) {
        prt_instrument row = market_instrument(n);
        EXPECT(prt_instruments_add(&side.desk.instruments, &row) == n);
    }
    for (uint32_t n = 0; n < sessions; n++) {
        prt_client_session row = market_session(n);
        EXPECT(prt_desk_add_session(&side.desk, &row) == n);
    }
    EXPECT(rb_lane_attach(&side.lane, side.m.lane, rb_lane_bytes(LANE_SLOTS)) == RB_OK);
    side.replay.file = -1;
    EXPECT(rb_replay_attach(&side.replay, side.m.ring, rb_multicast_bytes(STREAM_SLOTS), "", 1024,
                            1) == RB_OK);
}

static void close_side(void)
{
    rb_replay_close(&side.replay);
    prt_desk_free(&side.desk);
    side.m.port = NULL;
    market_close(&side.m);
}

/* One request of one session: what reception.c and client.c do with a packet. */
static void ask(uint32_t number, const uint8_t *bytes, size_t count)
{
    prt_session *session = &side.desk.sessions[number];
    prt_soup_packet packet;
    prt_request request = {.read_ns = MARKET_START_NS};
    prt_proposal proposal;
    EXPECT(prt_soup_next(bytes, count, &packet) == (int64_t)count);
    EXPECT(prt_ouch_decode(packet.payload, packet.payload_bytes, &request.ouch) == RB_OK);
    prt_options_read(&request.ouch, &request.options);
    request.ouch.appendage = NULL;
    request.ouch.appendage_bytes = 0;
    EXPECT(prt_session_throttle(session, request.ouch.kind, request.read_ns) == 0);
    EXPECT(prt_session_ask(session, &request) == RB_OK);
    EXPECT(prt_desk_propose(&side.desk, session, &proposal) == PRT_PROPOSE);
    EXPECT(rb_lane_room(&side.lane, proposal.count) >= proposal.count);
    for (uint32_t n = 0; n < proposal.count; n++) {
        memcpy(rb_lane_slot(&side.lane, n)->words + 1, proposal.lines[n].words + 1,
               sizeof proposal.lines[n] - sizeof proposal.lines[n].words[0]);
    }
    rb_lane_slot(&side.lane, 0)->header.reserved = 0;
    rb_lane_commit(&side.lane, proposal.count);
}

/* One line of the stream: what client.c and delivery.c do with it, up to the bytes. */
static void hear(const rb_message *line)
{
    const rb_message *tag = side.has_head ? line : NULL;
    if (line->header.flags & RB_FLAG_CONTINUED) {
        side.head = *line;
        side.has_head = 1;
        return;
    }
    prt_group group = {.line = side.has_head ? &side.head : line, .tag = tag};
    side.has_head = 0;
    prt_change change;
    EXPECT(prt_desk_apply(&side.desk, &group, &change) == RB_OK);
    if (change.shown) {
        uint8_t out[PRT_SOUP_HEADER_BYTES + PRT_SHOWN_BYTES_MAX];
        size_t bytes = prt_desk_show(&side.desk, &side.desk.sessions[change.session], &group,
                                     out + PRT_SOUP_HEADER_BYTES, PRT_SHOWN_BYTES_MAX);
        bytes += prt_soup_write_sequenced_header(out, sizeof out, bytes);
        side.hash = side.hash * 31 ^ rb_crc32c(out, bytes);
        side.shown++;
    }
}

/* A turn: each of `active` sessions asks once and hears its answer. Returns ticks of the port. */
static uint64_t turn(uint32_t active)
{
    static uint8_t requests[SESSIONS_MAX][64];
    static size_t bytes[SESSIONS_MAX];
    for (uint32_t n = 0; n < active; n++) {
        bytes[n] = make_request(requests[n], side.next[n]++);
    }
    uint64_t start = ticks();
    for (uint32_t n = 0; n < active; n++) {
        ask(n, requests[n], bytes[n]);
    }
    rb_doorbell_ring(side.m.doorbell, 0);
    uint64_t taken = ticks() - start;
    while (market_engine_step(&side.m) > 0) {
    }
    start = ticks();
    for (int64_t got = 1; got > 0;) {
        got = rb_replay_poll(&side.replay, side.batch, RB_REPLAY_BATCH);
        EXPECT(got >= 0);
        for (int64_t n = 0; n < got; n++) {
            hear(&side.batch[n]);
        }
    }
    return taken + ticks() - start;
}

static spread lane_round(uint32_t sessions, uint32_t active, uint64_t messages)
{
    open_side(sessions);
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    size_t turns = 0;
    uint64_t done = 0;
    for (; done < messages && turns < TURNS_MAX; done += active) {
        turn_ticks[turns++] = turn(active);
    }
    double ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    EXPECT(side.shown == done);
    return spread_of(turn_ticks, turns, ns_per_tick);
}

static void lane_part(int rounds, uint64_t messages)
{
    record_cpus = 1;
    static const uint32_t cases[][2] = {{1, 1}, {500, 500}, {2000, 1}, {2000, 500}};
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        figure rate = {.count = 0};
        figure tail[2] = {{.count = 0}, {.count = 0}};
        for (int round = 0; round < rounds; round++) {
            spread turn_ns = lane_round(cases[n][0], cases[n][1], messages);
            /* The middle turn: another job of the machine that takes the CPU is not in it. */
            note(&rate, cases[n][1] * 1000 / turn_ns.p50);
            note(&tail[0], turn_ns.p99);
            note(&tail[1], turn_ns.p999);
            if (round + 1 < rounds) {
                close_side();
            }
        }
        char name[64];
        (void)snprintf(name, sizeof name, "lane side, %u of %u sessions", cases[n][1], cases[n][0]);
        record_result(name, side.hash);
        print(name, &rate, "M/s");
        (void)printf("%s: result hash %08x, %llu messages each way\n", name, side.hash,
                     (unsigned long long)side.shown);
        if (cases[n][1] == 1) {
            /* A turn is one message each way. */
            print_against("  one request and its answer, p99", &tail[0], "ns", "< 10000");
            print("  one request and its answer, p99.9", &tail[1], "ns");
        }
        close_side();
    }
    record_cpus = 2;
}

/* --- over loopback TCP --------------------------------------------------------------------- */

static market m;
/* Turns of the port in which it did something, the last ones: one message in, or one out, where
 * one client has one request on its way. System calls included. */
static uint64_t busy_ticks[CALL_SAMPLES];
static uint64_t busy_turns;

static void step_market(void)
{
    uint64_t start = ticks();
    int64_t worked = prt_client_work(m.port, 256);
    EXPECT(worked >= 0);
    if (worked > 0) {
        busy_ticks[busy_turns++ % CALL_SAMPLES] = ticks() - start;
    }
    (void)market_engine_step(&m);
}

static void verify(void)
{
    prt_client_login login;
    while (prt_client_login_next(m.port, &login) == 1) {
        EXPECT(prt_client_login_verdict(m.port, login.connection, login.generation, 1) == 1);
    }
}

static calls calls_now(void)
{
    calls now = made;
    for (uint32_t n = 0; prt_client_count_name(n) != NULL; n++) {
        if (strcmp(prt_client_count_name(n), "messages shown") == 0) {
            now.messages = prt_client_count(m.port, n);
        }
    }
    return now;
}

/* Port and engine, until the clients' process has ended. */
static calls serve_clients(pid_t child, const tcp_result *result)
{
    calls begin = made;
    calls end = made;
    uint32_t phase = 0;
    busy_turns = 0;
    for (uint64_t round = 0;; round++) {
        step_market();
        verify();
        uint32_t now = rb_load_acquire_u32(&result->phase);
        if (now != phase) {
            *(now == 1 ? &begin : &end) = calls_now();
            phase = now;
        }
        int status;
        if (round % 4096 == 0 && waitpid(child, &status, WNOHANG) == child) {
            EXPECT(status == 0);
            break;
        }
    }
    for (int n = 0; n < CALLS; n++) {
        end.counts[n] -= begin.counts[n];
    }
    end.messages -= begin.messages;
    return end;
}

static calls tcp_round(const tcp_plan *plan, tcp_result *result)
{
    market_size size = {.sessions = SESSIONS_MAX,
                        .orders = 1 << 16,
                        .messages = UINT64_C(1) << 24,
                        .lane_slots = LANE_SLOTS,
                        .stream_slots = STREAM_SLOTS};
    prt_client_config config = {.backlog_max = 65536,
                                .heartbeat_ns = UINT64_C(1000000000),
                                .dead_ns = UINT64_C(15000000000),
                                .connections = SESSIONS_MAX,
                                .receive_bytes = 4096,
                                .send_bytes = 16384,
                                .socket_receive_bytes = 4096,
                                .socket_send_bytes = 65536};
    market_open(&m, &size, &config);
    m.clock = (rb_clock){.mode = RB_CLOCK_REAL};
    memset(result, 0, sizeof *result);
    int64_t port = prt_client_listen(m.port, "127.0.0.1", 0);
    EXPECT(port > 0);
    pid_t child = fork_bound();
    if (child == 0) {
        pin(1);
        run_clients(plan, (uint16_t)port, result);
        _exit(0);
    }
    calls used = serve_clients(child, result);
    market_close(&m);
    return used;
}

typedef struct tcp_row {
    const char *name;
    tcp_plan plan;
    figure rate;
    figure p50;
    figure p99;
    figure flood;
    figure storm_ms;
    figure turn;   /* p99 of a busy turn of the port */
    figure share;  /* of the throughput of the row before */
    figure slower; /* p99 against the row before */
    calls used;
} tcp_row;

static void note_round(tcp_row *row, tcp_row *before, const tcp_result *result, double ns_per_tick)
{
    note(&row->rate, (double)result->answers * 1e6 / (double)result->taken_ns);
    note(&row->p50, result->latency.p50 / 1000);
    note(&row->p99, result->latency.p99 / 1000);
    note(&row->flood, (double)result->flood_answers * 1e6 / (double)result->taken_ns);
    note(&row->storm_ms, (double)result->storm_ns / 1e6);
    size_t turns = busy_turns < CALL_SAMPLES ? busy_turns : CALL_SAMPLES;
    note(&row->turn, spread_of(busy_ticks, turns, ns_per_tick).p99);
    if (before != NULL) {
        int last = row->rate.count - 1;
        note(&row->share, row->rate.values[last] / before->rate.values[last]);
        note(&row->slower, row->p99.values[last] / before->p99.values[last]);
    }
}

static void print_row(tcp_row *row)
{
    record_below(row->name);
    (void)printf("%s\n", row->name);
    print("  answers", &row->rate, "k/s");
    print("  p50", &row->p50, "us");
    print("  p99", &row->p99, "us");
    if (row->plan.clients == 1 && row->plan.window == 1) {
        print_against("  the port alone, system calls included, p99", &row->turn, "ns", "< 10000");
    }
    if (row->share.count > 0) {
        double share = median(&row->share);
        double slower = median(&row->slower);
        (void)printf("  of the row before: throughput %.3f, p99 %.2f\n", share, slower);
    }
    if (row->plan.floods) {
        print("  the one that floods", &row->flood, "k/s");
    }
    if (row->plan.storm > 0) {
        (void)printf("  %u connects in a burst\n", row->plan.storm);
        print("  all logged in after", &row->storm_ms, "ms");
    }
    (void)printf("  a message:");
    for (int n = 0; n < CALLS; n++) {
        (void)printf(" %.3f %s", (double)row->used.counts[n] / (double)row->used.messages,
                     call_names[n]);
    }
    (void)printf("\n");
}

static void print_calls(double ns_per_tick)
{
    (void)printf("median of a system call:");
    for (int n = 0; n < CALLS; n++) {
        size_t count = made.counts[n] < CALL_SAMPLES ? made.counts[n] : CALL_SAMPLES;
        (void)printf(" %s %.0f ns", call_names[n],
                     spread_of(call_ticks[n], count, ns_per_tick).p50);
    }
    (void)printf("\n");
}

/* Round by round, so that what disturbs the machine disturbs all rows. */
static void tcp_part(int rounds, uint64_t taken_ms, uint32_t storm)
{
    tcp_result *result = shared(sizeof *result);
    static tcp_row rows[] = {
        {.name = "1 client, one at a time", .plan = {.clients = 1, .window = 1}},
        {.name = "1 client, 32 on their way", .plan = {.clients = 1, .window = 32}},
        {.name = "500 clients, one at a time", .plan = {.clients = 500, .window = 1}},
        {.name = "8 clients, one at a time", .plan = {.clients = 8, .window = 1}},
        {.name = "8 clients beside one that floods",
         .plan = {.clients = 8, .window = 1, .floods = 1}},
        {.name = "2,000 a second from 8", .plan = {.clients = 8, .window = 1, .rate = 2000}},
        {.name = "2,000 a second beside one that floods",
         .plan = {.clients = 8, .window = 1, .rate = 2000, .floods = 1}},
        {.name = "2,000 a second and a storm of connects",
         .plan = {.clients = 8, .window = 1, .rate = 2000, .storm = 1}},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (int round = 0; round < rounds; round++) {
        for (size_t n = 0; n < ROWS; n++) {
            tcp_row *row = &rows[n];
            row->plan.taken_ns = taken_ms * 1000000;
            row->plan.storm = row->plan.storm > 0 ? storm : 0;
            row->used = tcp_round(&row->plan, result);
            int is_compared = row->plan.floods || row->plan.storm > 0;
            double ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
            note_round(row, is_compared ? row - 1 : NULL, result, ns_per_tick);
        }
    }
    for (size_t n = 0; n < ROWS; n++) {
        print_row(&rows[n]);
    }
    print_calls((double)(now_ns() - start_ns) / (double)(ticks() - start));
    EXPECT(munmap(result, sizeof *result) == 0);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    uint64_t messages = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
    uint64_t taken_ms = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;
    uint32_t storm = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 2000;
    EXPECT(rounds >= 1 && rounds <= ROUNDS_MAX);
    EXPECT(storm <= SESSIONS_MAX - 16);
    pin(0);
    lane_part(rounds, messages);
    tcp_part(rounds, taken_ms, storm);
    return 0;
}
