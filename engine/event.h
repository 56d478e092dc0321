/*
 * Event: lines of an answer as Python's named tuples (engine/event.py).
 *
 * For the extension module `engine._calls` only (engine/calls.c). Who: one thread, with the
 * interpreter's lock.
 */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ringbus/messages.h"

/* Once, before all others: takes the type from engine.event. -1: an exception is set. */
int eng_event_begin(void);
/* A tuple of events, one for each line that is about an order; terms that are repeated are none.
 * NULL: an exception is set. */
PyObject *eng_events(const rb_message *lines, int64_t count);

#endif
