/* Explorer: every interleaving of a small scenario over the shipped C; the essay is in explorer.c.
 */
#ifndef TESTS_MODEL_EXPLORER_H
#define TESTS_MODEL_EXPLORER_H

#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS_MAX 4u
#define MODEL_ARENA_BYTES (64u << 10)

enum model_memory { MODEL_SC, MODEL_TSO, MODEL_WEAK, MODEL_MEMORIES };

typedef struct model_thread {
    const char *name;
    void (*run)(void);
    uint32_t mortal; /* it is also killed before each of its accesses; once in a schedule */
} model_thread;

typedef struct model_scenario {
    const char *name;
    const char *promise;
    void (*set_up)(void); /* lays the structures out in model_arena, alone */
    void (*at_end)(void); /* what must hold when nothing moves any more */
    model_thread threads[MODEL_THREADS_MAX];
    uint32_t weak_depth; /* weak memory has far more states: how deep at most, 0: as the others */
    void *ghost; /* all that the scenario keeps outside of model_arena and the threads' stacks */
    size_t ghost_bytes;
} model_scenario;

enum model_access { MODEL_LOAD, MODEL_STORE, MODEL_FETCH, MODEL_FENCE };
enum model_damage {
    MODEL_DROP,  /* it does not happen */
    MODEL_RELAX, /* it happens, and orders nothing */
    MODEL_DELAY, /* it happens behind the thread's next access */
};
enum model_filter { MODEL_ANY, MODEL_ZERO, MODEL_HIGH_BIT };

/* One needed ordering taken away: the accesses of one kind in one function of the shipped C. */
typedef struct model_mutant {
    const char *name;
    const char *scenario;
    enum model_memory memory;
    enum model_access access;
    const char *where;
    enum model_damage damage;
    enum model_filter only; /* by the value that is stored */
} model_mutant;

typedef struct model_result {
    uint64_t states;
    uint64_t steps;
    uint64_t ends;
    const char *broken; /* NULL: everything held */
} model_result;

extern unsigned char model_arena[MODEL_ARENA_BYTES];
/* 1, or more for deeper bounds; scenarios read it. */
extern uint32_t model_depth;

/* Explores all of it; `mutant` may be NULL. With `loud` a broken promise is told with its schedule.
 */
model_result model_explore(const model_scenario *scenario, enum model_memory memory,
                           const model_mutant *mutant, int loud);

/* In a thread: waits until thread `n` has ended or was killed and its stores are in memory. */
void model_join(uint32_t n);
int model_is_weak(void);
/* In a thread or at the end: a promise is broken; the first is kept. */
void model_break(const char *what);

#define HOLDS(expression)                                                                          \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            model_break(#expression);                                                              \
        }                                                                                          \
    } while (0)

#endif
