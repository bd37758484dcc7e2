/* The life of a call: from its header fields, through the node, to its answer. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "call_form.h"
#include "connection.h"
#include "gzip.h"
#include "method.h"

#define POOL_MAX 256
/* Calls that a worker may have, however little memory the bodies of all may take. */
#define CALLS_MIN 64
/* What is made of a message beside its bytes: of one with one key, and of one with many. */
#define PARTS_ONE  ((size_t)256 << 10)
#define PARTS_MANY ((size_t)1 << 20)
/* Between two looks whether there is something new to say on a stream of answers. */
#define PAUSE_NS (1000 * LARDER_NS_PER_MS)

/* ------------------------------------------------------------------------------------------------ begin and end */

/* Calls that have begun to arrive take memory that no message is charged for. */
static bool may_begin(const struct grpc_worker *worker)
{
    const struct tp_server_options *options = &worker->base.server->options;
    size_t most = options->max_body_bytes / options->workers / sizeof(struct grpc_call);
    return worker->calls < (most > CALLS_MIN ? most : CALLS_MIN);
}

static bool charge(void *call, size_t size)
{
    return tp_submission_charge(&((struct grpc_call *)call)->base, size);
}

struct grpc_call *grpc_call_new(struct grpc_worker *worker, struct grpc_connection *connection, int32_t stream)
{
    if (!may_begin(worker))
        return NULL;
    struct grpc_call *call = worker->pool;
    if (call != NULL) {
        worker->pool = LIST_NEXT(call, link);
        worker->pooled--;
    } else if ((call = malloc(sizeof *call)) == NULL) {
        return NULL;
    }
    worker->calls++;
    memset(call, 0, offsetof(struct grpc_call, small));
    call->base.worker = &worker->base;
    call->connection = connection;
    call->stream = stream;
    call->deadline = LARDER_NEVER;
    call->reason = LARDER_STATUS_COUNT;
    call->reader.small = call->small;
    call->reader.small_size = sizeof call->small;
    call->reader.charge = charge;
    call->reader.arg = call;
    grpc_arena_init(&call->arena, call->first, sizeof call->first, 0);
    LIST_INSERT_HEAD(&connection->calls, call, link);
    connection->call_count++;
    return call;
}

static void release_replies(struct grpc_call *call)
{
    for (size_t i = 0; i < call->part_count; i++)
        larder_reply_release(&call->parts[i].reply);
    call->part_count = 0;
}

void grpc_call_free(struct grpc_call *call)
{
    struct grpc_worker *worker = grpc_worker_of(call->base.worker);
    if (call->connection != NULL) {
        LIST_REMOVE(call, link);
        call->connection->call_count--;
        if (call->connection->call_count == 0)
            call->connection->idle = worker->base.now;
    }
    release_replies(call);
    grpc_pin_release(call->pin);
    tp_submission_free(&call->base);
    grpc_reader_free(&call->reader);
    grpc_arena_reset(&call->arena);
    free(call->inflated);
    worker->calls--;
    if (worker->pooled == POOL_MAX) {
        free(call);
        return;
    }
    LIST_NEXT(call, link) = worker->pool;
    worker->pool = call;
    worker->pooled++;
}

void grpc_call_pool_free(struct grpc_worker *worker)
{
    while (worker->pool != NULL) {
        struct grpc_call *next = LIST_NEXT(worker->pool, link);
        free(worker->pool);
        worker->pool = next;
    }
    worker->pooled = 0;
}

/* ------------------------------------------------------------------------------------------------ phases */

static void leave_phase(struct grpc_call *call)
{
    if (call->phase == GRPC_PHASE_WAITING)
        TAILQ_REMOVE(&call->connection->waiting, call, turn);
}

static void enter_phase(struct grpc_call *call, enum grpc_phase phase, uint64_t due)
{
    leave_phase(call);
    call->phase = phase;
    call->due = due;
    grpc_connection_look_at(call->connection, due);
    if (phase == GRPC_PHASE_WAITING)
        TAILQ_INSERT_TAIL(&call->connection->waiting, call, turn);
}

static uint64_t soon(const struct grpc_call *call, uint64_t ns)
{
    return call->base.worker->now + ns;
}

void grpc_call_answers(struct grpc_call *call)
{
    enter_phase(call, GRPC_PHASE_ANSWERING, soon(call, call->base.worker->server->options.idle_timeout));
}

void grpc_call_pause(struct grpc_call *call)
{
    uint64_t next = soon(call, PAUSE_NS);
    enter_phase(call, GRPC_PHASE_PAUSING, next < call->deadline ? next : call->deadline);
}

void grpc_call_closed(struct grpc_call *call)
{
    struct grpc_connection *connection = call->connection;
    leave_phase(call);
    if (call->phase == GRPC_PHASE_ANSWERING)
        connection->held -= call->head.size + call->value.size - call->sent;
    call->stream = 0;
    if (call->phase != GRPC_PHASE_NODE)
        grpc_call_free(call);
    else
        call->due = LARDER_NEVER; /* the node's answer finds that nobody wants it */
}

/* ------------------------------------------------------------------------------------------------ refusals */

static void refuse(struct grpc_call *call, enum grpc_code code, enum larder_status reason, const char *format,
                   va_list arguments)
{
    if (call->phase == GRPC_PHASE_NODE || call->phase == GRPC_PHASE_ANSWERING)
        return;
    call->code = code;
    call->reason = reason;
    tp_submission_refuse(&call->base, format, arguments);
    grpc_answer_failure(call);
}

void grpc_call_refuse(struct grpc_call *call, enum larder_status reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refuse(call, grpc_code_of(reason), reason, format, arguments);
    va_end(arguments);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refuse(call, code, LARDER_STATUS_COUNT, format, arguments);
    va_end(arguments);
}

static void refuse_as_http(struct grpc_call *call, int status)
{
    call->http = status;
    grpc_call_fail(call, GRPC_UNKNOWN, "HTTP %d", status);
}

void grpc_call_begin(struct grpc_call *call)
{
    const struct grpc_options *options = &grpc_server_of(call->base.worker)->options;
    uint64_t arrived = soon(call, options->message_timeout);
    enter_phase(call, GRPC_PHASE_ARRIVING, arrived < call->deadline ? arrived : call->deadline);
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

void grpc_call_data(struct grpc_call *call, struct larder_slice data)
{
    while (data.size > 0 && call->phase == GRPC_PHASE_ARRIVING) {
        if (call->has_message) {
            grpc_call_fail(call, GRPC_UNIMPLEMENTED, "got more than the one message that the method takes");
            return;
        }
        switch (grpc_reader_take(&call->reader, &data)) {
        case GRPC_READ_MORE: return;
        case GRPC_READ_DONE: call->has_message = true; break;
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
        .limit = call->reader.limit, .charged = call->reader.capacity, .charge = charge, .arg = call};
    switch (grpc_inflate(&inflation, *message, &call->inflated, message)) {
    case GRPC_INFLATED: return true;
    case GRPC_INFLATE_MALFORMED: grpc_call_fail(call, GRPC_INTERNAL, "message: it cannot be decompressed"); break;
    case GRPC_INFLATE_TOO_LARGE:
        grpc_call_refuse(call, LARDER_TOO_LARGE, "message: got more than %zu bytes when decompressed", inflation.limit);
        break;
    case GRPC_INFLATE_NO_MEMORY: grpc_call_refuse(call, LARDER_NO_MEMORY, "no memory for the message"); break;
    }
    return false;
}

/* Without a deadline of the client's, the time that the message took is not the node's. */
static uint64_t deadline_of(const struct grpc_call *call)
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
    call->base.request.deadline = deadline_of(call);
    call->method->decode(call, message);
    if (call->phase == GRPC_PHASE_ARRIVING && call->arena.allocated > 0 &&
        !charge(call, call->base.charged + call->arena.allocated))
        grpc_call_refuse(call, LARDER_NO_MEMORY, "no memory for the message");
}

void grpc_call_end(struct grpc_call *call)
{
    call->ended = true;
    if (call->phase != GRPC_PHASE_ARRIVING)
        return;
    if (!call->has_message) {
        bool inside = grpc_reader_inside(&call->reader);
        grpc_call_fail(call, inside ? GRPC_INTERNAL : GRPC_UNIMPLEMENTED,
                       inside ? "message: the stream ended within it" : "got no message, wanted one");
        return;
    }
    decode(call);
    if (call->phase != GRPC_PHASE_ARRIVING)
        return;
    if (TAILQ_EMPTY(&call->connection->waiting) && grpc_connection_has_room(call->connection))
        grpc_call_submit(call);
    else
        enter_phase(call, GRPC_PHASE_WAITING, call->base.request.deadline);
}

/* ------------------------------------------------------------------------------------------------ the node */

void grpc_call_submit(struct grpc_call *call)
{
    enter_phase(call, GRPC_PHASE_NODE, LARDER_NEVER);
    bool answered = call->parts != NULL ? tp_submit_parts(&call->base, call->parts, call->part_count)
                                        : tp_submit(&call->base);
    if (answered)
        grpc_answer_reply(call);
}

void grpc_call_answered(struct tp_submission *submission)
{
    struct grpc_call *call = (struct grpc_call *)submission;
    struct grpc_connection *connection = call->connection;
    if (connection == NULL || call->stream == 0)
        grpc_call_free(call);
    else
        grpc_answer_reply(call);
    if (connection != NULL)
        tp_worker_schedule(connection->base.worker, &connection->base);
}

/* The same request again. */
static void submit_again(struct grpc_call *call)
{
    struct tp_worker *worker = call->base.worker;
    struct larder_request request = call->base.request;
    tp_submission_free(&call->base);
    call->base = (struct tp_submission){.worker = worker, .request = request};
    call->base.request.deadline = deadline_of(call);
    call->head = call->value = (struct larder_slice){0};
    call->sent = 0;
    grpc_arena_reset(&call->arena);
    grpc_call_submit(call);
}

void grpc_call_look(struct grpc_call *call)
{
    uint64_t now = call->base.worker->now;
    if (now < call->due)
        return;
    switch (call->phase) {
    case GRPC_PHASE_ARRIVING: grpc_call_refuse(call, LARDER_DEADLINE, "the message took too long to arrive"); break;
    case GRPC_PHASE_WAITING:
        grpc_call_refuse(call, LARDER_DEADLINE, "the answers before took too long to be sent");
        break;
    case GRPC_PHASE_PAUSING:
        if (now >= call->deadline) {
            tp_submission_free(&call->base); /* the last answer */
            grpc_call_refuse(call, LARDER_DEADLINE, "the deadline has passed");
        } else
            submit_again(call);
        break;
    case GRPC_PHASE_ANSWERING: /* the client does not take its answer */
        call->due = LARDER_NEVER;
        if (nghttp2_submit_rst_stream(call->connection->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL) != 0)
            call->connection->broken = true;
        break;
    case GRPC_PHASE_NODE: break;
    }
}
