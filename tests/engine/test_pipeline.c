/*
 * The engine's agents, each on a thread of its own, over lanes of sixteen slots and a ring of 64,
 * without Python. Run plain, under ASan/UBSan and under TSan. Argument: proposals per test (default
 * 20,000).
 *
 * One contributor: what the threads publish is byte for byte what one thread publishes. Three
 * contributors, each closed loop and going to sleep in between: nothing is lost, said twice or out
 * of its order, and every doorbell is heard.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "engine/publisher.h"
#include "engine/sequencer.h"
#include "engine/shard.h"
#include "ringbus/crc32c.h"
#include "tests/check.h"

enum {
    INSTRUMENTS = 8,
    TOPICS = 8,
    SHARDS_MAX = 4,
    CONTRIBUTORS_MAX = 3,
    LANE = ENG_SHARD_LANE_MIN,
    STREAM = 64,
    LINES_MAX = 1 << 18,
    AGENTS_MAX = SHARDS_MAX + 2,
    GROUP = 3, /* lines: an order, its terms, its tag */
};

static uint64_t proposals = 20000;

static void *zeroed(size_t bytes)
{
    size_t rounded = (bytes + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
    void *memory = aligned_alloc(RB_GUARD_BYTES, rounded);
    EXPECT(memory != NULL);
    memset(memory, 0, rounded);
    return memory;
}

/* A waiting thread must let the others run: there may be one CPU. */
static void wait_a_little(uint32_t *rounds)
{
    if (++*rounds % 64 == 0) {
        struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000};
        (void)nanosleep(&moment, NULL);
    }
}

/* --- the engine
 * ----------------------------------------------------------------------------------- */

typedef int64_t (*work_function)(void *state, int64_t limit);

/* Clock and wake marks of one agent; each thread has its own, as a core has. */
typedef struct agent {
    work_function work;
    void *state;
    rb_clock clock;
    rb_wake wake;
    uint64_t *stop;
} agent;

typedef struct engine {
    void *doorbell;
    void *contributors[CONTRIBUTORS_MAX];
    void *in[SHARDS_MAX];
    void *out[SHARDS_MAX];
    void *ring;
    void *readers;
    eng_book *books[SHARDS_MAX];
    uint32_t shards;
    uint32_t topics[SHARDS_MAX][TOPICS];
    uint8_t shard_of[INSTRUMENTS];
    eng_sequencer sequencer;
    eng_shard shard[SHARDS_MAX];
    eng_publisher publisher;
    rb_reader reader; /* gating */
    uint32_t agent_count;
    agent agents[AGENTS_MAX];
    pthread_t threads[AGENTS_MAX];
    uint64_t stop;
} engine;

static void *make_lane(void)
{
    void *memory = zeroed(rb_lane_bytes(LANE));
    EXPECT(rb_lane_init(memory, rb_lane_bytes(LANE), LANE, "lane") == RB_OK);
    return memory;
}

static agent *next_agent(engine *e, work_function work, void *state)
{
    agent *a = &e->agents[e->agent_count++];
    *a = (agent){
        .work = work, .state = state, .clock = {.mode = RB_CLOCK_COUNTED}, .stop = &e->stop};
    return a;
}

static void make_rings(engine *e, uint32_t contributors)
{
    e->doorbell = zeroed(rb_doorbell_bytes());
    e->ring = zeroed(rb_multicast_bytes(STREAM));
    e->readers = zeroed(rb_readers_bytes());
    EXPECT(rb_doorbell_init(e->doorbell, rb_doorbell_bytes(), "test") == RB_OK);
    EXPECT(rb_multicast_init(e->ring, rb_multicast_bytes(STREAM), STREAM, "stream") == RB_OK);
    EXPECT(rb_readers_init(e->readers, rb_readers_bytes(), "stream") == RB_OK);
    for (uint32_t n = 0; n < contributors; n++) {
        e->contributors[n] = make_lane();
    }
    for (uint32_t n = 0; n < e->shards; n++) {
        e->in[n] = make_lane();
        e->out[n] = make_lane();
    }
}

static void make_sequencer(engine *e, uint32_t contributors)
{
    agent *a = next_agent(e, eng_sequencer_work, &e->sequencer);
    for (uint32_t n = 0; n < INSTRUMENTS; n++) {
        e->shard_of[n] = (uint8_t)(n % e->shards);
    }
    EXPECT(eng_sequencer_init(&e->sequencer, e->doorbell, e->shard_of, NULL, INSTRUMENTS, TOPICS,
                              &a->clock, &a->wake) == RB_OK);
    for (uint32_t n = 0; n < contributors; n++) {
        EXPECT(eng_sequencer_add_contributor(&e->sequencer, e->contributors[n],
                                             rb_lane_bytes(LANE)) == RB_OK);
    }
    for (uint32_t n = 0; n < e->shards; n++) {
        EXPECT(eng_sequencer_add_shard(&e->sequencer, e->in[n], rb_lane_bytes(LANE), 0) == RB_OK);
    }
}

static void make_shards(engine *e)
{
    for (uint32_t n = 0; n < e->shards; n++) {
        agent *a = next_agent(e, eng_shard_work, &e->shard[n]);
        e->books[n] = eng_book_create(INSTRUMENTS, 4096, 1024);
        EXPECT(e->books[n] != NULL);
        EXPECT(eng_shard_init(&e->shard[n], (uint8_t)n, e->in[n], rb_lane_bytes(LANE), e->out[n],
                              rb_lane_bytes(LANE), e->books[n], e->topics[n], TOPICS, &a->clock,
                              &a->wake, 0) == RB_OK);
    }
}

static engine *make_engine(uint32_t shards, uint32_t contributors)
{
    engine *e = zeroed(sizeof *e);
    e->shards = shards;
    make_rings(e, contributors);
    make_sequencer(e, contributors);
    make_shards(e);
    agent *a = next_agent(e, eng_publisher_work, &e->publisher);
    EXPECT(eng_publisher_init(&e->publisher, e->ring, rb_multicast_bytes(STREAM), e->readers,
                              rb_readers_bytes(), &a->clock, &a->wake) == RB_OK);
    for (uint32_t n = 0; n < shards; n++) {
        EXPECT(eng_publisher_add_shard(&e->publisher, e->out[n], rb_lane_bytes(LANE)) == RB_OK);
    }
    EXPECT(rb_multicast_gate_attach(&e->reader, e->ring, rb_multicast_bytes(STREAM), e->readers,
                                    rb_readers_bytes(), "test") == RB_OK);
    return e;
}

static void *run_agent(void *argument)
{
    agent *a = argument;
    uint32_t rounds = 0;
    while (rb_load_acquire(a->stop) == 0) {
        int64_t work = a->work(a->state, 64);
        EXPECT(work >= 0);
        if (work == 0) {
            wait_a_little(&rounds);
        }
    }
    return NULL;
}

static void start(engine *e)
{
    for (uint32_t n = 0; n < e->agent_count; n++) {
        EXPECT(pthread_create(&e->threads[n], NULL, run_agent, &e->agents[n]) == 0);
    }
}

static void stop(engine *e)
{
    rb_store_release(&e->stop, 1);
    for (uint32_t n = 0; n < e->agent_count; n++) {
        EXPECT(pthread_join(e->threads[n], NULL) == 0);
    }
}

static void destroy(engine *e, uint32_t contributors)
{
    for (uint32_t n = 0; n < e->shards; n++) {
        EXPECT(eng_book_verify(e->books[n]) == RB_OK);
        eng_book_destroy(e->books[n]);
        free(e->in[n]);
        free(e->out[n]);
    }
    for (uint32_t n = 0; n < contributors; n++) {
        free(e->contributors[n]);
    }
    free(e->doorbell);
    free(e->ring);
    free(e->readers);
    free(e);
}

/* Everything that is on the ring, behind the `count` lines that were read before. */
static uint64_t read_stream(engine *e, rb_message *lines, uint64_t count)
{
    int64_t got = rb_multicast_poll(&e->reader, &lines[count], LINES_MAX - (int64_t)count);
    EXPECT(got >= 0);
    rb_multicast_release(&e->reader, count + (uint64_t)got);
    return count + (uint64_t)got;
}

static void check_sealed(const rb_message *lines, uint64_t count)
{
    EXPECT(rb_messages_verify(lines, (int64_t)count) == (int64_t)count);
    for (uint64_t n = 0; n < count; n++) {
        EXPECT(lines[n].header.sequence == n + 1);
    }
}

/* --- what is proposed
 * ----------------------------------------------------------------------------- */

typedef struct flow {
    uint64_t random;
    uint32_t client_order_id;
    uint32_t known;            /* orders in `orders` */
    rb_new_order orders[4096]; /* as they came back; some are gone again */
    rb_message *groups;        /* GROUP lines each, of which some may be unused */
    uint64_t count;
} flow;

static uint32_t draw(flow *f, uint32_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (uint32_t)((f->random >> 32) * below >> 32);
}

static void draw_order(flow *f, rb_message *line)
{
    rb_new_order *order = &line->new_order;
    order->header.template_id = RB_TEMPLATE_NEW_ORDER;
    order->header.topic = (uint16_t)draw(f, TOPICS);
    order->instrument = draw(f, INSTRUMENTS);
    order->price_ticks = 100 + (int32_t)draw(f, 10);
    order->quantity = draw(f, 20);
    order->client_order_id = ++f->client_order_id;
    order->side = (uint8_t)(1 + draw(f, 2));
    order->time_in_force =
        draw(f, 4) == 0 ? RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL : RB_TIME_IN_FORCE_DAY;
    if (draw(f, 40) == 0) {
        /* Sweeps a whole side: more lines than a lane has slots. */
        order->quantity = 5000;
        order->price_ticks = order->side == RB_SIDE_BUY ? 1000 : 1;
    }
}

static void draw_cancel(flow *f, rb_message *line)
{
    const rb_new_order *order = &f->orders[draw(f, f->known)];
    rb_cancel *cancel = &line->cancel;
    cancel->header.template_id = RB_TEMPLATE_CANCEL;
    cancel->header.topic = order->header.topic;
    cancel->instrument = order->instrument;
    cancel->locate = order->locate;
    cancel->client_order_id = order->client_order_id;
    cancel->quantity = order->quantity;
}

/* Of an instrument, or of all: then every shard answers. */
static void draw_mass_cancel(flow *f, rb_message *line)
{
    rb_mass_cancel *request = &line->mass_cancel;
    request->header.template_id = RB_TEMPLATE_MASS_CANCEL;
    request->header.topic = (uint16_t)draw(f, TOPICS);
    request->session = (uint16_t)draw(f, TOPICS);
    request->instrument = RB_INSTRUMENT_NONE;
    request->scope = RB_MASS_CANCEL_SCOPE_SESSION;
    if (draw(f, 4) == 0) {
        request->instrument = draw(f, INSTRUMENTS);
        request->scope |= RB_MASS_CANCEL_SCOPE_INSTRUMENT;
    } else if (draw(f, 8) == 0) {
        request->scope = draw(f, 2) == 0 ? RB_MASS_CANCEL_SCOPE_EVERYTHING : 0;
    }
}

/* The next proposal; its number is that which the shard expects, but for some that are stale. */
static uint64_t draw_group(flow *f, const engine *e, rb_message group[GROUP])
{
    memset(group, 0, GROUP * sizeof group[0]);
    if (draw(f, 30) == 0) {
        draw_mass_cancel(f, &group[0]);
    } else if (f->known > 0 && draw(f, 3) == 0) {
        draw_cancel(f, &group[0]);
    } else {
        draw_order(f, &group[0]);
    }
    rb_header *header = &group[0].header;
    uint32_t instrument = group[0].any.instrument;
    uint32_t shard = instrument < INSTRUMENTS ? e->shard_of[instrument] : 0;
    header->topic_sequence = e->topics[shard][header->topic] + 1;
    if (draw(f, 10) == 0) {
        header->topic_sequence += draw(f, 2) == 0 ? 1 : UINT32_MAX;
    }
    if (draw(f, 5) != 0) {
        return 1;
    }
    header->flags = RB_FLAG_CONTINUED;
    uint64_t lines = 1;
    if (header->template_id == RB_TEMPLATE_NEW_ORDER && draw(f, 2) == 0) {
        group[1].header.template_id = RB_TEMPLATE_ORDER_TERMS;
        group[1].header.flags = RB_FLAG_CONTINUED;
        lines++;
    }
    group[lines].header.template_id = RB_TEMPLATE_ORDER_TAG;
    group[lines].order_tag.total_quantity = draw(f, 1000);
    return lines + 1;
}

static void remember(flow *f, const rb_message *lines, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++) {
        if (lines[n].header.template_id == RB_TEMPLATE_NEW_ORDER &&
            lines[n].new_order.locate != 0) {
            uint32_t place = f->known < 4096 ? f->known++ : draw(f, 4096);
            f->orders[place] = lines[n].new_order;
        }
    }
}

static uint64_t lines_of(const rb_message *group)
{
    uint64_t lines = 1;
    while (group[lines - 1].header.flags & RB_FLAG_CONTINUED) {
        lines++;
    }
    return lines;
}

/* One thread, each proposal answered before the next is drawn: makes the script and its stream. */
static uint64_t run_alone(flow *f, uint32_t shards, rb_message *stream)
{
    engine *e = make_engine(shards, 1);
    rb_lane lane;
    EXPECT(rb_lane_attach(&lane, e->contributors[0], rb_lane_bytes(LANE)) == RB_OK);
    uint64_t count = 0;
    for (f->count = 0; f->count < proposals && count < LINES_MAX / 2; f->count++) {
        rb_message *group = &f->groups[GROUP * f->count];
        int64_t lines = (int64_t)draw_group(f, e, group);
        EXPECT(rb_lane_offer(&lane, group, lines) == lines);
        rb_doorbell_ring(e->doorbell, 0);
        uint64_t before = count;
        int64_t work = 1;
        while (work > 0) {
            work = 0;
            for (uint32_t n = 0; n < e->agent_count; n++) {
                int64_t done = e->agents[n].work(e->agents[n].state, 64);
                EXPECT(done >= 0);
                work += done;
            }
            count = read_stream(e, stream, count);
        }
        remember(f, &stream[before], count - before);
    }
    destroy(e, 1);
    return count;
}

/* --- one contributor: the same bytes
 * -------------------------------------------------------------- */

typedef struct script {
    const flow *flow;
    engine *engine;
} script;

static void *contribute(void *argument)
{
    const script *s = argument;
    rb_lane lane;
    uint32_t rounds = 0;
    EXPECT(rb_lane_attach(&lane, s->engine->contributors[0], rb_lane_bytes(LANE)) == RB_OK);
    for (uint64_t n = 0; n < s->flow->count; n++) {
        const rb_message *group = &s->flow->groups[GROUP * n];
        int64_t lines = (int64_t)lines_of(group);
        while (rb_lane_offer(&lane, group, lines) != lines) {
            wait_a_little(&rounds);
        }
        rb_doorbell_ring(s->engine->doorbell, 0);
    }
    return NULL;
}

static void test_same_bytes(uint32_t shards)
{
    flow *f = zeroed(sizeof *f);
    f->random = UINT64_C(88172645463325252) + shards;
    f->groups = zeroed(GROUP * proposals * sizeof *f->groups);
    rb_message *wanted = zeroed(LINES_MAX * sizeof *wanted);
    rb_message *got = zeroed(LINES_MAX * sizeof *got);
    uint64_t lines = run_alone(f, shards, wanted);
    check_sealed(wanted, lines);
    EXPECT(lines > f->count);
    engine *e = make_engine(shards, 1);
    script s = {.flow = f, .engine = e};
    pthread_t contributor;
    start(e);
    EXPECT(pthread_create(&contributor, NULL, contribute, &s) == 0);
    uint64_t count = 0;
    uint32_t rounds = 0;
    while (count < lines) {
        uint64_t before = count;
        count = read_stream(e, got, count);
        EXPECT(memcmp(&got[before], &wanted[before], (count - before) * sizeof *got) == 0);
        if (count == before) {
            wait_a_little(&rounds);
        }
    }
    EXPECT(pthread_join(contributor, NULL) == 0);
    stop(e);
    EXPECT(eng_publisher_next(&e->publisher) == lines + 1);
    (void)printf("%u shards: %llu proposals, %llu lines, the same bytes\n", shards,
                 (unsigned long long)f->count, (unsigned long long)lines);
    destroy(e, 1);
    free(wanted);
    free(got);
    free(f->groups);
    free(f);
}

/* --- three contributors: none is lost
 * ------------------------------------------------------------- */

/* Rounds that a client waits for its answer at most: minutes. */
#define PATIENCE 200000000u

typedef struct client {
    engine *engine;
    uint32_t number;
    uint64_t orders;
    uint64_t heard; /* owner: who reads the stream; read by the client; last number of its topic */
} client;

static rb_message unmatched_order(const client *c, uint64_t n)
{
    rb_message line;
    memset(&line, 0, sizeof line);
    line.header.template_id = RB_TEMPLATE_NEW_ORDER;
    line.header.topic = (uint16_t)(c->number + 1);
    /* The order and its cancellation take a number each. */
    line.header.topic_sequence = (uint32_t)(2 * n - 1);
    line.new_order.instrument = c->number;
    line.new_order.side = RB_SIDE_BUY;
    line.new_order.price_ticks = 100;
    line.new_order.quantity = 1;
    line.new_order.time_in_force = RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    line.new_order.client_order_id = (uint32_t)n;
    return line;
}

/* Closed loop; now and then it is silent for so long that its lane is no longer looked at, and only
 * its doorbell brings it back. */
static void *talk(void *argument)
{
    client *c = argument;
    rb_lane lane;
    EXPECT(rb_lane_attach(&lane, c->engine->contributors[c->number], rb_lane_bytes(LANE)) == RB_OK);
    for (uint64_t n = 1; n <= c->orders; n++) {
        rb_message line = unmatched_order(c, n);
        EXPECT(rb_lane_offer(&lane, &line, 1) == 1);
        rb_doorbell_ring(c->engine->doorbell, c->number);
        uint32_t rounds = 0;
        while (rb_load_acquire(&c->heard) < 2 * n) {
            wait_a_little(&rounds);
            EXPECT(rounds < PATIENCE);
        }
        if (n % 64 == 0) {
            struct timespec silence = {.tv_sec = 0, .tv_nsec = 10000000};
            (void)nanosleep(&silence, NULL);
        }
    }
    return NULL;
}

/* Each line is the next one of its topic, and says what its place says it must. */
static void hear(client *clients, const rb_message *lines, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++) {
        const rb_new_order *line = &lines[n].new_order;
        client *c = &clients[line->header.topic - 1];
        uint64_t number = c->heard + 1;
        EXPECT(line->header.topic_sequence == number);
        EXPECT(line->client_order_id == (number + 1) / 2);
        EXPECT(line->header.template_id ==
               (number % 2 == 1 ? RB_TEMPLATE_NEW_ORDER : RB_TEMPLATE_CANCELED));
        EXPECT(line->header.publisher == (number % 2 == 1 ? c->number + 1 : 0));
        EXPECT(line->header.shard == c->engine->shard_of[c->number]);
        rb_store_release(&c->heard, number);
    }
}

static void test_nothing_is_lost(uint32_t shards)
{
    engine *e = make_engine(shards, CONTRIBUTORS_MAX);
    /* Never: what a doorbell does not tell stays unheard. */
    e->sequencer.turns_to_sweep = UINT32_MAX;
    client clients[CONTRIBUTORS_MAX];
    pthread_t threads[CONTRIBUTORS_MAX];
    uint64_t orders = proposals / 10;
    start(e);
    for (uint32_t n = 0; n < CONTRIBUTORS_MAX; n++) {
        clients[n] = (client){.engine = e, .number = n, .orders = orders};
        EXPECT(pthread_create(&threads[n], NULL, talk, &clients[n]) == 0);
    }
    rb_message *lines = zeroed(LINES_MAX * sizeof *lines);
    uint64_t wanted = 2 * orders * CONTRIBUTORS_MAX;
    uint64_t count = 0;
    uint32_t rounds = 0;
    EXPECT(wanted <= LINES_MAX);
    while (count < wanted) {
        uint64_t before = count;
        count = read_stream(e, lines, count);
        hear(clients, &lines[before], count - before);
        if (count == before) {
            wait_a_little(&rounds);
        }
    }
    for (uint32_t n = 0; n < CONTRIBUTORS_MAX; n++) {
        EXPECT(pthread_join(threads[n], NULL) == 0);
        EXPECT(clients[n].heard == 2 * orders);
    }
    stop(e);
    check_sealed(lines, count);
    EXPECT(eng_sequencer_input(&e->sequencer) == orders * CONTRIBUTORS_MAX);
    (void)printf("%u shards: 3 x %llu orders in a closed loop, all answered\n", shards,
                 (unsigned long long)orders);
    free(lines);
    destroy(e, CONTRIBUTORS_MAX);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        proposals = strtoull(argv[1], NULL, 10);
    }
    EXPECT(proposals >= 10 && proposals <= LINES_MAX / 4);
    test_same_bytes(1);
    test_same_bytes(2);
    test_same_bytes(4);
    test_nothing_is_lost(2);
    return 0;
}
