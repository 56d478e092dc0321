/*
 * Held: orders that wait for a cross, and the instrument states that make them (engine/README.md,
 * "States, held orders"). The list itself is engine/queue.h. For the files of the book only.
 */
#ifndef ENGINE_HELD_H
#define ENGINE_HELD_H

#include "engine/book_state.h"

/* Answers a Command, whose instrument exists. There is room for its lines and ENG_SINK_ROOM_MIN. */
int32_t eng_submit_command(eng_book *book, const eng_group *group, eng_sink *sink);

#endif
