/*
 * The two figures of the pipeline, beside what the hardware costs in the same run.
 *
 * Round trip: a proposal from one process over a lane to the engine (sequencer, shard with its book
 * and publisher, all on one other CPU) and back on the stream, one in flight; and the bare round
 * trip of one cache line between the same two CPUs, before and after.
 *
 * Fused: proposals per second from a lane to the stream, engine on one CPU, and what each of the
 * three agents takes of it.
 *
 * usage: bench_engine [rounds] [round trips a round] [fused proposals] [engine CPU] [client CPU]
 * Prints one `name value unit` line a figure; medians over rounds, with the lowest and highest
 * round.
 */
#include <string.h>

#include "engine/publisher.h"
#include "engine/sequencer.h"
#include "engine/shard.h"
#include "ringbus/crc32c.h"
#include "tests/bench/bench.h"

enum {
    LANE = 4096,
    STREAM = 65536,
    TOPICS = 4,
    INSTRUMENTS = 8,
    ORDERS = 1 << 16,
    NODES = 1 << 12,
    BATCH = 32,
};

static size_t engine_cpu = 0;
static size_t client_cpu = 1;

typedef struct pipeline {
    void *doorbell;
    void *contributor;
    void *in;
    void *out;
    void *ring;
    void *readers;
    void *bells;
    void *page;
} pipeline;

static pipeline make_pipeline(void)
{
    pipeline p = {
        .doorbell = shared(rb_doorbell_bytes()),
        .contributor = shared(rb_lane_bytes(LANE)),
        .in = shared(rb_lane_bytes(LANE)),
        .out = shared(rb_lane_bytes(LANE)),
        .ring = shared(rb_multicast_bytes(STREAM)),
        .readers = shared(rb_readers_bytes()),
        .bells = shared(rb_bells_bytes()),
        .page = shared(rb_core_page_bytes()),
    };
    EXPECT(rb_doorbell_init(p.doorbell, rb_doorbell_bytes(), "bench") == RB_OK);
    EXPECT(rb_lane_init(p.contributor, rb_lane_bytes(LANE), LANE, "contributor") == RB_OK);
    EXPECT(rb_lane_init(p.in, rb_lane_bytes(LANE), LANE, "in") == RB_OK);
    EXPECT(rb_lane_init(p.out, rb_lane_bytes(LANE), LANE, "out") == RB_OK);
    EXPECT(rb_multicast_init(p.ring, rb_multicast_bytes(STREAM), STREAM, "stream") == RB_OK);
    EXPECT(rb_readers_init(p.readers, rb_readers_bytes(), "stream") == RB_OK);
    EXPECT(rb_bells_init(p.bells, rb_bells_bytes(), "bench") == RB_OK);
    EXPECT(rb_core_page_init(p.page, rb_core_page_bytes(), "bench") == RB_OK);
    return p;
}

static void prefault_pipeline(const pipeline *p)
{
    prefault(p->contributor, rb_lane_bytes(LANE));
    prefault(p->in, rb_lane_bytes(LANE));
    prefault(p->out, rb_lane_bytes(LANE));
    prefault(p->ring, rb_multicast_bytes(STREAM));
}

/* The engine of one core, over a pipeline. */
typedef struct engine {
    rb_idle idle;
    rb_core core;
    eng_sequencer sequencer;
    eng_shard shard;
    eng_publisher publisher;
    uint32_t topics[TOPICS];
    uint8_t shard_of[INSTRUMENTS];
} engine;

static void add(rb_core *core, const char *name, void *work, void *state)
{
    EXPECT(rb_core_add(core, name, work, state, NULL) == RB_OK);
}

static engine *make_engine(const pipeline *p)
{
    engine *e = calloc(1, sizeof *e);
    EXPECT(e != NULL);
    EXPECT(rb_idle_attach(&e->idle, p->bells, rb_bells_bytes(), "engine", RB_IDLE_SPIN, -1, 0) ==
           RB_OK);
    EXPECT(rb_core_attach(&e->core, p->page, rb_core_page_bytes(), &e->idle, RB_CLOCK_REAL, 0) ==
           RB_OK);
    void *clock = rb_core_clock(&e->core);
    void *wake = rb_core_wake(&e->core);
    EXPECT(eng_sequencer_init(&e->sequencer, p->doorbell, e->shard_of, INSTRUMENTS, TOPICS, clock,
                              wake) == RB_OK);
    EXPECT(eng_sequencer_add_contributor(&e->sequencer, p->contributor, rb_lane_bytes(LANE)) ==
           RB_OK);
    EXPECT(eng_sequencer_add_shard(&e->sequencer, p->in, rb_lane_bytes(LANE), 0) == RB_OK);
    void *book = eng_book_create(INSTRUMENTS, ORDERS, NODES);
    EXPECT(book != NULL);
    EXPECT(eng_shard_init(&e->shard, 0, p->in, rb_lane_bytes(LANE), p->out, rb_lane_bytes(LANE),
                          book, e->topics, TOPICS, clock, wake, 0) == RB_OK);
    EXPECT(eng_publisher_init(&e->publisher, p->ring, rb_multicast_bytes(STREAM), p->readers,
                              rb_readers_bytes(), clock, wake) == RB_OK);
    EXPECT(eng_publisher_add_shard(&e->publisher, p->out, rb_lane_bytes(LANE)) == RB_OK);
    add(&e->core, "sequencer", eng_sequencer_work_function(), &e->sequencer);
    add(&e->core, "shard.0", eng_shard_work_function(), &e->shard);
    add(&e->core, "publisher", eng_publisher_work_function(), &e->publisher);
    return e;
}

/* --- what a client says: orders near a price, most of them canceled later
 * ------------------------- */

typedef struct flow {
    uint64_t random;
    uint32_t client_order_id;
    uint32_t topic_sequence;
    uint32_t resting_count;
    struct {
        uint32_t locate;
        uint32_t client_order_id;
        uint32_t instrument;
    } resting[ORDERS];
} flow;

static uint32_t draw(flow *f, uint32_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (uint32_t)((f->random >> 32) * below >> 32);
}

static void new_order(flow *f, rb_message *message, int aggressive)
{
    uint8_t side = (uint8_t)(1 + draw(f, 2));
    int32_t away = 1 + (int32_t)draw(f, 10);
    if (aggressive) {
        away = -5;
    }
    rb_new_order *order = &message->new_order;
    order->header.template_id = RB_TEMPLATE_NEW_ORDER;
    order->instrument = draw(f, INSTRUMENTS);
    order->price_ticks = side == RB_SIDE_BUY ? 10000 - away : 10000 + away;
    order->quantity = 100 * (1 + draw(f, 9));
    order->client_order_id = ++f->client_order_id;
    order->side = side;
    order->time_in_force = aggressive ? RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL : RB_TIME_IN_FORCE_DAY;
}

static void cancel(flow *f, rb_message *message)
{
    uint32_t n = draw(f, f->resting_count);
    rb_cancel *request = &message->cancel;
    request->header.template_id = RB_TEMPLATE_CANCEL;
    request->instrument = f->resting[n].instrument;
    request->locate = f->resting[n].locate;
    request->client_order_id = f->resting[n].client_order_id;
    request->quantity = 100;
    f->resting[n] = f->resting[--f->resting_count];
}

/* `aggressive`: it trades, which takes numbers of the topic, so nothing may be in flight behind it.
 */
static void next_message(flow *f, rb_message *message, int aggressive)
{
    memset(message, 0, sizeof *message);
    uint32_t dice = draw(f, 100);
    if (!aggressive && f->resting_count > 100 && (dice < 48 || f->resting_count > ORDERS / 4)) {
        cancel(f, message);
    } else {
        new_order(f, message, aggressive);
    }
    message->header.topic = 1;
    message->header.flags = RB_FLAG_LAST_OF_GROUP;
}

static void learn(flow *f, const rb_message *message)
{
    if (message->header.topic == 1) {
        f->topic_sequence = message->header.topic_sequence;
    }
    if (message->header.template_id == RB_TEMPLATE_NEW_ORDER && message->new_order.locate != 0 &&
        f->resting_count < ORDERS) {
        f->resting[f->resting_count].locate = message->new_order.locate;
        f->resting[f->resting_count].client_order_id = message->new_order.client_order_id;
        f->resting[f->resting_count].instrument = message->new_order.instrument;
        f->resting_count++;
    }
}

static void print(const char *name, figure *f, const char *unit)
{
    double middle = median(f);
    (void)printf("%-34s %10.1f %-10s (rounds %.1f .. %.1f)\n", name, middle, unit, f->values[0],
                 f->values[f->count - 1]);
    (void)fflush(stdout);
}

/* --- round trips
 * ---------------------------------------------------------------------------------- */

static spread pipelined(uint64_t *samples, uint64_t trips)
{
    pipeline p = make_pipeline();
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        pin(engine_cpu);
        prefault_pipeline(&p);
        engine *e = make_engine(&p);
        _exit(rb_core_run(&e->core) == RB_OK ? 0 : 1);
    }
    while (rb_core_page_state(p.page) != RB_CORE_RUNNING) {
        rb_pause();
    }
    flow *f = calloc(1, sizeof *f);
    EXPECT(f != NULL);
    f->random = 88172645463325252u;
    rb_lane lane;
    rb_reader reader;
    EXPECT(rb_lane_attach(&lane, p.contributor, rb_lane_bytes(LANE)) == RB_OK);
    EXPECT(rb_multicast_reader_attach(&reader, p.ring, rb_multicast_bytes(STREAM), 1) == RB_OK);
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (uint64_t n = 0; n < trips; n++) {
        rb_message message;
        rb_message answers[64];
        next_message(f, &message, n % BATCH == BATCH - 1);
        message.header.topic_sequence = f->topic_sequence + 1;
        uint64_t sent = ticks();
        memcpy(rb_lane_slot(&lane, 0)->words + 1, message.words + 1, 56);
        EXPECT(rb_lane_room(&lane, 1) > 0);
        rb_lane_commit(&lane, 1);
        rb_doorbell_ring(p.doorbell, 0);
        int64_t count = 0;
        while (count == 0) {
            rb_lane_warm(&lane);
            count = rb_multicast_poll(&reader, answers, 1);
        }
        samples[n] = ticks() - sent;
        /* The rest of the group, untimed: every message of the group is read before the next. */
        for (;;) {
            EXPECT(count >= 0);
            for (int64_t i = 0; i < count; i++) {
                learn(f, &answers[i]);
            }
            if (count > 0 && (answers[count - 1].header.flags & RB_FLAG_LAST_OF_GROUP)) {
                break;
            }
            count = rb_multicast_poll(&reader, answers, 64);
        }
    }
    double ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    rb_core_page_stop(p.page);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
    free(f);
    return spread_of(samples, trips, ns_per_tick);
}

static void bench_roundtrip(int rounds, uint64_t trips)
{
    static figure bare_50, bare_99, pipe_50, pipe_99, pipe_999, ratio;
    uint64_t *samples = calloc(trips, sizeof *samples);
    uint64_t *line = shared(4096);
    EXPECT(samples != NULL);
    pin(client_cpu);
    int thrown_away = 0;
    for (int round = 0; round < rounds; round++) {
        spread before = bare(line, samples, trips, engine_cpu);
        spread pipe = pipelined(samples, trips);
        spread after = bare(line, samples, trips, engine_cpu);
        if (has_moved(before, after) && thrown_away < rounds) {
            thrown_away++;
            round--;
            continue;
        }
        int n = bare_50.count;
        bare_50.values[n] = (before.p50 + after.p50) / 2;
        bare_99.values[n] = (before.p99 + after.p99) / 2;
        pipe_50.values[n] = pipe.p50;
        pipe_99.values[n] = pipe.p99;
        pipe_999.values[n] = pipe.p999;
        ratio.values[n] = 100 * pipe.p50 / bare_50.values[n];
        bare_50.count = bare_99.count = pipe_50.count = pipe_99.count = pipe_999.count =
            ratio.count = n + 1;
    }
    (void)printf("rounds thrown away because the bare line moved by more than 20 %%: %d\n",
                 thrown_away);
    print("bare cache line, round trip p50", &bare_50, "ns");
    print("bare cache line, round trip p99", &bare_99, "ns");
    print("proposal to stream and back p50", &pipe_50, "ns");
    print("proposal to stream and back p99", &pipe_99, "ns");
    print("proposal to stream and back p99.9", &pipe_999, "ns");
    print("p50 against the bare line", &ratio, "%");
    free(samples);
}

/* --- fused
 * ---------------------------------------------------------------------------------------- */

/* Fills the lane (untimed), then times each agent until all is on the stream. */
static uint32_t fused_run(uint64_t proposals, double *agent_ns, double *elapsed_ns, uint64_t *lines)
{
    pipeline p = make_pipeline();
    engine *e = make_engine(&p);
    flow *f = calloc(1, sizeof *f);
    rb_message *batch = calloc(STREAM, sizeof *batch);
    EXPECT(f != NULL && batch != NULL);
    f->random = 88172645463325252u;
    /* Manual time: the stream, and so its hash, is a function of the flow alone. */
    e->core.clock.mode = RB_CLOCK_MANUAL;
    rb_lane lane;
    rb_reader reader;
    EXPECT(rb_lane_attach(&lane, p.contributor, rb_lane_bytes(LANE)) == RB_OK);
    EXPECT(rb_multicast_reader_attach(&reader, p.ring, rb_multicast_bytes(STREAM), 1) == RB_OK);
    uint64_t spent[3] = {0, 0, 0};
    uint64_t spent_ns = 0;
    uint32_t hash = 0;
    uint32_t shown_sequence = 0;
    for (uint64_t done = 0; done < proposals;) {
        for (int n = 0; n < BATCH; n++) {
            rb_message *slot = rb_lane_slot(&lane, (uint64_t)n);
            uint64_t guard = slot->header.sequence;
            next_message(f, slot, n == BATCH - 1);
            slot->header.sequence = guard;
            /* Many in flight: each takes the topic number behind the one before. */
            slot->header.topic_sequence = ++shown_sequence;
        }
        EXPECT(rb_lane_room(&lane, BATCH) >= BATCH);
        rb_lane_commit(&lane, BATCH);
        rb_doorbell_ring(p.doorbell, 0);
        done += BATCH;
        uint64_t start_ns = now_ns();
        int64_t work = 1;
        while (work > 0) {
            work = 0;
            for (uint32_t a = 0; a < 3; a++) {
                uint64_t start = ticks();
                int64_t count = e->core.agents[a].work(e->core.agents[a].state, BATCH);
                spent[a] += ticks() - start;
                EXPECT(count >= 0);
                work += count;
            }
        }
        spent_ns += now_ns() - start_ns;
        for (;;) {
            int64_t count = rb_multicast_poll(&reader, batch, STREAM);
            EXPECT(count >= 0);
            if (count == 0) {
                break;
            }
            for (int64_t i = 0; i < count; i++) {
                learn(f, &batch[i]);
                hash = hash * 31 + batch[i].header.checksum;
            }
            *lines += (uint64_t)count;
        }
        shown_sequence = f->topic_sequence;
    }
    uint64_t all = spent[0] + spent[1] + spent[2];
    for (int a = 0; a < 3; a++) {
        agent_ns[a] = (double)spent_ns * (double)spent[a] / (double)all / (double)proposals;
    }
    *elapsed_ns = (double)spent_ns;
    free(batch);
    free(f);
    return hash;
}

static void bench_fused(int rounds, uint64_t proposals)
{
    static figure rate, agents[3];
    pin(engine_cpu);
    uint64_t lines = 0;
    for (int round = 0; round < rounds; round++) {
        double agent_ns[3];
        double elapsed_ns = 0;
        lines = 0;
        uint32_t hash = fused_run(proposals, agent_ns, &elapsed_ns, &lines);
        if (round == 0) {
            (void)printf("fused: result hash %08x, %llu proposals, %llu messages on the stream\n",
                         hash, (unsigned long long)proposals, (unsigned long long)lines);
        }
        rate.values[rate.count++] = (double)proposals / elapsed_ns * 1e3;
        for (int a = 0; a < 3; a++) {
            agents[a].values[agents[a].count++] = agent_ns[a];
        }
    }
    print("fused engine on one core", &rate, "M/s");
    print("  sequencer", &agents[0], "ns each");
    print("  shard and book", &agents[1], "ns each");
    print("  publisher", &agents[2], "ns each");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    uint64_t trips = argc > 2 ? strtoull(argv[2], NULL, 10) : 200000;
    uint64_t proposals = argc > 3 ? strtoull(argv[3], NULL, 10) : 4000000;
    engine_cpu = argc > 4 ? strtoull(argv[4], NULL, 10) : engine_cpu;
    client_cpu = argc > 5 ? strtoull(argv[5], NULL, 10) : client_cpu;
    if (rounds < 1 || rounds > ROUNDS_MAX || trips < 1000 || proposals < BATCH) {
        (void)fprintf(stderr, "usage: bench_engine [rounds 1..64] [round trips >= 1000] "
                              "[fused proposals >= 32] [engine CPU] [client CPU]\n");
        return 2;
    }
    bench_fused(rounds, proposals / BATCH * BATCH);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        (void)printf("round trips need two CPUs; this machine has one\n");
        return 0;
    }
    bench_roundtrip(rounds, trips);
    return 0;
}
