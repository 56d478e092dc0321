/*
 * Takes the place of ringbus/atomics.h when the shipped C is compiled for the explorer: included
 * before everything else (-include), it claims that header's guard, and every ordered access, every
 * copy of whole words and every system call of the wake-ups goes to the explorer under the name of
 * the function that it stands in. See explorer.c.
 */
#ifndef RINGBUS_ATOMICS_H
#define RINGBUS_ATOMICS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum stepped_order { STEPPED_RELAXED, STEPPED_ACQUIRE, STEPPED_RELEASE, STEPPED_SEQ_CST };
enum stepped_change { STEPPED_ADD, STEPPED_OR, STEPPED_AND };

uint64_t stepped_load(const void *p, size_t bytes, enum stepped_order order, const char *where);
void stepped_store(void *p, size_t bytes, uint64_t value, enum stepped_order order,
                   const char *where);
uint64_t stepped_fetch(void *p, size_t bytes, enum stepped_change change, uint64_t value,
                       const char *where);
int stepped_compare_exchange(void *p, size_t bytes, uint64_t expected, uint64_t desired,
                             const char *where);
void stepped_fence(enum stepped_order order, const char *where);
void *stepped_memcpy(void *to, const void *from, size_t bytes, const char *where);
long stepped_futex(const void *p, int operation, uint32_t value, const char *where);
int stepped_socket(void);
int stepped_bind(int fd, const void *address, size_t bytes);
int stepped_epoll_add(int epoll_fd, int fd);
int stepped_close(int fd);
ssize_t stepped_send(const void *address, size_t bytes, const char *where);
ssize_t stepped_receive(int fd, const char *where);
int stepped_epoll_wait(int epoll_fd, const char *where);

#define rb_load_relaxed(p) stepped_load(p, 8, STEPPED_RELAXED, __func__)
#define rb_load_acquire(p) stepped_load(p, 8, STEPPED_ACQUIRE, __func__)
#define rb_store_relaxed(p, value) stepped_store(p, 8, value, STEPPED_RELAXED, __func__)
#define rb_store_release(p, value) stepped_store(p, 8, value, STEPPED_RELEASE, __func__)
#define rb_load_relaxed_u32(p) ((uint32_t)stepped_load(p, 4, STEPPED_RELAXED, __func__))
#define rb_load_acquire_u32(p) ((uint32_t)stepped_load(p, 4, STEPPED_ACQUIRE, __func__))
#define rb_store_release_u32(p, value) stepped_store(p, 4, value, STEPPED_RELEASE, __func__)
#define rb_fetch_add_u32(p, value) ((uint32_t)stepped_fetch(p, 4, STEPPED_ADD, value, __func__))
#define rb_fetch_or(p, value) stepped_fetch(p, 8, STEPPED_OR, value, __func__)
#define rb_fetch_and(p, value) stepped_fetch(p, 8, STEPPED_AND, value, __func__)
#define rb_compare_exchange_u32(p, expected, desired)                                              \
    stepped_compare_exchange(p, 4, expected, desired, __func__)
#define rb_fence_acquire() stepped_fence(STEPPED_ACQUIRE, __func__)
#define rb_fence_release() stepped_fence(STEPPED_RELEASE, __func__)
#define rb_fence_seq_cst() stepped_fence(STEPPED_SEQ_CST, __func__)
#define rb_ask(p) ((void)(p))
#define rb_evict(p) ((void)(p))
#define rb_pause() ((void)0)

#define memcpy(to, from, bytes) stepped_memcpy(to, from, bytes, __func__)
/* The one system call that idle.c makes by number is the futex. */
#define syscall(number, p, operation, value, timeout, p2, value3)                                  \
    stepped_futex(p, operation, value, ((void)(timeout), __func__))
#define socket(family, type, protocol) stepped_socket()
#define bind(fd, address, bytes) stepped_bind(fd, address, bytes)
#define epoll_ctl(epoll_fd, operation, fd, event) stepped_epoll_add(epoll_fd, ((void)(event), fd))
#define close(fd) stepped_close(fd)
#define sendto(fd, bytes, count, flags, address, length) stepped_send(address, length, __func__)
#define recv(fd, to, bytes, flags) stepped_receive(fd, ((void)(to), __func__))
#define epoll_wait(epoll_fd, event, limit, timeout)                                                \
    stepped_epoll_wait(epoll_fd, ((void)(event), (void)(timeout), __func__))

#endif
