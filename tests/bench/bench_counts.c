/*
 * The six commonest paths through the book, each a thousand times, for callgrind to count: what a
 * message costs in instructions does not depend on the machine's mood.
 *
 * usage: bench_counts compiler | PATH
 * tests/bench/counts.py runs it and knows the paths; only what `measured` does is counted.
 */
#include <string.h>

#include "engine/book.h"
#include "tests/check.h"

enum { TIMES = 1024, LEVELS = 32, ORDERS = 1 << 15, NODES = 1 << 10, SINK = 8 };

typedef struct bench {
    eng_book *book;
    rb_message messages[TIMES];
    rb_message tagged[2 * TIMES]; /* the same, each with a tag behind it */
    uint32_t order_ids;
} bench;

static rb_message new_order(bench *b, uint8_t side, int32_t price_ticks, uint8_t time_in_force)
{
    rb_message message = {.words = {0}};
    message.header.template_id = RB_TEMPLATE_NEW_ORDER;
    message.header.topic = 1;
    message.new_order.price_ticks = price_ticks;
    message.new_order.quantity = 100;
    message.new_order.client_order_id = ++b->order_ids;
    message.new_order.account = 1;
    message.new_order.firm = 1;
    message.new_order.side = side;
    message.new_order.time_in_force = time_in_force;
    return message;
}

/* The bids lie at 1000 and below, the asks at 4000 and above, some in every queue. */
static rb_message resting(bench *b, uint32_t n)
{
    uint8_t side = n % 2 == 0 ? RB_SIDE_BUY : RB_SIDE_SELL;
    int32_t away = (int32_t)(n / 2 % LEVELS);
    return new_order(b, side, side == RB_SIDE_BUY ? 1000 - away : 4000 + away,
                     RB_TIME_IN_FORCE_DAY);
}

static void submit(bench *b, const rb_message *message, rb_message *answer)
{
    rb_message lines[SINK];
    eng_sink sink = {.base = lines, .mask = SINK - 1, .limit = SINK};
    const eng_group group = {.base = message, .mask = ~UINT64_C(0), .position = 0, .count = 1};
    EXPECT(eng_book_submit(b->book, &group, &sink) == RB_OK);
    EXPECT(lines[0].header.template_id == message->header.template_id);
    *answer = lines[0];
}

static void new_that_rests(bench *b, uint32_t n)
{
    b->messages[n] = resting(b, n);
}

/* An order that rests, and what names it. The queues are gone through out of order. */
static const rb_message *standing(bench *b, uint32_t n)
{
    static rb_message orders[TIMES];
    if (n == 0) {
        for (uint32_t at = 0; at < TIMES; at++) {
            rb_message message = resting(b, at);
            submit(b, &message, &orders[at]);
        }
    }
    return &orders[n * 389 % TIMES];
}

static void cancel(bench *b, uint32_t n)
{
    const rb_new_order *order = &standing(b, n)->new_order;
    rb_cancel *line = &b->messages[n].cancel;
    line->header.template_id = RB_TEMPLATE_CANCEL;
    line->header.topic = 1;
    line->quantity = 100;
    line->locate = order->locate;
    line->client_order_id = order->client_order_id;
}

static void replace(bench *b, uint32_t n)
{
    const rb_new_order *order = &standing(b, n)->new_order;
    rb_replace *line = &b->messages[n].replace;
    line->header.template_id = RB_TEMPLATE_REPLACE;
    line->header.topic = 1;
    line->price_ticks =
        order->side == RB_SIDE_BUY ? order->price_ticks - 1 : order->price_ticks + 1;
    line->quantity = 200;
    line->locate = order->locate;
    line->client_order_id = ++b->order_ids;
    line->original_client_order_id = order->client_order_id;
}

static void ioc_that_trades(bench *b, uint32_t n)
{
    (void)standing(b, n);
    b->messages[n] = n % 2 == 0
                         ? new_order(b, RB_SIDE_SELL, 900, RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL)
                         : new_order(b, RB_SIDE_BUY, 4100, RB_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL);
}

static void new_that_becomes_best(bench *b, uint32_t n)
{
    int32_t nearer = (int32_t)(n / 2);
    b->messages[n] = n % 2 == 0 ? new_order(b, RB_SIDE_BUY, 1001 + nearer, RB_TIME_IN_FORCE_DAY)
                                : new_order(b, RB_SIDE_SELL, 3999 - nearer, RB_TIME_IN_FORCE_DAY);
}

typedef struct path {
    const char *name;
    void (*make)(bench *b, uint32_t n);
    uint32_t lines; /* of an answer */
} path;

static const path paths[] = {
    {"new_that_rests", new_that_rests, 1},
    {"cancel", cancel, 1},
    {"replace", replace, 1},
    {"ioc_that_trades", ioc_that_trades, 3},
    {"new_that_becomes_best", new_that_becomes_best, 1},
    {"tagged_that_rests", new_that_rests, 2},
};

/* noipa: callgrind knows it by its name. */
static __attribute__((noipa)) void measured(bench *b, eng_sink *sink, uint32_t lines)
{
    if (lines == 1) {
        for (uint32_t n = 0; n < TIMES; n++) {
            (void)eng_book_submit_alone(b->book, &b->messages[n], sink);
        }
        return;
    }
    eng_group group = {.base = b->tagged, .mask = ~UINT64_C(0), .position = 0, .count = lines};
    for (; group.position < (uint64_t)lines * TIMES; group.position += lines) {
        (void)eng_book_submit(b->book, &group, sink);
    }
}

/* Behind each of the messages. */
static void tag(bench *b)
{
    for (uint32_t n = 0; n < TIMES; n++) {
        b->tagged[2 * n] = b->messages[n];
        b->tagged[2 * n].header.flags = RB_FLAG_CONTINUED;
        b->tagged[2 * n + 1].header = b->messages[n].header;
        b->tagged[2 * n + 1].header.template_id = RB_TEMPLATE_ORDER_TAG;
    }
}

static void count(const path *p)
{
    static bench b;
    static rb_message lines[SINK];
    b.book = eng_book_create(1, ORDERS, NODES);
    EXPECT(b.book != NULL);
    for (uint32_t n = 0; n < 2 * LEVELS; n++) {
        rb_message message = resting(&b, n);
        rb_message answer;
        submit(&b, &message, &answer);
    }
    for (uint32_t n = 0; n < TIMES; n++) {
        p->make(&b, n);
        b.messages[n].header.flags = RB_FLAG_LAST_OF_GROUP;
    }
    eng_sink sink = {.base = lines, .mask = SINK - 1, .limit = UINT64_MAX};
    int is_tagged = strcmp(p->name, "tagged_that_rests") == 0;
    tag(&b);
    measured(&b, &sink, is_tagged ? 2 : 1);
    EXPECT(sink.count == (uint64_t)p->lines * TIMES);
    EXPECT(eng_book_verify(b.book) == RB_OK);
    (void)printf("%d\n", TIMES);
    eng_book_destroy(b.book);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "compiler") == 0) {
#if defined(__clang__)
        (void)printf("clang %d.%d\n", __clang_major__, __clang_minor__);
#else
        (void)printf("gcc %d.%d\n", __GNUC__, __GNUC_MINOR__);
#endif
        return 0;
    }
    for (size_t n = 0; argc == 2 && n < sizeof paths / sizeof paths[0]; n++) {
        if (strcmp(argv[1], paths[n].name) == 0) {
            count(&paths[n]);
            return 0;
        }
    }
    (void)fprintf(stderr, "usage: bench_counts compiler | PATH (see tests/bench/counts.py)\n");
    return 2;
}
