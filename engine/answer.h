/*
 * Answer: the lines that a book writes into its sink.
 *
 * Every line is written but for word 0, which may be the guard of a ring's slot. All of a generated
 * line is set, spare bytes to zero. For book.c only; room is its business.
 */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <string.h>

#include "engine/book.h"
#include "engine/book_state.h"

static inline rb_message *eng_sink_next(eng_sink *sink)
{
    return &sink->base[(sink->position + sink->count++) & sink->mask];
}

/* All but word 0, which may be a ring's guard. */
static inline void eng_line_copy(rb_message *to, const rb_message *from)
{
    memcpy(&to->words[1], &from->words[1], sizeof *to - sizeof to->words[0]);
}

/* The first line of an answer but for what the caller fills in, and the tag behind it. */
static inline rb_message *eng_answer_first(eng_sink *sink, const rb_message *message,
                                           const rb_message *tag)
{
    rb_message *line = eng_sink_next(sink);
    eng_line_copy(line, message);
    line->header.flags &= (uint8_t)~RB_FLAG_CONTINUED;
    if (tag != NULL) {
        line->header.flags |= RB_FLAG_CONTINUED;
        eng_line_copy(eng_sink_next(sink), tag);
    }
    return line;
}

static inline void eng_line_generated(rb_header *header, uint8_t template_id, uint16_t topic,
                                      uint64_t time_ns, uint32_t input)
{
    header->time_ns = time_ns;
    header->topic_sequence = 0;
    header->topic = topic;
    header->publisher = 0;
    header->template_id = template_id;
    header->flags = RB_FLAG_GENERATED;
    header->shard = 0;
    header->reserved = 0;
    header->checksum = input;
}

static inline void eng_answer_rejected(eng_sink *sink, const rb_message *message,
                                       const rb_message *tag, uint16_t reason)
{
    /* The body's words up to `side` are laid out alike in all four templates. */
    uint8_t refused = message->header.template_id;
    rb_message *line = eng_answer_first(sink, message, tag);
    uint8_t continued = line->header.flags & RB_FLAG_CONTINUED;
    eng_line_generated(&line->header, RB_TEMPLATE_REJECTED, message->header.topic,
                       message->header.time_ns, message->header.checksum);
    line->header.flags |= continued;
    line->rejected.refused_template = refused;
    line->rejected.reason = reason;
    line->rejected.spare = 0;
}

_Static_assert(offsetof(rb_rejected, side) == offsetof(rb_new_order, side), "echoed");
_Static_assert(offsetof(rb_rejected, side) == offsetof(rb_cancel, side), "echoed");
_Static_assert(offsetof(rb_rejected, side) == offsetof(rb_replace, side), "echoed");

static inline void eng_answer_incoming(eng_sink *sink, const eng_incoming *in, int32_t price_ticks,
                                       uint32_t quantity)
{
    rb_executed *line = &eng_sink_next(sink)->executed;
    eng_line_generated(&line->header, RB_TEMPLATE_EXECUTED, in->topic, in->time_ns, in->input);
    line->instrument = in->instrument;
    line->price_ticks = price_ticks;
    line->quantity = quantity;
    line->locate = in->locate;
    line->client_order_id = in->client_order_id;
    line->account = in->account;
    line->firm = in->firm;
    line->side = in->side;
    line->liquidity = RB_LIQUIDITY_REMOVED;
    line->spare = 0;
    line->remaining = in->quantity;
}

static inline void eng_answer_resting(eng_sink *sink, const eng_incoming *in,
                                      const eng_order *order, uint32_t locate, uint32_t quantity)
{
    rb_executed *line = &eng_sink_next(sink)->executed;
    eng_line_generated(&line->header, RB_TEMPLATE_EXECUTED, order->topic, in->time_ns, in->input);
    line->instrument = order->instrument;
    line->price_ticks = order->price_ticks;
    line->quantity = quantity;
    line->locate = locate;
    line->client_order_id = order->client_order_id;
    line->account = order->account;
    line->firm = order->firm;
    line->side = order->side;
    line->liquidity = RB_LIQUIDITY_ADDED;
    line->spare = 0;
    line->remaining = order->quantity;
}

static inline void eng_answer_canceled(eng_sink *sink, const eng_incoming *in)
{
    rb_canceled *line = &eng_sink_next(sink)->canceled;
    eng_line_generated(&line->header, RB_TEMPLATE_CANCELED, in->topic, in->time_ns, in->input);
    line->instrument = in->instrument;
    line->price_ticks = in->price_ticks;
    line->quantity = in->quantity;
    line->locate = in->locate;
    line->client_order_id = in->client_order_id;
    line->account = in->account;
    line->firm = in->firm;
    line->side = in->side;
    line->reason = RB_CANCEL_REASON_IMMEDIATE_OR_CANCEL;
    line->spare = 0;
    line->remaining = 0;
}

#endif
