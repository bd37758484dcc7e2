/* The socket's side: reading, beginning and ending. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "chunks.h"

/* ------------------------------------------------------------------------------------------------ reading */

/* Brings together what was left over and what there is to read. -1 with errno; 0: the client has closed its side. */
static ssize_t read_more(struct http_connection *connection, const char **data, size_t *size)
{
    if (connection->in_size == 0) {
        ssize_t got = recv(connection->fd, connection->worker->scratch, HTTP_READ_SIZE, 0);
        *data = connection->worker->scratch;
        *size = got > 0 ? (size_t)got : 0;
        return got;
    }
    if (connection->in_capacity - connection->in_size < HTTP_READ_SIZE / 4) {
        size_t capacity = connection->in_capacity * 2 + HTTP_READ_SIZE / 2; /* bounded by the limits of a head */
        char *in = realloc(connection->in, capacity);
        if (in == NULL)
            return -1;
        connection->in = in;
        connection->in_capacity = capacity;
    }
    ssize_t got = recv(connection->fd, connection->in + connection->in_size,
                       connection->in_capacity - connection->in_size, 0);
    if (got > 0)
        connection->in_size += (size_t)got;
    *data = connection->in;
    *size = connection->in_size;
    return got;
}

/* The rest of a body goes straight to where it stays; what follows it goes to the scratch. */
static ssize_t read_body(struct http_connection *connection, const char **data, size_t *size)
{
    size_t room;
    char *body = http_connection_body_room(connection, &room);
    if (body == NULL) {
        errno = EAGAIN; /* what is there to read is dropped later, when the refusal has been told */
        return -1;
    }
    struct iovec vectors[2] = {{body, room}, {connection->worker->scratch, HTTP_READ_SIZE}};
    ssize_t got = readv(connection->fd, vectors, 2);
    *data = connection->worker->scratch;
    *size = got > (ssize_t)room ? (size_t)got - room : 0;
    if (got > 0)
        http_connection_body_took(connection, *size > 0 ? room : (size_t)got);
    return got;
}

void http_connection_keep(struct http_connection *connection, const char *data, size_t size)
{
    if (size == 0) {
        free(connection->in);
        connection->in = NULL;
        connection->in_size = connection->in_capacity = 0;
        return;
    }
    if (connection->in != NULL) { /* `data` is in it */
        memmove(connection->in, data, size);
        connection->in_size = size;
        return;
    }
    connection->in = malloc(size);
    if (connection->in == NULL) {
        connection->reset = true;
        return;
    }
    memcpy(connection->in, data, size);
    connection->in_size = connection->in_capacity = size;
}

void http_connection_use(struct http_connection *connection, const char *data, size_t size)
{
    size_t used = http_connection_consume(connection, data, size);
    if (connection->phase == HTTP_PHASE_END)
        used = size; /* nothing of it will be looked at */
    http_connection_keep(connection, data + used, size - used);
}

static void linger(struct http_connection *connection)
{
    struct http_worker *worker = connection->worker;
    ssize_t got = recv(connection->fd, worker->scratch, HTTP_READ_SIZE, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        http_connection_close(connection);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_connection *connection = arg;
    if (connection->lingering) {
        linger(connection);
        return;
    }
    const char *data = NULL;
    size_t size = 0;
    connection->active = http_worker_now(connection->worker);
    bool body = connection->phase == HTTP_PHASE_LENGTH && connection->in_size == 0;
    ssize_t got = body ? read_body(connection, &data, &size) : read_more(connection, &data, &size);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        connection->reset = true;
    if (got == 0)
        connection->end_seen = true;
    else if (got > 0 && size > 0)
        http_connection_use(connection, data, size);
    http_connection_settle(connection);
}

/* ------------------------------------------------------------------------------------------------ begin and end */

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_connection *connection = arg;
    http_worker_now(connection->worker);
    http_connection_settle(connection);
}

void http_connection_open(struct http_worker *worker, int fd)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        close(fd);
        atomic_fetch_sub_explicit(&worker->server->connections, 1, memory_order_relaxed);
        return;
    }
    struct event_base *base = tp_loop_base(worker->loop);
    connection->worker = worker;
    connection->fd = fd;
    connection->began = connection->active = worker->now;
    event_assign(&connection->read_event, base, fd, EV_READ | EV_PERSIST, on_read, connection);
    event_assign(&connection->write_event, base, fd, EV_WRITE | EV_PERSIST, on_write, connection);
    LIST_INSERT_HEAD(&worker->connections, connection, link);
    http_connection_settle(connection);
    if (!connection->reading)
        http_connection_close(connection); /* it could not be watched */
}

void http_connection_close(struct http_connection *connection)
{
    struct http_worker *worker = connection->worker;
    while (connection->first != NULL) {
        struct http_exchange *exchange = connection->first;
        connection->first = exchange->next;
        exchange->connection = NULL;
        if (exchange->done)
            http_exchange_free(exchange);
    }
    if (connection->current != NULL)
        http_exchange_free(connection->current);
    if (connection->chunks != NULL)
        http_chunks_close(connection->chunks);
    free(connection->chunks);
    http_connection_watch(&connection->read_event, false, &connection->reading);
    http_connection_watch(&connection->write_event, false, &connection->writing);
    if (connection->scheduled)
        LIST_REMOVE(connection, ready);
    LIST_REMOVE(connection, link);
    tp_output_free(&connection->output);
    close(connection->fd);
    free(connection->in);
    free(connection);
    if (atomic_fetch_sub_explicit(&worker->server->connections, 1, memory_order_acq_rel) == 1)
        http_server_wake(worker->server);
}

void http_connection_expire(struct http_connection *connection)
{
    bool inside = connection->phase != HTTP_PHASE_END && !connection->lingering && connection->output.pending == 0 &&
                  (connection->current != NULL || connection->in_size > 0);
    if (!inside) {
        http_connection_close(connection);
        return;
    }
    http_connection_refuse(connection, 408, "the request took too long to arrive");
    http_connection_settle(connection);
}

void http_connection_drain(struct http_connection *connection)
{
    if (connection->first == NULL && connection->output.pending == 0 && !connection->lingering &&
        http_connection_drains(connection))
        http_connection_close(connection);
}
