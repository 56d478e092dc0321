/*
 * ITCH 5.0: the messages that the market data says, fields in, bytes out.
 *
 * Each writer fills one whole message at `out`, where PRT_ITCH_BYTES_MAX bytes are, and returns its
 * length. Numbers are big-endian, prices have four implied decimals. The tracking number, which is
 * the exchange's own, is zero. `ports/itch.py` reads and writes every message of the format.
 *
 * Who: any thread; nothing is kept. Source: Nasdaq, TotalView-ITCH 5.0.
 */
#ifndef PORTS_ITCH_H
#define PORTS_ITCH_H

#include <stddef.h>
#include <stdint.h>

/* The longest message there is: I. */
#define PRT_ITCH_BYTES_MAX 50u
#define PRT_ITCH_SYMBOL_BYTES 8u
/* Digits of the number in G. */
#define PRT_ITCH_SNAPSHOT_BYTES 21u

/* What every message begins with. */
typedef struct prt_itch_head {
    uint64_t time_ns;    /* since midnight */
    uint16_t instrument; /* stock locate: 1 is the first; 0: about none */
} prt_itch_head;

typedef struct prt_itch_order {
    uint64_t reference;
    uint32_t quantity;
    uint32_t price_1e4;
    const char *symbol; /* 8 bytes, space padded */
    char side;          /* 'B', 'S' */
} prt_itch_order;

typedef struct prt_itch_cross {
    uint64_t quantity;
    uint64_t match;
    uint32_t price_1e4;
    const char *symbol;
    char kind; /* 'O', 'C', 'H' */
} prt_itch_cross;

typedef struct prt_itch_imbalance {
    uint64_t paired;
    uint64_t imbalance;
    uint32_t far_1e4;
    uint32_t near_1e4;
    uint32_t reference_1e4;
    const char *symbol;
    char direction; /* 'B', 'S', 'N' none, 'O' nothing to trade with */
    char kind;      /* of the cross */
    char variation; /* 'L', '1'..'9', 'A'..'C', ' ' */
} prt_itch_imbalance;

size_t prt_itch_system_event(uint8_t *out, prt_itch_head head, char event);
size_t prt_itch_directory(uint8_t *out, prt_itch_head head, const char *symbol, uint32_t lot);
/* `reason`: 4 characters, space padded. */
size_t prt_itch_trading_action(uint8_t *out, prt_itch_head head, const char *symbol, char state,
                               const char *reason);
size_t prt_itch_add(uint8_t *out, prt_itch_head head, const prt_itch_order *order);
size_t prt_itch_executed(uint8_t *out, prt_itch_head head, uint64_t reference, uint32_t quantity,
                         uint64_t match);
size_t prt_itch_reduce(uint8_t *out, prt_itch_head head, uint64_t reference, uint32_t quantity);
size_t prt_itch_delete(uint8_t *out, prt_itch_head head, uint64_t reference);
/* `order` is the new one; its side and symbol are not said. */
size_t prt_itch_replace(uint8_t *out, prt_itch_head head, uint64_t original,
                        const prt_itch_order *order);
/* Of an order that was not shown: no reference, and the side is always B. */
size_t prt_itch_trade(uint8_t *out, prt_itch_head head, const prt_itch_order *order,
                      uint64_t match);
size_t prt_itch_cross_trade(uint8_t *out, prt_itch_head head, const prt_itch_cross *cross);
size_t prt_itch_noii(uint8_t *out, prt_itch_head head, const prt_itch_imbalance *imbalance);
size_t prt_itch_broken_trade(uint8_t *out, prt_itch_head head, uint64_t match);
/* The end of a GLIMPSE snapshot: the first message that is not in it. */
size_t prt_itch_snapshot_end(uint8_t *out, uint64_t next);

#endif
