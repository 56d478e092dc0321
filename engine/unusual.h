/*
 * Unusual: groups of several lines, NewOrder and Replace with everything that they can have (terms,
 * options, any time in force, any state of the instrument), and the proposals that most days have
 * few of. engine/submit.c sends here what is not plain; plain ones would be answered alike. For the
 * files of the book only.
 */
#ifndef ENGINE_UNUSUAL_H
#define ENGINE_UNUSUAL_H

#include "engine/book_state.h"

/* Any group at all. RB_USAGE: it is none that a book takes, or there is not room for its lines. */
int32_t eng_submit_unusual(eng_book *book, const eng_group *group, eng_sink *sink);
/* The instrument exists. */
int32_t eng_new_order_unusual(eng_book *book, const eng_group *group, eng_sink *sink);
/* The same, and the order is the sender's. */
int32_t eng_replace_unusual(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
