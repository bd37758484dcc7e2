/*
 * Answers that the node gives as JSON documents: statistics of a group, and the cluster. The fields of a message are filled from the members
 * of the same name, as protobuf-c's descriptors tell them, so that a number that a document and the .proto both have needs nothing here.
 */
#include <jansson.h>
#include <string.h>

#include "larder/v1/larder.pb-c.h"
#include "method.h"

/* Fields whose names cannot be those of the document. */
static const char *member_name(const char *field)
{
    return strcmp(field, "p99_9_ns") == 0 ? "p99.9_ns" : field;
}

static bool fill(struct grpc_arena *arena, const json_t *json, ProtobufCMessage *message);

static ProtobufCMessage *fill_new(struct grpc_arena *arena, const json_t *json, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = grpc_arena_alloc(arena, type->sizeof_message);
    if (message == NULL)
        return NULL;
    protobuf_c_message_init(type, message);
    return fill(arena, json, message) ? message : NULL;
}

static bool fill_list(struct grpc_arena *arena, const json_t *list, const ProtobufCFieldDescriptor *field,
                      char *message)
{
    size_t count = json_array_size(list);
    ProtobufCMessage **items = grpc_arena_alloc(arena, count * sizeof(ProtobufCMessage *));
    if (items == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((items[i] = fill_new(arena, json_array_get(list, i), field->descriptor)) == NULL)
            return false;
    memcpy(message + field->offset, &items, sizeof(void *));
    memcpy(message + field->quantifier_offset, &count, sizeof count);
    return true;
}

/* A member of another type than the field's is left out. The texts stay the document's. */
static bool fill_field(struct grpc_arena *arena, const json_t *json, const ProtobufCFieldDescriptor *field,
                       char *message)
{
    void *place = message + field->offset;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            return fill_list(arena, json, field, message);
        ProtobufCMessage *inner = fill_new(arena, json, field->descriptor);
        memcpy(place, &inner, sizeof(void *));
        return inner != NULL;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT64 && json_is_integer(json)) {
        uint64_t number = (uint64_t)json_integer_value(json);
        memcpy(place, &number, sizeof number);
    } else if (field->type == PROTOBUF_C_TYPE_DOUBLE && json_is_number(json)) {
        double number = json_number_value(json);
        memcpy(place, &number, sizeof number);
    } else if (field->type == PROTOBUF_C_TYPE_BOOL && json_is_boolean(json)) {
        protobuf_c_boolean truth = json_is_true(json);
        memcpy(place, &truth, sizeof truth);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES && json_is_string(json)) {
        ProtobufCBinaryData text = grpc_bytes((struct larder_slice){json_string_value(json), json_string_length(json)});
        memcpy(place, &text, sizeof text);
    }
    return true;
}

static bool fill(struct grpc_arena *arena, const json_t *json, ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const json_t *member = json_object_get(json, member_name(type->fields[i].name));
        if (member != NULL && !fill_field(arena, member, &type->fields[i], (char *)message))
            return false;
    }
    return true;
}

static bool encode(struct grpc_call *call, const ProtobufCMessageDescriptor *type)
{
    struct larder_slice text = call->base.reply.value;
    json_t *document = text.size > 0 ? json_loadb(text.data, text.size, 0, NULL) : NULL;
    if (document == NULL)
        return false;
    const ProtobufCMessage *message = fill_new(&call->arena, document, type);
    bool good = message != NULL && grpc_pack(call, message, 0, (struct larder_slice){0});
    json_decref(document);
    return good;
}

void grpc_decode_group_stats(struct grpc_call *call, struct larder_slice message)
{
    const Larder__V1__GroupStatsRequest *stats = (const Larder__V1__GroupStatsRequest *)grpc_unpack(
        call, &larder__v1__group_stats_request__descriptor, message, 0, NULL);
    if (stats == NULL)
        return;
    struct larder_request *request = &call->base.request;
    request->operation = LARDER_OP_GROUP_STATS;
    request->group = grpc_group(stats->group);
    if (stats->cluster)
        request->flags |= LARDER_REQUEST_CLUSTER;
}

bool grpc_encode_group_stats(struct grpc_call *call)
{
    return encode(call, &larder__v1__group_stats_response__descriptor);
}

void grpc_decode_ring(struct grpc_call *call, struct larder_slice message)
{
    if (grpc_unpack(call, &larder__v1__ring_request__descriptor, message, 0, NULL) != NULL)
        call->base.request.operation = LARDER_OP_CLUSTER;
}

bool grpc_encode_ring(struct grpc_call *call)
{
    return encode(call, &larder__v1__ring_response__descriptor);
}
