#include "ringbus/ring.h"

#include <string.h>

#include "ringbus/status.h"

uint32_t rb_ring_record_bytes(uint64_t payload_bytes)
{
    if (payload_bytes == 0 || payload_bytes > RB_RECORD_BYTES_MAX - sizeof(uint64_t)) {
        return 0;
    }
    uint64_t bytes = payload_bytes + sizeof(uint64_t);
    return (uint32_t)((bytes + RB_LINE_BYTES - 1) / RB_LINE_BYTES * RB_LINE_BYTES);
}

size_t rb_ring_bytes(uint64_t capacity, uint64_t payload_bytes)
{
    size_t stream = rb_records_bytes(capacity, rb_ring_record_bytes(payload_bytes));
    return stream == 0 ? 0 : sizeof(rb_ring_shared) + stream;
}

int32_t rb_ring_init(void *memory, size_t bytes, uint64_t capacity, uint64_t payload_bytes,
                     const char *type, const char *name)
{
    rb_ring_shared *shared = memory;
    size_t needed = rb_ring_bytes(capacity, payload_bytes);
    if (needed == 0 || type == NULL || strlen(type) >= sizeof shared->type) {
        return RB_USAGE;
    }
    if (bytes < needed) {
        return RB_SIZE;
    }
    uint32_t record_bytes = rb_ring_record_bytes(payload_bytes);
    int32_t status =
        rb_records_init(shared + 1, needed - sizeof *shared, capacity, record_bytes, name);
    if (status == RB_OK) {
        status = rb_readers_init(&shared->readers, sizeof shared->readers, name);
    }
    if (status == RB_OK) {
        status = rb_readers_init(&shared->lossy, sizeof shared->lossy, name);
    }
    if (status == RB_OK) {
        status = rb_bells_init(&shared->bells, sizeof shared->bells, name);
    }
    if (status != RB_OK) {
        return status;
    }
    /* Bell 0 is the publisher's from the first on, so that readers can ring it by its place. */
    shared->bells.bells[0].kind = RB_BELL_FUTEX;
    memcpy(shared->bells.bells[0].name, RB_RING_PUBLISHER, sizeof RB_RING_PUBLISHER);
    shared->payload_bytes = payload_bytes;
    memcpy(shared->type, type, strlen(type));
    rb_fence_release();
    status = rb_layout_init(memory, needed, RB_KIND_RING, capacity, name);
    shared->layout.record_bytes = record_bytes;
    return status;
}

int32_t rb_ring_verify(const void *memory, size_t bytes)
{
    const rb_ring_shared *shared = memory;
    int32_t status = rb_layout_verify(memory, bytes, RB_KIND_RING);
    if (status != RB_OK) {
        return status;
    }
    size_t needed = rb_ring_bytes(shared->layout.capacity, shared->payload_bytes);
    if (needed == 0 || needed != shared->layout.bytes) {
        return RB_SIZE;
    }
    if (shared->layout.record_bytes != rb_ring_record_bytes(shared->payload_bytes) ||
        memchr(shared->type, 0, sizeof shared->type) == NULL) {
        return RB_SIZE;
    }
    rb_reader reader;
    status = rb_records_reader_attach(&reader, shared + 1, needed - sizeof *shared, 1);
    if (status == RB_OK && (reader.mask + 1 != shared->layout.capacity ||
                            reader.lines * RB_LINE_BYTES != shared->layout.record_bytes)) {
        status = RB_SIZE;
    }
    if (status == RB_OK) {
        status = rb_layout_verify(&shared->readers, sizeof shared->readers, RB_KIND_READERS);
    }
    if (status == RB_OK) {
        status = rb_layout_verify(&shared->lossy, sizeof shared->lossy, RB_KIND_READERS);
    }
    if (status == RB_OK) {
        status = rb_layout_verify(&shared->bells, sizeof shared->bells, RB_KIND_BELLS);
    }
    return status;
}

uint64_t rb_ring_capacity(const void *memory)
{
    return ((const rb_ring_shared *)memory)->layout.capacity;
}

uint64_t rb_ring_payload_bytes(const void *memory)
{
    return ((const rb_ring_shared *)memory)->payload_bytes;
}

const char *rb_ring_type(const void *memory)
{
    return ((const rb_ring_shared *)memory)->type;
}

void *rb_ring_readers(void *memory)
{
    return &((rb_ring_shared *)memory)->readers;
}

void *rb_ring_lossy(void *memory)
{
    return &((rb_ring_shared *)memory)->lossy;
}

void *rb_ring_bells(void *memory)
{
    return &((rb_ring_shared *)memory)->bells;
}

void *rb_ring_stream(void *memory)
{
    return (rb_ring_shared *)memory + 1;
}

size_t rb_ring_stream_bytes(const void *memory)
{
    return ((const rb_ring_shared *)memory)->layout.bytes - sizeof(rb_ring_shared);
}

size_t rb_ring_records_offset(void)
{
    return sizeof(rb_ring_shared) + sizeof(rb_multicast_shared);
}
