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
#include "tests/check.h"
#include "tests/engine/random_proposals.h"

#define LINES_MAX 512u
#define TURNS 60000u

typedef struct answer {
    rb_message lines[LINES_MAX];
    uint64_t count;
    uint32_t stops;
} answer;

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
            EXPECT(one->orders[locate].links.next == other->orders[locate].links.next);
            locate = one->orders[locate].links.next;
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
    EXPECT_SEEN(book->orders[1].links.next = 3);
    EXPECT_SEEN(book->orders[3].links.next = 1);
    EXPECT_SEEN(book->orders[2].links.next = 99);
    EXPECT_SEEN(book->orders[2].links.prev = 3);
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
    EXPECT_SEEN(book->ladders[0].state = RB_INSTRUMENT_STATE_PRE_OPEN + 1);
}

int main(void)
{
    test_same_in_one_go_and_in_many(UINT64_C(0x9e3779b97f4a7c15), 5 * ORDERS);
    test_same_in_one_go_and_in_many(UINT64_C(0xbf58476d1ce4e5b9), 24);
    test_verify_sees_damage();
    return 0;
}
