/* One connection: making it, the bytes that go out, the bytes that come in, and its end. */
#include "client_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Frees everything of the connection but the calls. */
static void destroy(struct http_client_connection *connection)
{
    http_client_lane_list(connection, NULL);
    if (connection->fd >= 0) {
        event_del(&connection->readable);
        event_del(&connection->writable);
        close(connection->fd);
    }
    tp_output_free(&connection->output);
    free(connection->body);
    free(connection);
}

void http_client_connection_close(struct http_client_connection *connection, enum larder_status status,
                                  const char *reason)
{
    char text[HTTP_CLIENT_TEXT];
    snprintf(text, sizeof text, "peer %s: %.200s", connection->lane->peer->address.text, reason);
    uint64_t written = connection->queued - connection->output.pending;
    /* The requests' bytes are given up before the completions that end their life are queued. */
    tp_output_free(&connection->output);
    struct http_client_call *call;
    while ((call = TAILQ_FIRST(&connection->pipeline)) != NULL) {
        TAILQ_REMOVE(&connection->pipeline, call, place);
        call->connection = NULL;
        evtimer_del(&call->timer);
        if (!call->answered)
            http_client_call_fail(call, status, written <= call->start ? LARDER_REPLY_NOT_SENT : 0, text);
        http_client_call_release(call);
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
    struct http_client_lane *lane = connection->lane;
    read_all(connection);
    http_client_lane_leave(lane);
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
    const struct http_peer *peer = connection->lane->peer;
    const struct larder_request *request = call->request;
    unsigned char form[PEER_FORM_REQUEST_HEAD];
    size_t form_size = peer_form_encode_request(request, larder_now(peer->client->runtime), form);
    char head[HTTP_CLIENT_HEAD_MAX + 32 + sizeof form];
    memcpy(head, peer->head, peer->head_size);
    size_t size = peer->head_size;
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
    TAILQ_INSERT_TAIL(&connection->pipeline, call, place);
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

/* ------------------------------------------------------------------------------------------------ connecting */

static void connect_next(struct http_client_connection *connection, int error);

static void connected(struct http_client_connection *connection)
{
    struct http_client_lane *lane = connection->lane;
    http_client_reply_init(connection);
    connection->idle_since = larder_now(lane->peer->client->runtime);
    if (event_add(&connection->readable, NULL) != 0) {
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "out of memory");
        return;
    }
    http_client_lane_list(connection, &lane->idle);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct http_client_connection *connection = arg;
    struct http_client_lane *lane = connection->lane;
    if (connection->list != &lane->connecting) {
        write_all(connection);
    } else if ((what & EV_WRITE) == 0) { /* the time is up */
        connect_next(connection, ETIMEDOUT);
    } else {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
        if (error == 0)
            connected(connection);
        else
            connect_next(connection, error);
    }
    http_client_lane_leave(lane);
}

/* Begins to connect to the address whose turn it is. 0: connected, EINPROGRESS: an event will tell; else failed. */
static int begin(struct http_client_connection *connection)
{
    struct http_client_lane *lane = connection->lane;
    const struct http_client_addresses *addresses = &lane->addresses;
    const struct sockaddr *place = (const struct sockaddr *)&addresses->at[connection->address].place;
    connection->fd = socket(place->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return errno;
    int on = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct event_base *base = tp_loop_base(lane->loop);
    event_assign(&connection->readable, base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->writable, base, connection->fd, EV_WRITE, on_writable, connection);
    if (connect(connection->fd, place, addresses->at[connection->address].size) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    /* The time that is left is shared among the addresses that are left. */
    uint64_t now = larder_now(lane->peer->client->runtime);
    uint64_t left = connection->connect_by > now ? connection->connect_by - now : 0;
    uint64_t us = left / (addresses->count - connection->address) / 1000 + 1;
    struct timeval wait = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return event_add(&connection->writable, &wait) == 0 ? EINPROGRESS : ENOMEM;
}

static void drop_socket(struct http_client_connection *connection)
{
    if (connection->fd < 0)
        return;
    event_del(&connection->readable);
    event_del(&connection->writable);
    close(connection->fd);
    connection->fd = -1;
}

/* The address tried last failed with `error`: the next one, or none is left. */
static void connect_next(struct http_client_connection *connection, int error)
{
    struct http_client_lane *lane = connection->lane;
    while (error != 0 && error != EINPROGRESS && ++connection->address < lane->addresses.count) {
        drop_socket(connection);
        error = begin(connection);
    }
    if (error == 0) {
        connected(connection);
    } else if (error != EINPROGRESS) {
        char buffer[128];
        char reason[HTTP_CLIENT_TEXT];
        snprintf(reason, sizeof reason, "cannot connect: %s", error_text(error, buffer, sizeof buffer));
        uint64_t number = connection->number;
        destroy(connection);
        http_client_lane_connect_failed(lane, number, reason);
    }
}

void http_client_connection_open(struct http_client_lane *lane)
{
    struct http_client_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        http_client_lane_connect_failed(lane, lane->calls, "out of memory");
        return;
    }
    const struct http_client *client = lane->peer->client;
    connection->lane = lane;
    connection->fd = -1;
    connection->number = lane->calls;
    connection->connect_by = larder_deadline_in(client->runtime, client->options.connect_timeout_ms);
    TAILQ_INIT(&connection->pipeline);
    http_client_lane_list(connection, &lane->connecting);
    int error = begin(connection);
    if (error == 0)
        connected(connection);
    else if (error != EINPROGRESS)
        connect_next(connection, error);
}
