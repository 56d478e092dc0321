#include "engine/shard.h"

#include <string.h>

#include "engine/sequencer.h"
#include "engine/trade_change.h"
#include "ringbus/check.h"

/* What is for the book; everything else that the sequencer lets through is said again as it came.
 */
#define TEMPLATE_BIT(template_id) (UINT64_C(1) << (template_id))
#define FOR_THE_BOOK                                                                               \
    (TEMPLATE_BIT(RB_TEMPLATE_NEW_ORDER) | TEMPLATE_BIT(RB_TEMPLATE_CANCEL) |                      \
     TEMPLATE_BIT(RB_TEMPLATE_REPLACE) | TEMPLATE_BIT(RB_TEMPLATE_MASS_CANCEL) |                   \
     TEMPLATE_BIT(RB_TEMPLATE_CROSS_RESULT) | TEMPLATE_BIT(RB_TEMPLATE_COMMAND) |                  \
     TEMPLATE_BIT(RB_TEMPLATE_MULTI_LEG_ORDER))
#define ORDERS                                                                                     \
    (TEMPLATE_BIT(RB_TEMPLATE_NEW_ORDER) | TEMPLATE_BIT(RB_TEMPLATE_CANCEL) |                      \
     TEMPLATE_BIT(RB_TEMPLATE_REPLACE))
/* What the book will look for in memory. */
#define FETCHING (FOR_THE_BOOK | TEMPLATE_BIT(RB_TEMPLATE_LEG))

/* Free slots behind the lines of a group before it is answered. */
#define ROOM_MIN ENG_TRADE_CHANGED_LINES
_Static_assert(ROOM_MIN >= ENG_SINK_ROOM_MIN, "a book can begin");
_Static_assert(ENG_GROUP_LINES_MAX + ROOM_MIN < ENG_SHARD_LANE_MIN, "an answer begins");

static int is_one_of(uint64_t templates, uint8_t template_id)
{
    return template_id < 64 && (templates >> template_id & 1) != 0;
}

/* Of the commands, those that the sequencer obeys are not; one that nobody knows the book refuses.
 */
static int is_for_the_book(const rb_message *first)
{
    uint8_t kind = first->command.kind;
    int is_obeyed = first->header.template_id == RB_TEMPLATE_COMMAND &&
                    (kind == RB_COMMAND_KIND_LIMIT || kind == RB_COMMAND_KIND_RESUME ||
                     kind == RB_COMMAND_KIND_RESTRICTION || kind == RB_COMMAND_KIND_SELF_TRADE ||
                     kind == RB_COMMAND_KIND_CLOSE_DAY);
    return !is_obeyed && is_one_of(FOR_THE_BOOK, first->header.template_id);
}

int32_t eng_shard_init(eng_shard *shard, uint8_t number, void *in, size_t in_bytes, void *out,
                       size_t out_bytes, void *book, uint32_t *topics, uint32_t topic_count,
                       void *clock, void *wake, uint64_t publisher_bell_mask)
{
    if (book == NULL || topics == NULL || topic_count == 0 || clock == NULL || wake == NULL) {
        return RB_USAGE;
    }
    memset(shard, 0, sizeof *shard);
    shard->number = number;
    shard->book = book;
    shard->topics = topics;
    shard->topic_count = topic_count;
    shard->publisher_bell = publisher_bell_mask;
    return eng_shard_move(shard, in, in_bytes, out, out_bytes, clock, wake);
}

int32_t eng_shard_move(eng_shard *shard, void *in, size_t in_bytes, void *out, size_t out_bytes,
                       void *clock, void *wake)
{
    int32_t status = rb_lane_attach(&shard->in, in, in_bytes);
    if (status != RB_OK) {
        return status;
    }
    status = rb_lane_attach(&shard->out, out, out_bytes);
    if (status != RB_OK) {
        return status;
    }
    if (rb_lane_capacity(&shard->in) < ENG_SHARD_LANE_MIN ||
        rb_lane_capacity(&shard->out) < ENG_SHARD_LANE_MIN) {
        return RB_SIZE;
    }
    shard->clock = clock;
    shard->wake = wake;
    return RB_OK;
}

void eng_shard_measure(eng_shard *shard, void *hop, uint64_t *dropped)
{
    shard->hop = hop;
    shard->drop_count = dropped;
}

_Static_assert(offsetof(rb_header, topic_sequence) == 16, "word 2");
_Static_assert(offsetof(rb_header, topic) == 20, "word 2");
_Static_assert(offsetof(rb_header, publisher) == 22, "word 2");
_Static_assert(offsetof(rb_header, flags) == 25, "word 3");
_Static_assert(offsetof(rb_header, shard) == 26, "word 3");
_Static_assert(offsetof(rb_header, reserved) == 27, "word 3");

/* Gives a line its number, its shard and its flags. Read as it was written, field by field, and
 * written in whole words: the publisher may follow at once, and neither loads nor stores may wait
 * for others that overlap them. `is_next`: it takes the next number of its topic, otherwise it
 * shares that of the line before it. */
static int32_t finish(eng_shard *shard, rb_message *line, uint16_t publisher, uint8_t flags,
                      int is_next)
{
    uint64_t topic = line->header.topic;
    uint64_t template_id = line->header.template_id;
    uint64_t input = line->header.checksum;
    RB_CHECK(topic < shard->topic_count);
    uint32_t number = shard->topics[topic] + (is_next != 0);
    shard->topics[topic] = number;
    line->words[2] = number | topic << 32 | (uint64_t)publisher << 48;
    line->words[3] =
        template_id | (uint64_t)flags << 8 | (uint64_t)shard->number << 16 | input << 32;
    return RB_OK;
}

/* The lines that turn the proposal round, or refuse it. They carry who asked, so that the
 * contributor knows its own, a refusal too. `mark`: LastOfGroup if no line follows. */
static int32_t finish_first(eng_shard *shard, const eng_group *group, uint8_t mark)
{
    const rb_header *asked = &eng_group_line(group, 0)->header;
    rb_message *line = rb_lane_slot(&shard->out, 0);
    uint8_t flags = line->header.flags & (RB_FLAG_GENERATED | RB_FLAG_KEPT_PRIORITY);
    flags |= asked->flags & (RB_FLAG_CONTINUED | RB_FLAG_BROADCAST);
    flags |= group->count > 1 ? 0 : mark;
    int32_t status = finish(shard, line, asked->publisher, flags, 1);
    for (uint32_t n = 1; n < group->count && status == RB_OK; n++) {
        flags = n + 1 < group->count ? RB_FLAG_CONTINUED : mark;
        status = finish(shard, rb_lane_slot(&shard->out, n), asked->publisher, flags, 0);
    }
    return status;
}

/* The lines that the engine made, from the n-th behind the tail on. */
static int32_t finish_others(eng_shard *shard, uint64_t n, uint64_t count, uint8_t mark)
{
    int32_t status = RB_OK;
    for (; n < count && status == RB_OK; n++) {
        uint8_t flags = RB_FLAG_GENERATED | (n + 1 < count ? 0 : mark);
        status = finish(shard, rb_lane_slot(&shard->out, n), 0, flags, 1);
    }
    return status;
}

/* What the parties of a trade are told, from the n-th behind the tail on: a line and its tag each.
 */
static int32_t finish_told(eng_shard *shard, uint64_t n, uint64_t count)
{
    int32_t status = RB_OK;
    for (; n < count && status == RB_OK; n += 2) {
        status = finish(shard, rb_lane_slot(&shard->out, n), 0,
                        RB_FLAG_GENERATED | RB_FLAG_CONTINUED, 1);
        uint8_t flags = RB_FLAG_GENERATED | (n + 2 < count ? 0 : RB_FLAG_LAST_OF_GROUP);
        if (status == RB_OK) {
            status = finish(shard, rb_lane_slot(&shard->out, n + 1), 0, flags, 0);
        }
    }
    return status;
}

/* Commits `count` lines, or all but the last if more is to come. */
static void commit(eng_shard *shard, uint64_t count, int is_whole)
{
    shard->sweeping = !is_whole;
    rb_lane_commit(&shard->out, is_whole ? count : count - 1);
}

/* What the book does not know: said again as it came. */
static void echo(const eng_shard *shard, const eng_group *group)
{
    for (uint32_t n = 0; n < group->count; n++) {
        const rb_message *from = eng_group_line(group, n);
        rb_message *line = rb_lane_slot(&shard->out, n);
        memcpy(line->words + 1, from->words + 1, sizeof *from - sizeof from->words[0]);
    }
    rb_header *header = &rb_lane_slot(&shard->out, 0)->header;
    header->flags = header->template_id == RB_TEMPLATE_REJECTED ? RB_FLAG_GENERATED : 0;
}

/* The contributor's knowledge was stale: nothing happens, and only the publisher hears of it. */
__attribute__((noinline)) static void skip(eng_shard *shard, const rb_message *first)
{
    rb_message *line = rb_lane_slot(&shard->out, 0);
    memset(line->words + 1, 0, sizeof *line - sizeof line->words[0]);
    line->header.template_id = RB_TEMPLATE_SKIP;
    line->header.flags = RB_FLAG_LAST_OF_GROUP;
    line->header.checksum = first->header.checksum;
    rb_lane_commit(&shard->out, 1);
    if (shard->drop_count != NULL) {
        rb_store_relaxed(shard->drop_count, *shard->drop_count + 1);
    }
}

/* Behind `written` lines that are there already. */
static eng_sink sink_of(const eng_shard *shard, uint64_t room, uint64_t written)
{
    eng_sink sink = {.base = shard->out.slots,
                     .mask = shard->out.mask,
                     .position = shard->out.tail_local,
                     .limit = room,
                     .count = written};
    return sink;
}

static int32_t resume(eng_shard *shard, uint64_t room)
{
    eng_sink sink = sink_of(shard, room, 1);
    int32_t status = eng_book_resume(shard->book, &sink);
    if (status != RB_OK && status != RB_FULL) {
        return status;
    }
    uint8_t mark = status == RB_OK ? RB_FLAG_LAST_OF_GROUP : 0;
    if (sink.count == 1) {
        /* Nothing was left to say behind the line that waited. */
        rb_lane_at(&shard->out, shard->out.tail_local)->header.flags |= mark;
    }
    int32_t finished = finish_others(shard, 1, sink.count, mark);
    if (finished == RB_OK) {
        commit(shard, sink.count, status == RB_OK);
    }
    return finished;
}

/* Whether the contributor knew all that its topic has seen here. */
static int is_current(const eng_shard *shard, const rb_message *first)
{
    return first->header.topic_sequence == shard->topics[first->header.topic] + 1 ||
           (first->header.flags & (RB_FLAG_REPLAYED | RB_FLAG_BROADCAST)) != 0;
}

/* Numbers and commits the `count` lines that the answer to a group has so far; `status` as the book
 * said: RB_FULL if more is to come. */
static int32_t conclude(eng_shard *shard, const eng_group *group, uint64_t count, int32_t status)
{
    if (status != RB_OK && status != RB_FULL) {
        return status;
    }
    RB_CHECK(count >= group->count);
    uint8_t mark = status == RB_OK ? RB_FLAG_LAST_OF_GROUP : 0;
    int is_told = eng_group_line(group, 0)->header.template_id == RB_TEMPLATE_TRADE_CHANGE;
    int32_t finished = finish_first(shard, group, count == group->count ? mark : 0);
    if (finished == RB_OK) {
        finished = is_told ? finish_told(shard, group->count, count)
                           : finish_others(shard, group->count, count, mark);
    }
    if (finished == RB_OK) {
        commit(shard, count, status == RB_OK);
    }
    return finished;
}

/* A proposal of any kind. Kept out of the way of what is said all day. */
__attribute__((noinline)) static int32_t apply(eng_shard *shard, const eng_group *group,
                                               uint64_t room)
{
    const rb_message *first = eng_group_line(group, 0);
    if (is_for_the_book(first)) {
        eng_sink sink = sink_of(shard, room, 0);
        int32_t status = eng_book_submit(shard->book, group, &sink);
        return conclude(shard, group, sink.count, status);
    }
    echo(shard, group);
    uint64_t count = group->count;
    if (first->header.template_id == RB_TEMPLATE_TRADE_CHANGE) {
        count += eng_trade_change_tell(group, &shard->out, count);
    }
    return conclude(shard, group, count, RB_OK);
}

/* The same for an order alone, whose answer mostly is one line. */
static inline int32_t apply_order(eng_shard *shard, const eng_group *group, uint64_t room)
{
    const rb_header *asked = &eng_group_line(group, 0)->header;
    eng_sink sink = sink_of(shard, room, 0);
    int32_t status = eng_book_submit(shard->book, group, &sink);
    if (status != RB_OK || sink.count != 1) {
        return conclude(shard, group, sink.count, status);
    }
    rb_message *line = rb_lane_at(&shard->out, shard->out.tail_local);
    uint8_t flags = line->header.flags & (RB_FLAG_GENERATED | RB_FLAG_KEPT_PRIORITY);
    flags |= (asked->flags & RB_FLAG_BROADCAST) | RB_FLAG_LAST_OF_GROUP;
    status = finish(shard, line, asked->publisher, flags, 1);
    if (status == RB_OK) {
        rb_lane_commit(&shard->out, 1);
    }
    return status;
}

/* The n-th message in the lane, which is there, or one that asks for nothing where a line of
 * another kind is: no branch to guess wrong. */
static inline const rb_message *ahead(const eng_shard *shard, uint64_t n)
{
    static const rb_message nothing;
    const rb_message *line = rb_lane_at(&shard->in, shard->in.head_local + n);
    /* A template above 63 counts as one below: it is a hint. */
    return (FETCHING >> (line->header.template_id & 63u) & 1) != 0 ? line : &nothing;
}

/* Messages further down the lane bring their orders, then their levels, then the neighbours there.
 * What lies before one that is there is there as well. */
static inline void prefetch(const eng_shard *shard)
{
    if (rb_lane_peek(&shard->in, ENG_AHEAD_FAR) != NULL) {
        eng_book_prefetch(shard->book, ahead(shard, ENG_AHEAD_FAR));
    } else if (rb_lane_peek(&shard->in, ENG_AHEAD_NEAR) == NULL) {
        if (rb_lane_peek(&shard->in, ENG_AHEAD_TAIL) != NULL) {
            eng_book_prefetch_tail(shard->book, ahead(shard, ENG_AHEAD_TAIL));
        }
        return;
    }
    eng_book_prefetch_near(shard->book, ahead(shard, ENG_AHEAD_NEAR));
    eng_book_prefetch_tail(shard->book, ahead(shard, ENG_AHEAD_TAIL));
}

_Static_assert(ENG_AHEAD_FAR > ENG_AHEAD_NEAR && ENG_AHEAD_NEAR > ENG_AHEAD_TAIL, "in this order");

/* Behind the answer: nobody waits for the clock. */
static void measure(const eng_shard *shard, uint64_t position, uint64_t time_ns)
{
    uint64_t now_ns = rb_clock_read(shard->clock);
    rb_lane_note(&shard->out, position, now_ns);
    if (shard->hop != NULL && now_ns >= time_ns) {
        rb_histogram_record(shard->hop, now_ns - time_ns);
    }
}

/* Goes on with an answer. As step. */
__attribute__((noinline)) static int32_t go_on(eng_shard *shard)
{
    uint64_t needed = 1 + ENG_SINK_ROOM_MIN;
    uint64_t room = rb_lane_room(&shard->out, needed);
    if (room < needed) {
        shard->wake->soon = 1;
        return 0;
    }
    int32_t status = resume(shard, room);
    return status == RB_OK ? 1 : status;
}

/* Lines of the group at the head of the lane, all of which were committed at once. < 0: failed. */
__attribute__((noinline)) static int32_t count_lines(const eng_shard *shard)
{
    int32_t count = 1;
    const rb_message *line = rb_lane_peek(&shard->in, 0);
    for (; (line->header.flags & RB_FLAG_CONTINUED) != 0; count++) {
        RB_CHECK(count < (int32_t)ENG_GROUP_LINES_MAX);
        line = rb_lane_peek(&shard->in, (uint64_t)count);
        RB_CHECK(line != NULL);
    }
    return count;
}

/* Takes the group at the head of the lane, or goes on with an answer. 1: done; 0: nothing is there,
 * or no room; < 0: failed. */
static inline int32_t step(eng_shard *shard, int is_long)
{
    if (__builtin_expect(shard->sweeping, 0)) {
        return go_on(shard);
    }
    const rb_message *first = rb_lane_peek(&shard->in, 0);
    if (first == NULL) {
        return 0;
    }
    int32_t count = 1;
    if ((first->header.flags & RB_FLAG_CONTINUED) != 0) {
        count = count_lines(shard);
        if (count < 0) {
            return count;
        }
    }
    eng_group group = {.base = shard->in.slots,
                       .mask = shard->in.mask,
                       .position = shard->in.head_local,
                       .count = (uint32_t)count};
    uint64_t needed = group.count + ROOM_MIN;
    uint64_t room = rb_lane_room(&shard->out, needed);
    if (room < needed) {
        shard->wake->soon = 1;
        return 0;
    }
    if (is_long) {
        prefetch(shard);
    }
    RB_CHECK(first->header.topic < shard->topic_count);
    uint64_t position = shard->out.tail_local;
    int32_t status = RB_OK;
    if (__builtin_expect(!is_current(shard, first), 0)) {
        skip(shard, first);
    } else if (__builtin_expect(count == 1 && is_one_of(ORDERS, first->header.template_id), 1)) {
        status = apply_order(shard, &group, room);
    } else {
        status = apply(shard, &group, room);
    }
    if (status != RB_OK) {
        return status;
    }
    if (eng_is_measured(first)) {
        measure(shard, position, first->header.time_ns);
    }
    rb_lane_release(&shard->in, group.count);
    return 1;
}

int64_t eng_shard_work(void *state, int64_t limit)
{
    eng_shard *shard = state;
    int64_t done = 0;
    for (; done < limit; done++) {
        int32_t status = step(shard, limit > ENG_AHEAD_FAR);
        if (status < 0) {
            return status;
        }
        if (status == 0) {
            break;
        }
    }
    if (done > 0) {
        shard->wake->mask |= shard->publisher_bell;
    } else {
        rb_lane_warm(&shard->out);
    }
    return done;
}

void *eng_shard_work_function(void)
{
    rb_work work = eng_shard_work;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    return pointer;
}
