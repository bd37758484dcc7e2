#include "call_form.h"

#include <inttypes.h>
#include <stdio.h>

#include "larder/v1/larder.pb-c.h"
#include "message.h"

#define NS_PER_US     UINT64_C(1000)
#define REQUEST_VALUE 11 /* number of the field `value` */
#define REPLY_VALUE   9
#define REPLY_REQUEST 10
typedef Larder__V1__CallRequest call_request;
typedef Larder__V1__CallResponse call_response;
typedef Larder__V1__Version wire_version;
typedef Larder__V1__RingView wire_ring;

/* ------------------------------------------------------------------------------------------------ encoding */

/*
 * Microseconds from `now` to the deadline, rounded up, so that what is left of the last one still counts, and at least
 * 1; 0: none.
 */
static uint64_t remaining_us(uint64_t deadline, uint64_t now)
{
    if (deadline == LARDER_NEVER)
        return 0;
    if (deadline <= now)
        return 1;
    return (deadline - now - 1) / NS_PER_US + 1;
}

/* A message that is all zero is left out, which says the same. */
static wire_version *put_version(wire_version *place, struct larder_version version)
{
    larder__v1__version__init(place);
    place->epoch = version.epoch;
    place->clock = version.clock;
    return version.epoch == 0 && version.clock == 0 ? NULL : place;
}

static wire_ring *put_ring(wire_ring *place, struct larder_ring_view ring)
{
    larder__v1__ring_view__init(place);
    place->epoch = ring.epoch;
    place->checksum = ring.checksum;
    place->settings = ring.settings;
    return ring.epoch == 0 && ring.checksum == 0 && ring.settings == 0 ? NULL : place;
}

bool call_form_encode_request(const struct larder_request *request, uint64_t now, struct grpc_arena *arena,
                              struct larder_slice *head)
{
    call_request message;
    wire_version version;
    wire_ring ring;
    larder__v1__call_request__init(&message);
    message.operation = request->operation;
    message.flags = request->flags;
    message.group = grpc_bytes(request->group);
    message.key = grpc_bytes(request->key);
    message.ttl_ms = request->ttl_ms;
    message.version = put_version(&version, request->version);
    message.timeout_us = remaining_us(request->deadline, now);
    message.sender = grpc_bytes(request->sender);
    message.ring = put_ring(&ring, request->ring);
    message.cluster = grpc_bytes(request->cluster);
    return grpc_message_pack(&message.base, REQUEST_VALUE, request->value, arena, head);
}

bool call_form_encode_reply(const struct larder_reply *reply, uint32_t number, struct grpc_arena *arena,
                            struct larder_slice *head)
{
    call_response message;
    wire_version version;
    wire_ring ring;
    struct larder_slice text = reply->message;
    if (text.size > CALL_FORM_MESSAGE_MAX)
        text.size = CALL_FORM_MESSAGE_MAX;
    larder__v1__call_response__init(&message);
    message.status = (Larder__V1__Status)reply->status;
    message.source = (Larder__V1__Source)reply->source;
    message.flags = reply->flags & LARDER_REPLY_FLAGS;
    message.ttl_ms = reply->ttl_ms;
    message.version = put_version(&version, reply->version);
    message.ring = put_ring(&ring, reply->ring);
    message.message = grpc_bytes(text);
    message.cluster = grpc_bytes(reply->cluster);
    message.request = number;
    return grpc_message_pack(&message.base, REPLY_VALUE, reply->value, arena, head);
}

/* ------------------------------------------------------------------------------------------------ decoding */

static uint64_t deadline_after(uint64_t now, uint64_t us)
{
    uint64_t ns, deadline;
    if (us == 0 || __builtin_mul_overflow(us, NS_PER_US, &ns) || __builtin_add_overflow(now, ns, &deadline))
        return LARDER_NEVER;
    return deadline;
}

static struct larder_version get_version(const wire_version *version)
{
    return version == NULL ? (struct larder_version){0} : (struct larder_version){version->epoch, version->clock};
}

static struct larder_ring_view get_ring(const wire_ring *ring)
{
    return ring == NULL ? (struct larder_ring_view){0}
                        : (struct larder_ring_view){ring->epoch, ring->checksum, ring->settings};
}

static enum larder_status unpack(const ProtobufCMessageDescriptor *type, const char *what, struct larder_slice body,
                                 uint32_t value_field, struct grpc_arena *arena, ProtobufCMessage **message,
                                 struct larder_slice *value, char *reason)
{
    switch (grpc_message_unpack(type, body, value_field, arena, message, value)) {
    case GRPC_UNPACK_OK: return LARDER_OK;
    case GRPC_UNPACK_MALFORMED:
        snprintf(reason, CALL_FORM_REASON, "peer %s: %zu bytes that are no larder.v1.%s", what, body.size,
                 type->short_name);
        return LARDER_INVALID;
    case GRPC_UNPACK_NO_MEMORY: break;
    }
    snprintf(reason, CALL_FORM_REASON, "peer %s: %s", what,
             arena->over_limit ? "more parts than there is room for" : "out of memory");
    return LARDER_NO_MEMORY;
}

/* False, with the reason, when it is longer than it may be. */
static bool check_size(const char *what, ProtobufCBinaryData bytes, size_t most, char *reason)
{
    if (bytes.len <= most)
        return true;
    snprintf(reason, CALL_FORM_REASON, "peer request: %s: got %zu bytes, wanted at most %zu", what, bytes.len, most);
    return false;
}

static bool check_request(const call_request *message, char *reason)
{
    uint32_t unknown = message->flags & ~LARDER_REQUEST_FLAGS;
    if (!larder_operation_known(message->operation)) {
        snprintf(reason, CALL_FORM_REASON, "peer request: operation: got %" PRIu32 ", which is not known here",
                 message->operation);
        return false;
    }
    if (unknown != 0) {
        snprintf(reason, CALL_FORM_REASON,
                 "peer request: flags: got 0x%" PRIx32 ", of which 0x%" PRIx32 " is not known", message->flags,
                 unknown);
        return false;
    }
    return check_size("group", message->group, LARDER_GROUP_MAX, reason) &&
           check_size("sender", message->sender, LARDER_GROUP_MAX, reason) &&
           check_size("key", message->key, LARDER_KEY_MAX, reason);
}

enum larder_status call_form_decode_request(struct larder_slice body, uint64_t now, struct grpc_arena *arena,
                                            struct larder_request *request, char *reason)
{
    ProtobufCMessage *unpacked = NULL;
    struct larder_slice value = {0};
    enum larder_status status = unpack(&larder__v1__call_request__descriptor, "request", body, REQUEST_VALUE, arena,
                                       &unpacked, &value, reason);
    if (status != LARDER_OK)
        return status;
    const call_request *message = (const call_request *)unpacked;
    if (!check_request(message, reason))
        return LARDER_INVALID;
    *request = (struct larder_request){
        .operation = (enum larder_operation)message->operation,
        .flags = message->flags | LARDER_REQUEST_PEER,
        .group = grpc_slice(message->group),
        .key = grpc_slice(message->key),
        .value = value,
        .ttl_ms = message->ttl_ms,
        .version = get_version(message->version),
        .deadline = deadline_after(now, message->timeout_us),
        .sender = grpc_slice(message->sender),
        .ring = get_ring(message->ring),
        .cluster = grpc_slice(message->cluster),
    };
    return LARDER_OK;
}

uint32_t call_form_reply_number(struct larder_slice body)
{
    return (uint32_t)grpc_message_number(body, REPLY_REQUEST);
}

enum larder_status call_form_decode_reply(struct larder_slice body, struct grpc_arena *arena,
                                          struct larder_reply *reply, char *reason)
{
    ProtobufCMessage *unpacked = NULL;
    struct larder_slice value = {0};
    enum larder_status status = unpack(&larder__v1__call_response__descriptor, "reply", body, REPLY_VALUE, arena,
                                       &unpacked, &value, reason);
    if (status != LARDER_OK)
        return status;
    const call_response *message = (const call_response *)unpacked;
    unsigned code = (unsigned)message->status, source = (unsigned)message->source;
    if (code >= LARDER_STATUS_COUNT || source > LARDER_SOURCE_LOADER) {
        snprintf(reason, CALL_FORM_REASON, "peer reply: got status %u and source %u, of which one is not known", code,
                 source);
        return LARDER_INVALID;
    }
    *reply = (struct larder_reply){
        .status = (enum larder_status)code,
        .source = (enum larder_source)source,
        .flags = message->flags & LARDER_REPLY_FLAGS,
        .value = value,
        .ttl_ms = message->ttl_ms,
        .version = get_version(message->version),
        .ring = get_ring(message->ring),
        .cluster = grpc_slice(message->cluster),
        .message = grpc_slice(message->message),
    };
    return LARDER_OK;
}
