#include "ports/hearing.h"

#include <stdlib.h>
#include <string.h>

#include "ports/session.h"

enum { TOPICS = 65536 };

uint64_t prt_hearing_bytes(uint32_t ears)
{
    uint64_t each = sizeof(prt_ear) + sizeof(prt_heard);
    return ears == 0 ? 0 : ears * each + TOPICS * sizeof(uint16_t);
}

int32_t prt_hearing_init(prt_hearing *hearing, uint32_t ears)
{
    memset(hearing, 0, sizeof *hearing);
    if (ears == 0) {
        return RB_OK;
    }
    hearing->heard = calloc(ears, sizeof *hearing->heard);
    hearing->ears = calloc(ears, sizeof *hearing->ears);
    hearing->by_topic = calloc(TOPICS, sizeof *hearing->by_topic);
    hearing->capacity = ears;
    int all = hearing->heard != NULL && hearing->ears != NULL && hearing->by_topic != NULL;
    return all ? RB_OK : RB_SYSTEM;
}

void prt_hearing_free(prt_hearing *hearing)
{
    free(hearing->heard);
    free(hearing->ears);
    free(hearing->by_topic);
    memset(hearing, 0, sizeof *hearing);
}

/* The session as it is known, or as a new one. There are at most as many as there are ears. */
static prt_heard *heard_of(prt_hearing *hearing, uint16_t topic)
{
    uint16_t *number = &hearing->by_topic[topic];
    if (*number == 0) {
        *number = (uint16_t)++hearing->heard_count;
        prt_heard *heard = &hearing->heard[*number - 1];
        heard->first = heard->last = PRT_NONE;
    }
    return &hearing->heard[*number - 1];
}

int32_t prt_hearing_add(prt_hearing *hearing, uint32_t listener, uint16_t topic, const char *whose)
{
    size_t bytes = strnlen(whose, PRT_WHOSE_BYTES_MAX);
    if (bytes == 0 || bytes == PRT_WHOSE_BYTES_MAX) {
        return RB_USAGE;
    }
    if (hearing->ear_count == hearing->capacity) {
        return RB_FULL;
    }
    prt_heard *heard = heard_of(hearing, topic);
    for (uint32_t n = heard->first; n != PRT_NONE; n = hearing->ears[n].next) {
        if (hearing->ears[n].listener == listener) {
            return RB_USAGE;
        }
    }
    uint32_t number = hearing->ear_count++;
    hearing->ears[number] = (prt_ear){.listener = listener, .next = PRT_NONE};
    if (heard->last == PRT_NONE) {
        heard->first = number;
    } else {
        hearing->ears[heard->last].next = number;
    }
    heard->last = number;
    memcpy(heard->whose, whose, bytes);
    heard->whose_bytes = (uint32_t)bytes;
    return RB_OK;
}

int32_t prt_desk_add_hearing(prt_desk *desk, uint16_t listener, uint16_t topic, const char *whose)
{
    uint32_t number = desk->by_topic[listener];
    if (number == 0 || topic == 0 || desk->by_topic[topic] != 0) {
        return RB_USAGE;
    }
    prt_session *session = &desk->sessions[number - 1];
    if (session->protocol != PRT_OUCH50) {
        return RB_USAGE;
    }
    session->listens = 1;
    return prt_hearing_add(&desk->hearing, number - 1, topic, whose);
}

int32_t prt_desk_tell(prt_desk *desk, const rb_message *line, prt_change *change)
{
    const prt_heard *heard = prt_hearing_find(&desk->hearing, line->header.topic);
    if (heard == NULL || !prt_is_shown(line)) {
        return RB_OK;
    }
    change->heard = heard;
    int32_t status = RB_OK;
    for (uint32_t n = heard->first; n != PRT_NONE && status == RB_OK;) {
        const prt_ear *ear = &desk->hearing.ears[n];
        prt_outbox *outbox = &desk->sessions[ear->listener].outbox;
        status = prt_outbox_append(outbox, &desk->pool, line->header.sequence);
        n = ear->next;
    }
    return status;
}
