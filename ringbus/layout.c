#include "ringbus/layout.h"

#include <string.h>
#include <unistd.h>

#include "ringbus/messages.h"
#include "ringbus/status.h"

int32_t rb_layout_init(void *memory, size_t bytes, uint32_t kind, uint64_t capacity,
                       const char *name)
{
    rb_layout *layout = memory;
    if (memory == NULL || (uintptr_t)memory % RB_GUARD_BYTES != 0) {
        return RB_USAGE;
    }
    if (name == NULL || strlen(name) >= sizeof layout->name) {
        return RB_USAGE;
    }
    if (bytes < sizeof *layout) {
        return RB_SIZE;
    }
    memset(layout, 0, sizeof *layout);
    layout->version = RB_LAYOUT_VERSION;
    layout->kind = kind;
    layout->schema_hash = RB_SCHEMA_HASH;
    layout->bytes = bytes;
    layout->capacity = capacity;
    layout->epoch = 1;
    layout->record_bytes = RB_LINE_BYTES;
    layout->owner_pid = (uint32_t)getpid();
    memcpy(layout->name, name, strlen(name));
    layout->magic = RB_MAGIC;
    return RB_OK;
}

/* Only the ring's records may be longer than a line. */
static int record_fits(const rb_layout *layout)
{
    if (layout->kind == RB_KIND_MULTICAST || layout->kind == RB_KIND_RING) {
        return layout->record_bytes != 0 && layout->record_bytes % RB_LINE_BYTES == 0;
    }
    return layout->record_bytes == RB_LINE_BYTES;
}

int32_t rb_layout_verify(const void *memory, size_t bytes, uint32_t kind)
{
    const rb_layout *layout = memory;
    static const uint64_t zero[sizeof layout->reserved / sizeof layout->reserved[0]];
    if (memory == NULL || (uintptr_t)memory % RB_GUARD_BYTES != 0) {
        return RB_USAGE;
    }
    if (bytes < sizeof *layout) {
        return RB_SIZE;
    }
    if (layout->magic != RB_MAGIC) {
        return RB_NOT_RINGBUS;
    }
    if (layout->version != RB_LAYOUT_VERSION) {
        return RB_VERSION;
    }
    if (layout->schema_hash != RB_SCHEMA_HASH) {
        return RB_SCHEMA;
    }
    if (layout->kind != kind) {
        return RB_KIND;
    }
    if (layout->bytes > bytes || !record_fits(layout)) {
        return RB_SIZE;
    }
    if (memcmp(layout->reserved, zero, sizeof zero) != 0) {
        return RB_VERSION;
    }
    return RB_OK;
}
