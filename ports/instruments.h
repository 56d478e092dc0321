/*
 * Instruments: the day's table, and the way from a symbol to its number.
 *
 * Who: filled before the agent's first round, read by its one thread. Progress: a look-up is
 * bounded by the size of the table; the slots are at most half full. Crash: private memory, filled
 * anew.
 */
#ifndef PORTS_INSTRUMENTS_H
#define PORTS_INSTRUMENTS_H

#include <stdint.h>

#include "ringbus/messages.h"
#include "ringbus/status.h"

#define PRT_INSTRUMENTS_MAX (UINT32_C(1) << 20)
/* What the book can hold: ticks are 1..2^30-1. */
#define PRT_PRICE_TICKS_MAX ((INT32_C(1) << 30) - 1)

/* cffi: begin */
typedef struct prt_instrument {
    char symbol[8]; /* space padded on the right */
    uint32_t tick_1e4;
    int32_t price_ticks_min;
    int32_t price_ticks_max;
    uint32_t lot;
    uint32_t quantity_max;
    uint8_t shard;
} prt_instrument;
/* cffi: end */

typedef struct prt_instruments {
    prt_instrument *rows;
    uint32_t *slots; /* hash of the symbol to number + 1; 0: free */
    uint32_t mask;
    uint32_t count;
    uint32_t capacity;
} prt_instruments;

/* Bytes of memory that prt_instruments_init takes. */
uint64_t prt_instruments_bytes(uint32_t capacity);
/* Room for `capacity` instruments. RB_USAGE, RB_SYSTEM: no memory. */
int32_t prt_instruments_init(prt_instruments *instruments, uint32_t capacity);
void prt_instruments_free(prt_instruments *instruments);
/* Gives `row` the next number and returns it. RB_USAGE: a value is outside its range or the symbol
 * is there already; RB_FULL. */
int64_t prt_instruments_add(prt_instruments *instruments, const prt_instrument *row);
/* Number of the symbol (8 bytes, space padded), or RB_INSTRUMENT_NONE. */
uint32_t prt_instruments_find(const prt_instruments *instruments, const char *symbol);

#endif
