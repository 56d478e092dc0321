/*
 * The book alone, without Python: ring sinks and their guards, resumption, misuse, random traffic
 * on a book with hardly any room, and proof that verify sees each kind of damage. Exit code 0:
 * passed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/book.h"
#include "engine/book_state.h"
#include "engine/queue.h"

static int failures = 0;

#define EXPECT(expression)                                                                         \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                 \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

#define RING_SLOTS 16u
#define GUARD UINT64_C(0xdeadbeefdeadbeef)

/* xorshift64; a fixed seed, so that a failure comes again. */
static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

static rb_message new_order(uint32_t id, uint8_t side, uint32_t quantity, int32_t price_ticks)
{
    rb_message message;
    memset(&message, 0, sizeof message);
    message.header.sequence = 99;
    message.header.template_id = RB_TEMPLATE_NEW_ORDER;
    message.header.topic = 1;
    message.header.publisher = 3;
    message.header.time_ns = 1000;
    message.header.checksum = id;
    message.new_order.client_order_id = id;
    message.new_order.side = side;
    message.new_order.quantity = quantity;
    message.new_order.price_ticks = price_ticks;
    return message;
}

static rb_message cancel(uint32_t locate, uint32_t id, uint32_t quantity)
{
    rb_message message = new_order(id, 0, quantity, 0);
    message.header.template_id = RB_TEMPLATE_CANCEL;
    message.cancel.locate = locate;
    return message;
}

static rb_message replace(uint32_t locate, uint32_t original, uint32_t id, uint32_t quantity,
                          int32_t price_ticks)
{
    rb_message message = new_order(id, 0, quantity, price_ticks);
    message.header.template_id = RB_TEMPLATE_REPLACE;
    message.replace.locate = locate;
    message.replace.original_client_order_id = original;
    return message;
}

/* Applies one message with plenty of room; the number of lines, or the status. */
static int64_t apply(eng_book *book, rb_message message)
{
    rb_message out[64];
    int64_t count = 0;
    int32_t status = eng_book_apply(book, &message, out, 64, &count);
    return status == RB_OK ? count : status;
}

/* The message and its tag, if it has one, as a group in an array of their own. */
static int32_t submit(eng_book *book, const rb_message *message, const rb_message *tag,
                      eng_sink *sink)
{
    rb_message lines[2] = {*message, tag != NULL ? *tag : *message};
    eng_group group = {.base = lines, .mask = UINT64_MAX, .count = tag != NULL ? 2 : 1};
    return eng_book_submit(book, &group, sink);
}

static eng_book *book_of(uint32_t instruments, uint32_t orders, uint32_t nodes)
{
    eng_book *book = eng_book_create(instruments, orders, nodes);
    if (book == NULL) {
        abort();
    }
    return book;
}

static void test_create_refuses(void)
{
    EXPECT(eng_book_create(0, 1, 1) == NULL);
    EXPECT(eng_book_create(1, 0, 1) == NULL);
    EXPECT(eng_book_create(1, 1, 0) == NULL);
    EXPECT(eng_book_create(ENG_BOOK_INSTRUMENTS_MAX + 1, 1, 1) == NULL);
    EXPECT(eng_book_create(1, ENG_ORDERS_MAX + 1, 1) == NULL);
    EXPECT(eng_book_create(1, 1, ENG_NODES_MAX + 1) == NULL);
    eng_book_destroy(NULL);
}

/* A ring whose slots hold a guard in word 0 and a known pattern everywhere. */
static void fill_ring(rb_message *ring)
{
    memset(ring, 0x5a, RING_SLOTS * sizeof *ring);
    for (uint32_t n = 0; n < RING_SLOTS; n++) {
        ring[n].words[0] = GUARD;
    }
}

static int untouched(const rb_message *slot)
{
    rb_message pattern;
    memset(&pattern, 0x5a, sizeof pattern);
    pattern.words[0] = GUARD;
    return memcmp(slot, &pattern, sizeof pattern) == 0;
}

static void test_ring_sink(void)
{
    eng_book *book = book_of(1, 8, 10);
    rb_message ring[RING_SLOTS];
    fill_ring(ring);
    rb_message tag;
    memset(&tag, 0x33, sizeof tag);
    tag.header.template_id = RB_TEMPLATE_ORDER_TAG;
    EXPECT(apply(book, new_order(1, RB_SIDE_SELL, 5, 100)) == 1);
    rb_message buy = new_order(2, RB_SIDE_BUY, 7, 101);
    eng_sink sink = {
        .base = ring, .mask = RING_SLOTS - 1, .position = 3 * RING_SLOTS - 2, .limit = 9};
    EXPECT(submit(book, &buy, &tag, &sink) == RB_OK);
    EXPECT(sink.count == 4);
    EXPECT(ring[RING_SLOTS - 2].header.flags == RB_FLAG_CONTINUED);
    EXPECT(ring[RING_SLOTS - 2].new_order.locate == 2);
    EXPECT(memcmp(&ring[RING_SLOTS - 1].words[1], &tag.words[1], 56) == 0);
    EXPECT(ring[0].header.template_id == RB_TEMPLATE_EXECUTED);
    EXPECT(ring[0].executed.remaining == 2);
    EXPECT(ring[1].executed.locate == 1);
    for (uint32_t n = 0; n < RING_SLOTS; n++) {
        EXPECT(ring[n].words[0] == GUARD);
        EXPECT(untouched(&ring[n]) == (n >= 2 && n < RING_SLOTS - 2));
    }
    /* Without a tag the first line says so, whatever the message said. */
    rb_message third = new_order(3, RB_SIDE_BUY, 7, 99);
    third.header.flags = RB_FLAG_CONTINUED | RB_FLAG_REPLAYED;
    sink = (eng_sink){.base = ring, .mask = RING_SLOTS - 1, .position = 4, .limit = 2};
    EXPECT(submit(book, &third, NULL, &sink) == RB_OK);
    EXPECT(ring[4].header.flags == RB_FLAG_REPLAYED);
    EXPECT(eng_book_verify(book) == RB_OK);
    eng_book_destroy(book);
}

/* What the engine writes by itself is the same whatever lay in the slots before, but for word 0. */
static void test_generated_lines_are_whole(void)
{
    rb_message rings[2][RING_SLOTS];
    for (uint32_t run = 0; run < 2; run++) {
        eng_book *book = book_of(1, 8, 10);
        memset(rings[run], run == 0 ? 0 : 0xff, sizeof rings[run]);
        eng_sink sink = {.base = rings[run], .mask = RING_SLOTS - 1, .limit = RING_SLOTS};
        rb_message sell = new_order(1, RB_SIDE_SELL, 5, 100);
        rb_message buy = new_order(2, RB_SIDE_BUY, 9, 100);
        rb_message unknown = replace(7, 8, 9, 10, 100);
        buy.new_order.time_in_force = RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
        EXPECT(submit(book, &sell, NULL, &sink) == RB_OK);
        EXPECT(submit(book, &buy, NULL, &sink) == RB_OK);
        EXPECT(submit(book, &unknown, NULL, &sink) == RB_OK);
        EXPECT(sink.count == 6);
        eng_book_destroy(book);
    }
    for (uint32_t n = 0; n < 6; n++) {
        EXPECT(memcmp(&rings[0][n].words[1], &rings[1][n].words[1], 56) == 0);
    }
    EXPECT(rings[1][2].executed.detail == 0);
    EXPECT(rings[1][4].canceled.remaining == 0);
    EXPECT(rings[1][5].rejected.spare == 0);
}

/* Takes the rest of an answer two lines at a time; how many lines came. */
static uint64_t drain(eng_book *book)
{
    uint64_t lines = 0;
    int32_t status = RB_FULL;
    for (uint32_t turn = 0; turn < 100 && status == RB_FULL; turn++) {
        rb_message out[2];
        eng_sink sink = {.base = out, .mask = UINT64_MAX, .limit = 2};
        EXPECT(eng_book_pending(book) == 1);
        EXPECT(eng_book_verify(book) == RB_OK);
        status = eng_book_resume(book, &sink);
        EXPECT(sink.count > 0);
        lines += sink.count;
    }
    EXPECT(status == RB_OK);
    EXPECT(eng_book_pending(book) == 0);
    return lines;
}

static void test_resume(void)
{
    eng_book *book = book_of(1, 32, 20);
    for (uint32_t id = 1; id <= 20; id++) {
        EXPECT(apply(book, new_order(id, RB_SIDE_SELL, 3, 100 + (int32_t)(id % 3))) == 1);
    }
    rb_message out[2];
    rb_message sweep = new_order(50, RB_SIDE_BUY, 70, 200);
    sweep.new_order.time_in_force = RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL;
    eng_sink sink = {.base = out, .mask = UINT64_MAX, .limit = 2};
    EXPECT(submit(book, &sweep, NULL, &sink) == RB_FULL);
    EXPECT(sink.count == 1);
    /* Nothing else may come in between. */
    sink = (eng_sink){.base = out, .mask = UINT64_MAX, .limit = 2};
    EXPECT(submit(book, &sweep, NULL, &sink) == RB_USAGE);
    EXPECT(sink.count == 0);
    /* No room: no change. */
    sink.limit = 1;
    EXPECT(eng_book_resume(book, &sink) == RB_FULL);
    EXPECT(sink.count == 0);
    EXPECT(drain(book) == 41);
    EXPECT(eng_book_open_orders(book) == 0);
    EXPECT(eng_book_resume(book, &sink) == RB_USAGE);
    /* A replacing order is held while it sweeps, and rests in its old locate. */
    EXPECT(apply(book, new_order(60, RB_SIDE_BUY, 1, 50)) == 1);
    EXPECT(apply(book, new_order(61, RB_SIDE_SELL, 1, 90)) == 1);
    EXPECT(apply(book, new_order(62, RB_SIDE_SELL, 1, 91)) == 1);
    rb_message moved = replace(1, 60, 63, 9, 95);
    uint32_t locate = 0;
    for (uint32_t n = 1; n <= 32; n++) {
        locate = book->orders[n].client_order_id == 60 && book->orders[n].side != 0 ? n : locate;
    }
    moved.replace.locate = locate;
    sink = (eng_sink){.base = out, .mask = UINT64_MAX, .limit = 2};
    EXPECT(submit(book, &moved, NULL, &sink) == RB_FULL);
    EXPECT(eng_book_open_orders(book) == 2);
    EXPECT(drain(book) == 4);
    EXPECT(eng_book_best(book, 0, RB_SIDE_BUY, NULL) == 95);
    EXPECT(book->orders[locate].client_order_id == 63);
    EXPECT(eng_book_verify(book) == RB_OK);
    eng_book_destroy(book);
}

static void test_misuse(void)
{
    eng_book *book = book_of(1, 4, 10);
    rb_message out[4];
    int64_t count = 0;
    int64_t used = 0;
    rb_message message = new_order(1, RB_SIDE_BUY, 1, 1);
    EXPECT(eng_book_apply(book, &message, out, 1, &count) == RB_USAGE);
    EXPECT(eng_book_apply(book, NULL, out, 4, &count) == RB_USAGE);
    EXPECT(eng_book_apply_batch(book, &message, -1, out, 4, &used, &count) == RB_USAGE);
    message.header.template_id = RB_TEMPLATE_EXECUTED;
    EXPECT(eng_book_apply(book, &message, out, 4, &count) == RB_USAGE);
    message.header.template_id = 0;
    EXPECT(eng_book_apply(book, &message, out, 4, &count) == RB_USAGE);
    EXPECT(count == 0);
    EXPECT(eng_book_best(book, 1, RB_SIDE_BUY, NULL) == RB_UNKNOWN);
    EXPECT(eng_book_best(book, 0, 0, NULL) == RB_USAGE);
    EXPECT(eng_book_orders(book, 0, 3) == RB_USAGE);
    EXPECT(eng_book_walk(book, 0, RB_SIDE_BUY, out, -1, 1) == RB_USAGE);
    EXPECT(eng_book_walk(book, 0, RB_SIDE_BUY, out, 0, -1) == RB_USAGE);
    EXPECT(eng_book_open_orders(book) == 0);
    EXPECT(eng_book_verify(book) == RB_OK);
    eng_book_destroy(book);
}

static void test_walk(void)
{
    eng_book *book = book_of(1, 10, 20);
    for (uint32_t id = 1; id <= 6; id++) {
        EXPECT(apply(book, new_order(id, RB_SIDE_BUY, id, (int32_t)(id % 2) + 100)) == 1);
    }
    const uint32_t order[6] = {1, 3, 5, 2, 4, 6};
    rb_message out[7];
    for (int64_t skip = 0; skip <= 7; skip++) {
        for (int64_t limit = 0; limit <= 7; limit++) {
            int64_t left = skip < 6 ? 6 - skip : 0;
            int64_t wanted = limit < left ? limit : left;
            EXPECT(eng_book_walk(book, 0, RB_SIDE_BUY, out, skip, limit) == wanted);
            for (int64_t n = 0; n < wanted; n++) {
                EXPECT(out[n].new_order.client_order_id == order[skip + n]);
                EXPECT(out[n].words[0] == 0);
            }
        }
    }
    eng_book_destroy(book);
}

static rb_message random_message(uint32_t id)
{
    static const int32_t prices[] = {1, 2, 63, 64, 65, 4096, 1 << 18, 1 << 24, ENG_PRICE_TICKS_MAX,
                                     0};
    uint32_t kind = random_below(8);
    uint32_t locate = random_below(9);
    uint32_t quantity = random_below(5);
    int32_t price = prices[random_below(sizeof prices / sizeof prices[0])];
    /* Client order ids are few, so that Cancel and Replace often name an order rightly. */
    rb_message message = kind < 5    ? new_order(id % 2, (uint8_t)(1 + id % 2), quantity, price)
                         : kind == 5 ? cancel(locate, locate % 2, 1 + quantity / 2)
                                     : replace(locate, locate % 2, id % 2, quantity, price);
    message.any.instrument = random_below(3);
    message.new_order.time_in_force = random_below(4) == 0 ? 3 : 0;
    return message;
}

/* A NewOrder or Replace with any options, time in force and, often, a line of terms; a part of it
 * goes together. Returns how many lines it has. */
static uint32_t random_group(uint32_t id, rb_message lines[2])
{
    static const uint8_t options[] = {0, 0, 1, 1, 2, 4, 8, 16, 32, 48, 64, 0x90, 0xe0, 0x41, 0xff};
    static const uint8_t forces[] = {0, 0, 0, 1, 6, 2, 7, 3, 3, 4, 5};
    lines[0] = random_message(id);
    uint8_t template_id = lines[0].header.template_id;
    if (template_id == RB_TEMPLATE_CANCEL) {
        return 1;
    }
    uint8_t chosen = options[random_below(sizeof options)];
    lines[0].new_order.instrument = random_below(2);
    lines[0].new_order.price_ticks = 62 + (int32_t)random_below(4);
    lines[0].new_order.account = (uint16_t)random_below(2);
    lines[0].new_order.firm = (uint16_t)random_below(2);
    lines[0].new_order.quantity = random_below(30);
    lines[0].new_order.time_in_force = forces[random_below(sizeof forces)];
    if (template_id == RB_TEMPLATE_NEW_ORDER) {
        lines[0].new_order.options = chosen;
    }
    if (random_below(2) == 0) {
        return 1;
    }
    memset(&lines[1], 0, sizeof lines[1]);
    lines[0].header.flags = RB_FLAG_CONTINUED;
    lines[1].header.template_id = RB_TEMPLATE_ORDER_TERMS;
    lines[1].order_terms.options = chosen;
    lines[1].order_terms.display_quantity = random_below(3) == 0 ? 0 : 1 + random_below(4);
    lines[1].order_terms.minimum_quantity = random_below(3) == 0 ? 1 + random_below(9) : 0;
    lines[1].order_terms.auction = random_below(8) == 0;
    return 2;
}

/* Takes every order out; all room is there again. */
static void cancel_everything(eng_book *book)
{
    for (uint32_t locate = 1; locate <= book->order_count; locate++) {
        if (book->orders[locate].side != 0) {
            const eng_order *order = &book->orders[locate];
            rb_message message =
                cancel(locate, order->client_order_id, eng_order_open(book, locate));
            message.any.instrument = order->instrument;
            EXPECT(apply(book, message) == 1);
            EXPECT(eng_book_verify(book) == RB_OK);
        }
    }
    EXPECT(eng_book_open_orders(book) == 0);
    EXPECT(book->free_count == book->order_count);
    EXPECT(book->nodes.free_count == book->nodes.count);
}

/* Every kind, stopped at every line at which a sink can be full: the book holds there, and says the
 * same in the end as one that had all the room. */
static void test_every_kind_at_every_stop(void)
{
    eng_book *wide = book_of(2, 7, 23);
    eng_book *tight = book_of(2, 7, 23);
    uint32_t seen[256] = {0};
    uint32_t stops = 0;
    for (uint32_t turn = 0; turn < 100000; turn++) {
        static rb_message said[256];
        static rb_message again[256];
        rb_message lines[2];
        uint32_t count = random_group(turn, lines);
        int64_t said_count = 0;
        int64_t again_count = 0;
        int64_t used = 0;
        memset(said, 0, sizeof said);
        memset(again, 0, sizeof again);
        EXPECT(eng_book_apply_batch(wide, lines, count, said, 256, &used, &said_count) == RB_OK);
        int32_t status = eng_book_apply_batch(tight, lines, count, again, 2, &used, &again_count);
        for (uint32_t n = 0; n < 200 && status == RB_FULL; n++) {
            EXPECT(eng_book_verify(tight) == RB_OK);
            int64_t more = 0;
            int64_t limit = 2 + random_below(2);
            status = eng_book_apply_batch(tight, NULL, 0, &again[again_count], limit, &used, &more);
            EXPECT(more > 0);
            again_count += more;
            stops++;
        }
        EXPECT(status == RB_OK);
        EXPECT(again_count == said_count);
        EXPECT(memcmp(said, again, sizeof said) == 0);
        EXPECT(eng_book_verify(tight) == RB_OK);
        for (int64_t n = 0; n < said_count; n++) {
            seen[said[n].header.template_id]++;
        }
        if (turn % 64 == 0) {
            EXPECT(eng_book_verify(wide) == RB_OK);
            EXPECT(eng_book_hash(wide) == eng_book_hash(tight));
            cancel_everything(wide);
            cancel_everything(tight);
        }
    }
    EXPECT(stops > 1000);
    EXPECT(seen[RB_TEMPLATE_EXECUTED] > 1000);
    EXPECT(seen[RB_TEMPLATE_REPLENISHED] > 1000);
    EXPECT(seen[RB_TEMPLATE_CANCELED] > 1000);
    cancel_everything(wide);
    cancel_everything(tight);
    eng_book_destroy(wide);
    eng_book_destroy(tight);
}

/* Every message, room or no room, leaves a book that holds; all capacity is there again at the end.
 */
static void test_random_with_little_room(void)
{
    eng_book *book = book_of(2, 7, 13);
    uint32_t reasons = 0;
    for (uint32_t turn = 0; turn < 50000; turn++) {
        rb_message message = random_message(turn);
        rb_message out[3];
        int64_t count = 0;
        int32_t status = eng_book_apply(book, &message, out, 2 + random_below(2), &count);
        EXPECT(count >= 1);
        if (out[0].header.template_id == RB_TEMPLATE_REJECTED) {
            reasons |= UINT32_C(1) << out[0].rejected.reason;
        }
        for (uint32_t resumed = 0; resumed < 20 && status == RB_FULL; resumed++) {
            EXPECT(eng_book_verify(book) == RB_OK);
            status = eng_book_apply(book, NULL, out, 2, &count);
        }
        EXPECT(status == RB_OK);
        EXPECT(eng_book_verify(book) == RB_OK);
    }
    EXPECT((reasons >> RB_REJECT_REASON_ORDER_CAPACITY & 1) == 1);
    EXPECT((reasons >> RB_REJECT_REASON_PRICE_CAPACITY & 1) == 1);
    EXPECT((reasons >> RB_REJECT_REASON_UNKNOWN_ORDER & 1) == 1);
    cancel_everything(book);
    EXPECT(eng_book_verify(book) == RB_OK);
    eng_book_destroy(book);
}

/* Whatever bytes a lane holds, looking ahead touches nothing that is not the book's. */
static void test_prefetch_of_anything(void)
{
    eng_book *book = book_of(3, 1000, 10000);
    for (uint32_t turn = 0; turn < 20000; turn++) {
        rb_message message = random_message(turn);
        if (turn % 2 == 0) {
            for (uint32_t n = 0; n < 8; n++) {
                message.words[n] =
                    (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
            }
        }
        eng_book_prefetch(book, &message);
        eng_book_prefetch_near(book, &message);
        eng_book_prefetch_tail(book, &message);
        if (turn % 2 != 0) {
            EXPECT(apply(book, message) >= 1);
        }
    }
    EXPECT(eng_book_verify(book) == RB_OK);
    eng_book_destroy(book);
}

/* A book of three bids at two prices and an ask, locates 1 to 4. */
static eng_book *small_book(void)
{
    eng_book *book = book_of(1, 6, 20);
    EXPECT(apply(book, new_order(1, RB_SIDE_BUY, 5, 100)) == 1);
    EXPECT(apply(book, new_order(2, RB_SIDE_BUY, 5, 100)) == 1);
    EXPECT(apply(book, new_order(3, RB_SIDE_BUY, 5, 9000)) == 1);
    EXPECT(apply(book, new_order(4, RB_SIDE_SELL, 5, 9001)) == 1);
    EXPECT(eng_book_verify(book) == RB_OK);
    return book;
}

#define EXPECT_SEEN(damage)                                                                        \
    do {                                                                                           \
        eng_book *book = small_book();                                                             \
        damage;                                                                                    \
        EXPECT(eng_book_verify(book) == RB_CORRUPT);                                               \
        eng_book_destroy(book);                                                                    \
    } while (0)

static void test_verify_sees_damage(void)
{
    EXPECT_SEEN(book->orders[2].links.prev = eng_link_to(3));
    EXPECT_SEEN(book->orders[2].links.next = eng_link_to(1));
    EXPECT_SEEN(book->orders[1].links.next = 0);
    EXPECT_SEEN(book->orders[1].links.next = eng_link_to(7));
    EXPECT_SEEN(book->orders[1].quantity = 0);
    EXPECT_SEEN(book->orders[1].side = RB_SIDE_SELL);
    EXPECT_SEEN(book->orders[4].side = RB_SIDE_BUY);
    EXPECT_SEEN(book->orders[3].price_ticks = 9002);
    EXPECT_SEEN(book->orders[3].instrument = 1);
    EXPECT_SEEN(book->orders[3].options = 1);
    EXPECT_SEEN(book->orders[5].side = RB_SIDE_BUY);
    EXPECT_SEEN(book->orders[6].links.next = 5);
    EXPECT_SEEN(book->orders[5].links.next = 4);
    EXPECT_SEEN(book->free_head = 0);
    EXPECT_SEEN(book->free_count++);
    EXPECT_SEEN(book->state = ENG_BOOK_FAILED);
    EXPECT_SEEN(book->ladders[0].best[0] = 100);
    EXPECT_SEEN(book->ladders[0].best[0] = 0);
    EXPECT_SEEN(book->ladders[0].best[1] = 9002);
    EXPECT_SEEN(book->ladders[0].orders[0]--);
    EXPECT_SEEN(book->ladders[0].orders[1]++);
    EXPECT_SEEN(book->ladders[0].root = 0);
    EXPECT_SEEN(book->ladders[0].root = 21);
    EXPECT_SEEN(book->ladders[0].reserved[1] = 1);
    EXPECT_SEEN(book->ladders[0].hidden_orders = 1);
    EXPECT_SEEN(book->ladders[0].leaves[100 / 64 % 4]++);
    EXPECT_SEEN(book->ladders[0].mask = 7);
    EXPECT_SEEN(book->ladders[0].table = 8);
    EXPECT_SEEN(book->nodes.table_used = 0);
    EXPECT_SEEN(book->nodes.heads[5].key++);
    EXPECT_SEEN(book->nodes.free_count--);
    EXPECT_SEEN(book->nodes.free_head = 1);
    EXPECT_SEEN(book->nodes.heads[book->ladders[0].root].bitmap |= 2);
    EXPECT_SEEN(book->nodes.heads[book->ladders[0].root].bitmap = 0);
    EXPECT_SEEN(book->nodes.heads[5].bitmap |= 1);
    EXPECT_SEEN(book->nodes.pool[5].levels[100 % 64].prev = eng_link_to(1));
    EXPECT_SEEN(book->nodes.pool[5].levels[100 % 64].next = eng_link_to(2));
    EXPECT_SEEN(book->nodes.pool[5].levels[0].next = eng_link_to(1));
    EXPECT_SEEN(book->nodes.pool[5].levels[0].prev++);
}

/* A book with two hidden bids, a bid in reserve and a held one, locates 1 to 4. */
static eng_book *unusual_book(void)
{
    eng_book *book = book_of(1, 6, 20);
    for (uint32_t id = 1; id <= 2; id++) {
        rb_message hidden = new_order(id, RB_SIDE_BUY, 5, 100);
        hidden.new_order.options = RB_ORDER_OPTION_HIDDEN;
        EXPECT(apply(book, hidden) == 1);
    }
    rb_message lines[2] = {new_order(3, RB_SIDE_BUY, 9, 100), new_order(3, RB_SIDE_BUY, 0, 0)};
    lines[0].header.flags = RB_FLAG_CONTINUED;
    lines[1].header.template_id = RB_TEMPLATE_ORDER_TERMS;
    memset(&lines[1].words[4], 0, 32);
    lines[1].order_terms.display_quantity = 4;
    rb_message out[4];
    int64_t used = 0;
    int64_t count = 0;
    EXPECT(eng_book_apply_batch(book, lines, 2, out, 4, &used, &count) == RB_OK);
    rb_message held = new_order(4, RB_SIDE_BUY, 5, 100);
    held.new_order.time_in_force = RB_TIME_IN_FORCE_AT_CLOSE;
    EXPECT(apply(book, held) == 1);
    EXPECT(eng_book_held_orders(book, 0) == 1);
    EXPECT(eng_book_verify(book) == RB_OK);
    return book;
}

#define EXPECT_SEEN_UNUSUAL(damage)                                                                \
    do {                                                                                           \
        eng_book *book = unusual_book();                                                           \
        eng_ladder *hidden = &book->asides[0].hidden;                                              \
        (void)hidden;                                                                              \
        damage;                                                                                    \
        EXPECT(eng_book_verify(book) == RB_CORRUPT);                                               \
        eng_book_destroy(book);                                                                    \
    } while (0)

static void test_verify_sees_unusual_damage(void)
{
    EXPECT_SEEN_UNUSUAL(book->orders[1].options = 0);
    EXPECT_SEEN_UNUSUAL(book->orders[1].options |= RB_ORDER_OPTION_MARKET);
    EXPECT_SEEN_UNUSUAL(book->orders[1].options |= ENG_ORDER_HELD);
    EXPECT_SEEN_UNUSUAL(book->orders[1].options |= ENG_ORDER_RESERVE);
    EXPECT_SEEN_UNUSUAL(book->orders[3].options |= RB_ORDER_OPTION_HIDDEN);
    EXPECT_SEEN_UNUSUAL(book->orders[2].links.prev = 0);
    EXPECT_SEEN_UNUSUAL(book->orders[1].side = 0);
    EXPECT_SEEN_UNUSUAL(book->terms[3].display_quantity = 3);
    EXPECT_SEEN_UNUSUAL(book->terms[3].reserve = UINT32_MAX);
    EXPECT_SEEN_UNUSUAL(book->ladders[0].hidden_orders = 0);
    EXPECT_SEEN_UNUSUAL(book->ladders[0].hidden_orders++);
    EXPECT_SEEN_UNUSUAL(book->ladders[0].state = 0);
    EXPECT_SEEN_UNUSUAL(book->ladders[0].state = 5);
    EXPECT_SEEN_UNUSUAL(hidden->best[0] = 101);
    EXPECT_SEEN_UNUSUAL(hidden->best[1] = 100);
    EXPECT_SEEN_UNUSUAL(hidden->orders[0]--);
    EXPECT_SEEN_UNUSUAL(hidden->state = RB_INSTRUMENT_STATE_CONTINUOUS);
    EXPECT_SEEN_UNUSUAL(hidden->changes = 1);
    EXPECT_SEEN_UNUSUAL(hidden->hidden_orders = 1);
    EXPECT_SEEN_UNUSUAL(book->asides[0].held_count = 0);
}

static void test_failure_is_latched(void)
{
    eng_book *book = small_book();
    /* The level loses its head: the next trade there cannot go on. */
    book->nodes.pool[5].levels[100 % 64].next = 0;
    EXPECT(apply(book, new_order(9, RB_SIDE_SELL, 20, 1)) == RB_CORRUPT);
    EXPECT(apply(book, new_order(10, RB_SIDE_SELL, 20, 9003)) == RB_CORRUPT);
    rb_message out[2];
    int64_t count = 0;
    EXPECT(eng_book_apply(book, NULL, out, 2, &count) == RB_CORRUPT);
    EXPECT(eng_book_verify(book) == RB_CORRUPT);
    eng_book_destroy(book);
}

int main(void)
{
    test_create_refuses();
    test_ring_sink();
    test_generated_lines_are_whole();
    test_resume();
    test_misuse();
    test_walk();
    test_every_kind_at_every_stop();
    test_random_with_little_room();
    test_prefetch_of_anything();
    test_verify_sees_damage();
    test_verify_sees_unusual_damage();
    test_failure_is_latched();
    return failures != 0;
}
