#include "ringbus/table.h"

#include <sys/mman.h>

void *rb_table_make(uint64_t count, size_t size)
{
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes == 0) {
        return NULL;
    }
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (table == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(table, bytes, MADV_HUGEPAGE); /* a wish: refusal changes nothing but speed */
    return table;
}

void rb_table_free(void *table, uint64_t count, size_t size)
{
    if (table != NULL) {
        (void)munmap(table, count * size); /* it was ours: there is nothing to fail */
    }
}
