/*
 * Cross: the result of an auction, executed (engine/README.md, "CrossResult"). For the files of the
 * book only.
 */
#ifndef ENGINE_CROSS_H
#define ENGINE_CROSS_H

#include "engine/book_state.h"

/* Answers a CrossResult, whose instrument exists. */
int32_t eng_submit_cross(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
