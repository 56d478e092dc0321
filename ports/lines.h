/*
 * Lines: how a proposal is put together: its first line, what stands behind it, and a refusal.
 *
 * Included by the files that make proposals only (proposal.c, control.c).
 *
 * Who: one thread. Progress: bounded. Crash: nothing is kept.
 */
#ifndef PORTS_LINES_H
#define PORTS_LINES_H

#include "ports/proposal.h"
#include "ports/terms.h"

/* Begins a proposal of one zeroed line. */
rb_message *prt_lines_begin(const prt_party *party, const prt_request *request, uint8_t template_id,
                            uint8_t shard, prt_proposal *out);
/* Puts the terms behind the first line of an order. */
void prt_lines_terms(const prt_terms *terms, prt_proposal *out);
/* Puts a tag behind all other lines. */
rb_order_tag *prt_lines_tag(const char *text, size_t bytes, prt_proposal *out);
/* Whether the request's own text must be heard again with every answer. */
int prt_lines_has_tag(const prt_request *request);
/* A refusal of what would have been `template_id`; `instrument` may be RB_INSTRUMENT_NONE. */
int32_t prt_lines_refuse(const prt_instruments *instruments, const prt_party *party,
                         const prt_request *request, uint32_t instrument, uint8_t template_id,
                         uint16_t reason, prt_proposal *out);

#endif
