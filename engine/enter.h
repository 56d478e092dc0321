/*
 * Enter: NewOrder, Cancel and Replace, from the checks to what is to be matched (engine/README.md).
 * For the files of the book only; the instrument exists, and there is room for the group's lines.
 */
#ifndef ENGINE_ENTER_H
#define ENGINE_ENTER_H

#include "engine/book_state.h"

int32_t eng_submit_new_order(eng_book *book, const eng_group *group, eng_sink *sink);
int32_t eng_submit_cancel(eng_book *book, const eng_group *group, eng_sink *sink);
int32_t eng_submit_replace(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
