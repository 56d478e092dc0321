#include "ringbus/table.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "ringbus/layout.h"

#define PAGE_BYTES UINT64_C(4096)

void *rb_table_make(uint64_t count, size_t size)
{
    /* A line more than is asked for, whose end is left: there lies what is given back. */
    void *memory = calloc(count + (RB_LINE_BYTES + size - 1) / size, size);
    if (memory == NULL) {
        return NULL;
    }
    uintptr_t table = ((uintptr_t)memory + RB_LINE_BYTES) / RB_LINE_BYTES * RB_LINE_BYTES;
    ((void **)table)[-1] = memory;
    uint64_t begin = (table + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint64_t end = table + count * size;
    if (begin < end) {
        /* A wish: refusal changes nothing but speed. */
        (void)madvise((void *)(uintptr_t)begin, end - begin, MADV_HUGEPAGE);
    }
    return (void *)table;
}

void rb_table_free(void *table)
{
    if (table != NULL) {
        free(((void **)table)[-1]);
    }
}
