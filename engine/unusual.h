/*
 * Unusual: NewOrder and Replace with everything that they can have: terms, options, any time in
 * force, any state of the instrument. engine/enter.c sends here what is not plain; it would answer
 * plain ones alike. For the files of the book only.
 */
#ifndef ENGINE_UNUSUAL_H
#define ENGINE_UNUSUAL_H

#include "engine/book_state.h"

/* The instrument exists. */
int32_t eng_new_order_unusual(eng_book *book, const eng_group *group, eng_sink *sink);
/* The order exists and is the sender's. */
int32_t eng_replace_unusual(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
