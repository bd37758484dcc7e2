/* What arrives of a call: its header fields, its message, and that this is all. */
#include "call_form.h"
#include "carry.h"
#include "connection.h"
#include "gzip.h"
#include "method.h"

/* What is made of a message besides its bytes: of one with one key, and of one with many. */
#define PARTS_ONE  ((size_t)256 << 10)
#define PARTS_MANY ((size_t)1 << 20)

/* ------------------------------------------------------------------------------------------------ header fields */

static void refuse_as_http(struct grpc_call *call, int status)
{
    call->http = status;
    grpc_call_fail(call, GRPC_UNKNOWN, "HTTP %d", status);
}

void grpc_call_begin(struct grpc_call *call)
{
    const struct grpc_options *options = &grpc_server_of(call->base.worker)->options;
    call->has_head = true;
    if (call->deadline < call->due)
        grpc_call_enter(call, GRPC_PHASE_ARRIVING, call->deadline);
    if (call->header_bytes > options->max_header_bytes)
        grpc_call_refuse(call, LARDER_TOO_LARGE, "metadata: got %zu bytes, wanted at most %zu", call->header_bytes,
                         options->max_header_bytes);
    else if (!call->is_post)
        refuse_as_http(call, 405);
    else if (!call->is_grpc)
        refuse_as_http(call, 415);
    else if (call->method == NULL)
        grpc_call_fail(call, GRPC_UNIMPLEMENTED, "method: got %.*s, which is not known here", (int)call->path_size,
                       call->small);
    else if (call->bad_timeout)
        grpc_call_fail(call, GRPC_INTERNAL, "grpc-timeout: wanted 1 to 8 digits and one of H M S m u n");
    else if (call->encoding == GRPC_OTHER_ENCODING)
        grpc_call_fail(call, GRPC_UNIMPLEMENTED, "grpc-encoding: wanted identity, deflate or gzip");
    if (call->phase != GRPC_PHASE_ARRIVING)
        return;
    /* What a node may hold has to travel between nodes, whatever is taken from clients. */
    uint64_t value = call->base.worker->server->host->max_value;
    size_t largest = value < UINT32_MAX - CALL_FORM_PARTS ? (size_t)value + CALL_FORM_PARTS : UINT32_MAX;
    bool from_peer = call->method->from_peer && largest > options->max_message;
    call->reader.limit = from_peer ? largest : options->max_message;
    call->streaming = call->method->streaming;
}

/* ------------------------------------------------------------------------------------------------ the message */

/* The message as it was before it was compressed. */
static bool inflate_message(struct grpc_call *call, struct larder_slice *message)
{
    if (!call->reader.compressed)
        return true;
    if (call->encoding == GRPC_IDENTITY) {
        grpc_call_fail(call, GRPC_INTERNAL, "message: marked as compressed, but there is no grpc-encoding");
        return false;
    }
    const struct grpc_inflation inflation = {
        .limit = call->reader.limit, .charged = call->reader.capacity, .charge = grpc_call_charge, .arg = call};
    switch (grpc_inflate(&inflation, *message, &call->owned, message)) {
    case GRPC_INFLATED: return true;
    case GRPC_INFLATE_MALFORMED: grpc_call_fail(call, GRPC_INTERNAL, "message: it cannot be decompressed"); break;
    case GRPC_INFLATE_TOO_LARGE:
        grpc_call_refuse(call, LARDER_TOO_LARGE, "message: got more than %zu bytes when decompressed", inflation.limit);
        break;
    case GRPC_INFLATE_NO_MEMORY: grpc_call_refuse(call, LARDER_NO_MEMORY, "no memory for the message"); break;
    }
    return false;
}

/* The message is complete: it is the only one, or the next of the stream's requests. */
static void take_message(struct grpc_call *call)
{
    struct larder_slice message = grpc_reader_message(&call->reader);
    if (call->method->take == NULL)
        call->has_message = true;
    else if (inflate_message(call, &message))
        call->method->take(call, message);
}

void grpc_call_data(struct grpc_call *call, struct larder_slice data)
{
    while (data.size > 0 && call->phase == GRPC_PHASE_ARRIVING) {
        if (call->has_message) {
            grpc_call_fail(call, GRPC_UNIMPLEMENTED, "got more than the one message that the method takes");
            return;
        }
        switch (grpc_reader_take(&call->reader, &data)) {
        case GRPC_READ_MORE: return;
        case GRPC_READ_DONE: take_message(call); break;
        case GRPC_READ_TOO_LARGE:
            grpc_call_refuse(call, LARDER_TOO_LARGE, "message: got one of %zu bytes, wanted at most %zu",
                             call->reader.size, call->reader.limit);
            break;
        case GRPC_READ_BAD_FLAG:
            grpc_call_fail(call, GRPC_INTERNAL, "message: its first byte: got %u, wanted 0 or 1",
                           call->reader.prefix[0]);
            break;
        case GRPC_READ_NO_MEMORY: grpc_call_refuse(call, LARDER_NO_MEMORY, "no memory for the message"); break;
        }
    }
}

uint64_t grpc_call_deadline(const struct grpc_call *call)
{
    uint64_t timeout_ms = call->base.worker->server->host->request_timeout_ms, now = call->base.worker->now;
    if (call->has_timeout || timeout_ms >= (LARDER_NEVER - now) / LARDER_NS_PER_MS)
        return call->deadline;
    return now + timeout_ms * LARDER_NS_PER_MS;
}

static void decode(struct grpc_call *call)
{
    struct larder_slice message = grpc_reader_message(&call->reader);
    if (!inflate_message(call, &message))
        return;
    bool many = call->method->many;
    call->arena.limit = many ? 2 * message.size + PARTS_MANY + grpc_server_of(call->base.worker)->options.max_message
                             : message.size + PARTS_ONE;
    call->base.request.deadline = grpc_call_deadline(call);
    call->method->decode(call, message);
    if (call->phase == GRPC_PHASE_ARRIVING && call->arena.allocated > 0 &&
        !grpc_call_charge(call, call->base.charged + call->arena.allocated))
        grpc_call_refuse(call, LARDER_NO_MEMORY, "no memory for the message");
}

void grpc_call_end(struct grpc_call *call)
{
    call->ended = true;
    if (call->phase != GRPC_PHASE_ARRIVING)
        return;
    bool inside = grpc_reader_inside(&call->reader);
    if (call->method->take != NULL && !inside) {
        grpc_call_enter(call, GRPC_PHASE_CARRYING, LARDER_NEVER);
        grpc_carry_on(call);
        return;
    }
    if (!call->has_message) {
        grpc_call_fail(call, inside ? GRPC_INTERNAL : GRPC_UNIMPLEMENTED,
                       inside ? "message: the stream ended within it" : "got no message, wanted one");
        return;
    }
    decode(call);
    if (call->phase == GRPC_PHASE_ARRIVING)
        grpc_call_ready(call);
}
