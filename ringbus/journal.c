#include "ringbus/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ringbus/atomics.h"
#include "ringbus/check.h"
#include "ringbus/crc32c.h"
#include "ringbus/messages.h"
#include "ringbus/replay.h"

int32_t rb_journal_path(const char *directory, uint64_t segment_messages, uint64_t sequence,
                        char *out, size_t room)
{
    uint64_t index = (sequence - 1) / segment_messages;
    int length = snprintf(out, room, "%s/stream-%08llu.rbj", directory, (unsigned long long)index);
    return length > 0 && (size_t)length < room ? RB_OK : RB_SIZE;
}

int32_t rb_journal_verify(int32_t file, uint64_t segment_messages, uint64_t first)
{
    RB_ALIGNED rb_journal_header header;
    ssize_t got = pread(file, &header, sizeof header, 0);
    if (got != (ssize_t)sizeof header) {
        return got < 0 ? RB_SYSTEM : RB_TORN;
    }
    size_t bytes = RB_JOURNAL_HEADER_BYTES + segment_messages * sizeof(rb_message);
    int32_t status = rb_layout_verify(&header, bytes, RB_KIND_JOURNAL);
    if (status != RB_OK) {
        return status;
    }
    if (header.layout.capacity != segment_messages) {
        return RB_SIZE;
    }
    return header.first == first ? RB_OK : RB_SEQUENCE;
}

uint64_t rb_journal_noted(int32_t file)
{
    uint64_t durable = 0;
    off_t at = (off_t)offsetof(rb_journal_header, durable);
    return pread(file, &durable, sizeof durable, at) == (ssize_t)sizeof durable ? durable : 0;
}

static off_t offset_of(const rb_journal *journal, uint64_t sequence)
{
    uint64_t place = (sequence - 1) & (journal->segment_messages - 1);
    return (off_t)(RB_JOURNAL_HEADER_BYTES + place * sizeof(rb_message));
}

static size_t file_bytes(const rb_journal *journal)
{
    return RB_JOURNAL_HEADER_BYTES + journal->segment_messages * sizeof(rb_message);
}

/* The name of a new file is durable only when its directory is. */
static int32_t sync_directory(const rb_journal *journal)
{
    int directory = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return RB_SYSTEM;
    }
    int failed = fsync(directory);
    int saved = errno;
    (void)close(directory);
    errno = saved;
    return failed == 0 ? RB_OK : RB_SYSTEM;
}

/* Allocated whole and given its header under another name, so that a file of this name is complete.
 */
static int32_t make_file(const rb_journal *journal, const char *path, uint64_t first)
{
    char temporary[RB_JOURNAL_PATH_BYTES + 64];
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    int file = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return RB_SYSTEM;
    }
    RB_ALIGNED rb_journal_header header;
    memset(&header, 0, sizeof header);
    int32_t status = rb_layout_init(&header, file_bytes(journal), RB_KIND_JOURNAL,
                                    journal->segment_messages, journal->name);
    header.first = first;
    int failed = posix_fallocate(file, 0, (off_t)file_bytes(journal));
    if (status == RB_OK && failed != 0) {
        errno = failed;
        status = RB_SYSTEM;
    }
    if (status == RB_OK && (pwrite(file, &header, sizeof header, 0) != (ssize_t)sizeof header ||
                            fdatasync(file) != 0 || rename(temporary, path) != 0)) {
        status = RB_SYSTEM;
    }
    int saved = errno;
    (void)close(file);
    if (status != RB_OK) {
        (void)unlink(temporary);
        errno = saved;
    }
    return status == RB_OK ? sync_directory(journal) : status;
}

/* Opens the file that holds `sequence`, made if `make`. 1: it is not there. */
static int32_t open_file(rb_journal *journal, uint64_t sequence, int make)
{
    char path[RB_JOURNAL_PATH_BYTES + 32];
    uint64_t index = (sequence - 1) / journal->segment_messages;
    uint64_t first = index * journal->segment_messages + 1;
    int32_t status =
        rb_journal_path(journal->directory, journal->segment_messages, sequence, path, sizeof path);
    if (status != RB_OK) {
        return status;
    }
    if (journal->file >= 0 && journal->file_index == index) {
        return RB_OK;
    }
    if (access(path, F_OK) != 0) {
        if (!make) {
            return 1;
        }
        status = make_file(journal, path, first);
        if (status != RB_OK) {
            return status;
        }
    }
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return RB_SYSTEM;
    }
    status = rb_journal_verify(file, journal->segment_messages, first);
    /* A file that was cut off gets its room back. */
    int failed = status == RB_OK ? posix_fallocate(file, 0, (off_t)file_bytes(journal)) : 0;
    if (status != RB_OK || failed != 0) {
        (void)close(file);
        errno = failed != 0 ? failed : errno;
        return status != RB_OK ? status : RB_SYSTEM;
    }
    if (journal->file >= 0) {
        (void)close(journal->file);
    }
    journal->file = file;
    journal->file_index = index;
    return RB_OK;
}

/* Number of segment files in the directory. RB_SYSTEM. */
static int32_t count_files(const rb_journal *journal, uint64_t *count)
{
    DIR *directory = opendir(journal->directory);
    if (directory == NULL) {
        return RB_SYSTEM;
    }
    *count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, "stream-", 7) == 0 &&
            length == sizeof "stream-00000000.rbj" - 1 &&
            strcmp(entry->d_name + length - 4, ".rbj") == 0) {
            (*count)++;
        }
    }
    (void)closedir(directory);
    return RB_OK;
}

/* Whether one of the messages from `from` on is whole and in its place. */
static int any_whole(const rb_message *batch, int64_t from, int64_t count, uint64_t sequence)
{
    for (int64_t i = from; i < count; i++) {
        if (rb_messages_whole(&batch[i], 1, sequence + (uint64_t)i) == 1) {
            return 1;
        }
    }
    return 0;
}

/* Messages of the open file from `sequence` on; what a file that was cut off lacks reads as zeros.
 */
static int64_t read_batch(const rb_journal *journal, uint64_t sequence, rb_message *batch)
{
    uint64_t left = journal->segment_messages - ((sequence - 1) & (journal->segment_messages - 1));
    uint64_t count = left < RB_JOURNAL_BATCH ? left : RB_JOURNAL_BATCH;
    ssize_t got = pread(journal->file, batch, count * sizeof *batch, offset_of(journal, sequence));
    if (got < 0) {
        return RB_SYSTEM;
    }
    memset((char *)batch + got, 0, count * sizeof *batch - (size_t)got);
    return (int64_t)count;
}

/*
 * Finds the first message that is not whole in the files from `index` on, and looks at all behind
 * it: a whole one there means damage in the middle, for what a process leaves when it dies is a
 * prefix. A host that dies before a sync leaves holes too, above what was noted as durable: then
 * what is behind the first one is no part of the day.
 */
static int32_t find_tail(rb_journal *journal, uint64_t index, uint64_t files)
{
    static _Thread_local rb_message batch[RB_JOURNAL_BATCH];
    uint64_t sequence = index * journal->segment_messages + 1;
    uint64_t end = files * journal->segment_messages;
    uint64_t noted = 0;
    int torn = 0;
    int whole_behind = 0;
    while (sequence <= end) {
        int32_t status = open_file(journal, sequence, 0);
        if (status != RB_OK) {
            return status == 1 ? RB_SEQUENCE : status;
        }
        uint64_t said = rb_journal_noted(journal->file);
        noted = said > noted ? said : noted;
        int64_t count = read_batch(journal, sequence, batch);
        if (count < 0) {
            return (int32_t)count;
        }
        int64_t good = 0;
        if (!torn) {
            good = rb_messages_whole(batch, count, sequence);
            journal->written = sequence + (uint64_t)good - 1;
            torn = good < count;
        }
        whole_behind = whole_behind || (torn && any_whole(batch, good, count, sequence));
        sequence += (uint64_t)count;
    }
    return whole_behind && journal->written < noted ? RB_CHECKSUM : RB_OK;
}

/* A file that is neither the last nor the one before it was full and synced long ago: its last
 * message stands for all. */
static int32_t check_full(rb_journal *journal)
{
    rb_message last;
    uint64_t sequence = (journal->file_index + 1) * journal->segment_messages;
    ssize_t got = pread(journal->file, &last, sizeof last, offset_of(journal, sequence));
    if (got == (ssize_t)sizeof last && rb_messages_whole(&last, 1, sequence) == 1) {
        return RB_OK;
    }
    journal->written = sequence - 1;
    return got < 0 ? RB_SYSTEM : RB_CHECKSUM;
}

/* On an error, message `written` + 1 is the one that it is about. */
static int32_t recover(rb_journal *journal)
{
    uint64_t files = 0;
    int32_t status = count_files(journal, &files);
    if (status != RB_OK || files == 0) {
        return status;
    }
    for (uint64_t index = 0; index < files; index++) {
        journal->written = index * journal->segment_messages;
        status = open_file(journal, journal->written + 1, 0);
        if (status == RB_OK && index + 2 < files) {
            status = check_full(journal);
        }
        if (status != RB_OK) {
            return status == 1 ? RB_SEQUENCE : status;
        }
    }
    /* A new file is made durable at once, the end of the one before it perhaps not: both are read.
     */
    return find_tail(journal, files > 1 ? files - 2 : 0, files);
}

/* Whether the ring goes on where the files end. */
static int32_t join_ring(rb_journal *journal)
{
    uint64_t next = journal->written + 1;
    if (rb_multicast_oldest(&journal->reader) > next) {
        return RB_LAPPED;
    }
    if (journal->written > 0 && rb_multicast_peek(&journal->reader, journal->written) == NULL &&
        !rb_multicast_is_gone(&journal->reader, journal->written)) {
        return RB_SEQUENCE;
    }
    rb_multicast_release(&journal->reader, journal->written);
    return RB_OK;
}

/* A journal over `directory` with no file open and no gate. */
static int32_t prepare(rb_journal *journal, const char *directory, uint64_t segment_messages)
{
    if (directory == NULL || strlen(directory) + 32 > RB_JOURNAL_PATH_BYTES) {
        return RB_USAGE;
    }
    if (!rb_is_power_of_two(segment_messages) || segment_messages < RB_JOURNAL_SEGMENT_MIN ||
        segment_messages > RB_JOURNAL_SEGMENT_MAX) {
        return RB_USAGE;
    }
    memset(journal, 0, sizeof *journal);
    journal->file = -1;
    journal->segment_messages = segment_messages;
    memcpy(journal->directory, directory, strlen(directory) + 1);
    return RB_OK;
}

int32_t rb_journal_open(rb_journal *journal, const char *directory, uint64_t segment_messages,
                        const char *name)
{
    int32_t status = prepare(journal, directory, segment_messages);
    if (status != RB_OK || strlen(name) >= sizeof journal->name) {
        return status != RB_OK ? status : RB_USAGE;
    }
    memcpy(journal->name, name, strlen(name) + 1);
    status = recover(journal);
    if (status != RB_OK) {
        int saved = errno;
        rb_journal_close(journal);
        errno = saved;
    }
    return status;
}

int32_t rb_journal_follow(rb_journal *journal, void *replay)
{
    rb_replay *source = replay;
    if (rb_replay_next(source) != journal->written + 1) {
        return RB_USAGE;
    }
    if (source->has_ring && rb_multicast_tail(&source->reader) < journal->written) {
        return RB_SEQUENCE;
    }
    journal->source = source;
    return RB_OK;
}

int32_t rb_journal_attach(rb_journal *journal, const char *directory, uint64_t segment_messages,
                          const void *ring, size_t ring_bytes, void *readers, size_t readers_bytes,
                          const char *name)
{
    int32_t status = prepare(journal, directory, segment_messages);
    if (status != RB_OK) {
        return status;
    }
    status =
        rb_multicast_gate_attach(&journal->reader, ring, ring_bytes, readers, readers_bytes, name);
    if (status != RB_OK) {
        return status;
    }
    memcpy(journal->name, name, strlen(name) + 1);
    status = recover(journal);
    if (status == RB_OK) {
        status = join_ring(journal);
    }
    if (status != RB_OK) {
        int saved = errno;
        rb_journal_close(journal);
        errno = saved;
    }
    return status;
}

/* Messages that lie behind each other in the ring from `next` on: up to `limit`, the ring's end,
 * and the file's end. */
static uint64_t contiguous(const rb_journal *journal, uint64_t next, uint64_t limit)
{
    uint64_t mask = journal->reader.mask;
    uint64_t to_ring_end = mask + 1 - ((next - 1) & mask);
    uint64_t file_mask = journal->segment_messages - 1;
    uint64_t to_file_end = file_mask + 1 - ((next - 1) & file_mask);
    uint64_t most = to_ring_end < to_file_end ? to_ring_end : to_file_end;
    most = most < limit ? most : limit;
    uint64_t count = 0;
    while (count < most && rb_multicast_peek(&journal->reader, next + count) != NULL) {
        count++;
    }
    return count;
}

static int32_t write_all(int file, const void *bytes, size_t count, off_t offset)
{
    const char *from = bytes;
    while (count > 0) {
        ssize_t done = pwrite(file, from, count, offset);
        if (done == 0) {
            errno = ENOSPC;
            return RB_SYSTEM;
        }
        if (done < 0 && errno != EINTR) {
            return RB_SYSTEM;
        }
        if (done > 0) {
            from += done;
            offset += done;
            count -= (size_t)done;
        }
    }
    return RB_OK;
}

/* The next messages that fit into one write, in the ring itself: the gate keeps the slots from
 * being reused. 0: there are none; RB_LAPPED: they are gone. */
static int64_t next_in_place(const rb_journal *journal, uint64_t next, const rb_message **from)
{
    uint64_t count = contiguous(journal, next, RB_JOURNAL_BATCH);
    *from = &journal->reader.slots[(next - 1) & journal->reader.mask];
    return count == 0 && rb_multicast_is_gone(&journal->reader, next) ? RB_LAPPED : (int64_t)count;
}

/* The same copied from wherever they are: nobody waits for a lossy journal. */
static int64_t next_copied(const rb_journal *journal, uint64_t next, const rb_message **from)
{
    static _Thread_local rb_message batch[RB_JOURNAL_BATCH];
    uint64_t left = journal->segment_messages - ((next - 1) & (journal->segment_messages - 1));
    *from = batch;
    return rb_replay_poll(journal->source, batch,
                          (int64_t)(left < RB_JOURNAL_BATCH ? left : RB_JOURNAL_BATCH));
}

/* How long ago the publisher put it there; only what it stamps: the first line of some answers. */
static void measure(rb_journal *journal, const rb_message *line)
{
    if (journal->hop == NULL || (line->header.flags & RB_FLAG_GENERATED)) {
        return;
    }
    uint64_t stamp_ns = rb_multicast_stamp(&journal->reader, line->header.sequence);
    if (stamp_ns < line->header.time_ns) {
        return;
    }
    uint64_t now_ns = rb_clock_read(&journal->clock);
    if (now_ns >= stamp_ns) {
        rb_histogram_record(journal->hop, now_ns - stamp_ns);
    }
}

/* Writes one batch. Returns its messages, 0: there are none. */
static int64_t step(rb_journal *journal)
{
    uint64_t next = journal->written + 1;
    const rb_message *from = NULL;
    int is_lossy = journal->source != NULL;
    int64_t count =
        is_lossy ? next_copied(journal, next, &from) : next_in_place(journal, next, &from);
    if (count <= 0) {
        return count;
    }
    int32_t status = open_file(journal, next, 1);
    RB_CHECK(status != 1);
    if (status == RB_OK) {
        size_t bytes = (size_t)count * sizeof *from;
        status = write_all(journal->file, from, bytes, offset_of(journal, next));
    }
    if (status != RB_OK) {
        return status;
    }
    /* In place, once the writer has seen the gate, that is; until then it may have been torn. */
    if (!is_lossy && !rb_multicast_held(&journal->reader, next)) {
        return RB_LAPPED;
    }
    /* J1 release; pairs with J2 in rb_journal_sync. */
    rb_store_release(&journal->written, journal->written + (uint64_t)count);
    if (!is_lossy) {
        measure(journal, from);
        rb_multicast_release(&journal->reader, journal->written);
    }
    return count;
}

int64_t rb_journal_work(void *state, int64_t limit)
{
    rb_journal *journal = state;
    int64_t total = 0;
    for (int64_t batch = 0; batch < limit; batch++) {
        int64_t count = step(journal);
        if (count < 0) {
            return count;
        }
        if (count == 0) {
            break;
        }
        total += count;
    }
    if (total > 0 && journal->wake != NULL) {
        journal->wake->mask |= journal->sync_bell;
    }
    return total;
}

static int32_t restore(rb_journal *journal, uint64_t sequence, const rb_message *messages,
                       int64_t count)
{
    int64_t done = 0;
    while (done < count) {
        uint64_t next = sequence + (uint64_t)done;
        uint64_t left = journal->segment_messages - ((next - 1) & (journal->segment_messages - 1));
        int64_t part = (uint64_t)(count - done) < left ? count - done : (int64_t)left;
        int32_t status = open_file(journal, next, 1);
        if (status == RB_OK) {
            status = write_all(journal->file, messages + done, (size_t)part * sizeof *messages,
                               offset_of(journal, next));
        }
        if (status == RB_OK && fdatasync(journal->file) != 0) {
            status = RB_SYSTEM;
        }
        if (status != RB_OK) {
            return status;
        }
        done += part;
    }
    return RB_OK;
}

int32_t rb_journal_restore(const char *directory, uint64_t segment_messages, const char *name,
                           uint64_t sequence, const void *messages, int64_t count)
{
    rb_journal journal;
    int32_t status = prepare(&journal, directory, segment_messages);
    if (status != RB_OK || sequence == 0 || count < 0 || strlen(name) >= sizeof journal.name) {
        return RB_USAGE;
    }
    memcpy(journal.name, name, strlen(name) + 1);
    if (rb_messages_whole(messages, count, sequence) != count) {
        return RB_CHECKSUM;
    }
    status = restore(&journal, sequence, messages, count);
    int saved = errno;
    rb_journal_close(&journal);
    errno = saved;
    return status;
}

void *rb_journal_work_function(void)
{
    return rb_work_address(rb_journal_work);
}

void rb_journal_tell(rb_journal *journal, void *wake, uint64_t sync_bell)
{
    journal->wake = wake;
    journal->sync_bell = sync_bell;
}

void rb_journal_measure(rb_journal *journal, void *hop, void *syncs)
{
    journal->hop = hop;
    journal->syncs = syncs;
}

int64_t rb_journal_gate(const rb_journal *journal)
{
    return rb_multicast_gate(&journal->reader);
}

uint64_t rb_journal_written(const rb_journal *journal)
{
    return rb_load_acquire(&journal->written);
}

void rb_journal_close(rb_journal *journal)
{
    if (journal->file >= 0) {
        (void)close(journal->file);
        journal->file = -1;
    }
}
