/* Reading, beginning and ending. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "chunks.h"

/* ------------------------------------------------------------------------------------------------ reading */

/* Brings together what was left over and what there is to read. -1 with errno; 0: the client has closed its side. */
static ssize_t read_more(struct http_connection *connection, const char **data, size_t *size)
{
    if (connection->in_size == 0) {
        ssize_t got = tp_connection_recv(&connection->base, connection->base.worker->scratch, TP_READ_SIZE);
        *data = connection->base.worker->scratch;
        *size = got > 0 ? (size_t)got : 0;
        return got;
    }
    if (connection->in_capacity - connection->in_size < TP_READ_SIZE / 4) {
        size_t capacity = connection->in_capacity * 2 + TP_READ_SIZE / 2; /* bounded by the limits of a head */
        char *in = realloc(connection->in, capacity);
        if (in == NULL)
            return -1;
        connection->in = in;
        connection->in_capacity = capacity;
    }
    size_t room = connection->in_capacity - connection->in_size;
    ssize_t got = tp_connection_recv(&connection->base, connection->in + connection->in_size, room);
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
    struct iovec vectors[2] = {{body, room}, {connection->base.worker->scratch, TP_READ_SIZE}};
    ssize_t got = readv(connection->base.fd, vectors, 2);
    tp_connection_received(&connection->base, got, room + TP_READ_SIZE);
    *data = connection->base.worker->scratch;
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

void http_connection_read(struct tp_connection *base)
{
    struct http_connection *connection = (struct http_connection *)base;
    const char *data = NULL;
    size_t size = 0;
    bool body = connection->phase == HTTP_PHASE_LENGTH && connection->in_size == 0;
    ssize_t got = body ? read_body(connection, &data, &size) : read_more(connection, &data, &size);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        connection->reset = true;
    if (got == 0)
        connection->end_seen = true;
    else if (got > 0 && size > 0)
        http_connection_use(connection, data, size);
    if (connection->last == NULL || !connection->last->gathered) /* else it is settled when that is submitted */
        http_connection_settle(base);
}

/* ------------------------------------------------------------------------------------------------ begin and end */

bool http_connection_opened(struct tp_connection *connection)
{
    ((struct http_connection *)connection)->began = connection->worker->now;
    return true;
}

void http_connection_closed(struct tp_connection *base)
{
    struct http_connection *connection = (struct http_connection *)base;
    while (connection->first != NULL) {
        struct http_exchange *exchange = connection->first;
        connection->first = exchange->next;
        exchange->connection = NULL;
        if (exchange->base.done)
            http_exchange_free(exchange);
    }
    if (connection->current != NULL)
        http_exchange_free(connection->current);
    if (connection->chunks != NULL)
        http_chunks_close(connection->chunks);
    free(connection->chunks);
    free(connection->in);
}

void http_connection_expire(struct tp_connection *base)
{
    struct http_connection *connection = (struct http_connection *)base;
    bool inside = connection->phase != HTTP_PHASE_END && base->output.pending == 0 &&
                  (connection->current != NULL || connection->in_size > 0);
    if (!inside) {
        tp_connection_close(base);
        return;
    }
    http_connection_refuse(connection, 408, "the request took too long to arrive");
    http_connection_settle(base);
}

void http_connection_drain(struct tp_connection *base)
{
    struct http_connection *connection = (struct http_connection *)base;
    if (connection->first == NULL && base->output.pending == 0 && http_connection_drains(connection))
        tp_connection_close(base);
}
