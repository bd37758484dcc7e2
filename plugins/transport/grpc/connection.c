/* Reading, writing, time, and the end. */
#include "connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* With so much waiting to be written, no further frames are made, and nothing more is read. */
#define OUTPUT_HIGH ((size_t)1 << 20)
/* With so much waiting to become frames, no further call is submitted. */
#define HELD_HIGH ((size_t)4 << 20)
/* So often frames are made and written in one turn of the loop, before others have theirs. */
#define ROUNDS 4
/* What a client may send before it hears of more: on one stream, and on all. */
#define STREAM_WINDOW     ((int32_t)1 << 20)
#define CONNECTION_WINDOW ((int32_t)8 << 20)
/* Bytes of a SETTINGS frame with so many entries, and where in it the value of the first is. */
#define SETTINGS_SIZE(count) (9 + 6 * (count))
#define FIRST_SETTING        11
_Static_assert(sizeof(((struct grpc_options *)NULL)->max_streams) == 4, "max_streams is not what a setting's value is");
/* Frames that bring nothing: so many at once, and so many in a second. Clients ping to measure the line, or to keep it up. */
#define IDLE_FRAMES_AT_ONCE  1000
#define IDLE_FRAMES_A_SECOND 50
/* When a client does not answer the ping that measures its round trip, as long as this is enough of one. */
#define ROUND_TRIP_NS (1000 * LARDER_NS_PER_MS)

static struct grpc_connection *of(struct tp_connection *base)
{
    return (struct grpc_connection *)base;
}

static uint64_t now(const struct grpc_connection *connection)
{
    return connection->base.worker->now;
}

static const struct grpc_options *options_of(const struct grpc_connection *connection)
{
    return &grpc_server_of(connection->base.worker)->options;
}

/* ------------------------------------------------------------------------------------------------ begin and end */

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_connection *connection = arg;
    connection->looking = false;
    connection->look_at = LARDER_NEVER;
    tp_worker_now(connection->base.worker);
    struct grpc_call *call = LIST_FIRST(&connection->calls);
    while (call != NULL) {
        struct grpc_call *next = LIST_NEXT(call, link);
        if (now(connection) < call->due)
            grpc_connection_look_at(connection, call->due);
        else
            grpc_call_look(call); /* which tells when it is due again */
        call = next;
    }
    tp_worker_schedule(connection->base.worker, &connection->base);
}

/*
 * The client is told of `max_streams`, nghttp2 of no limit: it would end the connection for one stream too many, where refusing
 * that one will do.
 */
static bool send_settings(struct grpc_connection *connection)
{
    const struct grpc_options *options = options_of(connection);
    nghttp2_session *session = connection->session;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, INT32_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)options->max_header_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    const uint8_t *frame;
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) != 0 ||
        nghttp2_session_mem_send(session, &frame) != SETTINGS_SIZE(sizeof settings / sizeof *settings))
        return false;
    uint8_t told[SETTINGS_SIZE(sizeof settings / sizeof *settings)];
    memcpy(told, frame, sizeof told);
    /* Where nghttp2 has its entries elsewhere, the frame is left as it is: streams beyond are refused in any case. */
    bool found = told[FIRST_SETTING - 2] == 0 && told[FIRST_SETTING - 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS;
    for (size_t i = 0; found && i < sizeof options->max_streams; i++)
        told[FIRST_SETTING + i] = (uint8_t)(options->max_streams >> 8 * (sizeof options->max_streams - 1 - i));
    return tp_output_copy(&connection->base.output, told, sizeof told);
}

static bool greet(struct grpc_connection *connection)
{
    return send_settings(connection) &&
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0;
}

bool grpc_connection_opened(struct tp_connection *base)
{
    struct grpc_connection *connection = of(base);
    const struct grpc_server *server = grpc_server_of(base->worker);
    if (nghttp2_session_server_new2(&connection->session, server->callbacks, connection, server->session_options) != 0)
        return false;
    if (!greet(connection)) {
        nghttp2_session_del(connection->session);
        return false;
    }
    LIST_INIT(&connection->calls);
    TAILQ_INIT(&connection->waiting);
    connection->look_at = LARDER_NEVER;
    connection->heard = connection->idle = connection->calmed = now(connection);
    connection->calm = IDLE_FRAMES_AT_ONCE;
    event_assign(&connection->look_event, tp_loop_base(base->worker->loop), -1, 0, on_look, connection);
    return true;
}

void grpc_connection_closed(struct tp_connection *base)
{
    struct grpc_connection *connection = of(base);
    nghttp2_session_del(connection->session);
    event_del(&connection->look_event);
    struct grpc_call *call = LIST_FIRST(&connection->calls);
    while (call != NULL) {
        struct grpc_call *next = LIST_NEXT(call, link);
        call->carrier = NULL; /* it goes, too */
        if (call->phase != GRPC_PHASE_NODE)
            grpc_call_free(call);
        else
            call->connection = NULL;
        call = next;
    }
}

/* ------------------------------------------------------------------------------------------------ calls */

bool grpc_connection_has_room(const struct grpc_connection *connection)
{
    return connection->held < HELD_HIGH;
}

void grpc_connection_look_at(struct grpc_connection *connection, uint64_t due)
{
    if (due >= connection->look_at)
        return;
    connection->look_at = due;
    connection->looking = false; /* too late: it is set again when the connection is settled */
}

static void set_look_event(struct grpc_connection *connection)
{
    if (connection->looking || connection->look_at == LARDER_NEVER)
        return;
    uint64_t at = connection->look_at, us = at > now(connection) ? (at - now(connection)) / 1000 + 1 : 0;
    struct timeval wait = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    connection->looking = event_add(&connection->look_event, &wait) == 0;
}

bool grpc_connection_keeps_calm(struct grpc_connection *connection, double count)
{
    double calm = connection->calm - count;
    if (count > 0 && calm < 0) { /* what has been regained since is reckoned only when it is needed */
        calm += (double)(now(connection) - connection->calmed) / 1e9 * IDLE_FRAMES_A_SECOND;
        connection->calmed = now(connection);
        connection->rude = connection->rude || calm < 0;
    }
    connection->calm = calm < IDLE_FRAMES_AT_ONCE ? calm : IDLE_FRAMES_AT_ONCE;
    return !connection->rude;
}

/* ------------------------------------------------------------------------------------------------ saying goodbye */

static void check(struct grpc_connection *connection, int status)
{
    if (status != 0)
        connection->broken = true;
}

static void ping(struct grpc_connection *connection)
{
    connection->pinged = true;
    connection->noticed = now(connection);
    check(connection, nghttp2_submit_ping(connection->session, NGHTTP2_FLAG_NONE, NULL));
}

/* No more calls after those that are on their way. */
static void notice(struct grpc_connection *connection)
{
    if (connection->goodbye != GRPC_GOODBYE_NONE)
        return;
    connection->goodbye = GRPC_GOODBYE_NOTICED;
    check(connection, nghttp2_submit_shutdown_notice(connection->session));
    ping(connection);
}

static void part(struct grpc_connection *connection, uint32_t error, const char *reason)
{
    connection->goodbye = GRPC_GOODBYE_FINAL;
    check(connection, nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
                                            nghttp2_session_get_last_proc_stream_id(connection->session), error,
                                            (const uint8_t *)reason, strlen(reason)));
}

void grpc_connection_part(struct grpc_connection *connection)
{
    part(connection, NGHTTP2_NO_ERROR, "");
}

/* ------------------------------------------------------------------------------------------------ moving on */

static void submit_waiting(struct grpc_connection *connection)
{
    while (!TAILQ_EMPTY(&connection->waiting) && grpc_connection_has_room(connection))
        grpc_call_submit(TAILQ_FIRST(&connection->waiting));
}

/* Turns what waits into frames. True: there are bytes to write, and there may be more when they are written. */
static bool make_frames(struct grpc_connection *connection)
{
    struct tp_output *output = &connection->base.output;
    while (output->pending < OUTPUT_HIGH) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(connection->session, &data);
        if (size < 0 || (size > 0 && !tp_output_copy(output, data, (size_t)size))) {
            connection->broken = true;
            return false;
        }
        if (size == 0)
            break;
    }
    return output->pending > 0;
}

static void move_on(struct grpc_connection *connection)
{
    for (int round = 0; round < ROUNDS; round++) {
        submit_waiting(connection);
        bool some = make_frames(connection);
        if (!connection->broken && !tp_connection_write(&connection->base))
            connection->broken = true;
        if (connection->broken || !some || connection->base.output.pending > 0)
            return;
    }
    grpc_connection_look_at(connection, now(connection)); /* the rest follows when others have had their turn */
}

/* Whether the node works on the call, or it waits for room that there is. */
static bool goes_on(const struct grpc_connection *connection, const struct grpc_call *call)
{
    return call->phase == GRPC_PHASE_NODE ||
           (call->phase == GRPC_PHASE_WAITING && grpc_connection_has_room(connection));
}

/*
 * Whether something that the client has asked for is still to be said, now that it has ended its side: it opens no window any
 * more for answers that wait for one.
 */
static bool awaited(const struct grpc_connection *connection)
{
    bool stuck = nghttp2_session_want_write(connection->session) == 0;
    const struct grpc_call *call;
    LIST_FOREACH(call, &connection->calls, link)
    if (call->stream != 0 || call->carrier != NULL) {
        bool asked = call->phase != GRPC_PHASE_ARRIVING && call->phase != GRPC_PHASE_PAUSING;
        if (goes_on(connection, call) || (asked && !stuck))
            return true;
    }
    return false;
}

/* A sign of life is that the client sends, or that it takes what is sent: a ping may have to wait behind that for long. */
static uint64_t later(uint64_t since, const struct grpc_connection *connection)
{
    return since > connection->base.read_on ? since : connection->base.read_on;
}

static uint64_t deadline(const struct grpc_connection *connection)
{
    const struct grpc_options *options = options_of(connection);
    if (!connection->greeted)
        return connection->idle + options->handshake_timeout;
    if (connection->goodbye == GRPC_GOODBYE_NOTICED)
        return connection->noticed + ROUND_TRIP_NS;
    if (connection->pinged)
        return later(connection->noticed, connection) + options->keepalive_timeout;
    if (connection->call_count == 0)
        return connection->idle + connection->base.worker->server->options.idle_timeout;
    return later(connection->heard, connection) + options->keepalive_interval;
}

void grpc_connection_settle(struct tp_connection *base)
{
    struct grpc_connection *connection = of(base);
    if (!connection->broken)
        move_on(connection);
    bool said = base->output.pending == 0;
    bool over = nghttp2_session_want_read(connection->session) == 0 &&
                nghttp2_session_want_write(connection->session) == 0;
    if (connection->broken || (said && connection->end_seen && !awaited(connection))) {
        tp_connection_close(base);
        return;
    }
    if (said && (over || connection->rude)) {
        tp_connection_linger(base);
        return;
    }
    set_look_event(connection);
    bool read = !connection->end_seen && !connection->rude && base->output.pending < OUTPUT_HIGH;
    tp_connection_wait(base, read, deadline(connection));
}

void grpc_connection_drain(struct tp_connection *base)
{
    struct grpc_connection *connection = of(base);
    struct grpc_call *call;
    if (!connection->greeted) { /* it has no calls, and may not have meant to have any for long */
        grpc_connection_part(connection);
        move_on(connection);
        tp_connection_close(base);
        return;
    }
    notice(connection);
    LIST_FOREACH(call, &connection->calls, link)
    if (call->phase == GRPC_PHASE_PAUSING) {
        call->due = now(connection); /* it is told that this was all */
        grpc_connection_look_at(connection, call->due);
    }
    grpc_connection_settle(base);
}

/* The frames are no HTTP/2, or there is no memory for them. What nghttp2 has to say of the former is still sent. */
static void take_failure(struct grpc_connection *connection, ssize_t error)
{
    if (connection->rude)
        part(connection, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames that bring nothing");
    else if (error == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        connection->rude = true;
    else
        connection->broken = true;
}

void grpc_connection_read(struct tp_connection *base)
{
    struct grpc_connection *connection = of(base);
    ssize_t got = tp_connection_recv(base, base->worker->scratch, TP_READ_SIZE);
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        connection->broken = true;
    if (got == 0)
        connection->end_seen = true;
    if (got > 0) {
        connection->heard = now(connection);
        ssize_t used = nghttp2_session_mem_recv(connection->session, (const uint8_t *)base->worker->scratch,
                                                (size_t)got);
        if (used < 0)
            take_failure(connection, used);
    }
    grpc_connection_settle(base);
}

/* ------------------------------------------------------------------------------------------------ time */

void grpc_connection_expire(struct tp_connection *base)
{
    struct grpc_connection *connection = of(base);
    if (now(connection) < deadline(connection) || !connection->greeted) {
        tp_connection_close(base); /* what it is to read has waited too long; or it never was HTTP/2 */
        return;
    }
    if (connection->goodbye == GRPC_GOODBYE_NOTICED)
        grpc_connection_part(connection);
    else if (connection->pinged)
        connection->broken = true;
    else if (connection->call_count == 0)
        notice(connection);
    else
        ping(connection);
    grpc_connection_settle(base);
}
