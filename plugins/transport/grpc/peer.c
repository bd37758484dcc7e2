/* larder.v1.Peer/Call: the requests of a peer, in the call form, and the replies to them, in any order. */
#include <string.h>

#include "call_form.h"
#include "method.h"

/* What is made of a request besides the bytes of its message. */
#define PARTS ((size_t)256 << 10)

/* Gives the call the bytes of the message, and what is charged for them. */
static void move_message(struct grpc_call *carrier, struct grpc_call *call, struct larder_slice *message)
{
    call->owned = carrier->owned != NULL ? carrier->owned : grpc_reader_detach(&carrier->reader);
    carrier->owned = NULL;
    call->base.charged = carrier->base.charged;
    carrier->base.charged = 0;
    if (call->owned == NULL && message->size > 0)
        message->data = memcpy(call->small, message->data, message->size);
}

void grpc_take_call(struct grpc_call *carrier, struct larder_slice message)
{
    struct grpc_call *call = grpc_call_carried(carrier);
    if (call == NULL) {
        grpc_call_refuse(carrier, LARDER_BUSY, "more calls at a time than are taken");
        return;
    }
    move_message(carrier, call, &message);
    grpc_reader_next(&carrier->reader);
    struct larder_request *request = &call->base.request;
    char reason[CALL_FORM_REASON];
    call->arena.limit = message.size + PARTS;
    enum larder_status status = call_form_decode_request(message, call->base.worker->now, &call->arena, request,
                                                         reason);
    if (status != LARDER_OK) {
        grpc_call_refuse(call, status, "%s", reason);
    } else if (call->arena.allocated > 0 && !grpc_call_charge(call, call->base.charged + call->arena.allocated)) {
        grpc_call_refuse(call, LARDER_NO_MEMORY, "no memory for the message");
    } else {
        if (carrier->deadline < request->deadline)
            request->deadline = carrier->deadline;
        grpc_call_ready(call);
    }
}

bool grpc_encode_call(struct grpc_call *call)
{
    call->value = call->base.reply.value;
    return call_form_encode_reply(&call->base.reply, call->number, &call->arena, &call->head);
}
