/* What every connection does with its socket, whatever the bytes mean. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long the client may take to close after the last answer. */
#define LINGER_NS (2000 * LARDER_NS_PER_MS)

static const struct tp_protocol *protocol_of(const struct tp_connection *connection)
{
    return connection->worker->server->protocol;
}

static void read_again(struct tp_connection *connection)
{
    if (connection->more)
        event_active(&connection->read_event, EV_READ, 1);
    connection->more = false;
}

static void drop_input(struct tp_connection *connection)
{
    ssize_t got = tp_connection_recv(connection, connection->worker->scratch, TP_READ_SIZE);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        tp_connection_close(connection);
    else
        read_again(connection);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct tp_connection *connection = arg;
    if ((what & EV_CLOSED) != 0)
        connection->hung_up = true;
    if (connection->lingering) {
        drop_input(connection);
        return;
    }
    connection->active = tp_worker_now(connection->worker);
    protocol_of(connection)->read(connection);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tp_connection *connection = arg;
    tp_worker_now(connection->worker);
    protocol_of(connection)->settle(connection);
}

static void watch(struct event *event, bool wanted, bool *watched)
{
    if (wanted != *watched && (wanted ? event_add(event, NULL) : event_del(event)) == 0)
        *watched = wanted;
}

/* What is open without the protocol's part. */
static void discard(struct tp_connection *connection)
{
    struct tp_server *server = connection->worker->server;
    watch(&connection->read_event, false, &connection->reading);
    watch(&connection->write_event, false, &connection->writing);
    if (connection->scheduled)
        LIST_REMOVE(connection, ready);
    LIST_REMOVE(connection, link);
    tp_output_free(&connection->output);
    close(connection->fd);
    free(connection);
    if (atomic_fetch_sub_explicit(&server->connections, 1, memory_order_acq_rel) == 1)
        tp_server_wake(server);
}

void tp_connection_open(struct tp_worker *worker, int fd)
{
    const struct tp_protocol *protocol = worker->server->protocol;
    struct tp_connection *connection = calloc(1, protocol->connection_size);
    if (connection == NULL) {
        close(fd);
        atomic_fetch_sub_explicit(&worker->server->connections, 1, memory_order_relaxed);
        return;
    }
    struct event_base *base = tp_loop_base(worker->loop);
    connection->worker = worker;
    connection->fd = fd;
    connection->active = worker->now;
    connection->deadline = LARDER_NEVER;
    event_assign(&connection->read_event, base, fd, EV_READ | EV_CLOSED | EV_PERSIST | EV_ET, on_read, connection);
    event_assign(&connection->write_event, base, fd, EV_WRITE | EV_PERSIST | EV_ET, on_write, connection);
    LIST_INSERT_HEAD(&worker->connections, connection, link);
    watch(&connection->read_event, true, &connection->reading);
    if (!connection->reading || (protocol->opened != NULL && !protocol->opened(connection)))
        discard(connection);
    else
        protocol->settle(connection);
}

void tp_connection_close(struct tp_connection *connection)
{
    protocol_of(connection)->closed(connection);
    discard(connection);
}

void tp_connection_received(struct tp_connection *connection, ssize_t got, size_t asked)
{
    connection->more = got > 0 ? connection->hung_up || (size_t)got == asked : got < 0 && errno == EINTR;
}

ssize_t tp_connection_recv(struct tp_connection *connection, void *data, size_t size)
{
    ssize_t got = recv(connection->fd, data, size, 0);
    tp_connection_received(connection, got, size);
    return got;
}

bool tp_connection_write(struct tp_connection *connection)
{
    size_t before = connection->output.pending;
    if (before == 0)
        return true;
    bool whole = tp_output_write(&connection->output, connection->fd) == 0;
    /* Not writing: nothing waited for the client so far. */
    if (connection->output.pending != before || !connection->writing)
        connection->active = connection->read_on = connection->worker->now;
    return whole;
}

void tp_connection_wait(struct tp_connection *connection, bool read, uint64_t deadline)
{
    watch(&connection->read_event, read, &connection->reading);
    watch(&connection->write_event, connection->output.pending > 0, &connection->writing);
    if (read)
        read_again(connection);
    /* Sending is no excuse for not reading. */
    uint64_t unread = connection->read_on + connection->worker->server->options.idle_timeout;
    connection->deadline = connection->output.pending > 0 && unread < deadline ? unread : deadline;
}

void tp_connection_linger(struct tp_connection *connection)
{
    shutdown(connection->fd, SHUT_WR);
    connection->lingering = true;
    tp_connection_wait(connection, true, connection->worker->now + LINGER_NS);
}
