#include "ports/tape.h"

#include <stdlib.h>
#include <string.h>

#include "ports/big_endian.h"
#include "ports/itch.h"

int32_t prt_tape_init(prt_tape *tape, uint64_t bytes, uint64_t messages)
{
    memset(tape, 0, sizeof *tape);
    if (bytes < PRT_TAPE_LENGTH_BYTES + PRT_ITCH_BYTES_MAX || bytes > INT64_MAX || messages == 0 ||
        messages > INT64_MAX / PRT_TAPE_STRIDE) {
        return RB_USAGE;
    }
    tape->bytes = calloc(bytes, 1);
    tape->places = calloc(messages / PRT_TAPE_STRIDE + 1, sizeof *tape->places);
    tape->size = bytes;
    tape->messages_max = messages;
    return tape->bytes == NULL || tape->places == NULL ? RB_SYSTEM : RB_OK;
}

void prt_tape_free(prt_tape *tape)
{
    free(tape->bytes);
    free(tape->places);
    tape->bytes = NULL;
    tape->places = NULL;
}

uint8_t *prt_tape_next(prt_tape *tape)
{
    if (tape->count == tape->messages_max ||
        tape->size - tape->used < PRT_TAPE_LENGTH_BYTES + PRT_ITCH_BYTES_MAX) {
        return NULL;
    }
    return tape->bytes + tape->used + PRT_TAPE_LENGTH_BYTES;
}

void prt_tape_append(prt_tape *tape, size_t bytes)
{
    if (tape->count % PRT_TAPE_STRIDE == 0) {
        tape->places[tape->count / PRT_TAPE_STRIDE] = tape->used;
    }
    (void)put_u16(tape->bytes + tape->used, (uint16_t)bytes);
    tape->used += PRT_TAPE_LENGTH_BYTES + bytes;
    tape->count++;
}

void prt_tape_clear(prt_tape *tape)
{
    tape->used = 0;
    tape->count = 0;
}

prt_tape_cursor prt_tape_seek(const prt_tape *tape, uint64_t number)
{
    if (number > tape->count) {
        return (prt_tape_cursor){.number = tape->count + 1, .offset = tape->used};
    }
    uint64_t place = (number - 1) / PRT_TAPE_STRIDE;
    prt_tape_cursor cursor = {.number = place * PRT_TAPE_STRIDE + 1, .offset = tape->places[place]};
    (void)prt_tape_advance(tape, &cursor, (uint32_t)(number - cursor.number), SIZE_MAX);
    return cursor;
}

uint32_t prt_tape_advance(const prt_tape *tape, prt_tape_cursor *cursor, uint32_t limit,
                          size_t room)
{
    uint32_t done = 0;
    for (; done < limit && cursor->number <= tape->count; done++) {
        size_t bytes = PRT_TAPE_LENGTH_BYTES + prt_tape_length(tape, cursor);
        if (bytes > room) {
            break;
        }
        room -= bytes;
        cursor->offset += bytes;
        cursor->number++;
    }
    return done;
}
