#include "ringbus/multicast.h"

#include <unistd.h>

#include "ringbus/crc32c.h"

size_t rb_records_bytes(uint64_t capacity, uint32_t record_bytes)
{
    if (!rb_is_power_of_two(capacity)) {
        return 0;
    }
    if (record_bytes == 0 || record_bytes > RB_RECORD_BYTES_MAX ||
        record_bytes % RB_LINE_BYTES != 0) {
        return 0;
    }
    if (capacity < RB_MULTICAST_CAPACITY_MIN || capacity > RB_MULTICAST_CAPACITY_MAX) {
        return 0;
    }
    return sizeof(rb_multicast_shared) + capacity * (record_bytes + sizeof(uint64_t));
}

size_t rb_multicast_bytes(uint64_t capacity)
{
    return rb_records_bytes(capacity, RB_LINE_BYTES);
}

int32_t rb_records_init(void *memory, size_t bytes, uint64_t capacity, uint32_t record_bytes,
                        const char *name)
{
    size_t needed = rb_records_bytes(capacity, record_bytes);
    if (needed == 0) {
        return RB_USAGE;
    }
    if (bytes < needed) {
        return RB_SIZE;
    }
    int32_t status = rb_layout_init(memory, needed, RB_KIND_MULTICAST, capacity, name);
    if (status == RB_OK) {
        ((rb_layout *)memory)->record_bytes = record_bytes;
    }
    return status;
}

int32_t rb_multicast_init(void *memory, size_t bytes, uint64_t capacity, const char *name)
{
    return rb_records_init(memory, bytes, capacity, RB_LINE_BYTES, name);
}

int32_t rb_records_verify(const void *ring, size_t bytes)
{
    int32_t status = rb_layout_verify(ring, bytes, RB_KIND_MULTICAST);
    if (status != RB_OK) {
        return status;
    }
    const rb_multicast_shared *shared = ring;
    size_t needed = rb_records_bytes(shared->layout.capacity, shared->layout.record_bytes);
    return needed != 0 && needed == shared->layout.bytes ? RB_OK : RB_SIZE;
}

int32_t rb_multicast_verify(const void *ring, size_t bytes)
{
    int32_t status = rb_records_verify(ring, bytes);
    if (status != RB_OK) {
        return status;
    }
    return ((const rb_layout *)ring)->record_bytes == RB_LINE_BYTES ? RB_OK : RB_SIZE;
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
        const rb_message *slot = &writer->slots[((next - 1) & writer->mask) * writer->lines];
        uint64_t guard = rb_load_acquire(&slot->header.sequence);
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

int32_t rb_records_writer_attach(rb_writer *writer, void *ring, size_t ring_bytes, void *readers,
                                 size_t readers_bytes)
{
    int32_t status = rb_records_verify(ring, ring_bytes);
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
    writer->lines = shared->layout.record_bytes / RB_LINE_BYTES;
    writer->stamps = (uint64_t *)(writer->slots + capacity * writer->lines);
    writer->mask = capacity - 1;
    writer->gate_cached = 0;
    writer->short_of = 0;
    writer->next = find_next(writer);
    /* relaxed: for watchers only. */
    rb_store_relaxed(&shared->writer_pid, (uint64_t)getpid());
    rb_multicast_announce(writer);
    return RB_OK;
}

int32_t rb_multicast_writer_attach(rb_writer *writer, void *ring, size_t ring_bytes, void *readers,
                                   size_t readers_bytes)
{
    int32_t status = rb_multicast_verify(ring, ring_bytes);
    if (status != RB_OK) {
        return status;
    }
    return rb_records_writer_attach(writer, ring, ring_bytes, readers, readers_bytes);
}

int32_t rb_multicast_begin(void *ring, size_t ring_bytes, uint64_t next)
{
    rb_writer writer;
    int32_t status = rb_multicast_verify(ring, ring_bytes);
    if (status != RB_OK) {
        return status;
    }
    rb_multicast_shared *shared = ring;
    const rb_message *first = (const rb_message *)(shared + 1);
    /* relaxed: nobody else is there yet. */
    uint64_t used = rb_load_relaxed(&shared->tail) | rb_load_relaxed(&first->header.sequence);
    if (next == 0 || used != 0) {
        return RB_USAGE;
    }
    writer.shared = shared;
    writer.next = next;
    rb_multicast_announce(&writer);
    return RB_OK;
}

/* One wait, however often it looks in vain. */
static void count_wait(rb_writer *writer, int is_short)
{
    if (is_short && !writer->short_of) {
        /* relaxed: for watchers only. */
        rb_store_relaxed(&writer->shared->waits, rb_load_relaxed(&writer->shared->waits) + 1);
    }
    writer->short_of = (uint64_t)is_short;
}

uint64_t rb_multicast_room(rb_writer *writer, uint64_t wanted)
{
    uint64_t capacity = writer->mask + 1;
    uint64_t last = writer->next - 1;
    if (last < writer->gate_cached + capacity && writer->gate_cached + capacity - last >= wanted) {
        return writer->gate_cached + capacity - last;
    }
    /* relaxed: M13 orders it. */
    rb_store_relaxed(&writer->shared->granted, last + capacity);
    /* M13 full fence; pairs with M14 in gate_attach: who opens a gate that we do not see sees what
     * this look may grant. */
    rb_fence_seq_cst();
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
    uint64_t room = last < gate + capacity ? gate + capacity - last : 0;
    count_wait(writer, room < wanted && room < capacity);
    return room;
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

int64_t rb_records_offer(rb_writer *writer, const void *payloads, uint64_t payload_bytes,
                         int64_t count)
{
    const unsigned char *from = payloads;
    if (count < 0 || payload_bytes > writer->lines * RB_LINE_BYTES - sizeof(uint64_t)) {
        return RB_USAGE;
    }
    uint64_t room = rb_multicast_room(writer, (uint64_t)count);
    int64_t fitting = (uint64_t)count < room ? count : (int64_t)room;
    for (int64_t i = 0; i < fitting; i++) {
        rb_record_write(writer, from + (uint64_t)i * payload_bytes, payload_bytes, writer->lines);
    }
    rb_multicast_announce(writer);
    return fitting;
}

uint64_t rb_multicast_next(const rb_writer *writer)
{
    return writer->next;
}

uint64_t rb_multicast_waits(const void *ring)
{
    return rb_load_relaxed(&((const rb_multicast_shared *)ring)->waits);
}

uint64_t rb_multicast_writer_pid(const void *ring)
{
    return rb_load_relaxed(&((const rb_multicast_shared *)ring)->writer_pid);
}
