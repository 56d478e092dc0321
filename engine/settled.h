/*
 * Settled: how far the answers are on the stream, told by the publisher to the sequencer.
 *
 * A dropped proposal leaves no line on the stream, so who waits for an answer cannot tell from the
 * stream alone that none will come. The publisher says here, behind each batch, the last input of
 * which everything is published: who has read this and then the stream to its tail has seen all
 * that there is to see of that input.
 *
 * In shared memory, a structure of its own that contributors do not map. Who: one writer, any
 * number of readers; wait-free. Crash: a successor begins with its own first input.
 */
#ifndef ENGINE_SETTLED_H
#define ENGINE_SETTLED_H

#include "ringbus/atomics.h"
#include "ringbus/layout.h"

typedef struct eng_settled {
    rb_layout layout;
    RB_ALIGNED uint64_t input; /* owner: publisher; read by the sequencer */
} eng_settled;

/* cffi: begin */
size_t eng_settled_bytes(void);
int32_t eng_settled_init(void *memory, size_t bytes);
/* cffi: end */

static inline void eng_settled_say(eng_settled *settled, uint64_t input)
{
    /* S1 release; pairs with S2: the answers and the tail behind them are there before. */
    rb_store_release(&settled->input, input);
}

static inline uint64_t eng_settled_input(const eng_settled *settled)
{
    /* S2 acquire; pairs with S1. */
    return rb_load_acquire(&settled->input);
}

#endif
