/*
 * Market data without Python: genuine ITCH bytes, tapes and packets of every size, a feed that
 * follows random days of every kind of message beside the book that makes them, and streams that
 * are damaged. Buffers are allocated to the byte, so that a sanitizer sees one step beyond. The
 * agent with its sockets: test_market_agent.c. Exit code 0: passed.
 */
#include "ports/big_endian.h"
#include "ports/feed.h"
#include "ports/mold.h"
#include "tests/engine/random_proposals.h"

enum { ANSWER_MAX = 512, SHOWN_MAX = 64, TURNS = 30000, TICK = 3 };

/* --- ITCH ----------------------------------------------------------------------------------------
 */

/* As Nasdaq sent them on 2023-08-22, but for the tracking number. */
static const char *const genuine[] = {
    "41020c00001f1aced02127000000000017aba5420000012c414d5a55202020200003b40c",
    "44102700001f1aced2aed300000000002c493a",
    "451e5500001f1aceeb863300000000002e0acb0000000a0000000000006bec",
    "482c3d00001f1e703b99e85a585a5a54202020482020202020",
    "50020b00001f1ad0f51e5b00000000000000004200000001414d5a4e2020202000149ee80000000000006bf8",
    "5103d700001f1acee1500300000000000000004241432d5120202000000000000000000003e63e4f",
    "53000000001f1acedb3cea51",
    "55103200001f1acecf3da5000000000024db0600000000003608c600000064000db3d0",
    "5804e300001f1acf4b215300000000001659e1000003e8",
};

static size_t write_one(size_t n, prt_itch_head head, uint8_t *out)
{
    static const prt_itch_order amzu = {1551269, 300, 242700, "AMZU    ", 'B'};
    static const prt_itch_order hidden = {0, 1, 1351400, "AMZN    ", 'B'};
    static const prt_itch_order newer = {3541190, 100, 898000, NULL, 0};
    static const prt_itch_cross nothing = {0, 0x3e63e, 0, "BAC-Q   ", 'O'};
    switch (n) {
    case 0:
        return prt_itch_add(out, head, &amzu);
    case 1:
        return prt_itch_delete(out, head, 2902330);
    case 2:
        return prt_itch_executed(out, head, 0x2e0acb, 10, 0x6bec);
    case 3:
        return prt_itch_trading_action(out, head, "ZXZZT   ", 'H', "    ");
    case 4:
        return prt_itch_trade(out, head, &hidden, 0x6bf8);
    case 5:
        return prt_itch_cross_trade(out, head, &nothing);
    case 6:
        return prt_itch_system_event(out, head, 'Q');
    case 7:
        return prt_itch_replace(out, head, 0x24db06, &newer);
    default:
        return prt_itch_reduce(out, head, 0x1659e1, 1000);
    }
}

static void test_genuine_messages(void)
{
    for (size_t n = 0; n < sizeof genuine / sizeof genuine[0]; n++) {
        size_t bytes = strlen(genuine[n]) / 2;
        uint8_t *wanted = malloc(bytes);
        uint8_t *out = malloc(bytes);
        EXPECT(wanted != NULL);
        EXPECT(out != NULL);
        for (size_t at = 0; at < bytes; at++) {
            const char digits[] = {genuine[n][2 * at], genuine[n][2 * at + 1], '\0'};
            wanted[at] = (uint8_t)strtoul(digits, NULL, 16);
        }
        prt_itch_head head = {.time_ns = (uint64_t)get_u16(wanted + 5) << 32 | get_u32(wanted + 7),
                              .instrument = get_u16(wanted + 1)};
        EXPECT(write_one(n, head, out) == bytes);
        EXPECT(memcmp(out, wanted, bytes) == 0);
        free(wanted);
        free(out);
    }
}

/* --- tapes and packets ---------------------------------------------------------------------------
 */

static uint32_t length_at(uint64_t number)
{
    return (uint32_t)(1 + number * 7 % PRT_ITCH_BYTES_MAX);
}

/* Messages until it is full; each is its number's last byte again and again. */
static void fill_tape(prt_tape *tape)
{
    for (uint8_t *at = prt_tape_next(tape); at != NULL; at = prt_tape_next(tape)) {
        uint32_t bytes = length_at(tape->count + 1);
        memset(at, (int)((tape->count + 1) & 255), bytes);
        prt_tape_append(tape, bytes);
    }
}

static void expect_message(const prt_tape *tape, const prt_tape_cursor *cursor)
{
    uint32_t bytes = length_at(cursor->number);
    EXPECT(prt_tape_length(tape, cursor) == bytes);
    const uint8_t *at = tape->bytes + cursor->offset + PRT_TAPE_LENGTH_BYTES;
    EXPECT(at[0] == (cursor->number & 255));
    EXPECT(at[bytes - 1] == at[0]);
}

static void test_tapes(void)
{
    prt_tape tape;
    EXPECT(prt_tape_init(&tape, 51, 1) == RB_USAGE);
    EXPECT(prt_tape_init(&tape, 52, 0) == RB_USAGE);
    EXPECT(prt_tape_init(&tape, UINT64_MAX, 1) == RB_USAGE);
    EXPECT(prt_tape_init(&tape, 52, UINT64_MAX) == RB_USAGE);
    for (uint64_t room = 1; room < 400; room += 3) {
        /* The smaller of bytes and messages ends it; 64 is where a new place is kept. */
        EXPECT(prt_tape_init(&tape, 50 + 29 * room, 200) == RB_OK);
        fill_tape(&tape);
        EXPECT(tape.count <= 200);
        EXPECT(tape.used <= tape.size);
        EXPECT(tape.count == 200 || tape.size - tape.used < 52);
        prt_tape_cursor walked = {.number = 1};
        for (uint64_t number = 1; number <= tape.count; number++) {
            prt_tape_cursor found = prt_tape_seek(&tape, number);
            EXPECT(found.number == number);
            EXPECT(found.offset == walked.offset);
            expect_message(&tape, &found);
            EXPECT(prt_tape_advance(&tape, &walked, 1, length_at(number) + 1) == 0);
            EXPECT(prt_tape_advance(&tape, &walked, 1, length_at(number) + 2) == 1);
        }
        EXPECT(prt_tape_advance(&tape, &walked, 1, SIZE_MAX) == 0);
        EXPECT(prt_tape_seek(&tape, UINT64_MAX).number == tape.count + 1);
        EXPECT(prt_tape_seek(&tape, tape.count + 1).offset == tape.used);
        uint64_t before = tape.count;
        prt_tape_clear(&tape);
        EXPECT(prt_tape_seek(&tape, 1).offset == 0);
        fill_tape(&tape);
        EXPECT(tape.count == before);
        prt_tape_free(&tape);
    }
}

static void test_headers(void)
{
    static const prt_mold_header header = {
        .session = "DAY1      ", .number = UINT64_C(0x0102030405060708), .count = 0x090a};
    uint8_t *bytes = malloc(PRT_MOLD_HEADER_BYTES);
    EXPECT(bytes != NULL);
    prt_mold_write_header(bytes, &header);
    EXPECT(memcmp(bytes, "DAY1      \1\2\3\4\5\6\7\10\11\12", PRT_MOLD_HEADER_BYTES) == 0);
    for (size_t count = 0; count <= PRT_MOLD_HEADER_BYTES; count++) {
        uint8_t *part = malloc(count + 1);
        EXPECT(part != NULL);
        memcpy(part + 1, bytes, count);
        prt_mold_header read;
        int32_t status = prt_mold_read_header(part + 1, count, &read);
        EXPECT(status == (count < PRT_MOLD_HEADER_BYTES ? RB_FORMAT : RB_OK));
        if (status == RB_OK) {
            EXPECT(memcmp(read.session, header.session, sizeof read.session) == 0);
            EXPECT(read.number == header.number);
            EXPECT(read.count == header.count);
        }
        free(part);
    }
    free(bytes);
}

/* Every message once, in packets that are as full as they can be. */
static void test_packets(void)
{
    prt_tape tape;
    EXPECT(prt_tape_init(&tape, 60000, 1000) == RB_OK);
    fill_tape(&tape);
    EXPECT(tape.count == 1000);
    for (size_t packet = PRT_MOLD_PACKET_MIN; packet <= PRT_MOLD_PACKET_MAX; packet += 7) {
        uint32_t limit = packet % 3 == 0 ? 5 : UINT32_MAX;
        prt_tape_cursor cursor = {.number = 1};
        while (cursor.number <= tape.count) {
            prt_tape_cursor before = cursor;
            prt_mold_header header;
            size_t bytes = prt_mold_pack(&tape, &cursor, limit, packet, &header);
            EXPECT(header.number == before.number);
            EXPECT(header.count == cursor.number - before.number);
            EXPECT(header.count >= 1);
            EXPECT(header.count <= limit);
            EXPECT(bytes == cursor.offset - before.offset);
            EXPECT(PRT_MOLD_HEADER_BYTES + bytes <= packet);
            int is_full = cursor.number > tape.count || header.count == limit ||
                          PRT_MOLD_HEADER_BYTES + bytes + 2 + length_at(cursor.number) > packet;
            EXPECT(is_full);
        }
        EXPECT(cursor.offset == tape.used);
    }
    prt_tape_free(&tape);
    /* More messages than a packet may count: 65,535 is the end of the day. */
    EXPECT(prt_tape_init(&tape, 70000 * 3 + 52, 70000) == RB_OK);
    for (uint32_t n = 0; n < 70000; n++) {
        *prt_tape_next(&tape) = 'x';
        prt_tape_append(&tape, 1);
    }
    prt_tape_cursor cursor = {.number = 1};
    prt_mold_header header;
    EXPECT(prt_mold_pack(&tape, &cursor, UINT32_MAX, 1 << 20, &header) == 3 * 65534);
    EXPECT(header.count == PRT_MOLD_END - 1);
    prt_tape_free(&tape);
}

/* --- a day, and the book that the tape makes -----------------------------------------------------
 */

typedef struct shown_order {
    uint64_t reference;
    uint32_t instrument;
    uint32_t price;
    uint32_t shares;
    uint8_t side;
} shown_order;

/* What is said, and how long it is; the last ends a snapshot. */
static const char kinds[] = "SRHAEXDUPQG";
static const uint8_t lengths[] = {12, 39, 25, 36, 31, 23, 19, 35, 44, 40, 21};

/* Who hears the tape alone. */
typedef struct listener {
    prt_tape_cursor cursor;
    uint32_t count;
    shown_order shown[SHOWN_MAX];
    uint64_t kinds[sizeof kinds - 1];
} listener;

typedef struct day {
    eng_book *book;
    prt_tape tape;
    prt_feed feed;
    uint64_t sequence;
    listener heard;
} day;

static void forget(listener *to, uint32_t n)
{
    to->shown[n] = to->shown[--to->count];
}

static uint32_t find(const listener *in, uint64_t reference)
{
    uint32_t n = 0;
    while (n < in->count && in->shown[n].reference != reference) {
        n++;
    }
    EXPECT(n < in->count);
    return n;
}

static void lessen(listener *to, uint64_t reference, uint32_t shares)
{
    uint32_t n = find(to, reference);
    EXPECT(shares >= 1);
    EXPECT(shares <= to->shown[n].shares);
    to->shown[n].shares -= shares;
    if (to->shown[n].shares == 0) {
        forget(to, n);
    }
}

static void add_shown(listener *to, const shown_order *order)
{
    EXPECT(to->count < SHOWN_MAX);
    EXPECT(order->shares >= 1);
    to->shown[to->count++] = *order;
}

/* One message; what it says of no order is passed over. */
static void hear(listener *to, const uint8_t *message, uint32_t bytes)
{
    const char *kind = memchr(kinds, message[0], sizeof kinds - 1);
    EXPECT(kind != NULL);
    EXPECT(lengths[kind - kinds] == bytes);
    to->kinds[kind - kinds]++;
    uint64_t reference = bytes >= 19 ? get_u64(message + 11) : 0;
    shown_order order = {.reference = reference, .instrument = get_u16(message + 1) - 1u};
    switch (message[0]) {
    case 'A':
        order.side = message[19] == 'B' ? RB_SIDE_BUY : RB_SIDE_SELL;
        order.shares = get_u32(message + 20);
        order.price = get_u32(message + 32);
        add_shown(to, &order);
        return;
    case 'E':
    case 'X':
        lessen(to, reference, get_u32(message + 19));
        return;
    case 'D':
        forget(to, find(to, reference));
        return;
    case 'U':
        order.side = to->shown[find(to, reference)].side;
        order.reference = get_u64(message + 19);
        order.shares = get_u32(message + 27);
        order.price = get_u32(message + 31);
        forget(to, find(to, reference));
        add_shown(to, &order);
        return;
    default:
        return;
    }
}

static void listen(listener *to, const prt_tape *tape)
{
    while (to->cursor.number <= tape->count) {
        const uint8_t *message = tape->bytes + to->cursor.offset + PRT_TAPE_LENGTH_BYTES;
        hear(to, message, prt_tape_length(tape, &to->cursor));
        EXPECT(prt_tape_advance(tape, &to->cursor, 1, SIZE_MAX) == 1);
    }
}

/* What is heard at every price is what the engine displays there, and there is nothing else. */
static void compare(const listener *heard, const eng_book *book)
{
    uint64_t displayed = 0;
    for (uint32_t of = 0; of < 2 * INSTRUMENTS; of++) {
        uint8_t side = of % 2 == 0 ? RB_SIDE_BUY : RB_SIDE_SELL;
        eng_depth levels[ORDERS];
        int64_t count = eng_book_depth(book, of / 2, side, levels, ORDERS);
        EXPECT(count >= 0);
        for (int64_t level = 0; level < count; level++) {
            uint64_t shares = 0;
            uint32_t orders = 0;
            for (uint32_t n = 0; n < heard->count; n++) {
                const shown_order *one = &heard->shown[n];
                int is_there = one->instrument == of / 2 && one->side == side &&
                               one->price == (uint32_t)levels[level].price_ticks * TICK;
                shares += is_there ? one->shares : 0;
                orders += is_there != 0;
            }
            EXPECT(shares == levels[level].quantity);
            EXPECT(orders == levels[level].orders);
            displayed += orders;
        }
    }
    EXPECT(displayed == heard->count);
}

static void begin_feed(prt_feed *feed, prt_tape *tape, uint64_t bytes)
{
    EXPECT(prt_tape_init(tape, bytes, bytes / 12) == RB_OK);
    EXPECT(prt_feed_init(feed, tape, INSTRUMENTS, 1, ORDERS) == RB_OK);
}

/* Lines of one input as they stand on the stream. */
static void publish(uint64_t *sequence, rb_message *lines, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++) {
        lines[n].header.sequence = ++*sequence;
        lines[n].header.time_ns = UINT64_C(43200000000000) + *sequence;
        lines[n].header.flags &= (uint8_t)~RB_FLAG_LAST_OF_GROUP;
        lines[n].header.flags |= n == count - 1 ? RB_FLAG_LAST_OF_GROUP : 0;
    }
}

/* The day's first lines. Returns how many. */
static uint64_t opening(uint64_t *sequence, rb_message *lines)
{
    memset(lines, 0, (INSTRUMENTS + 1) * sizeof *lines);
    lines[0].header.template_id = RB_TEMPLATE_BUILD_RECORD;
    lines[0].any.instrument = RB_INSTRUMENT_NONE;
    publish(sequence, lines, 1);
    for (uint32_t n = 0; n < INSTRUMENTS; n++) {
        rb_message *line = &lines[n + 1];
        line->header.template_id = RB_TEMPLATE_INSTRUMENT_DEFINITION;
        line->instrument_definition.instrument = n;
        line->instrument_definition.tick_1e4 = TICK;
        line->instrument_definition.lot = 1;
        memcpy(line->instrument_definition.symbol, "SYMBOL  ", 8);
        publish(sequence, line, 1);
    }
    return INSTRUMENTS + 1;
}

/* One random proposal and its answer. Returns lines. */
static uint64_t trade(eng_book *book, uint64_t *sequence, rb_message *lines)
{
    proposal said;
    make_proposal(&said, book);
    eng_group group = {.base = said.lines, .mask = UINT64_MAX, .count = said.count};
    eng_sink sink = {.base = lines, .mask = UINT64_MAX, .limit = ANSWER_MAX};
    memset(lines, 0, ANSWER_MAX * sizeof *lines);
    EXPECT(eng_book_submit(book, &group, &sink) == RB_OK);
    publish(sequence, lines, sink.count);
    return sink.count;
}

static void open_day(day *d, uint64_t seed)
{
    rb_message lines[INSTRUMENTS + 1];
    random_state = seed;
    memset(d, 0, sizeof *d);
    d->book = eng_book_create(INSTRUMENTS, ORDERS, 400);
    EXPECT(d->book != NULL);
    begin_feed(&d->feed, &d->tape, 1 << 22);
    d->heard.cursor.number = 1;
    uint64_t count = opening(&d->sequence, lines);
    for (uint64_t n = 0; n < count; n++) {
        EXPECT(prt_feed_apply(&d->feed, &lines[n]) == RB_OK);
    }
}

static void close_day(day *d)
{
    prt_feed_free(&d->feed);
    prt_tape_free(&d->tape);
    eng_book_destroy(d->book);
}

/* A snapshot is the same book, on a tape that has just room for it; on any smaller it is refused.
 */
static void expect_snapshot(const day *d)
{
    uint64_t messages = 1 + 2 * INSTRUMENTS + d->heard.count + 1;
    for (uint64_t room = 1; room <= messages; room += room + 8 < messages ? 8 : 1) {
        prt_tape out;
        EXPECT(prt_tape_init(&out, messages * 52, room) == RB_OK);
        EXPECT(prt_feed_snapshot(&d->feed, &out) == (room < messages ? RB_FULL : RB_OK));
        if (room == messages) {
            EXPECT(out.count == messages);
            listener late = {.cursor = {.number = 1}};
            listen(&late, &out);
            compare(&late, d->book);
        }
        prt_tape_free(&out);
    }
}

static void test_random_days(uint64_t seed)
{
    static day d;
    static rb_message answer[ANSWER_MAX];
    open_day(&d, seed);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        uint64_t count = trade(d.book, &d.sequence, answer);
        for (uint64_t n = 0; n < count; n++) {
            EXPECT(prt_feed_apply(&d.feed, &answer[n]) == RB_OK);
        }
        listen(&d.heard, &d.tape);
        compare(&d.heard, d.book);
        EXPECT(prt_feed_valid(&d.feed) == RB_OK);
        if (turn % 400 == 0) {
            expect_snapshot(&d);
        }
    }
    for (size_t kind = 0; kind < sizeof kinds - 2; kind++) {
        EXPECT(d.heard.kinds[kind] >= 1);
    }
    close_day(&d);
}

/* --- what is refused -----------------------------------------------------------------------------
 */

static void test_sizes(void)
{
    prt_tape tape;
    prt_feed feed;
    EXPECT(prt_tape_init(&tape, 52, 1) == RB_OK);
    EXPECT(prt_feed_init(&feed, &tape, 0, 1, 1) == RB_USAGE);
    EXPECT(prt_feed_init(&feed, &tape, 65536, 1, 1) == RB_USAGE);
    EXPECT(prt_feed_init(&feed, &tape, 1, 0, 1) == RB_USAGE);
    EXPECT(prt_feed_init(&feed, &tape, 1, 17, 1) == RB_USAGE);
    EXPECT(prt_feed_init(&feed, &tape, 1, 1, 0) == RB_USAGE);
    EXPECT(prt_feed_init(&feed, &tape, 1, 1, UINT32_MAX) == RB_USAGE);
    prt_tape_free(&tape);
}

/* Of every length, the tape holds as many messages as it can, and says that it is full. */
static void test_full_tapes(void)
{
    static rb_message lines[64 * ANSWER_MAX];
    uint64_t sequence = 0;
    uint64_t count = opening(&sequence, lines);
    random_state = 5;
    eng_book *book = eng_book_create(INSTRUMENTS, ORDERS, 400);
    for (uint32_t turn = 0; turn < 400; turn++) {
        count += trade(book, &sequence, lines + count);
    }
    uint64_t last = 0;
    for (uint64_t bytes = 52; bytes < 2000; bytes += 13) {
        prt_feed feed;
        prt_tape tape;
        begin_feed(&feed, &tape, bytes);
        int32_t status = RB_OK;
        for (uint64_t n = 0; n < count && status == RB_OK; n++) {
            status = prt_feed_apply(&feed, &lines[n]);
        }
        EXPECT(status == RB_FULL);
        EXPECT(tape.count >= last);
        last = tape.count;
        prt_feed_free(&feed);
        prt_tape_free(&tape);
    }
    EXPECT(last > 10);
    eng_book_destroy(book);
}

/* A stream with anything in some of its lines: the feed goes on, or says that it is damaged. What
 * it holds is whole up to there. */
static void test_damaged_streams(void)
{
    static rb_message good[256 * ANSWER_MAX];
    uint64_t sequence = 0;
    uint64_t count = opening(&sequence, good);
    random_state = 77;
    eng_book *book = eng_book_create(INSTRUMENTS, ORDERS, 400);
    for (uint32_t turn = 0; turn < 200; turn++) {
        count += trade(book, &sequence, good + count);
    }
    uint32_t ends[2] = {0, 0};
    for (uint32_t turn = 0; turn < 1500; turn++) {
        prt_feed feed;
        prt_tape tape;
        begin_feed(&feed, &tape, 1 << 18);
        uint64_t first = random_below((uint32_t)count);
        int32_t status = RB_OK;
        for (uint64_t n = 0; n < count && status == RB_OK; n++) {
            rb_message line = good[n];
            if (n >= first && one_in(20)) {
                uint8_t bytes[sizeof line];
                memcpy(bytes, &line, sizeof line);
                bytes[8 + random_below(sizeof line - 8)] =
                    (uint8_t)random_below(one_in(2) ? 8 : 256);
                memcpy(&line, bytes, sizeof line);
            }
            status = prt_feed_apply(&feed, &line);
        }
        EXPECT(status == RB_OK || status == RB_CORRUPT || status == RB_FULL);
        ends[status == RB_OK]++;
        prt_feed_free(&feed);
        prt_tape_free(&tape);
    }
    EXPECT(ends[0] > 100);
    EXPECT(ends[1] > 10);
    eng_book_destroy(book);
}

int main(void)
{
    test_genuine_messages();
    test_tapes();
    test_headers();
    test_packets();
    test_random_days(UINT64_C(0x9e3779b97f4a7c15));
    test_random_days(42);
    test_sizes();
    test_full_tapes();
    test_damaged_streams();
    return 0;
}
