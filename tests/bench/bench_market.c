/*
 * Market data on one core: lines of the stream into ITCH messages and MoldUDP64 packets.
 *
 * The stream is made beforehand: a book is driven with the wide flow (flows.h), and its answers get
 * sequences and ends of groups. In-process: lines are handed to the agent, and its tape is cut into
 * packets that are copied out, as a socket would take them. Loopback: the tape's packets are sent
 * to a multicast group on the loopback interface, 64 a system call and one a system call, with one
 * socket that receives them on the other CPU, or as nobody does.
 *
 * usage: bench_market [rounds] [messages] [standing orders]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "ports/feed.h"
#include "ports/mold.h"
#include "ringbus/crc32c.h"
#include "tests/bench/bench.h"
#include "tests/bench/flows.h"

enum { INSTRUMENTS = 10000, SINK = 1 << 16, PACKET = 1400, BATCH = 64 };

typedef struct stream {
    rb_message *lines;
    uint64_t count;
    uint64_t capacity;
    uint64_t timed; /* the first line that is timed */
} stream;

static void add_line(stream *s, const rb_message *line, int is_last)
{
    EXPECT(s->count < s->capacity);
    rb_message *to = &s->lines[s->count++];
    *to = *line;
    to->header.sequence = s->count;
    to->header.time_ns = UINT64_C(43200000000000) + 100 * s->count;
    uint8_t flags = to->header.flags & (uint8_t)~RB_FLAG_LAST_OF_GROUP;
    to->header.flags = is_last ? flags | RB_FLAG_LAST_OF_GROUP : flags;
}

static void define(stream *s, uint32_t instrument)
{
    rb_message line = {.header = {.template_id = RB_TEMPLATE_INSTRUMENT_DEFINITION}};
    line.instrument_definition.instrument = instrument;
    line.instrument_definition.tick_1e4 = 100;
    line.instrument_definition.lot = 1;
    (void)snprintf(line.instrument_definition.symbol, 8, "%-7u", instrument % 10000000u);
    line.instrument_definition.symbol[7] = ' ';
    add_line(s, &line, 1);
}

/* The flow's answers as the publisher would put them on the stream. */
static stream make_stream(const flow *f)
{
    stream s = {.capacity = 4 * f->count + INSTRUMENTS};
    s.lines = huge(s.capacity * sizeof *s.lines);
    for (uint32_t n = 0; n < f->instruments; n++) {
        define(&s, n);
    }
    eng_book *book = eng_book_create(f->instruments, f->orders, f->nodes);
    rb_message *answers = huge(SINK * sizeof *answers);
    EXPECT(book != NULL);
    for (uint64_t n = 0; n < f->count; n++) {
        int64_t used = 0;
        int64_t written = 0;
        if (n == f->fill) {
            s.timed = s.count;
        }
        EXPECT(eng_book_apply_batch(book, &f->lines[n], 1, answers, SINK, &used, &written) ==
               RB_OK);
        for (int64_t line = 0; line < written; line++) {
            add_line(&s, &answers[line], line == written - 1);
        }
    }
    eng_book_destroy(book);
    free(answers);
    return s;
}

/* Cuts what is new on the tape into packets and copies them to where a socket would. */
static uint64_t pack(const prt_tape *tape, prt_tape_cursor *cursor, uint8_t *out)
{
    uint64_t packets = 0;
    prt_mold_header header = {.session = "BENCH     "};
    while (cursor->number <= tape->count) {
        uint64_t offset = cursor->offset;
        size_t bytes = prt_mold_pack(tape, cursor, UINT32_MAX, PACKET, &header);
        prt_mold_write_header(out, &header);
        memcpy(out + PRT_MOLD_HEADER_BYTES, tape->bytes + offset, bytes);
        packets++;
    }
    return packets;
}

static double run(const stream *s, const flow *f, prt_tape *tape, uint32_t *hash,
                  uint64_t *messages, uint64_t *packets)
{
    static uint8_t packet[PRT_MOLD_PACKET_MAX];
    prt_feed *feed = huge(sizeof *feed);
    prt_tape_clear(tape);
    EXPECT(prt_feed_init(feed, tape, f->instruments, 1, f->orders) == RB_OK);
    prt_tape_cursor cursor = {.number = 1};
    uint64_t start_ns = 0;
    uint64_t before = 0;
    *packets = 0;
    for (uint64_t n = 0; n < s->count; n++) {
        if (n == s->timed) {
            (void)pack(tape, &cursor, packet);
            before = tape->count;
            start_ns = cpu_ns();
        }
        EXPECT(prt_feed_apply(feed, &s->lines[n]) == RB_OK);
        if (n >= s->timed && n % 256 == 255) {
            *packets += pack(tape, &cursor, packet);
        }
    }
    *packets += pack(tape, &cursor, packet);
    double seconds = (double)(cpu_ns() - start_ns) * 1e-9;
    *messages = tape->count - before;
    *hash = rb_crc32c(tape->bytes, tape->used);
    EXPECT(prt_feed_valid(feed) == RB_OK);
    prt_feed_free(feed);
    free(feed);
    return seconds;
}

/* --- the loopback socket ------------------------------------------------------------------------
 */

static struct sockaddr_in group_address(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    EXPECT(inet_pton(AF_INET, "239.255.77.3", &address.sin_addr) == 1);
    return address;
}

/* A child that takes what comes for as long as its parent lives; it counts into `*taken`. */
static pid_t listen_to(uint16_t port, uint64_t *taken)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int on = 1;
    int room = 1 << 22;
    struct sockaddr_in address = group_address(port);
    struct ip_mreq member = {.imr_multiaddr = address.sin_addr,
                             .imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0);
    EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) == 0);
    pid_t child = fork_bound();
    if (child == 0) {
        static uint8_t packet[2048];
        while (recv(fd, packet, sizeof packet, 0) > 1) {
            rb_store_relaxed(taken, *taken + 1);
        }
        _exit(0);
    }
    (void)close(fd);
    return child;
}

/* Packets of the whole tape, `batch` a system call. Returns seconds. */
static double send_tape(const prt_tape *tape, uint16_t port, uint32_t batch, uint64_t *packets)
{
    static uint8_t headers[BATCH][PRT_MOLD_HEADER_BYTES];
    static struct iovec parts[BATCH][2];
    static struct mmsghdr messages[BATCH];
    struct sockaddr_in address = group_address(port);
    struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    prt_mold_header header = {.session = "BENCH     "};
    prt_tape_cursor cursor = {.number = 1};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback) == 0);
    uint64_t start_ns = now_ns();
    *packets = 0;
    while (cursor.number <= tape->count) {
        uint32_t count = 0;
        for (; count < batch && cursor.number <= tape->count; count++) {
            uint64_t offset = cursor.offset;
            size_t bytes = prt_mold_pack(tape, &cursor, UINT32_MAX, PACKET, &header);
            prt_mold_write_header(headers[count], &header);
            parts[count][0] = (struct iovec){headers[count], PRT_MOLD_HEADER_BYTES};
            parts[count][1] = (struct iovec){tape->bytes + offset, bytes};
            messages[count].msg_hdr = (struct msghdr){.msg_name = &address,
                                                      .msg_namelen = sizeof address,
                                                      .msg_iov = parts[count],
                                                      .msg_iovlen = 2};
        }
        EXPECT(sendmmsg(fd, messages, count, 0) == (int)count);
        *packets += count;
    }
    double seconds = (double)(now_ns() - start_ns) * 1e-9;
    EXPECT(sendto(fd, "", 1, 0, (struct sockaddr *)&address, sizeof address) == 1);
    (void)close(fd);
    return seconds;
}

static void print_loopback(const prt_tape *tape, int rounds)
{
    for (uint32_t row = 0; row < 4; row++) {
        uint32_t batch = row % 2 == 0 ? BATCH : 1;
        int is_heard = row < 2;
        uint16_t port = (uint16_t)(20000 + getpid() % 20000);
        figure rate = {.count = 0};
        figure share = {.count = 0};
        for (int n = 0; n < rounds; n++) {
            uint64_t *taken = shared(sizeof *taken);
            pid_t child = is_heard ? listen_to(port, taken) : 0;
            uint64_t packets;
            double seconds = send_tape(tape, port, batch, &packets);
            if (child != 0) {
                EXPECT(kill(child, SIGTERM) == 0);
                EXPECT(waitpid(child, NULL, 0) == child);
                note(&share, 100 * (double)rb_load_relaxed(taken) / (double)packets);
            }
            note(&rate, (double)tape->count / seconds * 1e-6);
            EXPECT(munmap(taken, sizeof *taken) == 0);
        }
        char name[64];
        (void)snprintf(name, sizeof name, "loopback, %2u a call, %s", batch,
                       is_heard ? "one receiver" : "no receiver");
        print(name, &rate, "M/s");
        if (is_heard) {
            print("  of its packets received", &share, "%");
        }
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    uint64_t timed = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000000;
    uint32_t standing = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000000;
    flow flows[FLOW_SHARDS_MAX];
    flow_wide(flows, 1, INSTRUMENTS, standing, timed);
    stream s = make_stream(&flows[0]);
    prt_tape tape;
    /* A definition is two messages. */
    EXPECT(prt_tape_init(&tape, 52 * (s.count + INSTRUMENTS), s.count + INSTRUMENTS) == RB_OK);
    figure lines = {.count = 0};
    figure said = {.count = 0};
    uint32_t hash = 0;
    uint64_t messages = 0;
    uint64_t packets = 0;
    for (int n = 0; n < rounds + 1; n++) {
        double seconds = run(&s, &flows[0], &tape, &hash, &messages, &packets);
        if (n == 0) {
            /* Its memory was touched for the first time: not counted. */
            record_result("tape", hash);
            (void)printf("tape: result hash %08x, %llu lines, %llu messages, %llu packets\n", hash,
                         (unsigned long long)(s.count - s.timed), (unsigned long long)messages,
                         (unsigned long long)packets);
            continue;
        }
        note(&lines, (double)(s.count - s.timed) / seconds * 1e-6);
        note(&said, (double)messages / seconds * 1e-6);
    }
    record_cpus = 1;
    print("lines of the stream into packets", &lines, "M/s");
    print("  messages said", &said, "M/s");
    record_cpus = 2;
    print_loopback(&tape, rounds);
    prt_tape_free(&tape);
    free(s.lines);
    flow_free(&flows[0]);
    return 0;
}
