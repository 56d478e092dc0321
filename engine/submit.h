/*
 * Submit: what comes into a book, and the plain way through it (eng_book_submit). For the files of
 * the book only.
 */
#ifndef ENGINE_SUBMIT_H
#define ENGINE_SUBMIT_H

#include "engine/book_state.h"

/* All of a Cancel, of a group of any size; the instrument exists. */
int32_t eng_cancel(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
