/*
 * Collar: prices and sizes that an instrument's orders may have, against its last trade.
 *
 * Kept by the book, because it alone knows, at an order's place in the total order, what the last
 * trade was. So no contributor gets past it, and every engine that follows the stream decides
 * alike. The rules are commands on the stream (engine/README.md, "Collars").
 *
 * For the files of the book only. An instrument without a rule costs one look at its ladder's line,
 * and each trade one store.
 */
#ifndef ENGINE_COLLAR_H
#define ENGINE_COLLAR_H

#include "engine/book_state.h"

/* What the prices of a phase must be between, both ends included; 0: no such rule. */
typedef struct eng_range {
    int32_t low;
    int32_t high;
    int32_t width; /* away from the reference, either way */
} eng_range;

/* Of an instrument. All zero: it has no rule. */
typedef struct eng_collar {
    eng_range phases[2];     /* in Continuous; in any other state */
    int32_t reference_ticks; /* while nothing has traded; 0: none */
    int32_t finger_ticks;    /* past the reference: a buy above it, a sell below it; 0: no rule */
    uint64_t finger_value;   /* quantity times the reference; 0: no rule */
} eng_collar;

/* Why an order of a valid side, price and quantity may not come in, or ENG_ACCEPTED. */
uint16_t eng_collar_reason(const eng_book *book, uint32_t instrument, uint8_t side,
                           int32_t price_ticks, uint32_t quantity, uint8_t options);
/* The worst price that a market order may trade at now. */
int32_t eng_collar_clip(const eng_book *book, uint32_t instrument, uint8_t side,
                        int32_t price_ticks);
/* Takes a Command of these rules. Returns ENG_ACCEPTED, or why it is refused. */
uint16_t eng_collar_command(eng_book *book, const rb_command *line);

#endif
