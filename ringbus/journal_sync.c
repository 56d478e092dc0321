/* What the syncing thread does, beside the agent that writes (ringbus/journal.c). */

#include <fcntl.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "ringbus/atomics.h"
#include "ringbus/journal.h"

/* Of a pause in which nobody is heard but who says that it is over. */
enum { GATHER_STEP_US = 20000 };

/* Says in a file's header what the sync before this one has made durable; a predecessor may have
 * said more. */
static int32_t note(int file, uint64_t durable)
{
    if (durable <= rb_journal_noted(file)) {
        return RB_OK;
    }
    off_t at = (off_t)offsetof(rb_journal_header, durable);
    return pwrite(file, &durable, sizeof durable, at) == (ssize_t)sizeof durable ? RB_OK
                                                                                 : RB_SYSTEM;
}

int64_t rb_journal_sync(rb_journal *journal)
{
    /* J2 acquire; pairs with J1: all up to written has been handed to the kernel. */
    uint64_t written = rb_load_acquire(&journal->written);
    uint64_t durable = rb_load_relaxed(&journal->durable);
    if (written <= durable) {
        return (int64_t)durable;
    }
    /* By name, not by the writer's descriptor, which it may close meanwhile. */
    for (uint64_t index = journal->synced_index; index <= (written - 1) / journal->segment_messages;
         index++) {
        char path[RB_JOURNAL_PATH_BYTES + 32];
        int32_t status = rb_journal_path(journal->directory, journal->segment_messages,
                                         index * journal->segment_messages + 1, path, sizeof path);
        if (status != RB_OK) {
            return status;
        }
        int file = open(path, O_RDWR | O_CLOEXEC);
        if (file < 0) {
            return RB_SYSTEM;
        }
        int failed = note(file, durable) != RB_OK || fdatasync(file) != 0;
        (void)close(file);
        if (failed != 0) {
            return RB_SYSTEM;
        }
        journal->synced_index = index;
    }
    rb_store_release(&journal->durable, written);
    return (int64_t)written;
}

/* Lets messages gather, deaf to bells, so that none is rung for each of them. */
static void gather(uint32_t left_us, const uint32_t *stop)
{
    while (left_us > 0 && rb_load_relaxed_u32(stop) == 0) {
        uint32_t part_us = left_us < GATHER_STEP_US ? left_us : GATHER_STEP_US;
        struct timespec pause = {.tv_nsec = (long)part_us * 1000};
        (void)nanosleep(&pause, NULL);
        left_us -= part_us;
    }
}

int32_t rb_journal_keep(rb_journal *journal, void *idle, void *marks, uint32_t place,
                        uint64_t bells, uint32_t gather_us, const uint32_t *stop)
{
    /* What a predecessor wrote may not have been synced: it is before anything is promised. */
    int64_t said = -1;
    rb_clock clock = {.mode = RB_CLOCK_REAL};
    /* relaxed: the flag carries nothing; whoever sets it rings. */
    while (rb_load_relaxed_u32(stop) == 0) {
        uint64_t before_ns = rb_clock_read(&clock);
        int64_t durable = rb_journal_sync(journal);
        if (durable < 0) {
            return (int32_t)durable;
        }
        int64_t news = durable != said;
        uint64_t after_ns = rb_clock_read(&clock);
        if (news && said >= 0 && journal->syncs != NULL && after_ns >= before_ns) {
            rb_histogram_record(journal->syncs, after_ns - before_ns);
        }
        if (news) {
            int32_t status = rb_marks_set(marks, place, (uint64_t)durable);
            if (status != RB_OK) {
                return status;
            }
            said = durable;
            rb_idle_ring(idle, bells, 0);
        }
        (void)rb_idle_step(idle, news);
        if (news) {
            gather(gather_us, stop);
        }
    }
    return RB_OK;
}
