/*
 * Invariants that are checked in every build.
 *
 * A broken one is recorded (expression, file, line) and RB_CORRUPT is returned: the caller gives
 * up, the core latches the agent as failed, the process ends and is rebuilt from the stream.
 * Nothing aborts.
 */
#ifndef RINGBUS_CHECK_H
#define RINGBUS_CHECK_H

#include "ringbus/status.h"

/* Records the place and returns RB_CORRUPT. Any thread; the record is the thread's own. */
int32_t rb_check_failed(const char *expression, const char *file, int32_t line);

#define RB_CHECK(expression)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(!(expression), 0)) {                                                  \
            return rb_check_failed(#expression, __FILE__, __LINE__);                               \
        }                                                                                          \
    } while (0)

#endif
