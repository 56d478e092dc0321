/*
 * Latency of one proposal through the fused engine, lane in to stream out, at 10, 50 and 80 % of
 * what the same run could carry; and what two cores carry.
 *
 * Open loop: every proposal has an intended time, drawn before the run (Poisson), and its latency
 * counts from then until the first line of its answer was read, whether or not the client or the
 * lane could take it in time: nothing is left out because something before it was slow.
 *
 * The proposals are made beforehand by an engine that is stepped; each knows its topic's number, so
 * any number of them can be in flight. The engine is a process on one CPU, the client on the other.
 *
 * usage: bench_latency [rounds] [proposals a run] [engine CPU] [client CPU]
 */
#include <math.h>
#include <pthread.h>

#include "tests/bench/pipeline.h"

enum { LOADS = 3, BURST = 16 };

static const int load_percent[LOADS] = {10, 50, 80};
static size_t engine_cpu = 0;
static size_t client_cpu = 1;

typedef struct client {
    pipeline p;
    rb_lane lane;
    rb_reader reader;
} client;

static void attach(client *c)
{
    EXPECT(rb_lane_attach(&c->lane, c->p.contributor, rb_lane_bytes(LANE)) == RB_OK);
    EXPECT(rb_multicast_reader_attach(&c->reader, c->p.ring, rb_multicast_bytes(STREAM), 1) ==
           RB_OK);
}

static void send(client *c, const rb_message *line)
{
    memcpy(rb_lane_slot(&c->lane, 0)->words + 1, line->words + 1, 56);
    rb_lane_commit(&c->lane, 1);
}

/* --- the proposals
 * ------------------------------------------------------------------------------------ */

static void step(engine *e)
{
    int64_t work = 1;
    while (work > 0) {
        work = 0;
        for (uint32_t a = 0; a < 3; a++) {
            int64_t count = e->core.agents[a].work(e->core.agents[a].state, BATCH);
            EXPECT(count >= 0);
            work += count;
        }
    }
}

/* Makes `count` proposals, each with its number on the topic. Returns the hash of the stream. */
static uint32_t make_proposals(rb_message *lines, uint64_t count)
{
    client c = {.p = make_pipeline()};
    engine *e = make_engine(&c.p);
    flow *f = calloc(1, sizeof *f);
    rb_message *batch = calloc(STREAM, sizeof *batch);
    EXPECT(f != NULL);
    EXPECT(batch != NULL);
    f->random = 88172645463325252u;
    e->core.clock.mode = RB_CLOCK_MANUAL;
    attach(&c);
    uint32_t hash = 0;
    for (uint64_t n = 0; n < count; n++) {
        next_message(f, &lines[n], n % BATCH == BATCH - 1);
        lines[n].header.topic_sequence = f->topic_sequence + 1;
        EXPECT(rb_lane_room(&c.lane, 1) > 0);
        send(&c, &lines[n]);
        rb_doorbell_ring(c.p.doorbell, 0);
        step(e);
        int64_t got = rb_multicast_poll(&c.reader, batch, STREAM);
        EXPECT(got > 0);
        for (int64_t i = 0; i < got; i++) {
            learn(f, &batch[i]);
            hash = hash * 31 + batch[i].header.checksum;
        }
    }
    free(batch);
    free(f);
    return hash;
}

/* --- one engine, one client
 * ------------------------------------------------------------------------------------ */

static pid_t start_engine(const pipeline *p)
{
    pid_t child = fork_bound();
    if (child == 0) {
        pin(engine_cpu);
        prefault_pipeline(p);
        engine *e = make_engine(p);
        _exit(rb_core_run(&e->core) == RB_OK ? 0 : 1);
    }
    while (rb_core_page_state(p->page) != RB_CORE_RUNNING) {
        rb_pause();
    }
    return child;
}

/* Sends each proposal when its time has come, `when[n]` ticks after the start, and notes how long
 * after that it was answered. Returns proposals per microsecond. */
static double run(const rb_message *lines, uint64_t count, const uint64_t *when, uint64_t *samples)
{
    client c = {.p = make_pipeline()};
    pid_t child = start_engine(&c.p);
    prefault_pipeline(&c.p);
    attach(&c);
    uint64_t sent = 0;
    uint64_t answered = 0;
    int is_first = 1;
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    while (answered < count) {
        uint64_t now = ticks() - start;
        for (int n = 0; n < BURST && sent < count && when[sent] <= now; n++) {
            if (rb_lane_room(&c.lane, 1) == 0) {
                break;
            }
            send(&c, &lines[sent++]);
            rb_doorbell_ring(c.p.doorbell, 0);
        }
        rb_message answers[64];
        int64_t got = rb_multicast_poll(&c.reader, answers, 64);
        EXPECT(got >= 0);
        now = ticks() - start;
        for (int64_t i = 0; i < got; i++) {
            if (is_first) {
                samples[answered] = now - when[answered];
                answered++;
            }
            is_first = (answers[i].header.flags & RB_FLAG_LAST_OF_GROUP) != 0;
        }
    }
    double rate = (double)count * 1e3 / (double)(now_ns() - start_ns);
    rb_core_page_stop(c.p.page);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
    free_pipeline(&c.p);
    return rate;
}

/* Times of a Poisson process of `rate` per microsecond. */
static void draw_times(uint64_t *when, uint64_t count, double rate, double ns_per_tick)
{
    uint64_t random = 88172645463325252u;
    double at = 0;
    for (uint64_t n = 0; n < count; n++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        at -= log((double)((random >> 11) + 1) * 0x1p-53) * 1e3 / rate / ns_per_tick;
        when[n] = (uint64_t)at;
    }
}

static void bench_open_loop(const rb_message *lines, int rounds, uint64_t count)
{
    static figure capacity, p50[LOADS], p99[LOADS], p999[LOADS], p9999[LOADS];
    static figure *percentiles[] = {p50, p99, p999, p9999};
    static const char *const names[] = {"p50", "p99", "p99.9", "p99.99"};
    static const uint64_t per_10000[] = {5000, 9900, 9990, 9999};
    uint64_t *when = calloc(count, sizeof *when);
    uint64_t *samples = calloc(count, sizeof *samples);
    EXPECT(when != NULL);
    EXPECT(samples != NULL);
    pin(client_cpu);
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (int round = 0; round < rounds; round++) {
        memset(when, 0, count * sizeof *when);
        double most = run(lines, count, when, samples);
        note(&capacity, most);
        double ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
        for (int load = 0; load < LOADS; load++) {
            draw_times(when, count, most * load_percent[load] / 100, ns_per_tick);
            (void)run(lines, count, when, samples);
            qsort(samples, count, sizeof *samples, compare_ticks);
            for (size_t n = 0; n < 4; n++) {
                uint64_t at = count * per_10000[n] / 10000;
                note(&percentiles[n][load], (double)samples[at] * ns_per_tick);
            }
        }
    }
    print("capacity, client and engine", &capacity, "M/s");
    for (int load = 0; load < LOADS; load++) {
        for (size_t n = 0; n < 4; n++) {
            char name[64];
            (void)snprintf(name, sizeof name, "at %d %% of it, %s", load_percent[load], names[n]);
            print(name, &percentiles[n][load], "ns");
        }
    }
    free(when);
    free(samples);
}

/* --- two cores
 * ------------------------------------------------------------------------------------ */

typedef struct half {
    engine *e;
    uint64_t count;
    uint64_t end_ns;
    uint64_t *done;
    pthread_t thread;
} half;

static void work(engine *e, uint32_t agent)
{
    EXPECT(e->core.agents[agent].work(e->core.agents[agent].state, BATCH) >= 0);
}

static void *back_main(void *argument)
{
    half *h = argument;
    pin(client_cpu);
    /* The publisher's input is the one that it waits for; the first is 1. */
    while (h->e->publisher.input <= h->count) {
        work(h->e, 1);
        work(h->e, 2);
    }
    h->end_ns = now_ns();
    /* B1 release; pairs with B2 in two_cores: all is on the stream. */
    rb_store_release(h->done, 1);
    return NULL;
}

/* Lane and sequencer on one core, shard and publisher on the other; in million a second. Each has
 * an engine of its own and uses its share of the agents. */
static double two_cores(const rb_message *lines, uint64_t count)
{
    client c = {.p = make_pipeline()};
    pipeline again = make_pipeline();
    pipeline behind = c.p;
    behind.page = again.page;
    behind.bells = again.bells;
    engine *front = make_engine(&c.p);
    uint64_t done = 0;
    half back = {.e = make_engine(&behind), .count = count, .done = &done};
    attach(&c);
    prefault_pipeline(&c.p);
    EXPECT(pthread_create(&back.thread, NULL, back_main, &back) == 0);
    uint64_t start_ns = now_ns();
    uint64_t sent = 0;
    /* B2 acquire; pairs with B1 in back_main. */
    while (rb_load_acquire(&done) == 0) {
        int added = 0;
        for (; added < BATCH && sent < count && rb_lane_room(&c.lane, 1) > 0; added++) {
            send(&c, &lines[sent++]);
        }
        if (added > 0) {
            rb_doorbell_ring(c.p.doorbell, 0);
        }
        work(front, 0);
    }
    EXPECT(pthread_join(back.thread, NULL) == 0);
    free_pipeline(&c.p);
    free_pipeline(&again);
    return (double)count * 1e3 / (double)(back.end_ns - start_ns);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 400000;
    engine_cpu = argc > 3 ? strtoull(argv[3], NULL, 10) : engine_cpu;
    client_cpu = argc > 4 ? strtoull(argv[4], NULL, 10) : client_cpu;
    if (rounds < 1 || rounds > ROUNDS_MAX || count < 1000) {
        (void)fprintf(stderr, "usage: bench_latency [rounds 1..64] [proposals a run >= 1000] "
                              "[engine CPU] [client CPU]\n");
        return 2;
    }
    rb_message *lines = huge(count * sizeof *lines);
    uint32_t hash = make_proposals(lines, count);
    record_result("open loop", hash);
    (void)printf("open loop: result hash %08x, %llu proposals\n", hash, (unsigned long long)count);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        (void)printf("engine and client need two CPUs; this machine has one\n");
        return 0;
    }
    bench_open_loop(lines, rounds, count);
    static figure both;
    for (int round = 0; round < rounds; round++) {
        pin(engine_cpu);
        note(&both, two_cores(lines, count));
    }
    print("engine on two cores", &both, "M/s");
    free(lines);
    return 0;
}
