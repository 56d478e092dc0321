/*
 * Feed's view: how its instruments and orders look in ITCH. For the files of the feed only.
 */
#ifndef PORTS_FEED_VIEW_H
#define PORTS_FEED_VIEW_H

#include "ports/feed.h"

static inline prt_itch_head prt_feed_head(const prt_feed *feed, uint32_t instrument)
{
    const uint64_t day_ns = UINT64_C(86400) * 1000000000;
    return (prt_itch_head){.time_ns = feed->time_ns % day_ns,
                           .instrument = (uint16_t)(instrument + 1)};
}

/* 1/10,000 of the currency; the highest that ITCH can say for what is above it. */
static inline uint32_t prt_feed_price(const prt_feed_instrument *instrument, int32_t price_ticks)
{
    uint64_t price = price_ticks > 0 ? (uint64_t)price_ticks * instrument->tick_1e4 : 0;
    return price < UINT32_MAX ? (uint32_t)price : UINT32_MAX;
}

static inline prt_itch_order prt_feed_order_shown(const prt_feed *feed, const prt_feed_order *order,
                                                  uint32_t quantity)
{
    const prt_feed_instrument *instrument = &feed->instruments[order->instrument];
    return (prt_itch_order){.reference = order->reference,
                            .quantity = quantity,
                            .price_1e4 = prt_feed_price(instrument, order->price_ticks),
                            .symbol = instrument->symbol,
                            .side = order->side == RB_SIDE_BUY ? 'B' : 'S'};
}

static inline char prt_feed_cross_letter(uint8_t cross_type)
{
    static const char letters[] = {
        [RB_CROSS_TYPE_OPENING] = 'O', [RB_CROSS_TYPE_CLOSING] = 'C', [RB_CROSS_TYPE_HALT] = 'H'};
    return letters[cross_type % sizeof letters];
}

/* I. */
size_t prt_feed_write_imbalance(const prt_feed *feed, const rb_imbalance *in, uint8_t *out);
/* R and H of an instrument, as they are now. */
size_t prt_feed_write_directory(const prt_feed *feed, uint32_t instrument, uint8_t *out);
size_t prt_feed_write_state(const prt_feed *feed, uint32_t instrument, uint8_t *out);

#endif
