/*
 * The two figures of the pipeline, beside what the hardware costs in the same run.
 *
 * Round trip: a proposal from one process over a lane to the engine (sequencer, shard with its book
 * and publisher, all on one other CPU) and back on the stream, one in flight; and the bare round
 * trip of one cache line between the same two CPUs, before and after.
 *
 * Fused: proposals per second from a lane to the stream, engine on one CPU, and what each of the
 * three agents takes of it; with limits of accounts and firms kept, and without.
 *
 * usage: bench_engine [rounds] [round trips a round] [fused proposals] [engine CPU] [client CPU]
 * Prints one `name value unit` line a figure; medians over rounds, with the lowest and highest
 * round.
 */
#include "tests/bench/pipeline.h"

static size_t engine_cpu = 0;
static size_t client_cpu = 1;

/* --- round trips
 * ---------------------------------------------------------------------------------- */

static spread pipelined(uint64_t *samples, uint64_t trips)
{
    pipeline p = make_pipeline();
    pid_t child = fork_bound();
    if (child == 0) {
        pin(engine_cpu);
        prefault_pipeline(&p);
        engine *e = make_engine(&p);
        guard(e, &p);
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
static uint32_t fused_run(uint64_t proposals, int is_guarded, double *agent_ns, double *elapsed_ns,
                          uint64_t *lines)
{
    pipeline p = make_pipeline();
    engine *e = make_engine(&p);
    if (is_guarded) {
        guard(e, &p);
    }
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

/* What follows for a core each: the slowest stage bounds the rate, the shards share theirs. `ns`
 * are the stages' times of one proposal, hops between cores not counted. */
static void print_scaling(double sequencer_ns, double shard_ns, double publisher_ns)
{
    for (int shards = 1; shards <= 16; shards *= 2) {
        double slowest_ns = shard_ns / shards;
        slowest_ns = sequencer_ns > slowest_ns ? sequencer_ns : slowest_ns;
        slowest_ns = publisher_ns > slowest_ns ? publisher_ns : slowest_ns;
        (void)printf(
            "  it follows for %2d shards %10.1f M/s, at 3 M/s the busiest stage is at %.0f "
            "%% of that\n",
            shards, 1e3 / slowest_ns, 3 * slowest_ns / 10);
    }
}

static void bench_fused(int rounds, uint64_t proposals)
{
    static figure rate, bare_rate, agents[3], risk;
    pin(engine_cpu);
    uint64_t lines = 0;
    for (int round = 0; round < rounds; round++) {
        double agent_ns[3];
        double bare_ns[3];
        double elapsed_ns = 0;
        lines = 0;
        uint32_t bare_hash = fused_run(proposals, 0, bare_ns, &elapsed_ns, &lines);
        note(&bare_rate, (double)proposals / elapsed_ns * 1e3);
        lines = 0;
        uint32_t hash = fused_run(proposals, 1, agent_ns, &elapsed_ns, &lines);
        EXPECT(hash == bare_hash);
        note(&risk, agent_ns[0] - bare_ns[0]);
        if (round == 0) {
            record_result("fused", hash);
            (void)printf("fused: result hash %08x, %llu proposals, %llu messages on the stream\n",
                         hash, (unsigned long long)proposals, (unsigned long long)lines);
        }
        rate.values[rate.count++] = (double)proposals / elapsed_ns * 1e3;
        for (int a = 0; a < 3; a++) {
            agents[a].values[agents[a].count++] = agent_ns[a];
        }
    }
    record_cpus = 1;
    print("fused engine on one core", &rate, "M/s");
    print("  without limits", &bare_rate, "M/s");
    print("  sequencer", &agents[0], "ns each");
    print("  of it limits", &risk, "ns each");
    print("  shard and book", &agents[1], "ns each");
    print("  publisher", &agents[2], "ns each");
    record_cpus = 2;
    print_scaling(median(&agents[0]), median(&agents[1]), median(&agents[2]));
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
