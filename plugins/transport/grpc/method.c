/* The table of methods, and what they have in common. */
#include "method.h"

#include <string.h>

static const struct grpc_method methods[] = {
    {.path = "/larder.v1.Cache/Get", .decode = grpc_decode_get, .encode = grpc_encode_get},
    {.path = "/larder.v1.Cache/Set", .decode = grpc_decode_set, .encode = grpc_encode_set},
    {.path = "/larder.v1.Peer/Call",
     .take = grpc_take_call,
     .encode = grpc_encode_call,
     .tells_status = true,
     .from_peer = true,
     .streaming = true},
    {.path = "/larder.v1.Cache/Delete", .decode = grpc_decode_delete, .encode = grpc_encode_delete},
    {.path = "/larder.v1.Cache/Touch", .decode = grpc_decode_touch, .encode = grpc_encode_touch},
    {.path = "/larder.v1.Cache/BatchGet",
     .decode = grpc_decode_batch_get,
     .encode = grpc_encode_batch_get,
     .many = true},
    {.path = "/larder.v1.Cache/BatchSet",
     .decode = grpc_decode_batch_set,
     .encode = grpc_encode_batch_set,
     .many = true},
    {.path = "/larder.v1.Cache/GroupStats", .decode = grpc_decode_group_stats, .encode = grpc_encode_group_stats},
    {.path = "/larder.v1.Peer/Ring", .decode = grpc_decode_ring, .encode = grpc_encode_ring},
    {.path = "/grpc.health.v1.Health/Check",
     .decode = grpc_decode_check,
     .encode = grpc_encode_check,
     .tells_status = true},
    {.path = "/grpc.health.v1.Health/Watch",
     .decode = grpc_decode_watch,
     .encode = grpc_encode_watch,
     .tells_status = true,
     .streaming = true},
};

const struct grpc_method *grpc_method_find(struct larder_slice path)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strlen(methods[i].path) == path.size && memcmp(methods[i].path, path.data, path.size) == 0)
            return &methods[i];
    return NULL;
}

const ProtobufCMessage *grpc_unpack(struct grpc_call *call, const ProtobufCMessageDescriptor *type,
                                    struct larder_slice message, uint32_t value_field, struct larder_slice *value)
{
    ProtobufCMessage *unpacked = NULL;
    switch (grpc_message_unpack(type, message, value_field, &call->arena, &unpacked, value)) {
    case GRPC_UNPACK_OK: return unpacked;
    case GRPC_UNPACK_MALFORMED:
        grpc_call_fail(call, GRPC_INTERNAL, "message: got %zu bytes that are no %s", message.size, type->name);
        return NULL;
    case GRPC_UNPACK_NO_MEMORY: break;
    }
    if (call->arena.over_limit)
        grpc_call_refuse(call, LARDER_TOO_LARGE, "message: got more parts than a %s has", type->name);
    else
        grpc_call_refuse(call, LARDER_NO_MEMORY, "out of memory");
    return NULL;
}

bool grpc_pack(struct grpc_call *call, const ProtobufCMessage *message, uint32_t value_field, struct larder_slice value)
{
    call->value = value;
    return grpc_message_pack(message, value_field, value, &call->arena, &call->head);
}

struct larder_slice grpc_group(ProtobufCBinaryData name)
{
    return name.len > 0 ? grpc_slice(name) : (struct larder_slice){"default", 7};
}
