#include "ports/mold.h"

#include "ports/big_endian.h"

void prt_mold_write_header(uint8_t *out, const prt_mold_header *header)
{
    uint8_t *at = put_bytes(out, header->session, sizeof header->session);
    (void)put_u16(put_u64(at, header->number), header->count);
}

int32_t prt_mold_read_header(const uint8_t *bytes, size_t count, prt_mold_header *out)
{
    if (count < PRT_MOLD_HEADER_BYTES) {
        return RB_FORMAT;
    }
    memcpy(out->session, bytes, sizeof out->session);
    out->number = get_u64(bytes + PRT_MOLD_SESSION_BYTES);
    out->count = get_u16(bytes + PRT_MOLD_SESSION_BYTES + 8);
    return RB_OK;
}

size_t prt_mold_pack(const prt_tape *tape, prt_tape_cursor *cursor, uint32_t limit,
                     size_t packet_bytes, prt_mold_header *header)
{
    uint64_t offset = cursor->offset;
    header->number = cursor->number;
    /* A count of 65,535 would be the end of the day. */
    uint32_t most = limit < PRT_MOLD_END ? limit : PRT_MOLD_END - 1;
    header->count =
        (uint16_t)prt_tape_advance(tape, cursor, most, packet_bytes - PRT_MOLD_HEADER_BYTES);
    return cursor->offset - offset;
}
