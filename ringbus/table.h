/*
 * Table: zeroed private memory, on huge pages where the host gives them to who asks.
 *
 * With a record a cache line, and millions of them, the address translation costs as much as the
 * cache misses. A table begins with a line, so a record of one never lies in two. Pages come when
 * they are first written, or when somebody who has the time asks for them: a huge page is zeroed
 * whole, which took 2.7 ms here (AMD Zen 5, virtual, 2026-11), and in a hash table each of the
 * first hundred orders of a day met a new one.
 *
 * Who: its owner; populate by any thread beside it. No allocation after make.
 */
#ifndef RINGBUS_TABLE_H
#define RINGBUS_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* `count` records of `size` bytes, from a line's begin on. NULL: no memory. */
void *rb_table_make(uint64_t count, size_t size);
/* Gives a table back; NULL is none. */
void rb_table_free(void *table);
/* Gets the pages of `bytes` of a table, some at a time, until *stop is not zero; what is in them
 * stays. A kernel that cannot (before 5.14) leaves them to the first write. */
void rb_table_populate(void *table, uint64_t bytes, const uint32_t *stop);

#endif
