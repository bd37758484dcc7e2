/* One connection: making it, the bytes that go out, the bytes that come in, its pings, and its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_internal.h"

#define READ_SIZE   65536
#define READ_ROUNDS 16 /* reads in a row before other connections get their turn */

/* ------------------------------------------------------------------------------------------------ the end */

void grpc_client_connection_fail(struct grpc_client_connection *connection, const char *reason)
{
    if (connection->failure[0] == '\0')
        snprintf(connection->failure, sizeof connection->failure, "%s", reason);
}

static void fail_with_error(struct grpc_client_connection *connection, int error)
{
    char buffer[128];
    /* GNU's form: returns the text. */
    grpc_client_connection_fail(connection, strerror_r(error, buffer, sizeof buffer));
}

void grpc_client_connection_close(struct grpc_client_connection *connection, const char *reason)
{
    struct grpc_client_lane *lane = connection->lane;
    char text[TP_REASON];
    snprintf(text, sizeof text, "peer %s: %.200s", lane->base.peer->address.text, reason);
    uint64_t written = connection->queued - connection->output.pending;
    /* The requests' bytes are given up before the completions that end their life are queued. */
    tp_output_free(&connection->output);
    struct grpc_client_stream *stream;
    while ((stream = TAILQ_FIRST(&connection->streams)) != NULL)
        grpc_client_stream_lost(stream, written, text);
    grpc_client_lane_retire(connection, reason);
    TAILQ_REMOVE(&lane->connections, connection, link);
    tp_dial_cancel(&connection->dial);
    if (connection->fd >= 0) {
        event_del(&connection->readable);
        event_del(&connection->writable);
        evtimer_del(&connection->timer);
        close(connection->fd);
    }
    nghttp2_session_del(connection->session);
    free(connection);
}

void grpc_client_connection_settle(struct grpc_client_connection *connection)
{
    if (connection->failure[0] != '\0')
        grpc_client_connection_close(connection, connection->failure);
    else if (connection->state == GRPC_CLIENT_DRAINING && connection->call_count == 0)
        grpc_client_connection_close(connection, "done");
}

/* What every event of the connection ends with. */
static void leave(struct grpc_client_connection *connection)
{
    struct tp_lane *lane = &connection->lane->base;
    grpc_client_connection_settle(connection);
    tp_lane_leave(lane);
}

/* ------------------------------------------------------------------------------------------------ bytes in */

/* Reads once. False: there is nothing to read now, or a reason to close. */
static bool read_some(struct grpc_client_connection *connection)
{
    unsigned char buffer[READ_SIZE];
    ssize_t got;
    do
        got = recv(connection->fd, buffer, sizeof buffer, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (got < 0) {
        fail_with_error(connection, errno);
    } else if (got == 0) {
        grpc_client_connection_fail(connection, "closed the connection");
    } else {
        connection->heard = true;
        connection->heard_at = larder_now(connection->lane->base.peer->client->runtime);
        ssize_t taken = nghttp2_session_mem_recv(connection->session, buffer, (size_t)got);
        if (taken < 0)
            grpc_client_connection_fail(connection, nghttp2_strerror((int)taken));
    }
    return connection->failure[0] == '\0' && (size_t)got == sizeof buffer;
}

static void read_all(struct grpc_client_connection *connection)
{
    for (int round = 0; round < READ_ROUNDS && read_some(connection); round++)
        continue;
}

/* What nghttp2 wants to send in answer goes out with the rest of this turn. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_client_connection *connection = arg;
    read_all(connection);
    if (nghttp2_session_want_write(connection->session) != 0)
        grpc_client_connection_schedule(connection);
    leave(connection);
}
/* ------------------------------------------------------------------------------------------------ bytes out */

/* The session puts as much into `output` as that takes (see client_session.c), again and again. */
static void write_all(struct grpc_client_connection *connection)
{
    bool some;
    do {
        int result = nghttp2_session_send(connection->session);
        if (result != 0)
            grpc_client_connection_fail(connection, nghttp2_strerror(result));
        if (connection->failure[0] != '\0')
            return;
        some = connection->output.pending > 0;
        if (tp_output_write(&connection->output, connection->fd) != 0) {
            int error = errno;
            read_all(connection); /* what the peer said before it closed comes first */
            fail_with_error(connection, error);
            return;
        }
    } while (some && connection->output.pending == 0);
    if (connection->output.pending > 0 && event_add(&connection->writable, NULL) != 0)
        grpc_client_connection_fail(connection, "out of memory");
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_client_connection *connection = arg;
    connection->scheduled = false;
    grpc_client_lane_fill(connection);
    write_all(connection);
    leave(connection);
}

void grpc_client_connection_schedule(struct grpc_client_connection *connection)
{
    if (!connection->scheduled)
        event_active(&connection->writable, EV_WRITE, 1);
    connection->scheduled = true;
}

/* ------------------------------------------------------------------------------------------------ pings */

static bool start_timer(struct grpc_client_connection *connection, uint64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    connection->heard = false;
    connection->watched = evtimer_add(&connection->timer, &wait) == 0;
    return connection->watched;
}

static void watch(struct grpc_client_connection *connection)
{
    connection->pinged = false;
    /* Without memory for it, the next call tries again. */
    if (connection->call_count > 0)
        (void)start_timer(connection, grpc_client_of(connection->lane)->ping_interval_ms);
}

void grpc_client_connection_watch(struct grpc_client_connection *connection)
{
    if (!connection->watched)
        watch(connection);
}

static void ping(struct grpc_client_connection *connection)
{
    if (nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL) != 0 ||
        !start_timer(connection, grpc_client_of(connection->lane)->ping_timeout_ms)) {
        grpc_client_connection_fail(connection, "out of memory");
        return;
    }
    connection->pinged = true;
    grpc_client_connection_schedule(connection);
}

/*
 * The peer's machine may have been started anew, and other lanes have such connections, too: a caller that tries again on each of them
 * shall not wait for the answer to a ping besides.
 */
void grpc_client_connection_doubt(struct grpc_client_connection *connection, uint64_t given)
{
    uint64_t now = larder_now(connection->lane->base.peer->client->runtime);
    uint64_t since = given > connection->heard_at ? given : connection->heard_at;
    uint64_t limit = grpc_client_of(connection->lane)->ping_timeout_ms * LARDER_NS_PER_MS / 2;
    if (connection->state == GRPC_CLIENT_OPEN && now - since > limit) {
        connection->state = GRPC_CLIENT_DRAINING;
        grpc_client_lane_retire(connection, "does not answer");
    }
    if (!connection->pinged)
        ping(connection);
}

void grpc_client_connection_ponged(struct grpc_client_connection *connection)
{
    if (!connection->pinged)
        return;
    evtimer_del(&connection->timer);
    connection->watched = false;
    watch(connection);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_client_connection *connection = arg;
    connection->watched = false;
    if (connection->state == GRPC_CLIENT_GREETING) {
        grpc_client_connection_fail(connection, "cannot connect: it does not answer in HTTP/2");
    } else if (connection->heard) {
        watch(connection);
    } else if (!connection->pinged) {
        ping(connection);
    } else {
        grpc_client_connection_fail(connection, "does not answer a ping");
    }
    leave(connection);
}

/* ------------------------------------------------------------------------------------------------ connecting */

static void greet(struct grpc_client_connection *connection, int fd)
{
    const struct tp_lane *lane = &connection->lane->base;
    struct event_base *base = tp_loop_base(lane->loop);
    connection->fd = fd;
    event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->writable, base, fd, EV_WRITE, on_writable, connection);
    evtimer_assign(&connection->timer, base, on_timer, connection);
    connection->state = GRPC_CLIENT_GREETING;
    connection->session = grpc_client_session_new(connection);
    if (connection->session == NULL || event_add(&connection->readable, NULL) != 0 ||
        !start_timer(connection, lane->peer->client->options.connect_timeout_ms))
        grpc_client_connection_fail(connection, "out of memory");
    else
        grpc_client_connection_schedule(connection);
}

void grpc_client_connection_greeted(struct grpc_client_connection *connection)
{
    if (connection->state != GRPC_CLIENT_GREETING)
        return;
    connection->state = GRPC_CLIENT_OPEN;
    evtimer_del(&connection->timer);
    connection->watched = false;
}

static void on_dialled(struct tp_dial *dial, int fd, const char *reason)
{
    struct grpc_client_connection *connection = TP_OWNER(dial, struct grpc_client_connection, dial);
    if (fd < 0)
        grpc_client_connection_fail(connection, reason);
    else
        greet(connection, fd);
    leave(connection);
}

struct grpc_client_connection *grpc_client_connection_new(struct grpc_client_lane *lane)
{
    struct grpc_client_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->lane = lane;
    connection->fd = -1;
    connection->refusal = LARDER_UNAVAILABLE;
    TAILQ_INIT(&connection->streams);
    TAILQ_INSERT_TAIL(&lane->connections, connection, link);
    tp_dial_start(&connection->dial, &lane->base.dialler, on_dialled);
    return connection;
}
