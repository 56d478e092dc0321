/* The scenarios, each file's list ended by one without a name. */
#ifndef TESTS_MODEL_SCENARIOS_H
#define TESTS_MODEL_SCENARIOS_H

#include "tests/model/explorer.h"

/* A program of which all outcomes are known, as bits, by memory. */
typedef struct model_litmus {
    model_scenario scenario;
    uint32_t outcomes[MODEL_MEMORIES];
} model_litmus;

extern const model_litmus model_litmuses[];
/* Those that the last exploration of a litmus found. */
extern uint32_t model_outcomes;

extern const model_scenario model_wakes[];
extern const model_scenario model_lanes[];
extern const model_scenario model_rings[];

#endif
