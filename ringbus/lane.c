#include "ringbus/lane.h"

#include <string.h>

#include "ringbus/check.h"

size_t rb_lane_bytes(uint64_t capacity)
{
    if (!rb_is_power_of_two(capacity)) {
        return 0;
    }
    if (capacity < RB_LANE_CAPACITY_MIN || capacity > RB_LANE_CAPACITY_MAX) {
        return 0;
    }
    return sizeof(rb_lane_shared) + capacity * (sizeof(rb_message) + sizeof(uint64_t));
}

int32_t rb_lane_init(void *memory, size_t bytes, uint64_t capacity, const char *name)
{
    size_t needed = rb_lane_bytes(capacity);
    if (needed == 0) {
        return RB_USAGE;
    }
    if (bytes < needed) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, needed, RB_KIND_LANE, capacity, name);
}

int32_t rb_lane_attach(rb_lane *lane, void *memory, size_t bytes)
{
    int32_t status = rb_layout_verify(memory, bytes, RB_KIND_LANE);
    if (status != RB_OK) {
        return status;
    }
    rb_lane_shared *shared = memory;
    uint64_t capacity = shared->layout.capacity;
    if (rb_lane_bytes(capacity) == 0 || rb_lane_bytes(capacity) != shared->layout.bytes) {
        return RB_SIZE;
    }
    lane->shared = shared;
    lane->slots = (rb_message *)(shared + 1);
    lane->stamps = (uint64_t *)(lane->slots + capacity);
    lane->mask = capacity - 1;
    lane->distance = (rb_distance){0};
    /* L5 acquire; a consumer that attaches sees at least what was committed before. */
    lane->tail_local = rb_load_acquire(&shared->tail);
    lane->head_local = rb_load_acquire(&shared->head);
    lane->head_cached = lane->head_local;
    RB_CHECK(lane->tail_local - lane->head_local <= capacity ||
             lane->head_local > lane->tail_local);
    return RB_OK;
}

int64_t rb_lane_repair(rb_lane *lane)
{
    uint64_t capacity = lane->mask + 1;
    lane->head_local = rb_load_acquire(&lane->shared->head);
    lane->head_cached = lane->head_local;
    uint64_t tail = rb_load_acquire(&lane->shared->tail);
    /* The consumer may have released what a dying producer committed and did not count. */
    if (tail < lane->head_local) {
        tail = lane->head_local;
    }
    while (tail - lane->head_local < capacity &&
           rb_load_acquire(&rb_lane_at(lane, tail)->header.sequence) == tail + 1) {
        tail++;
    }
    int64_t erased = 0;
    for (uint64_t position = tail; position - lane->head_local < capacity; position++) {
        uint64_t *guard = &rb_lane_at(lane, position)->header.sequence;
        if (rb_load_relaxed(guard) == position + 1) {
            rb_store_release(guard, 0);
            erased++;
        }
    }
    lane->tail_local = tail;
    rb_store_release(&lane->shared->tail, tail);
    return erased;
}

int32_t rb_lane_valid(const rb_lane *lane)
{
    uint64_t head = rb_load_acquire(&lane->shared->head);
    uint64_t tail = rb_load_acquire(&lane->shared->tail);
    RB_CHECK(head <= tail);
    RB_CHECK(tail - head <= lane->mask + 1);
    for (uint64_t position = head; position < tail; position++) {
        RB_CHECK(rb_load_acquire(&rb_lane_at(lane, position)->header.sequence) == position + 1);
    }
    for (uint64_t position = tail; position < head + lane->mask + 1; position++) {
        RB_CHECK(rb_load_acquire(&rb_lane_at(lane, position)->header.sequence) <= tail);
    }
    return RB_OK;
}

uint64_t rb_lane_depth(const rb_lane *lane)
{
    uint64_t head = rb_load_acquire(&lane->shared->head);
    uint64_t tail = rb_load_acquire(&lane->shared->tail);
    return tail > head ? tail - head : 0;
}

const void *rb_lane_slots(const rb_lane *lane)
{
    return lane->slots;
}

uint64_t rb_lane_capacity(const rb_lane *lane)
{
    return lane->mask + 1;
}

uint64_t rb_lane_written(const rb_lane *lane)
{
    return lane->tail_local;
}

int64_t rb_lane_offer(rb_lane *lane, const void *messages, int64_t count)
{
    const rb_message *from = messages;
    if (count < 0 || (uint64_t)count > lane->mask + 1) {
        return RB_USAGE;
    }
    uint64_t wanted = (uint64_t)count;
    if (rb_lane_room(lane, wanted) < wanted) {
        return 0;
    }
    for (uint64_t n = 0; n < wanted; n++) {
        memcpy(rb_lane_slot(lane, n)->words + 1, from[n].words + 1,
               sizeof(rb_message) - sizeof(uint64_t));
    }
    rb_lane_commit(lane, wanted);
    return count;
}

int64_t rb_lane_take(rb_lane *lane, void *out, int64_t limit)
{
    rb_message *to = out;
    int64_t count = 0;
    for (; count < limit; count++) {
        const rb_message *message = rb_lane_peek(lane, (uint64_t)count);
        if (message == NULL) {
            break;
        }
        memcpy(&to[count], message, sizeof *message);
    }
    if (count > 0) {
        rb_lane_release(lane, (uint64_t)count);
    }
    return count;
}
