#include "tests/bench/board.h"

#include <string.h>
#include <sys/resource.h>

board *table;
setting set = {.messages = 1 << 22, .trips = 100000, .reader_cpu = 1};

static uint64_t switches_at_start;
static int disturbed;
static int spoiled; /* a stream that was given up */

enum { STREAM_GOES_MAX = 30 };

_Static_assert((int)STAMPS >= (int)BARE_TRIPS, "samples has room");

/* A process that spins gives its CPU to nobody: each switch is another job's doing. */
static uint64_t switches(void)
{
    struct rusage usage;
    EXPECT(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)usage.ru_nivcsw;
}

void board_open(void)
{
    table = shared(sizeof *table);
    set.samples = calloc(set.trips > STAMPS ? set.trips : STAMPS, sizeof *set.samples);
    EXPECT(set.samples != NULL);
    for (uint64_t n = 0; n < BATCH; n++) {
        for (uint64_t i = 1; i < 8; i++) {
            set.work[n].words[i] = n * 8 + i;
        }
    }
}

void board_start(void)
{
    memset(table, 0, sizeof *table);
}

pid_t board_fork(void)
{
    pid_t child = fork_bound();
    if (child == 0) {
        pin(set.reader_cpu);
    }
    return child;
}

void board_ready(void)
{
    switches_at_start = switches();
    rb_store_release(&table->ready, table->ready + 1);
}

void board_wait_ready(uint64_t count)
{
    while (rb_load_acquire(&table->ready) < count) {
    }
    switches_at_start = switches();
}

void board_leave(int reader)
{
    table->readers[reader].switches = switches() - switches_at_start;
    _exit(0);
}

void board_reap(pid_t child)
{
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(status == 0);
    disturbed |= switches() != switches_at_start;
    disturbed |= table->readers[0].switches != 0;
}

int board_was_disturbed(void)
{
    int was = disturbed | spoiled;
    disturbed = 0;
    spoiled = 0;
    return was;
}

int board_again(int *goes)
{
    if (!disturbed) {
        return 0;
    }
    disturbed = 0;
    spoiled |= ++*goes == STREAM_GOES_MAX;
    return *goes < STREAM_GOES_MAX;
}

double rate(uint64_t count, uint64_t start_ns, uint64_t end_ns)
{
    return (double)count * 1e3 / (double)(end_ns - start_ns);
}
