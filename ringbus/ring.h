/*
 * Ring: everything that programs need to share one stream of records, in one segment.
 *
 *     header, text of the record's type | gates | lossy readers | bells | multicast ring
 *
 * The parts are the structures of multicast.h and idle.h, each with its own layout; this is only
 * where they lie. Laid out once, the outer layout last, so that who attaches meanwhile is told that
 * nothing is there. Everybody maps it writable: programs that share a ring trust each other.
 *
 * Who: init by the one who makes the segment; the rest by anybody, at any time. Crash: nothing here
 * changes after init.
 */
#ifndef RINGBUS_RING_H
#define RINGBUS_RING_H

#include "ringbus/idle.h"
#include "ringbus/layout.h"
#include "ringbus/multicast.h"

#define RB_RING_TYPE_BYTES 3840u
#define RB_RING_PUBLISHER "publisher"

typedef struct rb_ring_shared {
    rb_layout layout; /* capacity and record_bytes are those of the multicast ring */
    RB_ALIGNED uint64_t payload_bytes;
    RB_ALIGNED char type[RB_RING_TYPE_BYTES]; /* as the language of the users writes it */
    rb_readers_shared readers;                /* gates */
    rb_readers_shared lossy;                  /* who only shows its statistics */
    rb_bells_shared bells;
} rb_ring_shared;

_Static_assert(sizeof(rb_ring_shared) % RB_GUARD_BYTES == 0, "the multicast ring follows aligned");

/* cffi: begin */
/* Bytes of a record whose payload has `payload_bytes`: with its sequence, whole lines; 0: too large
 * or none. */
uint32_t rb_ring_record_bytes(uint64_t payload_bytes);
/* Bytes of a ring; 0 if capacity or payload is not possible. */
size_t rb_ring_bytes(uint64_t capacity, uint64_t payload_bytes);
/* Lays out an empty ring in zeroed memory. RB_USAGE, RB_SIZE. */
int32_t rb_ring_init(void *memory, size_t bytes, uint64_t capacity, uint64_t payload_bytes,
                     const char *type, const char *name);
/* Verifies header and parts; as rb_layout_verify. */
int32_t rb_ring_verify(const void *memory, size_t bytes);
uint64_t rb_ring_capacity(const void *memory);
uint64_t rb_ring_payload_bytes(const void *memory);
const char *rb_ring_type(const void *memory);
void *rb_ring_readers(void *memory);
void *rb_ring_lossy(void *memory);
void *rb_ring_bells(void *memory);
void *rb_ring_stream(void *memory);
size_t rb_ring_stream_bytes(const void *memory);
/* Where the first record begins. */
size_t rb_ring_records_offset(void);
/* cffi: end */

#endif
