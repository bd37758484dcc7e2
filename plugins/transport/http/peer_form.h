/*
 * The peer form: how requests and replies travel between nodes, as the bodies of `POST /v1/peer` and of its answer.
 *
 * All numbers are little-endian. A body is exactly as long as its sizes say; more or less is an error.
 *
 *   request                                          reply
 *    0  u8   version of the form: 2                   0  u8   version of the form: 2
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
 *   60  u64  ring: checksum                          66  u16  0
 *   68  u64  ring: settings                          68  u32  bytes of the cluster's part
 *   76  u32  bytes of the cluster's part             72       message, cluster's part, value
 *   80       group, sender, cluster's part, key, value
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

#define PEER_FORM_VERSION     2
#define PEER_FORM_PATH        "/v1/peer"
#define PEER_FORM_TYPE        "application/vnd.larder.peer" /* Content-Type of both bodies */
#define PEER_FORM_MESSAGE_MAX 1023                          /* a longer message is cut */
#define PEER_FORM_CLUSTER_MAX (UINT32_C(1) << 20)           /* most bytes of the cluster's part */

#define PEER_FORM_REQUEST_FIXED 80
#define PEER_FORM_REPLY_FIXED   72

/* Room for everything but the cluster's part, and key and value of a request, or the value of a reply. */
#define PEER_FORM_REQUEST_HEAD (PEER_FORM_REQUEST_FIXED + 255 + 255)
#define PEER_FORM_REPLY_HEAD   (PEER_FORM_REPLY_FIXED + PEER_FORM_MESSAGE_MAX)

/* Room for the reason of a failed decoding: one line with what was got and what was wanted, NUL-terminated. */
#define PEER_FORM_REASON 160

/*
 * Writes the body's head into `head` (of PEER_FORM_REQUEST_HEAD bytes) and returns its size; request->cluster, request->key
 * and then request->value follow it on the wire, sent from where they lie. 0: the group's or sender's name is longer than 255
 * bytes, the key than LARDER_KEY_MAX, or the cluster's part than PEER_FORM_CLUSTER_MAX. `now` is the runtime's clock.
 */
size_t peer_form_encode_request(const struct larder_request *request, uint64_t now, unsigned char *head);

/*
 * Reads a request where it lies: its slices point into `body`. `now` is the runtime's clock. False: the body makes no
 * sense, and `reason` (of PEER_FORM_REASON bytes) says why.
 */
bool peer_form_decode_request(struct larder_slice body, uint64_t now, struct larder_request *request, char *reason);

/*
 * Writes the body's head into `head` (of PEER_FORM_REPLY_HEAD bytes) and returns its size; reply->cluster and reply->value
 * follow it on the wire. A cluster's part over PEER_FORM_CLUSTER_MAX is told as an empty one, by *cluster, which is what has to
 * be sent. Pins, and release(), stay with the caller.
 */
size_t peer_form_encode_reply(const struct larder_reply *reply, unsigned char *head, struct larder_slice *cluster);

/* Like peer_form_decode_request(). `release` and `pin` are left empty: the caller owns the body. */
bool peer_form_decode_reply(struct larder_slice body, struct larder_reply *reply, char *reason);

#endif
