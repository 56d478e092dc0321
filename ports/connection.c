#include "ports/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connects that wait to be accepted: the kernel takes the smaller of this and net.core.somaxconn,
 * which has been 4096 since Linux 5.4. */
enum { LISTEN_BACKLOG = 4096 };

uint64_t prt_connections_bytes(uint32_t capacity, uint32_t in_bytes, uint32_t out_bytes)
{
    uint64_t each = sizeof(prt_connection) + sizeof(uint32_t) + in_bytes + (uint64_t)out_bytes;
    return capacity * each + 2 * prt_queue_bytes(capacity);
}

int32_t prt_connections_init(prt_connections *connections, uint32_t capacity, uint32_t in_bytes,
                             uint32_t out_bytes)
{
    memset(connections, 0, sizeof *connections);
    connections->epoll_fd = -1;
    connections->listener_fd = -1;
    if (capacity == 0 || capacity > PRT_CONNECTIONS_MAX) {
        return RB_USAGE;
    }
    if (in_bytes < PRT_IN_BYTES_MIN || out_bytes < PRT_OUT_BYTES_MIN) {
        return RB_USAGE;
    }
    connections->capacity = capacity;
    connections->in_bytes = in_bytes;
    connections->out_bytes = out_bytes;
    connections->slots = calloc(capacity, sizeof *connections->slots);
    connections->free_slots = calloc(capacity, sizeof *connections->free_slots);
    connections->buffers = calloc(capacity, (size_t)in_bytes + out_bytes);
    if (connections->slots == NULL || connections->free_slots == NULL ||
        connections->buffers == NULL) {
        return RB_SYSTEM;
    }
    if (prt_queue_init(&connections->ready, capacity) != RB_OK ||
        prt_queue_init(&connections->dirty, capacity) != RB_OK) {
        return RB_SYSTEM;
    }
    for (uint32_t n = 0; n < capacity; n++) {
        uint8_t *buffers = connections->buffers + (size_t)n * ((size_t)in_bytes + out_bytes);
        connections->slots[n].fd = -1;
        connections->slots[n].in = buffers;
        connections->slots[n].out = buffers + in_bytes;
        connections->free_slots[n] = capacity - 1 - n;
    }
    connections->free_count = capacity;
    connections->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return connections->epoll_fd < 0 ? RB_SYSTEM : RB_OK;
}

void prt_connections_free(prt_connections *connections)
{
    for (uint32_t n = 0; connections->slots != NULL && n < connections->capacity; n++) {
        if (connections->slots[n].fd >= 0) {
            (void)close(connections->slots[n].fd);
        }
    }
    if (connections->listener_fd >= 0) {
        (void)close(connections->listener_fd);
    }
    if (connections->epoll_fd >= 0) {
        (void)close(connections->epoll_fd);
    }
    free(connections->slots);
    free(connections->free_slots);
    free(connections->buffers);
    prt_queue_free(&connections->ready);
    prt_queue_free(&connections->dirty);
    memset(connections, 0, sizeof *connections);
    connections->epoll_fd = -1;
    connections->listener_fd = -1;
}

int32_t prt_connections_watch(prt_connections *connections, int32_t fd, uint64_t event)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = event};
    return epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) == 0 ? RB_OK : RB_SYSTEM;
}

/* Once for all: it tells of every change that a connection can make use of. */
static int32_t watch_connection(const prt_connections *connections, int fd, uint64_t event)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.u64 = event};
    return epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) == 0 ? RB_OK : RB_SYSTEM;
}

/* Small socket buffers: accepted sockets inherit them, so a client's TCP stops soon after we do. */
static int set_options(const prt_connections *connections, int fd)
{
    int on = 1;
    int in = (int)connections->socket_in_bytes;
    int out = (int)connections->socket_out_bytes;
    int failed = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (in > 0) {
        failed |= setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof in);
    }
    if (out > 0) {
        failed |= setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof out);
    }
    return failed;
}

static int64_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        return RB_SYSTEM;
    }
    if (address.ss_family == AF_INET6) {
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    }
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int64_t prt_connections_listen(prt_connections *connections, const char *host, uint16_t tcp_port)
{
    if (connections->listener_fd >= 0) {
        return RB_USAGE;
    }
    char service[8];
    (void)snprintf(service, sizeof service, "%u", (unsigned)tcp_port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return RB_USAGE;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = fd < 0 || set_options(connections, fd) != 0 ||
                 bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
                 listen(fd, LISTEN_BACKLOG) != 0;
    freeaddrinfo(found);
    if (failed || prt_connections_watch(connections, fd, PRT_EVENT_LISTENER) != RB_OK) {
        int saved = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        errno = saved;
        return RB_SYSTEM;
    }
    connections->listener_fd = fd;
    return bound_port(fd);
}

uint32_t prt_connections_number(const prt_connections *connections,
                                const prt_connection *connection)
{
    return (uint32_t)(connection - connections->slots);
}

static uint64_t event_of(const prt_connections *connections, const prt_connection *connection)
{
    return (uint64_t)connection->generation << 32 | prt_connections_number(connections, connection);
}

prt_connection *prt_connections_find(prt_connections *connections, uint64_t event)
{
    uint32_t number = (uint32_t)event;
    if (number >= connections->capacity) {
        return NULL;
    }
    prt_connection *connection = &connections->slots[number];
    if (connection->state == PRT_CLOSED || connection->generation != (uint32_t)(event >> 32)) {
        return NULL;
    }
    return connection;
}

static prt_connection *open_slot(prt_connections *connections, int fd, uint64_t now_ns)
{
    prt_connection *connection =
        &connections->slots[connections->free_slots[--connections->free_count]];
    connection->fd = fd;
    connection->session = PRT_NONE;
    connection->in_begin = connection->in_end = 0;
    connection->out_begin = connection->out_end = 0;
    connection->state = PRT_NEW;
    connection->may_read = 0;
    connection->is_ended = 0;
    connection->is_blocked = 0;
    connection->since_ns = connection->received_ns = connection->sent_ns = now_ns;
    connection->asked_ns = 0;
    connection->known = 0;
    connection->whose = 0;
    connection->cursor = (prt_cursor){.chunk = NULL, .next = 1};
    uint32_t number = prt_connections_number(connections, connection);
    connections->used = number < connections->used ? connections->used : number + 1;
    return connection;
}

int32_t prt_connections_accept(prt_connections *connections, uint64_t now_ns, prt_connection **out)
{
    int fd = accept4(connections->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? 0 : prt_connections_adopt(connections, fd, now_ns, out);
}

int32_t prt_connections_adopt(prt_connections *connections, int32_t fd, uint64_t now_ns,
                              prt_connection **out)
{
    if (connections->free_count == 0) {
        (void)close(fd);
        return 2;
    }
    int on = 1;
    /* Not every socket is TCP. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    prt_connection *connection = open_slot(connections, fd, now_ns);
    if (watch_connection(connections, fd, event_of(connections, connection)) != RB_OK) {
        prt_connections_close(connections, connection);
        return 2;
    }
    *out = connection;
    return 1;
}

void prt_connections_close(prt_connections *connections, prt_connection *connection)
{
    /* Closing takes it out of the epoll set; it stays in the queues, which pass over it. */
    (void)close(connection->fd);
    connection->fd = -1;
    connection->state = PRT_CLOSED;
    connection->generation++;
    connection->session = PRT_NONE;
    explicit_bzero(&connection->login, sizeof connection->login);
    connections->free_slots[connections->free_count++] =
        prt_connections_number(connections, connection);
}

void prt_connections_make_ready(prt_connections *connections, prt_connection *connection)
{
    if (!connection->is_ready) {
        connection->is_ready = 1;
        prt_queue_push(&connections->ready, prt_connections_number(connections, connection));
    }
}

void prt_connections_make_dirty(prt_connections *connections, prt_connection *connection)
{
    if (!connection->is_dirty && !connection->is_blocked) {
        connection->is_dirty = 1;
        prt_queue_push(&connections->dirty, prt_connections_number(connections, connection));
    }
}

prt_connection *prt_connections_next_ready(prt_connections *connections)
{
    while (prt_queue_count(&connections->ready) > 0) {
        prt_connection *connection = &connections->slots[prt_queue_pop(&connections->ready)];
        connection->is_ready = 0;
        if (connection->state != PRT_CLOSED) {
            return connection;
        }
    }
    return NULL;
}

prt_connection *prt_connections_next_dirty(prt_connections *connections)
{
    while (prt_queue_count(&connections->dirty) > 0) {
        prt_connection *connection = &connections->slots[prt_queue_pop(&connections->dirty)];
        connection->is_dirty = 0;
        if (connection->state != PRT_CLOSED) {
            return connection;
        }
    }
    return NULL;
}

static void move_to_front(uint8_t *bytes, uint32_t *begin, uint32_t *end)
{
    memmove(bytes, bytes + *begin, *end - *begin);
    *end -= *begin;
    *begin = 0;
}

int64_t prt_connection_receive(const prt_connections *connections, prt_connection *connection)
{
    move_to_front(connection->in, &connection->in_begin, &connection->in_end);
    uint32_t room = connections->in_bytes - connection->in_end;
    if (room == 0) {
        return 0;
    }
    ssize_t got = recv(connection->fd, connection->in + connection->in_end, room, MSG_DONTWAIT);
    if (got == 0) {
        return RB_TORN;
    }
    if (got < 0 && errno == EINTR) {
        return 0;
    }
    if (got < 0 && errno != EAGAIN) {
        return RB_SYSTEM;
    }
    got = got < 0 ? 0 : got;
    /* Less than it could have given is all that was there: for more, epoll tells. The end is told
     * of once, together with what is before it. */
    connection->may_read = got == (ssize_t)room || connection->is_ended;
    connection->in_end += (uint32_t)got;
    return got;
}

int64_t prt_connection_send(prt_connection *connection)
{
    size_t count = connection->out_end - connection->out_begin;
    if (count == 0) {
        return 0;
    }
    ssize_t sent = send(connection->fd, connection->out + connection->out_begin, count,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return RB_SYSTEM;
    }
    sent = sent < 0 ? 0 : sent;
    connection->out_begin += (uint32_t)sent;
    connection->is_blocked = (size_t)sent < count;
    if (!connection->is_blocked) {
        connection->out_begin = connection->out_end = 0;
    }
    return sent;
}

size_t prt_connection_room(const prt_connections *connections, prt_connection *connection)
{
    if (connection->out_begin > 0) {
        move_to_front(connection->out, &connection->out_begin, &connection->out_end);
    }
    return connections->out_bytes - connection->out_end;
}
