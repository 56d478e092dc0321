/*
 * Answer: the lines that a book writes into its sink.
 *
 * Every line is written but for word 0, which may be the guard of a ring's slot. All of a generated
 * line is set, spare bytes to zero. For the files of the book only; room is their business.
 * Executed, Canceled and StateChanged are counted as changes of their instrument here.
 */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <string.h>

#include "engine/book.h"
#include "engine/book_state.h"
#include "engine/queue.h"
#include "ringbus/atomics.h"

/* The sink is often a ring whose lines the reader had last: they are asked for so many lines before
 * they are written, as a lane does (RB_LANE_AHEAD). */
#define ENG_SINK_AHEAD 16u

static inline rb_message *eng_sink_next(eng_sink *sink)
{
    rb_message *line = &sink->base[(sink->position + sink->count++) & sink->mask];
    /* Behind the ring's last line this is some other memory, or none. */
    rb_ask((const void *)((uintptr_t)line + ENG_SINK_AHEAD * sizeof *line));
    return line;
}

/* All but word 0, which may be a ring's guard. */
static inline void eng_line_copy(rb_message *to, const rb_message *from)
{
    memcpy(&to->words[1], &from->words[1], sizeof *to - sizeof to->words[0]);
}

/* The first line of a proposal turned round; `flags` are set in it. */
static inline rb_message *eng_answer_line(eng_sink *sink, const rb_message *message, uint8_t flags)
{
    const uint64_t given = (uint64_t)(RB_FLAG_CONTINUED | RB_FLAG_KEPT_PRIORITY) << 8;
    rb_message *line = eng_sink_next(sink);
    memcpy(&line->words[1], &message->words[1], 2 * sizeof line->words[0]);
    line->words[3] = (message->words[3] & ~given) | (uint64_t)flags << 8;
    memcpy(&line->words[4], &message->words[4], 4 * sizeof line->words[0]);
    return line;
}

/* The proposal's lines turned round; the first but for what the caller fills in. There must be room
 * for all of them. */
rb_message *eng_answer_first(eng_sink *sink, const eng_group *group);

/* Words 1 to 3 of a line that the engine made: publisher, shard and topic sequence are zero. */
static inline void eng_line_generated(rb_message *line, uint8_t template_id, uint16_t topic,
                                      uint64_t time_ns, uint32_t input)
{
    line->words[1] = time_ns;
    line->words[2] = (uint64_t)topic << (8 * (offsetof(rb_header, topic) % 8));
    line->words[3] = template_id | (uint64_t)RB_FLAG_GENERATED << 8 | (uint64_t)input << 32;
}

_Static_assert(offsetof(rb_header, time_ns) == 8, "word 1");
_Static_assert(offsetof(rb_header, topic_sequence) == 16, "word 2");
_Static_assert(offsetof(rb_header, template_id) == 24, "word 3");
_Static_assert(offsetof(rb_header, flags) == 25, "word 3");
_Static_assert(offsetof(rb_header, checksum) == 28, "word 3");

/* The whole answer of a refusal: Rejected in place of the first line, whose body it has up to
 * `side`, and the lines behind. RB_OK. */
int32_t eng_reject(eng_sink *sink, const eng_group *group, uint16_t reason);

/* Executed, Canceled and Replenished are laid out alike; `mark` is what they have at the place of
 * `liquidity` (that, the reason, or zero) and, above its first byte, at the place of `detail`. */
#define ENG_MARK_DETAIL(value) ((uint32_t)(value) << 8)
_Static_assert(offsetof(rb_executed, detail) == offsetof(rb_executed, liquidity) + 1, "mark");
_Static_assert(offsetof(rb_canceled, liquidity) == offsetof(rb_canceled, reason) + 1, "mark");
_Static_assert(offsetof(rb_executed, liquidity) == offsetof(rb_canceled, reason), "alike");
_Static_assert(offsetof(rb_executed, liquidity) == offsetof(rb_replenished, spare), "alike");
_Static_assert(offsetof(rb_executed, remaining) == offsetof(rb_canceled, remaining), "alike");
_Static_assert(offsetof(rb_executed, remaining) == offsetof(rb_replenished, remaining), "alike");

/* Whom a line is about. */
typedef struct eng_party {
    uint64_t owner; /* word 6 */
    uint32_t instrument;
    uint32_t locate;
    uint32_t remaining;
    uint16_t topic;
    uint8_t side;
} eng_party;

static inline eng_party eng_party_incoming(const eng_book *book)
{
    const eng_incoming *in = &book->incoming;
    return (eng_party){.owner = in->owner,
                       .instrument = in->instrument,
                       .locate = in->locate,
                       .remaining = in->quantity,
                       .topic = in->topic,
                       .side = in->side};
}

static inline eng_party eng_party_order(const eng_book *book, uint32_t locate)
{
    const eng_order *order = &book->orders[locate];
    return (eng_party){.owner = order->owner,
                       .instrument = order->instrument,
                       .locate = locate,
                       .remaining = eng_order_open(book, locate),
                       .topic = order->topic,
                       .side = order->side};
}

/* Writes a line and does not count it. */
static inline void eng_line_about(const eng_book *book, rb_message *line, uint8_t template_id,
                                  eng_party party, int32_t price_ticks, uint32_t quantity,
                                  uint32_t mark)
{
    rb_executed *body = &line->executed;
    eng_line_generated(line, template_id, party.topic, book->time_ns, book->input);
    body->instrument = party.instrument;
    body->price_ticks = price_ticks;
    body->quantity = quantity;
    body->locate = party.locate;
    line->words[6] = party.owner;
    line->words[7] = party.side | (uint64_t)mark << 8 | (uint64_t)party.remaining << 32;
}

_Static_assert(offsetof(rb_executed, client_order_id) == 48, "word 6");
_Static_assert(offsetof(rb_executed, side) == 56, "word 7");
_Static_assert(offsetof(rb_executed, liquidity) == 57, "word 7");
_Static_assert(offsetof(rb_executed, remaining) == 60, "word 7");

static inline void eng_count_change(eng_book *book, uint32_t instrument, uint8_t template_id)
{
    if (template_id != RB_TEMPLATE_REPLENISHED) {
        book->ladders[instrument].changes++;
    }
}

/* A line about the incoming order; what remains of it is `incoming.quantity`. */
static inline void eng_answer_incoming(eng_book *book, eng_sink *sink, uint8_t template_id,
                                       int32_t price_ticks, uint32_t quantity, uint32_t mark)
{
    eng_line_about(book, eng_sink_next(sink), template_id, eng_party_incoming(book), price_ticks,
                   quantity, mark);
    eng_count_change(book, book->incoming.instrument, template_id);
}

/* A line about an order with a record; what remains of it is its open quantity. */
static inline void eng_answer_order(eng_book *book, eng_sink *sink, uint8_t template_id,
                                    uint32_t locate, int32_t price_ticks, uint32_t quantity,
                                    uint32_t mark)
{
    eng_line_about(book, eng_sink_next(sink), template_id, eng_party_order(book, locate),
                   price_ticks, quantity, mark);
    eng_count_change(book, book->orders[locate].instrument, template_id);
}

/* Canceled for all that is left of the incoming order; it is done. Its record is not released. */
void eng_answer_incoming_canceled(eng_book *book, eng_sink *sink, uint8_t reason);

/* Canceled for the whole of an order; it is unlinked and released. `mark`: the reason, and more. */
int32_t eng_answer_order_canceled(eng_book *book, eng_sink *sink, uint32_t locate, uint32_t mark);

/* StateChanged, on the topic of the proposal's first line. The state itself is the caller's. */
void eng_answer_state(eng_book *book, eng_sink *sink, uint16_t topic, uint32_t instrument,
                      uint8_t before, uint8_t after);

#endif
