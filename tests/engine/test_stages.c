/*
 * Answers that are written in several goes. Two books get the same random proposals of every kind;
 * one has a sink for whole answers, the other sinks of a few lines, so that each stage of an answer
 * stops at each of its lines. Both must say the same, and both structures must hold at every stop.
 * A third book gets nothing but the contributed lines of the answers, as a replay does, and must
 * say it all again. Then proof that verify sees damage to what auctions keep. Exit code 0: passed.
 */
#include <stdint.h>
#include <string.h>

#include "engine/book.h"
#include "engine/book_state.h"
#include "engine/cross.h"
#include "engine/held.h"
#include "tests/check.h"

#define INSTRUMENTS 3u
#define ORDERS 40u
#define LINES_MAX 512u
#define TURNS 60000u

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

typedef struct answer {
    rb_message lines[LINES_MAX];
    uint64_t count;
    uint32_t stops;
} answer;

/* --- proposals ---------------------------------------------------------------------------------
 */

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

/* --- the two ways of taking an answer ------------------------------------------------------------
 */

static void submit(eng_book *book, const proposal *from, uint32_t room_max, answer *to)
{
    eng_group group = {.base = from->lines, .mask = UINT64_MAX, .count = from->count};
    uint64_t least = from->count > 2 ? from->count : 2;
    eng_sink sink = {.base = to->lines,
                     .mask = UINT64_MAX,
                     .limit = room_max == LINES_MAX ? LINES_MAX : least + random_below(room_max)};
    memset(to, 0, sizeof *to);
    int32_t status = eng_book_submit(book, &group, &sink);
    for (uint32_t turn = 0; turn < 2 * LINES_MAX && status == RB_FULL; turn++) {
        EXPECT(eng_book_verify(book) == RB_OK);
        EXPECT(sink.count <= sink.limit);
        EXPECT(sink.limit - sink.count < 2);
        to->stops++;
        /* None, one or two more. What asks for most is a pair. */
        uint64_t before = sink.count;
        sink.limit += random_below(room_max);
        status = eng_book_resume(book, &sink);
        EXPECT(sink.limit - before < 2 || sink.count > before);
        EXPECT(sink.limit <= LINES_MAX);
    }
    EXPECT(status == RB_OK);
    EXPECT(sink.count <= sink.limit);
    EXPECT(eng_book_verify(book) == RB_OK);
    to->count = sink.count;
}

/* What was proposed, out of the answer: the book fills these fields in. */
static void restore(const answer *from, proposal *to)
{
    to->count = 0;
    for (uint32_t n = 0; n == 0 || (from->lines[n - 1].header.flags & RB_FLAG_CONTINUED) != 0;
         n++) {
        to->lines[to->count++] = from->lines[n];
    }
    rb_message *first = &to->lines[0];
    first->header.flags &= (uint8_t)~RB_FLAG_KEPT_PRIORITY;
    if (first->header.template_id == RB_TEMPLATE_NEW_ORDER) {
        first->new_order.locate = 0;
    } else if (first->header.template_id == RB_TEMPLATE_CANCEL) {
        first->cancel.price_ticks = 0;
        first->cancel.side = 0;
        first->cancel.remaining = 0;
    } else if (first->header.template_id == RB_TEMPLATE_REPLACE) {
        first->replace.side = 0;
    }
}

static void expect_same_held(const eng_book *one, const eng_book *other)
{
    for (uint32_t instrument = 0; instrument < INSTRUMENTS; instrument++) {
        uint32_t locate = one->asides[instrument].held_head;
        EXPECT(locate == other->asides[instrument].held_head);
        for (uint32_t n = 0; n < ORDERS && locate != ENG_LOCATE_NONE; n++) {
            EXPECT(one->orders[locate].quantity == other->orders[locate].quantity);
            EXPECT(one->orders[locate].next == other->orders[locate].next);
            locate = one->orders[locate].next;
        }
        EXPECT(locate == ENG_LOCATE_NONE);
    }
}

static void test_same_in_one_go_and_in_many(uint64_t seed, uint32_t nodes)
{
    static answer whole;
    static answer parts;
    static answer again;
    static uint64_t seen[128];
    proposal one;
    uint64_t cancels[16] = {0};
    uint32_t stops = 0;
    eng_book *first = eng_book_create(INSTRUMENTS, ORDERS, nodes);
    eng_book *second = eng_book_create(INSTRUMENTS, ORDERS, nodes);
    EXPECT(first != NULL);
    eng_book *third = eng_book_create(INSTRUMENTS, ORDERS, nodes);
    EXPECT(second != NULL);
    EXPECT(third != NULL);
    random_state = seed;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        make_proposal(&one, first);
        submit(first, &one, LINES_MAX, &whole);
        submit(second, &one, 3, &parts);
        EXPECT(whole.stops == 0);
        EXPECT(whole.count == parts.count);
        EXPECT(memcmp(whole.lines, parts.lines, sizeof whole.lines) == 0);
        EXPECT(eng_book_hash(first) == eng_book_hash(second));
        expect_same_held(first, second);
        stops += parts.stops;
        /* What was refused changed nothing. */
        if (whole.lines[0].header.template_id != RB_TEMPLATE_REJECTED) {
            restore(&whole, &one);
            submit(third, &one, LINES_MAX, &again);
            EXPECT(whole.count == again.count);
            EXPECT(memcmp(whole.lines, again.lines, sizeof whole.lines) == 0);
        }
        EXPECT(eng_book_hash(first) == eng_book_hash(third));
        for (uint64_t n = 0; n < whole.count; n++) {
            const rb_message *line = &whole.lines[n];
            seen[line->header.template_id & 127]++;
            if (line->header.template_id == RB_TEMPLATE_CANCELED) {
                cancels[line->canceled.reason & 15]++;
            }
        }
    }
    /* It was about something. */
    EXPECT(stops > TURNS / 8);
    EXPECT(seen[RB_TEMPLATE_CROSS_RESULT] > 0);
    EXPECT(seen[RB_TEMPLATE_STATE_CHANGED] > 0);
    EXPECT(seen[RB_TEMPLATE_MASS_CANCEL] > 0);
    EXPECT(seen[RB_TEMPLATE_MULTI_LEG_ORDER] > 0);
    EXPECT(seen[RB_TEMPLATE_REPLENISHED] > 0);
    for (uint32_t reason = RB_CANCEL_REASON_MASS_CANCEL; reason <= RB_CANCEL_REASON_LEGS;
         reason++) {
        EXPECT(cancels[reason] > 0 || reason == RB_CANCEL_REASON_COLLAR);
    }
    EXPECT(nodes > ORDERS || cancels[RB_CANCEL_REASON_CAPACITY] > 0);
    eng_book_destroy(first);
    eng_book_destroy(second);
    eng_book_destroy(third);
}

/* --- damage --------------------------------------------------------------------------------------
 */

/* An auction with three held orders, locates 1 to 3, and a plain instrument beside it. */
static eng_book *book_in_auction(void)
{
    eng_book *book = eng_book_create(2, 8, 10);
    EXPECT(book != NULL);
    answer said;
    proposal one = {.count = 0};
    rb_command *command = &add_line(&one, RB_TEMPLATE_COMMAND)->command;
    command->kind = RB_COMMAND_KIND_INSTRUMENT_STATE;
    command->state = RB_INSTRUMENT_STATE_AUCTION;
    submit(book, &one, LINES_MAX, &said);
    for (uint32_t n = 0; n < 3; n++) {
        one.count = 0;
        rb_new_order *order = &add_line(&one, RB_TEMPLATE_NEW_ORDER)->new_order;
        order->price_ticks = 1000;
        order->quantity = 10;
        order->side = RB_SIDE_BUY;
        submit(book, &one, LINES_MAX, &said);
        EXPECT(said.lines[0].new_order.locate == n + 1);
    }
    return book;
}

#define EXPECT_SEEN(damage)                                                                        \
    do {                                                                                           \
        eng_book *book = book_in_auction();                                                        \
        EXPECT(eng_book_verify(book) == RB_OK);                                                    \
        damage;                                                                                    \
        EXPECT(eng_book_verify(book) == RB_CORRUPT);                                               \
        eng_book_destroy(book);                                                                    \
    } while (0)

static void test_verify_sees_damage(void)
{
    EXPECT_SEEN(book->asides[0].held_count++);
    EXPECT_SEEN(book->asides[0].held_count--);
    EXPECT_SEEN(book->asides[0].held_head = 2);
    EXPECT_SEEN(book->asides[0].held_tail = 2);
    EXPECT_SEEN(book->orders[1].next = 3);
    EXPECT_SEEN(book->orders[3].next = 1);
    EXPECT_SEEN(book->orders[2].next = 99);
    EXPECT_SEEN(book->orders[2].prev = 3);
    EXPECT_SEEN(book->orders[2].instrument = 1);
    EXPECT_SEEN(book->orders[2].quantity = 0);
    EXPECT_SEEN(book->orders[2].side = 0);
    EXPECT_SEEN(book->orders[2].options = 0);
    EXPECT_SEEN(book->orders[2].options |= ENG_ORDER_RESERVE);
    EXPECT_SEEN(book->terms[2].reserve = 1);
    EXPECT_SEEN(book->terms[2].auction = 1);
    EXPECT_SEEN(book->terms[2].reserved = 1);
    EXPECT_SEEN(book->ladders[0].state = RB_INSTRUMENT_STATE_CONTINUOUS);
    EXPECT_SEEN(book->ladders[0].state = 0);
    EXPECT_SEEN(book->ladders[0].state = 5);
}

int main(void)
{
    test_same_in_one_go_and_in_many(UINT64_C(0x9e3779b97f4a7c15), 5 * ORDERS);
    test_same_in_one_go_and_in_many(UINT64_C(0xbf58476d1ce4e5b9), 24);
    test_verify_sees_damage();
    return 0;
}
