#include "ports/client_state.h"

#include <stdlib.h>
#include <string.h>

#include "ringbus/check.h"

enum { GROUP_MAX = PRT_PROPOSAL_LINES_MAX };

#define PRT_COUNT_ROW(name, text) text,
static const char *const count_names[] = {PRT_COUNT_LIST(PRT_COUNT_ROW)};
#undef PRT_COUNT_ROW

static prt_bounds bounds_of(const prt_client_config *config)
{
    return (prt_bounds){.publisher = config->publisher,
                        .shards = config->shards,
                        .instruments = config->instruments,
                        .sessions = config->sessions,
                        .orders = config->orders,
                        .tokens = config->tokens,
                        .ears = config->ears,
                        .messages = config->messages};
}

static size_t whole_port(void)
{
    return (sizeof(prt_client) + RB_GUARD_BYTES - 1) / RB_GUARD_BYTES * RB_GUARD_BYTES;
}

void prt_client_size_of(const prt_client_config *config, prt_client_size *out)
{
    prt_bounds bounds = bounds_of(config);
    uint64_t connections =
        prt_connections_bytes(config->connections, config->receive_bytes, config->send_bytes) +
        prt_login_bytes(config->connections) + prt_queue_bytes(config->connections);
    out->bytes =
        whole_port() + prt_desk_bytes(&bounds) + connections + prt_queue_bytes(config->sessions);
    out->connection_bytes = config->connections == 0 ? 0 : connections / config->connections;
    out->session_bytes = sizeof(prt_session) + 2 * sizeof(prt_chunk);
    int is_known = config->socket_receive_bytes > 0 && config->socket_send_bytes > 0;
    /* The kernel doubles what it is told, for its own part of it. */
    out->kernel_bytes =
        is_known ? 2 * ((uint64_t)config->socket_receive_bytes + config->socket_send_bytes) : 0;
}

static int32_t init(prt_client *port, const prt_client_config *config)
{
    prt_bounds bounds = bounds_of(config);
    port->config = *config;
    port->allowed = UINT64_MAX;
    port->replay.file = -1;
    for (uint32_t n = 0; n < PRT_COUNTS; n++) {
        port->counters[n] = &port->own_counters[n];
    }
    int32_t status = prt_desk_init(&port->desk, &bounds);
    int32_t others = prt_connections_init(&port->connections, config->connections,
                                          config->receive_bytes, config->send_bytes);
    status = status == RB_OK ? others : status;
    port->connections.socket_in_bytes = config->socket_receive_bytes;
    port->connections.socket_out_bytes = config->socket_send_bytes;
    others = prt_login_init(&port->login, config->connections);
    status = status == RB_OK ? others : status;
    others = prt_queue_init(&port->held, config->connections);
    status = status == RB_OK ? others : status;
    others = prt_queue_init(&port->asked, config->sessions);
    status = status == RB_OK ? others : status;
    if (status != RB_OK) {
        return status;
    }
    return prt_connections_watch(&port->connections, port->login.verdict_fd, PRT_EVENT_VERDICT);
}

int32_t prt_client_create(const prt_client_config *config, prt_client **out)
{
    *out = NULL;
    size_t length = strnlen(config->session, sizeof config->session);
    if (length == 0 || length > PRT_SOUP_SESSION_BYTES) {
        return RB_USAGE;
    }
    if (config->heartbeat_ns == 0 || config->dead_ns == 0 || config->backlog_max == 0) {
        return RB_USAGE;
    }
    prt_client *port = aligned_alloc(RB_GUARD_BYTES, whole_port());
    if (port == NULL) {
        return RB_SYSTEM;
    }
    memset(port, 0, sizeof *port);
    int32_t status = init(port, config);
    if (status != RB_OK) {
        prt_client_destroy(port);
        return status;
    }
    *out = port;
    return RB_OK;
}

void prt_client_destroy(prt_client *port)
{
    if (port == NULL) {
        return;
    }
    prt_queue_free(&port->asked);
    prt_queue_free(&port->held);
    prt_login_free(&port->login);
    prt_connections_free(&port->connections);
    prt_desk_free(&port->desk);
    rb_replay_close(&port->replay);
    free(port);
}

int64_t prt_client_add_instrument(prt_client *port, const prt_instrument *instrument)
{
    if (instrument->shard >= port->desk.shard_count) {
        return RB_USAGE;
    }
    return prt_instruments_add(&port->desk.instruments, instrument);
}

int64_t prt_client_add_session(prt_client *port, const prt_client_session *session)
{
    if (strnlen(session->user, sizeof session->user) > PRT_SOUP_USER_BYTES) {
        return RB_USAGE;
    }
    return prt_desk_add_session(&port->desk, session);
}

int32_t prt_client_add_hearing(prt_client *port, uint16_t listener, uint16_t topic,
                               const char *whose)
{
    return prt_desk_add_hearing(&port->desk, listener, topic, whose);
}

int32_t prt_client_attach_core(prt_client *port, void *clock, void *wake, uint64_t bells)
{
    if (clock == NULL || wake == NULL) {
        return RB_USAGE;
    }
    port->clock = clock;
    port->wake = wake;
    port->bells = bells;
    return RB_OK;
}

int32_t prt_client_attach_lane(prt_client *port, void *lane, size_t lane_bytes, void *doorbell,
                               size_t doorbell_bytes, uint32_t number)
{
    int32_t status = rb_layout_verify(doorbell, doorbell_bytes, RB_KIND_DOORBELL);
    if (status != RB_OK) {
        return status;
    }
    if (number >= RB_DOORBELL_LANES || number + 1 != port->config.publisher) {
        return RB_USAGE;
    }
    status = rb_lane_attach(&port->lane, lane, lane_bytes);
    if (status != RB_OK) {
        return status;
    }
    port->doorbell = doorbell;
    port->lane_number = number;
    int64_t erased = rb_lane_repair(&port->lane);
    return erased < 0 ? (int32_t)erased : RB_OK;
}

void prt_client_stand_by(prt_client *port)
{
    port->stands_by = 1;
}

void prt_client_speak(prt_client *port)
{
    /* PS1 release; pairs with PS2 in follow: lane and listener are there before it speaks. */
    rb_store_release_u32(&port->stands_by, 0);
    prt_login_signal(port->login.verdict_fd);
}

int32_t prt_client_attach_stream(prt_client *port, const void *ring, size_t ring_bytes,
                                 const char *directory, uint64_t segment_messages)
{
    if (ring == NULL) {
        return RB_USAGE;
    }
    port->has_journal = directory != NULL && directory[0] != '\0';
    return rb_replay_attach(&port->replay, ring, ring_bytes, directory, segment_messages, 1);
}

int32_t prt_client_add_journal(prt_client *port, const char *directory)
{
    return rb_replay_add(&port->replay, directory);
}

int32_t prt_client_attach_marks(prt_client *port, const void *marks, size_t marks_bytes,
                                uint32_t copies)
{
    if (copies > RB_MARKS_MAX) {
        return RB_USAGE;
    }
    int32_t status = rb_marks_verify(marks, marks_bytes);
    if (status == RB_OK && copies > 0) {
        port->marks = marks;
        port->copies = copies;
        port->allowed = 0;
    }
    return status;
}

void *prt_client_reader(prt_client *port)
{
    return rb_replay_reader(&port->replay);
}

void prt_client_measure(prt_client *port, void *hop, void *whole)
{
    port->hop = hop;
    port->whole = whole;
}

int32_t prt_client_count_into(prt_client *port, uint32_t n, uint64_t *counter)
{
    if (n >= PRT_COUNTS || counter == NULL) {
        return RB_USAGE;
    }
    port->counters[n] = counter;
    return RB_OK;
}

const char *prt_client_count_name(uint32_t n)
{
    return n < PRT_COUNTS ? count_names[n] : NULL;
}

uint64_t prt_client_count(const prt_client *port, uint32_t n)
{
    /* relaxed: a number for a watcher. */
    return n < PRT_COUNTS ? rb_load_relaxed(port->counters[n]) : 0;
}

int64_t prt_client_listen(prt_client *port, const char *host, uint16_t tcp_port)
{
    return prt_connections_listen(&port->connections, host, tcp_port);
}

int32_t prt_client_epoll(const prt_client *port)
{
    return port->connections.epoll_fd;
}

int32_t prt_client_is_live(const prt_client *port)
{
    return port->is_live != 0;
}

int64_t prt_client_messages(const prt_client *port, uint16_t topic)
{
    uint32_t owner = port->desk.by_topic[topic];
    return owner == 0 ? RB_UNKNOWN : (int64_t)port->desk.sessions[owner - 1].outbox.count;
}

uint32_t prt_client_open_orders(const prt_client *port)
{
    return port->desk.orders.count;
}

int32_t prt_client_valid(const prt_client *port)
{
    return prt_orders_valid(&port->desk.orders);
}

int32_t prt_client_login_next(prt_client *port, prt_client_login *login)
{
    return prt_login_hear(&port->login, login);
}

int32_t prt_client_login_verdict(prt_client *port, uint32_t connection, uint32_t generation,
                                 uint32_t good)
{
    prt_login_verdict verdict = {.connection = connection, .generation = generation, .good = good};
    return prt_login_answer(&port->login, &verdict);
}

int32_t prt_client_login_fd(const prt_client *port)
{
    return port->login.question_fd;
}

void prt_client_login_hush(prt_client *port)
{
    prt_login_hush(port->login.question_fd);
}

void prt_client_login_wake(prt_client *port)
{
    prt_login_signal(port->login.question_fd);
}

void prt_client_populate(const prt_client *port, const uint32_t *stop)
{
    prt_orders_populate(&port->desk.orders, stop);
}

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
        if (rb_lane_room(&port->lane, GROUP_MAX) < GROUP_MAX) {
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
    rb_work work = prt_client_work;
    void *pointer;
    memcpy(&pointer, &work, sizeof pointer);
    return pointer;
}
