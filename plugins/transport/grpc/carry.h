/* The replies to a stream of requests, each of which is a call that the stream's own carries. */
#ifndef TRANSPORT_GRPC_CARRY_H
#define TRANSPORT_GRPC_CARRY_H

#include "call.h"

/* The encoded reply joins those of its stream, and the request's call ends. */
void grpc_carry(struct grpc_call *call);

/* The same for a request that is refused: its reply tells why, and the others of its stream go on. */
void grpc_carry_failure(struct grpc_call *call);

/* The same for the next request, of which there is no call. */
void grpc_carry_refusal(struct grpc_call *carrier, enum larder_status status, const char *text);

/* Sends the replies that there are, and ends the stream when these are all. */
void grpc_carry_on(struct grpc_call *carrier);

#endif
