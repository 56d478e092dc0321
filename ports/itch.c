#include "ports/itch.h"

#include "ports/big_endian.h"

static uint8_t *put_head(uint8_t *at, char type, prt_itch_head head)
{
    at = put_u8(at, (uint8_t)type);
    at = put_u16(at, head.instrument);
    at = put_u16(at, 0);
    at = put_u16(at, (uint16_t)(head.time_ns >> 32));
    return put_u32(at, (uint32_t)head.time_ns);
}

static uint8_t *put_symbol(uint8_t *at, const char *symbol)
{
    return put_bytes(at, symbol, PRT_ITCH_SYMBOL_BYTES);
}

size_t prt_itch_system_event(uint8_t *out, prt_itch_head head, char event)
{
    uint8_t *at = put_head(out, 'S', head);
    return (size_t)(put_u8(at, (uint8_t)event) - out);
}

size_t prt_itch_directory(uint8_t *out, prt_itch_head head, const char *symbol, uint32_t lot)
{
    uint8_t *at = put_symbol(put_head(out, 'R', head), symbol);
    /* Category and status: not available. Common stock, live; whatever else can be said is not. */
    at = put_bytes(at, "  ", 2);
    at = put_u32(at, lot);
    at = put_bytes(at, "YCZ P    ", 9);
    at = put_u32(at, 0);
    return (size_t)(put_u8(at, 'N') - out);
}

size_t prt_itch_trading_action(uint8_t *out, prt_itch_head head, const char *symbol, char state,
                               const char *reason)
{
    uint8_t *at = put_symbol(put_head(out, 'H', head), symbol);
    at = put_u8(put_u8(at, (uint8_t)state), ' ');
    return (size_t)(put_bytes(at, reason, 4) - out);
}

size_t prt_itch_add(uint8_t *out, prt_itch_head head, const prt_itch_order *order)
{
    uint8_t *at = put_u64(put_head(out, 'A', head), order->reference);
    at = put_u32(put_u8(at, (uint8_t)order->side), order->quantity);
    return (size_t)(put_u32(put_symbol(at, order->symbol), order->price_1e4) - out);
}

size_t prt_itch_executed(uint8_t *out, prt_itch_head head, uint64_t reference, uint32_t quantity,
                         uint64_t match)
{
    uint8_t *at = put_u64(put_head(out, 'E', head), reference);
    return (size_t)(put_u64(put_u32(at, quantity), match) - out);
}

size_t prt_itch_reduce(uint8_t *out, prt_itch_head head, uint64_t reference, uint32_t quantity)
{
    uint8_t *at = put_u64(put_head(out, 'X', head), reference);
    return (size_t)(put_u32(at, quantity) - out);
}

size_t prt_itch_delete(uint8_t *out, prt_itch_head head, uint64_t reference)
{
    return (size_t)(put_u64(put_head(out, 'D', head), reference) - out);
}

size_t prt_itch_replace(uint8_t *out, prt_itch_head head, uint64_t original,
                        const prt_itch_order *order)
{
    uint8_t *at = put_u64(put_head(out, 'U', head), original);
    at = put_u32(put_u64(at, order->reference), order->quantity);
    return (size_t)(put_u32(at, order->price_1e4) - out);
}

size_t prt_itch_trade(uint8_t *out, prt_itch_head head, const prt_itch_order *order, uint64_t match)
{
    uint8_t *at = put_u8(put_u64(put_head(out, 'P', head), 0), 'B');
    at = put_symbol(put_u32(at, order->quantity), order->symbol);
    return (size_t)(put_u64(put_u32(at, order->price_1e4), match) - out);
}

size_t prt_itch_cross_trade(uint8_t *out, prt_itch_head head, const prt_itch_cross *cross)
{
    uint8_t *at = put_u64(put_head(out, 'Q', head), cross->quantity);
    at = put_u32(put_symbol(at, cross->symbol), cross->price_1e4);
    return (size_t)(put_u8(put_u64(at, cross->match), (uint8_t)cross->kind) - out);
}

size_t prt_itch_noii(uint8_t *out, prt_itch_head head, const prt_itch_imbalance *imbalance)
{
    uint8_t *at = put_u64(put_head(out, 'I', head), imbalance->paired);
    at = put_u8(put_u64(at, imbalance->imbalance), (uint8_t)imbalance->direction);
    at = put_u32(put_symbol(at, imbalance->symbol), imbalance->far_1e4);
    at = put_u32(put_u32(at, imbalance->near_1e4), imbalance->reference_1e4);
    return (size_t)(put_u8(put_u8(at, (uint8_t)imbalance->kind), (uint8_t)imbalance->variation) -
                    out);
}

size_t prt_itch_broken_trade(uint8_t *out, prt_itch_head head, uint64_t match)
{
    return (size_t)(put_u64(put_head(out, 'B', head), match) - out);
}

size_t prt_itch_snapshot_end(uint8_t *out, uint64_t next)
{
    memset(out, ' ', PRT_ITCH_SNAPSHOT_BYTES);
    out[0] = 'G';
    uint8_t *digit = out + PRT_ITCH_SNAPSHOT_BYTES;
    /* The field is padded on the left, as the numbers of SoupBinTCP are. */
    do {
        *--digit = (uint8_t)('0' + next % 10);
        next /= 10;
    } while (next > 0);
    return PRT_ITCH_SNAPSHOT_BYTES;
}
