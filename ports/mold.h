/*
 * MoldUDP64: packets of numbered messages, and requests for those that were lost.
 *
 * A packet is a header of 20 bytes (session, number of its first message, count) and the messages,
 * each with its length before it: a piece of the tape as it lies there. No sockets and no clock.
 *
 * Who: any thread; nothing is kept. Source: Nasdaq, MoldUDP64 1.00.
 */
#ifndef PORTS_MOLD_H
#define PORTS_MOLD_H

#include <stddef.h>
#include <stdint.h>

#include "ports/tape.h"

#define PRT_MOLD_HEADER_BYTES 20u
#define PRT_MOLD_SESSION_BYTES 10u
/* What a packet counts when the day is over. */
#define PRT_MOLD_END 65535u
/* Payloads of UDP: one message at least, and what one Ethernet frame takes of IPv4. */
#define PRT_MOLD_PACKET_MIN 128u
#define PRT_MOLD_PACKET_MAX 1472u

/* What a header says, or a request. */
typedef struct prt_mold_header {
    char session[PRT_MOLD_SESSION_BYTES]; /* space padded on the right */
    uint64_t number;
    uint16_t count;
} prt_mold_header;

void prt_mold_write_header(uint8_t *out, const prt_mold_header *header);
/* RB_FORMAT: there are not enough bytes. */
int32_t prt_mold_read_header(const uint8_t *bytes, size_t count, prt_mold_header *out);
/* Moves the cursor over what fits into the next packet of `packet_bytes` and fills in its header:
 * `limit` messages at most. Returns the bytes of the tape that follow the header. */
size_t prt_mold_pack(const prt_tape *tape, prt_tape_cursor *cursor, uint32_t limit,
                     size_t packet_bytes, prt_mold_header *header);

#endif
