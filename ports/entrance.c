#include <string.h>

#include "ports/client_state.h"
#include "ringbus/check.h"

/* Room for it is kept (PRT_LAST_WORDS_BYTES). */
static void say_debug(prt_client *port, prt_connection *connection, const char *text)
{
    size_t room = prt_connection_room(&port->connections, connection);
    size_t bytes =
        prt_soup_write_debug(connection->out + connection->out_end, room, text,
                             strnlen(text, PRT_LAST_WORDS_BYTES - PRT_SOUP_HEADER_BYTES));
    connection->out_end += (uint32_t)bytes;
    prt_connections_make_dirty(&port->connections, connection);
}

/* The session goes on without its connection; the stream will say that it is gone. */
static int32_t detach(prt_client *port, prt_connection *connection)
{
    prt_session *session = prt_client_session_of(port, connection);
    if (session == NULL) {
        return RB_OK;
    }
    connection->session = PRT_NONE;
    if (session->waiting == prt_client_number_of(port, connection)) {
        session->waiting = PRT_NONE;
        return RB_OK;
    }
    RB_CHECK(session->connection == prt_client_number_of(port, connection));
    session->connection = PRT_NONE;
    return session->phase == PRT_QUIET ? prt_client_settle(port, session) : RB_OK;
}

int32_t prt_client_drop(prt_client *port, prt_connection *connection)
{
    int32_t status = detach(port, connection);
    prt_connections_close(&port->connections, connection);
    return status;
}

/* Takes nothing more, sends what is there, then closes when the client has, or soon. */
static int32_t dismiss(prt_client *port, prt_connection *connection)
{
    int32_t status = detach(port, connection);
    prt_client_enter_state(port, connection, PRT_FLUSHING);
    prt_connections_make_dirty(&port->connections, connection);
    return status;
}

int32_t prt_client_dismiss(prt_client *port, prt_connection *connection, const char *why)
{
    say_debug(port, connection, why);
    return dismiss(port, connection);
}

int32_t prt_client_ask_event(prt_client *port, prt_session *session, uint8_t kind,
                             uint32_t connection, uint64_t next_message)
{
    prt_request request = {.read_ns = port->now_ns,
                           .next_message = next_message,
                           .connection = connection,
                           .event = kind};
    return prt_client_ask(port, session, &request);
}

/* Begins the login of a verified client on a QUIET session that has no connection. */
static int32_t enter(prt_client *port, prt_session *session, prt_connection *connection)
{
    session->connection = prt_client_number_of(port, connection);
    prt_client_enter_state(port, connection, PRT_ENTERING);
    return prt_client_ask_event(port, session, RB_SESSION_EVENT_KIND_LOGIN, session->connection,
                                connection->login.sequence);
}

int32_t prt_client_settle(prt_client *port, prt_session *session)
{
    RB_CHECK(session->phase == PRT_QUIET);
    if (!port->is_live) {
        return RB_OK;
    }
    if (session->connection != PRT_NONE) {
        prt_connections_make_ready(&port->connections,
                                   &port->connections.slots[session->connection]);
        return RB_OK;
    }
    if (session->holder == port->desk.publisher) {
        return prt_client_ask_event(port, session, RB_SESSION_EVENT_KIND_DISCONNECT, PRT_NONE, 0);
    }
    prt_request cancel;
    if (prt_session_owes_cancel(&port->desk, session, port->now_ns, &cancel)) {
        return prt_client_ask(port, session, &cancel);
    }
    if (session->waiting != PRT_NONE) {
        prt_connection *connection = &port->connections.slots[session->waiting];
        session->waiting = PRT_NONE;
        return enter(port, session, connection);
    }
    return RB_OK;
}

/* The Login is on the stream: everything up to it can be asked for. */
static int32_t welcome(prt_client *port, prt_session *session, prt_connection *connection)
{
    uint64_t count = session->outbox.count;
    uint64_t wanted = connection->login.sequence;
    uint64_t next = wanted < count + 1 ? wanted : count + 1;
    if (wanted == 0) {
        next = count > 0 ? count : 1;
    }
    size_t room = prt_connection_room(&port->connections, connection);
    size_t bytes = prt_soup_write_login_accepted(connection->out + connection->out_end, room,
                                                 port->config.session, next);
    RB_CHECK(bytes > 0);
    connection->out_end += (uint32_t)bytes;
    connection->known = count;
    connection->received_ns = port->now_ns;
    prt_outbox_seek(&session->outbox, &connection->cursor, next);
    prt_client_enter_state(port, connection, PRT_LIVE);
    prt_connections_make_dirty(&port->connections, connection);
    prt_client_add(port, PRT_COUNT_LOGINS);
    return RB_OK;
}

int32_t prt_client_answered(prt_client *port, prt_session *session)
{
    prt_connection *connection =
        session->connection == PRT_NONE ? NULL : &port->connections.slots[session->connection];
    int32_t status = RB_OK;
    if (connection != NULL) {
        switch (session->request.event) {
        case 0:
            connection->asked_ns = session->request.read_ns;
            break;
        case RB_SESSION_EVENT_KIND_LOGIN:
            status = welcome(port, session, connection);
            break;
        case RB_SESSION_EVENT_KIND_LOGOUT:
            session->connection = PRT_NONE;
            connection->session = PRT_NONE;
            status = dismiss(port, connection);
            break;
        default:
            break;
        }
    }
    return status == RB_OK ? prt_client_settle(port, session) : status;
}

static int32_t refuse_login(prt_client *port, prt_connection *connection, uint8_t code)
{
    prt_client_add(port, PRT_COUNT_LOGINS_REFUSED);
    size_t room = prt_connection_room(&port->connections, connection);
    size_t bytes = prt_soup_write_login_rejected(connection->out + connection->out_end, room, code);
    connection->out_end += (uint32_t)bytes;
    return dismiss(port, connection);
}

int32_t prt_client_turn_away(prt_client *port, prt_session *session)
{
    if (session->connection == PRT_NONE) {
        return prt_client_settle(port, session);
    }
    return refuse_login(port, &port->connections.slots[session->connection],
                        PRT_SOUP_SESSION_NOT_AVAILABLE);
}

/* Whether a client may come in that asks for this session, "" for the active one. Of a live
 * exchange, whose sessions begin with L, it has to be named: who has a test in mind does not get
 * in. */
static int is_session(const prt_client *port, const char *wanted)
{
    const char *own = port->config.session;
    return wanted[0] == '\0' ? own[0] != 'L' : strcmp(wanted, own) == 0;
}

static int32_t on_verdict(prt_client *port, prt_connection *connection, int good)
{
    prt_session *session = prt_desk_find_user(&port->desk, connection->login.user);
    if (!good || session == NULL) {
        return refuse_login(port, connection, PRT_SOUP_NOT_AUTHORISED);
    }
    if (!is_session(port, connection->login.session)) {
        return refuse_login(port, connection, PRT_SOUP_SESSION_NOT_AVAILABLE);
    }
    int is_elsewhere = session->holder != 0 && session->holder != port->desk.publisher;
    if (is_elsewhere || session->connection != PRT_NONE || session->waiting != PRT_NONE) {
        return refuse_login(port, connection, PRT_SOUP_SESSION_NOT_AVAILABLE);
    }
    connection->session = prt_desk_number(&port->desk, session);
    if (session->phase == PRT_QUIET && session->holder == 0) {
        return enter(port, session, connection);
    }
    session->waiting = prt_client_number_of(port, connection);
    prt_client_enter_state(port, connection, PRT_WAITING);
    return RB_OK;
}

int64_t prt_client_take_verdicts(prt_client *port, int64_t limit)
{
    int64_t done = 0;
    prt_login_verdict verdict;
    for (; done < limit && prt_login_take(&port->login, &verdict) == 1; done++) {
        uint64_t event = (uint64_t)verdict.generation << 32 | verdict.connection;
        prt_connection *connection = prt_connections_find(&port->connections, event);
        if (connection == NULL || connection->state != PRT_VERIFYING) {
            continue;
        }
        int32_t status = on_verdict(port, connection, verdict.good != 0);
        if (status != RB_OK) {
            return status;
        }
    }
    return done;
}
