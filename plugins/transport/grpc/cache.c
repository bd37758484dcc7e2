/* larder.v1.Cache: the calls that concern one key. */
#include "larder/v1/larder.pb-c.h"
#include "method.h"

#define GET_VALUE 4 /* numbers of the fields `value` */
#define SET_VALUE 7

/* A version that is expected; absent or 0: none is. */
static void expect_version(struct larder_request *request, const Larder__V1__Version *version)
{
    if (version == NULL || (version->epoch == 0 && version->clock == 0))
        return;
    request->version = (struct larder_version){version->epoch, version->clock};
    request->flags |= LARDER_REQUEST_IF_VERSION;
}

static Larder__V1__Version version_of(const struct larder_reply *reply)
{
    Larder__V1__Version version = LARDER__V1__VERSION__INIT;
    version.epoch = reply->version.epoch;
    version.clock = reply->version.clock;
    return version;
}

void grpc_decode_get(struct grpc_call *call, struct larder_slice message)
{
    const Larder__V1__GetRequest *get = (const Larder__V1__GetRequest *)grpc_unpack(
        call, &larder__v1__get_request__descriptor, message, 0, NULL);
    if (get == NULL)
        return;
    struct larder_request *request = &call->base.request;
    request->operation = LARDER_OP_GET;
    request->group = grpc_group(get->group);
    request->key = grpc_slice(get->key);
}

bool grpc_encode_get(struct grpc_call *call)
{
    const struct larder_reply *reply = &call->base.reply;
    Larder__V1__GetResponse response = LARDER__V1__GET_RESPONSE__INIT;
    Larder__V1__Version version = version_of(reply);
    response.version = &version;
    response.ttl_ms = reply->ttl_ms;
    response.source = (Larder__V1__Source)reply->source;
    return grpc_pack(call, &response.base, GET_VALUE, reply->value);
}

void grpc_decode_set(struct grpc_call *call, struct larder_slice message)
{
    struct larder_request *request = &call->base.request;
    const Larder__V1__SetRequest *set = (const Larder__V1__SetRequest *)grpc_unpack(
        call, &larder__v1__set_request__descriptor, message, SET_VALUE, &request->value);
    if (set == NULL)
        return;
    request->operation = LARDER_OP_SET;
    request->group = grpc_group(set->group);
    request->key = grpc_slice(set->key);
    request->ttl_ms = set->ttl_ms;
    expect_version(request, set->if_version);
    if (set->if_absent)
        request->flags |= LARDER_REQUEST_IF_ABSENT;
    if (set->if_present)
        request->flags |= LARDER_REQUEST_IF_PRESENT;
    if (set->if_absent && (set->if_present || (request->flags & LARDER_REQUEST_IF_VERSION) != 0))
        grpc_call_refuse(call, LARDER_INVALID, "if_absent: got another condition too, wanted it alone");
}

bool grpc_encode_set(struct grpc_call *call)
{
    const struct larder_reply *reply = &call->base.reply;
    Larder__V1__SetResponse response = LARDER__V1__SET_RESPONSE__INIT;
    Larder__V1__Version version = version_of(reply);
    response.version = &version;
    response.created = (reply->flags & LARDER_REPLY_CREATED) != 0;
    return grpc_pack(call, &response.base, 0, (struct larder_slice){0});
}

void grpc_decode_delete(struct grpc_call *call, struct larder_slice message)
{
    const Larder__V1__DeleteRequest *deletion = (const Larder__V1__DeleteRequest *)grpc_unpack(
        call, &larder__v1__delete_request__descriptor, message, 0, NULL);
    if (deletion == NULL)
        return;
    struct larder_request *request = &call->base.request;
    request->operation = LARDER_OP_DELETE;
    request->group = grpc_group(deletion->group);
    request->key = grpc_slice(deletion->key);
    expect_version(request, deletion->if_version);
}

bool grpc_encode_delete(struct grpc_call *call)
{
    Larder__V1__DeleteResponse response = LARDER__V1__DELETE_RESPONSE__INIT;
    return grpc_pack(call, &response.base, 0, (struct larder_slice){0});
}

void grpc_decode_touch(struct grpc_call *call, struct larder_slice message)
{
    const Larder__V1__TouchRequest *touch = (const Larder__V1__TouchRequest *)grpc_unpack(
        call, &larder__v1__touch_request__descriptor, message, 0, NULL);
    if (touch == NULL)
        return;
    struct larder_request *request = &call->base.request;
    request->operation = LARDER_OP_TOUCH;
    request->group = grpc_group(touch->group);
    request->key = grpc_slice(touch->key);
    request->ttl_ms = touch->ttl_ms;
}

bool grpc_encode_touch(struct grpc_call *call)
{
    Larder__V1__TouchResponse response = LARDER__V1__TOUCH_RESPONSE__INIT;
    Larder__V1__Version version = version_of(&call->base.reply);
    response.version = &version;
    return grpc_pack(call, &response.base, 0, (struct larder_slice){0});
}
