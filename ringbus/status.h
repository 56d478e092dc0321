/*
 * Every status that a C function of this project can return, in one list.
 *
 * A function returns int32_t (0 is ok, < 0 is one of these) or int64_t (>= 0 is a count, < 0 is one
 * of these). Full and empty are values, not errors. `ringbus/status.py` maps each to one exception
 * class.
 */
#ifndef RINGBUS_STATUS_H
#define RINGBUS_STATUS_H

#include <stdint.h>

/* RB_STATUS(name, value, text): values are never reused. */
#define RB_STATUS_LIST(RB_STATUS)                                                                  \
    RB_STATUS(OK, 0, "ok")                                                                         \
    RB_STATUS(USAGE, -1, "an argument is outside what the function takes")                         \
    RB_STATUS(CORRUPT, -2, "an invariant does not hold; the process must end and be rebuilt")      \
    RB_STATUS(SYSTEM, -3, "a system call failed; errno says why")                                  \
    RB_STATUS(NOT_RINGBUS, -4, "the memory does not hold a ringbus structure")                     \
    RB_STATUS(VERSION, -5, "the structure was laid out by another version of ringbus")             \
    RB_STATUS(SCHEMA, -6, "the structure was laid out for another message schema")                 \
    RB_STATUS(KIND, -7, "the structure is of another kind")                                        \
    RB_STATUS(SIZE, -8, "the memory is too small or its size does not fit its contents")           \
    RB_STATUS(LAPPED, -9, "the writer overtook this reader; messages were missed")                 \
    RB_STATUS(FULL, -10, "no room is left")                                                        \
    RB_STATUS(CHECKSUM, -11, "a stored message does not match its checksum")                       \
    RB_STATUS(SEQUENCE, -12, "a stored message has the wrong sequence")                            \
    RB_STATUS(TORN, -13, "the bytes end inside a message")                                         \
    RB_STATUS(FORMAT, -14, "the bytes do not follow the wire format")                              \
    RB_STATUS(UNKNOWN, -15, "no such thing: the name, id or number is not known")

#define RB_STATUS_ENUM(name, value, text) RB_##name = (value),
enum rb_status { RB_STATUS_LIST(RB_STATUS_ENUM) };
#undef RB_STATUS_ENUM

/* cffi: begin */
/* Text of a status; "unknown status" for anything else. Any thread. */
const char *rb_status_text(int64_t status);
/* Name of a status as in the list; NULL for anything else. Any thread. */
const char *rb_status_name(int64_t status);
/* The n-th status value of the list, 1 behind the last. Any thread. */
int64_t rb_status_at(uint32_t n);
/* Text of the last broken invariant of this thread: "file:line: expression"; "" if none. */
const char *rb_check_text(void);
/* cffi: end */

#endif
