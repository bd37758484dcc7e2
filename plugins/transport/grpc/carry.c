#include "carry.h"

#include <string.h>

#include "answer.h"
#include "call_form.h"
#include "connection.h"
#include "method.h"

/* Of a large value: what a frame holds. */
#define PIECE ((size_t)16384)

/* A large value goes in pieces, each of which fills a frame. False: no memory. */
static bool queue_value(struct grpc_call *call, struct tp_output *replies)
{
    grpc_answer_pin(call);
    if (call->pin == NULL)
        return tp_output_copy(replies, call->value.data, call->value.size);
    for (size_t at = 0; at < call->value.size; at += PIECE) {
        size_t rest = call->value.size - at;
        struct larder_slice piece = {(const char *)call->value.data + at, rest < PIECE ? rest : PIECE};
        call->pin->users++;
        if (!tp_output_pin(replies, piece, grpc_pin_release, call->pin)) {
            call->pin->users--;
            return false;
        }
    }
    return true;
}

/* What is charged for the call's reply is charged for the carrier's replies from now on. */
static void hand_charge_over(struct grpc_call *call, size_t size)
{
    struct grpc_call *carrier = call->carrier;
    size_t charged = size < call->base.charged ? size : call->base.charged;
    call->base.charged -= charged;
    carrier->base.charged += charged;
    carrier->kept += charged;
}

void grpc_carry_on(struct grpc_call *carrier)
{
    if (carrier->ended && carrier->carried == 0)
        carrier->streaming = false;
    if (carrier->replies.pending == 0 && carrier->streaming)
        return;
    if (carrier->phase == GRPC_PHASE_CARRYING)
        grpc_call_answers(carrier);
    grpc_answer_offer(carrier);
}

void grpc_carry(struct grpc_call *call)
{
    struct grpc_call *carrier = call->carrier;
    bool wanted = carrier->streaming; /* it has not failed meanwhile */
    if (wanted) {
        size_t size = call->head.size + call->value.size;
        call->connection->held += size;
        hand_charge_over(call, size);
        if (!tp_output_copy(&carrier->replies, call->head.data, call->head.size) ||
            !queue_value(call, &carrier->replies))
            call->connection->broken = true;
    }
    grpc_call_free(call);
    if (wanted)
        grpc_carry_on(carrier);
}

void grpc_carry_failure(struct grpc_call *call)
{
    struct larder_slice why = {call->base.message, call->base.message_size};
    grpc_call_enter(call, GRPC_PHASE_NODE, LARDER_NEVER); /* it may have waited for its turn */
    larder_reply_release(&call->base.reply);
    call->base.reply = (struct larder_reply){.status = call->reason, .message = why};
    if (!grpc_encode_call(call))
        call->connection->broken = true;
    if (!grpc_answer_may_wait(call))
        grpc_call_refuse(call->carrier, LARDER_NO_MEMORY, "no memory for the replies");
    grpc_carry(call);
}

void grpc_carry_refusal(struct grpc_call *carrier, enum larder_status status, const char *text)
{
    char space[256];
    struct grpc_arena arena;
    struct larder_slice head;
    const struct larder_reply reply = {.status = status, .message = {text, strlen(text)}};
    tp_submission_count_refusal(&carrier->base);
    grpc_arena_init(&arena, space, sizeof space, PIECE);
    if (call_form_encode_reply(&reply, carrier->number++, &arena, &head) &&
        tp_output_copy(&carrier->replies, head.data, head.size))
        carrier->connection->held += head.size;
    else
        carrier->connection->broken = true;
    grpc_arena_reset(&arena);
    grpc_carry_on(carrier);
}
