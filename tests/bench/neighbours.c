/*
 * Neighbours: three published algorithms, written anew from their descriptions, so that ratios to
 * them are of one run. They are not the libraries' code, and say nothing about the libraries beyond
 * their algorithm.
 *
 *   queue      one producer, one consumer, two indices, each side with a copy of the other's that
 *              it refreshes when the ring seems full or empty (rigtorp's SPSCQueue)
 *   broadcast  one writer, a version and 64 bytes a slot, odd while written; a reader copies
 *              between two looks at it and skips what it lost (a seqlock a slot)
 *   batched    one cursor that is published once a batch of 16, one that the consumer gives back
 *              (the Disruptor's sequences, with one event processor)
 */
#include <string.h>

#include "tests/bench/ring_legs.h"

enum { SMALL_BATCH = 16, CONTROL_BYTES = 512, READ_AT = 32 };

/* One end of a ring: a private handle. */
typedef struct end {
    unsigned char *slots;
    uint64_t *written; /* owner: producer */
    uint64_t *read;    /* owner: consumer */
    uint64_t mask;
    uint64_t next;   /* position of this end */
    uint64_t cached; /* the other end's, as last seen */
    uint64_t lost;
} end;

typedef struct algorithm {
    uint64_t slot_bytes;
    /* Puts all, waiting for room. */
    void (*put)(end *at, const rb_message *from, uint64_t count);
    /* Gets up to `limit`, 0: nothing there. */
    uint64_t (*get)(end *at, rb_message *out, uint64_t limit);
} algorithm;

static inline unsigned char *slot_of(const end *at, uint64_t position, uint64_t slot_bytes)
{
    return at->slots + (position & at->mask) * slot_bytes;
}

static inline void wait_room(end *at, uint64_t count)
{
    while (at->next + count - at->cached > at->mask + 1) {
        at->cached = rb_load_acquire(at->read);
    }
}

static inline uint64_t there(end *at, uint64_t limit)
{
    if (at->cached == at->next) {
        at->cached = rb_load_acquire(at->written);
    }
    uint64_t count = at->cached - at->next;
    return count < limit ? count : limit;
}

static inline void queue_put(end *at, const rb_message *from, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++) {
        wait_room(at, 1);
        memcpy(slot_of(at, at->next, sizeof *from), &from[n], sizeof *from);
        rb_store_release(at->written, ++at->next);
    }
}

static inline uint64_t queue_get(end *at, rb_message *out, uint64_t limit)
{
    uint64_t count = there(at, limit);
    for (uint64_t n = 0; n < count; n++) {
        memcpy(&out[n], slot_of(at, at->next, sizeof *out), sizeof *out);
        rb_store_release(at->read, ++at->next);
    }
    return count;
}

static inline void batched_put(end *at, const rb_message *from, uint64_t count)
{
    wait_room(at, count);
    for (uint64_t n = 0; n < count; n++) {
        memcpy(slot_of(at, at->next + n, sizeof *from), &from[n], sizeof *from);
    }
    at->next += count;
    rb_store_release(at->written, at->next);
}

static inline uint64_t batched_get(end *at, rb_message *out, uint64_t limit)
{
    uint64_t count = there(at, limit);
    for (uint64_t n = 0; n < count; n++) {
        memcpy(&out[n], slot_of(at, at->next + n, sizeof *out), sizeof *out);
    }
    at->next += count;
    if (count > 0) {
        rb_store_release(at->read, at->next);
    }
    return count;
}

/* Version of a slot: 2 * (times written), less one while it is written. */
static inline void broadcast_put(end *at, const rb_message *from, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++, at->next++) {
        uint64_t *words = (uint64_t *)(void *)slot_of(at, at->next, 2 * sizeof *from);
        uint64_t version = 2 * (at->next / (at->mask + 1) + 1);
        rb_store_relaxed(words, version - 1);
        rb_fence_release();
        for (uint64_t i = 0; i < 8; i++) {
            rb_store_relaxed(&words[i + 1], from[n].words[i]);
        }
        rb_store_release(words, version);
    }
}

static inline uint64_t broadcast_get(end *at, rb_message *out, uint64_t limit)
{
    uint64_t count = 0;
    while (count < limit) {
        const uint64_t *words =
            (const uint64_t *)(const void *)slot_of(at, at->next, 2 * sizeof *out);
        uint64_t version = 2 * (at->next / (at->mask + 1) + 1);
        uint64_t before = rb_load_acquire(words);
        if (before < version) {
            break;
        }
        for (uint64_t i = 0; i < 8; i++) {
            out[count].words[i] = rb_load_relaxed(&words[i + 1]);
        }
        rb_fence_acquire();
        if (before != version || rb_load_relaxed(words) != version) {
            at->next += (at->mask + 1) / 2;
            at->lost += (at->mask + 1) / 2;
            break;
        }
        at->next++;
        count++;
    }
    return count;
}

/* Where a ring's memory begins: the producer's line, the consumer's, the slots. */
static end end_of(unsigned char *memory, uint64_t capacity)
{
    end e = {.slots = memory + CONTROL_BYTES,
             .written = (uint64_t *)(void *)memory,
             .read = (uint64_t *)(void *)memory + READ_AT,
             .mask = capacity - 1};
    return e;
}

static size_t bytes_of(const algorithm *a, uint64_t capacity)
{
    return CONTROL_BYTES + capacity * a->slot_bytes;
}

static const algorithm queue = {sizeof(rb_message), queue_put, queue_get};
static const algorithm broadcast = {2 * sizeof(rb_message), broadcast_put, broadcast_get};
static const algorithm batched = {sizeof(rb_message), batched_put, batched_get};

static inline __attribute__((always_inline)) void trip(const algorithm a, double *out)
{
    size_t bytes = bytes_of(&a, SMALL);
    unsigned char *there_memory = shared(bytes);
    unsigned char *back_memory = shared(bytes);
    end one = end_of(there_memory, SMALL);
    end two = end_of(back_memory, SMALL);
    rb_message message = set.work[0];
    board_start();
    pid_t child = board_fork();
    prefault(there_memory, bytes);
    prefault(back_memory, bytes);
    if (child == 0) {
        board_ready();
        for (uint64_t n = 0; n < set.trips; n++) {
            while (a.get(&one, &message, 1) == 0) {
            }
            a.put(&two, &message, 1);
        }
        board_leave(0);
    }
    board_wait_ready(1);
    for (uint64_t n = 0; n < set.trips; n++) {
        uint64_t sent = ticks();
        a.put(&one, &message, 1);
        while (a.get(&two, &message, 1) == 0) {
        }
        set.samples[n] = ticks() - sent;
    }
    board_reap(child);
    spread s = spread_of(set.samples, set.trips, set.ns_per_tick);
    out[0] = s.p50;
    out[1] = s.p99;
    out[2] = s.p999;
    EXPECT(munmap(there_memory, bytes) == 0);
    EXPECT(munmap(back_memory, bytes) == 0);
}

/* Until the consumer has the last one. The writer of a broadcast writes on until the reader has
 * seen as many: its last ones may be the ones that were lost. */
static inline __attribute__((always_inline)) double stream_once(const algorithm a,
                                                                uint64_t capacity, uint64_t batch)
{
    size_t bytes = bytes_of(&a, capacity);
    unsigned char *memory = shared(bytes);
    end at = end_of(memory, capacity);
    board_start();
    pid_t child = board_fork();
    prefault(memory, bytes);
    if (child == 0) {
        rb_message got[BATCH];
        uint64_t sum = 0;
        board_ready();
        while (at.next < set.messages) {
            uint64_t count = a.get(&at, got, BATCH);
            sum += count > 0 ? got[count - 1].words[7] : 0;
        }
        table->readers[0].ended_ns = now_ns();
        table->readers[0].sum = sum;
        table->readers[0].received = at.next - at.lost;
        rb_store_release(&table->over, 1);
        board_leave(0);
    }
    board_wait_ready(1);
    uint64_t start_ns = now_ns();
    while (at.next < set.messages) {
        a.put(&at, set.work, batch);
    }
    while (a.put == broadcast_put && rb_load_acquire(&table->over) == 0) {
        a.put(&at, set.work, batch);
    }
    board_reap(child);
    EXPECT(munmap(memory, bytes) == 0);
    return rate(table->readers[0].received, start_ns, table->readers[0].ended_ns);
}

static inline __attribute__((always_inline)) double stream(const algorithm a, uint64_t capacity,
                                                           uint64_t batch)
{
    double found = 0;
    int goes = 0;
    do {
        found = stream_once(a, capacity, batch);
    } while (board_again(&goes));
    return found;
}

void run_queue_trip(double *out)
{
    trip(queue, out);
}

void run_broadcast_trip(double *out)
{
    trip(broadcast, out);
}

void run_batched_trip(double *out)
{
    trip(batched, out);
}

void run_queue_rates(double *out)
{
    out[0] = stream(queue, LARGE, SMALL_BATCH);
    out[1] = stream(queue, SMALL, SMALL_BATCH);
}

void run_broadcast_rates(double *out)
{
    out[0] = stream(broadcast, LARGE, SMALL_BATCH);
    out[1] = stream(broadcast, SMALL, SMALL_BATCH);
}

void run_batched_rates(double *out)
{
    out[0] = stream(batched, LARGE, SMALL_BATCH);
    out[1] = stream(batched, SMALL, SMALL_BATCH);
}
