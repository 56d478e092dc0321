/*
 * Core: a process that is pinned to one CPU and runs a list of agents round robin.
 *
 * An agent is state and a function `work(state, limit) -> count`: it does at most about `limit`
 * pieces of work and returns how many it did, never blocks, sleeps or asks the time but through its
 * clock. Who calls it is not its business: this loop, a test, or a simulation.
 *
 * The page of a core is in shared memory: it beats, counts, says what failed, and can be told to
 * stop.
 *
 * What turns take. Reading the clock costs as much as an empty turn, so one round in 256 is timed
 * (one in 16 where a core does not spin anyway), drawn by chance: no rhythm of the load can hide
 * from that or fill it. A turn that had work counts as long as it took; the sum of those, times 256
 * (16), is the time that an agent was at work. Stalls are not drawn: a look at the clock after each
 * round that had work and each eighth that had none finds every stretch of 20 us and more in which
 * no agent had its turn, whoever took it: a long turn, another process, an interrupt, the host.
 * Sleeping is no stall, but what it was longer than asked for is, from a millisecond on.
 *
 * Who: rb_core_round and rb_core_run from the core's one thread; the page is read by anybody, and
 * its `stop` is written by the launcher. Crash: the page keeps the last beat; a successor claims
 * it.
 */
#ifndef RINGBUS_CORE_H
#define RINGBUS_CORE_H

#include <string.h>

#include "ringbus/clock.h"
#include "ringbus/histogram.h"
#include "ringbus/idle.h"
#include "ringbus/layout.h"

#define RB_CORE_AGENTS_MAX 32u
#define RB_CORE_LIMIT 256
#define RB_CORE_EVERY_SPINNING 256u
#define RB_CORE_EVERY 16u
#define RB_CORE_STALL_NS 20000u
#define RB_CORE_OVERSLEPT_NS 1000000u
#define RB_CORE_LOOK_ROUNDS 8u

enum rb_core_state {
    RB_CORE_EMPTY = 0,
    RB_CORE_STARTING = 1,
    RB_CORE_RUNNING = 2,
    RB_CORE_STOPPED = 3,
    RB_CORE_FAILED = 4,
};

typedef struct rb_core_page {
    rb_layout layout;
    RB_ALIGNED uint64_t beat_ns; /* owner: the core; clock of the last round that looked */
    uint64_t rounds;
    uint64_t parks;
    uint64_t wakes;
    uint64_t work[RB_CORE_AGENTS_MAX]; /* pieces of work by agent */
    uint32_t state;                    /* enum rb_core_state */
    uint32_t pid;
    uint32_t agent_count;
    int32_t cpu; /* < 0: not pinned */
    int32_t failed_status;
    uint32_t failed_agent;
    char failed_text[192];
    char agents[RB_CORE_AGENTS_MAX][32];
    RB_ALIGNED uint32_t stop; /* owner: the launcher; read by the core */
} rb_core_page;

/* Returns pieces of work done, or a status < 0: the agent has failed and is never called again. */
typedef int64_t (*rb_work)(void *state, int64_t limit);
/* The same as an address, as which it passes through Python: C has no conversion for that. */
static inline void *rb_work_address(rb_work work)
{
    void *address;
    memcpy(&address, &work, sizeof address);
    return address;
}

/* Text of the last broken invariant, of the library that the agent lives in. */
typedef const char *(*rb_check_text_function)(void);

typedef struct rb_agent {
    rb_work work;
    void *state;
    rb_check_text_function check_text;
} rb_agent;

/* cffi: struct rb_core */
typedef struct rb_core {
    rb_agent agents[RB_CORE_AGENTS_MAX];
    uint32_t agent_count;
    int64_t limit;
    rb_clock clock; /* the clock of all agents of this core */
    rb_wake wake;   /* what the agents want rung at the end of the round */
    rb_idle *idle;
    rb_core_page *page;
    uint64_t rounds;
    int64_t failed;  /* latched: status of the agent that failed, 0 if none did */
    uint32_t every;  /* one round in so many is timed; 0: none */
    uint32_t left;   /* rounds to the next that is */
    uint32_t chance; /* state of the generator */
    uint32_t timed;  /* this round is: hosted agents are timed too */
    rb_clock watch;  /* real time, whatever the agents' clock is */
    uint64_t before_ns;
    uint64_t looked_ns;                      /* 0: not yet */
    rb_histogram *turns[RB_CORE_AGENTS_MAX]; /* may be NULL */
    rb_histogram *stalls;                    /* may be NULL */
} rb_core;

/* cffi: begin */
size_t rb_core_page_bytes(void);
int32_t rb_core_page_init(void *memory, size_t bytes, const char *name);
/* Claims the page. `idle` is an attached rb_idle; `clock_mode` one of rb_clock_mode. */
int32_t rb_core_attach(rb_core *core, void *page, size_t bytes, void *idle, uint32_t clock_mode,
                       int32_t cpu);
/* The core's clock and wake set, to be given to its agents. */
void *rb_core_clock(rb_core *core);
void *rb_core_wake(rb_core *core);
/* Adds an agent; `work` is an rb_work, `check_text` an rb_check_text_function. RB_FULL, RB_USAGE.
 */
int32_t rb_core_add(rb_core *core, const char *name, void *work, void *state, void *check_text);
/* Gives a place in the page to an agent whose work the caller of rb_core_turn does himself (an
 * application in Python). Returns its number. RB_USAGE, RB_FULL. */
int32_t rb_core_host(rb_core *core, const char *name);
/* What such an agent did since; that it failed, and why: the core has failed then. */
void rb_core_did(rb_core *core, uint32_t agent, int64_t count);
void rb_core_give_up(rb_core *core, uint32_t agent, const char *why);
/* It looks up at `due_ns` at the latest, once, though nobody rings: for an agent with a timer that
 * goes by the core's clock. A clock that is set by hand wakes nobody. */
void rb_core_wake_at(rb_core *core, uint64_t due_ns);
/* Records what turns of agent number `agent` take, and stalls of the core, from here on. RB_USAGE.
 */
int32_t rb_core_time(rb_core *core, uint32_t agent, void *histogram);
void rb_core_watch(rb_core *core, void *stalls);
/* Of how many rounds one is timed. */
uint32_t rb_core_every(const rb_core *core);
/* Rings the bells of `mask` at the end of the next round. */
void rb_core_ring(rb_core *core, uint64_t mask);
/* One round over all agents, then rings. Returns the work done, or the status of a failed agent,
 * from then on without calling any. */
int64_t rb_core_round(rb_core *core);
/* Rounds until told to stop: RB_OK, or the status of a failed agent. Releases nothing. */
int32_t rb_core_run(rb_core *core);
/* One turn of rb_core_run for a core whose loop is elsewhere (an application in Python): a round,
 * then it waits unless the round or the caller (`work`) had something to do. 1; 0: it was told to
 * stop; < 0: an agent failed. */
int32_t rb_core_turn(rb_core *core, int64_t work);
/* Tells the core to stop; by the launcher, or a signal handler of the core itself. */
void rb_core_page_stop(void *page);
/* Ends rb_core_run of this process when SIGTERM or SIGINT comes. */
int32_t rb_core_stop_on_signals(rb_core *core);
/* What a watcher sees. Strings point into the page. */
uint32_t rb_core_page_state(const void *page);
uint32_t rb_core_page_pid(const void *page);
uint64_t rb_core_page_beat(const void *page);
uint64_t rb_core_page_rounds(const void *page);
uint64_t rb_core_page_parks(const void *page);
int32_t rb_core_page_cpu(const void *page);
uint32_t rb_core_page_agents(const void *page);
const char *rb_core_page_agent(const void *page, uint32_t n);
uint64_t rb_core_page_work(const void *page, uint32_t n);
const char *rb_core_page_failure(const void *page);
/* Back to empty, for a restart. */
void rb_core_page_reset(void *page);
/* cffi: end */

#endif
