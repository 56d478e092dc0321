/*
 * Seqlock readers: a slot is overwritten while it is copied, and the tail is told behind it.
 *
 *   writer                            reader
 *     busy mark, fence (M3)             tail (M7)
 *     payload                           guard (M5), payload, fence (M4), guard
 *     sequence (M2)                       of the message a lap behind the one being written,
 *     announce: tail (M6)                 and of the last that the tail tells
 *
 *   allowed    the older message is whole, or it is gone; the newest is whole
 *   forbidden  a message with words of another, or under another's sequence
 *   forbidden  the older one is not there yet: it was read before
 *   forbidden  the tail tells of a message that is not there
 *
 * The labels are those of ringbus/multicast.h and multicast.c.
 * usage: litmus_seqlock [trials, default 10^7]
 */
#include "ringbus/multicast.h"
#include "tests/litmus/litmus.h"

enum { SLOTS = 8, OLD_WHOLE = 0, OLD_GONE = 1, TORN = 2, OLD_MISSING = 3, NEW_MISSING = 4 };

typedef struct seqlock {
    rb_writer writer;
    rb_reader reader;
} seqlock;

static uint64_t write_one(void *state, uint64_t trial)
{
    rb_writer *writer = &((seqlock *)state)->writer;
    rb_message message;
    for (uint64_t i = 0; i < 8; i++) {
        message.words[i] = trial;
    }
    EXPECT(writer->next == trial);
    rb_multicast_publish(writer, &message);
    rb_multicast_announce(writer);
    return 0;
}

static int is_whole(const rb_message *message, uint64_t sequence)
{
    for (uint64_t i = 0; i < 8; i++) {
        if (message->words[i] != sequence) {
            return 0;
        }
    }
    return 1;
}

static uint64_t read_two(void *state, uint64_t trial)
{
    const rb_reader *reader = &((seqlock *)state)->reader;
    rb_message out;
    uint64_t result = OLD_GONE;
    /* The one in whose slot `trial` is being written; in the first lap there is none. */
    if (trial > SLOTS) {
        int64_t got = rb_multicast_get(reader, trial - SLOTS, &out);
        if (got == 0) {
            return OLD_MISSING;
        }
        if (got == 1) {
            result = is_whole(&out, trial - SLOTS) ? OLD_WHOLE : TORN;
        }
    }
    uint64_t tail = rb_multicast_tail(reader);
    if (tail == 0 || result == TORN) {
        return result;
    }
    if (tail + 1 < trial || tail > trial || rb_multicast_get(reader, tail, &out) != 1) {
        return NEW_MISSING;
    }
    return is_whole(&out, tail) ? result : TORN;
}

static int judge(void *state, uint64_t trial, uint64_t zero, uint64_t one)
{
    rb_message out;
    (void)zero;
    EXPECT(rb_multicast_get(&((seqlock *)state)->reader, trial, &out) == 1);
    EXPECT(is_whole(&out, trial));
    return (int)one;
}

int main(int argc, char **argv)
{
    static seqlock state;
    size_t bytes = rb_multicast_bytes(SLOTS);
    void *ring = litmus_memory(bytes);
    void *readers = litmus_memory(rb_readers_bytes());
    EXPECT(rb_multicast_init(ring, bytes, SLOTS, "litmus") == RB_OK);
    EXPECT(rb_readers_init(readers, rb_readers_bytes(), "litmus") == RB_OK);
    EXPECT(rb_multicast_writer_attach(&state.writer, ring, bytes, readers, rb_readers_bytes()) ==
           RB_OK);
    EXPECT(rb_multicast_reader_attach(&state.reader, ring, bytes, 1) == RB_OK);
    static litmus test = {
        .sides = {write_one, read_two},
        .judge = judge,
        .state = &state,
        .name = "seqlock readers",
        .outcomes = {"the older is whole", "the older is gone", "!a message with words of another",
                     "!the older is not there yet", "!the tail tells of what is not there"}};
    test.trials = litmus_trials(argc, argv);
    uint64_t forbidden = litmus_run(&test);
    free(readers);
    free(ring);
    return forbidden != 0;
}
