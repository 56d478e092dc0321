#include <string.h>
#include <sys/epoll.h>

#include "ports/client_state.h"
#include "ringbus/check.h"

enum {
    EVENTS_MAX = 64,  /* looked at in one round */
    ACCEPTS_MAX = 16, /* likewise: one costs 3 us, and a storm of them must not stop the others */
    PACKETS_MAX = 64, /* of one connection in one round */
    LOOKS_MAX = 16,   /* connections looked at in one round for heartbeats and silence */
};
/* All connections are looked at this often; heartbeats are that much late at most. */
static const uint64_t tick_ns = UINT64_C(100000000);
/* A connection that has been told all has this long to close. */
static const uint64_t farewell_ns = UINT64_C(1000000000);

static int32_t malformed(prt_client *port, prt_connection *connection, const char *why)
{
    prt_client_add(port, PRT_COUNT_MALFORMED);
    return prt_client_dismiss(port, connection, why);
}

/* Below: 1 for a packet that was taken, 0 for one that must wait, < 0 for a failure of the port. */

static int32_t taken(int32_t status)
{
    return status == RB_OK ? 1 : status;
}

static int32_t take_login(prt_client *port, prt_connection *connection,
                          const prt_soup_packet *packet)
{
    if (packet->type != PRT_SOUP_LOGIN_REQUEST) {
        return taken(malformed(port, connection, "the first packet must be a login request"));
    }
    prt_soup_login *login = &connection->login;
    if (prt_soup_parse_login(packet->payload, packet->payload_bytes, login) != RB_OK) {
        return taken(malformed(port, connection, "the login request cannot be read"));
    }
    prt_client_login question = {.connection = prt_client_number_of(port, connection),
                                 .generation = connection->generation};
    _Static_assert(sizeof question.user == sizeof login->user, "copied whole");
    _Static_assert(sizeof question.password == sizeof login->password, "copied whole");
    memcpy(question.user, login->user, sizeof question.user);
    memcpy(question.password, login->password, sizeof question.password);
    int32_t asked = prt_login_ask(&port->login, &question);
    explicit_bzero(&question, sizeof question);
    explicit_bzero(login->password, sizeof login->password);
    if (asked == 1) {
        prt_client_enter_state(port, connection, PRT_VERIFYING);
    }
    return asked;
}

static int32_t take_request(prt_client *port, prt_connection *connection, prt_session *session,
                            const prt_soup_packet *packet)
{
    if (session->listens) {
        return taken(malformed(port, connection, "a drop copy takes no requests"));
    }
    prt_request request = {.read_ns = port->now_ns};
    int32_t status = session->protocol == PRT_OUCH42
                         ? prt_ouch42_decode(packet->payload, packet->payload_bytes, &request.ouch,
                                             &request.options)
                         : prt_ouch_decode(packet->payload, packet->payload_bytes, &request.ouch);
    if (status != RB_OK) {
        return taken(malformed(port, connection, "the OUCH message cannot be read"));
    }
    if (session->protocol == PRT_OUCH50) {
        prt_options_read(&request.ouch, &request.options);
    }
    /* It lies in the buffer, which goes on. */
    request.ouch.appendage = NULL;
    request.ouch.appendage_bytes = 0;
    if (prt_session_throttle(session, request.ouch.kind, request.read_ns)) {
        request.is_throttled = 1;
        prt_client_add(port, PRT_COUNT_THROTTLED);
    }
    prt_client_add(port, PRT_COUNT_REQUESTS);
    return taken(prt_client_ask(port, session, &request));
}

static int32_t take_packet(prt_client *port, prt_connection *connection,
                           const prt_soup_packet *packet)
{
    if (connection->state == PRT_NEW) {
        return take_login(port, connection, packet);
    }
    prt_session *session = prt_client_session_of(port, connection);
    RB_CHECK(session != NULL);
    switch (packet->type) {
    case PRT_SOUP_CLIENT_HEARTBEAT:
    case PRT_SOUP_DEBUG:
        return 1;
    case PRT_SOUP_UNSEQUENCED:
        return take_request(port, connection, session, packet);
    case PRT_SOUP_LOGOUT:
        prt_client_enter_state(port, connection, PRT_LEAVING);
        return taken(prt_client_ask_event(port, session, RB_SESSION_EVENT_KIND_LOGOUT,
                                          prt_client_number_of(port, connection), 0));
    default:
        return taken(malformed(port, connection, "already logged in"));
    }
}

/* Whether the next packet may be taken now. */
static int may_take(const prt_client *port, const prt_connection *connection)
{
    if (connection->state == PRT_NEW) {
        return 1;
    }
    if (connection->state != PRT_LIVE) {
        return 0;
    }
    return prt_client_session_of(port, connection)->phase == PRT_QUIET;
}

static int32_t on_end(prt_client *port, prt_connection *connection)
{
    if (connection->state != PRT_DRAINING && connection->state != PRT_FLUSHING) {
        prt_client_add(port, PRT_COUNT_BROKEN);
    }
    return prt_client_drop(port, connection);
}

/* Reads once. 1: something came; 0: nothing is there now, or the connection is gone. */
static int32_t read_more(prt_client *port, prt_connection *connection)
{
    if (!connection->may_read) {
        return 0;
    }
    int64_t got = prt_connection_receive(&port->connections, connection);
    if (got < 0) {
        return on_end(port, connection);
    }
    if (got > 0) {
        connection->received_ns = port->now_ns;
    } else if (connection->may_read) {
        /* It was interrupted, and epoll does not tell again. */
        prt_connections_make_ready(&port->connections, connection);
    }
    return got > 0;
}

/* Who has been told to go is read until it does, so that the kernel does not answer what it sends
 * with a reset, which could take our last words from it. */
static int32_t read_over(prt_client *port, prt_connection *connection)
{
    connection->in_begin = connection->in_end = 0;
    int32_t came = read_more(port, connection);
    if (came > 0) {
        prt_connections_make_ready(&port->connections, connection);
    }
    return came;
}

/* The next packet in the buffer. 1: it was taken; 0: there is no whole one, or it must wait. */
static int32_t take_next(prt_client *port, prt_connection *connection, int *waits)
{
    prt_soup_packet packet;
    int64_t bytes = prt_soup_next(connection->in + connection->in_begin,
                                  connection->in_end - connection->in_begin, &packet);
    if (bytes == 0) {
        return 0;
    }
    if (bytes < 0) {
        return taken(malformed(port, connection, "the bytes are not a SoupBinTCP packet"));
    }
    int32_t status = take_packet(port, connection, &packet);
    if (status > 0) {
        connection->in_begin += (uint32_t)bytes;
    }
    *waits = status == 0;
    return status;
}

/* Takes what a connection has until it has to wait for an answer. Returns packets taken. */
static int64_t serve(prt_client *port, prt_connection *connection)
{
    if (connection->state == PRT_DRAINING) {
        return read_over(port, connection);
    }
    int64_t done = 0;
    int waits = 0;
    int32_t status = 1;
    while (done < PACKETS_MAX && status > 0 && may_take(port, connection)) {
        status = take_next(port, connection, &waits);
        done += status > 0;
        if (status == 0 && !waits) {
            status = read_more(port, connection);
        }
    }
    if (waits || done == PACKETS_MAX) {
        prt_connections_make_ready(&port->connections, connection);
    }
    return status < 0 ? status : done;
}

int64_t prt_client_serve(prt_client *port, int64_t limit)
{
    int64_t done = 0;
    uint32_t count = prt_queue_count(&port->connections.ready);
    for (uint32_t n = 0; n < count && done < limit; n++) {
        prt_connection *connection = prt_connections_next_ready(&port->connections);
        if (connection == NULL) {
            break;
        }
        int64_t served = serve(port, connection);
        if (served < 0) {
            return served;
        }
        done += served;
    }
    return done;
}

static void accept_all(prt_client *port)
{
    for (uint32_t n = 0; n < ACCEPTS_MAX; n++) {
        prt_connection *connection;
        int32_t got = prt_connections_accept(&port->connections, port->now_ns, &connection);
        if (got == 0) {
            break;
        }
        prt_client_add(port, got == 1 ? PRT_COUNT_CONNECTIONS : PRT_COUNT_CONNECTIONS_REFUSED);
    }
}

int32_t prt_client_adopt(prt_client *port, int32_t fd)
{
    prt_connection *connection;
    port->now_ns = rb_clock_read(port->clock);
    int32_t got = prt_connections_adopt(&port->connections, fd, port->now_ns, &connection);
    prt_client_add(port, got == 1 ? PRT_COUNT_CONNECTIONS : PRT_COUNT_CONNECTIONS_REFUSED);
    return got == 1 ? RB_OK : RB_FULL;
}

/* Whether an end of what the client sends ends the connection before what it sent is looked at. */
static int is_entering(const prt_connection *connection)
{
    return connection->state == PRT_VERIFYING || connection->state == PRT_WAITING ||
           connection->state == PRT_ENTERING;
}

static int32_t on_event(prt_client *port, prt_connection *connection, uint32_t events)
{
    if ((events & EPOLLOUT) && connection->is_blocked) {
        connection->is_blocked = 0;
        prt_connections_make_dirty(&port->connections, connection);
    }
    if (events & (EPOLLHUP | EPOLLERR)) {
        return on_end(port, connection);
    }
    if (events & EPOLLRDHUP) {
        if (is_entering(connection)) {
            return on_end(port, connection);
        }
        connection->is_ended = 1;
    }
    if (events & (EPOLLIN | EPOLLRDHUP)) {
        connection->may_read = 1;
        connection->received_ns = port->now_ns;
        prt_connections_make_ready(&port->connections, connection);
    }
    return RB_OK;
}

int64_t prt_client_poll(prt_client *port, int64_t limit)
{
    struct epoll_event events[EVENTS_MAX];
    int most = limit < EVENTS_MAX ? (int)limit : EVENTS_MAX;
    int count = epoll_wait(port->connections.epoll_fd, events, most, 0);
    int64_t done = 0;
    if (count > 0) {
        port->now_ns = rb_clock_read(port->clock);
    }
    for (int n = 0; n < count; n++) {
        uint64_t event = events[n].data.u64;
        int32_t status = RB_OK;
        if (event == PRT_EVENT_BELL) {
            /* Whoever waits drains it. */
            continue;
        }
        done++;
        if (event == PRT_EVENT_LISTENER) {
            accept_all(port);
        } else if (event == PRT_EVENT_VERDICT) {
            prt_login_hush(port->login.verdict_fd);
        } else {
            prt_connection *connection = prt_connections_find(&port->connections, event);
            status = connection == NULL ? RB_OK : on_event(port, connection, events[n].events);
        }
        if (status != RB_OK) {
            return status;
        }
    }
    return done;
}

static int is_older(uint64_t now_ns, uint64_t since_ns, uint64_t age_ns)
{
    return now_ns > since_ns && now_ns - since_ns >= age_ns;
}

static void beat(prt_client *port, prt_connection *connection)
{
    size_t room = prt_connection_room(&port->connections, connection);
    connection->out_end +=
        (uint32_t)prt_soup_write_heartbeat(connection->out + connection->out_end, room);
    prt_connections_make_dirty(&port->connections, connection);
}

/* Of who waits to be read, nothing can be said about its silence. */
static int is_silent(const prt_client *port, const prt_connection *connection)
{
    if (connection->may_read) {
        return 0;
    }
    return is_older(port->now_ns, connection->received_ns, port->config.dead_ns);
}

static int32_t look_at(prt_client *port, prt_connection *connection)
{
    int is_late = 0;
    switch (connection->state) {
    case PRT_CLOSED:
        return RB_OK;
    case PRT_NEW:
        is_late = is_older(port->now_ns, connection->since_ns, port->config.dead_ns);
        break;
    case PRT_FLUSHING:
        is_late = is_older(port->now_ns, connection->since_ns, port->config.dead_ns);
        return is_late ? prt_client_drop(port, connection) : RB_OK;
    case PRT_DRAINING:
        is_late = is_older(port->now_ns, connection->since_ns, farewell_ns);
        return is_late ? prt_client_drop(port, connection) : RB_OK;
    case PRT_LIVE:
    case PRT_LEAVING:
        is_late = is_silent(port, connection);
        break;
    default:
        /* Its login is ours to answer, however long that takes. */
        return RB_OK;
    }
    if (is_late) {
        prt_client_add(port, PRT_COUNT_SILENT);
        return prt_client_drop(port, connection);
    }
    if (connection->state != PRT_NEW && connection->out_begin == connection->out_end &&
        is_older(port->now_ns, connection->sent_ns, port->config.heartbeat_ns)) {
        beat(port, connection);
    }
    return RB_OK;
}

int64_t prt_client_tick(prt_client *port)
{
    if (port->looked >= port->connections.used) {
        if (!is_older(port->now_ns, port->ticked_ns, tick_ns)) {
            return 0;
        }
        port->ticked_ns = port->now_ns;
        port->looked = 0;
    }
    for (uint32_t n = 0; n < LOOKS_MAX && port->looked < port->connections.used; n++) {
        int32_t status = look_at(port, &port->connections.slots[port->looked++]);
        if (status != RB_OK) {
            return status;
        }
    }
    /* Whoever has not been looked at yet is so in the next rounds. */
    return port->looked < port->connections.used;
}
