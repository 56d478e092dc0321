/*
 * Held: orders that wait for a cross, and the instrument states that make them (engine/README.md,
 * "States, held orders"). The list itself is engine/queue.h.
 *
 * A list by instrument, oldest first, of both sides and all kinds. An order is in it, or in a
 * ladder, or being entered: never two of these. While a cross is being executed the list keeps its
 * order, but its links towards the front are lent (engine/cross.h).
 *
 * For the files of the book only.
 */
#ifndef ENGINE_HELD_H
#define ENGINE_HELD_H

#include "engine/book_state.h"

/* Where an instrument's orders are, in the order in which a rule that takes all of them does. */
enum eng_place {
    ENG_PLACE_BIDS = 0,
    ENG_PLACE_ASKS = 1,
    ENG_PLACE_HIDDEN_BIDS = 2,
    ENG_PLACE_HIDDEN_ASKS = 3,
    ENG_PLACE_HELD = 4,
    ENG_PLACES = 5,
};

static inline int eng_is_state(uint8_t state)
{
    return state >= RB_INSTRUMENT_STATE_CONTINUOUS && state <= RB_INSTRUMENT_STATE_PRE_OPEN;
}

/* Whether all orders are held for a cross. */
static inline int eng_state_collects(uint8_t state)
{
    return state == RB_INSTRUMENT_STATE_AUCTION || state == RB_INSTRUMENT_STATE_PRE_OPEN;
}

/* First order of a place, and the one behind an order there; ENG_LOCATE_NONE: there is none. To
 * take orders out on the way, ask before. */
uint32_t eng_place_first(const eng_book *book, uint32_t instrument, uint32_t place);
uint32_t eng_place_after(const eng_book *book, uint32_t locate, uint32_t place);
/* Goes through the queues of a place instead: the first order of the next one, ENG_LOCATE_NONE:
 * there is none. *price_ticks is where the last one was, 0: nowhere yet. Reads no order. */
uint32_t eng_place_queue(const eng_book *book, uint32_t instrument, uint32_t place,
                         int32_t *price_ticks);
/* Moves every resting order of an instrument to the end of its held list. */
int32_t eng_hold_resting(eng_book *book, uint32_t instrument);
/* Whether a held order's time in force rests. */
int eng_held_rests(const eng_book *book, uint32_t locate);
/* A stage: StateChanged of task.instrument to task.state, then what follows from that. The
 * proposal is task.lines. */
int32_t eng_change_state(eng_book *book, eng_sink *sink);
/* Answers a Command, whose instrument exists. There is room for its lines and ENG_SINK_ROOM_MIN. */
int32_t eng_submit_command(eng_book *book, const eng_group *group, eng_sink *sink);
/* Checks the held list of an instrument and what its state says of it, and counts the orders. */
int32_t eng_held_verify(const eng_book *book, uint32_t instrument, uint64_t *orders);

#endif
