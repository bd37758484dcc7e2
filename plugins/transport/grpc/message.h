/*
 * Messages of protobuf to and from bytes.
 *
 * The largest field of a message, its value, is not copied: packing leaves it to be sent from where it lies, after the
 * rest; unpacking points at it where it arrived.
 */
#ifndef TRANSPORT_GRPC_MESSAGE_H
#define TRANSPORT_GRPC_MESSAGE_H

#include "arena.h"
#include "larder/plugin/plugin.h"

/*
 * Packs gRPC's prefix and the message into memory of the arena. `value`, when `value_field` is not 0, is the message's
 * bytes field of that number, which is empty in `message` itself: its tag and length end the head, and its bytes
 * follow on the wire. False: no memory, or the message is larger than a prefix can say.
 */
bool grpc_message_pack(const ProtobufCMessage *message, uint32_t value_field, struct larder_slice value,
                       struct grpc_arena *arena, struct larder_slice *head);

enum grpc_unpack {
    GRPC_UNPACK_OK,
    GRPC_UNPACK_MALFORMED, /* no such message */
    GRPC_UNPACK_NO_MEMORY  /* or too many parts for the arena's limit: see its `over_limit` */
};

/*
 * Unpacks into memory of the arena, which is not to be freed by field. When `value_field` is not 0, the bytes field of
 * that number is left empty in the message, and `*value` points at it in `bytes` (of several, at the last); size 0
 * when it is absent.
 */
enum grpc_unpack grpc_message_unpack(const ProtobufCMessageDescriptor *type, struct larder_slice bytes,
                                     uint32_t value_field, struct grpc_arena *arena, ProtobufCMessage **message,
                                     struct larder_slice *value);

/* A number among the fields of the message, without unpacking it; 0 when it is absent, or the message is none. */
uint64_t grpc_message_number(struct larder_slice bytes, uint32_t field);

/* Between Larder's slices and protobuf-c's bytes; data that is only read is not copied. */
static inline struct larder_slice grpc_slice(ProtobufCBinaryData bytes)
{
    return (struct larder_slice){bytes.data, bytes.len};
}

static inline ProtobufCBinaryData grpc_bytes(struct larder_slice slice)
{
    /* Packing does not write to them. */
    return (ProtobufCBinaryData){slice.size, (uint8_t *)(uintptr_t)slice.data};
}

#endif
