#include "ringbus/core.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ringbus/atomics.h"
#include "ringbus/status.h"

size_t rb_core_page_bytes(void)
{
    return sizeof(rb_core_page);
}

int32_t rb_core_page_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_core_page)) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, sizeof(rb_core_page), RB_KIND_CORE, RB_CORE_AGENTS_MAX, name);
}

void rb_core_page_reset(void *memory)
{
    rb_core_page *page = memory;
    memset((char *)page + sizeof page->layout, 0, sizeof *page - sizeof page->layout);
}

int32_t rb_core_attach(rb_core *core, void *memory, size_t bytes, void *idle, uint32_t clock_mode,
                       int32_t cpu)
{
    int32_t status = rb_layout_verify(memory, bytes, RB_KIND_CORE);
    if (status != RB_OK) {
        return status;
    }
    if (idle == NULL || clock_mode > RB_CLOCK_COUNTED) {
        return RB_USAGE;
    }
    memset(core, 0, sizeof *core);
    core->page = memory;
    core->idle = idle;
    core->clock.mode = clock_mode;
    core->limit = 1;
    rb_core_page_reset(memory);
    core->page->pid = (uint32_t)getpid();
    core->page->cpu = cpu;
    rb_store_release_u32(&core->page->state, RB_CORE_STARTING);
    return RB_OK;
}

void *rb_core_clock(rb_core *core)
{
    return &core->clock;
}

void *rb_core_wake(rb_core *core)
{
    return &core->wake;
}

int32_t rb_core_add(rb_core *core, const char *name, void *work, void *state, void *check_text)
{
    if (work == NULL || name == NULL || strlen(name) >= sizeof core->page->agents[0]) {
        return RB_USAGE;
    }
    if (core->agent_count >= RB_CORE_AGENTS_MAX) {
        return RB_FULL;
    }
    rb_agent *agent = &core->agents[core->agent_count];
    /* ISO C has no cast between object and function pointers; POSIX promises that copying works. */
    memcpy(&agent->work, &work, sizeof work);
    memcpy(&agent->check_text, &check_text, sizeof check_text);
    agent->state = state;
    memcpy(core->page->agents[core->agent_count], name, strlen(name) + 1);
    core->agent_count++;
    rb_store_release_u32(&core->page->agent_count, core->agent_count);
    return RB_OK;
}

static int64_t do_nothing(void *state, int64_t limit)
{
    (void)state;
    (void)limit;
    return 0;
}

int32_t rb_core_host(rb_core *core, const char *name)
{
    int32_t status = rb_core_add(core, name, rb_work_address(do_nothing), NULL, NULL);
    return status < 0 ? status : (int32_t)core->agent_count - 1;
}

int32_t rb_core_time(rb_core *core, uint32_t agent, void *histogram)
{
    if (agent >= core->agent_count) {
        return RB_USAGE;
    }
    core->turns[agent] = histogram;
    core->every = rb_core_every(core);
    core->left = core->every;
    core->chance = 1;
    return RB_OK;
}

void rb_core_watch(rb_core *core, void *stalls)
{
    core->stalls = stalls;
    core->looked_ns = 0;
}

uint32_t rb_core_every(const rb_core *core)
{
    return core->idle->strategy == RB_IDLE_SPIN ? RB_CORE_EVERY_SPINNING : RB_CORE_EVERY;
}

/* A turn of a timed round is over, which began at `before_ns`; so the next one begins. */
static void time_turn(rb_core *core, uint32_t agent, int64_t count)
{
    uint64_t now_ns = rb_clock_read(&core->watch);
    /* The wall clock may be set back by a step. */
    if (count > 0 && core->turns[agent] != NULL && now_ns >= core->before_ns) {
        rb_histogram_record(core->turns[agent], now_ns - core->before_ns);
    }
    core->before_ns = now_ns;
}

void rb_core_did(rb_core *core, uint32_t agent, int64_t count)
{
    if (agent >= core->agent_count) {
        return;
    }
    if (core->timed) {
        time_turn(core, agent, count);
    }
    if (count > 0) {
        /* relaxed: a number for a watcher. */
        rb_store_relaxed(&core->page->work[agent], core->page->work[agent] + (uint64_t)count);
    }
}

static int64_t latch(rb_core *core, uint32_t index, int64_t status)
{
    core->page->failed_status = (int32_t)status;
    core->page->failed_agent = index;
    core->failed = status;
    rb_store_release_u32(&core->page->state, RB_CORE_FAILED);
    return status;
}

void rb_core_give_up(rb_core *core, uint32_t agent, const char *why)
{
    rb_core_page *page = core->page;
    if (agent < core->agent_count) {
        (void)snprintf(page->failed_text, sizeof page->failed_text, "%s: %s", page->agents[agent],
                       why);
        (void)latch(core, agent, RB_CORRUPT);
    }
}

void rb_core_wake_at(rb_core *core, uint64_t due_ns)
{
    if (core->clock.mode == RB_CLOCK_REAL) {
        rb_idle_wake_at(core->idle, due_ns);
    }
}

void rb_core_ring(rb_core *core, uint64_t mask)
{
    core->wake.mask |= mask;
}

static int64_t fail(rb_core *core, uint32_t index, int64_t status)
{
    rb_core_page *page = core->page;
    const rb_agent *agent = &core->agents[index];
    const char *where = "";
    if (status == RB_CORRUPT && agent->check_text != NULL) {
        where = agent->check_text();
    } else if (status == RB_SYSTEM) {
        where = strerror(errno);
    }
    (void)snprintf(page->failed_text, sizeof page->failed_text, "%s: %s%s%s", page->agents[index],
                   rb_status_text(status), where[0] != '\0' ? ": " : "", where);
    return latch(core, index, status);
}

/* Gives an agent its turn. Returns what it did, or a status: it has failed, and the core with it.
 */
static inline int64_t give_turn(rb_core *core, uint32_t i, int64_t limit)
{
    const rb_agent *agent = &core->agents[i];
    int64_t count = agent->work(agent->state, limit);
    if (__builtin_expect(count < 0, 0)) {
        return fail(core, i, count);
    }
    if (count > 0) {
        rb_store_relaxed(&core->page->work[i], core->page->work[i] + (uint64_t)count);
    }
    return count;
}

/* Whether this round is to be timed; draws the next one: on average one in `every`. */
static inline int is_timed(rb_core *core)
{
    if (__builtin_expect(core->every == 0, 0)) {
        return 0;
    }
    core->left--;
    if (__builtin_expect(core->left != 0, 1)) {
        return 0;
    }
    /* Numerical Recipes' generator: its high bits are even enough to break any rhythm. */
    core->chance = core->chance * 1664525u + 1013904223u;
    core->left = 1 + (uint32_t)(((uint64_t)core->chance * (2u * core->every - 1)) >> 32);
    return 1;
}

static int64_t timed_round(rb_core *core, int64_t limit)
{
    int64_t total = 0;
    core->before_ns = rb_clock_read(&core->watch);
    for (uint32_t i = 0; i < core->agent_count; i++) {
        int64_t count = give_turn(core, i, limit);
        if (count < 0) {
            return count;
        }
        time_turn(core, i, count);
        total += count;
    }
    return total;
}

/*
 * The limit starts at one and doubles while rounds have work. A look for a second message is a
 * cache miss when there is none, and everything that comes behind it in the round waits for that
 * miss: on two distant CPUs, 200 ns between the sequencer and the shard of a single proposal.
 */
int64_t rb_core_round(rb_core *core)
{
    if (__builtin_expect(core->failed != 0, 0)) {
        return core->failed;
    }
    int64_t total = 0;
    int64_t limit = core->limit;
    core->timed = (uint32_t)is_timed(core);
    if (__builtin_expect(core->timed != 0, 0)) {
        total = timed_round(core, limit);
    } else {
        for (uint32_t i = 0; i < core->agent_count && total >= 0; i++) {
            int64_t count = give_turn(core, i, limit);
            total = count < 0 ? count : total + count;
        }
    }
    if (__builtin_expect(total < 0, 0)) {
        return total;
    }
    if (core->wake.mask != 0 || core->wake.stream != 0) {
        rb_idle_ring(core->idle, core->wake.mask, core->wake.stream);
        core->wake.mask = 0;
        core->wake.stream = 0;
    }
    if (__builtin_expect(core->wake.soon != 0, 0)) {
        rb_idle_look_soon(core->idle);
        core->wake.soon = 0;
    }
    core->rounds++;
    int64_t doubled = limit * 2 < RB_CORE_LIMIT ? limit * 2 : RB_CORE_LIMIT;
    core->limit = total > 0 ? doubled : 1;
    return total;
}

/* The clock costs more than an empty round: a busy core beats once in 1,024 rounds, a parked one
 * each. Agents in Python take milliseconds a round, and on a host without a free CPU ten times
 * that: 1,024 of those are longer than a supervisor's patience, so such a core beats each round. */
static void beat(rb_core *core, int is_hosting)
{
    rb_core_page *page = core->page;
    if (!is_hosting && (core->rounds & 1023u) != 0 && core->idle->parks == page->parks) {
        return;
    }
    rb_clock real = {.mode = RB_CLOCK_REAL};
    rb_store_relaxed(&page->beat_ns, rb_clock_read(&real));
    rb_store_relaxed(&page->rounds, core->rounds);
    rb_store_relaxed(&page->parks, core->idle->parks);
    rb_store_relaxed(&page->wakes, core->idle->wakes);
}

/* Finds the stretches in which no agent had its turn. */
static void look(rb_core *core, int64_t work, int has_slept)
{
    int is_due = work != 0 || has_slept || core->rounds % RB_CORE_LOOK_ROUNDS == 0;
    if (core->stalls == NULL || !is_due) {
        return;
    }
    uint64_t now_ns = rb_clock_read(&core->watch);
    uint64_t since_ns = core->looked_ns;
    core->looked_ns = now_ns;
    uint64_t asked_ns = has_slept ? (uint64_t)core->idle->asked_us * 1000 : 0;
    uint64_t least_ns = has_slept ? RB_CORE_OVERSLEPT_NS : RB_CORE_STALL_NS;
    if (since_ns != 0 && now_ns >= since_ns + asked_ns + least_ns) {
        rb_histogram_record(core->stalls, now_ns - since_ns - asked_ns);
    }
}

static int32_t turn(rb_core *core, int64_t more, int is_hosting)
{
    if (rb_load_acquire_u32(&core->page->stop) != 0) {
        rb_store_release_u32(&core->page->state, RB_CORE_STOPPED);
        return 0;
    }
    int64_t work = rb_core_round(core);
    if (__builtin_expect(work < 0, 0)) {
        return (int32_t)work;
    }
    uint64_t parks = core->idle->parks;
    (void)rb_idle_step(core->idle, work + more);
    look(core, work + more, core->idle->parks != parks);
    beat(core, is_hosting);
    if (core->timed) {
        /* Hosted agents have their turns now. */
        core->before_ns = rb_clock_read(&core->watch);
    }
    return 1;
}

int32_t rb_core_run(rb_core *core)
{
    if (core->failed != 0) {
        return (int32_t)core->failed;
    }
    rb_store_release_u32(&core->page->state, RB_CORE_RUNNING);
    int32_t going = 1;
    while (going > 0) {
        going = turn(core, 0, 0);
    }
    return going;
}

int32_t rb_core_turn(rb_core *core, int64_t work)
{
    if (core->failed != 0) {
        return (int32_t)core->failed;
    }
    rb_store_release_u32(&core->page->state, RB_CORE_RUNNING);
    return turn(core, work, 1);
}

void rb_core_page_stop(void *memory)
{
    rb_core_page *page = memory;
    rb_store_release_u32(&page->stop, 1);
}

static rb_core_page *signal_page;

static void on_signal(int number)
{
    (void)number;
    rb_core_page_stop(signal_page);
}

int32_t rb_core_stop_on_signals(rb_core *core)
{
    struct sigaction action = {.sa_handler = on_signal};
    signal_page = core->page;
    if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0) {
        return RB_SYSTEM;
    }
    return RB_OK;
}

uint32_t rb_core_page_state(const void *page)
{
    return rb_load_acquire_u32(&((const rb_core_page *)page)->state);
}

uint32_t rb_core_page_pid(const void *page)
{
    return ((const rb_core_page *)page)->pid;
}

uint64_t rb_core_page_beat(const void *page)
{
    return rb_load_relaxed(&((const rb_core_page *)page)->beat_ns);
}

uint64_t rb_core_page_rounds(const void *page)
{
    return rb_load_relaxed(&((const rb_core_page *)page)->rounds);
}

uint64_t rb_core_page_parks(const void *page)
{
    return rb_load_relaxed(&((const rb_core_page *)page)->parks);
}

int32_t rb_core_page_cpu(const void *page)
{
    return ((const rb_core_page *)page)->cpu;
}

uint32_t rb_core_page_agents(const void *page)
{
    return rb_load_acquire_u32(&((const rb_core_page *)page)->agent_count);
}

const char *rb_core_page_agent(const void *page, uint32_t n)
{
    return n < RB_CORE_AGENTS_MAX ? ((const rb_core_page *)page)->agents[n] : "";
}

uint64_t rb_core_page_work(const void *page, uint32_t n)
{
    return n < RB_CORE_AGENTS_MAX ? rb_load_relaxed(&((const rb_core_page *)page)->work[n]) : 0;
}

const char *rb_core_page_failure(const void *page)
{
    return ((const rb_core_page *)page)->failed_text;
}
