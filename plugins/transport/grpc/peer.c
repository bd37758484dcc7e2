/* larder.v1.Peer/Call: the requests of a peer, in the call form, and the replies to them, in any order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_form.h"
#include "carry.h"
#include "connection.h"
#include "method.h"

/* What is made of a request besides the bytes of its message. */
#define PARTS ((size_t)256 << 10)

/* Gives the call the bytes of the message, and what is charged for them. */
static void move_message(struct grpc_call *carrier, struct grpc_call *call, struct larder_slice *message)
{
    call->owned = carrier->owned != NULL ? carrier->owned : grpc_reader_detach(&carrier->reader);
    carrier->owned = NULL;
    call->base.charged = carrier->base.charged - carrier->kept;
    carrier->base.charged = carrier->kept;
    if (call->owned == NULL && message->size > 0)
        message->data = memcpy(call->small, message->data, message->size);
}

static void drop_message(struct grpc_call *carrier)
{
    free(carrier->owned);
    carrier->owned = NULL;
    grpc_reader_next(&carrier->reader);
}

/*
 * A request that is not taken is told so, and others of its stream go on. Nothing bounds how many of them a client sends that
 * does not read their replies: without room for one more, the stream ends.
 */
static bool may_refuse(struct grpc_call *carrier)
{
    if (grpc_connection_has_room(carrier->connection))
        return true;
    grpc_call_refuse(carrier, LARDER_BUSY, "too many replies wait to be sent for one more");
    return false;
}

static enum larder_status decode(struct grpc_call *call, struct larder_slice message, char *reason)
{
    call->arena.limit = message.size + PARTS;
    enum larder_status status = call_form_decode_request(message, call->base.worker->now, &call->arena,
                                                         &call->base.request, reason);
    if (status == LARDER_OK && call->arena.allocated > 0 &&
        !grpc_call_charge(call, call->base.charged + call->arena.allocated)) {
        snprintf(reason, CALL_FORM_REASON, "no memory for the message");
        status = LARDER_NO_MEMORY;
    }
    return status;
}

void grpc_take_call(struct grpc_call *carrier, struct larder_slice message)
{
    char reason[CALL_FORM_REASON];
    struct grpc_call *call = grpc_call_carried(carrier);
    if (call == NULL) {
        drop_message(carrier);
        if (may_refuse(carrier))
            grpc_carry_refusal(carrier, LARDER_BUSY, "more calls at a time than are taken");
        return;
    }
    move_message(carrier, call, &message);
    grpc_reader_next(&carrier->reader);
    enum larder_status status = decode(call, message, reason);
    if (status == LARDER_OK) {
        if (carrier->deadline < call->base.request.deadline)
            call->base.request.deadline = carrier->deadline;
        grpc_call_ready(call);
    } else if (may_refuse(carrier)) {
        grpc_call_refuse(call, status, "%s", reason);
    } else {
        grpc_call_free(call);
    }
}

bool grpc_encode_call(struct grpc_call *call)
{
    call->value = call->base.reply.value;
    return call_form_encode_reply(&call->base.reply, call->number, &call->arena, &call->head);
}
