/*
 * Wake-ups, litmus style: the bells of idle.c and the doorbell.
 *
 * Bells: a sleeper drains what it waits for, then takes rb_idle_step's steps (announce, look once
 * more, wait, withdraw); wakers publish, then rb_idle_ring.
 *   allowed    woken for nothing; not woken because it never slept; several rings for one sleep
 *   forbidden  asleep for ever with a message there (a sleep has no timeout here)
 * Doorbell: producers commit, then rb_doorbell_ring; the sequencer's turn (listen, take, cool in
 * engine/sequencer.c, whose order of steps is repeated here) clears, then looks a last time.
 *   allowed    a lane hot or rung with nothing in it
 *   forbidden  at rest, a message in a lane that is neither hot nor rung
 */
#include "ringbus/doorbell.h"
#include "ringbus/idle.h"
#include "ringbus/lane.h"
#include "ringbus/multicast.h"
#include "tests/model/scenarios.h"

enum { LANES = 2, CAPACITY = 8, TICK_NS = 64 };

#define LANE_AT(n) (model_arena + 2048u * (n))
#define RING (model_arena + 4096)
#define READERS (model_arena + 8192)
#define BELLS (model_arena + 24576)
#define DOORBELL ((rb_doorbell *)(void *)(model_arena + 40960))

static struct {
    rb_lane from[LANES];
    rb_lane to[LANES];
    rb_idle sleeper;
    rb_idle wakers[LANES];
    rb_writer writer;
    rb_reader reader;
    uint64_t awaited;
    uint64_t received;
    uint64_t hot;
} g;

static void set_up_lanes(void)
{
    for (uint32_t n = 0; n < LANES; n++) {
        size_t bytes = rb_lane_bytes(CAPACITY);
        HOLDS(rb_lane_init(LANE_AT(n), bytes, CAPACITY, "lane") == RB_OK);
        HOLDS(rb_lane_attach(&g.from[n], LANE_AT(n), bytes) == RB_OK);
        HOLDS(rb_lane_attach(&g.to[n], LANE_AT(n), bytes) == RB_OK);
    }
}

static void set_up_idle(rb_idle *idle, const char *name, int32_t epoll_fd, uint32_t stream)
{
    HOLDS(rb_idle_attach(idle, BELLS, rb_bells_bytes(), name, RB_IDLE_PARK, epoll_fd, stream) ==
          RB_OK);
    idle->spin_ns = 0;
    idle->clock.mode = RB_CLOCK_MANUAL;
}

static void set_up_bells(int32_t epoll_fd, uint32_t stream, uint64_t awaited)
{
    set_up_lanes();
    HOLDS(rb_bells_init(BELLS, rb_bells_bytes(), "bells") == RB_OK);
    set_up_idle(&g.sleeper, "sleeper", epoll_fd, stream);
    set_up_idle(&g.wakers[0], "waker0", -1, 0);
    set_up_idle(&g.wakers[1], "waker1", -1, 0);
    g.awaited = awaited;
}

static void set_up_one(void)
{
    set_up_bells(-1, 0, 1u + model_depth);
}

static void set_up_two(void)
{
    set_up_bells(-1, 0, 1u + model_depth);
}

static void set_up_socket(void)
{
    set_up_bells(0, 0, 1u + model_depth);
}

/* Each look takes a tick of half what sleeping costs, and it is just about to expect a longer wait:
 * it spins, sleeps, and learns from both. */
static void set_up_adaptive(void)
{
    set_up_bells(-1, 0, 1u + model_depth);
    g.sleeper.strategy = RB_IDLE_ADAPTIVE;
    g.sleeper.spin_ns = 2 * TICK_NS;
    g.sleeper.expected_ns = 2 * TICK_NS - 8;
}

static void set_up_stream(void)
{
    set_up_bells(-1, 1, 1u + model_depth);
    size_t bytes = rb_multicast_bytes(CAPACITY);
    HOLDS(rb_multicast_init(RING, bytes, CAPACITY, "ring") == RB_OK);
    HOLDS(rb_readers_init(READERS, rb_readers_bytes(), "readers") == RB_OK);
    HOLDS(rb_multicast_writer_attach(&g.writer, RING, bytes, READERS, rb_readers_bytes()) == RB_OK);
    HOLDS(rb_multicast_reader_attach(&g.reader, RING, bytes, 1) == RB_OK);
}

static void sleep_on_lanes(void)
{
    while (g.received < g.awaited) {
        int64_t work = 0;
        for (uint32_t n = 0; n < LANES; n++) {
            if (rb_lane_peek(&g.to[n], 0) != NULL) {
                rb_lane_release(&g.to[n], 1);
                work++;
            }
        }
        g.received += (uint64_t)work;
        g.sleeper.clock.now_ns += g.sleeper.spin_ns > 0 ? TICK_NS : 0;
        (void)rb_idle_step(&g.sleeper, work);
    }
}

static void sleep_on_ring(void)
{
    while (g.received < g.awaited) {
        rb_message out;
        int64_t work = rb_multicast_poll(&g.reader, &out, 1);
        g.received += (uint64_t)work;
        (void)rb_idle_step(&g.sleeper, work);
    }
}

static void wake(uint32_t n, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        HOLDS(rb_lane_room(&g.from[n], 1) >= 1);
        rb_lane_commit(&g.from[n], 1);
        rb_idle_ring(&g.wakers[n], UINT64_C(1) << g.sleeper.bell, 0);
    }
}

static void wake_all(void)
{
    wake(0, g.awaited);
}

static void wake_first(void)
{
    wake(0, g.awaited - 1);
}

static void wake_second(void)
{
    wake(1, 1);
}

static void wake_stream(void)
{
    for (uint64_t i = 0; i < g.awaited; i++) {
        rb_message message = {.words = {0, i}};
        HOLDS(rb_multicast_offer(&g.writer, &message, 1) == 1);
        rb_idle_ring(&g.wakers[0], 0, 1);
    }
}

static void all_received(void)
{
    HOLDS(g.received == g.awaited);
    HOLDS(((rb_bells_shared *)(void *)BELLS)->layout.magic == RB_MAGIC);
}

static void set_up_doorbell(void)
{
    set_up_lanes();
    HOLDS(rb_doorbell_init(DOORBELL, rb_doorbell_bytes(), "doorbell") == RB_OK);
    g.hot = 3;
}

static void produce(uint32_t n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rb_lane_commit(&g.from[n], 1);
        HOLDS(rb_doorbell_press(DOORBELL, n) == RB_OK);
    }
}

static void produce_first(void)
{
    produce(0, 1 + model_depth);
}

static void produce_second(void)
{
    produce(1, model_depth);
}

static void sequence(void)
{
    for (uint32_t turn = 0; turn < 2 + model_depth; turn++) {
        g.hot |= rb_load_relaxed(&DOORBELL->words[0]);
        for (uint32_t n = 0; n < LANES; n++) {
            if ((g.hot >> n & 1) == 0) {
                continue;
            }
            if (rb_lane_peek(&g.to[n], 0) != NULL) {
                rb_lane_release(&g.to[n], 1);
                continue;
            }
            rb_doorbell_clear(DOORBELL, n);
            if (rb_lane_peek(&g.to[n], 0) == NULL) {
                g.hot &= ~(UINT64_C(1) << n);
            }
        }
    }
}

static void none_forgotten(void)
{
    uint64_t known = g.hot | rb_load_relaxed(&DOORBELL->words[0]);
    for (uint32_t n = 0; n < LANES; n++) {
        HOLDS(rb_lane_peek(&g.to[n], 0) == NULL || (known >> n & 1) != 0);
    }
}

#define GHOST .ghost = &g, .ghost_bytes = sizeof g

const model_scenario model_wakes[] = {
    {.name = "bell",
     .promise = "a futex sleeper before a lane never sleeps on a message",
     .set_up = set_up_one,
     .at_end = all_received,
     .threads = {{"sleeper", sleep_on_lanes, 0}, {"waker", wake_all, 0}},
     .weak_depth = 2,
     GHOST},
    {.name = "bell-two-wakers",
     .promise = "nor before two lanes with a waker each",
     .set_up = set_up_two,
     .at_end = all_received,
     .threads = {{"sleeper", sleep_on_lanes, 0},
                 {"waker0", wake_first, 0},
                 {"waker1", wake_second, 0}},
     .weak_depth = 1,
     GHOST},
    {.name = "bell-adaptive",
     .promise = "nor one whose spin follows what its waits took",
     .set_up = set_up_adaptive,
     .at_end = all_received,
     .threads = {{"sleeper", sleep_on_lanes, 0}, {"waker", wake_all, 0}},
     .weak_depth = 2,
     GHOST},
    {.name = "bell-socket",
     .promise = "nor in epoll, rung by datagrams",
     .set_up = set_up_socket,
     .at_end = all_received,
     .threads = {{"sleeper", sleep_on_lanes, 0}, {"waker", wake_all, 0}},
     .weak_depth = 2,
     GHOST},
    {.name = "bell-stream",
     .promise = "nor a reader of the stream that is rung for every batch",
     .set_up = set_up_stream,
     .at_end = all_received,
     .threads = {{"sleeper", sleep_on_ring, 0}, {"waker", wake_stream, 0}},
     .weak_depth = 1,
     GHOST},
    {.name = "doorbell",
     .promise = "no message in a lane that is neither hot nor rung",
     .set_up = set_up_doorbell,
     .at_end = none_forgotten,
     .threads = {{"sequencer", sequence, 0},
                 {"producer0", produce_first, 0},
                 {"producer1", produce_second, 0}},
     .weak_depth = 1,
     GHOST},
    {0},
};
