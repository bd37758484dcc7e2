/*
 * The call form: how requests and replies travel between nodes, as larder.v1's CallRequest and CallResponse.
 * A reply tells with its number which of a stream's requests it answers.
 *
 * A deadline travels as the time that remains, because clocks differ between machines. The request's
 * LARDER_REQUEST_PEER is always set on arrival, whatever was sent: what came in this form is never forwarded again.
 * Flags of a request that are not known are an error, since they narrow what it asks for; those of a reply are
 * dropped. LARDER_REPLY_NOT_SENT never travels.
 */
#ifndef TRANSPORT_GRPC_CALL_FORM_H
#define TRANSPORT_GRPC_CALL_FORM_H

#include "arena.h"
#include "larder/plugin/request.h"
#include "larder/plugin/runtime.h"

#define CALL_FORM_PATH        "/larder.v1.Peer/Call"
#define CALL_FORM_MESSAGE_MAX 1023 /* bytes of a reply's message; a longer one is cut */
#define CALL_FORM_REASON      160  /* room for the reason of a failed decoding: one line, NUL-terminated */

/* Bytes of an encoded message besides its value, at most: `cluster` of up to 1 MiB, key and the rest. */
#define CALL_FORM_PARTS (((size_t)1 << 20) + 2 * LARDER_KEY_MAX)

/*
 * Writes gRPC's prefix and everything but the value's bytes into memory of the arena; request->value follows `head` on
 * the wire, sent from where it lies. `now` is the runtime's clock. False: no memory, or more than 4 GiB.
 */
bool call_form_encode_request(const struct larder_request *request, uint64_t now, struct grpc_arena *arena,
                              struct larder_slice *head);

/* The same for the reply to the request of that number, and reply->value. Pins, and release(), stay with the caller. */
bool call_form_encode_reply(const struct larder_reply *reply, uint32_t number, struct grpc_arena *arena,
                            struct larder_slice *head);

/* The number of the request that the message answers; 0 also when that cannot be read. */
uint32_t call_form_reply_number(struct larder_slice body);

/*
 * Reads a message (without prefix). The value points into `body`, everything else may lie in the arena, so that both
 * must outlive the request. `now` is the runtime's clock. LARDER_OK; or LARDER_INVALID: the body makes no sense;
 * LARDER_NO_MEMORY: the arena has no room for it; with the `reason` (of CALL_FORM_REASON bytes).
 */
enum larder_status call_form_decode_request(struct larder_slice body, uint64_t now, struct grpc_arena *arena,
                                            struct larder_request *request, char *reason);

/* The same for a reply. `release` and `pin` are left empty: the caller owns body and arena. */
enum larder_status call_form_decode_reply(struct larder_slice body, struct grpc_arena *arena,
                                          struct larder_reply *reply, char *reason);

#endif
