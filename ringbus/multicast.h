/*
 * Multicast: one writer, any number of readers, every reader sees every message in the same order.
 *
 * A ring of records of one or several whole cache lines. Each record is a seqlock whose word is the
 * record's own first, its `sequence`: the writer marks it busy, writes the payload, then the
 * sequence; a reader copies between two looks at it. The writer never waits for a lossy reader; one
 * that is overtaken gets RB_LAPPED and the range it missed, never a torn or stale record. A gating
 * reader owns a line in a second structure (`readers`), and the writer does not overwrite what that
 * reader has not released.
 *
 * Two structures, so that a reader maps the stream read-only and can write its own cursor only.
 *
 * The exchange's messages are records of one line, sealed with a checksum: rb_multicast_offer,
 * _poll, _get, _publish, _peek, on rings that rb_multicast_init made; their attach refuses any
 * other. Records of any size, whose payload is the caller's own: rb_records_*. Both are the same
 * code (rb_record_write, and multicast_reader.c), of which the compiler makes one with the
 * size folded in.
 *
 * When a gate holds: the writer looks at the gates only when it has used up the room it saw. Before
 * a look it says in `granted` how far that look can take it; who has opened a gate and then reads
 * `granted` knows from which sequence on (rb_multicast_safe) nothing is overwritten before its own
 * release. M13 and M14 are the two halves of that handshake.
 *
 * What a reader has received, lost and how often it was overtaken it counts for itself, and shows
 * to watchers once a poll in its place: a gating reader in its gate, a lossy one in a table of its
 * own (rb_readers_join), which is of the same kind but of which the writer knows nothing. The
 * writer counts in its own line how often gates kept it waiting. So nobody pays for another's
 * statistics.
 *
 * Who: writer functions from one thread of one process; a reader handle from one thread; any number
 * of handles. Progress: the writer is wait-free but for gating readers, whose room is a return
 * value; readers are wait-free per poll. Crash: a dead writer leaves at most one slot marked busy,
 * which `rb_multicast_writer_attach` of its successor takes back; a dead lossy reader leaves
 * nothing; a dead gating reader stops the writer until its slot is attached again or closed.
 * Source: the seqlock (Boehm 2012) per slot, after Aeron's broadcast buffer.
 */
#ifndef RINGBUS_MULTICAST_H
#define RINGBUS_MULTICAST_H

#include <string.h>

#include "ringbus/atomics.h"
#include "ringbus/distance.h"
#include "ringbus/layout.h"
#include "ringbus/messages.h"
#include "ringbus/readers.h"
#include "ringbus/status.h"

#define RB_MULTICAST_CAPACITY_MIN 8u
#define RB_MULTICAST_CAPACITY_MAX (1u << 28)
/* The writer asks for the line of a slot this many messages before it writes it: readers have it,
 * and to get it back from a distant CPU takes as long as ten messages. */
#define RB_MULTICAST_AHEAD 16u
/* A record is a multiple of a line, its payload what its sequence leaves. */
#define RB_RECORD_BYTES_MAX 65536u
/* A slot that is being written holds its new sequence with this bit set. */
#define RB_SEQUENCE_BUSY (UINT64_C(1) << 63)

/* In shared memory: this, then `capacity` records of layout.record_bytes, then `capacity` stamps.
 */
typedef struct rb_multicast_shared {
    rb_layout layout;
    RB_ALIGNED uint64_t
        tail;         /* owner: writer; last sequence published, at least; read by anybody */
    uint64_t granted; /* owner: writer; last sequence it may write before it looks at the gates */
    uint64_t waits;   /* owner: writer; times that gates left it less room than it wanted */
    uint64_t writer_pid; /* owner: writer; the last one */
} rb_multicast_shared;

/* cffi: struct rb_writer */
typedef struct rb_writer {
    rb_message *slots; /* lines: record n begins at line (n - 1 & mask) * lines */
    uint64_t mask;
    uint64_t lines;       /* of a record */
    uint64_t next;        /* sequence of the next message */
    uint64_t gate_cached; /* lowest cursor of the gating readers, as last seen */
    uint64_t short_of;    /* the last look at the gates found less room than was wanted */
    uint64_t *stamps;
    rb_multicast_shared *shared;
    rb_readers_shared *readers;
} rb_writer;

/* cffi: struct rb_reader */
typedef struct rb_reader {
    const rb_message *slots;
    uint64_t mask;
    uint64_t lines; /* of a record */
    uint64_t next;  /* sequence that it wants next */
    const uint64_t *stamps;
    const rb_multicast_shared *shared;
    rb_reader_slot *gate; /* NULL: lossy */
    const rb_readers_shared *readers;
    rb_reader_slot *place; /* where it shows what follows; NULL: nowhere */
    uint64_t received;
    uint64_t lost;
    uint64_t laps;        /* times that it was overtaken */
    uint64_t behind;      /* overtaken, and not yet where the ring goes on */
    rb_distance distance; /* from the writer */
} rb_reader;

/* cffi: begin */
/* Bytes of a ring of `capacity` slots (a power of two, 8..2^28); 0 if it is not. */
size_t rb_multicast_bytes(uint64_t capacity);
int32_t rb_multicast_init(void *memory, size_t bytes, uint64_t capacity, const char *name);
/* A ring that holds nothing yet begins with `next`: what is offered first gets that sequence. For a
 * stream that goes on in other memory. RB_USAGE: 0, or there is something on it. */
int32_t rb_multicast_begin(void *ring, size_t ring_bytes, uint64_t next);

/* The same for records of `record_bytes`, a multiple of 64 up to 65536. */
size_t rb_records_bytes(uint64_t capacity, uint32_t record_bytes);
int32_t rb_records_init(void *memory, size_t bytes, uint64_t capacity, uint32_t record_bytes,
                        const char *name);

/* The one writer, or its successor: goes on behind the last whole message. */
int32_t rb_multicast_writer_attach(rb_writer *writer, void *ring, size_t ring_bytes, void *readers,
                                   size_t readers_bytes);
/* Messages that may be written now without overtaking a gating reader; looks again if below
 * `wanted`. */
uint64_t rb_multicast_room(rb_writer *writer, uint64_t wanted);
/* Copies `count` messages onto the stream with fresh sequences and checksums. Returns how many
 * fitted. */
int64_t rb_multicast_offer(rb_writer *writer, const void *messages, int64_t count);
uint64_t rb_multicast_next(const rb_writer *writer);
/* The one writer of records of any size. */
int32_t rb_records_writer_attach(rb_writer *writer, void *ring, size_t ring_bytes, void *readers,
                                 size_t readers_bytes);
/* Publishes `count` payloads of `payload_bytes` each, which lie behind each other; no checksum.
 * Returns how many fitted; RB_USAGE: a payload is larger than a record's. */
int64_t rb_records_offer(rb_writer *writer, const void *payloads, uint64_t payload_bytes,
                         int64_t count);

/* A lossy reader that wants `next` (>= 1) first. The memory may be mapped read-only. */
int32_t rb_multicast_reader_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                   uint64_t next);
/* A gating reader: claims the slot called `name` or takes it over from a dead process, whose place
 * it keeps. A new one starts at the oldest message that is still there. RB_FULL, RB_LAPPED. */
int32_t rb_multicast_gate_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                 void *readers, size_t readers_bytes, const char *name);
/* Readers of records of any size. A new gate starts at `start`, or at the oldest if that is later;
 * 0: at the oldest. */
int32_t rb_records_reader_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                                 uint64_t next);
int32_t rb_records_gate_attach(rb_reader *reader, const void *ring, size_t ring_bytes,
                               void *readers, size_t readers_bytes, const char *name,
                               uint64_t start);
/* Copies up to `limit` payloads out, behind each other, oldest first; as rb_multicast_poll. */
int64_t rb_records_poll(rb_reader *reader, void *out, uint64_t payload_bytes, int64_t limit);
/* Records from the wanted one on that lie in the ring behind each other, `limit` at most; 0: none
 * yet, RB_LAPPED: the wanted one is gone. */
int64_t rb_records_ready(const rb_reader *reader, int64_t limit);
/* First sequence from which on this reader's gate holds. */
uint64_t rb_multicast_safe(const rb_reader *reader);
/* Which of RB_READERS_MAX gates it has; RB_USAGE: it is lossy. */
int64_t rb_multicast_gate(const rb_reader *reader);
/* Gives the gate up: the writer no longer waits for it. */
void rb_multicast_gate_close(rb_reader *reader);
/* Lossy: copies up to `limit` messages out, oldest first. 0: nothing new. RB_LAPPED: `next` is no
 * longer there; the reader stays where it is until rb_multicast_seek. */
int64_t rb_multicast_poll(rb_reader *reader, void *out, int64_t limit);
/* Copies the one message `sequence`. 1; 0 if it is not there yet; RB_LAPPED if no longer; RB_USAGE:
 * 0. */
int64_t rb_multicast_get(const rb_reader *reader, uint64_t sequence, void *out);
/* Sets the sequence that is wanted next; of one that was overtaken, what is left out is lost. */
void rb_multicast_seek(rb_reader *reader, uint64_t next);
/* Goes on behind `count` messages that were got in another way: in place, or from a file. */
void rb_multicast_took(rb_reader *reader, uint64_t count);
uint64_t rb_multicast_wanted(const rb_reader *reader);
/* Last published sequence, at least. */
uint64_t rb_multicast_tail(const rb_reader *reader);
/* Oldest sequence that a reader can still hope to get. */
uint64_t rb_multicast_oldest(const rb_reader *reader);
uint64_t rb_multicast_capacity(const rb_reader *reader);
uint64_t rb_multicast_laps(const rb_reader *reader);
uint64_t rb_multicast_received(const rb_reader *reader);
uint64_t rb_multicast_lost(const rb_reader *reader);
/* How often gates kept the writer waiting, and the process of the last writer, 0 before the first.
 */
uint64_t rb_multicast_waits(const void *ring);
uint64_t rb_multicast_writer_pid(const void *ring);
/* When `sequence` was published, ns, as far as known (see rb_lane_note). */
uint64_t rb_multicast_stamp(const rb_reader *reader, uint64_t sequence);
/* Gating: done with everything up to and including `sequence`. */
void rb_multicast_release(rb_reader *reader, uint64_t sequence);
/* A lossy reader shows its statistics in `readers`, a table that has no gates: in the place called
 * `name`, a dead one's if there is one of that name. Returns which; RB_FULL, RB_USAGE. */
int64_t rb_readers_join(rb_reader *reader, void *readers, size_t readers_bytes, const char *name);
/* Gives that place back. */
void rb_readers_leave(rb_reader *reader);
/* cffi: end */

/* Whether such a ring is there, and one of the exchange's messages: its functions copy one line, so
 * a ring of larger records is not theirs. RB_OK, RB_SIZE, or as rb_layout_verify. */
int32_t rb_records_verify(const void *ring, size_t bytes);
int32_t rb_multicast_verify(const void *ring, size_t bytes);

/* Gating reader: message `sequence` in place, NULL while it is not there. Valid until released, if
 * rb_multicast_held says so after it was read: a writer that ran before the gate was there looks
 * for gates only when the room that it saw last is used up, and may still overwrite until then. */
static inline const rb_message *rb_multicast_peek(const rb_reader *reader, uint64_t sequence)
{
    const rb_message *slot = &reader->slots[(sequence - 1) & reader->mask];
    /* M1 acquire; pairs with M2 in rb_record_write. */
    return rb_load_acquire(&slot->header.sequence) == sequence ? slot : NULL;
}

/* Gating reader: whether the message `sequence` that it read in place was there until now. Of
 * several that lie behind each other the first is enough: they are overwritten in order. */
static inline int rb_multicast_held(const rb_reader *reader, uint64_t sequence)
{
    const rb_message *slot = &reader->slots[(sequence - 1) & reader->mask];
    /* M12 acquire fence; pairs with M3: had we read newer payload, we now see the busy mark. */
    rb_fence_acquire();
    /* relaxed: only compared. */
    return rb_load_relaxed(&slot->header.sequence) == sequence;
}

/* Whether message `sequence` was overwritten: a gating reader that was lapped before its gate held.
 */
static inline int rb_multicast_is_gone(const rb_reader *reader, uint64_t sequence)
{
    const rb_message *slot = &reader->slots[(sequence - 1) & reader->mask];
    /* relaxed: only compared; nothing of the message is read. */
    return (rb_load_relaxed(&slot->header.sequence) & ~RB_SEQUENCE_BUSY) > sequence;
}

/* Writer: puts one record onto the stream; there must be room. `bytes` and `lines` are constants
 * where the size is known, and fold. */
static inline __attribute__((always_inline)) void
rb_record_write(rb_writer *writer, const void *payload, size_t bytes, uint64_t lines)
{
    uint64_t *words = writer->slots[((writer->next - 1) & writer->mask) * lines].words;
    const unsigned char *from = payload;
    uint64_t ahead = (writer->next - 1 + RB_MULTICAST_AHEAD) & writer->mask;
    __builtin_prefetch(&writer->slots[ahead * lines]);
    /* relaxed: M3 below orders it before the payload. */
    rb_store_relaxed(&words[0], writer->next | RB_SEQUENCE_BUSY);
    /* M3 release fence; pairs with M4 in copy_out and M12 in rb_multicast_held: who sees new
     * payload sees the busy mark. */
    rb_fence_release();
    size_t whole = bytes / sizeof(uint64_t);
    uint64_t word = 0;
#pragma GCC unroll 8
    for (size_t i = 0; i < whole; i++) {
        memcpy(&word, from + i * sizeof word, sizeof word);
        /* relaxed: ordered by M3 before and M2 behind. */
        rb_store_relaxed(&words[i + 1], word);
    }
    if (bytes % sizeof word != 0) {
        word = 0;
        memcpy(&word, from + whole * sizeof word, bytes % sizeof word);
        /* relaxed: as above. */
        rb_store_relaxed(&words[whole + 1], word);
    }
    /* M2 release; pairs with M1 and M5: the payload is visible before its sequence. */
    rb_store_release(&words[0], writer->next);
    writer->next++;
}

/* Writer that waits for what it will publish: asks for the line of its next slot; see rb_lane_warm.
 */
static inline void rb_multicast_warm(const rb_writer *writer)
{
    rb_ask(&writer->slots[((writer->next - 1) & writer->mask) * writer->lines]);
}

/* Writer: puts one message onto the stream; there must be room. Its sequence must be `next`. */
static inline void rb_multicast_publish(rb_writer *writer, const rb_message *message)
{
    rb_record_write(writer, &message->words[1], sizeof *message - sizeof message->words[0], 1);
}

/* Writer: tells watchers and late joiners how far it is; once a batch. */
static inline void rb_multicast_announce(rb_writer *writer)
{
    /* M6 release; pairs with M7 in rb_multicast_tail: all up to tail is there. */
    rb_store_release(&writer->shared->tail, writer->next - 1);
}

#endif
