#include "ringbus/multicast.h"

#include <string.h>
#include <unistd.h>

#include "ringbus/check.h"
#include "ringbus/crc32c.h"

size_t rb_multicast_bytes(uint64_t capacity)
{
    if (!rb_is_power_of_two(capacity)) {
        return 0;
    }
    if (capacity < RB_MULTICAST_CAPACITY_MIN || capacity > RB_MULTICAST_CAPACITY_MAX) {
        return 0;
    }
    return sizeof(rb_multicast_shared) + capacity * (sizeof(rb_message) + sizeof(uint64_t));
}

size_t rb_readers_bytes(void)
{
    return sizeof(rb_readers_shared);
}

int32_t rb_multicast_init(void *memory, size_t bytes, uint64_t capacity, const char *name)
{
    size_t needed = rb_multicast_bytes(capacity);
    if (needed == 0) {
        return RB_USAGE;
    }
    if (bytes < needed) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, needed, RB_KIND_MULTICAST, capacity, name);
}

int32_t rb_readers_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_readers_shared)) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, sizeof(rb_readers_shared), RB_KIND_READERS, RB_READERS_MAX, name);
}

static int32_t verify_ring(const void *ring, size_t bytes)
{
    int32_t status = rb_layout_verify(ring, bytes, RB_KIND_MULTICAST);
    if (status != RB_OK) {
        return status;
    }
    const rb_multicast_shared *shared = ring;
    size_t needed = rb_multicast_bytes(shared->layout.capacity);
    return needed != 0 && needed == shared->layout.bytes ? RB_OK : RB_SIZE;
}

/*
 * tail is announced once a batch: a dead writer may have published beyond it, on a small ring even
 * a lap or more. Each slot says what it holds; a busy one was being written, so all before it is
 * there.
 */
static uint64_t find_next(const rb_writer *writer)
{
    uint64_t next = rb_load_acquire(&writer->shared->tail) + 1;
    for (uint64_t n = 0; n <= writer->mask + 1; n++) {
        uint64_t guard = rb_load_acquire(&writer->slots[(next - 1) & writer->mask].header.sequence);
        uint64_t sequence = guard & ~RB_SEQUENCE_BUSY;
        if (sequence < next) {
            break;
        }
        if (guard != sequence) {
            return sequence;
        }
        next = sequence + 1;
    }
    return next;
}

int32_t rb_multicast_writer_attach(rb_writer *writer, void *ring, size_t ring_bytes, void *readers,
                                   size_t readers_bytes)
{
    int32_t status = verify_ring(ring, ring_bytes);
    if (status != RB_OK) {
        return status;
    }
    status = rb_layout_verify(readers, readers_bytes, RB_KIND_READERS);
    if (status != RB_OK) {
        return status;
    }
    rb_multicast_shared *shared = ring;
    uint64_t capacity = shared->layout.capacity;
    writer->shared = shared;
    writer->readers = readers;
    writer->slots = (rb_message *)(shared + 1);
    writer->stamps = (uint64_t *)(writer->slots + capacity);
    writer->mask = capacity - 1;
    writer->gate_cached = 0;
    writer->next = find_next(writer);
    rb_multicast_announce(writer);
    return RB_OK;
}

uint64_t rb_multicast_room(rb_writer *writer, uint64_t wanted)
{
    uint64_t capacity = writer->mask + 1;
    uint64_t last = writer->next - 1;
    if (last < writer->gate_cached + capacity && writer->gate_cached + capacity - last >= wanted) {
        return writer->gate_cached + capacity - last;
    }
    uint64_t gate = last;
    for (uint32_t i = 0; i < RB_READERS_MAX; i++) {
        rb_reader_slot *slot = &writer->readers->slots[i];
        /* M8 acquire; pairs with M9 in gate_attach: a gating slot has a valid cursor. */
        if (rb_load_acquire_u32(&slot->state) != RB_READER_GATING) {
            continue;
        }
        /* M10 acquire; pairs with M11 in rb_multicast_release: the reader is done with it. */
        uint64_t cursor = rb_load_acquire(&slot->cursor);
        gate = cursor < gate ? cursor : gate;
    }
    writer->gate_cached = gate;
    return last < gate + capacity ? gate + capacity - last : 0;
}

int64_t rb_multicast_offer(rb_writer *writer, const void *messages, int64_t count)
{
    const rb_message *from = messages;
    if (count < 0) {
        return RB_USAGE;
    }
    uint64_t room = rb_multicast_room(writer, (uint64_t)count);
    int64_t fitting = (uint64_t)count < room ? count : (int64_t)room;
    for (int64_t i = 0; i < fitting; i++) {
        rb_message message = from[i];
        message.header.sequence = writer->next;
        message.header.checksum = rb_message_checksum(&message);
        rb_multicast_publish(writer, &message);
    }
    rb_multicast_announce(writer);
    return fitting;
}

uint64_t rb_multicast_next(const rb_writer *writer)
{
    return writer->next;
}

int32_t rb_multicast_reader_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                   uint64_t next)
{
    int32_t status = verify_ring(ring, ring_bytes);
    if (status != RB_OK) {
        return status;
    }
    if (next == 0) {
        return RB_USAGE;
    }
    const rb_multicast_shared *shared = ring;
    reader->shared = shared;
    reader->slots = (const rb_message *)(shared + 1);
    reader->stamps = (const uint64_t *)(reader->slots + shared->layout.capacity);
    reader->mask = shared->layout.capacity - 1;
    reader->next = next;
    reader->gate = NULL;
    reader->laps = 0;
    return RB_OK;
}

static rb_reader_slot *find_gate(rb_readers_shared *readers, const char *name)
{
    for (uint32_t i = 0; i < RB_READERS_MAX; i++) {
        rb_reader_slot *slot = &readers->slots[i];
        if (rb_load_acquire_u32(&slot->state) == RB_READER_GATING &&
            strncmp(slot->name, name, sizeof slot->name) == 0) {
            return slot;
        }
    }
    return NULL;
}

int32_t rb_multicast_gate_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                 void *readers, size_t readers_bytes, const char *name)
{
    int32_t status = rb_multicast_reader_attach(reader, ring, ring_bytes, 1);
    if (status != RB_OK) {
        return status;
    }
    status = rb_layout_verify(readers, readers_bytes, RB_KIND_READERS);
    if (status != RB_OK) {
        return status;
    }
    rb_readers_shared *shared = readers;
    if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof shared->slots[0].name) {
        return RB_USAGE;
    }
    rb_reader_slot *slot = find_gate(shared, name);
    if (slot != NULL) {
        slot->pid = (uint32_t)getpid();
        reader->gate = slot;
        reader->next = rb_load_acquire(&slot->cursor) + 1;
        return RB_OK;
    }
    for (uint32_t i = 0; i < RB_READERS_MAX; i++) {
        slot = &shared->slots[i];
        if (!rb_compare_exchange_u32(&slot->state, RB_READER_FREE, RB_READER_OPENING)) {
            continue;
        }
        memset(slot->name, 0, sizeof slot->name);
        memcpy(slot->name, name, strlen(name));
        slot->pid = (uint32_t)getpid();
        /* The writer waits for `cursor` from its next look at the gates on; what it overwrites
         * until then is lapped, see rb_multicast_held. */
        uint64_t oldest = rb_multicast_oldest(reader);
        rb_store_release(&slot->cursor, oldest - 1);
        /* M9 release; pairs with M8. */
        rb_store_release_u32(&slot->state, RB_READER_GATING);
        rb_fence_seq_cst();
        reader->gate = slot;
        reader->next = oldest;
        return RB_OK;
    }
    return RB_FULL;
}

void rb_multicast_gate_close(rb_reader *reader)
{
    if (reader->gate != NULL) {
        rb_store_release_u32(&reader->gate->state, RB_READER_FREE);
        reader->gate = NULL;
    }
}

/* 1: copied; 0: not there yet; RB_LAPPED: overwritten. */
static inline int64_t copy_out(const rb_message *slot, uint64_t sequence, rb_message *out)
{
    /* M5 acquire; pairs with M2: the payload belongs to the sequence we see. */
    uint64_t before = rb_load_acquire(&slot->header.sequence);
    if (before != sequence) {
        return (before & ~RB_SEQUENCE_BUSY) > sequence ? RB_LAPPED : 0;
    }
    out->words[0] = before;
    for (uint32_t i = 1; i < 8; i++) {
        /* relaxed: validated by the second look at the sequence. */
        out->words[i] = rb_load_relaxed(&slot->words[i]);
    }
    /* M4 acquire fence; pairs with M3: had we seen newer payload, we now see the busy mark. */
    rb_fence_acquire();
    return rb_load_relaxed(&slot->header.sequence) == before ? 1 : RB_LAPPED;
}

int64_t rb_multicast_poll(rb_reader *reader, void *out, int64_t limit)
{
    rb_message *to = out;
    uint64_t next = reader->next;
    int64_t count = 0;
    for (; count < limit; count++) {
        int64_t got = copy_out(&reader->slots[(next - 1) & reader->mask], next, &to[count]);
        if (got != 1) {
            if (got < 0 && count == 0) {
                reader->laps++;
                return got;
            }
            break;
        }
        next++;
    }
    reader->next = next;
    return count;
}

int64_t rb_multicast_get(const rb_reader *reader, uint64_t sequence, void *out)
{
    if (sequence == 0) {
        return RB_USAGE;
    }
    return copy_out(&reader->slots[(sequence - 1) & reader->mask], sequence, out);
}

void rb_multicast_seek(rb_reader *reader, uint64_t next)
{
    reader->next = next;
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
        const rb_message *slot = &reader->slots[(oldest - 1) & reader->mask];
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

uint64_t rb_multicast_stamp(const rb_reader *reader, uint64_t sequence)
{
    /* relaxed: a measurement, checked for plausibility by its reader. */
    return rb_load_relaxed(&reader->stamps[(sequence - 1) & reader->mask]);
}

void rb_multicast_release(rb_reader *reader, uint64_t sequence)
{
    reader->next = sequence + 1;
    if (reader->gate != NULL) {
        /* M11 release; pairs with M10 in rb_multicast_room. */
        rb_store_release(&reader->gate->cursor, sequence);
    }
}

int32_t rb_readers_get(const void *readers, uint32_t n, char *name, uint64_t *cursor, uint32_t *pid)
{
    const rb_readers_shared *shared = readers;
    if (n >= RB_READERS_MAX) {
        return RB_USAGE;
    }
    const rb_reader_slot *slot = &shared->slots[n];
    if (rb_load_acquire_u32(&slot->state) != RB_READER_GATING) {
        return 0;
    }
    memcpy(name, slot->name, sizeof slot->name);
    *cursor = rb_load_acquire(&slot->cursor);
    *pid = slot->pid;
    return 1;
}
