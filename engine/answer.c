#include "engine/answer.h"

#include "engine/queue.h"

rb_message *eng_answer_first(eng_sink *sink, const eng_group *group)
{
    uint8_t flags = group->count > 1 ? RB_FLAG_CONTINUED : 0;
    rb_message *line = eng_answer_line(sink, eng_group_line(group, 0), flags);
    for (uint32_t n = 1; n < group->count; n++) {
        eng_line_copy(eng_sink_next(sink), eng_group_line(group, n));
    }
    return line;
}

int32_t eng_reject(eng_sink *sink, const eng_group *group, uint16_t reason)
{
    const rb_header *asked = &eng_group_line(group, 0)->header;
    rb_message *line = eng_answer_first(sink, group);
    uint8_t continued = line->header.flags & RB_FLAG_CONTINUED;
    eng_line_generated(line, RB_TEMPLATE_REJECTED, asked->topic, asked->time_ns, asked->checksum);
    line->header.flags |= continued;
    line->rejected.refused_template = asked->template_id;
    line->rejected.reason = reason;
    line->rejected.spare = 0;
    return RB_OK;
}

_Static_assert(offsetof(rb_rejected, side) == offsetof(rb_new_order, side), "echoed");
_Static_assert(offsetof(rb_rejected, side) == offsetof(rb_cancel, side), "echoed");
_Static_assert(offsetof(rb_rejected, side) == offsetof(rb_replace, side), "echoed");

void eng_answer_incoming_canceled(eng_book *book, eng_sink *sink, uint8_t reason)
{
    uint32_t quantity = book->incoming.quantity;
    book->incoming.quantity = 0;
    eng_answer_incoming(book, sink, RB_TEMPLATE_CANCELED, book->incoming.price_ticks, quantity,
                        reason);
}

int32_t eng_answer_order_canceled(eng_book *book, eng_sink *sink, uint32_t locate, uint32_t mark)
{
    uint32_t quantity = eng_order_open(book, locate);
    int32_t price_ticks = book->orders[locate].price_ticks;
    eng_order_reduce(book, locate, quantity);
    eng_answer_order(book, sink, RB_TEMPLATE_CANCELED, locate, price_ticks, quantity, mark);
    int32_t status = eng_order_unlink(book, locate);
    eng_order_release(book, locate);
    return status;
}

void eng_answer_state(eng_book *book, eng_sink *sink, uint16_t topic, uint32_t instrument,
                      uint8_t before, uint8_t after)
{
    rb_message *message = eng_sink_next(sink);
    rb_state_changed *line = &message->state_changed;
    eng_line_generated(message, RB_TEMPLATE_STATE_CHANGED, topic, book->time_ns, book->input);
    line->instrument = instrument;
    line->spare = 0;
    line->spare2 = 0;
    line->spare3 = 0;
    line->state_before = before;
    line->state = after;
    line->spare4 = 0;
    line->spare5 = 0;
    book->ladders[instrument].changes++;
}
