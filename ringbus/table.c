#include "ringbus/table.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES UINT64_C(4096)

void *rb_table_make(uint64_t count, size_t size)
{
    void *table = calloc(count, size);
    uint64_t begin = ((uintptr_t)table + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint64_t end = (uintptr_t)table + count * size;
    if (table != NULL && begin < end) {
        /* A wish: refusal changes nothing but speed. */
        (void)madvise((void *)(uintptr_t)begin, end - begin, MADV_HUGEPAGE);
    }
    return table;
}
