/*
 * Random proposals of every kind, most of which a book takes: for tests that drive a book at
 * length. What is drawn depends on the book, so that orders are changed that are there.
 */
#ifndef TESTS_ENGINE_RANDOM_PROPOSALS_H
#define TESTS_ENGINE_RANDOM_PROPOSALS_H

#include <stdint.h>
#include <string.h>

#include "engine/book.h"
#include "engine/book_state.h"
#include "engine/held.h"
#include "tests/check.h"

#define INSTRUMENTS 3u
#define ORDERS 40u

/* xorshift64; a fixed seed, so that a failure comes again. */
static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

static int one_in(uint32_t chances)
{
    return random_below(chances) == 0;
}

typedef struct proposal {
    rb_message lines[ENG_GROUP_LINES_MAX];
    uint32_t count;
} proposal;

static rb_message *add_line(proposal *to, uint8_t template_id)
{
    EXPECT(to->count < ENG_GROUP_LINES_MAX);
    if (to->count > 0) {
        to->lines[to->count - 1].header.flags |= RB_FLAG_CONTINUED;
    }
    rb_message *line = &to->lines[to->count++];
    memset(line, 0, sizeof *line);
    line->header.template_id = template_id;
    line->header.topic = (uint16_t)(1 + random_below(3));
    line->header.time_ns = 7;
    line->header.checksum = 9;
    return line;
}

static uint8_t random_side(void)
{
    return (uint8_t)(1 + random_below(2));
}

/* Few prices that are near, a few that need nodes of their own. */
static int32_t random_price(void)
{
    return one_in(12) ? (int32_t)(1 + random_below(1u << 29)) : (int32_t)(1000 + random_below(8));
}

static uint8_t random_self_trade(void)
{
    static const uint8_t ways[] = {
        RB_ORDER_OPTION_SELF_TRADE_NEWEST,
        RB_ORDER_OPTION_SELF_TRADE_OLDEST,
        RB_ORDER_OPTION_SELF_TRADE_NEWEST | RB_ORDER_OPTION_SELF_TRADE_OLDEST,
        RB_ORDER_OPTION_SELF_TRADE_DECREMENT,
    };
    uint8_t way = ways[random_below(4)];
    return one_in(3) ? way | (one_in(2) ? RB_ORDER_OPTION_SELF_TRADE_FIRM : 0) : 0;
}

static void add_terms(proposal *to, uint8_t options, uint32_t display, uint8_t auction)
{
    rb_order_terms *terms = &add_line(to, RB_TEMPLATE_ORDER_TERMS)->order_terms;
    terms->options = options;
    terms->display_quantity = display;
    terms->auction = auction;
}

static void add_new_order(proposal *to, uint32_t instrument)
{
    static const uint8_t forces[] = {RB_TIME_IN_FORCE_DAY,
                                     RB_TIME_IN_FORCE_DAY,
                                     RB_TIME_IN_FORCE_GOOD_TILL_TIME,
                                     RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
                                     RB_TIME_IN_FORCE_FILL_OR_KILL,
                                     RB_TIME_IN_FORCE_AT_OPENING,
                                     RB_TIME_IN_FORCE_AT_CLOSE};
    uint8_t force = forces[random_below(sizeof forces)];
    int crosses = force == RB_TIME_IN_FORCE_AT_OPENING || force == RB_TIME_IN_FORCE_AT_CLOSE;
    rb_new_order *order = &add_line(to, RB_TEMPLATE_NEW_ORDER)->new_order;
    order->instrument = instrument;
    order->price_ticks = random_price();
    order->quantity = 1 + random_below(20);
    order->client_order_id = 1 + random_below(2);
    order->account = (uint16_t)(1 + random_below(2));
    order->firm = (uint16_t)(1 + random_below(2));
    order->side = random_side();
    order->time_in_force = force;
    order->options = random_self_trade();
    uint32_t kind = random_below(4);
    if (crosses) {
        order->options |= kind == 0 ? RB_ORDER_OPTION_MARKET : 0;
        if (kind == 1) {
            add_terms(to, order->options, 0, RB_AUCTION_OPTION_IMBALANCE_ONLY);
        }
    } else if (force == RB_TIME_IN_FORCE_DAY) {
        order->options |= kind == 0 ? RB_ORDER_OPTION_HIDDEN : 0;
        if (kind == 1) {
            add_terms(to, order->options, 1 + random_below(order->quantity), 0);
        }
    }
    if (one_in(8)) {
        add_line(to, RB_TEMPLATE_ORDER_TAG)->order_tag.total_quantity = 5;
    }
}

/* A Cancel or Replace, most often of an order that is there. */
static void add_change(proposal *to, const eng_book *book)
{
    uint32_t locate = 1 + random_below(ORDERS);
    const eng_order *order = &book->orders[locate];
    uint8_t template_id = one_in(2) ? RB_TEMPLATE_CANCEL : RB_TEMPLATE_REPLACE;
    rb_message *line = add_line(to, template_id);
    line->header.topic = order->topic;
    line->cancel.instrument = order->instrument;
    line->cancel.locate = locate;
    line->cancel.client_order_id = order->client_order_id;
    line->cancel.quantity = 1 + random_below(12);
    if (template_id == RB_TEMPLATE_REPLACE) {
        uint8_t held = (order->options & ENG_ORDER_HELD) != 0 && !eng_held_rests(book, locate);
        line->replace.original_client_order_id = order->client_order_id;
        line->replace.price_ticks = one_in(3) ? order->price_ticks : random_price();
        line->replace.account = order->account;
        line->replace.firm = order->firm;
        line->replace.time_in_force =
            held ? book->terms[locate].time_in_force : RB_TIME_IN_FORCE_DAY;
    }
}

static uint8_t random_state_of_instrument(void)
{
    return one_in(6)   ? (uint8_t)(RB_INSTRUMENT_STATE_HALTED + random_below(4))
           : one_in(2) ? RB_INSTRUMENT_STATE_CONTINUOUS
                       : RB_INSTRUMENT_STATE_AUCTION;
}

static void add_cross(proposal *to, const eng_book *book, uint32_t instrument)
{
    rb_cross_result *cross = &add_line(to, RB_TEMPLATE_CROSS_RESULT)->cross_result;
    cross->instrument = instrument;
    cross->price_ticks = one_in(20) ? 0 : (int32_t)(1000 + random_below(8));
    cross->quantity = one_in(4) ? 0 : random_below(30);
    cross->cross_type = (uint8_t)(RB_CROSS_TYPE_OPENING + random_below(one_in(20) ? 4 : 3));
    cross->state = random_state_of_instrument();
    cross->changes = book->ladders[instrument].changes + (uint32_t)one_in(20);
    if (one_in(4)) {
        add_line(to, RB_TEMPLATE_ORDER_TAG)->order_tag.total_quantity = 5;
    }
}

static void add_mass_cancel(proposal *to, uint32_t instrument)
{
    rb_mass_cancel *request = &add_line(to, RB_TEMPLATE_MASS_CANCEL)->mass_cancel;
    request->scope = (uint8_t)(2 * random_below(32));
    request->scope |= request->scope == 0 ? RB_MASS_CANCEL_SCOPE_EVERYTHING : 0;
    int named = (request->scope & RB_MASS_CANCEL_SCOPE_INSTRUMENT) != 0;
    request->instrument = named ? instrument : RB_INSTRUMENT_NONE;
    request->session = (uint16_t)(1 + random_below(3));
    request->account = (uint16_t)(1 + random_below(2));
    request->firm = (uint16_t)(1 + random_below(2));
    request->side = random_side();
}

static void add_legs(proposal *to)
{
    uint8_t count = (uint8_t)(2 + random_below(2));
    uint32_t first = random_below(INSTRUMENTS);
    rb_multi_leg_order *order = &add_line(to, RB_TEMPLATE_MULTI_LEG_ORDER)->multi_leg_order;
    order->instrument = first;
    order->leg_count = count;
    order->options = random_self_trade();
    for (uint32_t n = 0; n < count; n++) {
        rb_leg *leg = &add_line(to, RB_TEMPLATE_LEG)->leg;
        leg->instrument = (first + n) % INSTRUMENTS;
        leg->price_ticks = random_price();
        leg->quantity = 1 + random_below(8);
        leg->client_order_id = n;
        leg->account = (uint16_t)(1 + random_below(2));
        leg->firm = (uint16_t)(1 + random_below(2));
        leg->side = random_side();
    }
}

static void make_proposal(proposal *to, const eng_book *book)
{
    uint32_t instrument = random_below(INSTRUMENTS);
    uint32_t kind = random_below(100);
    to->count = 0;
    if (kind < 60) {
        add_new_order(to, instrument);
    } else if (kind < 76) {
        add_change(to, book);
    } else if (kind < 82) {
        rb_command *command = &add_line(to, RB_TEMPLATE_COMMAND)->command;
        command->instrument = instrument;
        command->kind = RB_COMMAND_KIND_INSTRUMENT_STATE;
        command->state = random_state_of_instrument();
    } else if (kind < 90) {
        add_cross(to, book, instrument);
    } else if (kind < 92) {
        add_mass_cancel(to, instrument);
    } else {
        add_legs(to);
    }
}

#endif
