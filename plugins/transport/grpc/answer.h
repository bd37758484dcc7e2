/* Answers: header fields, messages and trailers, as nghttp2 wants them. */
#ifndef TRANSPORT_GRPC_ANSWER_H
#define TRANSPORT_GRPC_ANSWER_H

#include "call.h"

/* Makes the node's reply an answer. */
void grpc_answer_reply(struct grpc_call *call);

/* Answers with call->http, or call->code, and the message of the submission; or ends a stream of answers with them. */
void grpc_answer_failure(struct grpc_call *call);

/*
 * No call is submitted while too much waits to be sent; what comes back from the node later than that is counted as memory of
 * bodies, which is bounded for all connections together. False: there is too much of it.
 */
bool grpc_answer_may_wait(struct grpc_call *call);

/* nghttp2's callback: sends a frame that the answer's callback has announced. */
int grpc_answer_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t size,
                     nghttp2_data_source *source, void *connection);

/* Has nghttp2 take what there is of the answer, or begin with it. */
void grpc_answer_offer(struct grpc_call *call);

/* A large value is written in pieces, each of which may be the last to need it. */
struct grpc_pin {
    size_t users;
    struct larder_reply reply;
};

/* Has call->pin keep a large value. Without memory for it the value is copied as a small one is. */
void grpc_answer_pin(struct grpc_call *call);

/* One user less of what keeps a value. NULL is fine. */
void grpc_pin_release(void *pin);

#endif
