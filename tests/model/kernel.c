/*
 * The system calls of the wake-ups. All are full barriers, as the kernel's are; the futex compares
 * and falls asleep in one step; no sleep ever times out, so that a lost wake-up is for ever. A
 * socket keeps SOCKET_QUEUE_MAX datagrams and refuses more.
 */
#include <errno.h>
#include <linux/futex.h>

#include "tests/model/world.h"

#undef memcpy

/* Made while the scenario is set up, so not part of the state. */
static struct {
    unsigned char address[128];
    size_t bytes;
} sockets[SOCKETS_MAX];
static uint32_t socket_count;

enum { SENDER_FD = 900, SOCKET_FD = 100 };

void kernel_forget(void)
{
    socket_count = 0;
}

static long futex_wait(uint32_t n, const void *p, uint32_t value, const char *where)
{
    suspend(STEP_SYSTEM, n, 1, where);
    memory_see_newest(n);
    value_told = memory_newest(n);
    if ((uint32_t)memory_newest(n) != value) {
        errno = EAGAIN;
        return -1;
    }
    world_now.threads[thread_now].asleep_on = p;
    world_now.threads[thread_now].woken = 0;
    suspend(STEP_ASLEEP, n, 0, where);
    world_now.threads[thread_now].asleep_on = NULL;
    world_now.threads[thread_now].woken = 0;
    return 0;
}

long stepped_futex(const void *p, int operation, uint32_t value, const char *where)
{
    uint32_t n = memory_locate(p, 4);
    memory_note(n, 0);
    suspend_mortal(where);
    if (operation == FUTEX_WAIT) {
        return futex_wait(n, p, value, where);
    }
    suspend(STEP_SYSTEM, n, 1, where);
    for (uint32_t i = 0; i < thread_count; i++) {
        thread *t = &world_now.threads[i];
        if (t->asleep_on == p && !t->woken) {
            t->woken = 1;
            return 1;
        }
    }
    return 0;
}

int stepped_socket(void)
{
    if (exploring) {
        return SENDER_FD;
    }
    return SOCKET_FD + (int)socket_count++;
}

int stepped_bind(int fd, const void *address, size_t bytes)
{
    memcpy(sockets[fd - SOCKET_FD].address, address, bytes);
    sockets[fd - SOCKET_FD].bytes = bytes;
    return 0;
}

/* Every epoll set here has the one socket that was opened with it. */
int stepped_epoll_add(int epoll_fd, int fd)
{
    (void)epoll_fd;
    (void)fd;
    return 0;
}

int stepped_close(int fd)
{
    (void)fd;
    return 0;
}

ssize_t stepped_send(const void *address, size_t bytes, const char *where)
{
    suspend_mortal(where);
    suspend(STEP_SYSTEM, NOBODY, 1, where);
    for (uint32_t i = 0; i < socket_count; i++) {
        if (sockets[i].bytes == bytes && memcmp(sockets[i].address, address, bytes) == 0 &&
            world_now.queued[i] < SOCKET_QUEUE_MAX) {
            world_now.queued[i]++;
            return 1;
        }
    }
    errno = EAGAIN;
    return -1;
}

ssize_t stepped_receive(int fd, const char *where)
{
    suspend_mortal(where);
    suspend(STEP_SYSTEM, NOBODY, 1, where);
    if (world_now.queued[fd - SOCKET_FD] == 0) {
        errno = EAGAIN;
        return -1;
    }
    world_now.queued[fd - SOCKET_FD]--;
    return 1;
}

/* The scenario passes the number of the socket as that of the set. */
int stepped_epoll_wait(int epoll_fd, const char *where)
{
    suspend_mortal(where);
    world_now.threads[thread_now].joins = (uint32_t)epoll_fd;
    suspend(STEP_WAIT, NOBODY, 1, where);
    return 1;
}
