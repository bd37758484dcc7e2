/* larder.v1.Peer/Call: one request of a peer, in the call form. */
#include "call_form.h"
#include "method.h"

void grpc_decode_call(struct grpc_call *call, struct larder_slice message)
{
    char reason[CALL_FORM_REASON];
    uint64_t own = call->base.request.deadline; /* of the call itself */
    enum larder_status status = call_form_decode_request(message, call->base.worker->now, &call->arena,
                                                         &call->base.request, reason);
    if (status != LARDER_OK)
        grpc_call_refuse(call, status, "%s", reason);
    else if (call->has_timeout && own < call->base.request.deadline)
        call->base.request.deadline = own;
}

bool grpc_encode_call(struct grpc_call *call)
{
    call->value = call->base.reply.value;
    return call_form_encode_reply(&call->base.reply, &call->arena, &call->head);
}
