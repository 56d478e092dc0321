#include "ports/instruments.h"

#include <stdlib.h>
#include <string.h>

static uint32_t place_of(const prt_instruments *instruments, const char *symbol)
{
    uint64_t word;
    memcpy(&word, symbol, sizeof word);
    /* Fibonacci hashing: the high bits are the mixed ones. */
    return (uint32_t)((word * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & instruments->mask;
}

static uint32_t slots_for(uint32_t capacity)
{
    uint32_t slots = 2;
    while (slots < 2 * capacity) {
        slots *= 2;
    }
    return slots;
}

uint64_t prt_instruments_bytes(uint32_t capacity)
{
    return capacity * (uint64_t)sizeof(prt_instrument) +
           slots_for(capacity) * (uint64_t)sizeof(uint32_t);
}

int32_t prt_instruments_init(prt_instruments *instruments, uint32_t capacity)
{
    memset(instruments, 0, sizeof *instruments);
    if (capacity == 0 || capacity > PRT_INSTRUMENTS_MAX) {
        return RB_USAGE;
    }
    uint32_t slots = slots_for(capacity);
    instruments->rows = calloc(capacity, sizeof *instruments->rows);
    instruments->slots = calloc(slots, sizeof *instruments->slots);
    instruments->mask = slots - 1;
    instruments->capacity = capacity;
    return instruments->rows == NULL || instruments->slots == NULL ? RB_SYSTEM : RB_OK;
}

void prt_instruments_free(prt_instruments *instruments)
{
    free(instruments->rows);
    free(instruments->slots);
    instruments->rows = NULL;
    instruments->slots = NULL;
}

static int is_sound(const prt_instrument *row)
{
    if (row->tick_1e4 == 0 || row->lot == 0 || row->quantity_max == 0) {
        return 0;
    }
    if (row->price_ticks_min < 1 || row->price_ticks_max > PRT_PRICE_TICKS_MAX) {
        return 0;
    }
    return row->price_ticks_min <= row->price_ticks_max;
}

int64_t prt_instruments_add(prt_instruments *instruments, const prt_instrument *row)
{
    if (!is_sound(row)) {
        return RB_USAGE;
    }
    if (prt_instruments_find(instruments, row->symbol) != RB_INSTRUMENT_NONE) {
        return RB_USAGE;
    }
    if (instruments->count == instruments->capacity) {
        return RB_FULL;
    }
    uint32_t place = place_of(instruments, row->symbol);
    for (uint32_t n = 0; n <= instruments->mask && instruments->slots[place] != 0; n++) {
        place = (place + 1) & instruments->mask;
    }
    uint32_t number = instruments->count++;
    instruments->rows[number] = *row;
    instruments->slots[place] = number + 1;
    return number;
}

uint32_t prt_instruments_find(const prt_instruments *instruments, const char *symbol)
{
    uint32_t place = place_of(instruments, symbol);
    for (uint32_t n = 0; n <= instruments->mask && instruments->slots[place] != 0; n++) {
        uint32_t number = instruments->slots[place] - 1;
        if (memcmp(instruments->rows[number].symbol, symbol, sizeof instruments->rows->symbol) ==
            0) {
            return number;
        }
        place = (place + 1) & instruments->mask;
    }
    return RB_INSTRUMENT_NONE;
}
