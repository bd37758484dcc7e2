/* What arrives on a stream: the reply, or the one clear reason why it is none. */
#include <stdio.h>
#include <string.h>

#include "call_form.h"
#include "client_internal.h"
#include "status.h"

#define TYPE "application/grpc"

/* ------------------------------------------------------------------------------------------------ trailers */

/*
 * A peer that knows the call answers OK, and tells in the message what became of the request. Few of the others are more
 * than that it could not be asked.
 */
static enum larder_status status_of(const struct grpc_client_block *block)
{
    enum larder_status status = block->status < LARDER_STATUS_COUNT ? block->status : grpc_status_of(block->code);
    switch (status) {
    case LARDER_TOO_LARGE:
    case LARDER_NO_MEMORY:
    case LARDER_BUSY:
    case LARDER_DEADLINE: return status;
    default: return LARDER_UNAVAILABLE;
    }
}

static void fail(struct grpc_client_stream *stream, const char *reason)
{
    grpc_client_stream_fail(stream, LARDER_UNAVAILABLE, 0, reason);
}

static void conclude(struct grpc_client_stream *stream, const struct grpc_client_block *block)
{
    if (block->code < 0) {
        fail(stream, "ended its answer without a grpc-status");
    } else if (block->code != GRPC_OK) {
        char reason[GRPC_CLIENT_TEXT + 64];
        snprintf(reason, sizeof reason, "answered with grpc-status %d, %s%s%s", block->code,
                 grpc_code_name(block->code), block->message[0] != '\0' ? ": " : "", block->message);
        grpc_client_stream_fail(stream, status_of(block), 0, reason);
    } else {
        fail(stream, "ended its answer before the message was complete");
    }
}

void grpc_client_reply_headers(struct grpc_client_stream *stream, const struct grpc_client_block *block)
{
    char reason[GRPC_CLIENT_TEXT + 64];
    if (!stream->responded) {
        if (block->http_status / 100 == 1)
            return; /* the real ones are still to come */
        stream->responded = true;
        stream->connection->served = true;
        if (block->http_status != 200) {
            snprintf(reason, sizeof reason, "answered with HTTP status %d", block->http_status);
            fail(stream, reason);
            return;
        }
        if (strncmp(block->type, TYPE, strlen(TYPE)) != 0) {
            snprintf(reason, sizeof reason, "answered with content-type \"%s\", wanted " TYPE, block->type);
            fail(stream, reason);
            return;
        }
    }
    if (stream->ended)
        conclude(stream, block);
}

/* ------------------------------------------------------------------------------------------------ messages */

/* NULL: it has been answered, or nobody waits for it any more. */
static struct grpc_client_call *find(const struct grpc_client_stream *stream, uint32_t number)
{
    struct tp_call *call;
    TAILQ_FOREACH(call, &stream->calls, place)
    if (((struct grpc_client_call *)call)->number == number)
        return (struct grpc_client_call *)call;
    return NULL;
}

/* The call has its reply, whose bytes become its own; or it fails, and the others of its stream go on. */
static void answer(struct grpc_client_call *call, struct larder_slice message)
{
    char reason[CALL_FORM_REASON], text[TP_REASON];
    struct larder_reply *reply = &call->base.reply;
    call->bytes = grpc_reader_detach(&call->stream->reader);
    if (call->bytes == NULL && message.size > 0)
        message.data = memcpy(call->small, message.data, message.size);
    enum larder_status status = call_form_decode_reply(message, &call->arena, reply, reason);
    if (status != LARDER_OK) {
        snprintf(text, sizeof text, "peer %s: %s", call->base.lane->peer->address.text, reason);
        tp_call_fail(&call->base, LARDER_UNAVAILABLE, 0, text);
    } else {
        if (reply->value.size > 0 || reply->cluster.size > 0)
            tp_call_lend(&call->base);
        tp_call_finish(&call->base);
    }
    grpc_client_stream_leave(call, true);
}

static void take_message(struct grpc_client_stream *stream)
{
    struct grpc_reader *reader = &stream->reader;
    struct larder_slice message = grpc_reader_message(reader);
    uint32_t number = call_form_reply_number(message);
    struct grpc_client_call *call = find(stream, number);
    if (reader->compressed)
        fail(stream, "answered with a compressed message");
    else if (call != NULL)
        answer(call, message);
    else if (number >= stream->count)
        fail(stream, "answered more than it was asked");
    grpc_reader_next(reader);
}

void grpc_client_reply_data(struct grpc_client_stream *stream, struct larder_slice data)
{
    char reason[96];
    while (data.size > 0 && !TAILQ_EMPTY(&stream->calls)) {
        switch (grpc_reader_take(&stream->reader, &data)) {
        case GRPC_READ_MORE: return;
        case GRPC_READ_DONE: take_message(stream); break;
        case GRPC_READ_TOO_LARGE:
            snprintf(reason, sizeof reason, "answered with more than the %zu bytes that are taken",
                     stream->reader.limit);
            fail(stream, reason);
            break;
        case GRPC_READ_BAD_FLAG: fail(stream, "answered with what is no message of gRPC"); break;
        case GRPC_READ_NO_MEMORY: fail(stream, "out of memory for its answer"); break;
        }
    }
}

void grpc_client_reply_end(struct grpc_client_stream *stream, uint32_t error)
{
    char reason[96];
    if (!stream->begun || error == NGHTTP2_REFUSED_STREAM) {
        grpc_client_stream_fail(stream, stream->connection->refusal, LARDER_REPLY_NOT_SENT, "refused the call");
    } else if (error == NGHTTP2_NO_ERROR) {
        fail(stream, "ended its answer without trailers");
    } else {
        snprintf(reason, sizeof reason, "broke the call off: %s", nghttp2_http2_strerror(error));
        fail(stream, reason);
    }
}
