/*
 * Runs the explorer: programs with known outcomes, then every scenario in every memory, then every
 * mutant, which must be caught.
 *
 *     test_model [DEPTH]              all of it; depth 1 unless said (4 s; 13 s at 2, 100 s at 3)
 *     test_model DEPTH NAME           one scenario, or one mutant with the schedule that catches it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/scenarios.h"

static const char *const memory_names[MODEL_MEMORIES] = {"sc", "tso", "weak"};

/* Orderings that are needed, and the memory in which their lack shows. */
static const model_mutant mutants[] = {
    {"I2-no-fence", "bell", MODEL_TSO, MODEL_FENCE, "rb_idle_ring", MODEL_DROP, MODEL_ANY},
    {"I1-no-fence", "bell", MODEL_WEAK, MODEL_FENCE, "announce", MODEL_DROP, MODEL_ANY},
    {"I1-after-look", "bell", MODEL_SC, MODEL_FETCH, "announce", MODEL_DELAY, MODEL_ANY},
    {"I2-no-count", "bell", MODEL_SC, MODEL_FETCH, "ring_one", MODEL_DROP, MODEL_ANY},
    {"I2-no-fence-stream", "bell-stream", MODEL_TSO, MODEL_FENCE, "rb_idle_ring", MODEL_DROP,
     MODEL_ANY},
    {"I2-no-fence-socket", "bell-socket", MODEL_TSO, MODEL_FENCE, "rb_idle_ring", MODEL_DROP,
     MODEL_ANY},
    {"I1-after-look-adaptive", "bell-adaptive", MODEL_SC, MODEL_FETCH, "announce", MODEL_DELAY,
     MODEL_ANY},
    {"I2-no-fence-adaptive", "bell-adaptive", MODEL_TSO, MODEL_FENCE, "rb_idle_ring", MODEL_DROP,
     MODEL_ANY},
    {"D1-no-fence", "doorbell", MODEL_TSO, MODEL_FENCE, "rb_doorbell_ring", MODEL_DROP, MODEL_ANY},
    {"D2-no-fence", "doorbell", MODEL_WEAK, MODEL_FENCE, "rb_doorbell_clear", MODEL_DROP,
     MODEL_ANY},
    {"D2-after-look", "doorbell", MODEL_SC, MODEL_FETCH, "rb_doorbell_clear", MODEL_DELAY,
     MODEL_ANY},
    {"L3-no-release", "lane", MODEL_WEAK, MODEL_STORE, "rb_lane_commit", MODEL_RELAX, MODEL_ANY},
    {"L4-no-acquire", "lane", MODEL_WEAK, MODEL_LOAD, "rb_lane_peek", MODEL_RELAX, MODEL_ANY},
    {"L3-forward", "lane", MODEL_SC, MODEL_STORE, "rb_lane_commit", MODEL_DELAY, MODEL_ANY},
    {"L3-forward-crash", "lane-producer-crash", MODEL_SC, MODEL_STORE, "rb_lane_commit",
     MODEL_DELAY, MODEL_ANY},
    {"repair-no-erase", "lane-producer-crash", MODEL_SC, MODEL_STORE, "rb_lane_repair", MODEL_DROP,
     MODEL_ZERO},
    {"M3-no-fence", "ring-overtaken", MODEL_WEAK, MODEL_FENCE, "rb_record_write", MODEL_DROP,
     MODEL_ANY},
    {"M3-no-busy-mark", "ring-overtaken", MODEL_SC, MODEL_STORE, "rb_record_write", MODEL_DROP,
     MODEL_HIGH_BIT},
    {"M4-no-fence", "ring-overtaken", MODEL_WEAK, MODEL_FENCE, "copy_out", MODEL_DROP, MODEL_ANY},
    {"M2-no-release", "ring-fresh", MODEL_WEAK, MODEL_STORE, "rb_record_write", MODEL_RELAX,
     MODEL_ANY},
    {"M5-no-acquire", "ring-fresh", MODEL_WEAK, MODEL_LOAD, "copy_out", MODEL_RELAX, MODEL_ANY},
    {"M12-no-fence", "gate-joins", MODEL_WEAK, MODEL_FENCE, "rb_multicast_held", MODEL_DROP,
     MODEL_ANY},
    {"M8-no-acquire", "gate-joins", MODEL_WEAK, MODEL_LOAD, "rb_multicast_room", MODEL_RELAX,
     MODEL_ANY},
    {"M9-no-release", "gate-joins", MODEL_WEAK, MODEL_STORE, "rb_records_gate_attach", MODEL_RELAX,
     MODEL_ANY},
    {"M9-state-first", "gate-joins", MODEL_SC, MODEL_STORE, "rb_records_gate_attach", MODEL_DELAY,
     MODEL_ANY},
};
enum { MUTANTS = sizeof mutants / sizeof mutants[0] };

static const model_scenario *const lists[] = {model_wakes, model_lanes, model_rings};
enum { LISTS = sizeof lists / sizeof lists[0] };

static const model_scenario *find(const char *name)
{
    for (uint32_t i = 0; i < LISTS; i++) {
        for (const model_scenario *s = lists[i]; s->name != NULL; s++) {
            if (strcmp(s->name, name) == 0) {
                return s;
            }
        }
    }
    return NULL;
}

/* 1: every promise held. */
static int keep(const model_scenario *scenario)
{
    int kept = 1;
    (void)printf("%s: %s\n", scenario->name, scenario->promise);
    uint32_t depth = model_depth;
    for (uint32_t memory = 0; memory < MODEL_MEMORIES; memory++) {
        if (memory == MODEL_WEAK && scenario->weak_depth != 0 && scenario->weak_depth < depth) {
            model_depth = scenario->weak_depth;
        }
        model_result result = model_explore(scenario, (enum model_memory)memory, NULL, 1);
        (void)printf("  %-4s depth %u %9lu states %10lu steps %8lu ends  %s\n",
                     memory_names[memory], model_depth, (unsigned long)result.states,
                     (unsigned long)result.steps, (unsigned long)result.ends,
                     result.broken == NULL ? "holds" : result.broken);
        (void)fflush(stdout);
        kept = kept && result.broken == NULL && result.ends > 0;
    }
    model_depth = depth;
    return kept;
}

/* 1: it was caught. */
static int is_caught(const model_mutant *mutant, int loud)
{
    model_result result = model_explore(find(mutant->scenario), mutant->memory, mutant, loud);
    (void)printf("mutant %-20s %-22s %-4s %9lu states  %s%s\n", mutant->name, mutant->scenario,
                 memory_names[mutant->memory], (unsigned long)result.states,
                 result.broken == NULL ? "NOT CAUGHT" : "caught: ",
                 result.broken == NULL ? "" : result.broken);
    (void)fflush(stdout);
    return result.broken != NULL;
}

/* 1: exactly the known outcomes were found. */
static int know(const model_litmus *litmus)
{
    int known = 1;
    (void)printf("litmus %-20s", litmus->scenario.name);
    for (uint32_t memory = 0; memory < MODEL_MEMORIES; memory++) {
        model_result result = model_explore(&litmus->scenario, (enum model_memory)memory, NULL, 1);
        int right = result.broken == NULL && model_outcomes == litmus->outcomes[memory];
        (void)printf("  %s %s", memory_names[memory], right ? "as known" : "WRONG OUTCOMES");
        known = known && right;
    }
    (void)printf("\n");
    return known;
}

static int run_one(const char *name)
{
    for (uint32_t i = 0; i < MUTANTS; i++) {
        if (strcmp(mutants[i].name, name) == 0) {
            return is_caught(&mutants[i], 1);
        }
    }
    const model_scenario *scenario = find(name);
    return scenario != NULL && keep(scenario);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        model_depth = (uint32_t)strtoul(argv[1], NULL, 10);
    }
    if (model_depth == 0 || model_depth > 3 || argc > 3) {
        (void)fprintf(stderr, "usage: test_model [DEPTH 1..3 [NAME]]\n");
        return 2;
    }
    if (argc == 3) {
        return run_one(argv[2]) ? 0 : 1;
    }
    int good = 1;
    for (const model_litmus *litmus = model_litmuses; litmus->scenario.name != NULL; litmus++) {
        good &= know(litmus);
    }
    for (uint32_t i = 0; i < LISTS; i++) {
        for (const model_scenario *s = lists[i]; s->name != NULL; s++) {
            good &= keep(s);
        }
    }
    for (uint32_t i = 0; i < MUTANTS; i++) {
        good &= is_caught(&mutants[i], 0);
    }
    return good ? 0 : 1;
}
