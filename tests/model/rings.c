/*
 * The multicast ring, litmus style: 8 slots, 8 messages published before, so that each new one
 * overwrites. Every message carries a checksum and what its sequence says it must.
 *   allowed    nothing new yet; RB_LAPPED; after a crash of the writer, its last message either
 *              whole or written again by its successor; a gate that attaches beside a running
 * writer reporting that it was lapped forbidden  a torn or stale message; a sequence twice, out of
 * order or left out without RB_LAPPED; two readers that saw different contents under one sequence;
 * once the gate holds, an unread message overwritten
 */
#include "ringbus/crc32c.h"
#include "ringbus/multicast.h"
#include "tests/model/scenarios.h"

enum { CAPACITY = 8, SEEN_MAX = 24 };

#define RING (model_arena)
#define READERS (model_arena + 8192)

static struct {
    rb_writer writer;
    rb_writer successor;
    rb_reader reader;
    rb_reader gate;
    uint64_t last; /* sequence of the last message to be published */
    uint64_t lapped;
    int64_t limit;           /* of a poll */
    uint64_t gate_seen;      /* the cursor at which the writer saw the gate, + 1 */
    uint64_t seen[SEEN_MAX]; /* by sequence: which writer's message was read */
} g;

static void check(const rb_message *message, uint64_t sequence)
{
    HOLDS(message->header.sequence == sequence);
    HOLDS(rb_messages_verify(message, 1) == 1);
    HOLDS(message->words[4] == sequence * 16);
    if (sequence < SEEN_MAX) {
        HOLDS(g.seen[sequence] == 0 || g.seen[sequence] == message->words[5]);
        g.seen[sequence] = message->words[5];
    }
}

/* Publishes up to `last` in batches; `reign` tells a writer from its successor. */
static void publish(rb_writer *writer, uint64_t last, uint64_t reign, int64_t batch)
{
    for (uint32_t attempts = 4; attempts > 0 && writer->next <= last; attempts--) {
        rb_message messages[2] = {0};
        for (uint64_t i = 0; i < 2; i++) {
            messages[i].words[4] = (writer->next + i) * 16;
            messages[i].words[5] = reign;
        }
        int64_t count = writer->next + (uint64_t)batch - 1 <= last ? batch : 1;
        HOLDS(rb_multicast_offer(writer, messages, count) >= 0);
    }
}

static void set_up(uint64_t wanted, uint64_t more)
{
    size_t bytes = rb_multicast_bytes(CAPACITY);
    HOLDS(rb_multicast_init(RING, bytes, CAPACITY, "ring") == RB_OK);
    HOLDS(rb_readers_init(READERS, rb_readers_bytes(), "readers") == RB_OK);
    HOLDS(rb_multicast_writer_attach(&g.writer, RING, bytes, READERS, rb_readers_bytes()) == RB_OK);
    HOLDS(rb_multicast_reader_attach(&g.reader, RING, bytes, wanted) == RB_OK);
    for (uint64_t i = 0; i < CAPACITY / 2; i++) {
        publish(&g.writer, (i + 1) * 2, 1, 2);
    }
    g.last = CAPACITY + more;
    g.limit = 2;
}

static void set_up_overtaken(void)
{
    set_up(1, 1 + model_depth);
}

static void set_up_fresh(void)
{
    set_up(CAPACITY + 1, 1 + model_depth);
}

static void set_up_crash(void)
{
    set_up(1, model_depth < 2 ? 1 : 2);
    g.limit = 1;
}

static void set_up_crash_fresh(void)
{
    set_up(CAPACITY + 1, 2);
}

static void write_batch(void)
{
    publish(&g.writer, g.last, 1, 2);
}

static void write_singly(void)
{
    publish(&g.writer, g.last, 1, 1);
}

static void poll_once(rb_reader *reader)
{
    rb_message out[2];
    uint64_t wanted = rb_multicast_wanted(reader);
    int64_t got = rb_multicast_poll(reader, out, g.limit);
    for (int64_t i = 0; i < got; i++) {
        check(&out[i], wanted + (uint64_t)i);
    }
    if (got == RB_LAPPED) {
        g.lapped++;
        /* Weak: a hint, which may be older than what the reader was told a moment ago. */
        uint64_t oldest = rb_multicast_oldest(reader);
        HOLDS(oldest > wanted || model_is_weak());
        rb_multicast_seek(reader, oldest > wanted ? oldest : wanted + 1);
    }
}

static void read_polling(void)
{
    for (uint32_t i = 0; i < 1 + model_depth; i++) {
        poll_once(&g.reader);
    }
}

static void read_twice(void)
{
    poll_once(&g.reader);
    poll_once(&g.reader);
}

static void succeed_writer(void)
{
    model_join(0);
    HOLDS(rb_multicast_writer_attach(&g.successor, RING, rb_multicast_bytes(CAPACITY), READERS,
                                     rb_readers_bytes()) == RB_OK);
    HOLDS(g.successor.next > CAPACITY);
    publish(&g.successor, g.last, 2, 2);
}

/* Who comes now finds the last `CAPACITY` messages, all whole. */
static void all_there(void)
{
    HOLDS(rb_multicast_tail(&g.reader) == g.last);
    for (uint64_t sequence = g.last - CAPACITY + 1; sequence <= g.last; sequence++) {
        rb_message out;
        HOLDS(rb_multicast_get(&g.reader, sequence, &out) == 1);
        check(&out, sequence);
    }
}

/* As the journal does: reads in place, and gives back. */
static void read_in_place(rb_reader *gate)
{
    uint64_t sequence = rb_multicast_wanted(gate);
    const rb_message *slot = rb_multicast_peek(gate, sequence);
    if (slot == NULL) {
        g.lapped += rb_multicast_is_gone(gate, sequence) ? 1u : 0u;
        return;
    }
    rb_message copy;
    copy.words[0] = sequence;
    for (uint64_t i = 1; i < 8; i++) {
        copy.words[i] = rb_load_relaxed(&slot->words[i]);
    }
    if (!rb_multicast_held(gate, sequence)) {
        g.lapped++;
        return;
    }
    check(&copy, sequence);
    rb_multicast_release(gate, sequence);
}

static int32_t attach_gate(void)
{
    return rb_multicast_gate_attach(&g.gate, RING, rb_multicast_bytes(CAPACITY), READERS,
                                    rb_readers_bytes(), "journal");
}

/* The writer looked for gates when message 1 was the last: one more message without looking. A gate
 * that was there and closed left its cursor behind. */
static void set_up_joining(void)
{
    set_up(1, 1 + model_depth);
    HOLDS(attach_gate() == RB_OK);
    rb_multicast_release(&g.gate, CAPACITY - 1);
    rb_multicast_gate_close(&g.gate);
    g.writer.gate_cached = 1;
}

static void write_joined(void)
{
    for (uint64_t i = 0; i < 1 + model_depth; i++) {
        uint64_t before = g.writer.gate_cached;
        uint64_t last = g.writer.next - 1;
        publish(&g.writer, last + 1, 1, 1);
        if (g.writer.gate_cached != before && g.writer.gate_cached < last) {
            g.gate_seen = g.writer.gate_cached + 1;
        }
    }
}

static void set_up_gated(void)
{
    set_up(1, 1 + model_depth);
    HOLDS(attach_gate() == RB_OK);
    g.writer.gate_cached = 0;
}

static void read_joining(void)
{
    HOLDS(attach_gate() == RB_OK);
    for (uint32_t i = 0; i < 1 + model_depth && g.lapped == 0; i++) {
        read_in_place(&g.gate);
    }
}

static void read_gated(void)
{
    for (uint32_t i = 0; i < 2 + model_depth; i++) {
        read_in_place(&g.gate);
    }
}

static void succeed_gate(void)
{
    model_join(0);
    HOLDS(attach_gate() == RB_OK);
    read_gated();
}

/* The writer saw the gate where it was, not where an earlier one had been. */
static void seen_in_place(void)
{
    HOLDS(g.gate_seen <= rb_multicast_wanted(&g.gate));
}

/* Nothing that the gate had not given back was overwritten. */
static void none_overwritten(void)
{
    HOLDS(g.lapped == 0);
    HOLDS(rb_multicast_tail(&g.reader) <= rb_load_acquire(&g.gate.gate->cursor) + CAPACITY);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        read_in_place(&g.gate);
    }
    HOLDS(rb_multicast_wanted(&g.gate) == rb_multicast_tail(&g.reader) + 1);
}

#define GHOST .ghost = &g, .ghost_bytes = sizeof g

const model_scenario model_rings[] = {
    {.name = "ring-overtaken",
     .promise = "a reader that is being overwritten gets whole messages or RB_LAPPED",
     .set_up = set_up_overtaken,
     .at_end = all_there,
     .threads = {{"writer", write_batch, 0}, {"reader", read_polling, 0}},
     .weak_depth = 2,
     GHOST},
    {.name = "ring-fresh",
     .promise = "a reader at the front gets each message whole or not yet",
     .set_up = set_up_fresh,
     .at_end = all_there,
     .threads = {{"writer", write_batch, 0}, {"reader", read_polling, 0}},
     GHOST},
    {.name = "ring-crash",
     .promise = "a writer killed anywhere: its successor goes on behind the last whole message",
     .set_up = set_up_crash,
     .at_end = all_there,
     .threads = {{"writer", write_batch, 1},
                 {"reader", read_twice, 0},
                 {"successor", succeed_writer, 0}},
     .weak_depth = 1,
     GHOST},
    {.name = "ring-crash-fresh",
     .promise = "and no reader at the front sees two messages under one sequence",
     .set_up = set_up_crash_fresh,
     .at_end = all_there,
     .threads = {{"writer", write_batch, 1},
                 {"reader", read_twice, 0},
                 {"successor", succeed_writer, 0}},
     GHOST},
    {.name = "gate-joins",
     .promise = "a gate beside a running writer: whole messages, or it learns that it was lapped",
     .set_up = set_up_joining,
     .at_end = seen_in_place,
     .threads = {{"reader", read_joining, 0}, {"writer", write_joined, 0}},
     GHOST},
    {.name = "gate-holds",
     .promise = "nothing is overwritten that a gate has not given back, its crash included",
     .set_up = set_up_gated,
     .at_end = none_overwritten,
     .threads = {{"reader", read_gated, 1},
                 {"writer", write_singly, 0},
                 {"successor", succeed_gate, 0}},
     GHOST},
    {0},
};
