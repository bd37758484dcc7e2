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

static void fail(struct grpc_client_call *call, const char *reason)
{
    grpc_client_stream_fail(call, LARDER_UNAVAILABLE, 0, reason);
}

/* The message is complete: reads it where it lies. */
static void answer(struct grpc_client_call *call)
{
    char reason[CALL_FORM_REASON];
    struct larder_reply *reply = &call->base.reply;
    enum larder_status status = call_form_decode_reply(grpc_reader_message(&call->reader), &call->arena, reply, reason);
    if (status != LARDER_OK) {
        fail(call, reason);
        return;
    }
    if (reply->value.size > 0 || reply->cluster.size > 0)
        tp_call_lend(&call->base);
    tp_call_finish(&call->base);
    grpc_client_stream_leave(call);
}

static void conclude(struct grpc_client_call *call, const struct grpc_client_block *block)
{
    if (block->code < 0) {
        fail(call, "ended its answer without a grpc-status");
    } else if (block->code != GRPC_OK) {
        char reason[GRPC_CLIENT_TEXT + 64];
        snprintf(reason, sizeof reason, "answered with grpc-status %d, %s%s%s", block->code,
                 grpc_code_name(block->code), block->message[0] != '\0' ? ": " : "", block->message);
        grpc_client_stream_fail(call, status_of(block), 0, reason);
    } else if (call->reader.prefix_got < GRPC_PREFIX_SIZE || call->reader.got < call->reader.size) {
        fail(call, "ended its answer before the message was complete");
    } else {
        answer(call);
    }
}

void grpc_client_reply_headers(struct grpc_client_call *call, const struct grpc_client_block *block)
{
    char reason[GRPC_CLIENT_TEXT + 64];
    if (!call->responded) {
        if (block->http_status / 100 == 1)
            return; /* the real ones are still to come */
        call->responded = true;
        call->connection->served = true;
        if (block->http_status != 200) {
            snprintf(reason, sizeof reason, "answered with HTTP status %d", block->http_status);
            fail(call, reason);
            return;
        }
        if (strncmp(block->type, TYPE, strlen(TYPE)) != 0) {
            snprintf(reason, sizeof reason, "answered with content-type \"%s\", wanted " TYPE, block->type);
            fail(call, reason);
            return;
        }
    }
    if (call->ended)
        conclude(call, block);
}

/* ------------------------------------------------------------------------------------------------ the message */

void grpc_client_reply_data(struct grpc_client_call *call, struct larder_slice data)
{
    char reason[96];
    const struct grpc_reader *reader = &call->reader;
    switch (grpc_reader_take(&call->reader, &data)) {
    case GRPC_READ_MORE: return;
    case GRPC_READ_DONE:
        if (reader->compressed)
            fail(call, "answered with a compressed message");
        else if (data.size > 0)
            fail(call, "answered with more than one message");
        return;
    case GRPC_READ_TOO_LARGE:
        snprintf(reason, sizeof reason, "answered with more than the %zu bytes that are taken", reader->limit);
        fail(call, reason);
        return;
    case GRPC_READ_BAD_FLAG: fail(call, "answered with what is no message of gRPC"); return;
    case GRPC_READ_NO_MEMORY: fail(call, "out of memory for its answer"); return;
    }
}

void grpc_client_reply_end(struct grpc_client_call *call, uint32_t error)
{
    char reason[96];
    if (!call->begun || error == NGHTTP2_REFUSED_STREAM) {
        grpc_client_stream_fail(call, call->connection->refusal, LARDER_REPLY_NOT_SENT, "refused the call");
    } else if (error == NGHTTP2_NO_ERROR) {
        fail(call, "ended its answer without trailers");
    } else {
        snprintf(reason, sizeof reason, "broke the call off: %s", nghttp2_http2_strerror(error));
        fail(call, reason);
    }
}
