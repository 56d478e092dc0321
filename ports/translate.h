/*
 * Translate: a message of the stream, as its client is shown it in OUCH 5.0.
 *
 * A function of the line, its tag and the instrument table, and of nothing else: whatever was shown
 * once is shown again byte for byte, live, at login, by this port or its successor.
 *
 * Who: any thread. Progress: bounded. Crash: nothing is kept.
 */
#ifndef PORTS_TRANSLATE_H
#define PORTS_TRANSLATE_H

#include <stddef.h>

#include "ports/instruments.h"
#include "ports/ouch.h"

/* No message is longer. */
#define PRT_SHOWN_BYTES_MAX 96u

/* Whether the client of the line's topic, or for topic 0 every client, is shown it. */
int prt_is_shown(const rb_message *line);
/* Writes the OUCH message of `line`; `tag` is its OrderTag line or NULL. Returns its bytes; 0: it
 * is not shown, or there is less than PRT_SHOWN_BYTES_MAX of room. */
size_t prt_translate(const prt_instruments *instruments, const rb_message *line,
                     const rb_message *tag, uint8_t *out, size_t room);

#endif
