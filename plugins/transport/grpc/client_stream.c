/* Calls as a stream: their requests, and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_form.h"
#include "client_internal.h"

#define FRAME_HEAD 9
/* A request of so many bytes has a stream of its own, and its value is not copied. */
#define LARGE ((size_t)2048)
/* Of a large value: what a frame of most peers holds. */
#define PIECE ((size_t)16384)

/* ------------------------------------------------------------------------------------------------ requests */

/* nghttp2 asks how much there is; grpc_client_stream_send() sends it. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)id;
    (void)buffer;
    (void)user;
    const struct grpc_client_stream *stream = source->ptr;
    if (stream->cancelled)
        return NGHTTP2_ERR_DEFERRED;
    size_t size = tp_output_whole(&stream->requests, room);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == stream->requests.pending)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

bool grpc_client_stream_send(struct grpc_client_stream *stream, const void *frame_head, size_t size)
{
    struct tp_output *output = &stream->connection->output;
    stream->connection->queued += FRAME_HEAD + size;
    return tp_output_copy(output, frame_head, FRAME_HEAD) && tp_output_move(&stream->requests, output, size);
}

static bool is_large(const struct tp_call *call)
{
    const struct larder_request *request = call->request;
    return request->key.size + request->cluster.size + request->value.size >= LARGE;
}

static bool queue_value(struct grpc_client_stream *stream, struct larder_slice value)
{
    for (size_t at = 0; at < value.size; at += PIECE) {
        size_t rest = value.size - at;
        struct larder_slice piece = {(const char *)value.data + at, rest < PIECE ? rest : PIECE};
        if (!tp_output_pin(&stream->requests, piece, NULL, stream))
            return false;
    }
    return true;
}

/* The request joins those of the stream. False: out of memory. */
static bool add(struct grpc_client_stream *stream, struct grpc_client_call *call, uint64_t now)
{
    const struct larder_request *request = call->base.request;
    struct larder_slice head;
    grpc_arena_init(&call->arena, call->scratch, sizeof call->scratch, 2 * CALL_FORM_PARTS);
    bool added = call_form_encode_request(request, now, &call->arena, &head) &&
                 tp_output_copy(&stream->requests, head.data, head.size) && queue_value(stream, request->value);
    grpc_arena_reset(&call->arena);
    call->stream = stream;
    call->number = stream->count++;
    call->given = now;
    TAILQ_INSERT_TAIL(&stream->calls, &call->base, place);
    stream->connection->call_count++;
    return added;
}

/* ------------------------------------------------------------------------------------------------ the beginning */

static struct grpc_client_stream *new_stream(struct grpc_client_connection *connection)
{
    struct grpc_client_stream *stream = malloc(sizeof *stream);
    if (stream == NULL)
        return NULL;
    memset(stream, 0, offsetof(struct grpc_client_stream, small));
    uint64_t most = connection->lane->base.peer->client->options.max_value;
    if (__builtin_add_overflow(most, CALL_FORM_PARTS, &most) || most > SIZE_MAX)
        most = SIZE_MAX;
    stream->reader.limit = (size_t)most;
    stream->reader.small = stream->small;
    stream->reader.small_size = sizeof stream->small;
    stream->connection = connection;
    TAILQ_INIT(&stream->calls);
    TAILQ_INSERT_TAIL(&connection->streams, stream, link);
    connection->stream_count++;
    return stream;
}

void grpc_client_stream_free(struct grpc_client_stream *stream)
{
    TAILQ_REMOVE(&stream->connection->streams, stream, link);
    stream->connection->stream_count--;
    tp_output_free(&stream->requests);
    grpc_reader_free(&stream->reader);
    free(stream);
}

/* Gives the stream some of the calls that wait. False: out of memory. */
static bool gather(struct grpc_client_stream *stream, uint32_t most)
{
    struct tp_lane *lane = &stream->connection->lane->base;
    uint64_t now = larder_now(lane->peer->client->runtime);
    bool large, added;
    do {
        struct tp_call *call = tp_lane_next(lane);
        large = is_large(call);
        added = add(stream, (struct grpc_client_call *)call, now);
    } while (added && !large && lane->waiting_count > 0 && stream->count < most &&
             !is_large(TAILQ_FIRST(&lane->waiting)));
    return added;
}

static bool submit(struct grpc_client_stream *stream)
{
    struct grpc_client_connection *connection = stream->connection;
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = on_read};
    stream->id = nghttp2_submit_request(connection->session, NULL, connection->lane->headers, GRPC_CLIENT_HEADERS,
                                        &body, stream);
    return stream->id > 0;
}

static void fail_without_memory(struct tp_call *call)
{
    tp_call_fail(call, LARDER_NO_MEMORY, LARDER_REPLY_NOT_SENT, "out of memory");
    tp_call_release(call);
}

void grpc_client_stream_open(struct grpc_client_connection *connection, uint32_t most)
{
    struct grpc_client_stream *stream = new_stream(connection);
    if (stream == NULL) {
        fail_without_memory(tp_lane_next(&connection->lane->base));
        return;
    }
    if (gather(stream, most < GRPC_CLIENT_CALLS ? most : GRPC_CLIENT_CALLS) && submit(stream)) {
        grpc_client_connection_watch(connection);
        return;
    }
    struct tp_call *call;
    while ((call = TAILQ_FIRST(&stream->calls)) != NULL) {
        TAILQ_REMOVE(&stream->calls, call, place);
        connection->call_count--;
        fail_without_memory(call);
    }
    grpc_client_stream_free(stream);
}

/* ------------------------------------------------------------------------------------------------ the end */

static void unlink_call(struct grpc_client_call *call)
{
    struct grpc_client_stream *stream = call->stream;
    TAILQ_REMOVE(&stream->calls, &call->base, place);
    stream->connection->call_count--;
    call->stream = NULL;
    tp_call_release(&call->base);
}

/* Nobody waits for anything of the stream any more. */
static void cancel(struct grpc_client_stream *stream)
{
    struct grpc_client_connection *connection = stream->connection;
    stream->cancelled = true;
    tp_output_free(&stream->requests);
    if (nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL) != 0)
        grpc_client_connection_fail(connection, "out of memory");
    grpc_client_connection_schedule(connection);
}

void grpc_client_stream_leave(struct grpc_client_call *call, bool answered)
{
    struct grpc_client_stream *stream = call->stream;
    struct grpc_client_connection *connection = stream->connection;
    unlink_call(call);
    if (!TAILQ_EMPTY(&stream->calls))
        return;
    /* The bytes of a request are not there when its completion has run, and some may still wait for the socket. */
    if (!tp_output_own(&connection->output, stream))
        grpc_client_connection_fail(connection, "out of memory");
    if (!stream->closed && !((answered || stream->ended) && stream->requests.pending == 0))
        cancel(stream);
}

void grpc_client_stream_fail(struct grpc_client_stream *stream, enum larder_status status, uint32_t flags,
                             const char *reason)
{
    char text[TP_REASON];
    if (TAILQ_EMPTY(&stream->calls))
        return;
    snprintf(text, sizeof text, "peer %s: %.240s", stream->connection->lane->base.peer->address.text, reason);
    struct tp_call *call;
    while ((call = TAILQ_FIRST(&stream->calls)) != NULL) {
        tp_call_fail(call, status, flags, text);
        grpc_client_stream_leave((struct grpc_client_call *)call, false);
    }
}

void grpc_client_stream_lost(struct grpc_client_stream *stream, uint64_t written, const char *text)
{
    bool sent = stream->begun && written > stream->start;
    struct tp_call *call;
    while ((call = TAILQ_FIRST(&stream->calls)) != NULL) {
        tp_call_fail(call, LARDER_UNAVAILABLE, sent ? 0 : LARDER_REPLY_NOT_SENT, text);
        unlink_call((struct grpc_client_call *)call);
    }
    grpc_client_stream_free(stream);
}

void grpc_client_stream_expired(struct tp_call *base)
{
    struct grpc_client_call *call = (struct grpc_client_call *)base;
    struct grpc_client_connection *connection = call->stream->connection;
    grpc_client_stream_leave(call, false);
    grpc_client_connection_doubt(connection, call->given);
    grpc_client_connection_settle(connection);
}

void grpc_client_stream_forget(struct tp_call *base)
{
    struct grpc_client_call *call = (struct grpc_client_call *)base;
    grpc_arena_reset(&call->arena);
    free(call->bytes);
}
