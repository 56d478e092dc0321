/*
 * Control: proposals that concern a whole session: mass cancel, order entry off and on, the account
 * query, and the events of its connections.
 *
 * All of them come back on the stream, so that a port that was killed knows them again.
 *
 * Who: one thread. Progress: bounded. Crash: nothing is kept.
 */
#ifndef PORTS_CONTROL_H
#define PORTS_CONTROL_H

#include "ports/proposal.h"

/* As prt_propose. */
int32_t prt_propose_mass_cancel(const prt_instruments *instruments, const prt_party *party,
                                const prt_request *request, prt_proposal *out);
int32_t prt_propose_entry(const prt_instruments *instruments, const prt_party *party,
                          const prt_request *request, prt_proposal *out);
int32_t prt_propose_query(const prt_party *party, const prt_request *request, prt_proposal *out);
int32_t prt_propose_event(const prt_party *party, const prt_request *request, prt_proposal *out);

#endif
