/*
 * Table: zeroed private memory, on huge pages where the host gives them to who asks.
 *
 * With a record a cache line, and millions of them, the address translation costs as much as the
 * cache misses. A table begins with a line, so a record of one never lies in two. Pages come when
 * they are first written: a bound that is not reached costs nothing.
 *
 * Who: its owner. No allocation after make.
 */
#ifndef RINGBUS_TABLE_H
#define RINGBUS_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* `count` records of `size` bytes, from a line's begin on. NULL: no memory. */
void *rb_table_make(uint64_t count, size_t size);
/* Gives a table back; NULL is none. */
void rb_table_free(void *table);

#endif
