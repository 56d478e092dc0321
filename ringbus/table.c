#include "ringbus/table.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "ringbus/atomics.h"
#include "ringbus/layout.h"

#define PAGE_BYTES UINT64_C(4096)
#define PIECE_BYTES (UINT64_C(1) << 21) /* a huge page: who stops this waits for one at most */

/* Since Linux 5.14; not in every C library's headers. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static uint64_t first_page(const void *table)
{
    return ((uintptr_t)table + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

void *rb_table_make(uint64_t count, size_t size)
{
    /* A line more than is asked for, whose end is left: there lies what is given back. */
    char *memory = calloc(count + (RB_LINE_BYTES + size - 1) / size, size);
    if (memory == NULL) {
        return NULL;
    }
    char *table = memory + RB_LINE_BYTES - (uintptr_t)memory % RB_LINE_BYTES;
    ((void **)table)[-1] = memory;
    uint64_t begin = first_page(table);
    uint64_t end = (uintptr_t)table + count * size;
    if (begin < end) {
        /* A wish: refusal changes nothing but speed. */
        (void)madvise((void *)(uintptr_t)begin, end - begin, MADV_HUGEPAGE);
    }
    return table;
}

void rb_table_free(void *table)
{
    if (table != NULL) {
        free(((void **)table)[-1]);
    }
}

void rb_table_populate(void *table, uint64_t bytes, const uint32_t *stop)
{
    uint64_t at = first_page(table);
    uint64_t end = ((uintptr_t)table + bytes) / PAGE_BYTES * PAGE_BYTES;
    /* relaxed: the flag carries nothing. */
    while (at < end && rb_load_relaxed_u32(stop) == 0) {
        uint64_t next = (at / PIECE_BYTES + 1) * PIECE_BYTES;
        next = next < end ? next : end;
        if (madvise((void *)(uintptr_t)at, next - at, MADV_POPULATE_WRITE) != 0) {
            return;
        }
        at = next;
    }
}
