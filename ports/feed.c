#include "ports/feed.h"

#include <stdlib.h>
#include <string.h>

#include "ports/feed_list.h"
#include "ports/feed_view.h"
#include "ringbus/check.h"

int32_t prt_feed_init(prt_feed *feed, prt_tape *tape, uint32_t instruments, uint32_t shards,
                      uint32_t orders)
{
    memset(feed, 0, sizeof *feed);
    if (instruments == 0 || instruments > PRT_FEED_INSTRUMENTS_MAX || shards == 0 ||
        shards > PRT_FEED_SHARDS_MAX || orders == 0 || orders > PRT_FEED_ORDERS_MAX) {
        return RB_USAGE;
    }
    feed->tape = tape;
    feed->instrument_count = instruments;
    feed->shard_count = shards;
    feed->order_count = orders;
    feed->instruments = calloc(instruments, sizeof *feed->instruments);
    int failed = feed->instruments == NULL;
    for (uint32_t shard = 0; shard < shards; shard++) {
        feed->orders[shard] = calloc((size_t)orders + 1, sizeof *feed->orders[shard]);
        failed |= feed->orders[shard] == NULL;
    }
    return failed ? RB_SYSTEM : RB_OK;
}

void prt_feed_free(prt_feed *feed)
{
    free(feed->instruments);
    feed->instruments = NULL;
    for (uint32_t shard = 0; shard < PRT_FEED_SHARDS_MAX; shard++) {
        free(feed->orders[shard]);
        feed->orders[shard] = NULL;
    }
}

/* --- saying --- */

/* Where the next message goes; on a full tape nowhere, which is found out at the end of the line.
 */
static uint8_t *next_message(prt_feed *feed)
{
    uint8_t *at = prt_tape_next(feed->tape);
    feed->is_full |= at == NULL;
    return at != NULL ? at : feed->scratch;
}

static void append(prt_feed *feed, size_t bytes)
{
    if (!feed->is_full) {
        prt_tape_append(feed->tape, bytes);
    }
}

static void say_event(prt_feed *feed, char event)
{
    prt_itch_head head = prt_feed_head(feed, 0);
    head.instrument = 0;
    append(feed, prt_itch_system_event(next_message(feed), head, event));
}

/* Gives the order its number and says that it is there, in the place of `replaced` if that is not
 * 0. */
static void say_add(prt_feed *feed, prt_feed_order *order, uint64_t replaced)
{
    order->reference = ++feed->references;
    prt_itch_head head = prt_feed_head(feed, order->instrument);
    prt_itch_order said = prt_feed_order_shown(feed, order, order->shown);
    uint8_t *at = next_message(feed);
    append(feed, replaced == 0 ? prt_itch_add(at, head, &said)
                               : prt_itch_replace(at, head, replaced, &said));
}

static void say_delete(prt_feed *feed, uint32_t instrument, uint64_t reference)
{
    append(feed, prt_itch_delete(next_message(feed), prt_feed_head(feed, instrument), reference));
}

static void say_state(prt_feed *feed, uint32_t instrument)
{
    append(feed, prt_feed_write_state(feed, instrument, next_message(feed)));
}

/* --- places --- */

static prt_feed_order *order_at(const prt_feed *feed, uint32_t shard, uint32_t locate)
{
    if (shard >= feed->shard_count || locate == 0 || locate > feed->order_count) {
        return NULL;
    }
    return &feed->orders[shard][locate];
}

static prt_feed_list *list_of(const prt_feed *feed, const prt_feed_order *order)
{
    prt_feed_instrument *instrument = &feed->instruments[order->instrument];
    return order->place == PRT_FEED_HELD ? &instrument->held : &instrument->resting;
}

static void put(prt_feed *feed, uint32_t shard, uint32_t locate, uint8_t place)
{
    prt_feed_order *order = &feed->orders[shard][locate];
    order->place = place;
    feed_list_append(feed->orders[shard], list_of(feed, order), locate);
}

static void take(prt_feed *feed, uint32_t shard, uint32_t locate, uint8_t place)
{
    prt_feed_order *order = &feed->orders[shard][locate];
    if (order->place == PRT_FEED_HELD && feed->release == locate && feed->releasing != 0) {
        feed->release = order->next;
    }
    feed_list_remove(feed->orders[shard], list_of(feed, order), locate);
    order->place = place;
}

/* It comes to the back of its price, and is said if it is shown. */
static void rest(prt_feed *feed, uint32_t shard, uint32_t locate)
{
    prt_feed_order *order = &feed->orders[shard][locate];
    put(feed, shard, locate, PRT_FEED_RESTING);
    order->reference = 0;
    order->shown = 0;
    if (order->hidden) {
        return;
    }
    int is_reserve = order->display != 0 && order->display < order->open;
    order->shown = is_reserve ? order->display : order->open;
    say_add(feed, order, feed->replaced);
    feed->replaced = 0;
}

/* What was shown before a Replace is gone, since something else is said first. */
static void say_replaced(prt_feed *feed, uint32_t instrument)
{
    if (feed->replaced != 0) {
        say_delete(feed, instrument, feed->replaced);
        feed->replaced = 0;
    }
}

/* Orders are held for a cross. */
static int is_collecting(uint8_t state)
{
    return state == RB_INSTRUMENT_STATE_AUCTION || state == RB_INSTRUMENT_STATE_PRE_OPEN;
}

/* The order that came in has done what it could: what is left rests, or is held. */
static void settle(prt_feed *feed)
{
    uint32_t shard = feed->coming_shard;
    uint32_t locate = feed->coming;
    if (locate == 0) {
        return;
    }
    feed->coming = 0;
    prt_feed_order *order = &feed->orders[shard][locate];
    uint8_t state = feed->instruments[order->instrument].state;
    if (order->open == 0) {
        order->place = PRT_FEED_GONE;
    } else if (order->for_cross || is_collecting(state)) {
        put(feed, shard, locate, PRT_FEED_HELD);
    } else {
        rest(feed, shard, locate);
    }
    say_replaced(feed, order->instrument);
}

/* Lets in the held orders before `until`, which may be 0: all that rest. Those who wait for a cross
 * stay. */
static void release(prt_feed *feed, uint32_t until)
{
    uint32_t shard = feed->instruments[feed->releasing - 1].shard;
    for (uint32_t n = 0; n < feed->order_count; n++) {
        uint32_t locate = feed->release;
        if (locate == 0 || locate == until) {
            break;
        }
        const prt_feed_order *order = &feed->orders[shard][locate];
        feed->release = order->next;
        if (!order->for_cross) {
            take(feed, shard, locate, PRT_FEED_COMING);
            rest(feed, shard, locate);
        }
    }
}

/* All that rests is held, and nothing of it is shown. */
static void hold_all(prt_feed *feed, uint32_t instrument)
{
    prt_feed_instrument *row = &feed->instruments[instrument];
    prt_feed_order *orders = feed->orders[row->shard];
    prt_feed_list_sort(orders, &row->resting, feed->order_count);
    uint32_t locate = row->resting.head;
    for (uint32_t n = 0; n < feed->order_count && locate != 0; n++) {
        uint32_t next = orders[locate].next;
        if (orders[locate].reference != 0) {
            say_delete(feed, instrument, orders[locate].reference);
        }
        orders[locate].reference = 0;
        orders[locate].shown = 0;
        put(feed, row->shard, locate, PRT_FEED_HELD);
        locate = next;
    }
    row->resting = (prt_feed_list){0};
}

/* --- lines about orders --- */

static uint8_t is_for_cross(uint8_t time_in_force)
{
    return time_in_force == RB_TIME_IN_FORCE_AT_OPENING ||
           time_in_force == RB_TIME_IN_FORCE_AT_CLOSE;
}

/* All orders of an instrument lie in one shard. */
static int32_t find_shard(prt_feed *feed, const rb_message *line)
{
    prt_feed_instrument *row = &feed->instruments[line->any.instrument];
    if (row->resting.head == 0 && row->held.head == 0) {
        RB_CHECK(line->header.shard < feed->shard_count);
        row->shard = line->header.shard;
    }
    RB_CHECK(line->header.shard == row->shard);
    return RB_OK;
}

static int32_t on_new_order(prt_feed *feed, const rb_message *line)
{
    const rb_new_order *in = &line->new_order;
    if (in->locate == 0) {
        /* It never rests. */
        return RB_OK;
    }
    int32_t status = find_shard(feed, line);
    if (status != RB_OK) {
        return status;
    }
    prt_feed_order *order = order_at(feed, line->header.shard, in->locate);
    RB_CHECK(order != NULL);
    RB_CHECK(order->place == PRT_FEED_GONE);
    *order = (prt_feed_order){
        .open = in->quantity,
        .price_ticks = in->price_ticks,
        .instrument = in->instrument,
        .place = PRT_FEED_COMING,
        .side = in->side,
        .hidden = (in->options & RB_ORDER_OPTION_HIDDEN) != 0,
        .for_cross = is_for_cross(in->time_in_force),
    };
    feed->coming = in->locate;
    feed->coming_shard = line->header.shard;
    return RB_OK;
}

/* Behind a NewOrder or a Replace that gave up its place. */
static void on_terms(prt_feed *feed, const rb_order_terms *terms)
{
    if (feed->coming != 0) {
        prt_feed_order *order = &feed->orders[feed->coming_shard][feed->coming];
        order->display = terms->display_quantity;
        order->hidden = (terms->options & RB_ORDER_OPTION_HIDDEN) != 0;
    }
}

/* So much of the order is left; reserve goes first. */
static int32_t reduce(prt_feed *feed, uint32_t shard, uint32_t locate, uint32_t remaining)
{
    prt_feed_order *order = &feed->orders[shard][locate];
    RB_CHECK(order->place != PRT_FEED_GONE);
    RB_CHECK(remaining <= order->open);
    order->open = remaining;
    if (order->place == PRT_FEED_COMING) {
        return RB_OK;
    }
    if (order->reference != 0 && remaining == 0) {
        say_delete(feed, order->instrument, order->reference);
    } else if (order->reference != 0 && remaining < order->shown) {
        append(feed, prt_itch_reduce(next_message(feed), prt_feed_head(feed, order->instrument),
                                     order->reference, order->shown - remaining));
    }
    order->shown = order->shown < remaining ? order->shown : remaining;
    if (remaining == 0) {
        take(feed, shard, locate, PRT_FEED_GONE);
    }
    return RB_OK;
}

static int32_t on_replace(prt_feed *feed, const rb_message *line)
{
    const rb_replace *in = &line->replace;
    uint32_t shard = line->header.shard;
    prt_feed_order *order = order_at(feed, shard, in->locate);
    RB_CHECK(order != NULL);
    RB_CHECK(order->place == PRT_FEED_RESTING || order->place == PRT_FEED_HELD);
    order->display = order->display < in->quantity ? order->display : in->quantity;
    if (line->header.flags & RB_FLAG_KEPT_PRIORITY) {
        return reduce(feed, shard, in->locate, in->quantity);
    }
    take(feed, shard, in->locate, PRT_FEED_COMING);
    feed->replaced = order->reference;
    order->reference = 0;
    order->shown = 0;
    order->open = in->quantity;
    order->price_ticks = in->price_ticks;
    order->for_cross = is_for_cross(in->time_in_force);
    feed->coming = in->locate;
    feed->coming_shard = shard;
    return RB_OK;
}

/* Cancel and Canceled. */
static int32_t on_canceled(prt_feed *feed, const rb_message *line)
{
    const rb_canceled *in = &line->canceled;
    if (in->locate == 0) {
        return RB_OK;
    }
    RB_CHECK(order_at(feed, line->header.shard, in->locate) != NULL);
    return reduce(feed, line->header.shard, in->locate, in->remaining);
}

_Static_assert(offsetof(rb_cancel, locate) == offsetof(rb_canceled, locate), "alike");
_Static_assert(offsetof(rb_cancel, remaining) == offsetof(rb_canceled, remaining), "alike");

/* The incoming side of a trade: one that was proposed, or one that an auction's end lets in. */
static int32_t on_incoming(prt_feed *feed, const rb_message *line)
{
    const rb_executed *in = &line->executed;
    if (in->locate == 0) {
        return RB_OK;
    }
    uint32_t shard = line->header.shard;
    prt_feed_order *order = order_at(feed, shard, in->locate);
    RB_CHECK(order != NULL);
    if (order->place == PRT_FEED_HELD) {
        RB_CHECK(feed->releasing == in->instrument + 1);
        settle(feed);
        release(feed, in->locate);
        take(feed, shard, in->locate, PRT_FEED_COMING);
        feed->coming = in->locate;
        feed->coming_shard = shard;
    }
    RB_CHECK(order->place == PRT_FEED_COMING);
    say_replaced(feed, in->instrument);
    return reduce(feed, shard, in->locate, in->remaining);
}

/* The resting side. What it was is said, the order that came in is not. */
static int32_t on_resting(prt_feed *feed, const rb_message *line)
{
    const rb_executed *in = &line->executed;
    uint32_t shard = line->header.shard;
    /* As clients were told: the place of the incoming side's line, which is the one before. */
    uint64_t match = line->header.sequence - 1;
    prt_feed_order *order = order_at(feed, shard, in->locate);
    RB_CHECK(order != NULL);
    RB_CHECK(order->place == PRT_FEED_RESTING);
    RB_CHECK(order->open == (uint64_t)in->quantity + in->remaining);
    order->open = in->remaining;
    prt_itch_head head = prt_feed_head(feed, in->instrument);
    if (order->hidden) {
        prt_itch_order said = prt_feed_order_shown(feed, order, in->quantity);
        append(feed, prt_itch_trade(next_message(feed), head, &said, match));
    } else {
        RB_CHECK(order->reference != 0);
        RB_CHECK(in->quantity <= order->shown);
        append(feed,
               prt_itch_executed(next_message(feed), head, order->reference, in->quantity, match));
        order->shown -= in->quantity;
        order->reference = order->shown != 0 ? order->reference : 0;
    }
    if (order->open == 0) {
        take(feed, shard, in->locate, PRT_FEED_GONE);
    }
    return RB_OK;
}

static int32_t on_executed(prt_feed *feed, const rb_message *line)
{
    const rb_executed *in = &line->executed;
    switch (in->liquidity) {
    case RB_LIQUIDITY_REMOVED:
        return on_incoming(feed, line);
    case RB_LIQUIDITY_ADDED:
        return on_resting(feed, line);
    default:
        /* Of a cross, which is said as a whole. */
        RB_CHECK(order_at(feed, line->header.shard, in->locate) != NULL);
        return reduce(feed, line->header.shard, in->locate, in->remaining);
    }
}

static int32_t on_replenished(prt_feed *feed, const rb_message *line)
{
    const rb_replenished *in = &line->replenished;
    uint32_t shard = line->header.shard;
    prt_feed_order *order = order_at(feed, shard, in->locate);
    RB_CHECK(order != NULL);
    RB_CHECK(order->place == PRT_FEED_RESTING);
    RB_CHECK(order->shown == 0);
    take(feed, shard, in->locate, PRT_FEED_RESTING);
    put(feed, shard, in->locate, PRT_FEED_RESTING);
    order->shown = in->quantity;
    say_add(feed, order, 0);
    return RB_OK;
}

/* --- other lines --- */

static void on_definition(prt_feed *feed, const rb_message *line)
{
    const rb_instrument_definition *in = &line->instrument_definition;
    prt_feed_instrument *row = &feed->instruments[in->instrument];
    memcpy(row->symbol, in->symbol, sizeof row->symbol);
    row->tick_1e4 = in->tick_1e4;
    row->lot = in->lot;
    row->state = row->is_defined ? row->state : (uint8_t)RB_INSTRUMENT_STATE_CONTINUOUS;
    row->is_defined = 1;
    append(feed, prt_feed_write_directory(feed, in->instrument, next_message(feed)));
    say_state(feed, in->instrument);
}

static int32_t on_state(prt_feed *feed, const rb_message *line)
{
    int32_t status = find_shard(feed, line);
    if (status != RB_OK) {
        return status;
    }
    const rb_state_changed *in = &line->state_changed;
    prt_feed_instrument *row = &feed->instruments[in->instrument];
    int is_new = row->state != in->state;
    row->state = in->state;
    if (is_new) {
        say_state(feed, in->instrument);
    }
    if (is_collecting(in->state)) {
        hold_all(feed, in->instrument);
    } else if (in->state == RB_INSTRUMENT_STATE_CONTINUOUS) {
        feed->releasing = in->instrument + 1;
        feed->release = row->held.head;
    }
    return RB_OK;
}

static int32_t on_cross(prt_feed *feed, const rb_message *line)
{
    int32_t status = find_shard(feed, line);
    if (status != RB_OK) {
        return status;
    }
    const rb_cross_result *in = &line->cross_result;
    prt_feed_instrument *row = &feed->instruments[in->instrument];
    hold_all(feed, in->instrument);
    prt_itch_cross said = {.quantity = in->quantity,
                           .match = line->header.sequence,
                           .price_1e4 = prt_feed_price(row, in->price_ticks),
                           .symbol = row->symbol,
                           .kind = prt_feed_cross_letter(in->cross_type)};
    append(feed,
           prt_itch_cross_trade(next_message(feed), prt_feed_head(feed, in->instrument), &said));
    return RB_OK;
}

/* Both parties have the same line; the buyer's is taken. A bust says that the trade is broken. Of a
 * correction ITCH knows nothing: the trade is broken and said again under its number, with the
 * price that it has now, as one that moved no shown order. The trades of a cross were not said one
 * by one, so there is nothing to break. */
static void on_trade_changed(prt_feed *feed, const rb_message *line)
{
    const rb_trade_changed *in = &line->trade_changed;
    if (in->side != RB_SIDE_BUY || memchr("OCH", in->liquidity, 3) != NULL) {
        return;
    }
    prt_itch_head head = prt_feed_head(feed, in->instrument);
    append(feed, prt_itch_broken_trade(next_message(feed), head, in->match));
    if (in->kind == RB_TRADE_CHANGE_KIND_CORRECT) {
        const prt_feed_instrument *row = &feed->instruments[in->instrument];
        prt_itch_order said = {.price_1e4 = prt_feed_price(row, in->price_ticks),
                               .quantity = in->quantity,
                               .symbol = row->symbol};
        append(feed, prt_itch_trade(next_message(feed), head, &said, in->match));
    }
}

/* The first and the last line of the day. */
static void on_day(prt_feed *feed, const rb_message *line)
{
    if (line->header.template_id == RB_TEMPLATE_BUILD_RECORD && !feed->is_open) {
        feed->is_open = 1;
        say_event(feed, 'O');
        say_event(feed, 'S');
    } else if (line->header.template_id == RB_TEMPLATE_END_OF_DAY && !feed->is_over) {
        feed->is_over = 1;
        say_event(feed, 'E');
        say_event(feed, 'C');
    }
}

/* A line that names an instrument of the day. */
static int32_t on_instrument(prt_feed *feed, const rb_message *line)
{
    switch (line->header.template_id) {
    case RB_TEMPLATE_NEW_ORDER:
        return on_new_order(feed, line);
    case RB_TEMPLATE_REPLACE:
        return on_replace(feed, line);
    case RB_TEMPLATE_CANCEL:
    case RB_TEMPLATE_CANCELED:
        return on_canceled(feed, line);
    case RB_TEMPLATE_EXECUTED:
        return on_executed(feed, line);
    case RB_TEMPLATE_REPLENISHED:
        return on_replenished(feed, line);
    case RB_TEMPLATE_STATE_CHANGED:
        return on_state(feed, line);
    case RB_TEMPLATE_CROSS_RESULT:
        return on_cross(feed, line);
    case RB_TEMPLATE_IMBALANCE:
        append(feed, prt_feed_write_imbalance(feed, &line->imbalance, next_message(feed)));
        return RB_OK;
    case RB_TEMPLATE_TRADE_CHANGED:
        on_trade_changed(feed, line);
        return RB_OK;
    default:
        return RB_OK;
    }
}

int32_t prt_feed_apply(prt_feed *feed, const rb_message *line)
{
    uint8_t template_id = line->header.template_id;
    uint32_t instrument = line->any.instrument;
    RB_CHECK(line->header.sequence == feed->heard + 1);
    feed->heard = line->header.sequence;
    feed->time_ns = line->header.time_ns;
    int32_t status = RB_OK;
    if (template_id == RB_TEMPLATE_BUILD_RECORD || template_id == RB_TEMPLATE_END_OF_DAY) {
        on_day(feed, line);
    } else if (template_id == RB_TEMPLATE_ORDER_TERMS) {
        on_terms(feed, &line->order_terms);
    } else if (template_id == RB_TEMPLATE_INSTRUMENT_DEFINITION) {
        RB_CHECK(instrument < feed->instrument_count);
        on_definition(feed, line);
    } else if (template_id != RB_TEMPLATE_ORDER_TAG && instrument < feed->instrument_count &&
               feed->instruments[instrument].is_defined) {
        status = on_instrument(feed, line);
    }
    feed->in_group = (line->header.flags & RB_FLAG_LAST_OF_GROUP) == 0;
    if (status == RB_OK && !feed->in_group) {
        settle(feed);
        if (feed->releasing != 0) {
            release(feed, 0);
            feed->releasing = 0;
        }
    }
    return status == RB_OK && feed->is_full ? RB_FULL : status;
}
