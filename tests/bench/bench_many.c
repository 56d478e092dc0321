/*
 * One message, many orders: mass cancels out of a full book, and crosses.
 *
 *     bench_many [rounds] [orders]        orders: 10,000 at least
 *
 * Each round makes its book anew, from a fixed seed; the hash of all lines comes before the times.
 * A mass cancel of a session is of a tenth of the orders: all of those of a tenth of the
 * instruments, or a tenth of those of each.
 */
#include <string.h>

#include "engine/book.h"
#include "tests/bench/bench.h"

#define LINES 4096
#define TICKS_AWAY 40u
#define TOUCH 5000
#define SESSIONS 10u

enum { ROUNDS = 5, ORDERS = 1000000 };

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % bound);
}

static rb_message message_of(uint8_t template_id)
{
    rb_message message;
    memset(&message, 0, sizeof message);
    message.header.template_id = template_id;
    return message;
}

typedef struct result {
    uint64_t lines;
    uint64_t hash;
    double ms;
} result;

/* Takes a whole answer, in parts that stay in the caches as on a lane. The hash is FNV-1a over
 * words. */
static result apply(eng_book *book, const rb_message *message)
{
    static rb_message out[LINES];
    result all = {.hash = UINT64_C(0xcbf29ce484222325)};
    uint64_t busy_ns = 0;
    int32_t status = RB_FULL;
    for (const rb_message *next = message; status == RB_FULL; next = NULL) {
        int64_t count = 0;
        uint64_t start = now_ns();
        status = eng_book_apply(book, next, out, LINES, &count);
        busy_ns += now_ns() - start;
        all.lines += (uint64_t)count;
        for (int64_t n = 0; n < count; n++) {
            for (uint32_t word = 1; word < 8; word++) {
                all.hash = (all.hash ^ out[n].words[word]) * UINT64_C(0x100000001b3);
            }
        }
    }
    EXPECT(status == RB_OK);
    all.ms = (double)busy_ns / 1e6;
    return all;
}

/* --- books -------------------------------------------------------------------------------------
 */

/* An order near the touch, on its own side of it. */
static rb_message quiet_order(uint32_t instruments, int own)
{
    rb_message message = message_of(RB_TEMPLATE_NEW_ORDER);
    rb_new_order *order = &message.new_order;
    uint32_t away = 0;
    while (away < TICKS_AWAY && random_below(10) != 0) {
        away++;
    }
    order->instrument = random_below(instruments);
    order->side = (uint8_t)(1 + random_below(2));
    order->price_ticks =
        order->side == RB_SIDE_BUY ? TOUCH - (int32_t)away - 1 : TOUCH + (int32_t)away;
    order->quantity = 1 + random_below(100);
    uint32_t session = own ? order->instrument % SESSIONS : random_below(SESSIONS);
    message.header.topic = (uint16_t)session;
    return message;
}

/* Full of orders of ten sessions. Half as many again were entered and canceled on the way, so that
 * neighbours in a queue are not neighbours in memory. */
static eng_book *full_book(uint32_t instruments, uint32_t orders, int own)
{
    eng_book *book = eng_book_create(instruments, orders, 16 * instruments);
    rb_message *open = calloc(orders + 1, sizeof *open);
    EXPECT(book != NULL);
    EXPECT(open != NULL);
    random_state = UINT64_C(88172645463325252);
    for (uint32_t turn = 1; eng_book_open_orders(book) < orders; turn++) {
        rb_message out[2];
        int64_t count = 0;
        rb_message message = quiet_order(instruments, own);
        EXPECT(eng_book_apply(book, &message, out, 2, &count) == RB_OK);
        EXPECT(out[0].header.template_id == RB_TEMPLATE_NEW_ORDER);
        open[out[0].new_order.locate] = out[0];
        rb_message *gone = &open[1 + random_below(orders)];
        if (turn % 3 == 0 && gone->header.template_id != 0) {
            gone->header.template_id = RB_TEMPLATE_CANCEL;
            EXPECT(eng_book_apply(book, gone, out, 2, &count) == RB_OK);
            EXPECT(out[0].header.template_id == RB_TEMPLATE_CANCEL);
            memset(gone, 0, sizeof *gone);
        }
    }
    free(open);
    return book;
}

/* One instrument in an auction, with orders on both sides of the touch. */
static eng_book *book_in_auction(uint32_t orders)
{
    eng_book *book = eng_book_create(1, orders, 64);
    EXPECT(book != NULL);
    random_state = UINT64_C(88172645463325252);
    rb_message command = message_of(RB_TEMPLATE_COMMAND);
    command.command.kind = RB_COMMAND_KIND_INSTRUMENT_STATE;
    command.command.state = RB_INSTRUMENT_STATE_AUCTION;
    (void)apply(book, &command);
    for (uint32_t n = 0; n < orders; n++) {
        rb_message message = message_of(RB_TEMPLATE_NEW_ORDER);
        rb_new_order *order = &message.new_order;
        order->side = (uint8_t)(1 + n % 2);
        order->price_ticks = TOUCH - 100 + (int32_t)random_below(201);
        order->quantity = 1 + random_below(100);
        order->time_in_force =
            random_below(4) == 0 ? RB_TIME_IN_FORCE_AT_OPENING : RB_TIME_IN_FORCE_DAY;
        (void)apply(book, &message);
    }
    return book;
}

/* --- scenarios -----------------------------------------------------------------------------------
 */

typedef struct scenario {
    const char *name;
    uint32_t instruments; /* 0: a cross */
    int own;              /* a session's orders are in its own instruments */
    uint8_t scope;
    uint32_t part; /* one in so many of the orders asked for */
} scenario;

static result run(const scenario *one, uint32_t orders)
{
    rb_message message;
    eng_book *book;
    if (one->instruments == 0) {
        book = book_in_auction(orders / one->part);
        message = message_of(RB_TEMPLATE_CROSS_RESULT);
        message.cross_result.price_ticks = TOUCH;
        /* A quarter of all quantity is on the right side of the touch; a little less. */
        message.cross_result.quantity = orders / one->part * 12;
        message.cross_result.cross_type = RB_CROSS_TYPE_OPENING;
        message.cross_result.state = RB_INSTRUMENT_STATE_CONTINUOUS;
        message.cross_result.changes = (uint32_t)eng_book_changes(book, 0);
    } else {
        book = full_book(one->instruments, orders / one->part, one->own);
        message = message_of(RB_TEMPLATE_MASS_CANCEL);
        message.mass_cancel.instrument = RB_INSTRUMENT_NONE;
        message.mass_cancel.scope = one->scope;
        message.mass_cancel.session = 3;
    }
    result all = apply(book, &message);
    EXPECT(eng_book_verify(book) == RB_OK);
    eng_book_destroy(book);
    EXPECT(all.lines > 1);
    return all;
}

int main(int argc, char **argv)
{
    static const scenario scenarios[] = {
        {"all orders of a tenth of 10,000", 10000, 1, RB_MASS_CANCEL_SCOPE_SESSION, 1},
        {"a tenth of the orders of 10,000", 10000, 0, RB_MASS_CANCEL_SCOPE_SESSION, 1},
        {"a tenth of the orders of 100", 100, 0, RB_MASS_CANCEL_SCOPE_SESSION, 1},
        {"everything of 10,000", 10000, 0, RB_MASS_CANCEL_SCOPE_EVERYTHING, 1},
        {"cross of a tenth as many held", 0, 0, 0, 10},
        {"cross of a hundredth", 0, 0, 0, 100},
    };
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    uint32_t orders = argc > 2 ? (uint32_t)atoi(argv[2]) : ORDERS;
    EXPECT(rounds >= 1);
    EXPECT(rounds <= ROUNDS_MAX);
    EXPECT(orders >= 10000);
    record_cpus = 1;
    for (size_t n = 0; n < sizeof scenarios / sizeof scenarios[0]; n++) {
        figure rates = {.count = 0};
        result first = run(&scenarios[n], orders);
        record_result(scenarios[n].name, (uint32_t)first.hash);
        printf("%-32s result hash %08x, %llu lines\n", scenarios[n].name, (uint32_t)first.hash,
               (unsigned long long)first.lines);
        note(&rates, (double)first.lines / first.ms / 1e3);
        for (int round = 1; round < rounds; round++) {
            result again = run(&scenarios[n], orders);
            EXPECT(again.hash == first.hash);
            note(&rates, (double)again.lines / again.ms / 1e3);
        }
        record_figure(scenarios[n].name, rates.values, rates.count, "M/s", "", 0);
        double middle = median(&rates);
        printf("%-32s %6.1f M lines/s (%.1f-%.1f), %.2f ms\n", "", middle, rates.values[0],
               rates.values[rates.count - 1], (double)first.lines / middle / 1e3);
    }
    return 0;
}
