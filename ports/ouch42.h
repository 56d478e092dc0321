/*
 * OUCH 4.2: the older protocol, whose orders have tokens of 14 characters instead of numbers.
 *
 * A request is read into the same structs as one of OUCH 5.0: token and order in `clordid` and
 * `original_token`, what 4.2 says by a letter of display, by seconds or in fields of its own as
 * options. Numbers are given by ports/session.c. An answer is made from the lines of the stream, as
 * in ports/translate.h, and from the tokens of the day.
 *
 * Who: any thread; nothing is kept. Progress: bounded. Source: Nasdaq, OUCH 4.2 (2019-07).
 */
#ifndef PORTS_OUCH42_H
#define PORTS_OUCH42_H

#include "ports/instruments.h"
#include "ports/options.h"
#include "ports/tokens.h"
#include "ports/translate.h"

/* Payload of an unsequenced packet. RB_FORMAT: unknown type, or another length than the type's. */
int32_t prt_ouch42_decode(const uint8_t *payload, size_t count, prt_ouch_request *out,
                          prt_options *options);
/* As prt_translate. */
size_t prt_ouch42_translate(const prt_instruments *instruments, const prt_tokens *tokens,
                            const prt_group *group, uint8_t *out, size_t room);
/* Whether the message is one of OUCH 4.2 too; of those that prt_is_shown shows. */
int prt_ouch42_is_shown(const rb_message *line);
/* OUCH 4.2's letter for a RejectReason of the message schema; 'O' (other) where it has none. */
uint8_t prt_ouch42_reject_reason(uint16_t reason);

#endif
