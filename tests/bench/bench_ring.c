/*
 * The rings as ratios: each figure beside the bare round trip of one cache line between the same
 * two CPUs, timed just before and just after it. Processes, not threads; this one writes and is
 * pinned to the first CPU, readers are forked and pinned to the second.
 *
 *   round trip   64 bytes over one lane and back over another, against the bare line
 *   lane         one producer, one consumer, nothing lost: copied in batches, and in place
 *   lossy        one writer, readers that check after the copy; the writer never waits
 *   disturbance  what a stopped and a slow lossy reader change for the writer
 *   idle         what a wait costs: the writer to wake it, the sleeper to wake up, the CPU
 *   histogram    one record
 *
 * usage: bench_ring [rounds] [messages] [round trips] [writer CPU] [reader CPU]
 * One line a figure: median over the rounds, lowest and highest, the bare line's p50, p99 and p99.9
 * (medians over the same rounds), the target if there is one. Rounds are interleaved: each runs all
 * legs once.
 */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "ringbus/histogram.h"
#include "ringbus/idle.h"
#include "ringbus/lane.h"
#include "ringbus/multicast.h"
#include "tests/bench/legs.h"

enum {
    LARGE = 1 << 16,
    SMALL = 1 << 10,
    BATCH = 64,
    READERS_HERE = 3,
    GOES = 3,
    SLOW_TURNS = 1000, /* of rb_pause after each batch */
    STAMPS = 20000,
    IDLE_GAP_NS = 1000000,
    IDLE_NS = 200000000,
};

_Static_assert((int)STAMPS <= (int)BARE_TRIPS, "samples has room");

static uint64_t messages = 1 << 24;
static uint64_t trips = 200000;
static size_t writer_cpu = 0;
static size_t reader_cpu = 1;

/* What the processes of a leg tell each other; one line each. */
typedef struct board {
    RB_ALIGNED uint64_t ready;   /* readers that are attached (atomic) */
    RB_ALIGNED uint64_t end;     /* last sequence of this leg, 0 while the writer writes */
    RB_ALIGNED uint64_t stamped; /* idle: times that the writer rang */
    RB_ALIGNED uint64_t over;    /* idle: the leg is over */
    struct {
        RB_ALIGNED uint64_t received;
        uint64_t lost;
        uint64_t ended_ns;
        uint64_t sum;
    } readers[READERS_HERE];
    RB_ALIGNED uint64_t stamps[STAMPS]; /* idle: ticks at which the writer rang */
    RB_ALIGNED uint64_t latencies[STAMPS];
    double cpu_seconds;
} board;

static board *table;
static uint64_t *samples;
static double ns_per_tick_of_run;
static rb_message work[BATCH];

static void start_board(void)
{
    memset(table, 0, sizeof *table);
}

static double cpu_seconds(void)
{
    struct timespec now;
    EXPECT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_ready(uint64_t count)
{
    while (rb_load_acquire(&table->ready) < count) {
    }
}

/* One reader at a time comes here: the writer waits for each before it forks the next. */
static void say_ready(void)
{
    rb_store_release(&table->ready, table->ready + 1);
}

static void reap(pid_t child)
{
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
}

static pid_t fork_pinned(void)
{
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        pin(reader_cpu);
    }
    return child;
}

static double rate(uint64_t count, uint64_t start_ns, uint64_t end_ns)
{
    return (double)count * 1e3 / (double)(end_ns - start_ns);
}

static uint64_t sum_of(const rb_message *message)
{
    uint64_t sum = 0;
    for (int i = 1; i < 8; i++) {
        sum += message->words[i];
    }
    return sum;
}

/* --- lanes */

static void *make_lane(uint64_t capacity)
{
    size_t bytes = rb_lane_bytes(capacity);
    void *memory = shared(bytes);
    EXPECT(rb_lane_init(memory, bytes, capacity, "bench") == RB_OK);
    return memory;
}

static rb_lane attach_lane(void *memory, uint64_t capacity)
{
    rb_lane lane;
    prefault(memory, rb_lane_bytes(capacity));
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(capacity)) == RB_OK);
    return lane;
}

static inline void send_one(rb_lane *lane, const rb_message *message)
{
    EXPECT(rb_lane_room(lane, 1) > 0);
    memcpy(rb_lane_slot(lane, 0)->words + 1, message->words + 1, 56);
    rb_lane_commit(lane, 1);
}

static inline const rb_message *wait_one(rb_lane *lane)
{
    const rb_message *message = NULL;
    while (message == NULL) {
        message = rb_lane_peek(lane, 0);
    }
    return message;
}

static void echo(rb_lane *in, rb_lane *out)
{
    say_ready();
    for (uint64_t n = 0; n < trips; n++) {
        send_one(out, wait_one(in));
        rb_lane_release(in, 1);
    }
    _exit(0);
}

/* out: p50, p99, p99.9 in ns. */
static void run_round_trip(double *out)
{
    void *there = make_lane(SMALL);
    void *back = make_lane(SMALL);
    start_board();
    pid_t child = fork_pinned();
    rb_lane one = attach_lane(there, SMALL);
    rb_lane two = attach_lane(back, SMALL);
    if (child == 0) {
        echo(&one, &two);
    }
    wait_ready(1);
    rb_message message = work[0];
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (uint64_t n = 0; n < trips; n++) {
        uint64_t sent = ticks();
        send_one(&one, &message);
        memcpy(&message, wait_one(&two), sizeof message);
        samples[n] = ticks() - sent;
        rb_lane_release(&two, 1);
    }
    ns_per_tick_of_run = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    reap(child);
    spread s = spread_of(samples, trips, ns_per_tick_of_run);
    out[0] = s.p50;
    out[1] = s.p99;
    out[2] = s.p999;
    EXPECT(munmap(there, rb_lane_bytes(SMALL)) == 0);
    EXPECT(munmap(back, rb_lane_bytes(SMALL)) == 0);
}

static void consume_lane(rb_lane *lane, int in_place)
{
    rb_message batch[BATCH];
    uint64_t sum = 0;
    say_ready();
    for (uint64_t got = 0; got < messages;) {
        if (!in_place) {
            int64_t count = rb_lane_take(lane, batch, BATCH);
            sum += batch[0].words[7];
            got += (uint64_t)count;
            continue;
        }
        uint64_t count = 0;
        for (; count < BATCH; count++) {
            const rb_message *message = rb_lane_peek(lane, count);
            if (message == NULL) {
                break;
            }
            sum += sum_of(message);
        }
        if (count > 0) {
            rb_lane_release(lane, count);
            got += count;
        }
    }
    table->readers[0].ended_ns = now_ns();
    table->readers[0].sum = sum;
    _exit(0);
}

/* Until the consumer has the last one. */
static double lane_rate(uint64_t capacity, int in_place)
{
    void *memory = make_lane(capacity);
    start_board();
    pid_t child = fork_pinned();
    rb_lane lane = attach_lane(memory, capacity);
    if (child == 0) {
        consume_lane(&lane, in_place);
    }
    wait_ready(1);
    uint64_t start_ns = now_ns();
    for (uint64_t sent = 0; sent < messages;) {
        if (!in_place) {
            sent += (uint64_t)rb_lane_offer(&lane, work, BATCH);
            continue;
        }
        if (rb_lane_room(&lane, BATCH) < BATCH) {
            continue;
        }
        for (uint64_t n = 0; n < BATCH; n++) {
            rb_message *slot = rb_lane_slot(&lane, n);
            for (uint64_t i = 1; i < 8; i++) {
                slot->words[i] = sent + n + i;
            }
        }
        rb_lane_commit(&lane, BATCH);
        sent += BATCH;
    }
    reap(child);
    EXPECT(munmap(memory, rb_lane_bytes(capacity)) == 0);
    return rate(messages, start_ns, table->readers[0].ended_ns);
}

static void run_lanes(double *out)
{
    out[0] = lane_rate(LARGE, 0);
    out[1] = lane_rate(SMALL, 0);
    out[2] = lane_rate(LARGE, 1);
    out[3] = lane_rate(SMALL, 1);
}

/* --- lossy readers */

typedef struct ring {
    void *memory;
    void *readers;
    void *lossy; /* where the readers show what they count */
    uint64_t capacity;
    rb_writer writer;
} ring;

static ring make_ring(uint64_t capacity)
{
    size_t bytes = rb_multicast_bytes(capacity);
    ring r = {.memory = shared(bytes),
              .readers = shared(rb_readers_bytes()),
              .lossy = shared(rb_readers_bytes()),
              .capacity = capacity};
    EXPECT(rb_multicast_init(r.memory, bytes, capacity, "bench") == RB_OK);
    EXPECT(rb_readers_init(r.readers, rb_readers_bytes(), "bench") == RB_OK);
    EXPECT(rb_readers_init(r.lossy, rb_readers_bytes(), "bench") == RB_OK);
    EXPECT(rb_multicast_writer_attach(&r.writer, r.memory, bytes, r.readers, rb_readers_bytes()) ==
           RB_OK);
    return r;
}

static void drop_ring(ring *r)
{
    EXPECT(munmap(r->memory, rb_multicast_bytes(r->capacity)) == 0);
    EXPECT(munmap(r->readers, rb_readers_bytes()) == 0);
    EXPECT(munmap(r->lossy, rb_readers_bytes()) == 0);
}

/* A reader that was lapped goes on in the middle of what is there: at the oldest it would be lapped
 * again at once. */
static uint64_t skip(rb_reader *reader)
{
    uint64_t first = rb_multicast_wanted(reader);
    uint64_t tail = rb_multicast_tail(reader);
    uint64_t half = rb_multicast_capacity(reader) / 2;
    uint64_t next = tail > half ? tail - half : 1;
    uint64_t oldest = rb_multicast_oldest(reader);
    next = next > oldest ? next : oldest;
    rb_multicast_seek(reader, next);
    return next - first;
}

/* `pause_turns`: after each batch, so that it is slower than the writer. */
static void read_lossy(const ring *r, int index, int pause_turns)
{
    rb_reader reader;
    rb_message batch[BATCH];
    uint64_t received = 0;
    uint64_t lost = 0;
    uint64_t sum = 0;
    prefault(r->memory, rb_multicast_bytes(r->capacity));
    EXPECT(rb_multicast_reader_attach(&reader, r->memory, rb_multicast_bytes(r->capacity), 1) ==
           RB_OK);
    const char name[2] = {(char)('a' + index), '\0'};
    EXPECT(rb_readers_join(&reader, r->lossy, rb_readers_bytes(), name) >= 0);
    say_ready();
    for (;;) {
        int64_t count = rb_multicast_poll(&reader, batch, BATCH);
        if (count > 0) {
            received += (uint64_t)count;
            sum += batch[count - 1].words[7];
        } else if (count == RB_LAPPED) {
            lost += skip(&reader);
        } else {
            uint64_t end = rb_load_acquire(&table->end);
            if (end != 0 && rb_multicast_wanted(&reader) > end) {
                break;
            }
        }
        for (int i = 0; i < pause_turns; i++) {
            rb_pause();
        }
    }
    table->readers[index].ended_ns = now_ns();
    table->readers[index].received = received;
    table->readers[index].lost = lost;
    EXPECT(rb_multicast_received(&reader) == received && rb_multicast_lost(&reader) == lost);
    table->readers[index].sum = sum;
    _exit(0);
}

/* The writer's own rate: it never waits. */
static double write_all(ring *r, uint64_t *start_ns)
{
    *start_ns = now_ns();
    for (uint64_t sent = 0; sent < messages; sent += BATCH) {
        EXPECT(rb_multicast_room(&r->writer, BATCH) >= BATCH);
        for (uint64_t n = 0; n < BATCH; n++) {
            rb_multicast_publish(&r->writer, &work[n]);
        }
        rb_multicast_announce(&r->writer);
    }
    uint64_t end_ns = now_ns();
    rb_store_release(&table->end, messages);
    return rate(messages, *start_ns, end_ns);
}

typedef struct lossy_result {
    double written;
    double received; /* over all readers, up to when the last one ended */
    double lost;     /* % of what they should have had */
} lossy_result;

static lossy_result lossy(uint64_t capacity, int readers, int pause_turns, int stopped)
{
    ring r = make_ring(capacity);
    pid_t children[READERS_HERE];
    start_board();
    for (int i = 0; i < readers; i++) {
        children[i] = fork_pinned();
        if (children[i] == 0) {
            read_lossy(&r, i, pause_turns);
        }
        wait_ready((uint64_t)i + 1);
        if (stopped) {
            EXPECT(kill(children[i], SIGSTOP) == 0);
        }
    }
    lossy_result result = {.written = 0};
    uint64_t start_ns = 0;
    result.written = write_all(&r, &start_ns);
    uint64_t received = 0;
    uint64_t ended_ns = start_ns + 1;
    for (int i = 0; i < readers; i++) {
        if (stopped) {
            EXPECT(kill(children[i], SIGCONT) == 0);
        }
        reap(children[i]);
        EXPECT(table->readers[i].received + table->readers[i].lost == messages);
        received += table->readers[i].received;
        uint64_t its_ns = table->readers[i].ended_ns;
        ended_ns = its_ns > ended_ns ? its_ns : ended_ns;
    }
    if (readers > 0) {
        result.received = rate(received, start_ns, ended_ns);
        double wanted = (double)messages * readers;
        result.lost = 100 * (wanted - (double)received) / wanted;
    }
    drop_ring(&r);
    return result;
}

static void run_lossy_large(double *out)
{
    lossy_result result = lossy(LARGE, 1, 0, 0);
    out[0] = result.written;
    out[1] = result.received;
    out[2] = result.lost;
}

static void run_lossy_small(double *out)
{
    lossy_result result = lossy(SMALL, 1, 0, 0);
    out[0] = result.written;
    out[1] = result.received;
    out[2] = result.lost;
}

static void run_lossy_three(double *out)
{
    lossy_result result = lossy(LARGE, READERS_HERE, 0, 0);
    out[0] = result.written;
    out[1] = result.received;
    out[2] = result.lost;
    out[3] = result.received * (double)sizeof(rb_message) / 1e3;
}

static double slowdown(double alone, double with)
{
    return 100 * (alone - with) / alone;
}

/* Of a few goes: whatever else runs here only ever takes from the writer. */
static double best_written(int readers, int pause_turns, int stopped)
{
    double best = 0;
    for (int go = 0; go < GOES; go++) {
        double written = lossy(LARGE, readers, pause_turns, stopped).written;
        best = written > best ? written : best;
    }
    return best;
}

/* Alone before and after, so that a drift of the machine is not taken for the reader's doing. */
static void run_disturbance(double *out)
{
    double before = best_written(0, 0, 0);
    double stopped = best_written(1, 0, 1);
    double between = best_written(0, 0, 0);
    double slow = best_written(1, SLOW_TURNS, 0);
    double after = best_written(0, 0, 0);
    out[0] = between;
    out[1] = slowdown((before + between) / 2, stopped);
    out[2] = slowdown((between + after) / 2, slow);
}

/* --- idle */

/* Takes each stamp as it comes: how late, and at the end what CPU time it took in all. */
static void sleeper(void *bells, uint32_t strategy)
{
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "sleeper", strategy, -1, 1) == RB_OK);
    double before = cpu_seconds();
    say_ready();
    uint64_t seen = 0;
    for (int over = 0; !over;) {
        over = rb_load_acquire(&table->over) != 0;
        uint64_t stamped = rb_load_acquire(&table->stamped);
        uint64_t now = ticks();
        int64_t found = (int64_t)(stamped - seen);
        for (; seen < stamped; seen++) {
            uint64_t stamp = rb_load_relaxed(&table->stamps[seen]);
            table->latencies[seen] = now > stamp ? now - stamp : 0;
        }
        (void)rb_idle_step(&idle, found);
    }
    table->readers[0].received = seen;
    table->cpu_seconds = cpu_seconds() - before;
    _exit(0);
}

static void wait_until_ns(uint64_t until_ns)
{
    while (now_ns() < until_ns) {
        rb_pause();
    }
}

/* Stamps `count` times, `gap_ns` apart: what ringing takes of the writer, how late each was seen,
 * and the sleeper's share of its CPU. */
typedef struct idle_result {
    double cost;
    spread seen;
    double cpu;
} idle_result;

static idle_result idle_at(void *bells, rb_idle *idle, uint32_t strategy, int count,
                           uint64_t gap_ns)
{
    static uint64_t costs[STAMPS];
    idle_result result = {.cost = 0};
    start_board();
    pid_t child = fork_pinned();
    if (child == 0) {
        sleeper(bells, strategy);
    }
    wait_ready(1);
    uint64_t start_ns = now_ns();
    for (int n = 0; n < count; n++) {
        wait_until_ns(start_ns + (uint64_t)(n + 1) * gap_ns);
        uint64_t start = ticks();
        rb_store_relaxed(&table->stamps[n], start);
        rb_store_release(&table->stamped, (uint64_t)n + 1);
        rb_idle_ring(idle, 0, 1);
        costs[n] = ticks() - start;
    }
    wait_until_ns(start_ns + (uint64_t)(count + 1) * gap_ns);
    uint64_t end_ns = now_ns();
    /* Seen at its next look at the latest: a sleep ends after a millisecond. */
    rb_store_release(&table->over, 1);
    reap(child);
    result.cpu = table->cpu_seconds / ((double)(end_ns - start_ns) / 1e9) * 100;
    EXPECT(table->readers[0].received == (uint64_t)count);
    if (count > 0) {
        result.cost = spread_of(costs, (size_t)count, ns_per_tick_of_run).p50;
        memcpy(samples, table->latencies, table->readers[0].received * sizeof samples[0]);
        result.seen = spread_of(samples, table->readers[0].received, ns_per_tick_of_run);
    }
    return result;
}

static void run_idle(double *out, uint32_t strategy)
{
    void *bells = shared(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "bench") == RB_OK);
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "writer", RB_IDLE_SPIN, -1, 0) == RB_OK);
    idle_result slow = idle_at(bells, &idle, strategy, STAMPS / 100, IDLE_GAP_NS);
    idle_result fast = idle_at(bells, &idle, strategy, STAMPS, IDLE_GAP_NS / 100);
    out[0] = slow.cost;
    out[1] = slow.seen.p50;
    out[2] = slow.seen.p99;
    out[3] = slow.cpu;
    out[4] = fast.cost;
    out[5] = fast.seen.p50;
    out[6] = fast.seen.p99;
    out[7] = fast.cpu;
    out[8] = idle_at(bells, &idle, strategy, 0, IDLE_NS).cpu;
    rb_idle_close(&idle);
    EXPECT(munmap(bells, rb_bells_bytes()) == 0);
}

static void run_spin(double *out)
{
    run_idle(out, RB_IDLE_SPIN);
}

static void run_yield(double *out)
{
    run_idle(out, RB_IDLE_YIELD);
}

static void run_park(double *out)
{
    run_idle(out, RB_IDLE_PARK);
}

static void run_adaptive(double *out)
{
    run_idle(out, RB_IDLE_ADAPTIVE);
}

/* --- histogram */

static void run_histogram(double *out)
{
    static rb_histogram histogram;
    static uint64_t values[4096];
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 4096; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* Latencies as they come: most of a few hundred ns, some long. */
        values[i] = 150 + (random & 255) + ((random >> 32) % 100 == 0 ? random >> 50 : 0);
    }
    uint64_t count = messages / 4096 * 4096;
    uint64_t start_ns = now_ns();
    for (uint64_t n = 0; n < count; n++) {
        rb_histogram_record(&histogram, values[n & 4095]);
    }
    out[0] = (double)(now_ns() - start_ns) / (double)count;
}

/* --- legs and rounds */

#define IDLE_NAMES(strategy)                                                                       \
    {strategy ", 1 k/s: costs the writer",   "  seen after p50", "  seen after p99", "  CPU",      \
     strategy ", 100 k/s: costs the writer", "  seen after p50", "  seen after p99", "  CPU",      \
     strategy ", nothing to do: CPU"}
#define IDLE_UNITS {"ns", "ns", "ns", "%", "ns", "ns", "ns", "%", "%"}

static leg legs[] = {
    {.run = run_round_trip,
     .names = {"two lanes, round trip p50", "two lanes, round trip p99",
               "two lanes, round trip p99.9", "  p50 against the bare line",
               "  p99 against the bare line", "  p99.9 against the bare line"},
     .units = {"ns", "ns", "ns", "x", "x", "x"},
     .targets = {"", "", "", "<= 1.1", "<= 1.3", "<= 2"},
     .against_bare = 1},
    {.run = run_lanes,
     .names = {"lane, 64 K slots, offer and take", "lane, 1 K slots, offer and take",
               "lane, 64 K slots, in place", "lane, 1 K slots, in place"},
     .units = {"M/s", "M/s", "M/s", "M/s"},
     .targets = {">= 110", "", ">= 110", ""}},
    {.run = run_lossy_large,
     .names = {"multicast, 64 K slots, written", "  received", "  lost"},
     .units = {"M/s", "M/s", "%"},
     .targets = {">= 100", "", ""}},
    {.run = run_lossy_small,
     .names = {"multicast, 1 K slots, written", "  received", "  lost"},
     .units = {"M/s", "M/s", "%"},
     .targets = {">= 85", "", ""}},
    {.run = run_lossy_three,
     .names = {"multicast, 3 readers, written", "  received by all", "  lost", "  moved to all"},
     .units = {"M/s", "M/s", "%", "GB/s"},
     .targets = {">= 52", "", "", ""}},
    {.run = run_disturbance,
     .names = {"multicast, nobody reads, written", "  less with a stopped reader",
               "  less with a slow reader"},
     .units = {"M/s", "%", "%"},
     .targets = {"", "< 5", ""}},
    {.run = run_spin, .names = IDLE_NAMES("spin"), .units = IDLE_UNITS},
    {.run = run_yield, .names = IDLE_NAMES("yield"), .units = IDLE_UNITS},
    {.run = run_park, .names = IDLE_NAMES("park"), .units = IDLE_UNITS},
    {.run = run_adaptive, .names = IDLE_NAMES("adaptive"), .units = IDLE_UNITS},
    {.run = run_histogram, .names = {"histogram record"}, .units = {"ns"}},
};

enum { LEGS = sizeof legs / sizeof legs[0] };

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    messages = argc > 2 ? strtoull(argv[2], NULL, 10) / BATCH * BATCH : messages;
    trips = argc > 3 ? strtoull(argv[3], NULL, 10) : trips;
    writer_cpu = argc > 4 ? strtoull(argv[4], NULL, 10) : writer_cpu;
    reader_cpu = argc > 5 ? strtoull(argv[5], NULL, 10) : reader_cpu;
    if (rounds < 1 || rounds > ROUNDS_MAX || messages < 4096 || trips < 1000) {
        (void)fprintf(stderr, "usage: bench_ring [rounds 1..64] [messages >= 4096] "
                              "[round trips >= 1000] [writer CPU] [reader CPU]\n");
        return 2;
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || writer_cpu == reader_cpu) {
        (void)printf("the rings are timed between two CPUs\n");
        return 0;
    }
    pin(writer_cpu);
    table = shared(sizeof *table);
    samples = calloc(trips > BARE_TRIPS ? trips : BARE_TRIPS, sizeof *samples);
    EXPECT(samples != NULL);
    for (uint64_t n = 0; n < BATCH; n++) {
        for (uint64_t i = 1; i < 8; i++) {
            work[n].words[i] = n * 8 + i;
        }
    }
    (void)printf("%d rounds of %llu messages and %llu round trips; CPU %zu writes, CPU %zu reads; "
                 "bare: cache line round trip p50/p99/p99.9\n",
                 rounds, (unsigned long long)messages, (unsigned long long)trips, writer_cpu,
                 reader_cpu);
    route at = {.line = shared(4096), .samples = samples, .cpu = reader_cpu};
    for (int round = 0; round < rounds; round++) {
        for (int n = 0; n < LEGS; n++) {
            run_leg(&legs[n], &at, rounds);
        }
    }
    print_all(legs, LEGS);
    return 0;
}
