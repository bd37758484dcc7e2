/* grpc.health.v1.Health: whether the node is ready, once or with every change. */
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "method.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;
#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

/* All of them are served, or none. */
static bool known(struct larder_slice service)
{
    static const char *const names[] = {"", "larder.v1.Cache", "larder.v1.Peer", "grpc.health.v1.Health"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == service.size &&
            memcmp(names[i], service.size > 0 ? service.data : "", service.size) == 0)
            return true;
    return false;
}

static bool decode(struct grpc_call *call, struct larder_slice message, struct larder_slice *service)
{
    const Grpc__Health__V1__HealthCheckRequest *check = (const Grpc__Health__V1__HealthCheckRequest *)grpc_unpack(
        call, &grpc__health__v1__health_check_request__descriptor, message, 0, NULL);
    if (check == NULL)
        return false;
    *service = grpc_slice(check->service);
    call->base.request.operation = LARDER_OP_READY;
    return true;
}

static bool encode(struct grpc_call *call, serving_status status)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status;
    return grpc_pack(call, &response.base, 0, (struct larder_slice){0});
}

static serving_status state_of(const struct grpc_call *call)
{
    bool serves = call->base.reply.status == LARDER_OK && !tp_server_draining(call->base.worker->server);
    return serves ? SERVING : NOT_SERVING;
}

void grpc_decode_check(struct grpc_call *call, struct larder_slice message)
{
    struct larder_slice service;
    if (decode(call, message, &service) && !known(service))
        grpc_call_fail(call, GRPC_NOT_FOUND, "no service of that name");
}

bool grpc_encode_check(struct grpc_call *call)
{
    return encode(call, state_of(call));
}

void grpc_decode_watch(struct grpc_call *call, struct larder_slice message)
{
    struct larder_slice service;
    call->last_status = -1;
    if (decode(call, message, &service))
        call->unknown_service = !known(service);
}

/* Nothing is to be sent when the state is as it was. When the server drains, the last state is its end, too. */
bool grpc_encode_watch(struct grpc_call *call)
{
    serving_status status = call->unknown_service ? SERVICE_UNKNOWN : state_of(call);
    if (tp_server_draining(call->base.worker->server)) {
        call->streaming = false;
        call->reason = LARDER_UNAVAILABLE;
        call->code = grpc_code_of(call->reason);
    }
    if ((int)status == call->last_status)
        return true;
    call->last_status = (int)status;
    return encode(call, status);
}
