/*
 * Feed: makes ITCH messages out of the stream, and knows what is shown.
 *
 * The tape that it writes is a function of the stream alone: message n is the same bytes in every
 * process that reads the day from its first message, today, after a crash, and next year.
 *
 * What is said, beside the stream:
 *
 *     NewOrder, Replace           nothing yet: it may trade first. At the end of the group what is
 *                                 left rests: A, or U in the place of one that was shown
 *     Executed, the resting side  E; of a hidden order P, which names neither order nor side
 *     Cancel, Canceled            X or D by what was shown of it; reserve goes first, in silence
 *     Replenished                 A with another number, at the back of its price
 *     StateChanged                H; into PreOpen or Auction D for all that was shown, since
 *                                 nothing is shown while orders are held; into Continuous A for
 *                                 what is released
 *     CrossResult                 Q for the whole; its single trades are not said
 *     Imbalance                   I
 *     definitions, first and last lines of the day: R with H, S
 *
 * Who is behind an order is nowhere on the tape. Numbers of orders count what was shown, from 1 on:
 * they say nothing of sessions, nor by gaps of what is hidden. A match number is the one that both
 * clients were told in OUCH, so that they find their trade.
 *
 * Held orders. When an auction ends the engine lets them in one after the other and says a line
 * only for what trades. The feed holds the same list: whoever is named as incoming comes in now,
 * and all before it rest before it; at the end of the group the others rest. So adds come in the
 * order in which the engine queued them. Becoming Auction, the engine lines up displayed bids,
 * asks, hidden bids, hidden asks, each by price and time: orders of an instrument are listed here
 * in the order of time, so a stable sort by price gives the same.
 *
 * Who: one thread. Progress: a line costs O(1), but for the beginning and the end of an auction,
 * which cost the orders of the instrument. No allocation after init. Crash: private memory, made
 * again from the stream.
 */
#ifndef PORTS_FEED_H
#define PORTS_FEED_H

#include "ports/itch.h"
#include "ports/tape.h"
#include "ringbus/messages.h"

/* Stock locates are 16 bits, and 0 is none. */
#define PRT_FEED_INSTRUMENTS_MAX 65535u
#define PRT_FEED_ORDERS_MAX (UINT32_C(1) << 28)
#define PRT_FEED_SHARDS_MAX 16u

enum prt_feed_place {
    PRT_FEED_GONE = 0,
    PRT_FEED_COMING = 1, /* of the group that is being read; it may trade yet */
    PRT_FEED_RESTING = 2,
    PRT_FEED_HELD = 3, /* for a cross */
};

/* One in every slot of the engine's pools, found by shard and locate. */
typedef struct prt_feed_order {
    uint64_t reference; /* on the tape; 0: not shown */
    uint32_t open;      /* all of it */
    uint32_t shown;
    uint32_t display; /* shown at a time; 0: all of it */
    int32_t price_ticks;
    uint32_t instrument;
    uint32_t next; /* of the same instrument and place, 0: none */
    uint32_t prev;
    uint8_t place; /* enum prt_feed_place */
    uint8_t side;
    uint8_t hidden;
    uint8_t for_cross; /* waits for a cross and never rests */
} prt_feed_order;

typedef struct prt_feed_list {
    uint32_t head;
    uint32_t tail;
} prt_feed_list;

typedef struct prt_feed_instrument {
    char symbol[8];
    uint32_t tick_1e4;
    uint32_t lot;
    prt_feed_list resting; /* in the order in which they came to the back of their price */
    prt_feed_list held;    /* in the order in which they were held */
    uint8_t is_defined;
    uint8_t state; /* enum rb_instrument_state */
    uint8_t shard; /* of its orders */
} prt_feed_instrument;

typedef struct prt_feed {
    prt_tape *tape;
    prt_feed_instrument *instruments;
    prt_feed_order *orders[PRT_FEED_SHARDS_MAX]; /* by shard, then by locate */
    uint32_t instrument_count;
    uint32_t order_count; /* of a shard */
    uint32_t shard_count;
    uint64_t heard;      /* last sequence applied */
    uint64_t time_ns;    /* of that line */
    uint64_t references; /* given */
    uint32_t is_full;    /* a message found no room on the tape; latched */
    uint32_t is_open;    /* the day has begun */
    uint32_t is_over;    /* the last message of the day is on the tape */
    uint32_t in_group;   /* more lines of the last input follow */
    /* Of the group that is being read. */
    uint32_t coming_shard;
    uint32_t coming;    /* locate of the order that comes in, 0: none */
    uint64_t replaced;  /* what is still shown of the order before it was replaced; 0: nothing */
    uint32_t releasing; /* instrument + 1 whose held orders come in; 0: none */
    uint32_t release;   /* locate of the first of them that has not */
    uint8_t scratch[PRT_ITCH_BYTES_MAX];
} prt_feed;

/* Room for the day's instruments and, a shard, for locates 1..orders. RB_USAGE, RB_SYSTEM: no
 * memory; prt_feed_free in any case. */
int32_t prt_feed_init(prt_feed *feed, prt_tape *tape, uint32_t instruments, uint32_t shards,
                      uint32_t orders);
void prt_feed_free(prt_feed *feed);
/* Applies the next line of the stream. RB_FULL: the tape is; RB_CORRUPT. */
int32_t prt_feed_apply(prt_feed *feed, const rb_message *line);
/* Writes all that is shown now onto an empty tape: the day's events, instruments and their states,
 * each instrument's orders in the order of time, and the number of the first message that is not in
 * it. At the end of a group only. RB_FULL; RB_CORRUPT. */
int32_t prt_feed_snapshot(const prt_feed *feed, prt_tape *out);
/* Whether every list is whole and agrees with its orders. RB_OK, RB_CORRUPT. */
int32_t prt_feed_valid(const prt_feed *feed);

#endif
