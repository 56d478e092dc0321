#include <string.h>
#include <unistd.h>

#include "ringbus/multicast.h"

static const rb_message *record_at(const rb_reader *reader, uint64_t sequence)
{
    return &reader->slots[((sequence - 1) & reader->mask) * reader->lines];
}

int32_t rb_records_reader_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                 uint64_t next)
{
    int32_t status = rb_records_verify(ring, ring_bytes);
    if (status != RB_OK) {
        return status;
    }
    if (next == 0) {
        return RB_USAGE;
    }
    const rb_multicast_shared *shared = ring;
    reader->shared = shared;
    reader->slots = (const rb_message *)(shared + 1);
    reader->lines = shared->layout.record_bytes / RB_LINE_BYTES;
    reader->stamps = (const uint64_t *)(reader->slots + shared->layout.capacity * reader->lines);
    reader->mask = shared->layout.capacity - 1;
    reader->next = next;
    reader->gate = NULL;
    reader->readers = NULL;
    reader->place = NULL;
    reader->received = 0;
    reader->lost = 0;
    reader->laps = 0;
    reader->behind = 0;
    reader->distance = (rb_distance){0};
    return RB_OK;
}

int32_t rb_multicast_reader_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                   uint64_t next)
{
    int32_t status = rb_multicast_verify(ring, ring_bytes);
    return status != RB_OK ? status : rb_records_reader_attach(reader, ring, ring_bytes, next);
}

/* What watchers see of it. */
static inline void show(rb_reader *reader)
{
    rb_reader_slot *place = reader->place;
    if (place == NULL) {
        return;
    }
    /* relaxed: counts, each by itself. */
    rb_store_relaxed(&place->received, reader->received);
    rb_store_relaxed(&place->lost, reader->lost);
    rb_store_relaxed(&place->laps, reader->laps);
    rb_store_relaxed(&place->distance, rb_distance_known(&reader->distance));
    if (reader->gate == NULL) {
        rb_store_relaxed(&place->cursor, reader->next - 1);
    }
}

/* In the place of a dead one: its counts are ours. */
static void go_on_counting(rb_reader *reader, rb_reader_slot *place)
{
    reader->place = place;
    reader->received = rb_load_relaxed(&place->received);
    reader->lost = rb_load_relaxed(&place->lost);
    reader->laps = rb_load_relaxed(&place->laps);
}

int32_t rb_records_gate_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                               void *readers, size_t readers_bytes, const char *name,
                               uint64_t start)
{
    int32_t status = rb_records_reader_attach(reader, ring, ring_bytes, 1);
    if (status != RB_OK) {
        return status;
    }
    status = rb_readers_verify(readers, readers_bytes, name);
    if (status != RB_OK) {
        return status;
    }
    rb_readers_shared *shared = readers;
    reader->readers = shared;
    rb_reader_slot *slot = rb_readers_find(shared, name, RB_READER_GATING);
    if (slot != NULL) {
        slot->pid = (uint32_t)getpid();
        reader->gate = slot;
        reader->next = rb_load_acquire(&slot->cursor) + 1;
        go_on_counting(reader, slot);
        return RB_OK;
    }
    slot = rb_readers_claim(shared, name);
    if (slot == NULL) {
        return RB_FULL;
    }
    /* The writer waits for `cursor` from its next look at the gates on; what it overwrites until
     * then is lapped, see rb_multicast_held. */
    uint64_t oldest = rb_multicast_oldest(reader);
    uint64_t first = start > oldest ? start : oldest;
    rb_store_release(&slot->cursor, first - 1);
    /* M9 release; pairs with M8. */
    rb_store_release_u32(&slot->state, RB_READER_GATING);
    /* M14 full fence; pairs with M13 in rb_multicast_room. */
    rb_fence_seq_cst();
    reader->gate = slot;
    reader->next = first;
    reader->place = slot;
    show(reader);
    return RB_OK;
}

int32_t rb_multicast_gate_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                 void *readers, size_t readers_bytes, const char *name)
{
    int32_t status = rb_multicast_verify(ring, ring_bytes);
    if (status != RB_OK) {
        return status;
    }
    return rb_records_gate_attach(reader, ring, ring_bytes, readers, readers_bytes, name, 0);
}

uint64_t rb_multicast_safe(const rb_reader *reader)
{
    uint64_t capacity = reader->mask + 1;
    /* relaxed: M14 orders the first look; granted only grows, so a later one is only stricter. */
    uint64_t granted = rb_load_relaxed(&reader->shared->granted);
    return granted > capacity ? granted - capacity + 1 : 1;
}

int64_t rb_multicast_gate(const rb_reader *reader)
{
    if (reader->gate == NULL || reader->readers == NULL) {
        return RB_USAGE;
    }
    return reader->gate - reader->readers->slots;
}

void rb_multicast_gate_close(rb_reader *reader)
{
    if (reader->gate != NULL) {
        rb_store_release_u32(&reader->gate->state, RB_READER_FREE);
        reader->gate = NULL;
        reader->place = NULL;
    }
}

int64_t rb_readers_join(rb_reader *reader, void *readers, size_t readers_bytes, const char *name)
{
    int32_t status = rb_readers_verify(readers, readers_bytes, name);
    if (status != RB_OK) {
        return status;
    }
    if (reader->gate != NULL) {
        return RB_USAGE;
    }
    rb_readers_shared *shared = readers;
    rb_reader_slot *slot = rb_readers_find(shared, name, RB_READER_LOSSY);
    if (slot != NULL) {
        slot->pid = (uint32_t)getpid();
    } else {
        slot = rb_readers_claim(shared, name);
    }
    if (slot == NULL) {
        return RB_FULL;
    }
    reader->place = slot;
    show(reader);
    rb_store_release_u32(&slot->state, RB_READER_LOSSY);
    return slot - shared->slots;
}

void rb_readers_leave(rb_reader *reader)
{
    if (reader->place != NULL && reader->gate == NULL) {
        rb_store_release_u32(&reader->place->state, RB_READER_FREE);
        reader->place = NULL;
    }
}

/* Copies the first `bytes` of a payload. 1: copied; 0: not there yet; RB_LAPPED: overwritten. */
static inline __attribute__((always_inline)) int64_t copy_out(const uint64_t *words,
                                                              uint64_t sequence, unsigned char *out,
                                                              size_t bytes)
{
    /* M5 acquire; pairs with M2: the payload belongs to the sequence we see. */
    uint64_t before = rb_load_acquire(&words[0]);
    if (before != sequence) {
        return (before & ~RB_SEQUENCE_BUSY) > sequence ? RB_LAPPED : 0;
    }
    size_t whole = bytes / sizeof(uint64_t);
#pragma GCC unroll 8
    for (size_t i = 0; i < whole; i++) {
        /* relaxed: validated by the second look at the sequence. */
        uint64_t word = rb_load_relaxed(&words[i + 1]);
        memcpy(out + i * sizeof word, &word, sizeof word);
    }
    if (bytes % sizeof(uint64_t) != 0) {
        /* relaxed: as above. */
        uint64_t word = rb_load_relaxed(&words[whole + 1]);
        memcpy(out + whole * sizeof word, &word, bytes % sizeof word);
    }
    /* M4 acquire fence; pairs with M3: had we seen newer payload, we now see the busy mark. */
    rb_fence_acquire();
    return rb_load_relaxed(&words[0]) == before ? 1 : RB_LAPPED;
}

/* Is done with `count` records behind sequence `done`: what a far reader does with their lines. */
static inline __attribute__((always_inline)) void give_back(rb_reader *reader, uint64_t done,
                                                            uint64_t count, uint64_t lines)
{
    rb_distance_read(&reader->distance, &reader->shared->tail, reader->slots, reader->mask, lines,
                     done, count);
}

/* `bytes` of each payload; `skipped` bytes before each in `out` are for its sequence. The last
 * three are constants for the exchange's messages, and fold. */
static inline __attribute__((always_inline)) int64_t poll_records(rb_reader *reader, void *out,
                                                                  int64_t limit, size_t bytes,
                                                                  size_t skipped, uint64_t lines)
{
    /* Read once: as far as the compiler knows, `out` may be the handle itself. */
    const rb_message *slots = reader->slots;
    uint64_t mask = reader->mask;
    unsigned char *to = out;
    uint64_t next = reader->next;
    int64_t count = 0;
    for (; count < limit; count++) {
        const uint64_t *words = slots[((next - 1) & mask) * lines].words;
        int64_t got = copy_out(words, next, to + skipped, bytes);
        if (got != 1) {
            if (got < 0 && count == 0) {
                reader->laps += reader->behind == 0;
                reader->behind = 1;
                show(reader);
                return got;
            }
            break;
        }
        memcpy(to, &next, skipped);
        to += skipped + bytes;
        next++;
    }
    if (reader->gate == NULL) {
        give_back(reader, reader->next - 1, (uint64_t)count, lines);
    }
    reader->next = next;
    if (count > 0) {
        reader->received += (uint64_t)count;
        reader->behind = 0;
        show(reader);
    }
    return count;
}

enum { WORD = sizeof(uint64_t), BODY = sizeof(rb_message) - WORD };

int64_t rb_multicast_poll(rb_reader *reader, void *out, int64_t limit)
{
    return poll_records(reader, out, limit, BODY, WORD, 1);
}

int64_t rb_records_poll(rb_reader *reader, void *out, uint64_t payload_bytes, int64_t limit)
{
    if (payload_bytes > reader->lines * RB_LINE_BYTES - WORD) {
        return RB_USAGE;
    }
    return poll_records(reader, out, limit, payload_bytes, 0, reader->lines);
}

int64_t rb_multicast_get(const rb_reader *reader, uint64_t sequence, void *out)
{
    if (sequence == 0) {
        return RB_USAGE;
    }
    unsigned char *to = out;
    memcpy(to, &sequence, WORD);
    return copy_out(record_at(reader, sequence)->words, sequence, to + WORD, BODY);
}

int64_t rb_records_ready(const rb_reader *reader, int64_t limit)
{
    uint64_t next = reader->next;
    uint64_t most = reader->mask + 1 - ((next - 1) & reader->mask);
    int64_t count = 0;
    while (count < limit && (uint64_t)count < most) {
        uint64_t sequence = next + (uint64_t)count;
        /* M1 acquire; pairs with M2 in rb_record_write. */
        uint64_t there = rb_load_acquire(&record_at(reader, sequence)->header.sequence);
        if (there != sequence) {
            int lapped = count == 0 && (there & ~RB_SEQUENCE_BUSY) > sequence;
            return lapped ? RB_LAPPED : count;
        }
        count++;
    }
    return count;
}

void rb_multicast_seek(rb_reader *reader, uint64_t next)
{
    if (reader->behind && next > reader->next) {
        reader->lost += next - reader->next;
        reader->behind = 0;
    }
    reader->next = next;
    show(reader);
}

void rb_multicast_took(rb_reader *reader, uint64_t count)
{
    reader->next += count;
    reader->received += count;
    show(reader);
}

uint64_t rb_multicast_wanted(const rb_reader *reader)
{
    return reader->next;
}

uint64_t rb_multicast_tail(const rb_reader *reader)
{
    /* M7 acquire; pairs with M6. */
    return rb_load_acquire(&reader->shared->tail);
}

uint64_t rb_multicast_oldest(const rb_reader *reader)
{
    uint64_t tail = rb_multicast_tail(reader);
    uint64_t capacity = reader->mask + 1;
    uint64_t oldest = tail > capacity ? tail - capacity + 1 : 1;
    /* tail lags behind what is published: step over what a running writer has overwritten already.
     */
    for (uint64_t n = 0; n < capacity; n++) {
        const rb_message *slot = record_at(reader, oldest);
        uint64_t there = rb_load_acquire(&slot->header.sequence) & ~RB_SEQUENCE_BUSY;
        if (there <= oldest) {
            break;
        }
        /* It is one or more laps ahead: what is a lap behind it is gone. */
        oldest = there - capacity + 1;
    }
    return oldest;
}

uint64_t rb_multicast_capacity(const rb_reader *reader)
{
    return reader->mask + 1;
}

uint64_t rb_multicast_laps(const rb_reader *reader)
{
    return reader->laps;
}

uint64_t rb_multicast_received(const rb_reader *reader)
{
    return reader->received;
}

uint64_t rb_multicast_lost(const rb_reader *reader)
{
    return reader->lost;
}

uint64_t rb_multicast_stamp(const rb_reader *reader, uint64_t sequence)
{
    /* relaxed: a measurement, checked for plausibility by its reader. */
    return rb_load_relaxed(&reader->stamps[(sequence - 1) & reader->mask]);
}

void rb_multicast_release(rb_reader *reader, uint64_t sequence)
{
    if (reader->gate != NULL && !reader->behind) {
        /* relaxed: only we write it. Copied out or read in place: here both are done with. */
        uint64_t done = rb_load_relaxed(&reader->gate->cursor);
        if (sequence > done) {
            give_back(reader, done, sequence - done, reader->lines);
        }
    }
    if (!reader->behind && sequence >= reader->next) {
        rb_multicast_took(reader, sequence + 1 - reader->next);
    } else {
        rb_multicast_seek(reader, sequence + 1);
    }
    if (reader->gate != NULL) {
        /* M11 release; pairs with M10 in rb_multicast_room. */
        rb_store_release(&reader->gate->cursor, sequence);
    }
}
