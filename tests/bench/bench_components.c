/*
 * What one message takes in each component, alone: nothing else is on its way, so that every time
 * is that of one message and not a batch's share. The tail is the figure: p99 is asked to have one
 * digit of microseconds.
 *
 * A proposal goes through sequencer (with limits of accounts and firms), shard with its book and
 * publisher; what they publish goes through a journal (into the page cache, not to the disk) and
 * market data (ITCH messages, cut into packets). All of them take turns on one CPU, so the hops
 * between cores are not in it: these are bench_ring's. The client port is in bench_ports.
 *
 * A component's time is that of all its calls until the message is through, looks that found
 * nothing included. The host's own interruptions are in it, as they would be on the day.
 *
 * usage: bench_components [rounds] [proposals a round] [CPU]
 */
#include <ftw.h>

#include "ports/feed.h"
#include "ports/mold.h"
#include "ringbus/journal.h"
#include "tests/bench/pipeline.h"

enum { SEQUENCER, SHARD, PUBLISHER, JOURNAL, MARKET, WHOLE, COMPONENTS };
enum { PACKET = 1400, SEGMENT = 1 << 16, TAPE_BYTES_A_LINE = 128, PERCENTILES = 3 };

static const char *const component_names[COMPONENTS] = {
    "sequencer with limits", "shard with book", "publisher",
    "journal, page cache",   "market data",     "all of them, one after the other"};

typedef struct components {
    pipeline p;
    engine *e;
    rb_lane lane;
    rb_reader reader;
    char directory[64];
    rb_journal journal;
    prt_tape tape;
    prt_tape_cursor cursor;
    prt_feed *feed;
    uint64_t spent[COMPONENTS]; /* ticks, of the message on its way */
    uint32_t hash;
} components;

static void define_instruments(components *c)
{
    for (uint32_t n = 0; n < INSTRUMENTS; n++) {
        rb_message line = {.header = {.template_id = RB_TEMPLATE_INSTRUMENT_DEFINITION,
                                      .sequence = n + 1,
                                      .flags = RB_FLAG_LAST_OF_GROUP}};
        line.instrument_definition.instrument = n;
        line.instrument_definition.tick_1e4 = 100;
        line.instrument_definition.lot = 1;
        memcpy(line.instrument_definition.symbol, "S0      ", 8);
        line.instrument_definition.symbol[1] = (char)('0' + n);
        EXPECT(prt_feed_apply(c->feed, &line) == RB_OK);
    }
}

static void open_components(components *c, uint64_t proposals)
{
    memset(c, 0, sizeof *c);
    c->p = make_pipeline();
    c->e = make_engine(&c->p);
    guard(c->e, &c->p);
    EXPECT(rb_lane_attach(&c->lane, c->p.contributor, rb_lane_bytes(LANE)) == RB_OK);
    EXPECT(rb_multicast_reader_attach(&c->reader, c->p.ring, rb_multicast_bytes(STREAM), 1) ==
           RB_OK);
    (void)snprintf(c->directory, sizeof c->directory, "%s/ringbus-components-XXXXXX", P_tmpdir);
    EXPECT(mkdtemp(c->directory) != NULL);
    EXPECT(rb_journal_attach(&c->journal, c->directory, SEGMENT, c->p.ring,
                             rb_multicast_bytes(STREAM), c->p.readers, rb_readers_bytes(),
                             "bench") == RB_OK);
    /* A trade is a handful of lines; most proposals are one. */
    uint64_t lines = 4 * proposals + 2 * INSTRUMENTS;
    EXPECT(prt_tape_init(&c->tape, TAPE_BYTES_A_LINE * lines, lines) == RB_OK);
    c->cursor.number = 1;
    c->feed = huge(sizeof *c->feed);
    EXPECT(prt_feed_init(c->feed, &c->tape, INSTRUMENTS, 1, ORDERS) == RB_OK);
    define_instruments(c);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

static void close_components(components *c)
{
    rb_journal_close(&c->journal);
    EXPECT(nftw(c->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
    EXPECT(prt_feed_valid(c->feed) == RB_OK);
    prt_feed_free(c->feed);
    free(c->feed);
    prt_tape_free(&c->tape);
    free_pipeline(&c->p);
}

/* The engine's agents, round after round, until nothing is left to do. */
static void step_engine(components *c)
{
    for (int64_t work = 1; work > 0;) {
        work = 0;
        for (uint32_t a = SEQUENCER; a <= PUBLISHER; a++) {
            uint64_t start = ticks();
            int64_t count = c->e->core.agents[a].work(c->e->core.agents[a].state, BATCH);
            c->spent[a] += ticks() - start;
            EXPECT(count >= 0);
            work += count;
        }
    }
}

/* One line of the stream into the tape, and what is new of that into a packet. */
static void say(components *c, const rb_message *line)
{
    static uint8_t packet[PRT_MOLD_PACKET_MAX];
    prt_mold_header header = {.session = "BENCH     "};
    rb_message shown = *line;
    shown.header.sequence += INSTRUMENTS; /* behind the definitions */
    uint64_t start = ticks();
    EXPECT(prt_feed_apply(c->feed, &shown) == RB_OK);
    while (c->cursor.number <= c->tape.count) {
        uint64_t offset = c->cursor.offset;
        size_t bytes = prt_mold_pack(&c->tape, &c->cursor, UINT32_MAX, PACKET, &header);
        prt_mold_write_header(packet, &header);
        memcpy(packet + PRT_MOLD_HEADER_BYTES, c->tape.bytes + offset, bytes);
    }
    c->spent[MARKET] += ticks() - start;
}

static void one_message(components *c, flow *f, int is_aggressive)
{
    rb_message message;
    rb_message lines[64];
    next_message(f, &message, is_aggressive);
    message.header.topic_sequence = f->topic_sequence + 1;
    memset(c->spent, 0, sizeof c->spent);
    EXPECT(rb_lane_room(&c->lane, 1) > 0);
    memcpy(rb_lane_slot(&c->lane, 0)->words + 1, message.words + 1, 56);
    rb_lane_commit(&c->lane, 1);
    rb_doorbell_ring(c->p.doorbell, 0);
    step_engine(c);
    uint64_t start = ticks();
    EXPECT(rb_journal_work(&c->journal, 1) > 0);
    c->spent[JOURNAL] = ticks() - start;
    int64_t count = 1;
    while (count > 0) {
        count = rb_multicast_poll(&c->reader, lines, 64);
        EXPECT(count >= 0);
        for (int64_t n = 0; n < count; n++) {
            learn(f, &lines[n]);
            /* Not the first half: it has the time of day. */
            c->hash = c->hash * 31 ^ rb_crc32c(lines[n].words + 4, 32);
            say(c, &lines[n]);
        }
    }
    for (int n = 0; n < WHOLE; n++) {
        c->spent[WHOLE] += c->spent[n];
    }
}

static uint32_t run(uint64_t proposals, uint64_t *samples[COMPONENTS], double *ns_per_tick)
{
    static components c;
    open_components(&c, proposals);
    flow *f = calloc(1, sizeof *f);
    EXPECT(f != NULL);
    f->random = 88172645463325252u;
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (uint64_t n = 0; n < proposals; n++) {
        one_message(&c, f, n % BATCH == BATCH - 1);
        for (int one = 0; one < COMPONENTS; one++) {
            samples[one][n] = c.spent[one];
        }
    }
    *ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    free(f);
    close_components(&c);
    return c.hash;
}

int main(int argc, char **argv)
{
    static const char *const names[PERCENTILES] = {"p50", "p99", "p99.9"};
    static const char *const targets[PERCENTILES] = {"", "< 10000", ""};
    static figure figures[COMPONENTS][PERCENTILES];
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    uint64_t proposals = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;
    size_t cpu = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX || proposals < 1000) {
        (void)fprintf(stderr, "usage: bench_components [rounds 1..64] [proposals >= 1000] [CPU]\n");
        return 2;
    }
    uint64_t *samples[COMPONENTS];
    for (int one = 0; one < COMPONENTS; one++) {
        samples[one] = huge(proposals * sizeof *samples[one]);
    }
    pin(cpu);
    record_cpus = 1;
    for (int round = 0; round < rounds; round++) {
        double ns_per_tick = 0;
        uint32_t hash = run(proposals, samples, &ns_per_tick);
        if (round == 0) {
            record_result("one at a time", hash);
            (void)printf("one at a time: result hash %08x, %llu proposals\n", hash,
                         (unsigned long long)proposals);
        }
        for (int one = 0; one < COMPONENTS; one++) {
            spread s = spread_of(samples[one], proposals, ns_per_tick);
            const double values[PERCENTILES] = {s.p50, s.p99, s.p999};
            for (int n = 0; n < PERCENTILES; n++) {
                note(&figures[one][n], values[n]);
            }
        }
    }
    for (int one = 0; one < COMPONENTS; one++) {
        for (int n = 0; n < PERCENTILES; n++) {
            char name[64];
            (void)snprintf(name, sizeof name, "%s, %s", component_names[one], names[n]);
            print_against(name, &figures[one][n], "ns", targets[n]);
        }
    }
    for (int one = 0; one < COMPONENTS; one++) {
        free(samples[one]);
    }
    return 0;
}
