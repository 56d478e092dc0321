/*
 * What the book does of the flows of flows.h on one core, and what other engines do of them in the
 * same run.
 *
 * Wide: through the batch entry; answers go to a sink of 4,096 lines that is used again and again.
 * Then the same activity over two shards, on one core and on two.
 *
 * Hot: one message at a time; answers are written into a lane of 4 M slots, committed in groups of
 * 64, and read by a thread on the other core. Time ends when it has read the last one.
 *
 * usage: bench_book [rounds] [wide messages] [wide standing orders] [hot messages] [peer.so ...]
 * The hash of all answers is printed before any time; medians over rounds, lowest and highest. Of
 * the book there are two figures: by the clock, and by what its thread had of the CPU, which says
 * what it does when it does not share it.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "ringbus/lane.h"
#include "tests/bench/bench.h"
#include "tests/bench/flows.h"
#include "tests/bench/peer.h"

enum {
    INSTRUMENTS = 10000,
    SINK = 4096,
    LANE = 1 << 22,
    GROUP = 64,
    GROUP_ROOM = 4096, /* no answer of these flows has so many lines */
    /* So many messages before it is its turn, the line of a message, its order and the order's
     * neighbours are asked for. Without the first the book waits for the memory of the
     * messages: 12.8 ns of 8.4 for plain new and cancel, to whose kinds the CPU has got used. */
    AHEAD_LINE = 32,
    AHEAD = 10,
    AHEAD_NEAR = 4,
    /* The reader takes a group when the line so far behind its first is there, and looks for it now
     * and then. At the writer's heels it takes away the lines that are being filled, by looking
     * for the next one and by what its CPU fetches ahead: a message takes 25.0 ns instead of 22.7
     * where the price walks 60 %, 37 instead of 24 standing (no reader: 18, 24). */
    READER_BEHIND = 256,
    READER_PAUSES = 32,
    PEERS_MAX = 8,
};

static const hot_scenario scenarios[] = {
    {0, 40000, 8}, {2, 10000, 24}, {-25, 2000, 48}, {40, 800, 64}, {-60, 300, 64}};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static const peer *peers[PEERS_MAX];
static int peer_count;

/* Millions of messages a second. */
typedef struct rates {
    double clock;
    double cpu;
} rates;

static rates rates_of(uint64_t messages, uint64_t clock_ns, uint64_t thread_ns)
{
    return (rates){.clock = (double)messages * 1e3 / (double)clock_ns,
                   .cpu = (double)messages * 1e3 / (double)thread_ns};
}

typedef struct pair {
    figure clock;
    figure cpu;
} pair;

static void note_rates(pair *p, rates r)
{
    note(&p->clock, r.clock);
    note(&p->cpu, r.cpu);
}

static void print_rates(const char *name, pair *p)
{
    print(name, &p->clock, "M/s");
    print("  by its CPU time", &p->cpu, "M/s");
}

/* --- the book behind one door
 * --------------------------------------------------------------------- */

static void apply_all(eng_book *book, const rb_message *lines, uint64_t count, rb_message *sink,
                      uint64_t *answers)
{
    uint64_t done = 0;
    int64_t used = 0;
    int64_t written = 0;
    int32_t status = RB_FULL;
    while (status == RB_FULL || done < count) {
        status = eng_book_apply_batch(book, lines + done, (int64_t)(count - done), sink, SINK,
                                      &used, &written);
        EXPECT(status == RB_OK || status == RB_FULL);
        done += (uint64_t)used;
        *answers += (uint64_t)written;
    }
}

static inline void book_apply(void *engine, const rb_message *message, eng_sink *sink)
{
    eng_book_prefetch(engine, message + AHEAD);
    eng_book_prefetch_near(engine, message + AHEAD_NEAR);
    EXPECT(eng_book_submit_alone(engine, message, sink) == RB_OK);
}

static eng_book *standing_book(const flow *f, rb_message *sink)
{
    eng_book *book = eng_book_create(f->instruments, f->orders, f->nodes);
    EXPECT(book != NULL);
    uint64_t answers = 0;
    apply_all(book, f->lines, f->fill, sink, &answers);
    EXPECT(eng_book_open_orders(book) == f->open_before);
    return book;
}

/* Takes the book away; it has to be what it was when the flow was made. */
static void finish_book(eng_book *book, const flow *f, uint64_t answers)
{
    EXPECT(answers == f->answers);
    EXPECT(eng_book_hash(book) == f->book_hash);
    eng_book_destroy(book);
}

static void describe(const char *name, const flow *f)
{
    record_result(name, f->hash);
    (void)printf("%s: result hash %08x, %llu messages, %llu answers, %llu trades, open %u before "
                 "and %u after\n",
                 name, f->hash, (unsigned long long)(f->count - f->fill),
                 (unsigned long long)f->answers, (unsigned long long)f->trades, f->open_before,
                 f->open_after);
    (void)fflush(stdout);
}

/* --- wide
 * ------------------------------------------------------------------------------------------- */

static rates wide_run(const flow *f)
{
    rb_message *sink = huge(SINK * sizeof *sink);
    eng_book *book = standing_book(f, sink);
    uint64_t answers = 0;
    uint64_t start_ns = now_ns();
    uint64_t start_cpu_ns = cpu_ns();
    apply_all(book, f->lines + f->fill, f->count - f->fill, sink, &answers);
    rates r = rates_of(f->count - f->fill, now_ns() - start_ns, cpu_ns() - start_cpu_ns);
    finish_book(book, f, answers);
    free(sink);
    return r;
}

/* By CPU time. */
static double wide_peer_run(const flow *f, const peer *other, uint64_t *traded)
{
    rb_message *lines = huge(GROUP_ROOM * sizeof *lines);
    void *engine = other->create(f->instruments, (uint32_t)f->count + 1);
    eng_sink sink = {.base = lines, .mask = GROUP_ROOM - 1, .limit = UINT64_MAX};
    uint64_t start_ns = 0;
    for (uint64_t n = 0; n < f->count; n++) {
        start_ns = n == f->fill ? cpu_ns() : start_ns;
        uint64_t first = sink.count;
        other->apply(engine, &f->lines[n], &sink);
        for (; first < sink.count; first++) {
            const rb_executed *line = &lines[first & sink.mask].executed;
            *traded += line->header.template_id == RB_TEMPLATE_EXECUTED ? line->quantity : 0;
        }
    }
    double rate = (double)(f->count - f->fill) * 1e3 / (double)(cpu_ns() - start_ns);
    other->destroy(engine);
    free(lines);
    return rate;
}

typedef struct shard_thread {
    const flow *f;
    size_t cpu;
    uint64_t *gate; /* counts those that wait for the start */
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t thread_ns;
    pthread_t thread;
} shard_thread;

static void *shard_main(void *argument)
{
    shard_thread *t = argument;
    pin(t->cpu);
    rb_message *sink = huge(SINK * sizeof *sink);
    eng_book *book = standing_book(t->f, sink);
    uint64_t answers = 0;
    /* A2, sequentially consistent; pairs with A1 below in the other thread: this one is ready. */
    (void)rb_fetch_or(t->gate, UINT64_C(1) << t->cpu);
    /* A1 acquire; pairs with A2 above: both start at once. */
    while (rb_load_acquire(t->gate) != 3) {
    }
    t->start_ns = now_ns();
    uint64_t start_cpu_ns = cpu_ns();
    apply_all(book, t->f->lines + t->f->fill, t->f->count - t->f->fill, sink, &answers);
    t->thread_ns = cpu_ns() - start_cpu_ns;
    t->end_ns = now_ns();
    finish_book(book, t->f, answers);
    free(sink);
    return NULL;
}

/* Both shards at once, each on a CPU of its own. */
static rates two_cores_run(const flow *flows)
{
    uint64_t gate = 0;
    shard_thread threads[2];
    uint64_t messages = 0;
    for (size_t n = 0; n < 2; n++) {
        threads[n] = (shard_thread){.f = &flows[n], .cpu = n, .gate = &gate};
        messages += flows[n].count - flows[n].fill;
        EXPECT(pthread_create(&threads[n].thread, NULL, shard_main, &threads[n]) == 0);
    }
    EXPECT(pthread_join(threads[0].thread, NULL) == 0);
    EXPECT(pthread_join(threads[1].thread, NULL) == 0);
    shard_thread *first = &threads[threads[0].start_ns > threads[1].start_ns];
    shard_thread *last = &threads[threads[0].end_ns < threads[1].end_ns];
    shard_thread *busier = &threads[threads[0].thread_ns < threads[1].thread_ns];
    return rates_of(messages, last->end_ns - first->start_ns, busier->thread_ns);
}

static void bench_wide_shards(int rounds, uint32_t standing, uint64_t messages)
{
    static pair one, two;
    static figure ratio, ratio_cpu;
    static flow flows[2];
    flow whole;
    flow_wide(&whole, 1, INSTRUMENTS, standing, messages);
    flow_wide(flows, 2, INSTRUMENTS, standing, messages);
    describe("wide, shard 0 of 2", &flows[0]);
    describe("wide, shard 1 of 2", &flows[1]);
    for (int round = 0; round < rounds; round++) {
        rates r1 = wide_run(&whole);
        rates r2 = two_cores_run(flows);
        note_rates(&one, r1);
        note_rates(&two, r2);
        note(&ratio, r2.clock / r1.clock);
        note(&ratio_cpu, r2.cpu / r1.cpu);
    }
    print_rates("wide, one shard on one core", &one);
    print_rates("wide, two shards on two cores", &two);
    print("  against one", &ratio, "x");
    print("  against one by CPU time", &ratio_cpu, "x");
    flow_free(&whole);
    flow_free(&flows[0]);
    flow_free(&flows[1]);
}

static void print_memory(const flow *f)
{
    eng_book *book = eng_book_create(f->instruments, f->orders, f->nodes);
    EXPECT(book != NULL);
    double bytes = (double)eng_book_bytes(book);
    (void)printf("wide: the book is %.1f MB for %u instruments and %u orders, %.1f bytes per order "
                 "open at the end\n",
                 bytes / 1e6, f->instruments, f->orders, bytes / f->open_after);
    eng_book_destroy(book);
}

static void bench_wide(int rounds, uint32_t standing, uint64_t messages)
{
    static pair own;
    static figure theirs[PEERS_MAX], ratios[PEERS_MAX];
    flow f;
    flow_wide(&f, 1, INSTRUMENTS, standing, messages);
    describe("wide", &f);
    print_memory(&f);
    for (int round = 0; round < rounds; round++) {
        rates r = wide_run(&f);
        note_rates(&own, r);
        for (int p = 0; p < peer_count; p++) {
            uint64_t traded = 0;
            note(&theirs[p], wide_peer_run(&f, peers[p], &traded));
            note(&ratios[p], r.cpu / theirs[p].values[round]);
            if (traded != 2 * f.traded) {
                (void)printf("%s traded %llu, the book %llu: not the same market\n", peers[p]->name,
                             (unsigned long long)traded / 2, (unsigned long long)f.traded);
            }
        }
    }
    record_cpus = 1;
    print_rates("wide", &own);
    for (int p = 0; p < peer_count; p++) {
        record_below(peers[p]->name);
        (void)printf("%s:\n", peers[p]->name);
        print("  wide, by CPU time", &theirs[p], "M/s");
        print("  the book against it", &ratios[p], "x");
    }
    record_cpus = 2;
    flow_free(&f);
}

/* --- hot
 * -------------------------------------------------------------------------------------------- */

typedef void (*apply_function)(void *engine, const rb_message *message, eng_sink *sink);

typedef struct reader_thread {
    rb_lane lane;
    uint64_t *end; /* position behind the last line, UINT64_MAX while it is not known */
    uint64_t end_ns;
    uint64_t sum; /* all of every line is read */
    pthread_t thread;
} reader_thread;

/* Whether a group lies well behind the writer, or nothing more comes. */
static int is_far_behind(const reader_thread *r)
{
    /* A3 acquire; pairs with A4 in hot_run. */
    return rb_lane_peek(&r->lane, READER_BEHIND) != NULL || rb_load_acquire(r->end) != UINT64_MAX;
}

static void wait_a_little(void)
{
    for (int n = 0; n < READER_PAUSES; n++) {
        rb_pause();
    }
}

static void *reader_main(void *argument)
{
    reader_thread *r = argument;
    pin(1);
    uint64_t sum = 0;
    /* A3 acquire, as above. */
    while (r->lane.head_local != rb_load_acquire(r->end)) {
        if (!is_far_behind(r)) {
            wait_a_little();
            continue;
        }
        uint64_t count = 0;
        const rb_message *line = rb_lane_peek(&r->lane, 0);
        while (line != NULL && count < GROUP) {
            for (int word = 1; word < 8; word++) {
                sum += line->words[word];
            }
            line = rb_lane_peek(&r->lane, ++count);
        }
        rb_lane_release(&r->lane, count);
    }
    r->sum = sum;
    r->end_ns = now_ns();
    return NULL;
}

static inline __attribute__((always_inline)) uint64_t hot_loop(const flow *f, void *engine,
                                                               apply_function apply, rb_lane *lane)
{
    uint64_t answers = 0;
    eng_sink sink = {.base = lane->slots, .mask = lane->mask};
    for (uint64_t n = f->fill; n < f->count; n++) {
        if (sink.count == 0) {
            while ((sink.limit = rb_lane_room(lane, GROUP_ROOM)) < GROUP_ROOM) {
            }
            sink.position = lane->tail_local;
        }
        /* Behind the last line this is some other memory, or none. */
        __builtin_prefetch(
            (const void *)((uintptr_t)&f->lines[n] + AHEAD_LINE * sizeof(rb_message)));
        apply(engine, &f->lines[n], &sink);
        if (sink.count >= GROUP) {
            answers += sink.count;
            rb_lane_commit(lane, sink.count);
            sink.count = 0;
        }
    }
    rb_lane_commit(lane, sink.count);
    return answers + sink.count;
}

/* By the clock until the reader has read all; by the CPU time of the writer. `other` NULL is the
 * book. */
static rates hot_run(const flow *f, const peer *other, void *memory, size_t bytes)
{
    rb_lane lane;
    uint64_t end = UINT64_MAX;
    rb_message *lines = huge(SINK * sizeof *lines);
    void *engine = NULL;
    if (other == NULL) {
        engine = standing_book(f, lines);
    } else {
        engine = other->create(1, (uint32_t)f->count + 1);
        eng_sink sink = {.base = lines, .mask = SINK - 1, .limit = UINT64_MAX};
        for (uint64_t n = 0; n < f->fill; n++) {
            other->apply(engine, &f->lines[n], &sink);
        }
    }
    EXPECT(rb_lane_attach(&lane, memory, bytes) == RB_OK);
    reader_thread reader = {.lane = lane, .end = &end};
    EXPECT(pthread_create(&reader.thread, NULL, reader_main, &reader) == 0);
    uint64_t start_ns = now_ns();
    uint64_t start_cpu_ns = cpu_ns();
    uint64_t answers = other == NULL ? hot_loop(f, engine, book_apply, &lane)
                                     : hot_loop(f, engine, other->apply, &lane);
    uint64_t thread_ns = cpu_ns() - start_cpu_ns;
    /* A4 release; pairs with A3: all was committed before. */
    rb_store_release(&end, lane.tail_local);
    EXPECT(pthread_join(reader.thread, NULL) == 0);
    rates r = rates_of(f->count - f->fill, reader.end_ns - start_ns, thread_ns);
    if (other == NULL) {
        finish_book(engine, f, answers);
    } else {
        other->destroy(engine);
    }
    free(lines);
    return r;
}

static void bench_hot(int rounds, uint64_t messages)
{
    static pair own[SCENARIOS], theirs[PEERS_MAX][SCENARIOS];
    static figure ratios[PEERS_MAX][SCENARIOS];
    static flow flows[SCENARIOS];
    char name[64];
    size_t bytes = rb_lane_bytes(LANE);
    void *memory = huge(bytes);
    EXPECT(rb_lane_init(memory, bytes, LANE, "reports") == RB_OK);
    for (size_t s = 0; s < SCENARIOS; s++) {
        flow_hot(&flows[s], scenarios[s], messages);
        (void)snprintf(name, sizeof name, "hot, price walks %d %%", scenarios[s].walk);
        describe(name, &flows[s]);
    }
    for (int round = 0; round < rounds; round++) {
        for (size_t s = 0; s < SCENARIOS; s++) {
            rates r = hot_run(&flows[s], NULL, memory, bytes);
            note_rates(&own[s], r);
            for (int p = 0; p < peer_count; p++) {
                rates other = hot_run(&flows[s], peers[p], memory, bytes);
                note_rates(&theirs[p][s], other);
                note(&ratios[p][s], r.cpu / other.cpu);
            }
        }
    }
    rates worst = {0, 0};
    for (size_t s = 0; s < SCENARIOS; s++) {
        (void)snprintf(name, sizeof name, "hot, price walks %d %%", scenarios[s].walk);
        print_rates(name, &own[s]);
        double clock = median(&own[s].clock);
        double cpu = median(&own[s].cpu);
        worst.clock = s == 0 || clock < worst.clock ? clock : worst.clock;
        worst.cpu = s == 0 || cpu < worst.cpu ? cpu : worst.cpu;
        for (int p = 0; p < peer_count; p++) {
            (void)snprintf(name, sizeof name, "  %s", peers[p]->name);
            print_rates(name, &theirs[p][s]);
            print("  the book against it", &ratios[p][s], "x");
        }
        flow_free(&flows[s]);
    }
    (void)printf("hot: the worst of the %d is %.1f M/s, by CPU time %.1f M/s\n", SCENARIOS,
                 worst.clock, worst.cpu);
    free(memory);
}

static void load_peer(const char *path)
{
    EXPECT(peer_count < PEERS_MAX);
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        (void)fprintf(stderr, "bench_book: %s\n", dlerror());
        exit(1);
    }
    peer_function find;
    void *symbol = dlsym(object, "bench_peer");
    EXPECT(symbol != NULL);
    memcpy(&find, &symbol, sizeof find);
    peers[peer_count++] = find();
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    uint64_t wide = argc > 2 ? strtoull(argv[2], NULL, 10) : 5000000;
    uint64_t standing = argc > 3 ? strtoull(argv[3], NULL, 10) : 1600000;
    uint64_t hot = argc > 4 ? strtoull(argv[4], NULL, 10) : 2000000;
    if (rounds < 1 || rounds > ROUNDS_MAX || wide < 1000 || standing < 1000 ||
        standing > (1u << 24) || hot < 1000) {
        (void)fprintf(stderr, "usage: bench_book [rounds 1..64] [wide messages >= 1000] [wide "
                              "standing orders 1000..2^24] [hot messages >= 1000] [peer.so ...]\n");
        return 2;
    }
    for (int n = 5; n < argc; n++) {
        load_peer(argv[n]);
    }
    pin(0);
    bench_wide(rounds, (uint32_t)standing, wide);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        (void)printf("two shards and the hot instrument need two CPUs; this machine has one\n");
        return 0;
    }
    bench_wide_shards(rounds, (uint32_t)standing, wide);
    bench_hot(rounds, hot);
    return 0;
}
