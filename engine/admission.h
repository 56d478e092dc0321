/*
 * Admission: the sequencer's look at risk before a proposal gets its input number.
 *
 *     proposal ──▶ ask: what is settled + what is on its way + this, within every limit?
 *                   │ yes: input number, shard, stream; until its answer is read back it is
 *                   │      "on its way" and counts whole
 *                   │ no, and nothing is on its way: refused, with the reason
 *                   ▼ no, but something is: it waits, and everybody with it, until all is settled
 *
 * What is on its way is counted twice for a moment, when its answer is read but not yet known to be
 * complete; that errs on the safe side, and a refusal is only ever decided when nothing is on its
 * way. So a decision is that of an engine which does one thing at a time, whatever the shards and
 * the cores: no limit is exceeded, and none refuses too early.
 *
 * A Command that changes what is asked here, a kill and a bust hold everybody up in the same way
 * until they are settled: they take effect at their input number.
 *
 * Who: the sequencer. It reads the stream as a gating reader, so that it never misses a line.
 * Crash: a successor makes `risk` from the stream (engine/standby.py); what was on its way is
 * proposed again.
 */
#ifndef ENGINE_ADMISSION_H
#define ENGINE_ADMISSION_H

#include "engine/risk.h"
#include "engine/settled.h"
#include "ringbus/multicast.h"

#define ENG_DEMANDS_MAX 8u
/* In place of a reason: ask again later, and nobody else before. */
#define ENG_ASK_LATER UINT16_MAX

/* cffi: struct eng_admission */
typedef struct eng_admission {
    eng_risk *risk;
    const eng_settled *settled;
    rb_reader stream;
    uint64_t input_settled; /* all up to it has been read */
    uint64_t input_seen;    /* said by the publisher; settled when `tail_seen` is read */
    uint64_t tail_seen;
    uint64_t behind;        /* lines that may be unread while there is something else to do */
    uint64_t input_awaited; /* nothing is taken before it is settled */
    uint32_t asked_count;   /* of `flights`: for the proposal that was asked for last */
    uint32_t holds;         /* what was asked for last holds everybody up */
    uint8_t self_trade;     /* options that its order gets, since it names none */
    uint8_t has_self_trade; /* some owner has a rule */
    eng_risk_flights flights;
} eng_admission;

/* cffi: begin */
/* `risk` is settled up to the message before `next` and kept by the caller; the gate on the stream
 * is called "sequencer". RB_FULL, RB_LAPPED, and as rb_layout_verify. */
int32_t eng_admission_init(eng_admission *admission, eng_risk *risk, const void *settled,
                           size_t settled_bytes, const void *ring, size_t ring_bytes, void *readers,
                           size_t readers_bytes, uint64_t next);
/* Which of the stream's gates it has. */
int64_t eng_admission_gate(const eng_admission *admission);
/* Reads what the stream has new, up to a bound. Returns how many lines; RB_CORRUPT. */
int64_t eng_admission_settle(eng_admission *admission);
/* cffi: end */

/* Whether so much of the stream is unread, or so much on its way, that it should be read now. */
int eng_admission_is_behind(const eng_admission *admission);
/* Whether a proposal that begins with a message of this template has to be asked for at all. */
static inline int eng_admission_concerns(const eng_admission *admission, uint8_t template_id)
{
    const uint64_t asks =
        UINT64_C(1) << RB_TEMPLATE_NEW_ORDER | UINT64_C(1) << RB_TEMPLATE_REPLACE |
        UINT64_C(1) << RB_TEMPLATE_MULTI_LEG_ORDER | UINT64_C(1) << RB_TEMPLATE_MASS_CANCEL |
        UINT64_C(1) << RB_TEMPLATE_COMMAND | UINT64_C(1) << RB_TEMPLATE_TRADE_CHANGE |
        UINT64_C(1) << RB_TEMPLATE_STOP_ORDER | UINT64_C(1) << RB_TEMPLATE_END_OF_DAY;
    return (asks >> (template_id & 63u) & 1) != 0 ||
           admission->input_settled < admission->input_awaited;
}

/* A proposal goes to `shard`: the order that its answer will be about is fetched meanwhile. A hint:
 * alone, it would be waited for when the answer is read, and the next proposal with it. */
static inline void eng_admission_expect(const eng_admission *admission, const rb_message *first,
                                        uint32_t shard)
{
    eng_risk_prefetch(admission->risk, shard, first->cancel.locate);
}

/* 0: the group may come in as the input after `input`, at `time_ns`, for `shard`; ENG_ASK_LATER; or
 * why not (enum rb_reject_reason). Changes nothing that is kept. */
uint16_t eng_admission_ask(eng_admission *admission, const eng_group *group, uint64_t input,
                           uint64_t time_ns, uint32_t shard);
/* Gives a line of it what it gets; only where `self_trade` says something. */
void eng_admission_fill_in(const eng_admission *admission, rb_message *line);
/* What was asked for last has become `input`. */
void eng_admission_took(eng_admission *admission, uint64_t input);

#endif
