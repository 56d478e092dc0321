/*
 * Match: an incoming order against the other side of its instrument, by price, displayed before
 * hidden, then time (engine/README.md, "Matching").
 *
 * The incoming order is book->incoming, all of it filled in but `replenished`, which is zero
 * between answers. For the files of the book only.
 */
#ifndef ENGINE_MATCH_H
#define ENGINE_MATCH_H

#include "engine/book_state.h"

/* A stage, and a part of others (task.matching): trades the incoming order as far as it goes, then
 * rests it, or writes Canceled for what is left (incoming.reason); its record is queued or
 * released. */
int32_t eng_match(eng_book *book, eng_sink *sink);
/* A stage: the same without trading. */
int32_t eng_match_nothing(eng_book *book, eng_sink *sink);
/* Calls the stages of an answer, from task.stage on, until it is complete or the sink is full. */
int32_t eng_run_stages(eng_book *book, eng_sink *sink);
/* How much the incoming order could trade at once, if that is less than `wanted`; `wanted` or more
 * if it is not. Goes through orders. */
uint64_t eng_fillable(const eng_book *book, uint64_t wanted);
/* Best price of a side, displayed or hidden: ENG_BEST_BID_NONE or ENG_BEST_ASK_NONE if it has no
 * order. */
int32_t eng_best_of_all(const eng_book *book, uint32_t instrument, uint8_t side);

/* Whether a limit meets the best price of the other side. */
static inline int eng_meets(uint8_t side, int32_t price_ticks, int32_t best)
{
    return side == RB_SIDE_BUY ? price_ticks >= best : price_ticks <= best;
}

#endif
