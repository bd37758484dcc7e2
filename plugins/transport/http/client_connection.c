/* One connection: making it, the bytes that go out, the bytes that come in, and its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_internal.h"

#define READ_SIZE   65536
#define READ_ROUNDS 16 /* reads in a row before other connections get their turn */

static const char *error_text(int error, char *buffer, size_t capacity)
{
    return strerror_r(error, buffer, capacity); /* GNU's form: returns the text */
}

bool http_client_connection_has_written(const struct http_client_connection *connection,
                                        const struct http_client_call *call)
{
    return connection->queued - connection->output.pending >= call->end;
}

struct http_client_call *http_client_connection_first(const struct http_client_connection *connection)
{
    return (struct http_client_call *)TAILQ_FIRST(&connection->pipeline);
}

/* Frees everything of the connection but the calls. */
static void destroy(struct http_client_connection *connection)
{
    struct http_client_connections *connecting = &connection->lane->connecting;
    if (connection->fd >= 0) {
        event_del(&connection->readable);
        event_del(&connection->writable);
        evtimer_del(&connection->overdue);
        close(connection->fd);
    } else if (connection->list == connecting) {
        tp_dial_cancel(&connection->dial);
    }
    http_client_lane_list(connection, NULL);
    tp_output_free(&connection->output);
    free(connection->body);
    free(connection);
}

void http_client_connection_close(struct http_client_connection *connection, enum larder_status status,
                                  const char *reason)
{
    char text[TP_REASON];
    snprintf(text, sizeof text, "peer %s: %.200s", connection->lane->base.peer->address.text, reason);
    uint64_t written = connection->queued - connection->output.pending;
    /* The requests' bytes are given up before the completions that end their life are queued. */
    tp_output_free(&connection->output);
    struct http_client_call *call;
    while ((call = http_client_connection_first(connection)) != NULL) {
        TAILQ_REMOVE(&connection->pipeline, &call->base, place);
        if (!call->base.answered)
            tp_call_fail(&call->base, status, written <= call->start ? LARDER_REPLY_NOT_SENT : 0, text);
        tp_call_release(&call->base);
    }
    destroy(connection);
}

/* ------------------------------------------------------------------------------------------------ bytes in */

/* Reads once. Negative: nothing to read now; 0: the connection was closed. */
static ssize_t read_some(struct http_client_connection *connection)
{
    unsigned char buffer[READ_SIZE];
    unsigned char *target = buffer;
    size_t room = http_client_reply_room(connection, &target);
    if (room == 0)
        room = sizeof buffer;
    ssize_t got;
    do
        got = recv(connection->fd, target, room, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return -1;
    if (got <= 0) {
        char error[128];
        const char *reason = got == 0 ? "closed the connection" : error_text(errno, error, sizeof error);
        http_client_connection_close(connection, LARDER_UNAVAILABLE, reason);
        return 0;
    }
    connection->lane->heard++;
    if (!http_client_reply_take(connection, target, (size_t)got)) {
        http_client_connection_close(connection, connection->refusal, connection->failure);
        return 0;
    }
    return (size_t)got == room ? got : -1;
}

/* False: the connection was closed. */
static bool read_all(struct http_client_connection *connection)
{
    ssize_t got = 1;
    for (int round = 0; round < READ_ROUNDS && got > 0; round++)
        got = read_some(connection);
    return got != 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_client_connection *connection = arg;
    struct tp_lane *lane = &connection->lane->base;
    read_all(connection);
    tp_lane_leave(lane);
}

/* ------------------------------------------------------------------------------------------------ bytes out */

static void write_all(struct http_client_connection *connection)
{
    if (tp_output_write(&connection->output, connection->fd) != 0) {
        char error[128];
        const char *reason = error_text(errno, error, sizeof error);
        /* What the peer said before it closed comes first. */
        if (read_all(connection))
            http_client_connection_close(connection, LARDER_UNAVAILABLE, reason);
        return;
    }
    if (connection->output.pending > 0 && event_add(&connection->writable, NULL) != 0)
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "out of memory");
}

/* Head, and short keys and values, are copied; long ones are written from where they lie. False: out of memory. */
static bool queue_request(struct http_client_connection *connection, struct http_client_call *call)
{
    const struct http_client_lane *lane = connection->lane;
    const struct larder_request *request = call->base.request;
    unsigned char form[PEER_FORM_REQUEST_HEAD];
    size_t form_size = peer_form_encode_request(request, http_client_now(lane), form);
    char head[HTTP_CLIENT_HEAD_MAX + 32 + sizeof form];
    memcpy(head, lane->head, lane->head_size);
    size_t size = lane->head_size;
    size_t rest = request->cluster.size + request->key.size + request->value.size;
    size += (size_t)snprintf(head + size, 32, "%zu\r\n\r\n", form_size + rest);
    memcpy(head + size, form, form_size);
    size += form_size;
    call->start = connection->queued;
    bool queued = tp_output_copy(&connection->output, head, size) &&
                  tp_output_pin(&connection->output, request->cluster, NULL, NULL) &&
                  tp_output_pin(&connection->output, request->key, NULL, NULL) &&
                  tp_output_pin(&connection->output, request->value, NULL, NULL);
    connection->queued += size + rest;
    call->end = connection->queued;
    return queued;
}

void http_client_connection_send(struct http_client_connection *connection, struct http_client_call *call)
{
    bool queued = queue_request(connection, call);
    call->connection = connection;
    call->heard = connection->lane->heard;
    TAILQ_INSERT_TAIL(&connection->pipeline, &call->base, place);
    connection->depth++;
    http_client_lane_list(connection, &connection->lane->busy);
    if (!queued) {
        /* Part of a request may be queued: what is written must not go on with it. */
        connection->queued = connection->output.pending + call->start;
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "out of memory");
    } else if (connection->depth == 1)
        write_all(connection);
    else
        event_active(&connection->writable, EV_WRITE, 1); /* with what else this round of the loop brings */
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_client_connection *connection = arg;
    struct tp_lane *lane = &connection->lane->base;
    write_all(connection);
    tp_lane_leave(lane);
}

/* ------------------------------------------------------------------------------------------------ replies that are late */

static void on_overdue(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_client_connection *connection = arg;
    struct tp_lane *lane = &connection->lane->base;
    http_client_connection_close(connection, LARDER_UNAVAILABLE, "owes a reply that is overdue");
    tp_lane_leave(lane);
}

void http_client_connection_expect(struct http_client_connection *connection)
{
    uint64_t ms = connection->lane->base.peer->client->options.connect_timeout_ms;
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    /* Without memory for the timer, the connection stays out of use until the reply, or its end, comes. */
    (void)evtimer_add(&connection->overdue, &wait);
}

void http_client_connection_expired(struct tp_call *base)
{
    struct http_client_call *call = (struct http_client_call *)base;
    struct http_client_connection *connection = call->connection;
    /* A peer that has answered anything meanwhile is there, and only slow for this one. */
    if (call->heard == connection->lane->heard)
        http_client_lane_doubt(connection->lane, connection->idle_since);
    /* Its bytes may not be looked at any more, and a stream cannot go on without them. */
    if (!http_client_connection_has_written(connection, call))
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "takes no more bytes");
    else if (http_client_connection_first(connection) == call)
        http_client_connection_expect(connection);
}

/* ------------------------------------------------------------------------------------------------ connecting */

static bool connected(struct http_client_connection *connection, int fd)
{
    struct http_client_lane *lane = connection->lane;
    struct event_base *base = tp_loop_base(lane->base.loop);
    connection->fd = fd;
    event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->writable, base, fd, EV_WRITE, on_writable, connection);
    evtimer_assign(&connection->overdue, base, on_overdue, connection);
    http_client_reply_init(connection);
    if (event_add(&connection->readable, NULL) != 0)
        return false;
    connection->idle_since = http_client_now(lane);
    http_client_lane_list(connection, &lane->idle);
    return true;
}

static void on_dialled(struct tp_dial *dial, int fd, const char *reason)
{
    struct http_client_connection *connection = TP_OWNER(dial, struct http_client_connection, dial);
    struct http_client_lane *lane = connection->lane;
    if (fd < 0 || !connected(connection, fd)) {
        uint64_t number = connection->number;
        destroy(connection);
        http_client_lane_connect_failed(lane, number, fd < 0 ? reason : "out of memory");
    }
    tp_lane_leave(&lane->base);
}

void http_client_connection_open(struct http_client_lane *lane)
{
    struct http_client_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        http_client_lane_connect_failed(lane, lane->base.calls, "out of memory");
        return;
    }
    connection->lane = lane;
    connection->fd = -1;
    connection->number = lane->base.calls;
    TAILQ_INIT(&connection->pipeline);
    http_client_lane_list(connection, &lane->connecting);
    tp_dial_start(&connection->dial, &lane->base.dialler, on_dialled);
}
