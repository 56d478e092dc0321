/*
 * Idle: what a core does when none of its agents has work, and how others wake it.
 *
 * Four strategies: spin (bare metal: one CPU a core, lowest latency), yield (spin a while, then
 * give the CPU to whoever wants it), park (spin a while, then sleep in the kernel until a bell
 * rings), adaptive (park, but the while follows what the last waits took).
 *
 * Adaptive spins for as long as a sleep and a wake-up cost (spin_ns) while waits are expected to be
 * shorter than that, and a sixteenth of it while they are not: it never spends more than about
 * twice what knowing the future would. What is expected is a running mean over about eight waits.
 * A wait that was slept through has taken up to spin_ns longer than what it waited for, so that
 * much is taken off it; otherwise who has once begun to sleep would never see a short wait again.
 *
 * Bells are in shared memory: one line per core and one bitmap of the cores that are asleep or
 * about to be. They are an eventcount, which cannot lose a wake-up:
 *
 *     sleeper                                    waker
 *       key = bell.rings                           publish the message
 *       sleeping |= me                             full fence                   (I2)
 *       full fence                 (I1)            if sleeping & mask:
 *       look for work once more                        rings += 1, wake
 *       if none: wait until rings != key
 *       sleeping &= ~me
 *
 * Either the sleeper's second look sees the message, or the waker sees the sleeper's bit: I1 and I2
 * are both full fences, so the two cannot miss each other. A full fence costs the waker
 * about as much as a cache hit in L2, and it is paid once a round, not once a message.
 *
 * A core that also waits for sockets sleeps in epoll_wait instead of on a futex; its bell is then a
 * datagram to an abstract Unix socket that is part of its epoll set. That name is gone with the
 * process.
 *
 * No message needs a timeout. Who waits for room does, since nobody rings when there is some: it
 * says so, and looks again after a millisecond. So do timers and heartbeats: who sleeps looks up
 * every 50 ms, or when a timer that he was told of is due. An idle exchange then costs a fraction
 * of what it would with a millisecond for ever (make bench-idle).
 *
 * Who: a bell is owned by one process; anybody permitted rings. Crash: a dead sleeper leaves its
 * bit set, which costs the wakers a system call each until its successor claims the bell. Source:
 * Vyukov's eventcount; futex(2).
 */
#ifndef RINGBUS_IDLE_H
#define RINGBUS_IDLE_H

#include "ringbus/clock.h"
#include "ringbus/layout.h"

#define RB_BELLS_MAX 64u

enum rb_bell_kind {
    RB_BELL_FREE = 0,
    RB_BELL_FUTEX = 1,
    RB_BELL_SOCKET = 2,
};

typedef struct rb_bell {
    RB_ALIGNED uint32_t
        rings;     /* owner: any waker (atomic add); waited on by the owner of the bell */
    uint32_t kind; /* enum rb_bell_kind */
    uint32_t pid;
    uint32_t reserved;
    char name[32];
} rb_bell;

typedef struct rb_bells_shared {
    rb_layout layout;
    RB_ALIGNED uint64_t
        sleeping; /* owner: every core its own bit (atomic or/and); read by wakers */
    RB_ALIGNED uint64_t stream_readers; /* bit: this bell wants to hear of every published batch */
    rb_bell bells[RB_BELLS_MAX];
} rb_bells_shared;

/* What an agent's round has to ring at its end; the core does it for all its agents at once. */
typedef struct rb_wake {
    uint64_t mask;   /* bells */
    uint32_t stream; /* nonzero: all stream readers too */
    uint32_t soon;   /* nonzero: not to be rung, but to look again soon: something waits for room */
} rb_wake;

/* cffi: begin */
enum rb_idle_strategy {
    RB_IDLE_SPIN = 0,
    RB_IDLE_YIELD = 1,
    RB_IDLE_PARK = 2,
    RB_IDLE_ADAPTIVE = 3
};

/* cffi: end */
/* cffi: struct rb_idle */
typedef struct rb_idle {
    uint32_t strategy;   /* enum rb_idle_strategy */
    uint32_t bell;       /* index of our bell */
    uint32_t spin_ns;    /* without work before it yields or parks */
    uint32_t spinning;   /* idle_since_ns is set */
    uint32_t timeout_us; /* a parked core looks up all the same, for timers and heartbeats */
    uint32_t sleep_us;   /* how long the next sleep is at most */
    uint32_t asked_us;   /* what the last sleep was to be at most */
    uint32_t key;
    int32_t epoll_fd; /* < 0: wait on the futex */
    int32_t socket_fd;
    int32_t sender_fd; /* to ring bells that are sockets; opened at first use */
    uint32_t announced;
    uint32_t slept; /* in this wait */
    uint64_t idle_since_ns;
    uint64_t expected_ns; /* adaptive: mean of the last waits */
    uint64_t due_ns;      /* when it has to look up at the latest, 0: nobody said so */
    rb_clock clock;
    uint64_t parks; /* times it slept */
    uint64_t wakes; /* wake-ups sent */
    rb_bells_shared *shared;
} rb_idle;

/* cffi: begin */
size_t rb_bells_bytes(void);
int32_t rb_bells_init(void *memory, size_t bytes, const char *name);
/* Claims the bell `name`, a free one or that of a dead predecessor. `epoll_fd` < 0 or the epoll set
 * in which this core waits. `stream_reader`: ring it at every published batch. RB_FULL, RB_USAGE.
 */
int32_t rb_idle_attach(rb_idle *idle, void *bells, size_t bytes, const char *name,
                       uint32_t strategy, int32_t epoll_fd, uint32_t stream_reader);
/* Gives the bell back and closes its socket. */
void rb_idle_close(rb_idle *idle);
/* Index of the bell called `name`, or RB_UNKNOWN. */
int64_t rb_bells_find(const void *bells, const char *name);
/* Bell n of RB_BELLS_MAX as a watcher sees it: 1 and the pid of its owner, or 0 if it is free. */
int32_t rb_bells_get(const void *bells, uint32_t n, uint32_t *pid);
/* Frees bell n, whose process is known to be dead. */
int32_t rb_bells_reclaim(void *bells, uint32_t n);
/* One step of waiting; `work` is what the round did (> 0: back to spinning). Returns 1 if the
 * caller must look for work once more before the next call (it is about to sleep). */
int32_t rb_idle_step(rb_idle *idle, int64_t work);
/* Wakes the sleeping among `mask`, and the stream readers if `stream`; after publishing. */
void rb_idle_ring(rb_idle *idle, uint64_t mask, uint32_t stream);
uint32_t rb_idle_bell(const rb_idle *idle);
uint64_t rb_idle_parks(const rb_idle *idle);
uint64_t rb_idle_wakes(const rb_idle *idle);
/* How long a parked core sleeps at most; 50,000 us unless set. */
void rb_idle_set_timeout(rb_idle *idle, uint32_t timeout_us);
/* The next sleep is a millisecond at most: something waits for room. */
void rb_idle_look_soon(rb_idle *idle);
/* It looks up at `due_ns` (of the kernel's clock) at the latest, once; the earliest of several. */
void rb_idle_wake_at(rb_idle *idle, uint64_t due_ns);
/* How long it looks for work before it yields or parks; 10,000 ns unless set. Adaptive: at most,
 * and what a sleep and a wake-up cost; 40,000 ns unless set. */
void rb_idle_set_spin(rb_idle *idle, uint32_t spin_ns);
/* cffi: end */

#endif
