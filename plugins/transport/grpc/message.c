#include "message.h"

#include <string.h>

#include "reader.h"

#define WIRE_VARINT  0
#define WIRE_64      1
#define WIRE_LENGTH  2
#define WIRE_32      5
#define VARINT_BYTES 10

/* ------------------------------------------------------------------------------------------------ packing */

static size_t put_varint(unsigned char *at, uint64_t value)
{
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        at[size++] = (unsigned char)(value | 0x80);
    at[size++] = (unsigned char)value;
    return size;
}

static void put_prefix(unsigned char *at, size_t size)
{
    at[0] = 0;
    for (int i = 1; i < GRPC_PREFIX_SIZE; i++)
        at[i] = (unsigned char)(size >> 8 * (GRPC_PREFIX_SIZE - 1 - i));
}

bool grpc_message_pack(const ProtobufCMessage *message, uint32_t value_field, struct larder_slice value,
                       struct grpc_arena *arena, struct larder_slice *head)
{
    unsigned char field[2 * VARINT_BYTES];
    size_t field_size = 0;
    if (value_field != 0 && value.size > 0) {
        field_size = put_varint(field, (uint64_t)value_field << 3 | WIRE_LENGTH);
        field_size += put_varint(field + field_size, value.size);
    }
    size_t rest = protobuf_c_message_get_packed_size(message) + field_size;
    if (rest > UINT32_MAX || value.size > UINT32_MAX - rest)
        return false;
    unsigned char *bytes = grpc_arena_alloc(arena, GRPC_PREFIX_SIZE + rest);
    if (bytes == NULL)
        return false;
    put_prefix(bytes, rest + value.size);
    size_t packed = protobuf_c_message_pack(message, bytes + GRPC_PREFIX_SIZE);
    memcpy(bytes + GRPC_PREFIX_SIZE + packed, field, field_size);
    *head = (struct larder_slice){bytes, GRPC_PREFIX_SIZE + rest};
    return true;
}

/* ------------------------------------------------------------------------------------------------ unpacking */

/* False: the bytes end, or it is longer than a varint can be. */
static bool get_varint(const unsigned char **at, const unsigned char *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 7 * VARINT_BYTES && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/*
 * Moves on over the content of one field, whose tag has been read. For fields with a length, `content` is what is
 * inside.
 */
static bool skip_content(const unsigned char **at, const unsigned char *end, unsigned wire,
                         struct larder_slice *content)
{
    uint64_t size = 0;
    switch (wire) {
    case WIRE_VARINT: return get_varint(at, end, &size);
    case WIRE_64: size = 8; break;
    case WIRE_32: size = 4; break;
    case WIRE_LENGTH:
        if (!get_varint(at, end, &size))
            return false;
        break;
    default: return false;
    }
    if (size > (uint64_t)(end - *at))
        return false;
    *content = (struct larder_slice){*at, (size_t)size};
    *at += size;
    return true;
}

/* What is left of a message without its values: usually its beginning, where it lies. */
struct rest {
    struct grpc_arena *arena;
    const unsigned char *bytes;
    size_t size;
    size_t most;         /* of it; for when it has to be copied */
    unsigned char *copy; /* NULL: not yet */
};

static bool add_to_rest(struct rest *rest, const unsigned char *field, size_t size)
{
    if (rest->copy == NULL && rest->bytes + rest->size != field) { /* there is a value in between */
        rest->copy = grpc_arena_alloc(rest->arena, rest->most);
        if (rest->copy == NULL)
            return false;
        memcpy(rest->copy, rest->bytes, rest->size);
        rest->bytes = rest->copy;
    }
    if (rest->copy != NULL)
        memcpy(rest->copy + rest->size, field, size);
    rest->size += size;
    return true;
}

static enum grpc_unpack split(struct larder_slice bytes, uint32_t value_field, struct rest *rest,
                              struct larder_slice *value)
{
    const unsigned char *at = bytes.data, *end = at + bytes.size;
    *rest = (struct rest){.arena = rest->arena, .bytes = at, .most = bytes.size};
    while (at < end) {
        const unsigned char *field = at;
        uint64_t tag;
        struct larder_slice content = {0};
        if (!get_varint(&at, end, &tag) || !skip_content(&at, end, tag & 7, &content))
            return GRPC_UNPACK_MALFORMED;
        if (tag == ((uint64_t)value_field << 3 | WIRE_LENGTH))
            *value = content;
        else if (!add_to_rest(rest, field, (size_t)(at - field)))
            return GRPC_UNPACK_NO_MEMORY;
    }
    return GRPC_UNPACK_OK;
}

uint64_t grpc_message_number(struct larder_slice bytes, uint32_t field)
{
    const unsigned char *at = bytes.data, *end = at + bytes.size;
    uint64_t tag, number = 0;
    struct larder_slice content;
    while (at < end) {
        if (!get_varint(&at, end, &tag))
            return 0;
        bool wanted = tag == ((uint64_t)field << 3 | WIRE_VARINT);
        if (!(wanted ? get_varint(&at, end, &number) : skip_content(&at, end, tag & 7, &content)))
            return 0;
    }
    return number;
}

enum grpc_unpack grpc_message_unpack(const ProtobufCMessageDescriptor *type, struct larder_slice bytes,
                                     uint32_t value_field, struct grpc_arena *arena, ProtobufCMessage **message,
                                     struct larder_slice *value)
{
    static const unsigned char none[1];
    if (bytes.size == 0)
        bytes.data = none;
    struct rest rest = {.arena = arena, .bytes = bytes.data, .size = bytes.size};
    if (value_field != 0) {
        *value = (struct larder_slice){0};
        enum grpc_unpack unpacked = split(bytes, value_field, &rest, value);
        if (unpacked != GRPC_UNPACK_OK)
            return unpacked;
    }
    *message = protobuf_c_message_unpack(type, &arena->allocator, rest.size, rest.bytes);
    if (*message != NULL)
        return GRPC_UNPACK_OK;
    return arena->failed ? GRPC_UNPACK_NO_MEMORY : GRPC_UNPACK_MALFORMED;
}
