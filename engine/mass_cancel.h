/*
 * Mass cancel: all orders that have what a scope names (engine/README.md, "MassCancel"). For the
 * files of the book only.
 */
#ifndef ENGINE_MASS_CANCEL_H
#define ENGINE_MASS_CANCEL_H

#include "engine/book_state.h"

/* Answers a MassCancel. */
int32_t eng_submit_mass_cancel(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
