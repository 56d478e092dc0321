/*
 * Replay: the stream from any message on, from the journal's files and then live from the ring.
 *
 * One call for every reader. It prefers the ring; what the ring no longer has comes from the files
 * of any journal that has it whole, and when those are exhausted it is on the ring again. It never
 * yields a message twice, leaves one out, or yields one whose checksum is wrong.
 *
 * Who: one thread a handle, read-only on everything. Progress: bounded by `limit` a call; reads
 * files with pread only while it is behind. Crash: nothing to lose.
 */
#ifndef RINGBUS_REPLAY_H
#define RINGBUS_REPLAY_H

#include "ringbus/journal.h"
#include "ringbus/multicast.h"

#define RB_REPLAY_BATCH 512u
#define RB_REPLAY_DIRECTORIES 4u

/* cffi: struct rb_replay */
typedef struct rb_replay {
    rb_reader reader;
    uint32_t has_ring;
    int32_t file; /* < 0: none open */
    uint64_t file_index;
    uint64_t segment_messages;
    uint64_t from_files; /* messages that came from files */
    uint32_t directory_count;
    uint32_t directory; /* that is read from */
    char directories[RB_REPLAY_DIRECTORIES][RB_JOURNAL_PATH_BYTES];
} rb_replay;

/* cffi: begin */
/* `ring` may be NULL: files only. `directory` may be "": ring only. `next` is wanted first (>= 1).
 */
int32_t rb_replay_attach(rb_replay *replay, const void *ring, size_t ring_bytes,
                         const char *directory, uint64_t segment_messages, uint64_t next);
/* Another journal of the same stream, asked when those before it do not have a message whole.
 * RB_USAGE, RB_FULL: four are there. */
int32_t rb_replay_add(rb_replay *replay, const char *directory);
/* Copies up to `limit` messages, oldest first. 0: nothing new. RB_LAPPED: the ring has lost what
 * the files do not have (yet). RB_CHECKSUM: the next message is damaged or missing in the files,
 * and others come behind it. RB_SYSTEM. */
int64_t rb_replay_poll(rb_replay *replay, void *out, int64_t limit);
/* Copies the one message `sequence`, from wherever it is, without moving. 1; 0: it is nowhere yet;
 * RB_LAPPED: gone from the ring, and not whole in the files. */
int64_t rb_replay_get(rb_replay *replay, uint64_t sequence, void *out);
/* Its reader of the ring, for rb_readers_join. */
void *rb_replay_reader(rb_replay *replay);
uint64_t rb_replay_next(const rb_replay *replay);
uint64_t rb_replay_from_files(const rb_replay *replay);
/* Messages published that this reader has not had yet; 0 without a ring. */
uint64_t rb_replay_lag(const rb_replay *replay);
void rb_replay_close(rb_replay *replay);
/* cffi: end */

#endif
