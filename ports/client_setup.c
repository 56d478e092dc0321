#include <stdlib.h>
#include <string.h>

#include "ports/client_state.h"

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
