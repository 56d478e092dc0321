/*
 * Tape: the day's market data messages, numbered from 1, as they are said.
 *
 * One block of bytes: each message with its length in two big-endian bytes before it, which is what
 * a MoldUDP64 message block is, and a BinaryFILE. So a packet is a header and a piece of the tape.
 * The place of every 64th message is kept; a reader that goes on where it was needs none of them.
 *
 * Who: one thread. Progress: append is O(1), seek walks over 63 lengths at most. No allocation
 * after init; memory is touched as it is filled. Crash: private memory, made again from the stream.
 */
#ifndef PORTS_TAPE_H
#define PORTS_TAPE_H

#include <stddef.h>
#include <stdint.h>

#include "ringbus/status.h"

/* Length before a message. */
#define PRT_TAPE_LENGTH_BYTES 2u
#define PRT_TAPE_STRIDE 64u

typedef struct prt_tape {
    uint8_t *bytes;
    uint64_t *places; /* of messages 1, 65, 129 ... */
    uint64_t size;
    uint64_t used;
    uint64_t count; /* messages, and the number of the last */
    uint64_t messages_max;
} prt_tape;

/* A reader's place; {1, 0} is the first message. */
typedef struct prt_tape_cursor {
    uint64_t number;
    uint64_t offset;
} prt_tape_cursor;

/* RB_USAGE, RB_SYSTEM: no memory; prt_tape_free in any case. */
int32_t prt_tape_init(prt_tape *tape, uint64_t bytes, uint64_t messages);
void prt_tape_free(prt_tape *tape);
/* Where the next message can be written, PRT_ITCH_BYTES_MAX bytes; NULL: the tape is full. */
uint8_t *prt_tape_next(prt_tape *tape);
/* What was written there becomes the next message. */
void prt_tape_append(prt_tape *tape, size_t bytes);
/* Forgets everything. */
void prt_tape_clear(prt_tape *tape);
/* The place of message `number`, 1..count + 1. */
prt_tape_cursor prt_tape_seek(const prt_tape *tape, uint64_t number);
/* Length of the message at the cursor, which must be there. */
static inline uint32_t prt_tape_length(const prt_tape *tape, const prt_tape_cursor *cursor)
{
    const uint8_t *at = tape->bytes + cursor->offset;
    return (uint32_t)at[0] << 8 | at[1];
}
/* Moves over whole messages, `limit` of them at most and as many as have room, their lengths
 * included. Returns messages. */
uint32_t prt_tape_advance(const prt_tape *tape, prt_tape_cursor *cursor, uint32_t limit,
                          size_t room);

#endif
