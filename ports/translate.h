/*
 * Translate: a message of the stream, as its client is shown it in OUCH 5.0.
 *
 * A function of its lines and the instrument table, and of nothing else: whatever was shown once is
 * shown again byte for byte, live, at login, by this port or its successor.
 *
 * Who: any thread. Progress: bounded. Crash: nothing is kept.
 */
#ifndef PORTS_TRANSLATE_H
#define PORTS_TRANSLATE_H

#include <stddef.h>

#include "ports/instruments.h"
#include "ports/ouch.h"

/* No message is longer. */
#define PRT_SHOWN_BYTES_MAX 128u

/* A message of the stream: its first line, and of those behind it what its client is shown. */
typedef struct prt_group {
    const rb_message *line;
    const rb_message *terms; /* OrderTerms; NULL: there is none */
    const rb_message *tag;   /* OrderTag; NULL: there is none */
} prt_group;

static inline const rb_message *prt_group_last(const prt_group *group)
{
    return group->tag != NULL ? group->tag : group->terms != NULL ? group->terms : group->line;
}

/* Whether the client of the line's topic, or for topic 0 every client, is shown it. */
int prt_is_shown(const rb_message *line);
/* Writes the OUCH message. Returns its bytes; 0: it is not shown, or there is less than
 * PRT_SHOWN_BYTES_MAX of room. */
size_t prt_translate(const prt_instruments *instruments, const prt_group *group, uint8_t *out,
                     size_t room);

/* What OUCH 4.2 (ports/ouch42.c) says in the same way. */

uint64_t prt_since_midnight(const rb_message *line);
/* The line's instrument, or NULL. */
const prt_instrument *prt_instrument_of(const prt_instruments *instruments, const rb_message *line);
/* The limit as the client may see it: a market order's is the port's own collar. */
uint64_t prt_limit_of(const prt_instrument *instrument, int32_t price_ticks, uint8_t options);
/* OUCH 5.0's letter of a time in force. */
uint8_t prt_time_letter(uint8_t time_in_force, const rb_message *terms);
/* Seconds that the order has from this message on, rounded up: as many as it asked for. */
uint32_t prt_seconds_left(const prt_group *group);
uint8_t prt_liquidity_letter(const rb_executed *trade);
/* Both sides of a trade know it by one number. */
uint64_t prt_match_number(const rb_message *line);

#endif
