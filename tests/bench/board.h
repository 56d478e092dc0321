/*
 * Board: what the processes of a leg of bench_ring tell each other, how the readers are started and
 * joined, and what all legs are run with. One process writes; it forks the readers.
 */
#ifndef TESTS_BENCH_BOARD_H
#define TESTS_BENCH_BOARD_H

#include "ringbus/layout.h"
#include "ringbus/messages.h"
#include "tests/bench/legs.h"

enum { BATCH = 64, READERS_HERE = 3, STAMPS = 20000, LARGE = 1 << 16, SMALL = 1 << 10 };

/* In memory that all share. */
typedef struct board {
    RB_ALIGNED uint64_t ready;   /* readers that are attached (atomic) */
    RB_ALIGNED uint64_t end;     /* last sequence of this leg, 0 while the writer writes */
    RB_ALIGNED uint64_t stamped; /* idle: times that the writer rang */
    RB_ALIGNED uint64_t over;    /* idle: the leg is over */
    struct {
        RB_ALIGNED uint64_t received;
        uint64_t lost;
        uint64_t ended_ns;
        uint64_t sum;
        uint64_t switches; /* times that its CPU was taken from it */
    } readers[READERS_HERE];
    RB_ALIGNED uint64_t stamps[STAMPS]; /* idle: ticks at which the writer rang */
    RB_ALIGNED uint64_t latencies[STAMPS];
    double cpu_seconds; /* idle: of the sleeper */
} board;

/* What the program was called with, and what all legs use. */
typedef struct setting {
    uint64_t messages;
    uint64_t trips;
    size_t writer_cpu;
    size_t reader_cpu;
    uint64_t *samples; /* room for `trips`, for STAMPS and for BARE_TRIPS */
    double ns_per_tick;
    rb_message work[BATCH];
} setting;

extern board *table;
extern setting set;

void board_open(void);
/* Before the readers of a leg are forked. */
void board_start(void);
/* Forks a reader, which is pinned. 0: we are it. */
pid_t board_fork(void);
/* Reader: it is attached. One at a time comes here: the writer waits for each before it forks the
 * next. */
void board_ready(void);
void board_wait_ready(uint64_t count);
/* Reader: the figures of its leg are on the board. Does not return. */
_Noreturn void board_leave(int reader);
/* Waits until a reader has left. */
void board_reap(pid_t child);
/* Whether somebody took a CPU of the writer, or of reader 0, since the last call. */
int board_was_disturbed(void);
/* Whether something should be timed again: it was disturbed, and not too often yet. */
int board_again(int *goes);
/* Millions a second. */
double rate(uint64_t count, uint64_t start_ns, uint64_t end_ns);

#endif
