/*
 * Lanes, litmus style. Groups of 1 and 2 messages; what a message must hold follows from its
 * position, so the consumer knows what is right.
 *   allowed    a group is not there yet; a full lane refuses an offer; after a crash of the
 * producer its unfinished group never was; after one of the consumer what it had taken but not
 *              released comes again
 *   forbidden  part of a group; a message lost, doubled, out of place or torn; rb_lane_valid
 * failing at rest
 */
#include "ringbus/lane.h"
#include "tests/model/scenarios.h"

enum { CAPACITY = 8, GROUP_MAX = 2 };

static struct {
    rb_lane producer;
    rb_lane consumer;
    uint64_t end; /* position behind all that is to be sent */
    uint64_t next_wanted;
} g;

/* The first producer's groups have 2, 1, 2, 1 ... messages, its successor's one each: what a dead
 * producer left behind does not fit to what its successor sends. */
static uint64_t group_size(const rb_lane *lane, uint64_t reign)
{
    return reign == 1 && lane->tail_local % 3 == 0 ? GROUP_MAX : 1;
}

/* Every word tells where it belongs; the first also which of how many of its group it is. */
static void fill(rb_message *group, uint64_t position, uint64_t count, uint64_t reign)
{
    for (uint64_t n = 0; n < count; n++) {
        group[n].words[1] = count << 8 | n;
        for (uint64_t i = 2; i < 8; i++) {
            group[n].words[i] = (position + n + 1) * 64 + reign * 16 + i;
        }
    }
}

static void check(const rb_message *message, uint64_t position, uint64_t count, uint64_t n)
{
    uint64_t reign = message->words[2] >> 4 & 3;
    HOLDS(message->words[0] == position + 1);
    HOLDS(message->words[1] == (count << 8 | n));
    for (uint64_t i = 2; i < 8; i++) {
        HOLDS(message->words[i] == (position + 1) * 64 + reign * 16 + i);
    }
}

/* As many as there still are to send; `attempts` at a full lane. */
static void transmit(rb_lane *lane, uint64_t reign, uint32_t attempts)
{
    while (lane->tail_local < g.end && attempts > 0) {
        rb_message group[GROUP_MAX] = {0};
        uint64_t count = group_size(lane, reign);
        fill(group, lane->tail_local, count, reign);
        int64_t sent = rb_lane_offer(lane, group, (int64_t)count);
        HOLDS(sent == 0 || sent == (int64_t)count);
        attempts -= sent == 0;
    }
}

/* Takes at most one group. */
static int receive(rb_lane *lane)
{
    const rb_message *first = rb_lane_peek(lane, 0);
    if (first == NULL) {
        return 0;
    }
    rb_message group[GROUP_MAX] = {0};
    uint64_t position = lane->head_local;
    uint64_t count = rb_load_relaxed(&first->words[1]) >> 8;
    HOLDS(position == g.next_wanted);
    if (count == 0 || count > GROUP_MAX) {
        model_break("no group begins here");
        return 0;
    }
    HOLDS(rb_lane_peek(lane, count - 1) != NULL);
    int64_t taken = rb_lane_take(lane, group, (int64_t)count);
    HOLDS(taken == (int64_t)count);
    for (uint64_t n = 0; n < count; n++) {
        check(&group[n], position + n, count, n);
    }
    g.next_wanted = position + count;
    return 1;
}

/* `before` messages went through the lane already, `waiting` are in it, `more` come. */
static void set_up(uint64_t before, uint64_t waiting, uint64_t more)
{
    size_t bytes = rb_lane_bytes(CAPACITY);
    HOLDS(rb_lane_init(model_arena, bytes, CAPACITY, "lane") == RB_OK);
    HOLDS(rb_lane_attach(&g.producer, model_arena, bytes) == RB_OK);
    HOLDS(rb_lane_attach(&g.consumer, model_arena, bytes) == RB_OK);
    g.end = before;
    transmit(&g.producer, 1, 1);
    while (g.next_wanted < before) {
        HOLDS(receive(&g.consumer));
    }
    g.end = before + waiting;
    transmit(&g.producer, 1, 1);
    g.end += more;
}

/* No more than fits: a producer that finds the lane full too often gives up (set_up_full). */
static void set_up_wrap(void)
{
    set_up(6, 0, model_depth < 3 ? 3 * model_depth : CAPACITY);
}

static void set_up_full(void)
{
    set_up(3, 6, 3 * model_depth);
}

static void set_up_crash(void)
{
    set_up(6, 0, 3);
}

static void set_up_waiting(void)
{
    set_up(6, 5, 1);
}

static void produce(void)
{
    transmit(&g.producer, 1, 2);
}

static void consume(void)
{
    for (uint32_t i = 0; i < 2 + model_depth; i++) {
        (void)receive(&g.consumer);
    }
}

/* Takes over from a dead producer, or one that ended. */
static void succeed_producer(void)
{
    model_join(0);
    HOLDS(rb_lane_attach(&g.producer, model_arena, rb_lane_bytes(CAPACITY)) == RB_OK);
    int64_t erased = rb_lane_repair(&g.producer);
    HOLDS(erased >= 0);
    HOLDS(erased < GROUP_MAX);
    transmit(&g.producer, 2, 2);
}

static void succeed_consumer(void)
{
    model_join(0);
    HOLDS(rb_lane_attach(&g.consumer, model_arena, rb_lane_bytes(CAPACITY)) == RB_OK);
    for (uint32_t i = 0; i < 2; i++) {
        (void)receive(&g.consumer);
    }
}

/* All that was sent is there once, and the lane is as it must be. */
static void all_whole(void)
{
    uint64_t head = rb_load_acquire(&g.consumer.shared->head);
    uint64_t tail = rb_load_acquire(&g.consumer.shared->tail);
    HOLDS(rb_lane_valid(&g.consumer) == RB_OK);
    HOLDS(head == g.next_wanted);
    for (uint64_t i = 0; i < CAPACITY; i++) {
        (void)receive(&g.consumer);
    }
    HOLDS(g.next_wanted == tail);
}

static void all_whole_and_sent(void)
{
    all_whole();
    HOLDS(g.next_wanted == g.end);
}

#define GHOST .ghost = &g, .ghost_bytes = sizeof g

const model_scenario model_lanes[] = {
    {.name = "lane",
     .promise = "groups are whole or absent, each message once and in order",
     .set_up = set_up_wrap,
     .at_end = all_whole_and_sent,
     .threads = {{"producer", produce, 0}, {"consumer", consume, 0}},
     GHOST},
    {.name = "lane-full",
     .promise = "a full lane refuses; what was there is not overwritten",
     .set_up = set_up_full,
     .at_end = all_whole,
     .threads = {{"producer", produce, 0}, {"consumer", consume, 0}},
     GHOST},
    {.name = "lane-producer-crash",
     .promise = "a producer killed anywhere: its successor repairs, nothing is lost or doubled",
     .set_up = set_up_crash,
     .at_end = all_whole_and_sent,
     .threads = {{"producer", produce, 1},
                 {"consumer", consume, 0},
                 {"successor", succeed_producer, 0}},
     GHOST},
    {.name = "lane-producer-crash-full",
     .promise = "the same in a lane that was full a moment ago",
     .set_up = set_up_full,
     .at_end = all_whole,
     .threads = {{"producer", produce, 1},
                 {"consumer", consume, 0},
                 {"successor", succeed_producer, 0}},
     GHOST},
    {.name = "lane-consumer-crash",
     .promise = "a consumer killed anywhere: its successor goes on at the first unreleased message",
     .set_up = set_up_waiting,
     .at_end = all_whole_and_sent,
     .threads = {{"consumer", consume, 1},
                 {"producer", produce, 0},
                 {"successor", succeed_consumer, 0}},
     GHOST},
    {0},
};
