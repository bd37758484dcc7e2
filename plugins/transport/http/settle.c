/* What moves a connection on: answers in order, room for further requests, writing, and the end. */
#include <sys/socket.h>

#include "connection.h"
#include "respond.h"

/* How long the client may take to close after the last answer. */
#define LINGER_NS (2000 * LARDER_NS_PER_MS)

void http_connection_answered(struct http_connection *connection, const struct http_exchange *exchange)
{
    connection->held += exchange->reply.value.size;
}

bool http_connection_drains(const struct http_connection *connection)
{
    return connection->current == NULL && connection->in_size == 0 &&
           atomic_load_explicit(&connection->worker->server->draining, memory_order_relaxed);
}

/* Whether nothing more will be asked for on this connection, after `exchange`. */
static bool is_last(const struct http_connection *connection, const struct http_exchange *exchange)
{
    return !exchange->keep_alive || (exchange->next == NULL && http_connection_drains(connection));
}

/* Turns answered exchanges, oldest first, into output. */
static void respond_all(struct http_connection *connection)
{
    while (connection->first != NULL && connection->first->done && !connection->reset) {
        struct http_exchange *exchange = connection->first;
        bool last = is_last(connection, exchange);
        connection->held -= exchange->reply.value.size;
        if (exchange->refused == 0)
            http_worker_count(connection->worker, exchange->reply.status);
        if (!http_respond(exchange, http_worker_date(connection->worker), last, &connection->output))
            connection->reset = true;
        if (last)
            connection->phase = HTTP_PHASE_END;
        connection->first = exchange->next;
        if (connection->first == NULL)
            connection->last = NULL;
        connection->queued--;
        http_exchange_free(exchange);
    }
    static const char more[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (connection->continue_due && connection->first == NULL) {
        connection->continue_due = false;
        if (!tp_output_copy(&connection->output, more, sizeof more - 1))
            connection->reset = true;
    }
}

/*
 * Goes round until nothing moves: answers make room for requests, which may be answered at once. True: there are bytes to
 * go on with, but no room; false: something has to arrive first.
 */
static bool progress(struct http_connection *connection)
{
    for (;;) {
        respond_all(connection);
        if (connection->reset)
            return false;
        if (connection->phase == HTTP_PHASE_TURN) {
            http_connection_turn(connection);
            if (connection->phase == HTTP_PHASE_TURN)
                return false;
            continue;
        }
        if (connection->in_size == 0 || connection->scan.at == connection->in_size)
            return false;
        if (!http_connection_open_for_more(connection))
            return true;
        size_t before = connection->in_size;
        http_connection_use(connection, connection->in, connection->in_size);
        if (connection->in_size == before && connection->phase != HTTP_PHASE_TURN)
            return false; /* incomplete */
    }
}

static void write_out(struct http_connection *connection)
{
    size_t before = connection->output.pending;
    if (before == 0 || connection->reset)
        return;
    if (tp_output_write(&connection->output, connection->fd) != 0)
        connection->reset = true;
    /* Not writing: nothing waited for the client so far. */
    if (connection->output.pending != before || !connection->writing)
        connection->active = connection->read_on = connection->worker->now;
}

void http_connection_watch(struct event *event, bool wanted, bool *watched)
{
    if (wanted != *watched && (wanted ? event_add(event, NULL) : event_del(event)) == 0)
        *watched = wanted;
}

static void set_deadline(struct http_connection *connection)
{
    const struct http_options *options = &connection->worker->server->options;
    bool body = connection->phase == HTTP_PHASE_LENGTH || connection->phase == HTTP_PHASE_CHUNKS;
    uint64_t deadline = LARDER_NEVER; /* the node's turn: requests have deadlines of their own */
    if (connection->lingering)
        deadline = connection->began + LINGER_NS;
    else if (connection->reading && body)
        deadline = connection->began + options->body_timeout;
    else if (connection->reading && connection->in_size > 0)
        deadline = connection->began + options->header_timeout;
    else if (connection->first == NULL && connection->output.pending == 0)
        deadline = connection->active + options->idle_timeout;
    /* Sending is no excuse for not reading. */
    if (connection->output.pending > 0 && connection->read_on + options->idle_timeout < deadline)
        deadline = connection->read_on + options->idle_timeout;
    connection->deadline = deadline;
}

/* All is said. Closing at once, with bytes unread, would make the kernel reset and the client lose the answer. */
static void begin_to_linger(struct http_connection *connection)
{
    http_connection_keep(connection, NULL, 0);
    shutdown(connection->fd, SHUT_WR);
    connection->lingering = true;
    connection->began = connection->worker->now;
}

static bool all_said(const struct http_connection *connection)
{
    if (connection->first != NULL || connection->output.pending > 0 || connection->phase == HTTP_PHASE_TURN)
        return false;
    return connection->phase == HTTP_PHASE_END || connection->end_seen || http_connection_drains(connection);
}

void http_connection_settle(struct http_connection *connection)
{
    if (!connection->lingering) {
        bool more;
        do {
            more = progress(connection);
            write_out(connection); /* which may make room */
        } while (more && !connection->reset && http_connection_open_for_more(connection));
    }
    if (connection->reset || (!connection->lingering && all_said(connection) && connection->end_seen)) {
        http_connection_close(connection);
        return;
    }
    if (!connection->lingering && all_said(connection))
        begin_to_linger(connection);
    bool read = connection->lingering || (!connection->end_seen && http_connection_open_for_more(connection));
    if (read && !connection->reading && !connection->lingering)
        connection->began = connection->worker->now; /* time in which nobody listened is not the client's */
    http_connection_watch(&connection->read_event, read, &connection->reading);
    http_connection_watch(&connection->write_event, connection->output.pending > 0, &connection->writing);
    set_deadline(connection);
}
