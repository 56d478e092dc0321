/*
 * Explorer: the shipped C under every interleaving of its accesses to shared memory.
 *
 * The idea. ringbus/{lane,multicast,doorbell,idle}.{h,c} are compiled as they are, but for
 * ringbus/atomics.h, whose place stepped_atomics.h takes: each load, store, atomic
 * read-modify-write and fence, each word of a copied payload, and each futex or socket call is a
 * step. Threads are coroutines on stacks of their own. At each step the explorer chooses who goes
 * next, and comes back later to choose each of the others; with it the memory's choices: when a
 * buffered store reaches memory (TSO), which of the values that it may see a load sees (weak), and
 * before which access a mortal thread is killed.
 *
 *     scenario threads ──calls──▶ shipped lane.h, multicast.c, idle.c ...
 *           ▲                         │ rb_load_acquire, rb_fence_seq_cst, syscall ...
 *           │ resume                  ▼
 *       explorer ◀──suspend── memory.c (SC, TSO, weak), kernel.c (futex, datagrams)
 *
 * The structures. A state is everything that the future depends on: the used part of each stack and
 * its registers, the words of shared memory with their buffers or versions, and what the scenario
 * notes (its ghost). It is copied as bytes and brought back to the same addresses, so a path is
 * walked once and never replayed. The search is depth first; a state whose hash (128 bits) was met
 * before is left, since all that can follow was or will be looked at. What is left out on the way
 * is what nobody can tell apart: a thread's steps on words that no other thread touches, and its
 * putting a store into its own buffer, are taken at once without trying the others in between. Who
 * touches which word is not declared but learned: as soon as a word turns out to be shared, the
 * scenario is begun anew with that known, until a whole search brings nothing new.
 *
 * What is proved. Within a scenario's bounds (so many threads, messages, one crash): no schedule
 * breaks its promise, none ends with a thread asleep or waiting for ever. It is exhaustive, with no
 * limit on preemptions. TSO is what x86-64 does; SC is its base case; the weak memory covers what
 * the compiler and other CPUs may do to loads and stores that are not ordered by release, acquire
 * and fences. A crash stops a thread between two accesses; what it stored before reaches memory
 * before its successor starts, as the kernel guarantees when one process learns of another's death.
 *
 * What is not. More threads, more messages, several crashes: other bounds. A load that is delayed
 * behind a later store of its own thread (load buffering), which x86-64 does not do and which the
 * views of the weak memory cannot express: L2 and M11 (a reader is done before it gives a slot
 * back) are thus tested for their place, not for their order. A word torn in itself; the compiler's
 * own code for plain accesses to private handles; the kernel, which is a stand-in.
 *
 * So that a green result means something, litmus.c holds programs whose outcomes in each memory are
 * known, and exactly those must be found; and test_model.c takes needed orderings away one at a
 * time and expects each to be caught.
 */
#include "tests/model/explorer.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "tests/model/world.h"

#undef memcpy

enum { STACK_BYTES = 64 << 10, OPTIONS_MAX = 64, PATH_MAX_STEPS = 1 << 16 };

_Alignas(128) unsigned char model_arena[MODEL_ARENA_BYTES];
uint32_t model_depth = 1;

world world_now;
const model_scenario *scenario_now;
enum model_memory memory_now;
const model_mutant *mutant_now;
uint32_t thread_now = NOBODY;
uint32_t thread_count;

static _Alignas(64) char stacks[MODEL_THREADS_MAX][STACK_BYTES];
static jmp_buf explorer_context;
static const char *broken;

/* ---- Coroutines ---- */

/* In a frame of its own, so that everything above it belongs to the suspended thread. */
static void __attribute__((noinline)) leave(thread *t)
{
    t->low = __builtin_frame_address(0);
    _longjmp(explorer_context, 1);
}

void __attribute__((noinline)) suspend(enum step_kind kind, uint32_t n, uint32_t drains,
                                       const char *where)
{
    thread *t = &world_now.threads[thread_now];
    t->kind = kind;
    t->location = n;
    t->drains = drains;
    t->where = where;
    if (_setjmp(t->context) == 0) {
        leave(t);
    }
}

void suspend_mortal(const char *where)
{
    if (scenario_now->threads[thread_now].mortal && world_now.killed == NOBODY) {
        suspend(STEP_LOCAL, NOBODY, 0, where);
    }
}

static void __attribute__((noinline)) resume(uint32_t n)
{
    thread_now = n;
    if (_setjmp(explorer_context) == 0) {
        _longjmp(world_now.threads[n].context, 1);
    }
    thread_now = NOBODY;
}

static void run_thread(void)
{
    suspend(STEP_LOCAL, NOBODY, 0, "start");
    scenario_now->threads[thread_now].run();
    thread *t = &world_now.threads[thread_now];
    t->state = THREAD_ENDED;
    memset(t->context, 0, sizeof t->context);
    leave(t);
}

static void __attribute__((noinline)) start_thread(uint32_t n)
{
    static ucontext_t context;
    memset(stacks[n], 0, STACK_BYTES);
    (void)getcontext(&context);
    context.uc_stack.ss_sp = stacks[n];
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = NULL;
    makecontext(&context, run_thread, 0);
    thread_now = n;
    if (_setjmp(explorer_context) == 0) {
        (void)setcontext(&context);
    }
    thread_now = NOBODY;
}

/* ---- What scenarios call ---- */

void model_join(uint32_t n)
{
    world_now.threads[thread_now].joins = n;
    suspend(STEP_JOIN, NOBODY, 0, "model_join");
    memory_join(n);
}

int model_is_weak(void)
{
    return memory_now == MODEL_WEAK;
}

void model_break(const char *what)
{
    broken = broken == NULL ? what : broken;
}

/* ---- A state as bytes ---- */

typedef struct segment {
    void *bytes;
    size_t count;
} segment;

/* Everything in use but `world_now` itself, which says what that is. */
static uint32_t list_segments(segment *list)
{
    uint32_t n = 0;
    list[n++] = (segment){world_values, location_count * sizeof world_values[0]};
    list[n++] = (segment){scenario_now->ghost, scenario_now->ghost_bytes};
    for (uint32_t i = 0; i < thread_count; i++) {
        thread *t = &world_now.threads[i];
        if (t->state == THREAD_RUNS) {
            list[n++] = (segment){t->low, (size_t)(stacks[i] + STACK_BYTES - t->low)};
        }
        list[n++] = (segment){world_buffers[i], t->stores * sizeof world_buffers[i][0]};
    }
    if (memory_now == MODEL_WEAK) {
        list[n++] = (segment){world_views, sizeof world_views};
        list[n++] = (segment){&world_fences, sizeof world_fences};
        for (uint32_t i = 0; i < shared_count; i++) {
            list[n++] =
                (segment){world_versions[i], world_now.versions[i] * sizeof world_versions[i][0]};
        }
    }
    return n;
}

enum { SEGMENTS_MAX = 16 + SHARED_MAX };

static char *save(void)
{
    segment list[SEGMENTS_MAX];
    uint32_t n = list_segments(list);
    size_t bytes = sizeof world_now;
    for (uint32_t i = 0; i < n; i++) {
        bytes += list[i].count;
    }
    char *copy = malloc(bytes);
    if (copy == NULL) {
        abort();
    }
    char *to = copy;
    memcpy(to, &world_now, sizeof world_now);
    to += sizeof world_now;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(to, list[i].bytes, list[i].count);
        to += list[i].count;
    }
    return copy;
}

static void restore(const char *copy)
{
    segment list[SEGMENTS_MAX];
    memcpy(&world_now, copy, sizeof world_now);
    copy += sizeof world_now;
    uint32_t n = list_segments(list);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(list[i].bytes, copy, list[i].count);
        copy += list[i].count;
    }
}

typedef struct hash {
    uint64_t a;
    uint64_t b;
} hash;

static void mix(hash *h, const void *bytes, size_t count)
{
    const char *from = bytes;
    for (; count > 0;) {
        uint64_t word = 0;
        size_t part = count < 8 ? count : 8;
        memcpy(&word, from, part);
        from += part;
        count -= part;
        h->a = (h->a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h->a ^= h->a >> 32;
        h->b = ((h->b << 23 | h->b >> 41) + word) * UINT64_C(0xd6e8feb86659fd93);
    }
}

static hash hash_of_state(void)
{
    segment list[SEGMENTS_MAX];
    uint32_t n = list_segments(list);
    hash h = {1, 2};
    mix(&h, &world_now, sizeof world_now);
    for (uint32_t i = 0; i < n; i++) {
        mix(&h, list[i].bytes, list[i].count);
    }
    h.b ^= h.b >> 29;
    h.a |= 1; /* 0 is an empty place */
    return h;
}

/* ---- The set of states that were met ---- */

static hash *met;
static uint64_t met_mask;
static uint64_t met_count;

static int put(hash *table, uint64_t mask, hash h)
{
    for (uint64_t i = h.b & mask;; i = (i + 1) & mask) {
        if (table[i].a == 0) {
            table[i] = h;
            return 1;
        }
        if (table[i].a == h.a && table[i].b == h.b) {
            return 0;
        }
    }
}

static void make_room(void)
{
    uint64_t mask = met == NULL ? (1u << 16) - 1 : met_mask * 2 + 1;
    hash *table = calloc(mask + 1, sizeof *table);
    if (table == NULL) {
        abort();
    }
    for (uint64_t i = 0; met != NULL && i <= met_mask; i++) {
        if (met[i].a != 0) {
            (void)put(table, mask, met[i]);
        }
    }
    free(met);
    met = table;
    met_mask = mask;
}

/* 1: it is new. */
static int meet(hash h)
{
    if (met == NULL || met_count * 2 > met_mask) {
        make_room();
    }
    int is_new = put(met, met_mask, h);
    met_count += (uint64_t)is_new;
    return is_new;
}

/* ---- Steps ---- */

typedef struct step {
    uint32_t thread;
    uint32_t kind;
    uint32_t choice;
    uint32_t location;
    uint64_t value;
    const char *where;
} step;

typedef struct branching {
    char *state;
    uint32_t path; /* steps that lead here */
    uint32_t next;
    uint32_t count;
    step options[OPTIONS_MAX];
} branching;

static step path[PATH_MAX_STEPS];
static uint32_t path_count;

static int can_step(uint32_t n)
{
    const thread *t = &world_now.threads[n];
    if (t->state != THREAD_RUNS || (t->drains && t->stores > 0)) {
        return 0;
    }
    if (t->kind == STEP_ASLEEP) {
        return t->woken != 0;
    }
    if (t->kind == STEP_WAIT) {
        return world_now.queued[t->joins] > 0;
    }
    if (t->kind == STEP_JOIN) {
        const thread *other = &world_now.threads[t->joins];
        return other->state != THREAD_RUNS && other->stores == 0;
    }
    return 1;
}

static uint32_t add_option(step *options, uint32_t count, uint32_t n, uint32_t kind,
                           uint32_t choice)
{
    const thread *t = &world_now.threads[n];
    if (count == OPTIONS_MAX) {
        abort();
    }
    uint32_t where = kind == STEP_FLUSH ? world_buffers[n][0].location : t->location;
    options[count] =
        (step){.thread = n, .kind = kind, .choice = choice, .location = where, .where = t->where};
    return count + 1;
}

static uint32_t list_options(step *options)
{
    for (uint32_t n = 0; n < thread_count; n++) {
        const thread *t = &world_now.threads[n];
        if (t->state == THREAD_RUNS && t->kind == STEP_LOCAL) {
            uint32_t count = add_option(options, 0, n, STEP_LOCAL, 0);
            if (scenario_now->threads[n].mortal && world_now.killed == NOBODY) {
                count = add_option(options, count, n, STEP_KILL, 0);
            }
            return count;
        }
    }
    uint32_t count = 0;
    for (uint32_t n = 0; n < thread_count; n++) {
        const thread *t = &world_now.threads[n];
        for (uint32_t i = 0; can_step(n) && i < memory_choices(t); i++) {
            count = add_option(options, count, n, t->kind, i);
        }
        if (t->stores > 0) {
            count = add_option(options, count, n, STEP_FLUSH, 0);
        }
    }
    return count;
}

static void take(step chosen)
{
    thread *t = &world_now.threads[chosen.thread];
    value_told = 0;
    if (chosen.kind == STEP_FLUSH) {
        memory_flush(chosen.thread);
    } else if (chosen.kind == STEP_KILL) {
        t->state = THREAD_KILLED;
        memset(t->context, 0, sizeof t->context);
        world_now.killed = chosen.thread;
    } else {
        t->choice = chosen.choice;
        resume(chosen.thread);
    }
    chosen.value = value_told;
    if (path_count == PATH_MAX_STEPS) {
        abort();
    }
    path[path_count++] = chosen;
}

/* ---- Telling ---- */

static void tell_schedule(void)
{
    static const char *const kinds[] = {"goes on", "loads",   "stores",   "changes",
                                        "fence",   "calls",   "wakes",    "is called",
                                        "joins",   "FLUSHES", "IS KILLED"};
    for (uint32_t i = 0; i < path_count; i++) {
        const step *s = &path[i];
        (void)fprintf(stderr, "  %4u  %-10s %-9s", i, scenario_now->threads[s->thread].name,
                      kinds[s->kind]);
        if (s->location != NOBODY && s->kind != STEP_LOCAL && s->kind != STEP_KILL) {
            (void)fprintf(stderr, " [%#06lx] = %#lx",
                          (unsigned long)(locations[s->location].address - (uintptr_t)model_arena),
                          (unsigned long)s->value);
        }
        (void)fprintf(stderr, "  %s%s\n", s->where, s->choice > 0 ? "  (an older value)" : "");
    }
}

static const char *stuck(void)
{
    for (uint32_t n = 0; n < thread_count; n++) {
        if (world_now.threads[n].state == THREAD_RUNS) {
            return world_now.threads[n].kind == STEP_JOIN ? "a thread waits for one that never ends"
                                                          : "asleep for ever";
        }
    }
    return NULL;
}

/* ---- The search ---- */

static branching *branchings;
static uint32_t branching_count;
static uint32_t branching_room;

static void push(const step *options, uint32_t count)
{
    if (branching_count == branching_room) {
        branching_room = branching_room == 0 ? 256 : branching_room * 2;
        branchings = realloc(branchings, branching_room * sizeof *branchings);
        if (branchings == NULL) {
            abort();
        }
    }
    branching *f = &branchings[branching_count++];
    f->state = save();
    f->path = path_count;
    f->next = 0;
    f->count = count;
    memcpy(f->options, options, count * sizeof *options);
}

static void begin(void)
{
    exploring = 0;
    sharing_is_news = 0;
    broken = NULL;
    path_count = 0;
    memset(model_arena, 0, sizeof model_arena);
    memset(scenario_now->ghost, 0, scenario_now->ghost_bytes);
    memset(&world_now, 0, sizeof world_now);
    world_now.killed = NOBODY;
    kernel_forget();
    scenario_now->set_up();
    memory_begin();
    exploring = 1;
    for (uint32_t n = 0; n < thread_count; n++) {
        start_thread(n);
    }
    free(met);
    met = NULL;
    met_count = 0;
}

/* Goes on from the current state while there is nothing to choose. Then it branches, or ends. */
static void walk(model_result *result)
{
    step options[OPTIONS_MAX];
    for (;;) {
        uint32_t count = list_options(options);
        if (count == 0) {
            result->ends++;
            if (stuck() != NULL) {
                model_break(stuck());
            } else {
                scenario_now->at_end();
            }
            return;
        }
        if (count > 1 || options[0].kind != STEP_LOCAL) {
            if (!meet(hash_of_state())) {
                return;
            }
            if (count > 1) {
                push(options, count);
                return;
            }
        }
        take(options[0]);
        result->steps++;
        if (broken != NULL) {
            return;
        }
    }
}

static model_result search(void)
{
    model_result result = {0};
    begin();
    walk(&result);
    while (branching_count > 0 && broken == NULL && !sharing_is_news) {
        branching *f = &branchings[branching_count - 1];
        if (f->next == f->count) {
            free(f->state);
            branching_count--;
            continue;
        }
        if (f->next > 0) {
            restore(f->state);
            path_count = f->path;
        }
        take(f->options[f->next++]);
        result.steps++;
        if (broken == NULL) {
            walk(&result);
        }
    }
    for (; branching_count > 0; branching_count--) {
        free(branchings[branching_count - 1].state);
    }
    result.states = met_count;
    result.broken = broken;
    return result;
}

model_result model_explore(const model_scenario *scenario, enum model_memory memory,
                           const model_mutant *mutant, int loud)
{
    scenario_now = scenario;
    memory_now = memory;
    mutant_now = mutant;
    for (thread_count = 0;
         thread_count < MODEL_THREADS_MAX && scenario->threads[thread_count].run != NULL;) {
        thread_count++;
    }
    memory_forget();
    model_result result;
    do {
        result = search();
    } while (result.broken == NULL && sharing_is_news);
    exploring = 0;
    if (result.broken != NULL && loud) {
        tell_schedule();
    }
    return result;
}
