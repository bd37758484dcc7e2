/* larder.v1.Cache: many gets or sets in one call, answered together and in order. */
#include "larder/v1/larder.pb-c.h"
#include "method.h"

#define BATCH_MAX 1024 /* keys in one batch */

/* Bytes of a result beside its value, at most. */
#define RESULT_MAX 64

/* Room for so many requests; or refuses the call. */
static bool begin(struct grpc_call *call, size_t count)
{
    if (count > BATCH_MAX) {
        grpc_call_refuse(call, LARDER_TOO_LARGE, "batch: got %zu keys, wanted at most %d", count, BATCH_MAX);
        return false;
    }
    call->parts = grpc_arena_alloc(&call->arena, count * sizeof *call->parts);
    if (call->parts == NULL) {
        grpc_call_refuse(call, LARDER_NO_MEMORY, "out of memory");
        return false;
    }
    call->part_count = count;
    size_t most = grpc_server_of(call->base.worker)->options.max_message, rest = count * RESULT_MAX;
    call->base.room = most > rest ? most - rest : 0;
    return true;
}

static void add(struct grpc_call *call, size_t i, enum larder_operation operation, ProtobufCBinaryData group,
                ProtobufCBinaryData key)
{
    call->parts[i] = (struct tp_part){.request = {.operation = operation,
                                                  .group = grpc_group(group),
                                                  .key = grpc_slice(key),
                                                  .deadline = call->base.request.deadline}};
}

void grpc_decode_batch_get(struct grpc_call *call, struct larder_slice message)
{
    const Larder__V1__BatchGetRequest *batch = (const Larder__V1__BatchGetRequest *)grpc_unpack(
        call, &larder__v1__batch_get_request__descriptor, message, 0, NULL);
    if (batch == NULL || !begin(call, batch->n_keys))
        return;
    for (size_t i = 0; i < batch->n_keys; i++)
        add(call, i, LARDER_OP_GET, batch->group, batch->keys[i]);
}

void grpc_decode_batch_set(struct grpc_call *call, struct larder_slice message)
{
    const Larder__V1__BatchSetRequest *batch = (const Larder__V1__BatchSetRequest *)grpc_unpack(
        call, &larder__v1__batch_set_request__descriptor, message, 0, NULL);
    if (batch == NULL || !begin(call, batch->n_items))
        return;
    for (size_t i = 0; i < batch->n_items; i++) {
        const Larder__V1__SetItem *item = batch->items[i];
        add(call, i, LARDER_OP_SET, batch->group, item->key);
        call->parts[i].request.value = grpc_slice(item->value);
        call->parts[i].request.ttl_ms = item->ttl_ms;
    }
}

/* An answer has a result for each part; each is a pointer, a struct and a version in the arena. */
struct get_result {
    Larder__V1__GetResult result;
    Larder__V1__Version version;
};

static void put_version(Larder__V1__Version *version, const struct larder_reply *reply, Larder__V1__Version **place)
{
    larder__v1__version__init(version);
    version->epoch = reply->version.epoch;
    version->clock = reply->version.clock;
    *place = version;
}

static void put_get(struct get_result *one, const struct larder_reply *reply)
{
    Larder__V1__GetResult *result = &one->result;
    larder__v1__get_result__init(result);
    result->status = (Larder__V1__Status)reply->status;
    if (reply->status != LARDER_OK)
        return;
    put_version(&one->version, reply, &result->version);
    result->ttl_ms = reply->ttl_ms;
    result->source = (Larder__V1__Source)reply->source;
    result->value = grpc_bytes(reply->value);
}

bool grpc_encode_batch_get(struct grpc_call *call)
{
    Larder__V1__BatchGetResponse response = LARDER__V1__BATCH_GET_RESPONSE__INIT;
    size_t count = call->part_count;
    struct get_result *results = grpc_arena_alloc(&call->arena, count * sizeof *results);
    response.results = grpc_arena_alloc(&call->arena, count * sizeof *response.results);
    bool packed = results != NULL && response.results != NULL;
    for (size_t i = 0; i < count && packed; i++) {
        put_get(&results[i], &call->parts[i].reply);
        response.results[i] = &results[i].result;
    }
    response.n_results = count;
    packed = packed && grpc_pack(call, &response.base, 0, (struct larder_slice){0});
    for (size_t i = 0; i < count; i++) /* they are copied, and the client may take its time */
        tp_part_release(&call->parts[i]);
    return packed;
}

struct set_result {
    Larder__V1__SetResult result;
    Larder__V1__Version version;
};

bool grpc_encode_batch_set(struct grpc_call *call)
{
    Larder__V1__BatchSetResponse response = LARDER__V1__BATCH_SET_RESPONSE__INIT;
    size_t count = call->part_count;
    struct set_result *results = grpc_arena_alloc(&call->arena, count * sizeof *results);
    response.results = grpc_arena_alloc(&call->arena, count * sizeof *response.results);
    if (results == NULL || response.results == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct larder_reply *reply = &call->parts[i].reply;
        Larder__V1__SetResult *result = response.results[i] = &results[i].result;
        larder__v1__set_result__init(result);
        result->status = (Larder__V1__Status)reply->status;
        if (reply->status != LARDER_OK)
            continue;
        put_version(&results[i].version, reply, &result->version);
        result->created = (reply->flags & LARDER_REPLY_CREATED) != 0;
    }
    response.n_results = count;
    return grpc_pack(call, &response.base, 0, (struct larder_slice){0});
}
