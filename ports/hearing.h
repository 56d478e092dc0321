/*
 * Hearing: sessions that are shown what others are: drop copies.
 *
 * A listener is a session without orders. What the session on another topic is shown goes onto the
 * listener's list too, so message n of a listener is a function of the stream, like any session's:
 *
 *     a line on topic 7 --> whoever hears 7: ear --> ear --> ear, each one place on a list
 *
 * It is shown in OUCH 5.0, whatever the other client speaks. OUCH names no client, so a connection
 * is told whose the next messages are, in a debug packet, which has no number.
 *
 * Who: one thread. Progress: by the number of listeners of one topic. No allocation after init.
 * Crash: private memory, made again from the configuration.
 */
#ifndef PORTS_HEARING_H
#define PORTS_HEARING_H

#include "ports/client.h"
#include "ports/outbox.h"

/* A session that is heard. */
typedef struct prt_heard {
    uint32_t first; /* of its ears; PRT_NONE: none */
    uint32_t last;
    uint32_t whose_bytes;
    char whose[PRT_WHOSE_BYTES_MAX]; /* what its listeners are told about it */
} prt_heard;

/* One listener of one session. */
typedef struct prt_ear {
    uint32_t listener; /* number of its session */
    uint32_t next;     /* PRT_NONE: the last */
} prt_ear;

typedef struct prt_hearing {
    prt_heard *heard;
    prt_ear *ears;
    uint16_t *by_topic; /* number in `heard` + 1; 0: nobody hears it */
    uint32_t heard_count;
    uint32_t ear_count;
    uint32_t capacity; /* ears */
} prt_hearing;

/* Bytes of memory that prt_hearing_init takes. */
uint64_t prt_hearing_bytes(uint32_t ears);
/* Room for `ears`: pairs of a listener and a session; 0: nobody listens. RB_SYSTEM: no memory;
 * prt_hearing_free in any case. */
int32_t prt_hearing_init(prt_hearing *hearing, uint32_t ears);
void prt_hearing_free(prt_hearing *hearing);
/* From now on the session number `listener` hears what the one on `topic` is shown; `whose` is as
 * for prt_client_add_hearing. RB_USAGE: it does already, or the text is none; RB_FULL. */
int32_t prt_hearing_add(prt_hearing *hearing, uint32_t listener, uint16_t topic, const char *whose);
/* The session on a topic if somebody hears it, or NULL. */
static inline const prt_heard *prt_hearing_find(const prt_hearing *hearing, uint16_t topic)
{
    if (hearing->heard_count == 0 || hearing->by_topic[topic] == 0) {
        return NULL;
    }
    return &hearing->heard[hearing->by_topic[topic] - 1];
}

#endif
