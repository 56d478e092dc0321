/*
 * What shards cost and what one slow shard costs the others.
 *
 * Stages: the engine in one thread with 1 to 16 shards; what sequencer, shards and publisher take
 * of each proposal, by the lines of proposal and answer. The median of all batches: some of them
 * meet with something else on the CPU.
 *
 * Slow shard: the same agents in virtual time. Each has a core of its own that is busy for a fixed
 * time a step; one shard takes k times as long as the others, or stands still once. Four
 * contributors, one a shard, offer proposals at random times (open loop: waiting counts from when a
 * proposal was to be sent). The result is the same on every machine: it shows what waiting in order
 * does, not what this machine does.
 *
 * usage: bench_shards [rounds] [proposals]
 */
#include <string.h>

#include "engine/publisher.h"
#include "engine/sequencer.h"
#include "engine/shard.h"
#include "ringbus/crc32c.h"
#include "tests/bench/bench.h"

enum {
    SHARDS_MAX = ENG_SHARDS_MAX,
    LANE_MAX = 4096,
    STREAM = 1 << 14,
    TOPICS = SHARDS_MAX + 1,
    ORDERS = 1 << 10,
    NODES = 1 << 10,
    BATCH = 64,
    FLOWS = 4, /* contributors of the slow shard's runs, one a shard */
};

/* --- the engine
 * ----------------------------------------------------------------------------------- */

typedef struct engine {
    uint32_t shards;
    uint32_t contributors;
    uint64_t slots[2]; /* of lanes to shards, and from them */
    rb_clock clock;
    rb_wake wake;
    void *doorbell;
    void *lanes[FLOWS];
    void *in[SHARDS_MAX];
    void *out[SHARDS_MAX];
    void *ring;
    void *readers;
    eng_book *books[SHARDS_MAX];
    uint32_t topics[SHARDS_MAX][TOPICS];
    uint8_t shard_of[SHARDS_MAX];
    eng_sequencer sequencer;
    eng_shard shard[SHARDS_MAX];
    eng_publisher publisher;
    rb_lane producers[FLOWS];
    rb_reader reader;
} engine;

static void *make_lane(uint64_t slots)
{
    void *memory = shared(rb_lane_bytes(slots));
    EXPECT(rb_lane_init(memory, rb_lane_bytes(slots), slots, "lane") == RB_OK);
    return memory;
}

static void make_sequencer(engine *e)
{
    for (uint32_t n = 0; n < e->shards; n++) {
        e->shard_of[n] = (uint8_t)n;
    }
    EXPECT(eng_sequencer_init(&e->sequencer, e->doorbell, e->shard_of, NULL, e->shards, TOPICS,
                              &e->clock, &e->wake) == RB_OK);
    for (uint32_t n = 0; n < e->contributors; n++) {
        size_t bytes = rb_lane_bytes(LANE_MAX);
        e->lanes[n] = make_lane(LANE_MAX);
        EXPECT(eng_sequencer_add_contributor(&e->sequencer, e->lanes[n], bytes) == RB_OK);
        EXPECT(rb_lane_attach(&e->producers[n], e->lanes[n], bytes) == RB_OK);
    }
}

static void make_shard(engine *e, uint32_t n)
{
    size_t in_bytes = rb_lane_bytes(e->slots[0]);
    size_t out_bytes = rb_lane_bytes(e->slots[1]);
    e->in[n] = make_lane(e->slots[0]);
    e->out[n] = make_lane(e->slots[1]);
    e->books[n] = eng_book_create(e->shards, ORDERS, NODES);
    EXPECT(e->books[n] != NULL);
    EXPECT(eng_sequencer_add_shard(&e->sequencer, e->in[n], in_bytes, 0) == RB_OK);
    EXPECT(eng_shard_init(&e->shard[n], (uint8_t)n, e->in[n], in_bytes, e->out[n], out_bytes,
                          e->books[n], e->topics[n], TOPICS, &e->clock, &e->wake, 0) == RB_OK);
    EXPECT(eng_publisher_add_shard(&e->publisher, e->out[n], out_bytes) == RB_OK);
}

static engine *make_engine(uint32_t shards, uint32_t contributors, uint64_t in_slots,
                           uint64_t out_slots)
{
    engine *e = calloc(1, sizeof *e);
    EXPECT(e != NULL);
    e->shards = shards;
    e->contributors = contributors;
    e->slots[0] = in_slots;
    e->slots[1] = out_slots;
    /* Manual time: the stream, and so its hash, is a function of the input alone. */
    e->clock.mode = RB_CLOCK_MANUAL;
    e->doorbell = shared(rb_doorbell_bytes());
    e->ring = shared(rb_multicast_bytes(STREAM));
    e->readers = shared(rb_readers_bytes());
    EXPECT(rb_doorbell_init(e->doorbell, rb_doorbell_bytes(), "bench") == RB_OK);
    EXPECT(rb_multicast_init(e->ring, rb_multicast_bytes(STREAM), STREAM, "stream") == RB_OK);
    EXPECT(rb_readers_init(e->readers, rb_readers_bytes(), "stream") == RB_OK);
    make_sequencer(e);
    EXPECT(eng_publisher_init(&e->publisher, e->ring, rb_multicast_bytes(STREAM), e->readers,
                              rb_readers_bytes(), &e->clock, &e->wake) == RB_OK);
    for (uint32_t n = 0; n < shards; n++) {
        make_shard(e, n);
    }
    EXPECT(rb_multicast_reader_attach(&e->reader, e->ring, rb_multicast_bytes(STREAM), 1) == RB_OK);
    return e;
}

static void destroy(engine *e)
{
    for (uint32_t n = 0; n < e->shards; n++) {
        eng_book_destroy(e->books[n]);
        EXPECT(munmap(e->in[n], rb_lane_bytes(e->slots[0])) == 0);
        EXPECT(munmap(e->out[n], rb_lane_bytes(e->slots[1])) == 0);
    }
    for (uint32_t n = 0; n < e->contributors; n++) {
        EXPECT(munmap(e->lanes[n], rb_lane_bytes(LANE_MAX)) == 0);
    }
    EXPECT(munmap(e->doorbell, rb_doorbell_bytes()) == 0);
    EXPECT(munmap(e->ring, rb_multicast_bytes(STREAM)) == 0);
    EXPECT(munmap(e->readers, rb_readers_bytes()) == 0);
    free(e);
}

/* --- what is proposed
 * ----------------------------------------------------------------------------- */

enum shape {
    EVENT,     /* one line that no book sees */
    ORDER,     /* an order that meets nothing: itself and Canceled */
    TAGGED,    /* the same with a tag */
    LEGS,      /* the longest proposal, refused: ten lines each way */
    BROADCAST, /* a MassCancel to all shards; nothing is open */
    SHAPES,
};

static const struct {
    const char *name;
    uint32_t lines;
    uint32_t numbers; /* of the topic, that it takes */
} shapes[SHAPES] = {
    [EVENT] = {"event, 1 line and 1 in answer", 1, 1},
    [ORDER] = {"order, 1 line and 2 in answer", 1, 2},
    [TAGGED] = {"order with tag, 2 lines and 3", 2, 2},
    [LEGS] = {"refused legs, 10 lines and 10", 10, 1},
    [BROADCAST] = {"broadcast, 1 line and 1", 1, 1},
};

/* The n-th proposal on the topic of an instrument, from 0. */
static void draw_up(rb_message *lines, enum shape shape, uint32_t instrument, uint64_t n)
{
    memset(lines, 0, shapes[shape].lines * sizeof *lines);
    for (uint32_t line = 0; line < shapes[shape].lines; line++) {
        lines[line].header.template_id = RB_TEMPLATE_LEG;
        lines[line].header.flags = line + 1 < shapes[shape].lines ? RB_FLAG_CONTINUED : 0;
    }
    rb_header *header = &lines->header;
    header->topic = (uint16_t)(1 + instrument);
    header->topic_sequence = (uint32_t)(n * shapes[shape].numbers + 1);
    lines->any.instrument = instrument;
    switch (shape) {
    case ORDER:
    case TAGGED:
        header->template_id = RB_TEMPLATE_NEW_ORDER;
        lines->new_order.side = RB_SIDE_BUY;
        lines->new_order.price_ticks = 1000;
        lines->new_order.quantity = 1;
        lines->new_order.client_order_id = (uint32_t)n + 1;
        lines->new_order.time_in_force = RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
        lines[shapes[shape].lines - 1].header.template_id =
            shape == TAGGED ? RB_TEMPLATE_ORDER_TAG : RB_TEMPLATE_NEW_ORDER;
        break;
    case LEGS:
        header->template_id = RB_TEMPLATE_MULTI_LEG_ORDER;
        break;
    case BROADCAST:
        header->template_id = RB_TEMPLATE_MASS_CANCEL;
        lines->mass_cancel.scope = RB_MASS_CANCEL_SCOPE_EVERYTHING;
        lines->mass_cancel.instrument = RB_INSTRUMENT_NONE;
        break;
    default:
        header->template_id = RB_TEMPLATE_SESSION_EVENT;
        break;
    }
}

/* --- what each stage takes
 * ------------------------------------------------------------------------ */

/* Of sequencer, shards and publisher. */
enum { STAGES = 3 };

static uint64_t timed(int64_t (*work)(void *, int64_t), void *state, int64_t *total)
{
    uint64_t start = ticks();
    int64_t done = work(state, BATCH);
    EXPECT(done >= 0);
    *total += done;
    return ticks() - start;
}

static uint32_t read_stream(engine *e, uint32_t hash)
{
    static rb_message lines[STREAM];
    int64_t count;
    while ((count = rb_multicast_poll(&e->reader, lines, STREAM)) > 0) {
        for (int64_t n = 0; n < count; n++) {
            hash = hash * 31 + lines[n].header.checksum;
        }
    }
    EXPECT(count == 0);
    return hash;
}

/* Puts batches onto the lane (untimed) and times each agent until all of one is on the stream. */
static uint32_t run_stages(uint32_t shards, enum shape shape, uint64_t batches,
                           uint64_t *samples[STAGES], double *ns_per_tick)
{
    engine *e = make_engine(shards, 1, LANE_MAX, LANE_MAX);
    rb_message lines[ENG_GROUP_LINES_MAX];
    uint32_t hash = 0;
    uint64_t start = ticks();
    uint64_t start_ns = now_ns();
    for (uint64_t batch = 0; batch < batches; batch++) {
        for (uint64_t n = batch * BATCH; n < (batch + 1) * BATCH; n++) {
            draw_up(lines, shape, (uint32_t)(n % shards), n / shards);
            EXPECT(rb_lane_offer(&e->producers[0], lines, shapes[shape].lines) > 0);
        }
        rb_doorbell_ring(e->doorbell, 0);
        uint64_t spent[STAGES] = {0, 0, 0};
        int64_t work = 1;
        while (work > 0) {
            work = 0;
            spent[0] += timed(eng_sequencer_work, &e->sequencer, &work);
            for (uint32_t n = 0; n < shards; n++) {
                spent[1] += timed(eng_shard_work, &e->shard[n], &work);
            }
            spent[2] += timed(eng_publisher_work, &e->publisher, &work);
        }
        for (uint32_t n = 0; n < STAGES; n++) {
            samples[n][batch] = spent[n];
        }
        hash = read_stream(e, hash);
    }
    *ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    destroy(e);
    return hash;
}

/* Half of what the slowest of the stages can do, M proposals/s. */
static double half_capacity(const double ns[STAGES], uint32_t shards)
{
    double slowest = ns[0] > ns[2] ? ns[0] : ns[2];
    double one_shard = ns[1] / shards;
    return 500 / (slowest > one_shard ? slowest : one_shard);
}

static void bench_stages(int rounds, uint64_t proposals)
{
    uint64_t batches = proposals / BATCH;
    uint64_t *samples[STAGES];
    for (uint32_t n = 0; n < STAGES; n++) {
        samples[n] = calloc(batches, sizeof *samples[n]);
        EXPECT(samples[n] != NULL);
    }
    (void)printf(
        "ns a proposal, all shards together; the last column is what the stages on cores of "
        "their own can do\nat half their capacity (R15 wants 3 M/s)\n");
    (void)printf("%-32s %6s %10s %10s %10s %10s  %s\n", "proposal", "shards", "sequencer", "shards",
                 "publisher", "M/s", "hash");
    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        for (uint32_t shards = 1; shards <= SHARDS_MAX; shards *= 2) {
            static figure f[STAGES];
            double ns[STAGES];
            uint32_t hash = 0;
            memset(f, 0, sizeof f);
            for (int round = 0; round < rounds; round++) {
                double ns_per_tick;
                hash = run_stages(shards, (enum shape)shape, batches, samples, &ns_per_tick);
                for (uint32_t n = 0; n < STAGES; n++) {
                    note(&f[n], spread_of(samples[n], batches, ns_per_tick).p50 / BATCH);
                }
            }
            for (uint32_t n = 0; n < STAGES; n++) {
                ns[n] = median(&f[n]);
            }
            (void)printf("%-32s %6u %10.1f %10.1f %10.1f %10.1f  %08x\n", shapes[shape].name,
                         shards, ns[0], ns[1], ns[2], half_capacity(ns, shards), hash);
            (void)fflush(stdout);
        }
    }
    for (uint32_t n = 0; n < STAGES; n++) {
        free(samples[n]);
    }
}

/* --- one slow shard
 * ------------------------------------------------------------------------------- */

enum {
    TICK_NS = 5,
    SEQUENCER_NS = 15,
    SHARD_NS = 60,
    PUBLISHER_NS = 10, /* a line; an order has two */
    SLOW = 3,          /* the shard that is */
};

typedef struct slow_run {
    engine *engine;
    uint64_t random;
    uint64_t proposals; /* of each contributor */
    uint64_t every;     /* ticks between two proposals of a contributor, on average */
    uint64_t slow_ns;   /* a step of the slow shard */
    uint64_t stall_ns;  /* it stands still for so long, */
    uint64_t stall_at;  /* behind so many proposals of its contributor */
    uint64_t stalled_until_ns;
    uint64_t due[FLOWS];
    uint64_t sent[FLOWS];
    uint64_t heard[FLOWS];
    uint64_t *due_ns[FLOWS];
    uint64_t *waited_ns[FLOWS];
    uint64_t busy_until_ns[FLOWS + 2];
    uint64_t deepest; /* lane to the publisher of a shard that is not slow */
    uint32_t hash;
} slow_run;

static uint32_t draw(slow_run *r, uint32_t below)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return (uint32_t)((r->random >> 32) * below >> 32);
}

static void send(slow_run *r, uint64_t time_ns)
{
    for (uint32_t n = 0; n < FLOWS; n++) {
        if (r->due[n] < r->proposals && draw(r, (uint32_t)r->every) == 0) {
            r->due_ns[n][r->due[n]++] = time_ns;
        }
        rb_message line;
        draw_up(&line, ORDER, n, r->sent[n]);
        if (r->sent[n] < r->due[n] && rb_lane_offer(&r->engine->producers[n], &line, 1) == 1) {
            rb_doorbell_ring(r->engine->doorbell, n);
            r->sent[n]++;
        }
    }
}

static void hear(slow_run *r, uint64_t time_ns)
{
    rb_message line;
    while (rb_multicast_poll(&r->engine->reader, &line, 1) == 1) {
        r->hash = r->hash * 31 + line.header.checksum;
        if (line.header.template_id == RB_TEMPLATE_NEW_ORDER) {
            uint32_t n = line.header.topic - 1u;
            uint64_t place = r->heard[n]++;
            r->waited_ns[n][place] = time_ns - r->due_ns[n][place];
        }
    }
    if (r->heard[SLOW] >= r->stall_at && r->stalled_until_ns == 0) {
        r->stalled_until_ns = time_ns + r->stall_ns;
    }
}

/* One step of an agent, if its core is free. What comes of it is seen at once: steps do not count
 * as waiting. */
static void step(slow_run *r, uint32_t n, uint64_t time_ns)
{
    engine *e = r->engine;
    if (time_ns < r->busy_until_ns[n] || (n == SLOW && time_ns < r->stalled_until_ns)) {
        return;
    }
    int64_t done;
    uint64_t cost_ns = n == SLOW ? r->slow_ns : SHARD_NS;
    if (n < FLOWS) {
        done = eng_shard_work(&e->shard[n], 1);
    } else if (n == FLOWS) {
        cost_ns = SEQUENCER_NS;
        done = eng_sequencer_work(&e->sequencer, 1);
    } else {
        cost_ns = PUBLISHER_NS;
        done = eng_publisher_work(&e->publisher, 1);
    }
    EXPECT(done >= 0);
    r->busy_until_ns[n] = done > 0 ? time_ns + cost_ns : 0;
}

/* Returns how long it took. */
static uint64_t run_slow(slow_run *r)
{
    uint64_t time_ns = TICK_NS;
    for (uint64_t left = 1; left > 0; time_ns += TICK_NS) {
        send(r, time_ns);
        for (uint32_t n = 0; n < FLOWS + 2; n++) {
            step(r, n, time_ns);
        }
        hear(r, time_ns);
        left = 0;
        for (uint32_t n = 0; n < FLOWS; n++) {
            left += r->proposals - r->heard[n];
        }
        uint64_t depth = rb_lane_depth(&r->engine->shard[0].out);
        r->deepest = depth > r->deepest ? depth : r->deepest;
    }
    return time_ns;
}

static void bench_slow_one(const uint64_t slots[2], uint64_t slow_percent, uint64_t stall_ns,
                           uint64_t proposals)
{
    engine *e = make_engine(FLOWS, FLOWS, slots[0], slots[1]);
    slow_run r = {.engine = e,
                  .random = UINT64_C(88172645463325252),
                  .proposals = proposals / FLOWS,
                  .every = 2 * SHARD_NS / TICK_NS,
                  .slow_ns = SHARD_NS * slow_percent / 100,
                  .stall_ns = stall_ns,
                  .stall_at = proposals / FLOWS / 4};
    for (uint32_t n = 0; n < FLOWS; n++) {
        r.due_ns[n] = calloc(r.proposals, sizeof *r.due_ns[n]);
        r.waited_ns[n] = calloc(r.proposals, sizeof *r.waited_ns[n]);
        EXPECT(r.due_ns[n] != NULL && r.waited_ns[n] != NULL);
    }
    uint64_t took_ns = run_slow(&r);
    spread others = spread_of(r.waited_ns[0], r.proposals, 1e-3);
    spread slow = spread_of(r.waited_ns[SLOW], r.proposals, 1e-3);
    (void)printf("%6llu %6llu %6.2f %9.1f %7.2f %10.2f %9.2f %9.2f %10.2f %9.2f %8llu  %08x\n",
                 (unsigned long long)slots[0], (unsigned long long)slots[1],
                 (double)slow_percent / 100, (double)stall_ns / 1e3,
                 (double)proposals / (double)took_ns * 1e3, others.p50, others.p99, others.p999,
                 slow.p50, slow.p99, (unsigned long long)r.deepest, r.hash);
    (void)fflush(stdout);
    for (uint32_t n = 0; n < FLOWS; n++) {
        free(r.due_ns[n]);
        free(r.waited_ns[n]);
    }
    destroy(e);
}

static void bench_slow(uint64_t proposals)
{
    static const uint64_t slots[][2] = {{ENG_SHARD_LANE_MIN, ENG_SHARD_LANE_MIN},
                                        {ENG_SHARD_LANE_MIN, 256},
                                        {ENG_SHARD_LANE_MIN, LANE_MAX},
                                        {256, 256},
                                        {256, LANE_MAX},
                                        {LANE_MAX, LANE_MAX}};
    static const uint64_t slower[] = {100, 140, 180, 220, 400};
    static const uint64_t stalls_ns[] = {10000, 100000};
    (void)printf("\nfour shards at half their capacity, one k times slower or standing still once; "
                 "virtual time: a step is\n%d ns of a shard, %d of the sequencer, %d of the "
                 "publisher; us that "
                 "proposals wait beside that\n",
                 SHARD_NS, SEQUENCER_NS, PUBLISHER_NS);
    (void)printf("%6s %6s %6s %9s %7s %10s %9s %9s %10s %9s %8s  %s\n", "in", "out", "k",
                 "stall us", "M/s", "others p50", "p99", "p99.9", "slow p50", "p99", "lines",
                 "hash");
    for (size_t n = 0; n < sizeof slots / sizeof slots[0]; n++) {
        for (size_t k = 0; k < sizeof slower / sizeof slower[0]; k++) {
            bench_slow_one(slots[n], slower[k], 0, proposals);
        }
        for (size_t k = 0; k < sizeof stalls_ns / sizeof stalls_ns[0]; k++) {
            bench_slow_one(slots[n], 100, stalls_ns[k], proposals);
        }
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    uint64_t proposals = argc > 2 ? strtoull(argv[2], NULL, 10) : 400000;
    if (rounds < 1 || rounds > ROUNDS_MAX || proposals < 1024) {
        (void)fprintf(stderr, "usage: bench_shards [rounds 1..64] [proposals >= 1024]\n");
        return 2;
    }
    pin(0);
    bench_stages(rounds, proposals / 1024 * 1024);
    bench_slow(proposals / 1024 * 1024);
    return 0;
}
