/* The life of a call: from its header fields, through the node, to its answer. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "connection.h"

#define POOL_MAX 256
/* Calls that a worker may have, however little memory the bodies of all may take. */
#define CALLS_MIN 64
/* Calls of a connection: its streams, their requests, and calls that the client has given up, which are still at the node. */
#define CALLS_A_STREAM 3
/* Between two looks whether there is something new to say on a stream of answers. */
#define PAUSE_NS (1000 * LARDER_NS_PER_MS)

/* ------------------------------------------------------------------------------------------------ phases */

static void leave_phase(struct grpc_call *call)
{
    if (call->phase == GRPC_PHASE_WAITING)
        TAILQ_REMOVE(&call->connection->waiting, call, turn);
}

void grpc_call_enter(struct grpc_call *call, enum grpc_phase phase, uint64_t due)
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

/* ------------------------------------------------------------------------------------------------ begin and end */

/* Calls that have begun to arrive take memory that no message is charged for. */
static bool may_begin(const struct grpc_worker *worker, const struct grpc_connection *connection)
{
    if (connection->call_count >= CALLS_A_STREAM * (size_t)grpc_server_of(&worker->base)->options.max_streams)
        return false;
    const struct tp_server_options *options = &worker->base.server->options;
    size_t most = options->max_body_bytes / options->workers / sizeof(struct grpc_call);
    return worker->calls < (most > CALLS_MIN ? most : CALLS_MIN);
}

bool grpc_call_charge(void *call, size_t size)
{
    struct grpc_call *charged = call;
    return tp_submission_charge(&charged->base, charged->kept + size);
}

struct grpc_call *grpc_call_new(struct grpc_worker *worker, struct grpc_connection *connection, int32_t stream)
{
    if (!may_begin(worker, connection))
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
    call->reader.charge = grpc_call_charge;
    call->reader.arg = call;
    grpc_arena_init(&call->arena, call->first, sizeof call->first, 0);
    LIST_INSERT_HEAD(&connection->calls, call, link);
    connection->call_count++;
    grpc_call_enter(call, GRPC_PHASE_ARRIVING, soon(call, grpc_server_of(&worker->base)->options.message_timeout));
    return call;
}

struct grpc_call *grpc_call_carried(struct grpc_call *carrier)
{
    struct grpc_call *call = grpc_call_new(grpc_worker_of(carrier->base.worker), carrier->connection, carrier->stream);
    if (call == NULL)
        return NULL;
    call->method = carrier->method;
    call->carrier = carrier;
    call->number = carrier->number++;
    carrier->carried++;
    return call;
}

static void release_replies(struct grpc_call *call)
{
    for (size_t i = 0; i < call->part_count; i++)
        tp_part_release(&call->parts[i]);
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
    if (call->carrier != NULL)
        call->carrier->carried--;
    tp_output_free(&call->replies);
    release_replies(call);
    grpc_pin_release(call->pin);
    tp_submission_free(&call->base);
    grpc_reader_free(&call->reader);
    grpc_arena_reset(&call->arena);
    free(call->owned);
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

void grpc_call_answers(struct grpc_call *call)
{
    grpc_call_enter(call, GRPC_PHASE_ANSWERING, soon(call, call->base.worker->server->options.idle_timeout));
}

void grpc_call_pause(struct grpc_call *call)
{
    uint64_t next = soon(call, PAUSE_NS);
    grpc_call_enter(call, GRPC_PHASE_PAUSING, next < call->deadline ? next : call->deadline);
}

/* What the stream has carried and is not answered has no stream any more. */
static void leave_carrier(struct grpc_call *carrier)
{
    struct grpc_call *call = carrier->carried > 0 ? LIST_FIRST(&carrier->connection->calls) : NULL;
    while (call != NULL) {
        struct grpc_call *next = LIST_NEXT(call, link);
        if (call->carrier == carrier) {
            call->carrier = NULL;
            grpc_call_closed(call);
        }
        call = next;
    }
}

void grpc_call_closed(struct grpc_call *call)
{
    struct grpc_connection *connection = call->connection;
    leave_phase(call);
    leave_carrier(call);
    if (call->phase == GRPC_PHASE_ANSWERING)
        connection->held -= call->head.size + call->value.size - call->sent;
    connection->held -= call->replies.pending;
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

/* ------------------------------------------------------------------------------------------------ the node */

void grpc_call_ready(struct grpc_call *call)
{
    if (TAILQ_EMPTY(&call->connection->waiting) && grpc_connection_has_room(call->connection))
        grpc_call_submit(call);
    else
        grpc_call_enter(call, GRPC_PHASE_WAITING, call->base.request.deadline);
}

void grpc_call_submit(struct grpc_call *call)
{
    grpc_call_enter(call, GRPC_PHASE_NODE, LARDER_NEVER);
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
    call->base.request.deadline = grpc_call_deadline(call);
    call->head = call->value = (struct larder_slice){0};
    call->sent = 0;
    grpc_arena_reset(&call->arena);
    grpc_call_submit(call);
}

void grpc_call_look(struct grpc_call *call)
{
    switch (call->phase) {
    case GRPC_PHASE_ARRIVING:
        if (!call->has_head)
            call->connection->broken = true; /* nothing else can come before the rest of it */
        grpc_call_refuse(call, LARDER_DEADLINE, "the message took too long to arrive");
        break;
    case GRPC_PHASE_WAITING:
        grpc_call_refuse(call, LARDER_DEADLINE, "the answers before took too long to be sent");
        break;
    case GRPC_PHASE_PAUSING:
        if (call->base.worker->now < call->deadline) {
            submit_again(call);
            break;
        }
        tp_submission_free(&call->base); /* the last answer */
        grpc_call_refuse(call, LARDER_DEADLINE, "the deadline has passed");
        break;
    case GRPC_PHASE_ANSWERING: /* the client does not take its answer */
        call->due = LARDER_NEVER;
        if (nghttp2_submit_rst_stream(call->connection->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL) != 0)
            call->connection->broken = true;
        break;
    case GRPC_PHASE_NODE:
    case GRPC_PHASE_CARRYING: break;
    }
}
