/*
 * Journal: the stream in segment files, written by a gating reader or a lossy one.
 *
 * A segment file holds a 4,096-byte header and 2^k messages; message `sequence` is message
 * (sequence - 1) % 2^k of file (sequence - 1) / 2^k: its place is arithmetic. Files are allocated
 * whole before the first message, so that a full disk is found before a message depends on it, and
 * filled with one write per batch, by a gating reader straight from the ring. A lossy one holds
 * nobody up: what the ring has lost meanwhile it copies from another journal's files. What is
 * written survives the process; what is below `durable` survives the host (fdatasync, grouped, by
 * whoever calls rb_journal_sync or rb_journal_keep).
 *
 * Recovery reads the last two files forward to the first message that is not whole (sequence or
 * checksum wrong), and goes on there: a torn tail is overwritten. A whole message anywhere behind
 * it, a file that is missing, or one that is not full though others follow, is damage and an error.
 * Unless it lies above what the header says was durable: there a host that dies leaves any pages it
 * likes, and nobody was promised anything. Each sync notes in the header what the one before it
 * achieved, so the note is never ahead of the disk.
 *
 * Who: attach and work from one thread; sync and keep from any one other thread; the written and
 * durable marks are read by anybody. Crash: at any instruction, the files up to the last whole
 * message stay; the gate keeps the writer from overwriting what was not written here.
 */
#ifndef RINGBUS_JOURNAL_H
#define RINGBUS_JOURNAL_H

#include "ringbus/core.h"
#include "ringbus/histogram.h"
#include "ringbus/marks.h"
#include "ringbus/multicast.h"

#define RB_JOURNAL_HEADER_BYTES 4096u
#define RB_JOURNAL_BATCH 1024
#define RB_JOURNAL_PATH_BYTES 512u
#define RB_JOURNAL_SEGMENT_MIN (1u << 10)
#define RB_JOURNAL_SEGMENT_MAX (1u << 26)

typedef struct rb_journal_header {
    rb_layout layout; /* kind journal, capacity: messages in this file */
    uint64_t first;   /* sequence of its first message */
    uint64_t durable; /* all up to here was durable when this was written: the truth or less */
} rb_journal_header;

/* cffi: struct rb_journal */
typedef struct rb_journal {
    rb_reader reader;         /* gating, unless there is a source */
    struct rb_replay *source; /* of a lossy journal; NULL: it is the gate that reads */
    char directory[RB_JOURNAL_PATH_BYTES];
    char name[32];
    uint64_t segment_messages;
    int32_t file; /* < 0: none open */
    uint64_t file_index;
    uint64_t written;      /* last sequence in the files; atomic: read by the syncing thread */
    uint64_t durable;      /* last sequence that was synced; atomic */
    uint64_t synced_index; /* sync thread: files below it are synced and closed */
    rb_wake *wake;         /* of the core; may be NULL */
    uint64_t sync_bell;    /* mask of the syncing thread's bell */
    rb_clock clock;        /* of the core's thread */
    rb_histogram *hop;     /* publisher to journal; may be NULL */
    rb_histogram *syncs;   /* what a sync takes, by its thread; may be NULL */
} rb_journal;

/* cffi: begin */
/* Opens `directory` (which exists), recovers, and claims the gate `name`. `segment_messages`: a
 * power of two, 2^10..2^26. RB_USAGE, RB_SYSTEM; RB_SCHEMA and the like: a file was laid out
 * otherwise; RB_CHECKSUM, RB_TORN: damage; RB_SEQUENCE: a file is missing, or the files are ahead
 * of the ring; RB_LAPPED: the ring no longer has what the files lack. On an error, message
 * rb_journal_written + 1 is the one concerned, and the gate stays claimed: nothing is overwritten
 * that was not recorded. */
int32_t rb_journal_attach(rb_journal *journal, const char *directory, uint64_t segment_messages,
                          const void *ring, size_t ring_bytes, void *readers, size_t readers_bytes,
                          const char *name);
/* The same without a gate, for rb_journal_follow. */
int32_t rb_journal_open(rb_journal *journal, const char *directory, uint64_t segment_messages,
                        const char *name);
/* A lossy journal's source: an rb_replay of the ring and of other journals' files that wants
 * message `written` + 1 next. Kept by the caller. RB_USAGE: it wants another one; RB_SEQUENCE: the
 * files are ahead of the ring. */
int32_t rb_journal_follow(rb_journal *journal, void *replay);
/* The agent: writes what is on the ring, up to `limit` batches. RB_SYSTEM; RB_LAPPED: the writer
 * had overtaken this journal before its gate held (claim it before the first message), or nobody
 * has what a lossy one lacks. */
int64_t rb_journal_work(void *journal, int64_t limit);
void *rb_journal_work_function(void);
/* Makes everything written so far durable. Returns the durable sequence. RB_SYSTEM. */
int64_t rb_journal_sync(rb_journal *journal);
/* Which of RB_READERS_MAX gates is its. */
int64_t rb_journal_gate(const rb_journal *journal);
uint64_t rb_journal_written(const rb_journal *journal);
/* The bell of the syncing thread: `wake` of the core is told to ring it when something was written.
 */
void rb_journal_tell(rb_journal *journal, void *wake, uint64_t sync_bell);
/* Records how long after the publisher the files have a message (the first of each write, where it
 * was stamped), and how long each sync takes. Either may be NULL. */
void rb_journal_measure(rb_journal *journal, void *hop, void *syncs);
/* The syncing thread's loop: makes durable what was written, says so in `place` of `marks`, and
 * rings `bells`, until *stop is not zero. So a sync that takes long carries all that was written
 * meanwhile; where nobody waits for it, what comes in the next `gather_us` is left to gather.
 * `idle` is its own, parking, and rung by rb_journal_tell. RB_OK, RB_SYSTEM. */
int32_t rb_journal_keep(rb_journal *journal, void *idle, void *marks, uint32_t place,
                        uint64_t bells, uint32_t gather_us, const uint32_t *stop);
void rb_journal_close(rb_journal *journal);
/* Writes `count` whole messages, from `sequence` on, into their places in the files of a journal
 * that is at rest, and syncs them; a file that is missing is made. For repair. RB_CHECKSUM: one is
 * not whole; RB_USAGE, RB_SYSTEM, and what rb_layout_verify returns. */
int32_t rb_journal_restore(const char *directory, uint64_t segment_messages, const char *name,
                           uint64_t sequence, const void *messages, int64_t count);
/* Whether an open segment file is whole in its header and begins with message `first`. RB_TORN,
 * RB_SEQUENCE, RB_SYSTEM, and what rb_layout_verify returns. Any thread. */
int32_t rb_journal_verify(int32_t file, uint64_t segment_messages, uint64_t first);
/* What the header of an open segment file says was durable; 0: it cannot be read. Any thread. */
uint64_t rb_journal_noted(int32_t file);
/* Path of the segment file that holds `sequence`; `out` has `room` bytes. RB_SIZE. */
int32_t rb_journal_path(const char *directory, uint64_t segment_messages, uint64_t sequence,
                        char *out, size_t room);
/* cffi: end */

#endif
