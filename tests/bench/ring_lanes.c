/* The lane's legs of bench_ring: round trip over two, and one that is kept full. */
#include <string.h>

#include "ringbus/lane.h"
#include "tests/bench/ring_legs.h"

static void *make_lane(uint64_t capacity)
{
    size_t bytes = rb_lane_bytes(capacity);
    void *memory = shared(bytes);
    EXPECT(rb_lane_init(memory, bytes, capacity, "bench") == RB_OK);
    return memory;
}

static rb_lane attach_lane(void *memory, uint64_t capacity)
{
    rb_lane lane;
    prefault(memory, rb_lane_bytes(capacity));
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(capacity)) == RB_OK);
    return lane;
}

static inline void send_one(rb_lane *lane, const rb_message *message)
{
    EXPECT(rb_lane_room(lane, 1) > 0);
    memcpy(rb_lane_slot(lane, 0)->words + 1, message->words + 1, 56);
    rb_lane_commit(lane, 1);
}

/* For the next message of `in`; it will be answered on `out`. */
static inline const rb_message *wait_one(rb_lane *in, rb_lane *out)
{
    const rb_message *message = rb_lane_peek(in, 0);
    while (message == NULL) {
        rb_lane_warm(out);
        message = rb_lane_peek(in, 0);
    }
    return message;
}

static void echo(rb_lane *in, rb_lane *out)
{
    board_ready();
    for (uint64_t n = 0; n < set.trips; n++) {
        send_one(out, wait_one(in, out));
        rb_lane_release(in, 1);
    }
    board_leave(0);
}

/* out: p50, p99, p99.9 in ns. */
void run_round_trip(double *out)
{
    void *there = make_lane(SMALL);
    void *back = make_lane(SMALL);
    board_start();
    pid_t child = board_fork();
    rb_lane one = attach_lane(there, SMALL);
    rb_lane two = attach_lane(back, SMALL);
    if (child == 0) {
        echo(&one, &two);
    }
    board_wait_ready(1);
    rb_message message = set.work[0];
    uint64_t start_ns = now_ns();
    uint64_t start = ticks();
    for (uint64_t n = 0; n < set.trips; n++) {
        uint64_t sent = ticks();
        send_one(&one, &message);
        memcpy(&message, wait_one(&two, &one), sizeof message);
        set.samples[n] = ticks() - sent;
        rb_lane_release(&two, 1);
    }
    set.ns_per_tick = (double)(now_ns() - start_ns) / (double)(ticks() - start);
    board_reap(child);
    spread s = spread_of(set.samples, set.trips, set.ns_per_tick);
    out[0] = s.p50;
    out[1] = s.p99;
    out[2] = s.p999;
    EXPECT(munmap(there, rb_lane_bytes(SMALL)) == 0);
    EXPECT(munmap(back, rb_lane_bytes(SMALL)) == 0);
}

static uint64_t sum_of(const rb_message *message)
{
    uint64_t sum = 0;
    for (int i = 1; i < 8; i++) {
        sum += message->words[i];
    }
    return sum;
}

static void consume_lane(rb_lane *lane, int in_place)
{
    rb_message batch[BATCH];
    uint64_t sum = 0;
    board_ready();
    for (uint64_t got = 0; got < set.messages;) {
        if (!in_place) {
            int64_t count = rb_lane_take(lane, batch, BATCH);
            sum += batch[0].words[7];
            got += (uint64_t)count;
            continue;
        }
        uint64_t count = 0;
        for (; count < BATCH; count++) {
            const rb_message *message = rb_lane_peek(lane, count);
            if (message == NULL) {
                break;
            }
            sum += sum_of(message);
        }
        if (count > 0) {
            rb_lane_release(lane, count);
            got += count;
        }
    }
    table->readers[0].ended_ns = now_ns();
    table->readers[0].sum = sum;
    board_leave(0);
}

/* Until the consumer has the last one. */
static double lane_once(uint64_t capacity, int in_place)
{
    void *memory = make_lane(capacity);
    board_start();
    pid_t child = board_fork();
    rb_lane lane = attach_lane(memory, capacity);
    if (child == 0) {
        consume_lane(&lane, in_place);
    }
    board_wait_ready(1);
    uint64_t start_ns = now_ns();
    for (uint64_t sent = 0; sent < set.messages;) {
        if (!in_place) {
            sent += (uint64_t)rb_lane_offer(&lane, set.work, BATCH);
            continue;
        }
        if (rb_lane_room(&lane, BATCH) < BATCH) {
            continue;
        }
        for (uint64_t n = 0; n < BATCH; n++) {
            rb_message *slot = rb_lane_slot(&lane, n);
            for (uint64_t i = 1; i < 8; i++) {
                slot->words[i] = sent + n + i;
            }
        }
        rb_lane_commit(&lane, BATCH);
        sent += BATCH;
    }
    board_reap(child);
    EXPECT(munmap(memory, rb_lane_bytes(capacity)) == 0);
    return rate(set.messages, start_ns, table->readers[0].ended_ns);
}

static double lane_rate(uint64_t capacity, int in_place)
{
    double found = 0;
    int goes = 0;
    do {
        found = lane_once(capacity, in_place);
    } while (board_again(&goes));
    return found;
}

void run_lane_large(double *out)
{
    out[0] = lane_rate(LARGE, 0);
    out[1] = lane_rate(LARGE, 1);
}

void run_lane_small(double *out)
{
    out[0] = lane_rate(SMALL, 0);
    out[1] = lane_rate(SMALL, 1);
}
