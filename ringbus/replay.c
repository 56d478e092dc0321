#include "ringbus/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ringbus/check.h"
#include "ringbus/crc32c.h"

int32_t rb_replay_attach(rb_replay *replay, const void *ring, size_t ring_bytes,
                         const char *directory, uint64_t segment_messages, uint64_t next)
{
    if (directory == NULL || strlen(directory) + 32 > RB_JOURNAL_PATH_BYTES || next == 0) {
        return RB_USAGE;
    }
    if (directory[0] != '\0' &&
        (!rb_is_power_of_two(segment_messages) || segment_messages < RB_JOURNAL_SEGMENT_MIN ||
         segment_messages > RB_JOURNAL_SEGMENT_MAX)) {
        return RB_USAGE;
    }
    memset(replay, 0, sizeof *replay);
    replay->file = -1;
    replay->segment_messages = segment_messages;
    replay->reader.next = next;
    if (directory[0] != '\0') {
        memcpy(replay->directories[0], directory, strlen(directory) + 1);
        replay->directory_count = 1;
    }
    if (ring == NULL) {
        return directory[0] != '\0' ? RB_OK : RB_USAGE;
    }
    replay->has_ring = 1;
    return rb_multicast_reader_attach(&replay->reader, ring, ring_bytes, next);
}

int32_t rb_replay_add(rb_replay *replay, const char *directory)
{
    if (replay->directory_count == 0 || strlen(directory) + 32 > RB_JOURNAL_PATH_BYTES) {
        return RB_USAGE;
    }
    if (replay->directory_count == RB_REPLAY_DIRECTORIES) {
        return RB_FULL;
    }
    memcpy(replay->directories[replay->directory_count++], directory, strlen(directory) + 1);
    return RB_OK;
}

static const char *current(const rb_replay *replay)
{
    return replay->directories[replay->directory];
}

/* Goes on with the files of another journal. */
static void change(rb_replay *replay)
{
    replay->directory = (replay->directory + 1) % replay->directory_count;
    rb_replay_close(replay);
}

/* Opens the file that holds `sequence`. 1: there is none (yet). */
static int32_t open_file(rb_replay *replay, uint64_t sequence)
{
    uint64_t index = (sequence - 1) / replay->segment_messages;
    if (replay->file >= 0 && replay->file_index == index) {
        return RB_OK;
    }
    char path[RB_JOURNAL_PATH_BYTES + 32];
    int32_t status =
        rb_journal_path(current(replay), replay->segment_messages, sequence, path, sizeof path);
    if (status != RB_OK) {
        return status;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? 1 : RB_SYSTEM;
    }
    status =
        rb_journal_verify(file, replay->segment_messages, index * replay->segment_messages + 1);
    if (status != RB_OK) {
        (void)close(file);
        return status;
    }
    if (replay->file >= 0) {
        (void)close(replay->file);
    }
    replay->file = file;
    replay->file_index = index;
    return RB_OK;
}

/* Messages from the file that holds `sequence`: up to `limit`, the file's end, or what is whole
 * there. */
static int64_t read_file(rb_replay *replay, uint64_t sequence, rb_message *out, int64_t limit)
{
    if (replay->directory_count == 0) {
        return 0;
    }
    int32_t status = open_file(replay, sequence);
    if (status != RB_OK) {
        return status == 1 ? 0 : status;
    }
    uint64_t place = (sequence - 1) & (replay->segment_messages - 1);
    uint64_t left = replay->segment_messages - place;
    uint64_t wanted = (uint64_t)limit < left ? (uint64_t)limit : left;
    ssize_t got = pread(replay->file, out, wanted * sizeof *out,
                        (off_t)(RB_JOURNAL_HEADER_BYTES + place * sizeof *out));
    if (got < 0) {
        return RB_SYSTEM;
    }
    return rb_messages_whole(out, got / (ssize_t)sizeof *out, sequence);
}

/* The same from whichever journal has any, beginning with the one that had the last. What is wrong
 * with them is only said when it is with all. */
static int64_t read_any(rb_replay *replay, uint64_t sequence, rb_message *out, int64_t limit)
{
    int64_t first = 0;
    for (uint32_t n = 0; n < replay->directory_count; n++) {
        int64_t got = read_file(replay, sequence, out, limit);
        if (got > 0) {
            return got;
        }
        first = n == 0 || got == 0 ? got : first;
        change(replay);
    }
    return first;
}

/* Whether the files go on behind `sequence`: with a later file, or a whole message in this one. */
static int64_t one_goes_on(rb_replay *replay, uint64_t sequence)
{
    static _Thread_local rb_message batch[RB_REPLAY_BATCH];
    char path[RB_JOURNAL_PATH_BYTES + 32];
    int32_t status = rb_journal_path(current(replay), replay->segment_messages,
                                     sequence + replay->segment_messages, path, sizeof path);
    if (status != RB_OK) {
        return status;
    }
    if (access(path, F_OK) == 0) {
        return 1;
    }
    uint64_t place = sequence & (replay->segment_messages - 1);
    if (open_file(replay, sequence) != RB_OK || place == 0) {
        return 0;
    }
    uint64_t left = replay->segment_messages - place;
    uint64_t wanted = left < RB_REPLAY_BATCH ? left : RB_REPLAY_BATCH;
    ssize_t got = pread(replay->file, batch, wanted * sizeof *batch,
                        (off_t)(RB_JOURNAL_HEADER_BYTES + place * sizeof *batch));
    for (int64_t i = 0; i < got / (ssize_t)sizeof *batch; i++) {
        if (batch[i].header.sequence == sequence + 1 + (uint64_t)i &&
            batch[i].header.checksum == rb_message_checksum(&batch[i])) {
            return 1;
        }
    }
    return got < 0 ? RB_SYSTEM : 0;
}

/* Whether all journals do: one that merely ends may have the message in a moment. */
static int64_t goes_on(rb_replay *replay, uint64_t sequence)
{
    int64_t status = 1;
    for (uint32_t n = 0; n < replay->directory_count && status == 1; n++) {
        status = one_goes_on(replay, sequence);
        change(replay);
    }
    return status;
}

/* Nothing whole at `next` in the files: not written yet, or damage? What is behind it tells. */
static int64_t nothing_there(rb_replay *replay, int64_t ring)
{
    if (replay->directory_count == 0) {
        return ring < 0 ? RB_LAPPED : 0;
    }
    uint64_t next = replay->reader.next;
    int64_t behind = goes_on(replay, next);
    if (behind < 0) {
        return behind;
    }
    if (behind == 0) {
        return ring < 0 ? RB_LAPPED : 0;
    }
    /* The journal may have written on between the two looks: then it is there now. */
    rb_message message;
    int64_t got = read_any(replay, next, &message, 1);
    if (got == 0) {
        return RB_CHECKSUM;
    }
    return got < 0 ? got : 0;
}

int64_t rb_replay_poll(rb_replay *replay, void *out, int64_t limit)
{
    if (limit <= 0) {
        return RB_USAGE;
    }
    int64_t ring = 0;
    if (replay->has_ring) {
        ring = rb_multicast_poll(&replay->reader, out, limit);
        if (ring != RB_LAPPED) {
            return ring;
        }
    }
    /* Behind the ring. The journal gates the ring, so what was overwritten is in the files. */
    int64_t got = read_any(replay, replay->reader.next, out, limit);
    if (got > 0) {
        rb_multicast_took(&replay->reader, (uint64_t)got);
        replay->from_files += (uint64_t)got;
        return got;
    }
    return got < 0 ? got : nothing_there(replay, ring);
}

int64_t rb_replay_get(rb_replay *replay, uint64_t sequence, void *out)
{
    if (sequence == 0) {
        return RB_USAGE;
    }
    int64_t ring = 0;
    if (replay->has_ring) {
        ring = rb_multicast_get(&replay->reader, sequence, out);
        if (ring != RB_LAPPED) {
            return ring;
        }
    }
    int64_t got = read_any(replay, sequence, out, 1);
    return got == 0 ? ring : got;
}

void *rb_replay_reader(rb_replay *replay)
{
    return &replay->reader;
}

uint64_t rb_replay_next(const rb_replay *replay)
{
    return replay->reader.next;
}

uint64_t rb_replay_from_files(const rb_replay *replay)
{
    return replay->from_files;
}

uint64_t rb_replay_lag(const rb_replay *replay)
{
    if (!replay->has_ring) {
        return 0;
    }
    uint64_t tail = rb_multicast_tail(&replay->reader);
    return tail >= replay->reader.next ? tail - replay->reader.next + 1 : 0;
}

void rb_replay_close(rb_replay *replay)
{
    if (replay->file >= 0) {
        (void)close(replay->file);
        replay->file = -1;
    }
}
