/*
 * A good answer is HEADERS, the message in DATA, and trailers; a failure is one HEADERS frame, which then are its trailers, too. nghttp2
 * is told how long a piece of the message is, and the bytes go past it into the connection's output: small ones are copied, a large value
 * stays where it lies until it is written.
 */
#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "carry.h"
#include "connection.h"
#include "method.h"

/* From here on a value is not copied into the output. */
#define PIN_MINIMUM ((size_t)4096)
/* Bytes of a text for people; a longer one is cut. */
#define MESSAGE_MAX 1023

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, sizeof name - 1, sizeof value - 1,                    \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                               \
    }

/* ------------------------------------------------------------------------------------------------ what keeps a value */

void grpc_pin_release(void *arg)
{
    struct grpc_pin *pin = arg;
    if (pin == NULL || --pin->users > 0)
        return;
    larder_reply_release(&pin->reply);
    free(pin);
}

void grpc_answer_pin(struct grpc_call *call)
{
    struct larder_reply *reply = &call->base.reply;
    if (call->value.size < PIN_MINIMUM)
        return;
    struct grpc_pin *pin = malloc(sizeof *pin);
    if (pin == NULL)
        return;
    *pin = (struct grpc_pin){1, *reply};
    reply->release = NULL;
    call->pin = pin;
}

/* ------------------------------------------------------------------------------------------------ fields */

static nghttp2_nv field(const char *name, const char *value, size_t size)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), size,
                        NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

/* As gRPC wants it: everything but printable ASCII, and "%", in per cent and two digits. */
static size_t percent_encode(char *to, struct larder_slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *from = text.data;
    char *at = to;
    for (size_t i = 0; i < text.size && i < MESSAGE_MAX; i++) {
        if (from[i] >= 0x20 && from[i] <= 0x7e && from[i] != '%') {
            *at++ = (char)from[i];
            continue;
        }
        *at++ = '%';
        *at++ = digits[from[i] >> 4];
        *at++ = digits[from[i] & 15];
    }
    return (size_t)(at - to);
}

#define FAILURE_FIELDS 3

/* The trailers of a failure: at most FAILURE_FIELDS. `text` is room for three times MESSAGE_MAX. */
static size_t failure_fields(const struct grpc_call *call, nghttp2_nv *fields, char *text)
{
    static const char *const codes[GRPC_CODE_COUNT] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                                       "9", "10", "11", "12", "13", "14", "15", "16"};
    struct larder_slice message = {call->base.message, call->base.message_size};
    size_t count = 0;
    fields[count++] = field("grpc-status", codes[call->code], strlen(codes[call->code]));
    if (message.size == 0 && call->reason != LARDER_STATUS_COUNT) {
        const char *name = grpc_status_name(call->reason);
        message = (struct larder_slice){name, strlen(name)};
    }
    if (message.size > 0) {
        fields[count] = field("grpc-message", text, percent_encode(text, message));
        fields[count++].flags |= NGHTTP2_NV_FLAG_NO_INDEX; /* each is another */
    }
    if (call->reason != LARDER_STATUS_COUNT) {
        const char *name = grpc_status_name(call->reason);
        fields[count++] = field("larder-status", name, strlen(name));
    }
    return count;
}

static void failed(struct grpc_call *call)
{
    call->connection->broken = true;
}

static int submit_trailers(struct grpc_call *call)
{
    nghttp2_session *session = call->connection->session;
    if (call->code == GRPC_OK) {
        static const nghttp2_nv good[] = {FIELD("grpc-status", "0")};
        return nghttp2_submit_trailer(session, call->stream, good, 1);
    }
    nghttp2_nv fields[FAILURE_FIELDS];
    char text[3 * MESSAGE_MAX];
    return nghttp2_submit_trailer(session, call->stream, fields, failure_fields(call, fields, text));
}

/* ------------------------------------------------------------------------------------------------ messages */

static size_t left(const struct grpc_call *call)
{
    return call->head.size + call->value.size - call->sent + call->replies.pending;
}

/* nghttp2 asks how much there is; grpc_answer_send() sends it. */
static ssize_t announce(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t room, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)stream;
    (void)buffer;
    (void)arg;
    struct grpc_call *call = source->ptr;
    size_t size = left(call) < room ? left(call) : room;
    if (call->replies.pending > 0)
        size = tp_output_whole(&call->replies, room);
    if (size == 0 && call->streaming) {
        call->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == left(call) && !call->streaming) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(call) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)size;
}

/* The part of `slice`, which begins at `start` of the message, that lies within the next `size` bytes to be sent. */
static struct larder_slice part_of(struct larder_slice slice, size_t start, size_t sent, size_t size)
{
    size_t from = sent > start ? sent - start : 0, to = sent + size > start ? sent + size - start : 0;
    from = from < slice.size ? from : slice.size;
    to = to < slice.size ? to : slice.size;
    return (struct larder_slice){to > from ? (const char *)slice.data + from : NULL, to - from};
}

static bool send_value(struct grpc_call *call, struct larder_slice piece)
{
    struct tp_output *output = &call->connection->base.output;
    if (call->pin == NULL)
        return tp_output_copy(output, piece.data, piece.size);
    call->pin->users++;
    if (tp_output_pin(output, piece, grpc_pin_release, call->pin))
        return true;
    call->pin->users--;
    return false;
}

/* Of the replies of a carrier: what is not kept any more is not charged for. */
static bool send_replies(struct grpc_call *call, size_t size)
{
    if (!tp_output_move(&call->replies, &call->connection->base.output, size))
        return false;
    size_t kept = call->kept < call->replies.pending ? call->kept : call->replies.pending;
    tp_submission_uncharge(&call->base, call->kept - kept);
    call->kept = kept;
    return true;
}

static bool send_message_part(struct grpc_call *call, size_t size)
{
    struct larder_slice first = part_of(call->head, 0, call->sent, size);
    struct larder_slice second = part_of(call->value, call->head.size, call->sent, size);
    call->sent += size;
    return tp_output_copy(&call->connection->base.output, first.data, first.size) &&
           (second.size == 0 || send_value(call, second));
}

/* There may be more to send later. */
static void has_sent_all(struct grpc_call *call)
{
    if (call->method->take == NULL)
        grpc_call_pause(call);
    else if (call->phase == GRPC_PHASE_ANSWERING)
        grpc_call_enter(call, GRPC_PHASE_CARRYING, LARDER_NEVER);
}

int grpc_answer_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t size,
                     nghttp2_data_source *source, void *arg)
{
    (void)session;
    (void)frame;
    struct grpc_call *call = source->ptr;
    struct grpc_connection *connection = arg;
    struct tp_output *output = &connection->base.output;
    if (!tp_output_copy(output, head, 9) ||
        !(call->replies.pending > 0 ? send_replies(call, size) : send_message_part(call, size)))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    connection->held -= size;
    grpc_connection_keeps_calm(connection, -1);
    if (call->phase == GRPC_PHASE_ANSWERING)
        call->due = connection->base.worker->now + connection->base.worker->server->options.idle_timeout;
    if (left(call) == 0 && call->streaming)
        has_sent_all(call);
    return 0;
}

void grpc_answer_offer(struct grpc_call *call)
{
    static const nghttp2_nv fields[] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc")};
    struct grpc_connection *connection = call->connection;
    if (!call->begun) {
        call->begun = true;
        nghttp2_data_provider provider = {.source = {.ptr = call}, .read_callback = announce};
        if (nghttp2_submit_response(connection->session, call->stream, fields, 2, &provider) != 0)
            failed(call);
    } else if (call->deferred) {
        call->deferred = false;
        if (nghttp2_session_resume_data(connection->session, call->stream) == NGHTTP2_ERR_NOMEM)
            failed(call);
    }
}

static void send_message(struct grpc_call *call)
{
    call->sent = 0;
    call->connection->held += call->head.size + call->value.size;
    grpc_answer_pin(call);
    grpc_call_answers(call);
    grpc_answer_offer(call);
}

/* ------------------------------------------------------------------------------------------------ answers */

static void refuse_as_http(struct grpc_call *call)
{
    const nghttp2_nv status = field(":status", call->http == 405 ? "405" : "415", 3);
    if (nghttp2_submit_response(call->connection->session, call->stream, &status, 1, NULL) != 0)
        failed(call);
}

static void refuse_as_grpc(struct grpc_call *call)
{
    nghttp2_nv fields[3 + FAILURE_FIELDS] = {FIELD(":status", "200"), FIELD("content-type", "application/grpc"),
                                             FIELD("grpc-accept-encoding", "identity,deflate,gzip")};
    char text[3 * MESSAGE_MAX];
    size_t count = call->encoding == GRPC_OTHER_ENCODING ? 3 : 2;
    count += failure_fields(call, fields + count, text);
    if (nghttp2_submit_response(call->connection->session, call->stream, fields, count, NULL) != 0)
        failed(call);
}

void grpc_answer_failure(struct grpc_call *call)
{
    call->head = call->value = (struct larder_slice){0};
    if (call->carrier != NULL) {
        grpc_carry_failure(call);
        return;
    }
    grpc_call_answers(call);
    call->streaming = false;
    if (call->begun) {
        send_message(call);
    } else if (call->http != 0) {
        refuse_as_http(call);
    } else {
        refuse_as_grpc(call);
    }
}

bool grpc_answer_may_wait(struct grpc_call *call)
{
    return grpc_connection_has_room(call->connection) ||
           grpc_call_charge(call, call->base.charged + call->head.size + call->value.size);
}

void grpc_answer_reply(struct grpc_call *call)
{
    enum larder_status status = call->base.reply.status;
    if (!call->begun)
        tp_worker_count(call->base.worker, status);
    if (call->method->tells_status)
        status = LARDER_OK;
    if (status == LARDER_OK && (!call->method->encode(call) || !grpc_answer_may_wait(call)))
        status = LARDER_NO_MEMORY;
    if (status != LARDER_OK) {
        larder_reply_release(&call->base.reply);
        call->reason = status;
        call->code = grpc_code_of(status);
        grpc_answer_failure(call);
    } else if (call->carrier != NULL) {
        grpc_carry(call);
    } else if (call->streaming && call->head.size == 0) {
        grpc_call_pause(call);
    } else {
        send_message(call);
    }
}
