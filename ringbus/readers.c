#include "ringbus/readers.h"

#include <string.h>
#include <unistd.h>

#include "ringbus/atomics.h"
#include "ringbus/status.h"

size_t rb_readers_bytes(void)
{
    return sizeof(rb_readers_shared);
}

int32_t rb_readers_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_readers_shared)) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, sizeof(rb_readers_shared), RB_KIND_READERS, RB_READERS_MAX, name);
}

int32_t rb_readers_verify(const void *readers, size_t bytes, const char *name)
{
    int32_t status = rb_layout_verify(readers, bytes, RB_KIND_READERS);
    if (status != RB_OK) {
        return status;
    }
    const rb_readers_shared *shared = readers;
    int is_name = name != NULL && name[0] != '\0' && strlen(name) < sizeof shared->slots[0].name;
    return is_name ? RB_OK : RB_USAGE;
}

rb_reader_slot *rb_readers_find(rb_readers_shared *readers, const char *name,
                                enum rb_reader_state state)
{
    for (uint32_t i = 0; i < RB_READERS_MAX; i++) {
        rb_reader_slot *slot = &readers->slots[i];
        if (rb_load_acquire_u32(&slot->state) == (uint32_t)state &&
            strncmp(slot->name, name, sizeof slot->name) == 0) {
            return slot;
        }
    }
    return NULL;
}

rb_reader_slot *rb_readers_claim(rb_readers_shared *readers, const char *name)
{
    for (uint32_t i = 0; i < RB_READERS_MAX; i++) {
        rb_reader_slot *slot = &readers->slots[i];
        if (!rb_compare_exchange_u32(&slot->state, RB_READER_FREE, RB_READER_OPENING)) {
            continue;
        }
        memset(slot->name, 0, sizeof slot->name);
        memcpy(slot->name, name, strlen(name));
        slot->pid = (uint32_t)getpid();
        /* relaxed: it is not known yet how far the new one is. */
        rb_store_relaxed(&slot->distance, 0);
        return slot;
    }
    return NULL;
}

int32_t rb_readers_get(const void *readers, uint32_t n, char *name, uint64_t *cursor, uint32_t *pid)
{
    const rb_readers_shared *shared = readers;
    if (n >= RB_READERS_MAX) {
        return RB_USAGE;
    }
    const rb_reader_slot *slot = &shared->slots[n];
    uint32_t state = rb_load_acquire_u32(&slot->state);
    if (state != RB_READER_GATING && state != RB_READER_LOSSY) {
        return 0;
    }
    memcpy(name, slot->name, sizeof slot->name);
    *cursor = rb_load_acquire(&slot->cursor);
    *pid = slot->pid;
    return (int32_t)state;
}

int32_t rb_readers_statistics(const void *readers, uint32_t n, uint64_t *received, uint64_t *lost,
                              uint64_t *laps)
{
    const rb_readers_shared *shared = readers;
    if (n >= RB_READERS_MAX) {
        return RB_USAGE;
    }
    *received = rb_load_relaxed(&shared->slots[n].received);
    *lost = rb_load_relaxed(&shared->slots[n].lost);
    *laps = rb_load_relaxed(&shared->slots[n].laps);
    return RB_OK;
}

int32_t rb_readers_distance(const void *readers, uint32_t n)
{
    const rb_readers_shared *shared = readers;
    if (n >= RB_READERS_MAX) {
        return RB_USAGE;
    }
    return (int32_t)rb_load_relaxed(&shared->slots[n].distance);
}

int32_t rb_readers_used(const void *readers, uint32_t n)
{
    const rb_readers_shared *shared = readers;
    if (n >= RB_READERS_MAX) {
        return RB_USAGE;
    }
    return rb_load_acquire_u32(&shared->slots[n].state) != RB_READER_FREE;
}

int32_t rb_readers_reclaim(void *readers, uint32_t n)
{
    rb_readers_shared *shared = readers;
    if (n >= RB_READERS_MAX) {
        return RB_USAGE;
    }
    rb_store_release_u32(&shared->slots[n].state, RB_READER_FREE);
    return RB_OK;
}
