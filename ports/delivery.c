#include <string.h>
#include <sys/socket.h>

#include "ports/client_state.h"
#include "ringbus/check.h"

/* Messages of one connection that are fetched from the stream in one round: more would make the
 * others wait for somebody who is behind. */
enum { FETCHES_MAX = 64 };
/* A message, and before it, for a listener, whose it is. */
#define PRT_PACKETS_BYTES_MAX                                                                      \
    (PRT_SOUP_HEADER_BYTES + PRT_SHOWN_BYTES_MAX + PRT_SOUP_HEADER_BYTES + PRT_WHOSE_BYTES_MAX)
/* Lines behind the first one of a message: eight legs and a tag. */
enum { LINES_BEHIND_MAX = 9 };

/* Tells a listener whose the next messages are, if that is not who it was before. Returns bytes. */
static size_t introduce(const prt_client *port, prt_connection *connection, const rb_message *line,
                        uint8_t *at, size_t room)
{
    uint16_t topic = line->header.topic;
    const prt_heard *heard = prt_hearing_find(&port->desk.hearing, topic);
    if (heard == NULL || topic == connection->whose) {
        return 0;
    }
    connection->whose = topic;
    return prt_soup_write_debug(at, room, heard->whose, heard->whose_bytes);
}

/* Writes the message into the connection's buffer as the next sequenced packet. 1; 0: no room now.
 */
static int32_t show(prt_client *port, prt_connection *connection, const prt_group *group)
{
    size_t room = prt_connection_room(&port->connections, connection);
    if (room < PRT_PACKETS_BYTES_MAX + PRT_LAST_WORDS_BYTES) {
        return 0;
    }
    uint8_t *at = connection->out + connection->out_end;
    size_t introduced = introduce(port, connection, group->line, at, room);
    connection->out_end += (uint32_t)introduced;
    room -= introduced;
    at += introduced;
    size_t bytes = prt_desk_show(&port->desk, &port->desk.sessions[connection->session], group,
                                 at + PRT_SOUP_HEADER_BYTES, PRT_SHOWN_BYTES_MAX);
    RB_CHECK(bytes > 0);
    bytes += prt_soup_write_sequenced_header(at, room, bytes);
    connection->out_end += (uint32_t)bytes;
    prt_outbox_advance(&connection->cursor);
    prt_client_add(port, PRT_COUNT_MESSAGES);
    return 1;
}

/* Whether it has not taken what it could have had for `backlog_max` messages. Who waits for a mark
 * is not slow. */
static int is_slow(const prt_client *port, prt_connection *connection)
{
    const prt_outbox *outbox = &port->desk.sessions[connection->session].outbox;
    uint64_t had = connection->cursor.next - 1;
    had = had > connection->known ? had : connection->known;
    return outbox->count - had > port->config.backlog_max &&
           prt_outbox_at(outbox, &connection->cursor) <= port->allowed;
}

int32_t prt_client_deliver(prt_client *port, prt_connection *connection, const prt_group *group)
{
    if (connection->state != PRT_LIVE && connection->state != PRT_LEAVING) {
        return RB_OK;
    }
    uint64_t count = port->desk.sessions[connection->session].outbox.count;
    if (is_slow(port, connection)) {
        prt_client_add(port, PRT_COUNT_SLOW);
        return prt_client_dismiss(port, connection,
                                  "cut off: too many messages wait for you to read them; log in "
                                  "again with the next number to get them");
    }
    int may = prt_group_last(group)->header.sequence <= port->allowed;
    if (may && connection->cursor.next == count) {
        int32_t status = show(port, connection, group);
        if (status < 0) {
            return status;
        }
    }
    prt_connections_make_dirty(&port->connections, connection);
    return RB_OK;
}

int32_t prt_client_deliver_to_listeners(prt_client *port, const prt_heard *heard,
                                        const prt_group *group)
{
    const prt_desk *desk = &port->desk;
    for (uint32_t n = heard->first; n != PRT_NONE; n = desk->hearing.ears[n].next) {
        uint32_t number = desk->sessions[desk->hearing.ears[n].listener].connection;
        if (number != PRT_NONE) {
            int32_t status = prt_client_deliver(port, &port->connections.slots[number], group);
            if (status != RB_OK) {
                return status;
            }
        }
    }
    return RB_OK;
}

int32_t prt_client_deliver_to_all(prt_client *port, const prt_group *group)
{
    for (uint32_t n = 0; n < port->desk.session_count; n++) {
        uint32_t number = port->desk.sessions[n].connection;
        if (number != PRT_NONE) {
            int32_t status = prt_client_deliver(port, &port->connections.slots[number], group);
            if (status != RB_OK) {
                return status;
            }
        }
    }
    return RB_OK;
}

/* The n-th message of a session's outbox as it is on the stream. 1; 0: not to be had now. */
static int32_t fetch(prt_client *port, uint64_t sequence, rb_message *line)
{
    int64_t got = rb_replay_get(&port->replay, sequence, line);
    if (got == RB_LAPPED) {
        return 0;
    }
    return (int32_t)got;
}

/* The connection's next message waits for a mark. */
static void hold(prt_client *port, prt_connection *connection)
{
    if (!connection->is_held) {
        connection->is_held = 1;
        prt_queue_push(&port->held, prt_connections_number(&port->connections, connection));
    }
}

void prt_client_look_at_marks(prt_client *port)
{
    if (port->marks == NULL) {
        return;
    }
    uint64_t reached = rb_marks_reached(port->marks, port->copies);
    if (reached == port->allowed) {
        return;
    }
    port->allowed = reached;
    for (uint32_t left = prt_queue_count(&port->held); left > 0; left--) {
        prt_connection *connection = &port->connections.slots[prt_queue_pop(&port->held)];
        connection->is_held = 0;
        if (connection->state == PRT_LIVE || connection->state == PRT_LEAVING) {
            /* What gathered meanwhile is not its backlog. */
            connection->known = port->desk.sessions[connection->session].outbox.count;
            prt_connections_make_dirty(&port->connections, connection);
        }
    }
}

/* A message as it is on the stream; the lines of `group` are kept in `lines`. 1; 0: not to be had
 * now. */
static int32_t fetch_message(prt_client *port, uint64_t sequence, rb_message lines[3],
                             prt_group *group)
{
    memset(group, 0, sizeof *group);
    int32_t got = fetch(port, sequence, &lines[0]);
    group->line = &lines[0];
    const rb_message *last = &lines[0];
    for (uint64_t n = 1; got == 1 && n <= LINES_BEHIND_MAX; n++) {
        if ((last->header.flags & RB_FLAG_CONTINUED) == 0) {
            break;
        }
        /* Terms are the first line behind, a tag is the last. */
        rb_message *line = &lines[n == 1 ? 1 : 2];
        got = fetch(port, sequence + n, line);
        last = line;
        if (got == 1 && line->header.template_id == RB_TEMPLATE_ORDER_TERMS) {
            group->terms = line;
        }
        group->tag = got == 1 && line->header.template_id == RB_TEMPLATE_ORDER_TAG ? line : NULL;
    }
    return got;
}

/* Fills the buffer of a connection that is behind from the stream. Returns messages, < 0: failure.
 */
static int32_t catch_up(prt_client *port, prt_connection *connection)
{
    const prt_outbox *outbox = &port->desk.sessions[connection->session].outbox;
    int32_t done = 0;
    for (; done < FETCHES_MAX; done++) {
        uint64_t sequence = prt_outbox_at(outbox, &connection->cursor);
        if (sequence == 0) {
            break;
        }
        rb_message lines[3];
        prt_group group;
        int32_t got = fetch_message(port, sequence, lines, &group);
        if (got == 1 && prt_group_last(&group)->header.sequence > port->allowed) {
            hold(port, connection);
            break;
        }
        if (got == 1) {
            got = show(port, connection, &group);
        }
        if (got <= 0) {
            return got < 0 ? got : done;
        }
    }
    return done;
}

static int is_behind(const prt_client *port, const prt_connection *connection)
{
    if (connection->state != PRT_LIVE && connection->state != PRT_LEAVING) {
        return 0;
    }
    return connection->cursor.next <= port->desk.sessions[connection->session].outbox.count;
}

static void measure_whole(prt_client *port, prt_connection *connection)
{
    uint64_t asked_ns = connection->asked_ns;
    connection->asked_ns = 0;
    if (port->whole == NULL || asked_ns == 0) {
        return;
    }
    uint64_t now_ns = rb_clock_read(port->clock);
    if (now_ns >= asked_ns) {
        rb_histogram_record(port->whole, now_ns - asked_ns);
    }
}

/* All that a connection has to say is said: the client is told that nothing follows. */
static void end_sending(prt_client *port, prt_connection *connection)
{
    (void)shutdown(connection->fd, SHUT_WR);
    connection->state = PRT_DRAINING;
    connection->since_ns = port->now_ns;
    prt_connections_make_ready(&port->connections, connection);
}

/* One send for one connection. Returns pieces of work. */
static int64_t pump(prt_client *port, prt_connection *connection)
{
    if (is_behind(port, connection) && !connection->is_held) {
        int32_t status = catch_up(port, connection);
        if (status < 0) {
            return status;
        }
    }
    int64_t sent = prt_connection_send(connection);
    if (sent < 0) {
        prt_client_add(port, PRT_COUNT_BROKEN);
        int32_t status = prt_client_drop(port, connection);
        return status == RB_OK ? 1 : status;
    }
    if (sent > 0) {
        connection->sent_ns = port->now_ns;
        measure_whole(port, connection);
    }
    if (connection->state == PRT_FLUSHING && connection->out_begin == connection->out_end) {
        end_sending(port, connection);
    }
    if (is_behind(port, connection) && !connection->is_held) {
        prt_connections_make_dirty(&port->connections, connection);
    }
    return 1;
}

int64_t prt_client_flush(prt_client *port)
{
    uint32_t count = prt_queue_count(&port->connections.dirty);
    prt_queue_shuffle(&port->connections.dirty, port->heard);
    for (uint32_t n = 0; n < count; n++) {
        prt_connection *connection = prt_connections_next_dirty(&port->connections);
        if (connection == NULL) {
            break;
        }
        int64_t status = pump(port, connection);
        if (status < 0) {
            return status;
        }
    }
    return count;
}
