/*
 * Stress of the shipped rings with real threads: lane, multicast with lossy and gating readers,
 * bells. Run plain, under ASan/UBSan and under TSan. Argument: messages per test (default 200,000).
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "ringbus/crc32c.h"
#include "ringbus/doorbell.h"
#include "ringbus/idle.h"
#include "ringbus/lane.h"
#include "ringbus/multicast.h"
#include "tests/check.h"

static uint64_t messages = 200000;

static void *zeroed(size_t bytes)
{
    size_t rounded = (bytes + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
    void *memory = aligned_alloc(RB_GUARD_BYTES, rounded);
    EXPECT(memory != NULL);
    memset(memory, 0, rounded);
    return memory;
}

/* Every word of a message is a function of its number, so that a torn or stale one shows. */
static void fill(rb_message *message, uint64_t number)
{
    for (uint64_t i = 1; i < 8; i++) {
        message->words[i] = number * UINT64_C(0x9e3779b97f4a7c15) + i;
    }
}

static int is_filled(const rb_message *message, uint64_t number)
{
    for (uint64_t i = 1; i < 8; i++) {
        if (message->words[i] != number * UINT64_C(0x9e3779b97f4a7c15) + i) {
            return 0;
        }
    }
    return 1;
}

/* A waiting thread must let the other one run: there may be one CPU. */
static void wait_a_little(uint32_t *rounds)
{
    if (++*rounds % 64 == 0) {
        struct timespec moment = {.tv_sec = 0, .tv_nsec = 1000};
        (void)nanosleep(&moment, NULL);
    }
}

/* --- lane ----------------------------------------------------------------------------------------
 */

static void *lane_producer(void *memory)
{
    rb_lane lane;
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(64)) == RB_OK);
    uint32_t rounds = 0;
    for (uint64_t sent = 0; sent < messages;) {
        uint64_t group = 1 + sent % 3;
        if (rb_lane_room(&lane, group) < group) {
            wait_a_little(&rounds);
            continue;
        }
        for (uint64_t n = 0; n < group; n++) {
            fill(rb_lane_slot(&lane, n), sent + n);
            rb_lane_slot(&lane, n)->words[7] = group;
        }
        rb_lane_commit(&lane, group);
        sent += group;
    }
    return NULL;
}

static void test_lane(void)
{
    void *memory = zeroed(rb_lane_bytes(64));
    EXPECT(rb_lane_init(memory, rb_lane_bytes(64), 64, "stress") == RB_OK);
    rb_lane lane;
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(64)) == RB_OK);
    pthread_t producer;
    EXPECT(pthread_create(&producer, NULL, lane_producer, memory) == 0);
    uint32_t rounds = 0;
    for (uint64_t got = 0; got < messages;) {
        const rb_message *first = rb_lane_peek(&lane, 0);
        if (first == NULL) {
            wait_a_little(&rounds);
            continue;
        }
        /* A group appears at once. */
        uint64_t group = first->words[7];
        for (uint64_t n = 0; n < group; n++) {
            const rb_message *message = rb_lane_peek(&lane, n);
            EXPECT(message != NULL);
            rb_message copy = *message;
            EXPECT(copy.words[7] == group);
            copy.words[7] = (got + n) * UINT64_C(0x9e3779b97f4a7c15) + 7;
            EXPECT(is_filled(&copy, got + n));
        }
        rb_lane_release(&lane, group);
        got += group;
    }
    EXPECT(pthread_join(producer, NULL) == 0);
    EXPECT(rb_lane_valid(&lane) == RB_OK);
    free(memory);
}

/* --- multicast -----------------------------------------------------------------------------------
 */

enum { READERS = 3, RING = 256 };

typedef struct ring_test {
    void *ring;
    void *readers;
    int gating;
} ring_test;

static void *ring_reader(void *argument)
{
    const ring_test *test = argument;
    rb_reader reader;
    if (test->gating) {
        EXPECT(rb_multicast_gate_attach(&reader, test->ring, rb_multicast_bytes(RING),
                                        test->readers, rb_readers_bytes(), "gate") == RB_OK);
    } else {
        EXPECT(rb_multicast_reader_attach(&reader, test->ring, rb_multicast_bytes(RING), 1) ==
               RB_OK);
    }
    rb_message batch[32];
    uint64_t received = 0;
    uint64_t missed = 0;
    uint32_t rounds = 0;
    while (received + missed < messages) {
        uint64_t first = rb_multicast_wanted(&reader);
        int64_t count = rb_multicast_poll(&reader, batch, 32);
        if (count == RB_LAPPED) {
            EXPECT(!test->gating);
            uint64_t oldest = rb_multicast_oldest(&reader);
            EXPECT(oldest >= first);
            missed += oldest - first;
            rb_multicast_seek(&reader, oldest);
            continue;
        }
        EXPECT(count >= 0);
        for (int64_t i = 0; i < count; i++) {
            EXPECT(batch[i].header.sequence == first + (uint64_t)i);
            EXPECT(is_filled(&batch[i], batch[i].header.sequence));
        }
        received += (uint64_t)count;
        if (count > 0) {
            rb_multicast_release(&reader, first + (uint64_t)count - 1);
        } else {
            wait_a_little(&rounds);
        }
    }
    /* Exactly: received + reported missing = sent. */
    EXPECT(received + missed == messages);
    if (test->gating) {
        EXPECT(missed == 0);
    }
    return NULL;
}

static void test_multicast(int gating)
{
    ring_test test = {.ring = zeroed(rb_multicast_bytes(RING)),
                      .readers = zeroed(rb_readers_bytes()),
                      .gating = gating};
    EXPECT(rb_multicast_init(test.ring, rb_multicast_bytes(RING), RING, "stress") == RB_OK);
    EXPECT(rb_readers_init(test.readers, rb_readers_bytes(), "stress") == RB_OK);
    rb_writer writer;
    EXPECT(rb_multicast_writer_attach(&writer, test.ring, rb_multicast_bytes(RING), test.readers,
                                      rb_readers_bytes()) == RB_OK);
    rb_reader claimed;
    if (gating) {
        /* Claimed before the first message, or the writer would not wait for it yet. */
        EXPECT(rb_multicast_gate_attach(&claimed, test.ring, rb_multicast_bytes(RING), test.readers,
                                        rb_readers_bytes(), "gate") == RB_OK);
    }
    pthread_t readers[READERS];
    int count = gating ? 1 : READERS;
    for (int i = 0; i < count; i++) {
        EXPECT(pthread_create(&readers[i], NULL, ring_reader, &test) == 0);
    }
    uint32_t rounds = 0;
    for (uint64_t sent = 0; sent < messages;) {
        if (rb_multicast_room(&writer, 1) == 0) {
            wait_a_little(&rounds);
            continue;
        }
        rb_message message;
        fill(&message, writer.next);
        message.header.sequence = writer.next;
        rb_multicast_publish(&writer, &message);
        sent++;
        if (sent % 16 == 0 || sent == messages) {
            rb_multicast_announce(&writer);
        }
    }
    for (int i = 0; i < count; i++) {
        EXPECT(pthread_join(readers[i], NULL) == 0);
    }
    free(test.ring);
    free(test.readers);
}

/* --- records of several lines --------------------------------------------------------------------
 */

enum { WORDS_MAX = 63 };

typedef struct record_test {
    void *ring;
    void *readers;
    size_t ring_bytes;
    uint64_t words; /* of a payload */
} record_test;

/* Lossy when no gate is named; what a reader gets is whole, in order, and complete with what it is
 * told that it missed. */
static void read_records(const record_test *test, rb_reader *reader, int gating)
{
    uint64_t batch[8 * WORDS_MAX];
    uint64_t received = 0;
    uint64_t missed = 0;
    uint32_t rounds = 0;
    while (received + missed < messages) {
        uint64_t first = rb_multicast_wanted(reader);
        int64_t count = rb_records_poll(reader, batch, test->words * sizeof batch[0], 8);
        if (count == RB_LAPPED) {
            uint64_t oldest = rb_multicast_oldest(reader);
            missed += oldest - first;
            rb_multicast_seek(reader, oldest);
            continue;
        }
        EXPECT(count >= 0);
        for (uint64_t i = 0; i < (uint64_t)count * test->words; i++) {
            EXPECT(batch[i] == first + i / test->words);
        }
        received += (uint64_t)count;
        if (count > 0) {
            rb_multicast_release(reader, first + (uint64_t)count - 1);
        } else {
            wait_a_little(&rounds);
        }
    }
    EXPECT(received + missed == messages);
    EXPECT(!gating || missed == 0);
}

static void *record_reader(void *argument)
{
    const record_test *test = argument;
    rb_reader reader;
    EXPECT(rb_records_reader_attach(&reader, test->ring, test->ring_bytes, 1) == RB_OK);
    read_records(test, &reader, 0);
    return NULL;
}

static void *record_gate(void *argument)
{
    const record_test *test = argument;
    rb_reader reader;
    EXPECT(rb_records_gate_attach(&reader, test->ring, test->ring_bytes, test->readers,
                                  rb_readers_bytes(), "gate", 0) == RB_OK);
    read_records(test, &reader, 1);
    return NULL;
}

static void test_records(uint64_t words)
{
    uint32_t record_bytes = (uint32_t)(words * 8 + 8 + 63) / 64 * 64;
    record_test test = {.ring_bytes = rb_records_bytes(64, record_bytes), .words = words};
    test.ring = zeroed(test.ring_bytes);
    test.readers = zeroed(rb_readers_bytes());
    EXPECT(rb_records_init(test.ring, test.ring_bytes, 64, record_bytes, "records") == RB_OK);
    EXPECT(rb_readers_init(test.readers, rb_readers_bytes(), "records") == RB_OK);
    rb_writer writer;
    EXPECT(rb_multicast_writer_attach(&writer, test.ring, test.ring_bytes, test.readers,
                                      rb_readers_bytes()) == (words < 8 ? RB_OK : RB_SIZE));
    EXPECT(rb_records_writer_attach(&writer, test.ring, test.ring_bytes, test.readers,
                                    rb_readers_bytes()) == RB_OK);
    EXPECT(rb_records_offer(&writer, test.ring, record_bytes - 7, 1) == RB_USAGE);
    rb_reader claimed;
    EXPECT(rb_records_gate_attach(&claimed, test.ring, test.ring_bytes, test.readers,
                                  rb_readers_bytes(), "gate", 0) == RB_OK);
    pthread_t threads[2];
    EXPECT(pthread_create(&threads[0], NULL, record_reader, &test) == 0);
    EXPECT(pthread_create(&threads[1], NULL, record_gate, &test) == 0);
    uint64_t payload[WORDS_MAX];
    uint32_t rounds = 0;
    while (writer.next <= messages) {
        for (uint64_t i = 0; i < words; i++) {
            payload[i] = writer.next;
        }
        if (rb_records_offer(&writer, payload, words * sizeof payload[0], 1) == 0) {
            wait_a_little(&rounds);
        }
    }
    EXPECT(pthread_join(threads[0], NULL) == 0);
    EXPECT(pthread_join(threads[1], NULL) == 0);
    free(test.ring);
    free(test.readers);
}

/* --- bells ---------------------------------------------------------------------------------------
 */

/* Two parked threads pass a number back and forth; with a sleep of at most 20 s, one lost wake-up
 * makes the test time out. */
typedef struct bell_test {
    void *bells;
    uint64_t *ball;
    uint64_t side;
    uint64_t rounds;
    uint32_t strategy;
} bell_test;

static void *bell_player(void *argument)
{
    const bell_test *test = argument;
    rb_idle idle;
    const char *name = test->side == 0 ? "left" : "right";
    EXPECT(rb_idle_attach(&idle, test->bells, rb_bells_bytes(), name, test->strategy, -1, 0) ==
           RB_OK);
    rb_idle_set_timeout(&idle, 20000000);
    /* About what a turn takes: the adaptive ones sleep now and spin then. */
    rb_idle_set_spin(&idle, test->strategy == RB_IDLE_PARK ? 100 : 1000);
    for (uint64_t turn = test->side; turn < test->rounds;) {
        if (rb_load_acquire(test->ball) != turn) {
            (void)rb_idle_step(&idle, 0);
            continue;
        }
        (void)rb_idle_step(&idle, 1);
        rb_store_release(test->ball, turn + 1);
        rb_idle_ring(&idle, ~UINT64_C(0), 0);
        turn += 2;
    }
    EXPECT(rb_idle_parks(&idle) < test->rounds * 4);
    rb_idle_close(&idle);
    return NULL;
}

static void test_bells(uint32_t strategy)
{
    uint64_t ball = 0;
    void *bells = zeroed(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "stress") == RB_OK);
    uint64_t rounds = messages / 20;
    bell_test left = {
        .bells = bells, .ball = &ball, .side = 0, .rounds = rounds, .strategy = strategy};
    bell_test right = {
        .bells = bells, .ball = &ball, .side = 1, .rounds = rounds, .strategy = strategy};
    pthread_t players[2];
    EXPECT(pthread_create(&players[0], NULL, bell_player, &left) == 0);
    EXPECT(pthread_create(&players[1], NULL, bell_player, &right) == 0);
    EXPECT(pthread_join(players[0], NULL) == 0);
    EXPECT(pthread_join(players[1], NULL) == 0);
    EXPECT(ball == rounds);
    free(bells);
}

/* Looks in vain, a microsecond apart, before it sleeps for the first time, in a wait that ends
 * after `looks`. */
static int looks_before_sleep(rb_idle *idle, int looks)
{
    uint64_t before = rb_idle_parks(idle);
    int first = 0;
    for (int n = 1; n <= looks; n++) {
        (void)rb_idle_step(idle, 0);
        if (first == 0 && rb_idle_parks(idle) != before) {
            first = n;
        }
        idle->clock.now_ns += 1000;
    }
    (void)rb_idle_step(idle, 1);
    return first;
}

/* The spin follows what the last waits took, up to what a sleep costs; 16 us here. */
static void test_adaptive(void)
{
    void *bells = zeroed(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "adaptive") == RB_OK);
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "one", RB_IDLE_ADAPTIVE, -1, 0) == RB_OK);
    idle.clock.mode = RB_CLOCK_MANUAL;
    rb_idle_set_timeout(&idle, 1);
    rb_idle_set_spin(&idle, 16000);
    /* Knowing nothing it spins for as long as a sleep costs: the look after that is the last. */
    EXPECT(looks_before_sleep(&idle, 100) == 18);
    for (int n = 0; n < 8; n++) {
        (void)looks_before_sleep(&idle, 100);
    }
    /* Waits are long: a sixteenth of that. */
    EXPECT(looks_before_sleep(&idle, 100) == 3);
    /* A dozen waits shorter than a sleep costs, although each is slept through at first. */
    for (int n = 0; n < 12; n++) {
        (void)looks_before_sleep(&idle, 12);
    }
    EXPECT(looks_before_sleep(&idle, 12) == 0);
    EXPECT(looks_before_sleep(&idle, 100) == 18);
    /* Never to spin is never to spin. */
    rb_idle_set_spin(&idle, 0);
    EXPECT(looks_before_sleep(&idle, 12) == 2);
    EXPECT(looks_before_sleep(&idle, 12) == 2);
    rb_idle_close(&idle);
    free(bells);
}

static void sleep_once(rb_idle *idle)
{
    uint64_t parks = rb_idle_parks(idle);
    while (rb_idle_parks(idle) == parks) {
        (void)rb_idle_step(idle, 0);
    }
}

/* A sleep is as long as was said; the next one is short when something waits for room. */
static void test_sleeps(void)
{
    void *bells = zeroed(rb_bells_bytes());
    EXPECT(rb_bells_init(bells, rb_bells_bytes(), "sleeps") == RB_OK);
    rb_idle idle;
    EXPECT(rb_idle_attach(&idle, bells, rb_bells_bytes(), "one", RB_IDLE_PARK, -1, 0) == RB_OK);
    rb_idle_set_spin(&idle, 0);
    sleep_once(&idle);
    EXPECT(idle.asked_us == 50000);
    rb_idle_look_soon(&idle);
    sleep_once(&idle);
    EXPECT(idle.asked_us == 1000);
    sleep_once(&idle);
    EXPECT(idle.asked_us == 50000);
    /* What the caller says holds for every sleep. */
    rb_idle_set_timeout(&idle, 500);
    for (int n = 0; n < 4; n++) {
        (void)rb_idle_step(&idle, 0);
        EXPECT(idle.sleep_us == 500);
    }
    /* A timer ends a sleep of 20 s, the earlier of two first; a lost one makes this time out. */
    rb_idle_set_timeout(&idle, 20000000);
    (void)rb_idle_step(&idle, 1);
    idle.clock.mode = RB_CLOCK_REAL;
    uint64_t begun_ns = rb_clock_read(&idle.clock);
    rb_idle_wake_at(&idle, begun_ns + 2000000);
    rb_idle_wake_at(&idle, begun_ns + 1000000);
    rb_idle_wake_at(&idle, begun_ns + 3000000);
    EXPECT(idle.due_ns == begun_ns + 1000000);
    uint64_t parks = rb_idle_parks(&idle);
    while (idle.due_ns != 0) {
        (void)rb_idle_step(&idle, 0);
    }
    EXPECT(rb_clock_read(&idle.clock) >= begun_ns + 1000000);
    /* It was awake when the timer was due: whose it is was asked. Then it sleeps as ever. */
    EXPECT(rb_idle_parks(&idle) <= parks + 10);
    EXPECT(idle.announced == 0);
    rb_idle_set_timeout(&idle, 500);
    parks = rb_idle_parks(&idle);
    while (rb_idle_parks(&idle) == parks) {
        (void)rb_idle_step(&idle, 0);
    }
    rb_idle_close(&idle);
    free(bells);
}

/* --- repair --------------------------------------------------------------------------------------
 */

static void test_repair(void)
{
    void *memory = zeroed(rb_lane_bytes(8));
    EXPECT(rb_lane_init(memory, rb_lane_bytes(8), 8, "repair") == RB_OK);
    rb_lane lane;
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(8)) == RB_OK);
    rb_message message;
    fill(&message, 1);
    EXPECT(rb_lane_offer(&lane, &message, 1) == 1);
    /* Died behind the guard of a message and before it counted: the message is kept. */
    fill(rb_lane_slot(&lane, 0), 2);
    rb_store_release(&rb_lane_slot(&lane, 0)->header.sequence, 2);
    /* Died in the middle of a group, whose last guard is written first: the group is erased. */
    rb_store_release(&rb_lane_slot(&lane, 2)->header.sequence, 4);
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(8)) == RB_OK);
    EXPECT(rb_lane_valid(&lane) == RB_CORRUPT);
    EXPECT(rb_lane_repair(&lane) == 1);
    EXPECT(rb_lane_valid(&lane) == RB_OK);
    EXPECT(rb_lane_depth(&lane) == 2);
    rb_message out[8];
    EXPECT(rb_lane_take(&lane, out, 8) == 2);
    EXPECT(is_filled(&out[0], 1));
    EXPECT(is_filled(&out[1], 2));
    free(memory);
}

/* A writer that died with a slot marked busy: readers see nothing, its successor takes the slot. */
static void test_writer_takeover(void)
{
    void *ring = zeroed(rb_multicast_bytes(8));
    void *readers = zeroed(rb_readers_bytes());
    EXPECT(rb_multicast_init(ring, rb_multicast_bytes(8), 8, "takeover") == RB_OK);
    EXPECT(rb_readers_init(readers, rb_readers_bytes(), "takeover") == RB_OK);
    rb_writer writer;
    EXPECT(rb_multicast_writer_attach(&writer, ring, rb_multicast_bytes(8), readers,
                                      rb_readers_bytes()) == RB_OK);
    rb_message message;
    for (uint64_t n = 1; n <= 11; n++) {
        fill(&message, n);
        EXPECT(rb_multicast_offer(&writer, &message, 1) == 1);
    }
    rb_reader reader;
    EXPECT(rb_multicast_reader_attach(&reader, ring, rb_multicast_bytes(8), 11) == RB_OK);
    rb_store_release(&writer.slots[(12 - 1) & 7].header.sequence, 12 | RB_SEQUENCE_BUSY);
    rb_message out[8];
    EXPECT(rb_multicast_poll(&reader, out, 8) == 1);
    EXPECT(rb_multicast_poll(&reader, out, 8) == 0);
    EXPECT(rb_multicast_writer_attach(&writer, ring, rb_multicast_bytes(8), readers,
                                      rb_readers_bytes()) == RB_OK);
    EXPECT(rb_multicast_next(&writer) == 12);
    EXPECT(rb_multicast_offer(&writer, &message, 1) == 1);
    EXPECT(rb_multicast_poll(&reader, out, 8) == 1);
    EXPECT(out[0].header.sequence == 12);
    EXPECT(rb_messages_verify(out, 1) == 1);
    /* Message 4 was overwritten by 12. */
    rb_multicast_seek(&reader, 4);
    EXPECT(rb_multicast_poll(&reader, out, 8) == RB_LAPPED);
    EXPECT(rb_multicast_oldest(&reader) == 5);
    free(ring);
    free(readers);
}

/* --- a far reader --------------------------------------------------------------------------------
 */

/* It throws lines out of the caches while they are written and read: nobody sees a difference. What
 * it finds out about its distance is not asked: votes are set again before each batch. */
static void *far_producer(void *memory)
{
    rb_lane lane;
    rb_message message;
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(64)) == RB_OK);
    memset(&message, 0, sizeof message);
    uint32_t waits = 0;
    for (uint64_t n = 0; n < messages;) {
        fill(&message, n);
        rb_lane_warm(&lane);
        if (rb_lane_offer(&lane, &message, 1) == 1) {
            n++;
        } else {
            wait_a_little(&waits);
        }
    }
    return NULL;
}

static void test_far_lane(void)
{
    void *memory = zeroed(rb_lane_bytes(64));
    rb_lane lane;
    rb_message batch[RB_DISTANCE_BATCH * 4];
    pthread_t producer;
    EXPECT(rb_lane_init(memory, rb_lane_bytes(64), 64, "far") == RB_OK);
    EXPECT(rb_lane_attach(&lane, memory, rb_lane_bytes(64)) == RB_OK);
    EXPECT(!rb_distance_is_far(&lane.distance));
    EXPECT(pthread_create(&producer, NULL, far_producer, memory) == 0);
    uint32_t waits = 0;
    uint64_t given_back = 0;
    for (uint64_t n = 0; n < messages;) {
        lane.distance.votes = RB_DISTANCE_VOTES_MAX;
        EXPECT(rb_distance_is_far(&lane.distance));
        int64_t count = rb_lane_take(&lane, batch, RB_DISTANCE_BATCH * 4);
        EXPECT(count >= 0);
        for (int64_t i = 0; i < count; i++) {
            EXPECT(is_filled(&batch[i], n++));
        }
        given_back += count >= RB_DISTANCE_BATCH;
        if (count == 0) {
            wait_a_little(&waits);
        }
    }
    EXPECT(pthread_join(producer, NULL) == 0);
    EXPECT(given_back > 0);
    EXPECT(rb_lane_valid(&lane) == RB_OK);
    free(memory);
}

#if defined(__x86_64__)
static const int has_distance = 1;
#else
static const int has_distance = 0;
#endif

/* Messages of a full ring are thrown out behind the reader, wherever its batches end. */
static void test_far_multicast(void)
{
    size_t bytes = rb_multicast_bytes(64);
    void *ring = zeroed(bytes);
    void *readers = zeroed(rb_readers_bytes());
    rb_writer writer;
    rb_reader reader;
    rb_message batch[64];
    EXPECT(rb_multicast_init(ring, bytes, 64, "far") == RB_OK);
    EXPECT(rb_readers_init(readers, rb_readers_bytes(), "far") == RB_OK);
    EXPECT(rb_multicast_writer_attach(&writer, ring, bytes, readers, rb_readers_bytes()) == RB_OK);
    EXPECT(rb_multicast_reader_attach(&reader, ring, bytes, 1) == RB_OK);
    uint64_t sent = 0;
    uint64_t got = 0;
    for (int64_t size = 1; size <= 64; size++) {
        for (int64_t i = 0; i < size; i++) {
            rb_message message;
            fill(&message, ++sent);
            message.header.sequence = sent;
            rb_multicast_warm(&writer);
            rb_multicast_publish(&writer, &message);
        }
        reader.distance.votes = RB_DISTANCE_VOTES_MAX;
        EXPECT(rb_multicast_poll(&reader, batch, 64) == size);
        for (int64_t i = 0; i < size; i++) {
            EXPECT(batch[i].header.sequence == ++got);
            EXPECT(is_filled(&batch[i], got));
        }
    }
    free(readers);
    free(ring);
}

/* Who reads in place is done with lines when it releases them: then it looks how far away its
 * writer is, and gives them back. */
static void test_far_in_place(void)
{
    size_t bytes = rb_multicast_bytes(64);
    void *ring = zeroed(bytes);
    void *readers = zeroed(rb_readers_bytes());
    rb_writer writer;
    rb_reader reader;
    EXPECT(rb_multicast_init(ring, bytes, 64, "far") == RB_OK);
    EXPECT(rb_readers_init(readers, rb_readers_bytes(), "far") == RB_OK);
    EXPECT(rb_multicast_gate_attach(&reader, ring, bytes, readers, rb_readers_bytes(), "far") ==
           RB_OK);
    EXPECT(rb_multicast_writer_attach(&writer, ring, bytes, readers, rb_readers_bytes()) == RB_OK);
    uint64_t sent = 0;
    for (uint64_t got = 0; got < 4 * (uint64_t)RB_DISTANCE_EVERY;) {
        EXPECT((rb_readers_distance(readers, 0) != RB_DISTANCE_UNKNOWN) ==
               (has_distance && got >= RB_DISTANCE_EVERY));
        while (rb_multicast_room(&writer, 1) > 0) {
            rb_message message;
            fill(&message, ++sent);
            message.header.sequence = sent;
            rb_multicast_publish(&writer, &message);
        }
        reader.distance.votes = RB_DISTANCE_VOTES_MAX;
        int64_t count = rb_records_ready(&reader, 32);
        EXPECT(count == 32);
        rb_multicast_took(&reader, (uint64_t)count);
        for (int64_t i = 0; i < count; i++) {
            const rb_message *message = rb_multicast_peek(&reader, ++got);
            EXPECT(message != NULL);
            EXPECT(is_filled(message, got));
        }
        rb_multicast_release(&reader, got);
    }
    EXPECT(reader.received == 4 * (uint64_t)RB_DISTANCE_EVERY);
    EXPECT(rb_readers_distance(readers, RB_READERS_MAX) == RB_USAGE);
    free(readers);
    free(ring);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        messages = strtoull(argv[1], NULL, 10) / 6 * 6;
    } else {
        messages = messages / 6 * 6;
    }
    test_repair();
    test_writer_takeover();
    test_lane();
    test_multicast(0);
    test_multicast(1);
    test_records(1);
    test_records(15);
    test_records(WORDS_MAX);
    test_far_lane();
    test_far_multicast();
    test_far_in_place();
    test_bells(RB_IDLE_PARK);
    test_bells(RB_IDLE_ADAPTIVE);
    test_adaptive();
    test_sleeps();
    (void)printf("rings: ok, %llu messages a test\n", (unsigned long long)messages);
    return 0;
}
