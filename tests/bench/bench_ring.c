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
 *   neighbours   published algorithms, written anew, in the same rounds
 *
 * usage: bench_ring [rounds] [messages] [round trips] [writer CPU] [reader CPU] [seconds] [part]
 * One line a figure: median over the rounds, lowest and highest, the bare line's p50, p99 and p99.9
 * (medians over the same rounds), the target if there is one. Rounds are interleaved: each runs all
 * legs once. A go in which the bare line moved or another job took one of the CPUs is run again;
 * figures of a leg that had no clean go at all are marked as spoiled. No round starts that would
 * end behind `seconds`: on a busy machine there are fewer rounds, and each line says how many.
 */
#include "tests/bench/ring_legs.h"

#define TRIP(name)                                                                                 \
    {name " p50",                                                                                  \
     name " p99",                                                                                  \
     name " p99.9",                                                                                \
     name ": p50 against the bare line",                                                           \
     name ": p99 against the bare line",                                                           \
     name ": p99.9 against the bare line"}

#define IDLE_NAMES(strategy)                                                                       \
    {strategy ", 1 k/s: costs the writer",   "  seen after p50", "  seen after p99", "  CPU",      \
     strategy ", 100 k/s: costs the writer", "  seen after p50", "  seen after p99", "  CPU",      \
     strategy ", nothing to do: CPU"}
#define IDLE_UNITS {"ns", "ns", "ns", "%", "ns", "ns", "ns", "%", "%"}

static leg legs[] = {
    {.run = run_round_trip,
     .names = TRIP("two lanes, round trip"),
     .units = {"ns", "ns", "ns", "x", "x", "x"},
     .targets = {"", "", "", "<= 1.1", "<= 1.3", "<= 2"},
     .against_bare = 1},
    {.run = run_queue_trip,
     .names = TRIP("queue's algorithm, round trip"),
     .units = {"ns", "ns", "ns", "x", "x", "x"},
     .against_bare = 1},
    {.run = run_broadcast_trip,
     .names = TRIP("broadcast's, round trip"),
     .units = {"ns", "ns", "ns", "x", "x", "x"},
     .against_bare = 1},
    {.run = run_batched_trip,
     .names = TRIP("batched's, round trip"),
     .units = {"ns", "ns", "ns", "x", "x", "x"},
     .against_bare = 1},
    {.run = run_lane_large,
     .names = {"lane, 64 K slots, offer and take", "lane, 64 K slots, in place"},
     .units = {"M/s", "M/s"},
     .targets = {">= 110", ">= 110"}},
    {.run = run_lane_small,
     .names = {"lane, 1 K slots, offer and take", "lane, 1 K slots, in place"},
     .units = {"M/s", "M/s"},
     .targets = {">= 85", ">= 85"}},
    {.run = run_lossy_large,
     .names = {"multicast, 64 K slots, written", "  received", "  lost", "  moved"},
     .units = {"M/s", "M/s", "%", "GB/s"},
     .targets = {">= 100", "", "", ">= 10"}},
    {.run = run_lossy_small,
     .names = {"multicast, 1 K slots, written", "  received", "  lost"},
     .units = {"M/s", "M/s", "%"},
     .targets = {">= 85", "", ""}},
    {.run = run_queue_rates,
     .names = {"queue's algorithm, 64 K slots", "  1 K slots"},
     .units = {"M/s", "M/s"}},
    {.run = run_broadcast_rates,
     .names = {"broadcast's, 64 K slots, received", "  1 K slots"},
     .units = {"M/s", "M/s"}},
    {.run = run_batched_rates,
     .names = {"batched's by 16, 64 K slots", "  1 K slots"},
     .units = {"M/s", "M/s"}},
    {.run = run_lossy_three,
     .names = {"multicast, 3 readers, written", "  received by all", "  lost", "  moved to all"},
     .units = {"M/s", "M/s", "%", "GB/s"},
     .targets = {">= 52", "", "", ""},
     .is_shared = 1},
    {.run = run_disturbance,
     .names = {"multicast, nobody reads, written", "  less with a stopped reader",
               "  less with a slow reader"},
     .units = {"M/s", "%", "%"},
     .targets = {"", "< 5", ""},
     .is_shared = 1},
    {.run = run_spin, .names = IDLE_NAMES("spin"), .units = IDLE_UNITS, .is_shared = 1},
    {.run = run_yield, .names = IDLE_NAMES("yield"), .units = IDLE_UNITS, .is_shared = 1},
    {.run = run_park, .names = IDLE_NAMES("park"), .units = IDLE_UNITS, .is_shared = 1},
    {.run = run_adaptive, .names = IDLE_NAMES("adaptive"), .units = IDLE_UNITS, .is_shared = 1},
    {.run = run_histogram, .names = {"histogram record"}, .units = {"ns"}, .is_shared = 1},
    {.run = run_core,
     .names = {"core's round, 4 idle agents", "  more when it is measured", "with work",
               "  more when it is measured"},
     .units = {"ns", "ns", "ns", "ns"},
     .targets = {"", "<= 5", "", ""},
     .is_shared = 1},
};

enum { LEGS = sizeof legs / sizeof legs[0] };

static uint64_t seconds_max = 600;
/* Only legs are run whose first name has this in it. */
static const char *part = "";

static int is_wanted(const leg *l)
{
    return strstr(l->names[0], part) != NULL;
}

/* Another round would not end in time, if it took as long as the longest so far. */
static int is_late(uint64_t start_ns, uint64_t longest_ns)
{
    return now_ns() - start_ns + longest_ns > seconds_max * 1000000000u;
}

static void run_rounds(int rounds, const route *at)
{
    uint64_t start_ns = now_ns();
    uint64_t longest_ns = 0;
    for (int round = 0; round < rounds && !is_late(start_ns, longest_ns); round++) {
        uint64_t round_start_ns = now_ns();
        for (int n = 0; n < LEGS; n++) {
            if (is_wanted(&legs[n])) {
                run_leg(&legs[n], at, 0);
            }
        }
        uint64_t took_ns = now_ns() - round_start_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
        (void)fprintf(stderr, "round %d of %d: %.0f s\n", round + 1, rounds, (double)took_ns / 1e9);
    }
    for (int n = 0; n < LEGS; n++) {
        if (legs[n].bares[0].count == 0 && is_wanted(&legs[n])) {
            run_leg(&legs[n], at, 1);
        }
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    set.messages = argc > 2 ? strtoull(argv[2], NULL, 10) / BATCH * BATCH : set.messages;
    set.trips = argc > 3 ? strtoull(argv[3], NULL, 10) : set.trips;
    set.writer_cpu = argc > 4 ? strtoull(argv[4], NULL, 10) : set.writer_cpu;
    set.reader_cpu = argc > 5 ? strtoull(argv[5], NULL, 10) : set.reader_cpu;
    seconds_max = argc > 6 ? strtoull(argv[6], NULL, 10) : seconds_max;
    part = argc > 7 ? argv[7] : part;
    if (rounds < 1 || rounds > ROUNDS_MAX || set.messages < 4096 || set.trips < 1000) {
        (void)fprintf(stderr, "usage: bench_ring [rounds 1..64] [messages >= 4096] "
                              "[round trips >= 1000] [writer CPU] [reader CPU] [seconds] [part]\n");
        return 2;
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2 || set.writer_cpu == set.reader_cpu) {
        (void)printf("the rings are timed between two CPUs\n");
        return 0;
    }
    pin(set.writer_cpu);
    board_open();
    (void)printf("%d rounds of %llu messages and %llu round trips; CPU %zu writes, CPU %zu reads; "
                 "bare: cache line round trip p50/p99/p99.9\n",
                 rounds, (unsigned long long)set.messages, (unsigned long long)set.trips,
                 set.writer_cpu, set.reader_cpu);
    route at = {.line = shared(4096),
                .samples = set.samples,
                .cpu = set.reader_cpu,
                .was_disturbed = board_was_disturbed};
    run_rounds(rounds, &at);
    print_all(legs, LEGS);
    return 0;
}
