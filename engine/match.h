/*
 * Match: an incoming order against the other side of its instrument, by price, displayed before
 * hidden, then time (engine/README.md, "Matching").
 *
 * The incoming order is book->incoming, all of it filled in but `replenished`, which is zero
 * between answers. For the files of the book only.
 */
#ifndef ENGINE_MATCH_H
#define ENGINE_MATCH_H

#include <stddef.h>

#include "engine/book_state.h"

/* A stage, and a part of others (task.matching): trades the incoming order as far as it goes, then
 * rests it, or writes Canceled for what is left (incoming.reason); its record is queued or
 * released. */
int32_t eng_match(eng_book *book, eng_sink *sink);
/* Its short way, where the incoming order has no self-trade option and the instrument (`ladder` is
 * its displayed one) no hidden orders; task.stage is eng_match. */
int32_t eng_match_plain(eng_book *book, eng_ladder *ladder, eng_sink *sink);
/* A stage: the same without trading. */
int32_t eng_match_nothing(eng_book *book, eng_sink *sink);
/* Calls the stages of an answer, from task.stage on, until it is complete or the sink is full. */
int32_t eng_run_stages(eng_book *book, eng_sink *sink);
/* Makes an order that was unlinked the incoming one again, in its locate, to rest if it does not
 * trade. */
void eng_incoming_of(eng_book *book, uint32_t locate);
/* Writes the incoming order's record (and terms of reserve) as it would rest; it is still nowhere.
 */
void eng_incoming_record(eng_book *book);
/* How much the incoming order could trade at once, if that is less than `wanted`; `wanted` or more
 * if it is not. Goes through orders. */
uint64_t eng_fillable(const eng_book *book, uint64_t wanted);
/* Best price of a side, displayed or hidden: ENG_BEST_BID_NONE or ENG_BEST_ASK_NONE if it has no
 * order. */
int32_t eng_best_of_all(const eng_book *book, uint32_t instrument, uint8_t side);

/* What NewOrder and Replace share lies in the same place. */
_Static_assert(offsetof(rb_replace, price_ticks) == offsetof(rb_new_order, price_ticks), "shared");
_Static_assert(offsetof(rb_replace, quantity) == offsetof(rb_new_order, quantity), "shared");
_Static_assert(offsetof(rb_replace, time_in_force) == offsetof(rb_new_order, time_in_force),
               "shared");

/* Makes a NewOrder or Replace the incoming order, as far as all orders go. */
static inline void eng_incoming_take(eng_book *book, const rb_message *message, uint8_t side,
                                     uint32_t locate, uint8_t reason)
{
    const rb_new_order *line = &message->new_order;
    eng_incoming *in = &book->incoming;
    book->time_ns = line->header.time_ns;
    book->input = line->header.checksum;
    in->instrument = line->instrument;
    in->price_ticks = line->price_ticks;
    in->quantity = line->quantity;
    in->locate = locate;
    in->owner = message->words[6];
    in->topic = line->header.topic;
    in->side = side;
    in->options = 0;
    in->reason = reason;
}

/* Whether a limit meets the best price of the other side. */
static inline int eng_meets(uint8_t side, int32_t price_ticks, int32_t best)
{
    return side == RB_SIDE_BUY ? price_ticks >= best : price_ticks <= best;
}

#endif
