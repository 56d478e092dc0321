#include "ports/feed_view.h"

#include "ringbus/check.h"

size_t prt_feed_write_directory(const prt_feed *feed, uint32_t instrument, uint8_t *out)
{
    const prt_feed_instrument *row = &feed->instruments[instrument];
    return prt_itch_directory(out, prt_feed_head(feed, instrument), row->symbol, row->lot);
}

/* In an auction orders are collected and not traded: quotation only. A closed instrument is a
 * halted one that says why. */
size_t prt_feed_write_state(const prt_feed *feed, uint32_t instrument, uint8_t *out)
{
    const prt_feed_instrument *row = &feed->instruments[instrument];
    prt_itch_head head = prt_feed_head(feed, instrument);
    switch (row->state) {
    case RB_INSTRUMENT_STATE_CONTINUOUS:
        return prt_itch_trading_action(out, head, row->symbol, 'T', "    ");
    case RB_INSTRUMENT_STATE_AUCTION:
    case RB_INSTRUMENT_STATE_PRE_OPEN:
        return prt_itch_trading_action(out, head, row->symbol, 'Q', "    ");
    case RB_INSTRUMENT_STATE_CLOSED:
        return prt_itch_trading_action(out, head, row->symbol, 'H', "CLSD");
    default:
        return prt_itch_trading_action(out, head, row->symbol, 'H', "    ");
    }
}

/* By how much the near price is away from the reference, as ITCH has it. */
static char variation_of(const rb_imbalance *in)
{
    if (in->near_ticks <= 0 || in->reference_ticks <= 0) {
        return ' ';
    }
    int64_t apart = (int64_t)in->near_ticks - in->reference_ticks;
    int64_t percent = (apart < 0 ? -apart : apart) * 100 / in->reference_ticks;
    if (percent >= 10) {
        return percent >= 30 ? 'C' : percent >= 20 ? 'B' : 'A';
    }
    return percent == 0 ? 'L' : (char)('0' + percent);
}

/* Insufficient: there is something to buy or sell, and nothing that it could trade with. */
static char direction_of(const rb_imbalance *in)
{
    if (in->near_ticks == 0) {
        return 'O';
    }
    return in->side == 0 ? 'N' : in->side == RB_SIDE_BUY ? 'B' : 'S';
}

size_t prt_feed_write_imbalance(const prt_feed *feed, const rb_imbalance *in, uint8_t *out)
{
    const prt_feed_instrument *row = &feed->instruments[in->instrument];
    prt_itch_imbalance said = {.paired = in->paired,
                               .imbalance = in->imbalance,
                               .far_1e4 = prt_feed_price(row, in->far_ticks),
                               .near_1e4 = prt_feed_price(row, in->near_ticks),
                               .reference_1e4 = prt_feed_price(row, in->reference_ticks),
                               .symbol = row->symbol,
                               .direction = direction_of(in),
                               .kind = prt_feed_cross_letter(in->cross_type),
                               .variation = variation_of(in)};
    return prt_itch_noii(out, prt_feed_head(feed, in->instrument), &said);
}

/* --- snapshot --- */

static int32_t append_event(const prt_feed *feed, prt_tape *out, char event)
{
    uint8_t *at = prt_tape_next(out);
    if (at == NULL) {
        return RB_FULL;
    }
    prt_itch_head head = prt_feed_head(feed, 0);
    head.instrument = 0;
    prt_tape_append(out, prt_itch_system_event(at, head, event));
    return RB_OK;
}

/* R of every instrument, then H of every instrument. */
static int32_t append_instruments(const prt_feed *feed, prt_tape *out)
{
    for (uint32_t n = 0; n < 2 * feed->instrument_count; n++) {
        uint32_t instrument = n % feed->instrument_count;
        if (!feed->instruments[instrument].is_defined) {
            continue;
        }
        uint8_t *at = prt_tape_next(out);
        if (at == NULL) {
            return RB_FULL;
        }
        prt_tape_append(out, n < feed->instrument_count
                                 ? prt_feed_write_directory(feed, instrument, at)
                                 : prt_feed_write_state(feed, instrument, at));
    }
    return RB_OK;
}

static int32_t append_orders(const prt_feed *feed, uint32_t instrument, prt_tape *out)
{
    const prt_feed_instrument *row = &feed->instruments[instrument];
    const prt_feed_order *orders = feed->orders[row->shard];
    uint32_t locate = row->resting.head;
    for (uint32_t n = 0; n < feed->order_count && locate != 0; n++) {
        const prt_feed_order *order = &orders[locate];
        if (order->reference != 0) {
            uint8_t *at = prt_tape_next(out);
            if (at == NULL) {
                return RB_FULL;
            }
            prt_itch_order said = prt_feed_order_shown(feed, order, order->shown);
            prt_tape_append(out, prt_itch_add(at, prt_feed_head(feed, instrument), &said));
        }
        locate = order->next;
    }
    return RB_OK;
}

int32_t prt_feed_snapshot(const prt_feed *feed, prt_tape *out)
{
    RB_CHECK(!feed->in_group);
    RB_CHECK(out->count == 0);
    int32_t status = RB_OK;
    if (feed->is_open) {
        status = append_event(feed, out, feed->is_over ? 'C' : 'S');
    }
    if (status == RB_OK) {
        status = append_instruments(feed, out);
    }
    for (uint32_t n = 0; n < feed->instrument_count && status == RB_OK; n++) {
        status = append_orders(feed, n, out);
    }
    uint8_t *at = prt_tape_next(out);
    if (status != RB_OK || at == NULL) {
        return status != RB_OK ? status : RB_FULL;
    }
    prt_tape_append(out, prt_itch_snapshot_end(at, feed->tape->count + 1));
    return RB_OK;
}

/* --- proof --- */

static int32_t verify_order(const prt_feed_order *order, uint32_t instrument, uint8_t place)
{
    RB_CHECK(order->instrument == instrument);
    RB_CHECK(order->place == place);
    RB_CHECK(order->open != 0);
    RB_CHECK(order->side == RB_SIDE_BUY || order->side == RB_SIDE_SELL);
    RB_CHECK(order->shown <= order->open);
    int is_shown = place == PRT_FEED_RESTING && !order->hidden;
    RB_CHECK((order->reference != 0) == is_shown);
    RB_CHECK((order->shown != 0) == is_shown);
    return RB_OK;
}

static int32_t verify_list(const prt_feed *feed, uint32_t instrument, uint8_t place)
{
    const prt_feed_instrument *row = &feed->instruments[instrument];
    const prt_feed_list *list = place == PRT_FEED_HELD ? &row->held : &row->resting;
    const prt_feed_order *orders = feed->orders[row->shard];
    uint32_t locate = list->head;
    uint32_t last = 0;
    uint64_t reference = 0;
    for (uint32_t n = 0; n < feed->order_count && locate != 0; n++) {
        RB_CHECK(locate <= feed->order_count);
        RB_CHECK(orders[locate].prev == last);
        int32_t status = verify_order(&orders[locate], instrument, place);
        if (status != RB_OK) {
            return status;
        }
        /* Time is the order of the numbers. */
        RB_CHECK(orders[locate].reference == 0 || orders[locate].reference > reference);
        reference = orders[locate].reference != 0 ? orders[locate].reference : reference;
        last = locate;
        locate = orders[locate].next;
    }
    RB_CHECK(locate == 0);
    RB_CHECK(list->tail == last);
    return RB_OK;
}

int32_t prt_feed_valid(const prt_feed *feed)
{
    for (uint32_t n = 0; n < feed->instrument_count; n++) {
        int32_t status = verify_list(feed, n, PRT_FEED_RESTING);
        if (status == RB_OK) {
            status = verify_list(feed, n, PRT_FEED_HELD);
        }
        if (status != RB_OK) {
            return status;
        }
    }
    return RB_OK;
}
