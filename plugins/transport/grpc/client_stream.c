/* A call as a stream: its request, and its end. */
#include <stdio.h>
#include <string.h>

#include "call_form.h"
#include "client_internal.h"

#define FRAME_HEAD 9

/* ------------------------------------------------------------------------------------------------ the request */

static size_t request_size(const struct grpc_client_call *call)
{
    return call->head.size + call->base.request->value.size;
}

/* Promises as many bytes as the frame may have; grpc_client_stream_send() has them. */
static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    (void)buffer;
    (void)source;
    (void)user;
    const struct grpc_client_call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL)
        return NGHTTP2_ERR_DEFERRED; /* the stream is being cancelled */
    size_t left = request_size(call) - call->sent, size = left < room ? left : room;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

/* The next bytes, at most `size`, of head or value. */
static struct larder_slice next_bytes(const struct grpc_client_call *call, size_t size)
{
    struct larder_slice part = call->head;
    size_t at = call->sent;
    if (at >= part.size) {
        at -= part.size;
        part = call->base.request->value;
    }
    size_t left = part.size - at;
    return (struct larder_slice){(const char *)part.data + at, size < left ? size : left};
}

bool grpc_client_stream_send(struct grpc_client_call *call, const void *frame_head, size_t size)
{
    struct grpc_client_connection *connection = call->connection;
    struct tp_output *output = &connection->output;
    if (!tp_output_copy(output, frame_head, FRAME_HEAD))
        return false;
    connection->queued += FRAME_HEAD + size;
    while (size > 0) {
        struct larder_slice bytes = next_bytes(call, size);
        if (!tp_output_pin(output, bytes, NULL, call))
            return false;
        call->sent += bytes.size;
        size -= bytes.size;
    }
    return true;
}

/* False: out of memory. */
static bool submit(struct grpc_client_connection *connection, struct grpc_client_call *call)
{
    const struct tp_client *client = call->base.lane->peer->client;
    uint64_t most = client->options.max_value;
    if (__builtin_add_overflow(most, CALL_FORM_PARTS, &most) || most > SIZE_MAX)
        most = SIZE_MAX;
    call->reader.limit = (size_t)most;
    call->reader.small = call->small;
    call->reader.small_size = sizeof call->small;
    grpc_arena_init(&call->arena, call->scratch, sizeof call->scratch, CALL_FORM_PARTS);
    if (!call_form_encode_request(call->base.request, larder_now(client->runtime), &call->arena, &call->head))
        return false;
    const nghttp2_data_provider body = {.read_callback = on_read};
    call->stream = nghttp2_submit_request(connection->session, NULL, connection->lane->headers, GRPC_CLIENT_HEADERS,
                                          &body, call);
    return call->stream > 0;
}

void grpc_client_stream_open(struct grpc_client_connection *connection, struct grpc_client_call *call)
{
    if (!submit(connection, call)) {
        tp_call_fail(&call->base, LARDER_NO_MEMORY, LARDER_REPLY_NOT_SENT, "out of memory");
        tp_call_release(&call->base);
        return;
    }
    call->connection = connection;
    TAILQ_INSERT_TAIL(&connection->calls, &call->base, place);
    connection->streams++;
    grpc_client_connection_watch(connection);
    grpc_client_connection_schedule(connection);
}

/* ------------------------------------------------------------------------------------------------ the end */

static void unlink_call(struct grpc_client_call *call)
{
    TAILQ_REMOVE(&call->connection->calls, &call->base, place);
    call->connection = NULL;
    tp_call_release(&call->base);
}

void grpc_client_stream_leave(struct grpc_client_call *call)
{
    struct grpc_client_connection *connection = call->connection;
    nghttp2_session *session = connection->session;
    /* The bytes of the request are not there any more when the completion has run. */
    if (call->sent > 0 && connection->output.pending > 0 && !tp_output_own(&connection->output, call))
        grpc_client_connection_fail(connection, "out of memory");
    nghttp2_session_set_stream_user_data(session, call->stream, NULL);
    if (!call->closed && (!call->ended || call->sent < request_size(call))) {
        if (nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL) != 0)
            grpc_client_connection_fail(connection, "out of memory");
        grpc_client_connection_schedule(connection);
    }
    unlink_call(call);
}

void grpc_client_stream_fail(struct grpc_client_call *call, enum larder_status status, uint32_t flags,
                             const char *reason)
{
    char text[TP_REASON];
    snprintf(text, sizeof text, "peer %s: %.240s", call->base.lane->peer->address.text, reason);
    tp_call_fail(&call->base, status, flags, text);
    grpc_client_stream_leave(call);
}

void grpc_client_stream_lost(struct grpc_client_call *call, uint64_t written, const char *text)
{
    bool sent = call->begun && written > call->start;
    tp_call_fail(&call->base, LARDER_UNAVAILABLE, sent ? 0 : LARDER_REPLY_NOT_SENT, text);
    unlink_call(call);
}

void grpc_client_stream_expired(struct tp_call *base)
{
    struct grpc_client_call *call = (struct grpc_client_call *)base;
    struct grpc_client_connection *connection = call->connection;
    grpc_client_stream_leave(call);
    grpc_client_connection_doubt(connection);
    grpc_client_connection_settle(connection);
}

void grpc_client_stream_forget(struct tp_call *base)
{
    struct grpc_client_call *call = (struct grpc_client_call *)base;
    grpc_arena_reset(&call->arena);
    grpc_reader_free(&call->reader);
}
