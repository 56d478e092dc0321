/*
 * The tables of a client port, each alone: messages of a session, open orders, turns, connections,
 * and the desk of logins. Exit code 0: passed.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ports/connection.h"
#include "ports/login.h"
#include "ports/orders.h"
#include "ports/outbox.h"
#include "ports/queue.h"
#include "ringbus/atomics.h"
#include "ringbus/lane.h"
#include "tests/check.h"

/* xorshift64; a fixed seed, so that a failure comes again. */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static void test_outbox(void)
{
    enum { MESSAGES = 1000 };
    prt_pool pool;
    EXPECT(prt_pool_init(&pool, MESSAGES, 1) == RB_OK);
    prt_outbox outbox = {0};
    prt_cursor live = {.chunk = NULL, .next = 1};
    EXPECT(prt_outbox_at(&outbox, &live) == 0);
    for (uint64_t n = 1; n <= MESSAGES; n++) {
        EXPECT(prt_outbox_append(&outbox, &pool, 10 * n) == RB_OK);
        if (n % 3 != 0) {
            EXPECT(prt_outbox_at(&outbox, &live) == 10 * live.next);
            prt_outbox_advance(&live);
        }
    }
    for (uint64_t first = 1; first <= MESSAGES + 1; first += 50) {
        prt_cursor cursor;
        prt_outbox_seek(&outbox, &cursor, first);
        for (uint64_t n = first; n <= MESSAGES; n++) {
            EXPECT(prt_outbox_at(&outbox, &cursor) == 10 * n);
            prt_outbox_advance(&cursor);
        }
        EXPECT(prt_outbox_at(&outbox, &cursor) == 0);
        EXPECT(cursor.next == MESSAGES + 1);
    }
    /* The bound holds, and is said before it is reached. */
    int was_low = 0;
    int32_t status = RB_OK;
    for (uint32_t n = 0; n < 4 * MESSAGES && status == RB_OK; n++) {
        was_low = prt_pool_is_low(&pool);
        status = prt_outbox_append(&outbox, &pool, 1);
    }
    EXPECT(status == RB_FULL);
    EXPECT(was_low);
    EXPECT(outbox.count >= MESSAGES);
    prt_pool_free(&pool);
}

static void test_orders(void)
{
    enum { NUMBERS = 600, LIMIT = 256 };
    static uint32_t there[NUMBERS];
    prt_orders orders;
    EXPECT(prt_orders_init(&orders, LIMIT) == RB_OK);
    uint32_t count = 0;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t number = (uint32_t)random_below(NUMBERS);
        uint64_t key = prt_order_key(5, number);
        prt_order *order = prt_orders_find(&orders, key);
        EXPECT((order != NULL) == (there[number] != 0));
        if (order != NULL) {
            EXPECT(order->locate == there[number]);
            prt_orders_remove(&orders, order);
            there[number] = 0;
            count--;
        } else if (count < LIMIT) {
            order = prt_orders_add(&orders, key);
            EXPECT(order != NULL);
            order->remaining = 1;
            order->locate = step + 1;
            there[number] = step + 1;
            count++;
        }
        EXPECT(orders.count == count);
    }
    EXPECT(prt_orders_valid(&orders) == RB_OK);
    prt_order *victim = NULL;
    for (uint32_t n = 0; n < NUMBERS && victim == NULL; n++) {
        victim = prt_orders_find(&orders, prt_order_key(5, n));
    }
    EXPECT(victim != NULL);
    victim->key = prt_order_key(6, 1);
    EXPECT(prt_orders_valid(&orders) == RB_CORRUPT);
    prt_orders_free(&orders);
}

/* Over many seeds that follow each other, everyone is everywhere equally often, and each is before
 * each other half of the time. The seeds are fixed, so the counts are. */
static void test_shuffle(void)
{
    enum { COUNT = 7, SEEDS = 70000 };
    static uint32_t at[COUNT][COUNT];
    static uint32_t before[COUNT][COUNT];
    prt_queue queue = {0};
    EXPECT(prt_queue_init(&queue, COUNT) == RB_OK);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (uint32_t n = 0; n < COUNT; n++) {
            prt_queue_push(&queue, n);
        }
        prt_queue_shuffle(&queue, seed);
        uint32_t place[COUNT];
        for (uint32_t n = 0; n < COUNT; n++) {
            place[n] = COUNT;
        }
        for (uint32_t n = 0; n < COUNT; n++) {
            uint32_t who = prt_queue_pop(&queue);
            EXPECT(place[who] == COUNT);
            place[who] = n;
            at[who][n]++;
        }
        for (uint32_t one = 0; one < COUNT; one++) {
            for (uint32_t other = 0; other < COUNT; other++) {
                before[one][other] += place[one] < place[other];
            }
        }
    }
    for (uint32_t one = 0; one < COUNT; one++) {
        for (uint32_t other = 0; other < COUNT; other++) {
            /* Five standard deviations of 10,000 are 463, of 35,000 are 661. */
            EXPECT(at[one][other] > 10000 - 463);
            EXPECT(at[one][other] < 10000 + 463);
            EXPECT(one == other || before[one][other] > 35000 - 661);
        }
    }
    prt_queue_shuffle(&queue, 1);
    EXPECT(prt_queue_count(&queue) == 0);
    prt_queue_free(&queue);
}

static int connect_to(int64_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* Turns: each connection is in a queue once, those that are gone are passed over, and the round can
 * begin anywhere. */
static void test_turns(void)
{
    prt_connections connections;
    prt_connection *three[3];
    int clients[4];
    EXPECT(prt_connections_init(&connections, 3, PRT_IN_BYTES_MIN, PRT_OUT_BYTES_MIN) == RB_OK);
    int64_t port = prt_connections_listen(&connections, "127.0.0.1", 0);
    EXPECT(port > 0);
    for (uint32_t n = 0; n < 3; n++) {
        clients[n] = connect_to(port);
        EXPECT(prt_connections_accept(&connections, 1, &three[n]) == 1);
        EXPECT(prt_connections_number(&connections, three[n]) == n);
    }
    prt_connection *none = NULL;
    EXPECT(prt_connections_accept(&connections, 1, &none) == 0);
    clients[3] = connect_to(port);
    EXPECT(prt_connections_accept(&connections, 1, &none) == 2);
    for (uint32_t n = 0; n < 6; n++) {
        prt_connections_make_dirty(&connections, three[n % 3]);
    }
    EXPECT(prt_queue_count(&connections.dirty) == 3);
    for (uint32_t n = 0; n < 3; n++) {
        EXPECT(prt_connections_next_dirty(&connections) == three[n]);
    }
    EXPECT(prt_connections_next_dirty(&connections) == NULL);
    uint64_t event = (uint64_t)three[1]->generation << 32 | 1;
    EXPECT(prt_connections_find(&connections, event) == three[1]);
    EXPECT(prt_connections_find(&connections, PRT_EVENT_VERDICT) == NULL);
    prt_connections_make_ready(&connections, three[1]);
    prt_connections_make_ready(&connections, three[2]);
    prt_connections_close(&connections, three[1]);
    EXPECT(prt_connections_next_ready(&connections) == three[2]);
    EXPECT(prt_connections_next_ready(&connections) == NULL);
    EXPECT(prt_connections_find(&connections, event) == NULL);
    /* The slot's next user is not taken for its last. */
    int again = connect_to(port);
    prt_connection *reused = NULL;
    EXPECT(prt_connections_accept(&connections, 1, &reused) == 1);
    EXPECT(reused == three[1]);
    EXPECT(prt_connections_find(&connections, event) == NULL);
    for (uint32_t n = 0; n < 4; n++) {
        (void)close(clients[n]);
    }
    (void)close(again);
    prt_connections_free(&connections);
}

enum { LOGINS = 20000 };

static void *authenticate(void *state)
{
    prt_login *login = state;
    uint32_t answered = 0;
    while (answered < LOGINS) {
        prt_client_login asked;
        if (prt_login_hear(login, &asked) == 0) {
            continue;
        }
        EXPECT(asked.connection == answered);
        EXPECT(strcmp(asked.password, "SECRET") == 0);
        prt_login_verdict verdict = {asked.connection, asked.generation, asked.generation % 3 == 0};
        while (prt_login_answer(login, &verdict) == 0) {
            rb_pause();
        }
        answered++;
    }
    return NULL;
}

/* Questions and verdicts between two threads: none is lost, doubled or out of order. */
static void test_logins(void)
{
    prt_login login;
    EXPECT(prt_login_init(&login, 16) == RB_OK);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, authenticate, &login) == 0);
    uint32_t asked = 0;
    uint32_t heard = 0;
    while (heard < LOGINS) {
        prt_client_login question = {
            .connection = asked, .generation = asked * 7, .user = "ALICE", .password = "SECRET"};
        if (asked < LOGINS && prt_login_ask(&login, &question) == 1) {
            asked++;
        }
        prt_login_verdict verdict;
        if (prt_login_take(&login, &verdict) == 1) {
            EXPECT(verdict.connection == heard);
            EXPECT(verdict.good == (heard * 7 % 3 == 0));
            heard++;
        }
    }
    EXPECT(pthread_join(thread, NULL) == 0);
    /* No password is left behind. */
    const uint8_t *memory = login.question_memory;
    for (size_t n = 0; n + 6 <= rb_lane_bytes(16); n++) {
        EXPECT(memcmp(memory + n, "SECRET", 6) != 0);
    }
    prt_login_free(&login);
}

int main(void)
{
    test_outbox();
    test_orders();
    test_shuffle();
    test_turns();
    test_logins();
    return 0;
}
