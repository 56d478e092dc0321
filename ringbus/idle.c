#include "ringbus/idle.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ringbus/atomics.h"
#include "ringbus/messages.h"
#include "ringbus/status.h"

/* About what a sleep and a wake-up cost: a wait that is shorter is not worth sleeping for, and a
 * longer spin takes the CPU from whoever we wait for when cores share CPUs. */
enum { SPIN_DEFAULT_NS = 10000, BELL_DRAIN_MAX = 64 };
/* Who looks up without a bell does it for timers that nobody named, which are late by so much at
 * most, or for room: a full lane has work for its consumer for about as long. */
enum { TIMEOUT_DEFAULT_US = 50000, SOON_US = 1000 };
/* Adaptive: 10 us of the waker and 29 us until the sleeper runs (AMD Zen 5, virtual, 2026-11). A
 * wait counts four times that at most, so that after a quiet night a dozen short ones suffice. */
enum { WAKE_COST_NS = 40000, SPIN_SHORT = 16, WAIT_MOST = 4, WAITS_MEAN = 8 };

size_t rb_bells_bytes(void)
{
    return sizeof(rb_bells_shared);
}

int32_t rb_bells_init(void *memory, size_t bytes, const char *name)
{
    if (bytes < sizeof(rb_bells_shared)) {
        return RB_SIZE;
    }
    return rb_layout_init(memory, sizeof(rb_bells_shared), RB_KIND_BELLS, RB_BELLS_MAX, name);
}

/* The address is abstract (first byte zero): it needs no file and ends with its process. */
static socklen_t bell_address(const rb_bells_shared *shared, uint32_t bell,
                              struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    int length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "ringbus.%s.bell.%u",
                          shared->layout.name, (unsigned)bell);
    return (socklen_t)(sizeof address->sun_family + 1 + (size_t)length);
}

int64_t rb_bells_find(const void *bells, const char *name)
{
    const rb_bells_shared *shared = bells;
    for (uint32_t i = 0; i < RB_BELLS_MAX; i++) {
        if (rb_load_acquire_u32(&shared->bells[i].kind) != RB_BELL_FREE &&
            strncmp(shared->bells[i].name, name, sizeof shared->bells[i].name) == 0) {
            return i;
        }
    }
    return RB_UNKNOWN;
}

static int32_t open_socket(rb_idle *idle)
{
    struct sockaddr_un address;
    socklen_t length = bell_address(idle->shared, idle->bell, &address);
    idle->socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (idle->socket_fd < 0) {
        return RB_SYSTEM;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    if (bind(idle->socket_fd, (struct sockaddr *)&address, length) != 0 ||
        epoll_ctl(idle->epoll_fd, EPOLL_CTL_ADD, idle->socket_fd, &event) != 0) {
        int saved = errno;
        (void)close(idle->socket_fd);
        idle->socket_fd = -1;
        errno = saved;
        return RB_SYSTEM;
    }
    return RB_OK;
}

int32_t rb_idle_attach(rb_idle *idle, void *bells, size_t bytes, const char *name,
                       uint32_t strategy, int32_t epoll_fd, uint32_t stream_reader)
{
    int32_t status = rb_layout_verify(bells, bytes, RB_KIND_BELLS);
    if (status != RB_OK) {
        return status;
    }
    rb_bells_shared *shared = bells;
    if (name == NULL || name[0] == '\0' || strlen(name) >= sizeof shared->bells[0].name ||
        strategy > RB_IDLE_ADAPTIVE) {
        return RB_USAGE;
    }
    memset(idle, 0, sizeof *idle);
    idle->shared = shared;
    idle->strategy = strategy;
    idle->spin_ns = strategy == RB_IDLE_ADAPTIVE ? WAKE_COST_NS : SPIN_DEFAULT_NS;
    idle->clock.mode = RB_CLOCK_REAL;
    idle->timeout_us = TIMEOUT_DEFAULT_US;
    idle->sleep_us = TIMEOUT_DEFAULT_US;
    idle->epoll_fd = epoll_fd;
    idle->socket_fd = -1;
    idle->sender_fd = -1;
    uint32_t kind = epoll_fd < 0 ? RB_BELL_FUTEX : RB_BELL_SOCKET;
    int64_t found = rb_bells_find(bells, name);
    for (uint32_t i = 0; found < 0 && i < RB_BELLS_MAX; i++) {
        if (rb_compare_exchange_u32(&shared->bells[i].kind, RB_BELL_FREE, kind)) {
            found = i;
        }
    }
    if (found < 0) {
        return RB_FULL;
    }
    rb_bell *bell = &shared->bells[found];
    memset(bell->name, 0, sizeof bell->name);
    memcpy(bell->name, name, strlen(name));
    bell->pid = (uint32_t)getpid();
    rb_store_release_u32(&bell->kind, kind);
    idle->bell = (uint32_t)found;
    uint64_t bit = UINT64_C(1) << idle->bell;
    (void)rb_fetch_and(&shared->sleeping, ~bit);
    if (stream_reader) {
        (void)rb_fetch_or(&shared->stream_readers, bit);
    } else {
        (void)rb_fetch_and(&shared->stream_readers, ~bit);
    }
    status = epoll_fd < 0 ? RB_OK : open_socket(idle);
    if (status != RB_OK) {
        int saved = errno;
        rb_idle_close(idle);
        errno = saved;
    }
    return status;
}

int32_t rb_bells_get(const void *bells, uint32_t n, uint32_t *pid)
{
    const rb_bells_shared *shared = bells;
    if (n >= RB_BELLS_MAX) {
        return RB_USAGE;
    }
    *pid = shared->bells[n].pid;
    return rb_load_acquire_u32(&shared->bells[n].kind) != RB_BELL_FREE;
}

int32_t rb_bells_reclaim(void *bells, uint32_t n)
{
    rb_bells_shared *shared = bells;
    if (n >= RB_BELLS_MAX) {
        return RB_USAGE;
    }
    uint64_t bit = UINT64_C(1) << n;
    (void)rb_fetch_and(&shared->sleeping, ~bit);
    (void)rb_fetch_and(&shared->stream_readers, ~bit);
    memset(shared->bells[n].name, 0, sizeof shared->bells[n].name);
    rb_store_release_u32(&shared->bells[n].kind, RB_BELL_FREE);
    return RB_OK;
}

void rb_idle_close(rb_idle *idle)
{
    (void)rb_bells_reclaim(idle->shared, idle->bell);
    if (idle->socket_fd >= 0) {
        (void)close(idle->socket_fd);
        idle->socket_fd = -1;
    }
    if (idle->sender_fd >= 0) {
        (void)close(idle->sender_fd);
        idle->sender_fd = -1;
    }
}

/* How long this sleep may be: until the timer that was named, if that is sooner. 0: it is due, and
 * whose it is may not have been asked since. */
static uint32_t at_most(rb_idle *idle)
{
    if (idle->due_ns == 0) {
        return idle->sleep_us;
    }
    uint64_t now_ns = rb_clock_read(&idle->clock);
    if (now_ns >= idle->due_ns) {
        idle->due_ns = 0;
        return 0;
    }
    uint64_t left_us = (idle->due_ns - now_ns) / 1000u + 1u;
    return left_us < idle->sleep_us ? (uint32_t)left_us : idle->sleep_us;
}

static void sleep_futex(const rb_idle *idle, rb_bell *bell, uint32_t sleep_us)
{
    struct timespec timeout = {.tv_sec = sleep_us / 1000000u,
                               .tv_nsec = (long)(sleep_us % 1000000u) * 1000};
    (void)syscall(SYS_futex, &bell->rings, FUTEX_WAIT, idle->key, &timeout, NULL, 0);
}

static void sleep_epoll(const rb_idle *idle, uint32_t sleep_us)
{
    struct epoll_event event;
    int timeout_ms = (int)((sleep_us + 999u) / 1000u);
    (void)epoll_wait(idle->epoll_fd, &event, 1, timeout_ms);
}

/* Level-triggered: what rang must be read, or the next sleep returns at once. */
static void drain_socket(rb_idle *idle)
{
    char byte[8];
    for (int i = 0; i < BELL_DRAIN_MAX; i++) {
        if (recv(idle->socket_fd, byte, sizeof byte, MSG_DONTWAIT) < 0) {
            break;
        }
    }
}

static int32_t announce(rb_idle *idle, rb_bell *bell, uint64_t bit)
{
    idle->key = rb_load_acquire_u32(&bell->rings);
    (void)rb_fetch_or(&idle->shared->sleeping, bit);
    /* I1 full fence; pairs with I2 in rb_idle_ring: our bit is visible before we look for messages.
     * The or alone would do on x86-64, but in the language it is no fence for the look that
     * follows. */
    rb_fence_seq_cst();
    idle->announced = 1;
    return 1;
}

static void withdraw(rb_idle *idle, uint64_t bit)
{
    if (idle->announced) {
        (void)rb_fetch_and(&idle->shared->sleeping, ~bit);
        idle->announced = 0;
        if (idle->socket_fd >= 0) {
            drain_socket(idle);
        }
    }
}

/* Whether the time to spin is not over yet. Woken for nothing, a core looks once and sleeps again.
 */
static int spins_on(rb_idle *idle)
{
    uint64_t now_ns = rb_clock_read(&idle->clock);
    if (!idle->spinning) {
        idle->spinning = 1;
        idle->idle_since_ns = now_ns;
    }
    uint64_t most_ns = idle->spin_ns;
    if (idle->strategy == RB_IDLE_ADAPTIVE && idle->expected_ns >= most_ns) {
        most_ns /= SPIN_SHORT;
    }
    return now_ns - idle->idle_since_ns < most_ns;
}

/* A wait is over: what is to be expected of the next. */
static void learn(rb_idle *idle)
{
    uint64_t waited_ns = rb_clock_read(&idle->clock) - idle->idle_since_ns;
    uint64_t cost_ns = idle->spin_ns;
    if (idle->slept) {
        waited_ns = waited_ns > cost_ns ? waited_ns - cost_ns : 0;
    }
    if (waited_ns > WAIT_MOST * cost_ns) {
        waited_ns = WAIT_MOST * cost_ns;
    }
    idle->expected_ns += waited_ns / WAITS_MEAN;
    idle->expected_ns -= idle->expected_ns / WAITS_MEAN;
    idle->slept = 0;
}

int32_t rb_idle_step(rb_idle *idle, int64_t work)
{
    uint64_t bit = UINT64_C(1) << idle->bell;
    rb_bell *bell = &idle->shared->bells[idle->bell];
    if (work > 0) {
        if (idle->strategy == RB_IDLE_ADAPTIVE && idle->spinning) {
            learn(idle);
        }
        idle->spinning = 0;
        withdraw(idle, bit);
        return 0;
    }
    if (idle->strategy == RB_IDLE_SPIN) {
        /* No pause: it takes 26 ns (AMD Zen 5, 2026-11), a fifth of a hop, and only spares a
         * sibling thread, on which nothing should run beside a spinning core. */
        return 0;
    }
    if (!idle->announced && spins_on(idle)) {
        rb_pause();
        return 0;
    }
    if (idle->strategy == RB_IDLE_YIELD) {
        (void)sched_yield();
        return 0;
    }
    if (!idle->announced) {
        return announce(idle, bell, bit);
    }
    uint32_t sleep_us = at_most(idle);
    if (sleep_us == 0) {
        withdraw(idle, bit);
        return 0;
    }
    idle->parks++;
    idle->slept = 1;
    idle->asked_us = sleep_us;
    if (idle->epoll_fd < 0) {
        sleep_futex(idle, bell, sleep_us);
    } else {
        sleep_epoll(idle, sleep_us);
    }
    idle->sleep_us = idle->timeout_us;
    withdraw(idle, bit);
    return 0;
}

static void ring_one(rb_idle *idle, uint32_t index)
{
    rb_bell *bell = &idle->shared->bells[index];
    uint32_t kind = rb_load_acquire_u32(&bell->kind);
    (void)rb_fetch_add_u32(&bell->rings, 1);
    idle->wakes++;
    if (kind == RB_BELL_FUTEX) {
        (void)syscall(SYS_futex, &bell->rings, FUTEX_WAKE, 1, NULL, NULL, 0);
        return;
    }
    if (kind != RB_BELL_SOCKET) {
        return;
    }
    if (idle->sender_fd < 0) {
        idle->sender_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    struct sockaddr_un address;
    socklen_t length = bell_address(idle->shared, index, &address);
    /* A full socket has a wake-up in it already; a missing one has no sleeper. */
    (void)sendto(idle->sender_fd, "", 1, MSG_DONTWAIT, (struct sockaddr *)&address, length);
}

void rb_idle_ring(rb_idle *idle, uint64_t mask, uint32_t stream)
{
    /* I2 full fence; pairs with I1 in announce: our messages are visible before we look for
     * sleepers. */
    rb_fence_seq_cst();
    if (stream) {
        /* relaxed: a reader sets its bit once, before it first looks at the stream. */
        mask |= rb_load_relaxed(&idle->shared->stream_readers);
    }
    uint64_t asleep = rb_load_relaxed(&idle->shared->sleeping) & mask;
    asleep &= ~(UINT64_C(1) << idle->bell);
    while (asleep != 0) {
        ring_one(idle, (uint32_t)__builtin_ctzll(asleep));
        asleep &= asleep - 1;
    }
}

uint32_t rb_idle_bell(const rb_idle *idle)
{
    return idle->bell;
}

uint64_t rb_idle_parks(const rb_idle *idle)
{
    return idle->parks;
}

uint64_t rb_idle_wakes(const rb_idle *idle)
{
    return idle->wakes;
}

void rb_idle_set_timeout(rb_idle *idle, uint32_t timeout_us)
{
    idle->timeout_us = timeout_us;
    idle->sleep_us = timeout_us;
}

void rb_idle_look_soon(rb_idle *idle)
{
    idle->sleep_us = idle->sleep_us < SOON_US ? idle->sleep_us : SOON_US;
}

void rb_idle_wake_at(rb_idle *idle, uint64_t due_ns)
{
    if (idle->due_ns == 0 || due_ns < idle->due_ns) {
        idle->due_ns = due_ns;
    }
}

void rb_idle_set_spin(rb_idle *idle, uint32_t spin_ns)
{
    idle->spin_ns = spin_ns;
}
