/* nghttp2's side of a connection: its settings, and its callbacks, which find the call that a frame belongs to. */
#include <stdio.h>
#include <string.h>

#include "client_internal.h"

#define QUEUE_MAX         262144     /* bytes that wait for the socket; frames beyond stay with the session */
#define STREAM_WINDOW     (1 << 20)  /* bytes of one reply that may be on their way */
#define CONNECTION_WINDOW (16 << 20) /* of all */
#define HEADERS_MAX       16384

static struct grpc_client_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ------------------------------------------------------------------------------------------------ bytes out */

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags, void *user)
{
    (void)session;
    (void)flags;
    struct grpc_client_connection *connection = user;
    if (connection->output.pending >= QUEUE_MAX)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (!tp_output_copy(&connection->output, data, size))
        return NGHTTP2_ERR_NOMEM;
    connection->queued += size;
    return (ssize_t)size;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t size,
                        nghttp2_data_source *source, void *user)
{
    (void)source;
    struct grpc_client_connection *connection = user;
    struct grpc_client_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream->cancelled)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (connection->output.pending >= QUEUE_MAX)
        return NGHTTP2_ERR_WOULDBLOCK;
    return grpc_client_stream_send(stream, head, size) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int before_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct grpc_client_connection *connection = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) { /* this side's, which it sends for errors only */
        char reason[128];
        snprintf(reason, sizeof reason, "makes no sense as HTTP/2: %s: %.*s",
                 nghttp2_http2_strerror(frame->goaway.error_code), (int)frame->goaway.opaque_data_len,
                 (const char *)frame->goaway.opaque_data);
        grpc_client_connection_fail(connection, reason);
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct grpc_client_stream *stream = stream_of(session, frame->hd.stream_id);
        stream->begun = true;
        stream->start = connection->queued;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ frames in */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    (void)frame;
    grpc_client_block_begin(&((struct grpc_client_connection *)user)->block);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void)flags;
    struct grpc_client_connection *connection = user;
    struct larder_slice key = {name, name_size}, text = {value, value_size};
    if (grpc_client_block_add(&connection->block, key, text))
        return 0;
    struct grpc_client_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL)
        grpc_client_stream_fail(stream, LARDER_UNAVAILABLE, 0, "answered with too many headers");
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *user)
{
    (void)flags;
    (void)user;
    struct grpc_client_stream *stream = stream_of(session, id);
    if (stream != NULL)
        grpc_client_reply_data(stream, (struct larder_slice){data, size});
    return 0;
}

static void on_goaway(struct grpc_client_connection *connection, const nghttp2_goaway *goaway)
{
    char reason[64];
    snprintf(reason, sizeof reason, "takes no more calls: %s", nghttp2_http2_strerror(goaway->error_code));
    if (connection->state == GRPC_CLIENT_OPEN)
        connection->state = GRPC_CLIENT_DRAINING;
    if (goaway->error_code == NGHTTP2_ENHANCE_YOUR_CALM)
        connection->refusal = LARDER_BUSY; /* it is alive, but its door has no room */
    grpc_client_lane_retire(connection, reason);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct grpc_client_connection *connection = user;
    uint8_t type = frame->hd.type;
    if (type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
        grpc_client_connection_greeted(connection);
    else if (type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        grpc_client_connection_ponged(connection);
    else if (type == NGHTTP2_GOAWAY)
        on_goaway(connection, &frame->goaway);
    struct grpc_client_stream *stream = frame->hd.stream_id > 0 ? stream_of(session, frame->hd.stream_id) : NULL;
    if (stream == NULL || (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA))
        return 0;
    stream->ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (type == NGHTTP2_HEADERS)
        grpc_client_reply_headers(stream, &connection->block);
    else if (stream->ended)
        grpc_client_reply_end(stream, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)user;
    struct grpc_client_stream *stream = stream_of(session, id);
    stream->closed = true;
    grpc_client_reply_end(stream, error);
    grpc_client_stream_free(stream);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ the session */

static nghttp2_session_callbacks *new_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
}

nghttp2_session *grpc_client_session_new(struct grpc_client_connection *connection)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADERS_MAX},
    };
    nghttp2_session *session = NULL;
    nghttp2_session_callbacks *callbacks = new_callbacks();
    if (callbacks == NULL || nghttp2_session_client_new(&session, callbacks, connection) != 0)
        session = NULL;
    nghttp2_session_callbacks_del(callbacks);
    if (session == NULL)
        return NULL;
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]) == 0 &&
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0)
        return session;
    nghttp2_session_del(session);
    return NULL;
}
