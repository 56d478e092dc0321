/*
 * Legs: orders in several instruments that all trade in full or not at all (engine/README.md,
 * "MultiLegOrder"). For the files of the book only.
 */
#ifndef ENGINE_LEGS_H
#define ENGINE_LEGS_H

#include "engine/book_state.h"

/* Answers a MultiLegOrder. */
int32_t eng_submit_legs(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
