/* What moves a connection on: answers in order, room for further requests, writing, and the end. */
#include "connection.h"
#include "respond.h"

void http_connection_answered(struct http_connection *connection, const struct http_exchange *exchange)
{
    connection->held += exchange->base.reply.value.size;
}

bool http_connection_drains(const struct http_connection *connection)
{
    return connection->current == NULL && connection->in_size == 0 &&
           tp_server_draining(connection->base.worker->server);
}

/* Whether nothing more will be asked for on this connection, after `exchange`. */
static bool is_last(const struct http_connection *connection, const struct http_exchange *exchange)
{
    return !exchange->keep_alive || (exchange->next == NULL && http_connection_drains(connection));
}

/* Turns answered exchanges, oldest first, into output. */
static void respond_all(struct http_connection *connection)
{
    while (connection->first != NULL && connection->first->base.done && !connection->reset) {
        struct http_exchange *exchange = connection->first;
        bool last = is_last(connection, exchange);
        connection->held -= exchange->base.reply.value.size;
        if (exchange->refused == 0)
            tp_worker_count(connection->base.worker, exchange->base.reply.status);
        if (!http_respond(exchange, http_worker_date(http_worker_of(connection->base.worker)), last,
                          &connection->base.output))
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
        if (!tp_output_copy(&connection->base.output, more, sizeof more - 1))
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

static uint64_t deadline(const struct http_connection *connection, bool read)
{
    const struct http_options *options = http_options_of(connection->base.worker);
    bool body = connection->phase == HTTP_PHASE_LENGTH || connection->phase == HTTP_PHASE_CHUNKS;
    if (read && body)
        return connection->began + options->body_timeout;
    if (read && connection->in_size > 0)
        return connection->began + options->header_timeout;
    if (connection->first == NULL && connection->base.output.pending == 0)
        return connection->base.active + connection->base.worker->server->options.idle_timeout;
    return LARDER_NEVER; /* the node's turn: requests have deadlines of their own */
}

static bool all_said(const struct http_connection *connection)
{
    if (connection->first != NULL || connection->base.output.pending > 0 || connection->phase == HTTP_PHASE_TURN)
        return false;
    return connection->phase == HTTP_PHASE_END || connection->end_seen || http_connection_drains(connection);
}

void http_connection_settle(struct tp_connection *base)
{
    struct http_connection *connection = (struct http_connection *)base;
    bool more;
    do {
        more = progress(connection);
        if (!connection->reset && !tp_connection_write(base)) /* which may make room */
            connection->reset = true;
    } while (more && !connection->reset && http_connection_open_for_more(connection));
    if (connection->reset || (all_said(connection) && connection->end_seen)) {
        tp_connection_close(base);
        return;
    }
    if (all_said(connection)) {
        http_connection_keep(connection, NULL, 0);
        tp_connection_linger(base);
        return;
    }
    bool read = !connection->end_seen && http_connection_open_for_more(connection);
    if (read && !base->reading)
        connection->began = base->worker->now; /* time in which nobody listened is not the client's */
    tp_connection_wait(base, read, deadline(connection, read));
}
