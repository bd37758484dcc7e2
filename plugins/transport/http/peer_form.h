/*
 * The peer form: how requests and replies travel between nodes, as the bodies of `POST /v1/peer` and of its answer.
 *
 * All numbers are little-endian. A body is exactly as long as its sizes say; more or less is an error.
 *
 *   request                                          reply
 *    0  u8   version of the form: 1                   0  u8   version of the form: 1
 *    1  u8   operation (enum larder_operation)        1  u8   status (enum larder_status)
 *    2  u16  bytes of the key                         2  u8   source (enum larder_source)
 *    4  u8   bytes of the group's name                3  u8   0
 *    5  u8   bytes of the sender's name               4  u32  flags (enum larder_reply_flags)
 *    6  u16  0                                        8  u64  bytes of the value
 *    8  u32  flags (enum larder_request_flags)       16  i64  ttl in ms
 *   12  u64  bytes of the value                      24  u64  version: epoch
 *   20  i64  ttl in ms                               32  u64  version: clock
 *   28  u64  version: epoch                          40  u64  ring: epoch
 *   36  u64  version: clock                          48  u64  ring: checksum
 *   44  u64  µs until the deadline; 2^64-1: none     56  u64  ring: settings
 *   52  u64  ring: epoch                             64  u16  bytes of the message
 *   60  u64  ring: checksum                          66       message, value
 *   68  u64  ring: settings
 *   76       group, sender, key, value
 *
 * A deadline travels as the time that remains, because clocks differ between machines. The request's LARDER_REQUEST_PEER is
 * always set on arrival, whatever was sent: what came in this form is never forwarded again. Flags of a request that are
 * not known are an error, since they narrow what it asks for; those of a reply are dropped. LARDER_REPLY_NOT_SENT never
 * travels. When the form changes, so does its version, and nodes of different versions tell each other so.
 *
 * The answer to a request in this form has status 200 whatever the reply says, and a Content-Length.
 */
#ifndef TRANSPORT_HTTP_PEER_FORM_H
#define TRANSPORT_HTTP_PEER_FORM_H

#include "larder/plugin/request.h"
#include "larder/plugin/runtime.h"

#define PEER_FORM_VERSION     1
#define PEER_FORM_PATH        "/v1/peer"
#define PEER_FORM_TYPE        "application/vnd.larder.peer" /* Content-Type of both bodies */
#define PEER_FORM_MESSAGE_MAX 1023                          /* a longer message is cut */

#define PEER_FORM_REQUEST_FIXED 76
#define PEER_FORM_REPLY_FIXED   66

/* Room for everything but key and value of a request, and for everything but the value of a reply. */
#define PEER_FORM_REQUEST_HEAD (PEER_FORM_REQUEST_FIXED + 255 + 255)
#define PEER_FORM_REPLY_HEAD   (PEER_FORM_REPLY_FIXED + PEER_FORM_MESSAGE_MAX)

/* Room for the reason of a failed decoding: one line with what was got and what was wanted, NUL-terminated. */
#define PEER_FORM_REASON 160

/*
 * Writes the body's head into `head` (of PEER_FORM_REQUEST_HEAD bytes) and returns its size; request->key and then
 * request->value follow it on the wire, sent from where they lie. 0: the group's or sender's name is longer than 255 bytes, or
 * the key than LARDER_KEY_MAX. `now` is the runtime's clock.
 */
size_t peer_form_encode_request(const struct larder_request *request, uint64_t now, unsigned char *head);

/*
 * Reads a request where it lies: its slices point into `body`. `now` is the runtime's clock. False: the body makes no
 * sense, and `reason` (of PEER_FORM_REASON bytes) says why.
 */
bool peer_form_decode_request(struct larder_slice body, uint64_t now, struct larder_request *request, char *reason);

/*
 * Writes the body's head into `head` (of PEER_FORM_REPLY_HEAD bytes) and returns its size; reply->value follows it on the wire.
 * Pins, and release(), stay with the caller.
 */
size_t peer_form_encode_reply(const struct larder_reply *reply, unsigned char *head);

/* Like peer_form_decode_request(). `release` and `pin` are left empty: the caller owns the body. */
bool peer_form_decode_reply(struct larder_slice body, struct larder_reply *reply, char *reason);

#endif
