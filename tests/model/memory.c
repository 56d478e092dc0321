/*
 * The three memories, and the ordered accesses in them.
 *
 * SC: one value a word, every access at once. TSO: a store goes into the thread's own FIFO, from
 * which it is flushed at any later time; a load takes the thread's own newest buffered store first;
 * atomic read-modify-writes, full fences and system calls wait until the FIFO is empty. WEAK: C11
 * without out-of-thin-air and without load buffering, by views: a word keeps all its versions, a
 * load may take any that is not older than one that the thread has seen, and release and acquire
 * hand over what was seen (Kang et al. 2017, the promise-free part). A sequentially consistent
 * read-modify-write is no fence there, as in C11.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/world.h"

#undef memcpy

uint64_t world_values[LOCATIONS_MAX];
buffered_store world_buffers[MODEL_THREADS_MAX][BUFFER_MAX];
version world_versions[SHARED_MAX][VERSIONS_MAX];
view world_views[MODEL_THREADS_MAX][3];
view world_fences;

location locations[LOCATIONS_MAX];
uint32_t location_count;
uint32_t shared_count;
int exploring;
int sharing_is_news;
uint64_t value_told;

/* A bound of the explorer itself: it proves nothing any more, so it ends. */
static void bound(int holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "explorer: too small for this scenario: %s\n", what);
        exit(2);
    }
}

static uint64_t read_arena(uintptr_t address, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, model_arena + (address - (uintptr_t)model_arena), bytes);
    return value;
}

static int in_arena(const void *p)
{
    uintptr_t address = (uintptr_t)p;
    return address >= (uintptr_t)model_arena &&
           address < (uintptr_t)model_arena + MODEL_ARENA_BYTES;
}

static uint32_t find(uintptr_t address)
{
    for (uint32_t i = 0; i < location_count; i++) {
        if (locations[i].address == address) {
            return i;
        }
    }
    return NOBODY;
}

uint32_t memory_locate(const void *p, size_t bytes)
{
    uint32_t known = find((uintptr_t)p);
    if (known != NOBODY) {
        bound(locations[known].bytes == bytes, "one word, two sizes");
        return known;
    }
    bound(location_count < LOCATIONS_MAX, "words");
    locations[location_count] =
        (location){.address = (uintptr_t)p, .bytes = (uint32_t)bytes, .shared = NOBODY};
    world_values[location_count] = read_arena((uintptr_t)p, bytes);
    sharing_is_news = 1;
    return location_count++;
}

void memory_forget(void)
{
    location_count = 0;
}

/* A word that several threads touch and one writes: the order of accesses to it can matter. */
static int is_shared(const location *word)
{
    uint32_t all = word->readers | word->writers;
    return word->writers != 0 && (all & (all - 1)) != 0;
}

void memory_begin(void)
{
    memset(world_views, 0, sizeof world_views);
    memset(&world_fences, 0, sizeof world_fences);
    memset(world_versions, 0, sizeof world_versions);
    shared_count = 0;
    for (uint32_t i = 0; i < location_count; i++) {
        world_values[i] = read_arena(locations[i].address, locations[i].bytes);
        locations[i].shared = NOBODY;
        if (is_shared(&locations[i])) {
            bound(shared_count < SHARED_MAX, "shared words");
            locations[i].shared = shared_count;
            world_versions[shared_count][0].value = world_values[i];
            world_now.versions[shared_count] = 1;
            shared_count++;
        }
    }
}

void memory_note(uint32_t n, int writes)
{
    uint32_t bit = 1u << thread_now;
    uint32_t *who = writes ? &locations[n].writers : &locations[n].readers;
    if ((*who & bit) == 0) {
        *who |= bit;
        sharing_is_news = 1;
    }
}

static int others_write(uint32_t n)
{
    return (locations[n].writers & ~(1u << thread_now)) != 0;
}

static int others_touch(uint32_t n)
{
    return ((locations[n].writers | locations[n].readers) & ~(1u << thread_now)) != 0;
}

static int keeps_versions(uint32_t n)
{
    return memory_now == MODEL_WEAK && locations[n].shared != NOBODY;
}

static void join(view *to, const view *from)
{
    for (uint32_t i = 0; i < shared_count; i++) {
        to->seen[i] = to->seen[i] > from->seen[i] ? to->seen[i] : from->seen[i];
    }
}

uint64_t memory_newest(uint32_t n)
{
    if (keeps_versions(n)) {
        uint32_t shared = locations[n].shared;
        return world_versions[shared][world_now.versions[shared] - 1].value;
    }
    return world_values[n];
}

static void set_newest(uint32_t n, uint64_t value)
{
    if (keeps_versions(n)) {
        uint32_t shared = locations[n].shared;
        world_versions[shared][world_now.versions[shared] - 1].value = value;
    }
    world_values[n] = value;
}

/* Coherence: who was told the newest value by the kernel does not read an older one later. */
void memory_see_newest(uint32_t n)
{
    if (keeps_versions(n)) {
        uint32_t shared = locations[n].shared;
        uint8_t newest = (uint8_t)(world_now.versions[shared] - 1u);
        world_views[thread_now][VIEW_NOW].seen[shared] = newest;
        world_views[thread_now][VIEW_ACQUIRED].seen[shared] = newest;
    }
}

uint32_t memory_choices(const thread *t)
{
    if (t->kind != STEP_LOAD || !keeps_versions(t->location)) {
        return 1;
    }
    uint32_t shared = locations[t->location].shared;
    uint32_t n = (uint32_t)(t - world_now.threads);
    return world_now.versions[shared] - world_views[n][VIEW_NOW].seen[shared];
}

void memory_flush(uint32_t n)
{
    thread *t = &world_now.threads[n];
    buffered_store *buffer = world_buffers[n];
    world_values[buffer[0].location] = buffer[0].value;
    value_told = buffer[0].value;
    t->stores--;
    memmove(buffer, buffer + 1, t->stores * sizeof *buffer);
}

/* What thread `n` did happened before what the current thread does next. */
void memory_join(uint32_t n)
{
    join(&world_views[thread_now][VIEW_NOW], &world_views[n][VIEW_NOW]);
    join(&world_views[thread_now][VIEW_ACQUIRED], &world_views[n][VIEW_ACQUIRED]);
}

static uint64_t take_version(uint32_t n, uint32_t choice, enum stepped_order order)
{
    uint32_t shared = locations[n].shared;
    uint8_t which = (uint8_t)(world_now.versions[shared] - 1u - choice);
    const version *taken = &world_versions[shared][which];
    view *views = world_views[thread_now];
    views[VIEW_NOW].seen[shared] = which;
    join(&views[VIEW_ACQUIRED], &views[VIEW_NOW]);
    join(&views[VIEW_ACQUIRED], &taken->view);
    if (order == STEPPED_ACQUIRE || order == STEPPED_SEQ_CST) {
        join(&views[VIEW_NOW], &taken->view);
    }
    return taken->value;
}

/* `read` is the version that a read-modify-write read: it goes on with that one's release. */
static void add_version(uint32_t n, uint64_t value, enum stepped_order order, const view *read)
{
    uint32_t shared = locations[n].shared;
    view *views = world_views[thread_now];
    bound(world_now.versions[shared] < VERSIONS_MAX, "values of one word");
    uint8_t which = world_now.versions[shared]++;
    version *added = &world_versions[shared][which];
    memset(added, 0, sizeof *added);
    added->value = value;
    added->view = order == STEPPED_RELAXED ? views[VIEW_RELEASED] : views[VIEW_NOW];
    if (read != NULL) {
        join(&added->view, read);
    }
    added->view.seen[shared] = which;
    views[VIEW_NOW].seen[shared] = which;
    views[VIEW_ACQUIRED].seen[shared] = which;
}

static int is_damaged(enum model_access access, const char *where, uint64_t value,
                      enum model_damage damage)
{
    const model_mutant *m = mutant_now;
    if (m == NULL || m->access != access || m->damage != damage || strcmp(m->where, where) != 0) {
        return 0;
    }
    return m->only == MODEL_ANY || (m->only == MODEL_ZERO && value == 0) ||
           (m->only == MODEL_HIGH_BIT && value >> 63 != 0);
}

/* Whether the access is put off; at most one is held. */
static int is_held(enum model_access access, void *p, size_t bytes, uint64_t value, uint32_t how,
                   const char *where)
{
    held_access *held = &world_now.threads[thread_now].held;
    if (held->access != 0 || !is_damaged(access, where, value, MODEL_DELAY)) {
        return 0;
    }
    *held = (held_access){.where = where,
                          .p = p,
                          .value = value,
                          .bytes = (uint32_t)bytes,
                          .order = how,
                          .change = how,
                          .access = (uint32_t)access + 1};
    return 1;
}

static void store(uint32_t n, uint64_t value, enum stepped_order order, const char *where);
static uint64_t fetch(uint32_t n, enum stepped_change change, uint64_t value, const char *where);

static void let_go(void)
{
    held_access held = world_now.threads[thread_now].held;
    if (held.access == 0) {
        return;
    }
    memset(&world_now.threads[thread_now].held, 0, sizeof held);
    uint32_t n = memory_locate(held.p, held.bytes);
    memory_note(n, 1);
    if (held.access == MODEL_STORE + 1) {
        store(n, held.value, (enum stepped_order)held.order, held.where);
    } else {
        (void)fetch(n, (enum stepped_change)held.change, held.value, held.where);
    }
}

static const buffered_store *own_store(uint32_t n)
{
    for (uint32_t i = world_now.threads[thread_now].stores; i-- > 0;) {
        if (world_buffers[thread_now][i].location == n) {
            return &world_buffers[thread_now][i];
        }
    }
    return NULL;
}

static uint64_t load(uint32_t n, enum stepped_order order, const char *where)
{
    suspend_mortal(where);
    const buffered_store *own = own_store(n);
    if (own != NULL) {
        return own->value;
    }
    if (others_write(n)) {
        suspend(STEP_LOAD, n, 0, where);
    }
    uint32_t choice = world_now.threads[thread_now].choice;
    world_now.threads[thread_now].choice = 0;
    uint64_t value = keeps_versions(n) ? take_version(n, choice, order) : world_values[n];
    value_told = value;
    return value;
}

static void store(uint32_t n, uint64_t value, enum stepped_order order, const char *where)
{
    suspend_mortal(where);
    thread *t = &world_now.threads[thread_now];
    if (memory_now == MODEL_TSO && others_touch(n)) {
        bound(t->stores < BUFFER_MAX, "store buffer");
        world_buffers[thread_now][t->stores++] = (buffered_store){.value = value, .location = n};
        return;
    }
    /* Weak: a new version takes nothing from anybody, so only other writers can tell when. */
    if (memory_now == MODEL_WEAK ? others_write(n) : others_touch(n)) {
        suspend(STEP_STORE, n, 0, where);
    }
    if (keeps_versions(n)) {
        add_version(n, value, order, NULL);
    } else {
        world_values[n] = value;
    }
    value_told = value;
}

static uint64_t changed(uint32_t n, enum stepped_change change, uint64_t old, uint64_t value)
{
    uint64_t result = change == STEPPED_ADD  ? old + value
                      : change == STEPPED_OR ? old | value
                                             : old & value;
    return locations[n].bytes == 4 ? (uint32_t)result : result;
}

static uint64_t fetch(uint32_t n, enum stepped_change change, uint64_t value, const char *where)
{
    suspend_mortal(where);
    suspend(STEP_FETCH, n, 1, where);
    uint64_t old;
    if (keeps_versions(n)) {
        old = take_version(n, 0, STEPPED_SEQ_CST);
        view read =
            world_versions[locations[n].shared][world_now.versions[locations[n].shared] - 1].view;
        add_version(n, changed(n, change, old, value), STEPPED_SEQ_CST, &read);
    } else {
        old = world_values[n];
        world_values[n] = changed(n, change, old, value);
    }
    value_told = changed(n, change, old, value);
    return old;
}

uint64_t stepped_load(const void *p, size_t bytes, enum stepped_order order, const char *where)
{
    if (!in_arena(p) || !exploring) {
        uint64_t value = 0;
        memcpy(&value, p, bytes);
        return value;
    }
    if (thread_now == NOBODY) {
        uint32_t known = find((uintptr_t)p);
        return known != NOBODY ? memory_newest(known) : read_arena((uintptr_t)p, bytes);
    }
    uint32_t n = memory_locate(p, bytes);
    memory_note(n, 0);
    if (is_damaged(MODEL_LOAD, where, 0, MODEL_RELAX)) {
        order = STEPPED_RELAXED;
    }
    uint64_t value = load(n, order, where);
    let_go();
    return value;
}

void stepped_store(void *p, size_t bytes, uint64_t value, enum stepped_order order,
                   const char *where)
{
    if (!in_arena(p) || !exploring) {
        memcpy(p, &value, bytes);
        return;
    }
    if (thread_now == NOBODY) {
        set_newest(memory_locate(p, bytes), value);
        return;
    }
    uint32_t n = memory_locate(p, bytes);
    memory_note(n, 1);
    if (is_damaged(MODEL_STORE, where, value, MODEL_DROP) ||
        is_held(MODEL_STORE, p, bytes, value, order, where)) {
        return;
    }
    if (is_damaged(MODEL_STORE, where, value, MODEL_RELAX)) {
        order = STEPPED_RELAXED;
    }
    store(n, value, order, where);
    let_go();
}

uint64_t stepped_fetch(void *p, size_t bytes, enum stepped_change change, uint64_t value,
                       const char *where)
{
    if (!exploring || thread_now == NOBODY) {
        uint64_t old = stepped_load(p, bytes, STEPPED_SEQ_CST, where);
        uint64_t new_value = change == STEPPED_ADD  ? old + value
                             : change == STEPPED_OR ? old | value
                                                    : old & value;
        stepped_store(p, bytes, new_value, STEPPED_SEQ_CST, where);
        return old;
    }
    uint32_t n = memory_locate(p, bytes);
    memory_note(n, 0);
    memory_note(n, 1);
    if (is_damaged(MODEL_FETCH, where, value, MODEL_DROP) ||
        is_held(MODEL_FETCH, p, bytes, value, change, where)) {
        return 0;
    }
    uint64_t old;
    if (is_damaged(MODEL_FETCH, where, value, MODEL_RELAX)) {
        old = load(n, STEPPED_RELAXED, where);
        store(n, changed(n, change, old, value), STEPPED_RELAXED, where);
    } else {
        old = fetch(n, change, value, where);
    }
    let_go();
    return old;
}

int stepped_compare_exchange(void *p, size_t bytes, uint64_t expected, uint64_t desired,
                             const char *where)
{
    if (!exploring || thread_now == NOBODY) {
        if (stepped_load(p, bytes, STEPPED_SEQ_CST, where) != expected) {
            return 0;
        }
        stepped_store(p, bytes, desired, STEPPED_SEQ_CST, where);
        return 1;
    }
    uint32_t n = memory_locate(p, bytes);
    memory_note(n, 0);
    memory_note(n, 1);
    suspend_mortal(where);
    suspend(STEP_FETCH, n, 1, where);
    /* A failed one is taken for as strong as one that succeeds; nothing shipped depends on it. */
    uint64_t old = keeps_versions(n) ? take_version(n, 0, STEPPED_SEQ_CST) : world_values[n];
    value_told = old;
    if (old != expected) {
        return 0;
    }
    value_told = desired;
    if (keeps_versions(n)) {
        view read =
            world_versions[locations[n].shared][world_now.versions[locations[n].shared] - 1].view;
        add_version(n, desired, STEPPED_SEQ_CST, &read);
    } else {
        world_values[n] = desired;
    }
    return 1;
}

void stepped_fence(enum stepped_order order, const char *where)
{
    if (!exploring || thread_now == NOBODY || is_damaged(MODEL_FENCE, where, 0, MODEL_DROP)) {
        return;
    }
    view *views = world_views[thread_now];
    if (order == STEPPED_SEQ_CST) {
        suspend_mortal(where);
        if (memory_now == MODEL_WEAK || world_now.threads[thread_now].stores > 0) {
            suspend(STEP_FENCE, NOBODY, 1, where);
        }
        join(&views[VIEW_ACQUIRED], &world_fences);
        world_fences = views[VIEW_ACQUIRED];
    }
    if (order != STEPPED_RELEASE) {
        views[VIEW_NOW] = views[VIEW_ACQUIRED];
    }
    if (order != STEPPED_ACQUIRE) {
        views[VIEW_RELEASED] = views[VIEW_NOW];
    }
}

/* Payload is plain memory to the compiler; here every word of it is an access of its own. */
void *stepped_memcpy(void *to, const void *from, size_t bytes, const char *where)
{
    int whole = bytes % 8 == 0 && (uintptr_t)to % 8 == 0 && (uintptr_t)from % 8 == 0;
    if (!exploring || !whole || (!in_arena(to) && !in_arena(from))) {
        return memcpy(to, from, bytes);
    }
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = stepped_load((const char *)from + i, 8, STEPPED_RELAXED, where);
        stepped_store((char *)to + i, 8, word, STEPPED_RELAXED, where);
    }
    return to;
}
