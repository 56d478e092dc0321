/*
 * Overrun: a writer that waits for nobody and readers that it laps, all of them processes, on a
 * ring that is small so that they are lapped often.
 *
 *   steady   reads as fast as it can
 *   stalled  is stopped in the middle of what it does and goes on, again and again
 *   killed   is killed in the middle of what it does; a new process goes on where it was
 *   late     joins where the stream is, again and again, and leaves
 *
 * Every reader checks that nothing it gets is torn, stale, twice or backwards; that what is
 * reported lost was really gone; and in the end that received + reported lost = sent, exactly. The
 * account of the killed one is in shared memory, a message is counted by one store, and its place
 * is what it has counted, so that its death at any instruction leaves a true account.
 *
 * usage: stress_ring [messages, default 10^9] [slots, default 1024]
 */

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ringbus/multicast.h"
#include "tests/check.h"

enum { BATCH = 32, JOINS_MAX = 1 << 20, TICK_NS = 200000 };

static uint64_t messages = 1000000000;
static uint64_t capacity = 1024;

typedef struct account {
    RB_ALIGNED uint64_t received;
    uint64_t lost;    /* the reader is at received + lost + 1 + skipped */
    uint64_t skipped; /* before it joined: neither received nor lost */
    uint64_t laps;
    uint64_t lives;
    uint64_t done;
} account;

enum { STEADY, STALLED, KILLED, LATE, READERS_HERE };

static const char *const names[] = {"steady", "stalled", "killed", "late"};

typedef struct scene {
    account accounts[READERS_HERE];
    RB_ALIGNED uint64_t attached; /* readers, atomic */
    RB_ALIGNED uint64_t written;  /* messages, at least */
    RB_ALIGNED uint64_t harmed;   /* bit of each reader that was stopped or killed once */
    void *ring;
    void *readers;
} scene;

static void *shared(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    EXPECT(memory != MAP_FAILED);
    return memory;
}

/* The writer has the first CPU that we may run on for itself, if there is another: the readers read
 * while it writes. */
static void place(int is_writer)
{
    cpu_set_t set;
    /* Nobody outlives a test that failed. */
    EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    EXPECT(sched_getaffinity(0, sizeof set, &set) == 0);
    if (CPU_COUNT(&set) < 2) {
        return;
    }
    size_t first = 0;
    while (!CPU_ISSET(first, &set)) {
        first++;
    }
    CPU_CLR(first, &set);
    if (is_writer) {
        CPU_ZERO(&set);
        CPU_SET(first, &set);
    }
    EXPECT(sched_setaffinity(0, sizeof set, &set) == 0);
}

static void rest(long length_ns)
{
    struct timespec pause = {.tv_nsec = length_ns};
    (void)nanosleep(&pause, NULL);
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

static void add(uint64_t *count, uint64_t more)
{
    rb_store_relaxed(count, *count + more);
}

/* Unthrottled, but for once in the middle, until each kind of harm was done. */
static void write_all(scene *s)
{
    rb_writer writer;
    EXPECT(rb_multicast_writer_attach(&writer, s->ring, rb_multicast_bytes(capacity), s->readers,
                                      rb_readers_bytes()) == RB_OK);
    uint64_t all = (1u << STALLED) | (1u << KILLED);
    for (uint64_t number = 1; number <= messages; number++) {
        rb_message message;
        fill(&message, number);
        EXPECT(rb_multicast_room(&writer, 1) > 0);
        rb_multicast_publish(&writer, &message);
        if (number % BATCH != 0 && number != messages) {
            continue;
        }
        rb_multicast_announce(&writer);
        rb_store_relaxed(&s->written, number);
        if (number / BATCH == messages / 2 / BATCH) {
            while (rb_load_acquire(&s->harmed) != all) {
                rest(TICK_NS);
            }
        }
    }
    _exit(0);
}

/* Lapped: what it missed, of which nothing may still be there. */
static uint64_t count_lost(rb_reader *reader)
{
    uint64_t first = rb_multicast_wanted(reader);
    uint64_t oldest = rb_multicast_oldest(reader);
    rb_message out;
    EXPECT(oldest > first);
    EXPECT(rb_multicast_get(reader, first, &out) == RB_LAPPED);
    EXPECT(rb_multicast_get(reader, oldest - 1, &out) == RB_LAPPED);
    rb_multicast_seek(reader, oldest);
    return oldest - first;
}

/* Reads until it is at `last` or has had `limit` messages. */
static void read_some(rb_reader *reader, account *mine, uint64_t last, uint64_t limit)
{
    rb_message batch[BATCH];
    uint64_t had = 0;
    while (rb_multicast_wanted(reader) <= last && had < limit) {
        uint64_t first = rb_multicast_wanted(reader);
        int64_t count = rb_multicast_poll(reader, batch, BATCH);
        if (count == RB_LAPPED) {
            add(&mine->laps, 1);
            add(&mine->lost, count_lost(reader));
            continue;
        }
        EXPECT(count >= 0);
        for (uint64_t i = 0; i < (uint64_t)count; i++) {
            EXPECT(batch[i].header.sequence == first + i);
            EXPECT(is_filled(&batch[i], first + i));
        }
        if (count == 0) {
            (void)sched_yield();
        }
        add(&mine->received, (uint64_t)count);
        had += (uint64_t)count;
    }
}

static void read_all(scene *s, int which)
{
    account *mine = &s->accounts[which];
    rb_reader reader;
    uint64_t next = mine->received + mine->lost + mine->skipped + 1;
    EXPECT(rb_multicast_reader_attach(&reader, s->ring, rb_multicast_bytes(capacity), next) ==
           RB_OK);
    if (mine->lives++ == 0) {
        rb_store_release(&s->attached, s->attached + 1);
    }
    if (which == LATE) {
        for (int join = 0; join < JOINS_MAX && rb_multicast_wanted(&reader) <= messages; join++) {
            read_some(&reader, mine, messages, capacity);
            /* Leaves, and joins again where the stream is by then. */
            uint64_t at = rb_multicast_wanted(&reader);
            uint64_t tail = rb_multicast_tail(&reader);
            EXPECT(rb_multicast_reader_attach(&reader, s->ring, rb_multicast_bytes(capacity),
                                              tail < at ? at : tail) == RB_OK);
            add(&mine->skipped, rb_multicast_wanted(&reader) - at);
            add(&mine->lives, 1);
        }
    }
    read_some(&reader, mine, messages, UINT64_MAX);
    rb_store_release(&mine->done, 1);
    _exit(0);
}

static pid_t start_reader(scene *s, int which)
{
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        place(0);
        read_all(s, which);
    }
    return child;
}

static void reap(pid_t child, int killed)
{
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    if (killed) {
        /* It may have come to its end just before. */
        EXPECT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : status == 0);
    } else {
        EXPECT(status == 0);
    }
}

/* Stops one and kills another at every tick, as long as the writer writes. */
static void harm(scene *s, pid_t *children, pid_t writer)
{
    uint64_t stalls = 0;
    for (;;) {
        int status = 0;
        pid_t ended = waitpid(writer, &status, WNOHANG);
        EXPECT(ended >= 0);
        if (ended == writer) {
            EXPECT(status == 0);
            break;
        }
        EXPECT(kill(children[STALLED], SIGSTOP) == 0);
        rest(TICK_NS);
        EXPECT(kill(children[STALLED], SIGCONT) == 0);
        stalls++;
        if (s->accounts[STALLED].received > 0) {
            (void)rb_fetch_or(&s->harmed, 1u << STALLED);
        }
        rest(TICK_NS);
        if (s->accounts[KILLED].received > 0) {
            EXPECT(kill(children[KILLED], SIGKILL) == 0);
            reap(children[KILLED], 1);
            children[KILLED] = start_reader(s, KILLED);
            (void)rb_fetch_or(&s->harmed, 1u << KILLED);
        }
    }
    EXPECT(stalls > 0);
    (void)printf("stopped and continued: %llu times\n", (unsigned long long)stalls);
}

static void report(const scene *s)
{
    uint64_t laps = 0;
    for (int i = 0; i < READERS_HERE; i++) {
        const account *a = &s->accounts[i];
        (void)printf("%-8s received %llu + lost %llu + before it joined %llu = %llu; laps %llu, "
                     "lives %llu\n",
                     names[i], (unsigned long long)a->received, (unsigned long long)a->lost,
                     (unsigned long long)a->skipped,
                     (unsigned long long)(a->received + a->lost + a->skipped),
                     (unsigned long long)a->laps, (unsigned long long)a->lives);
        EXPECT(a->done);
        EXPECT(a->received + a->lost + a->skipped == messages);
        EXPECT(a->received > 0);
        EXPECT(i == LATE || a->skipped == 0);
        laps += a->laps;
    }
    EXPECT(s->accounts[KILLED].lives > 1);
    EXPECT(laps > 0);
}

int main(int argc, char **argv)
{
    messages = argc > 1 ? strtoull(argv[1], NULL, 10) : messages;
    capacity = argc > 2 ? strtoull(argv[2], NULL, 10) : capacity;
    if (messages < 4 * BATCH || rb_multicast_bytes(capacity) == 0) {
        (void)fprintf(stderr, "usage: stress_ring [messages >= 128] [slots, a power of two]\n");
        return 2;
    }
    scene *s = shared(sizeof *s);
    s->ring = shared(rb_multicast_bytes(capacity));
    s->readers = shared(rb_readers_bytes());
    EXPECT(rb_multicast_init(s->ring, rb_multicast_bytes(capacity), capacity, "stress") == RB_OK);
    EXPECT(rb_readers_init(s->readers, rb_readers_bytes(), "stress") == RB_OK);
    pid_t children[READERS_HERE];
    for (int i = 0; i < READERS_HERE; i++) {
        children[i] = start_reader(s, i);
        while (rb_load_acquire(&s->attached) < (uint64_t)i + 1) {
            rest(TICK_NS);
        }
    }
    struct timespec start;
    EXPECT(clock_gettime(CLOCK_MONOTONIC, &start) == 0);
    pid_t writer = fork();
    EXPECT(writer >= 0);
    if (writer == 0) {
        place(1);
        write_all(s);
    }
    harm(s, children, writer);
    for (int i = 0; i < READERS_HERE; i++) {
        reap(children[i], 0);
    }
    struct timespec end;
    EXPECT(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
    report(s);
    (void)printf("%llu messages on %llu slots in %.1f s: nothing torn, nothing backwards\n",
                 (unsigned long long)messages, (unsigned long long)capacity,
                 (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
