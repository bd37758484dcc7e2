/* What nghttp2 tells of a connection's frames, and how it is told to behave. */
#include "answer.h"
#include "connection.h"

/*
 * Resets of streams that are forgiven at once, and again in a second: some, and for each of `max_streams` some. A client whose calls run
 * out of time resets each of them, and what a reset leaves behind at the node is bounded in any case, by three times `max_streams`.
 */
#define RESETS          2000
#define RESETS_A_STREAM 10
/* CONTINUATION frames of a header block: as many as it takes, and some more. */
#define CONTINUATIONS 8
#define FRAME_SIZE    16384

static struct grpc_call *call_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

/* Frames that bring nothing, of which a client may send some, but not a flood. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *arg)
{
    (void)session;
    bool idle = false;
    switch (head->type) {
    case NGHTTP2_DATA: idle = head->length == 0 && (head->flags & NGHTTP2_FLAG_END_STREAM) == 0; break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM: /* nghttp2 counts them */
    case NGHTTP2_WINDOW_UPDATE: break;
    default: idle = true; break;
    }
    return idle && !grpc_connection_keeps_calm(arg, 1) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* The client may try it again elsewhere: nothing was done. */
static int refuse_stream(nghttp2_session *session, int32_t stream)
{
    int status = nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
    return status == 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct grpc_connection *connection = arg;
    struct grpc_worker *worker = grpc_worker_of(connection->base.worker);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (connection->stream_count >= grpc_server_of(&worker->base)->options.max_streams)
        return refuse_stream(session, frame->hd.stream_id);
    grpc_connection_keeps_calm(connection, -2);
    struct grpc_call *call = grpc_call_new(worker, connection, frame->hd.stream_id);
    if (call == NULL)
        return refuse_stream(session, frame->hd.stream_id);
    connection->stream_count++;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
    (void)flags;
    (void)arg;
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        grpc_call_header(call, (struct larder_slice){name, name_size}, (struct larder_slice){value, value_size});
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *arg)
{
    (void)flags;
    (void)arg;
    struct grpc_call *call = call_of(session, stream);
    if (call != NULL)
        grpc_call_data(call, (struct larder_slice){data, size});
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct grpc_connection *connection = arg;
    struct grpc_call *call;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if ((call = call_of(session, frame->hd.stream_id)) == NULL)
            break;
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            grpc_call_begin(call);
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            grpc_call_end(call);
        break;
    case NGHTTP2_SETTINGS: connection->greeted = true; break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
            break;
        connection->pinged = false;
        if (connection->goodbye == GRPC_GOODBYE_NOTICED)
            grpc_connection_part(connection);
        break;
    default: break;
    }
    return 0;
}

/* An answer that ends before its client has said all: there is no point in saying the rest. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)arg;
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    const struct grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL || call->ended)
        return 0;
    return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
    (void)error;
    struct grpc_connection *connection = arg;
    struct grpc_call *call = call_of(session, stream);
    if (call == NULL)
        return 0; /* it was refused */
    connection->stream_count--;
    grpc_call_closed(call);
    return 0;
}

bool grpc_session_prepare(struct grpc_server *server)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_option_new(&server->session_options) != 0)
        return false;
    nghttp2_option *option = server->session_options;
    uint64_t resets = RESETS + (uint64_t)RESETS_A_STREAM * server->options.max_streams;
    nghttp2_option_set_stream_reset_rate_limit(option, resets, resets);
    nghttp2_option_set_max_continuations(option, server->options.max_header_bytes / FRAME_SIZE + CONTINUATIONS);
    nghttp2_option_set_no_closed_streams(option, 1);
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        nghttp2_option_del(option);
        return false;
    }
    server->callbacks = callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, grpc_answer_send);
    return true;
}

void grpc_session_forget(struct grpc_server *server)
{
    nghttp2_session_callbacks_del(server->callbacks);
    nghttp2_option_del(server->session_options);
}
