/*
 * The first 128 bytes of every structure in shared memory: what it is, for whom, and how large.
 *
 * Written once by the launcher before anybody attaches; attach verifies all of it. Offsets only, no
 * pointers. Reserved bytes are zero and are checked. Survives the death of any process.
 */
#ifndef RINGBUS_LAYOUT_H
#define RINGBUS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define RB_MAGIC UINT64_C(0x315355424e495252) /* "RRINBUS1" */
#define RB_LAYOUT_VERSION 1u
#define RB_LINE_BYTES 64u
/* Two lines: the adjacent-line prefetcher pulls pairs, so owners are kept a pair apart. */
#define RB_GUARD_BYTES 128u
#define RB_ALIGNED __attribute__((aligned(RB_GUARD_BYTES)))

enum rb_kind {
    RB_KIND_LANE = 1,
    RB_KIND_MULTICAST = 2,
    RB_KIND_READERS = 3,
    RB_KIND_BELLS = 4,
    RB_KIND_CORE = 5,
    RB_KIND_METRICS = 6,
    RB_KIND_JOURNAL = 7,
    RB_KIND_DOORBELL = 8,
    RB_KIND_RING = 9,
    RB_KIND_MARKS = 10,
    RB_KIND_SETTLED = 11,
};

/* cffi: begin */
typedef struct rb_layout {
    uint64_t magic;
    uint32_t version;
    uint32_t kind;
    uint64_t schema_hash;
    uint64_t bytes;    /* of the whole structure */
    uint64_t capacity; /* usable slots, a power of two where slots are indexed by a mask */
    uint64_t epoch;    /* reign of the engine it belongs to, first is 1 */
    uint32_t record_bytes;
    uint32_t owner_pid; /* who laid it out */
    char name[32];
    uint64_t reserved[5];
} rb_layout;

/* Writes the layout of an empty structure into zeroed memory. RB_USAGE, RB_SIZE. */
int32_t rb_layout_init(void *memory, size_t bytes, uint32_t kind, uint64_t capacity,
                       const char *name);
/* Compares everything that can be compared. RB_NOT_RINGBUS, RB_VERSION, RB_SCHEMA, RB_KIND,
 * RB_SIZE. */
int32_t rb_layout_verify(const void *memory, size_t bytes, uint32_t kind);
/* cffi: end */

_Static_assert(sizeof(rb_layout) == RB_GUARD_BYTES, "one guard");

static inline int rb_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

#endif
