#include "ports/login.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A question or verdict lies in a lane's message behind its header. */
enum { BODY_AT = 32, BODY_BYTES = 32 };

_Static_assert(sizeof(prt_client_login) <= BODY_BYTES, "fits a message");
_Static_assert(sizeof(prt_login_verdict) <= BODY_BYTES, "fits a message");

static uint32_t slots_for(uint32_t capacity)
{
    uint32_t slots = RB_LANE_CAPACITY_MIN;
    while (slots < capacity) {
        slots *= 2;
    }
    return slots;
}

static size_t whole_guards(size_t bytes)
{
    return (bytes + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
}

uint64_t prt_login_bytes(uint32_t capacity)
{
    return 2 * (uint64_t)whole_guards(rb_lane_bytes(slots_for(capacity)));
}

static void *make_lane(uint32_t capacity, rb_lane *producer, rb_lane *consumer, int32_t *status)
{
    size_t bytes = rb_lane_bytes(capacity);
    if (bytes == 0) {
        *status = RB_USAGE;
        return NULL;
    }
    size_t whole = whole_guards(bytes);
    void *memory = aligned_alloc(RB_GUARD_BYTES, whole);
    if (memory == NULL) {
        *status = RB_SYSTEM;
        return NULL;
    }
    memset(memory, 0, whole);
    *status = rb_lane_init(memory, whole, capacity, "login");
    if (*status == RB_OK) {
        *status = rb_lane_attach(producer, memory, whole);
    }
    if (*status == RB_OK) {
        *status = rb_lane_attach(consumer, memory, whole);
    }
    return memory;
}

int32_t prt_login_init(prt_login *login, uint32_t capacity)
{
    memset(login, 0, sizeof *login);
    login->question_fd = -1;
    login->verdict_fd = -1;
    uint32_t slots = slots_for(capacity);
    int32_t status = RB_OK;
    login->question_memory = make_lane(slots, &login->asking, &login->hearing, &status);
    if (status != RB_OK) {
        return status;
    }
    login->verdict_memory = make_lane(slots, &login->answering, &login->taking, &status);
    if (status != RB_OK) {
        return status;
    }
    login->question_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    login->verdict_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return login->question_fd < 0 || login->verdict_fd < 0 ? RB_SYSTEM : RB_OK;
}

void prt_login_free(prt_login *login)
{
    free(login->question_memory);
    free(login->verdict_memory);
    login->question_memory = NULL;
    login->verdict_memory = NULL;
    if (login->question_fd >= 0) {
        (void)close(login->question_fd);
    }
    if (login->verdict_fd >= 0) {
        (void)close(login->verdict_fd);
    }
    login->question_fd = -1;
    login->verdict_fd = -1;
}

void prt_login_signal(int32_t fd)
{
    uint64_t one = 1;
    /* It fails only when the count is full: then it is readable already. */
    ssize_t written = write(fd, &one, sizeof one);
    (void)written;
}

void prt_login_hush(int32_t fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    (void)got;
}

static int32_t put(rb_lane *lane, int32_t fd, const void *body, size_t bytes)
{
    if (rb_lane_room(lane, 1) == 0) {
        return 0;
    }
    memcpy((char *)rb_lane_slot(lane, 0) + BODY_AT, body, bytes);
    rb_lane_commit(lane, 1);
    prt_login_signal(fd);
    return 1;
}

static int32_t get(rb_lane *lane, void *body, size_t bytes)
{
    if (rb_lane_peek(lane, 0) == NULL) {
        return 0;
    }
    /* The slot is the consumer's until it is released: it may wipe it. */
    char *at = (char *)rb_lane_at(lane, lane->head_local) + BODY_AT;
    memcpy(body, at, bytes);
    explicit_bzero(at, bytes);
    rb_lane_release(lane, 1);
    return 1;
}

int32_t prt_login_ask(prt_login *login, const prt_client_login *question)
{
    return put(&login->asking, login->question_fd, question, sizeof *question);
}

int32_t prt_login_take(prt_login *login, prt_login_verdict *verdict)
{
    return get(&login->taking, verdict, sizeof *verdict);
}

int32_t prt_login_hear(prt_login *login, prt_client_login *question)
{
    return get(&login->hearing, question, sizeof *question);
}

int32_t prt_login_answer(prt_login *login, const prt_login_verdict *verdict)
{
    return put(&login->answering, login->verdict_fd, verdict, sizeof *verdict);
}
