#include "ringbus/marks.h"

#include <string.h>

#include "ringbus/atomics.h"
#include "ringbus/status.h"

size_t rb_marks_bytes(void)
{
    return sizeof(rb_marks_shared);
}

int32_t rb_marks_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_marks_shared)) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, sizeof(rb_marks_shared), RB_KIND_MARKS, RB_MARKS_MAX, name);
}

int32_t rb_marks_verify(const void *memory, size_t bytes)
{
    int32_t status = rb_layout_verify(memory, bytes, RB_KIND_MARKS);
    const rb_marks_shared *shared = memory;
    if (status == RB_OK && rb_load_acquire_u32(&shared->count) > RB_MARKS_MAX) {
        return RB_CORRUPT;
    }
    return status;
}

/* Places that can be read; bounded, whatever the memory says. */
static uint32_t places(const rb_marks_shared *shared)
{
    /* K2 acquire; pairs with K1 in rb_marks_place: the name is there before the count. */
    uint32_t count = rb_load_acquire_u32(&shared->count);
    return count < RB_MARKS_MAX ? count : RB_MARKS_MAX;
}

int64_t rb_marks_place(void *marks, const char *name)
{
    rb_marks_shared *shared = marks;
    size_t length = strnlen(name, sizeof shared->marks[0].name);
    if (length == 0 || length == sizeof shared->marks[0].name) {
        return RB_USAGE;
    }
    uint32_t count = places(shared);
    for (uint32_t n = 0; n < count; n++) {
        if (strcmp(shared->marks[n].name, name) == 0) {
            return n;
        }
    }
    if (count == RB_MARKS_MAX) {
        return RB_FULL;
    }
    memcpy(shared->marks[count].name, name, length + 1);
    /* K1 release; pairs with K2. */
    rb_store_release_u32(&shared->count, count + 1);
    return count;
}

uint64_t rb_marks_durable(const void *marks, uint32_t place)
{
    const rb_marks_shared *shared = marks;
    /* K4 acquire; pairs with K3: whoever sees the mark may say that the files hold it. */
    return place < places(shared) ? rb_load_acquire(&shared->marks[place].durable) : 0;
}

const char *rb_marks_name(const void *marks, uint32_t place)
{
    const rb_marks_shared *shared = marks;
    return place < places(shared) ? shared->marks[place].name : NULL;
}

int32_t rb_marks_set(void *marks, uint32_t place, uint64_t sequence)
{
    rb_marks_shared *shared = marks;
    if (place >= places(shared)) {
        return RB_USAGE;
    }
    uint64_t *durable = &shared->marks[place].durable;
    /* relaxed: only this journal writes it. */
    if (sequence < rb_load_relaxed(durable)) {
        return RB_USAGE;
    }
    /* K3 release; pairs with K4. */
    rb_store_release(durable, sequence);
    return RB_OK;
}

uint64_t rb_marks_reached(const void *marks, uint32_t copies)
{
    const rb_marks_shared *shared = marks;
    uint32_t count = places(shared);
    if (copies == 0) {
        return UINT64_MAX;
    }
    uint64_t best[RB_MARKS_MAX] = {0};
    uint32_t have = 0;
    for (uint32_t n = 0; n < count; n++) {
        uint64_t durable = rb_marks_durable(marks, n);
        uint32_t at = have++;
        for (; at > 0 && best[at - 1] < durable; at--) {
            best[at] = best[at - 1];
        }
        best[at] = durable;
    }
    return copies <= have ? best[copies - 1] : 0;
}
