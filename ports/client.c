#include "ports/client_state.h"

#include <string.h>

#include "ringbus/check.h"

int32_t prt_client_ask(prt_client *port, prt_session *session, const prt_request *request)
{
    int32_t status = prt_session_ask(session, request);
    if (status == RB_OK) {
        prt_queue_push(&port->asked, prt_desk_number(&port->desk, session));
    }
    return status;
}

/* The engine that our proposals went to is dead. What it had taken and not published is lost, and
 * what it had not taken its successor drops: all that is on its way is proposed again. */
static void propose_again(prt_client *port)
{
    for (uint32_t n = 0; n < port->desk.session_count; n++) {
        prt_session *session = &port->desk.sessions[n];
        if (session->phase == PRT_PROPOSED) {
            session->phase = PRT_ASKED;
            prt_client_add(port, PRT_COUNT_RETRIES);
            prt_queue_push(&port->asked, n);
        }
    }
}

/* A whole message of the stream. */
static int32_t hear_message(prt_client *port, const prt_group *group)
{
    prt_change change;
    int32_t status = prt_desk_apply(&port->desk, group, &change);
    if (change.epoch != 0) {
        port->reign = rb_reign(change.epoch);
    }
    if (status != RB_OK || !port->is_live) {
        return status;
    }
    if (change.everyone) {
        return prt_client_deliver_to_all(port, group);
    }
    if (change.heard != NULL) {
        return prt_client_deliver_to_listeners(port, change.heard, group);
    }
    if (change.epoch != 0) {
        propose_again(port);
        return RB_OK;
    }
    if (change.session == PRT_NONE) {
        return RB_OK;
    }
    prt_session *session = &port->desk.sessions[change.session];
    if (change.lost) {
        prt_client_add(port, PRT_COUNT_RETRIES);
        prt_queue_push(&port->asked, change.session);
    }
    if (change.answered) {
        status = prt_client_answered(port, session);
    } else if (session->phase == PRT_QUIET && session->connection == PRT_NONE) {
        /* A predecessor's Login may still have been on its way. */
        status = prt_client_settle(port, session);
    }
    /* Last: it may be one message too many for a slow reader, whose session then asks for more. */
    if (status == RB_OK && change.shown && session->connection != PRT_NONE) {
        status = prt_client_deliver(port, &port->connections.slots[session->connection], group);
    }
    return status;
}

static int32_t hear(prt_client *port, const rb_message *line)
{
    RB_CHECK(line->header.sequence == port->heard + 1);
    port->heard = line->header.sequence;
    int is_continued = (line->header.flags & RB_FLAG_CONTINUED) != 0;
    if (!port->has_head && !is_continued) {
        prt_group alone = {.line = line};
        return hear_message(port, &alone);
    }
    int is_head = !port->has_head;
    port->has_head = (uint32_t)is_continued;
    if (is_head) {
        port->head_terms.header.template_id = 0;
        port->head = *line;
        return RB_OK;
    }
    uint8_t template_id = line->header.template_id;
    int is_tag = template_id == RB_TEMPLATE_ORDER_TAG;
    int is_terms = template_id == RB_TEMPLATE_ORDER_TERMS;
    int is_other = template_id == RB_TEMPLATE_LEG || template_id == RB_TEMPLATE_TRADE_PARTY ||
                   template_id == RB_TEMPLATE_TEXT;
    RB_CHECK(is_tag || is_terms || is_other);
    if (is_terms) {
        port->head_terms = *line;
    }
    if (is_continued) {
        return RB_OK;
    }
    /* The tag is the last line, if there is one. */
    int has_terms = port->head_terms.header.template_id == RB_TEMPLATE_ORDER_TERMS;
    prt_group whole = {.line = &port->head,
                       .terms = has_terms ? &port->head_terms : NULL,
                       .tag = is_tag ? line : NULL};
    return hear_message(port, &whole);
}

/* How long ago the publisher put it there; only what it stamps: the first line of an answer. */
static void measure(prt_client *port, const rb_message *line, uint64_t now_ns)
{
    if (line->header.flags & RB_FLAG_GENERATED) {
        return;
    }
    uint64_t stamp_ns = rb_multicast_stamp(&port->replay.reader, line->header.sequence);
    if (stamp_ns >= line->header.time_ns && now_ns >= stamp_ns) {
        rb_histogram_record(port->hop, now_ns - stamp_ns);
    }
}

/* Caught up: from here on the port speaks. Connections that a predecessor left open are gone. */
static int32_t go_live(prt_client *port)
{
    RB_CHECK(port->doorbell != NULL);
    port->is_live = 1;
    for (uint32_t n = 0; n < port->desk.session_count; n++) {
        int32_t status = prt_client_settle(port, &port->desk.sessions[n]);
        if (status != RB_OK) {
            return status;
        }
    }
    return RB_OK;
}

/* The misses of the messages behind this one overlap with its work. */
static void ask_ahead(const prt_client *port, int64_t n, int64_t count)
{
    if (n + PRT_ASK_AHEAD < count) {
        prt_desk_ask(&port->desk, &port->batch[n + PRT_ASK_AHEAD]);
    }
    if (n + PRT_ASK_AHEAD / 2 < count) {
        prt_desk_ask_more(&port->desk, &port->batch[n + PRT_ASK_AHEAD / 2]);
    }
}

static int64_t follow(prt_client *port, int64_t limit)
{
    int64_t most = limit < (int64_t)RB_REPLAY_BATCH ? limit : (int64_t)RB_REPLAY_BATCH;
    int64_t got = rb_replay_poll(&port->replay, port->batch, most);
    port->now_ns = rb_clock_read(port->clock);
    if (got == RB_LAPPED && port->has_journal) {
        /* What the ring has lost will be in the files in a moment. */
        port->wake->soon = 1;
        return 0;
    }
    for (int64_t n = 0; n < got; n++) {
        ask_ahead(port, n, got);
        if (port->hop != NULL && port->is_live) {
            measure(port, &port->batch[n], port->now_ns);
        }
        int32_t status = hear(port, &port->batch[n]);
        if (status != RB_OK) {
            return status;
        }
    }
    /* PS2 acquire; pairs with PS1 in prt_client_speak: what it attached is there. */
    if (got >= 0 && !port->is_live && rb_load_acquire_u32(&port->stands_by) == 0 &&
        port->heard >= port->config.opening && rb_replay_lag(&port->replay) == 0) {
        int32_t status = go_live(port);
        if (status != RB_OK) {
            return status;
        }
    }
    return got;
}

static void commit(prt_client *port, const prt_proposal *proposal)
{
    for (uint32_t n = 0; n < proposal->count; n++) {
        memcpy(rb_lane_slot(&port->lane, n)->words + 1, proposal->lines[n].words + 1,
               sizeof proposal->lines[n] - sizeof proposal->lines[n].words[0]);
    }
    rb_lane_slot(&port->lane, 0)->header.reserved = port->reign;
    rb_lane_commit(&port->lane, proposal->count);
    prt_client_add(port, PRT_COUNT_PROPOSALS);
}

/* What was asked for is not to be proposed after all. */
static int32_t set_aside(prt_client *port, prt_session *session, int32_t outcome)
{
    if (outcome == PRT_ELSEWHERE) {
        return prt_client_turn_away(port, session);
    }
    prt_client_add(port, outcome == PRT_DUPLICATE ? PRT_COUNT_DUPLICATES : PRT_COUNT_NO_EFFECT);
    return prt_client_settle(port, session);
}

/* Makes and sends the proposals of the sessions that ask; what does not fit on the lane waits. */
static int64_t propose(prt_client *port)
{
    int64_t done = 0;
    uint64_t before = port->lane.tail_local;
    uint32_t count = prt_queue_count(&port->asked);
    for (uint32_t n = 0; n < count; n++) {
        if (rb_lane_room(&port->lane, PRT_PROPOSAL_LINES_MAX) < PRT_PROPOSAL_LINES_MAX) {
            prt_client_add(port, PRT_COUNT_LANE_FULL);
            break;
        }
        prt_session *session = &port->desk.sessions[prt_queue_pop(&port->asked)];
        prt_proposal proposal;
        int32_t outcome = prt_desk_propose(&port->desk, session, &proposal);
        if (outcome < 0) {
            return outcome;
        }
        done++;
        if (outcome == PRT_PROPOSE) {
            commit(port, &proposal);
            continue;
        }
        int32_t status = set_aside(port, session, outcome);
        if (status != RB_OK) {
            return status;
        }
    }
    if (port->lane.tail_local != before) {
        rb_doorbell_ring(port->doorbell, port->lane_number);
        port->wake->mask |= port->bells;
    }
    return done;
}

/* What the port does besides following the stream. */
static int64_t attend(prt_client *port, int64_t limit)
{
    int64_t done = prt_client_take_verdicts(port, limit);
    int64_t more = done < 0 ? done : prt_client_poll(port, limit);
    done += more;
    more = more < 0 ? more : prt_client_serve(port, limit);
    done += more;
    more = more < 0 ? more : propose(port);
    done += more;
    more = more < 0 ? more : prt_client_tick(port);
    done += more;
    more = more < 0 ? more : prt_client_flush(port);
    return more < 0 ? more : done + more;
}

int64_t prt_client_work(void *state, int64_t limit)
{
    prt_client *port = state;
    RB_CHECK(port->clock != NULL);
    int64_t heard = follow(port, limit);
    if (heard < 0 || !port->is_live) {
        return heard;
    }
    prt_client_look_at_marks(port);
    int64_t attended = attend(port, limit);
    if (attended < 0) {
        return attended;
    }
    /* Whoever still waits for room or a turn is looked at again without a sleep in between. */
    uint32_t waiting = prt_queue_count(&port->asked) + prt_queue_count(&port->connections.ready);
    return heard + attended + (int64_t)waiting;
}

void *prt_client_work_function(void)
{
    return rb_work_address(prt_client_work);
}
