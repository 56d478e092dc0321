#include "engine/collar.h"

#include "engine/terms.h"

/* What prices are held against: the last trade, before the first one the reference price; 0: there
 * is neither. */
static int32_t reference_of(const eng_book *book, uint32_t instrument)
{
    int32_t last = book->last_ticks[instrument];
    return last != 0 ? last : book->collars[instrument].reference_ticks;
}

static const eng_range *range_of(const eng_book *book, uint32_t instrument)
{
    int is_continuous = book->ladders[instrument].state == RB_INSTRUMENT_STATE_CONTINUOUS;
    return &book->collars[instrument].phases[is_continuous ? 0 : 1];
}

static int is_within(const eng_range *range, int32_t reference, int32_t price_ticks)
{
    if (price_ticks < range->low || (range->high != 0 && price_ticks > range->high)) {
        return 0;
    }
    /* Both are below 2^30. */
    int32_t away = price_ticks - reference;
    return range->width == 0 || reference == 0 || (away <= range->width && -away <= range->width);
}

uint16_t eng_collar_reason(const eng_book *book, uint32_t instrument, uint8_t side,
                           int32_t price_ticks, uint32_t quantity, uint8_t options)
{
    const eng_collar *collar = &book->collars[instrument];
    int32_t reference = reference_of(book, instrument);
    int is_market = (options & RB_ORDER_OPTION_MARKET) != 0;
    if (!is_market && !is_within(range_of(book, instrument), reference, price_ticks)) {
        return RB_REJECT_REASON_PRICE_COLLAR;
    }
    if (reference == 0) {
        return ENG_ACCEPTED;
    }
    int32_t past = side == RB_SIDE_BUY ? price_ticks - reference : reference - price_ticks;
    if (!is_market && collar->finger_ticks != 0 && past > collar->finger_ticks) {
        return RB_REJECT_REASON_FAT_FINGER;
    }
    uint64_t value = (uint64_t)quantity * (uint32_t)reference;
    return collar->finger_value != 0 && value > collar->finger_value ? RB_REJECT_REASON_FAT_FINGER
                                                                     : ENG_ACCEPTED;
}

/* The worse of two prices, unless that is past a bound. */
static int32_t bounded(uint8_t side, int32_t price_ticks, int64_t bound)
{
    if (side == RB_SIDE_BUY) {
        return price_ticks > bound ? (int32_t)bound : price_ticks;
    }
    return price_ticks < bound ? (int32_t)bound : price_ticks;
}

int32_t eng_collar_clip(const eng_book *book, uint32_t instrument, uint8_t side,
                        int32_t price_ticks)
{
    const eng_collar *collar = &book->collars[instrument];
    const eng_range *range = range_of(book, instrument);
    int32_t reference = reference_of(book, instrument);
    int32_t way = side == RB_SIDE_BUY ? 1 : -1;
    int32_t end = side == RB_SIDE_BUY ? range->high : range->low;
    int32_t price = end != 0 ? bounded(side, price_ticks, end) : price_ticks;
    if (reference != 0 && range->width != 0) {
        price = bounded(side, price, (int64_t)reference + way * (int64_t)range->width);
    }
    if (reference != 0 && collar->finger_ticks != 0) {
        price = bounded(side, price, (int64_t)reference + way * (int64_t)collar->finger_ticks);
    }
    return price;
}

/* --- commands -------------------------------------------------------------------------------- */

static int is_price(int64_t ticks)
{
    return ticks >= 0 && ticks <= ENG_PRICE_TICKS_MAX;
}

static uint16_t set_range(eng_collar *collar, const rb_command *line)
{
    int64_t low = (uint32_t)line->value;
    int64_t high = (uint32_t)(line->value >> 32);
    int is_phase =
        line->state == RB_INSTRUMENT_STATE_CONTINUOUS || line->state == RB_INSTRUMENT_STATE_AUCTION;
    if (!is_phase || !is_price(low) || !is_price(high) || (high != 0 && low > high)) {
        return RB_REJECT_REASON_INVALID_OPTIONS;
    }
    collar->phases[line->state == RB_INSTRUMENT_STATE_CONTINUOUS ? 0 : 1] =
        (eng_range){.low = (int32_t)low, .high = (int32_t)high, .width = line->price_ticks};
    return ENG_ACCEPTED;
}

static int has_rule(const eng_collar *collar)
{
    uint64_t any = collar->finger_value | (uint32_t)collar->finger_ticks;
    for (uint32_t phase = 0; phase < 2; phase++) {
        const eng_range *range = &collar->phases[phase];
        any |= (uint32_t)range->low | (uint32_t)range->high | (uint32_t)range->width;
    }
    return any != 0;
}

uint16_t eng_collar_command(eng_book *book, const rb_command *line)
{
    eng_collar *collar = &book->collars[line->instrument];
    uint16_t reason = ENG_ACCEPTED;
    if (!is_price(line->price_ticks)) {
        return RB_REJECT_REASON_INVALID_PRICE;
    }
    if (line->kind == RB_COMMAND_KIND_REFERENCE_PRICE) {
        collar->reference_ticks = line->price_ticks;
    } else if (line->kind == RB_COMMAND_KIND_FAT_FINGER) {
        collar->finger_ticks = line->price_ticks;
        collar->finger_value = line->value;
    } else {
        reason = set_range(collar, line);
    }
    book->ladders[line->instrument].has_collar = (uint8_t)has_rule(collar);
    return reason;
}
