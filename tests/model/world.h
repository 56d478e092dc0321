/* The explorer's inside: one state of the world, and who changes it. */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/explorer.h"

#define LOCATIONS_MAX 256u /* words of shared memory that a scenario touches */
#define SHARED_MAX 96u     /* those of them that two threads touch and one writes */
#define VERSIONS_MAX 24u   /* weak memory: values that one word takes */
#define BUFFER_MAX 160u    /* stores in one store buffer, more than any CPU has */
#define SOCKETS_MAX 4u
#define SOCKET_QUEUE_MAX 2u
#define NOBODY UINT32_MAX

enum step_kind {
    STEP_LOCAL, /* begins, or may be killed here: nobody else can tell when */
    STEP_LOAD,
    STEP_STORE,
    STEP_FETCH,
    STEP_FENCE,
    STEP_SYSTEM,
    STEP_ASLEEP, /* until woken */
    STEP_WAIT,   /* for a datagram */
    STEP_JOIN,
    STEP_FLUSH, /* of the oldest buffered store into memory */
    STEP_KILL,
};

enum thread_state { THREAD_RUNS, THREAD_ENDED, THREAD_KILLED };

typedef struct buffered_store {
    uint64_t value;
    uint32_t location;
    uint32_t reserved;
} buffered_store;

/* An access that a mutant delays. */
typedef struct held_access {
    const char *where;
    void *p;
    uint64_t value;
    uint32_t bytes;
    uint32_t order;
    uint32_t change;
    uint32_t access; /* enum model_access + 1; 0: none */
} held_access;

typedef struct thread {
    jmp_buf context;
    char *low; /* its stack is in use from here up */
    const char *where;
    const void *asleep_on;
    held_access held;
    uint32_t state;
    uint32_t kind;     /* of the step that it takes next */
    uint32_t location; /* of that step */
    uint32_t drains;   /* that step waits until the store buffer is empty */
    uint32_t choice;   /* weak memory: which value the load gets, 0 is the newest */
    uint32_t joins;    /* thread, or socket that it waits for */
    uint32_t woken;
    uint32_t stores; /* in its buffer */
} thread;

/* What a thread (or who reads a store of its) must at least see: by shared word, the version. */
typedef struct view {
    uint8_t seen[SHARED_MAX];
} view;

typedef struct version {
    uint64_t value;
    view view; /* what who acquires it sees */
} version;

typedef struct world {
    thread threads[MODEL_THREADS_MAX];
    uint32_t killed; /* thread, or NOBODY */
    uint32_t queued[SOCKETS_MAX];
    uint8_t versions[SHARED_MAX];
} world;

typedef struct location {
    uintptr_t address;
    uint32_t bytes;
    uint32_t readers; /* bits of threads */
    uint32_t writers;
    uint32_t shared; /* index among the shared words, or NOBODY */
} location;

/* The state; what of it is in use follows from `world_now`. */
extern world world_now;
extern uint64_t world_values[LOCATIONS_MAX];
extern buffered_store world_buffers[MODEL_THREADS_MAX][BUFFER_MAX];
extern version world_versions[SHARED_MAX][VERSIONS_MAX];
extern view world_views[MODEL_THREADS_MAX][3];
extern view world_fences;
enum { VIEW_NOW, VIEW_ACQUIRED, VIEW_RELEASED };

/* Not part of the state. */
extern const model_scenario *scenario_now;
extern enum model_memory memory_now;
extern const model_mutant *mutant_now;
extern uint32_t thread_now; /* who runs, or NOBODY */
extern uint32_t thread_count;
extern location locations[LOCATIONS_MAX];
extern uint32_t location_count;
extern uint32_t shared_count;
extern int exploring;       /* the scenario is set up */
extern int sharing_is_news; /* a word has got a new reader or writer: begin anew */
extern uint64_t value_told; /* of the last access, for the schedule */

void memory_forget(void);
void memory_begin(void);
uint32_t memory_choices(const thread *t);
void memory_flush(uint32_t n);
void memory_join(uint32_t n);
uint64_t memory_newest(uint32_t location);
uint32_t memory_locate(const void *p, size_t bytes);
void memory_see_newest(uint32_t location);
void memory_note(uint32_t location, int writes);
void kernel_forget(void);

/* In a thread: hands over to the explorer; returns when it is chosen. */
void suspend(enum step_kind kind, uint32_t location, uint32_t drains, const char *where);
/* In a thread, before an access: where a mortal one may be killed. */
void suspend_mortal(const char *where);

#endif
