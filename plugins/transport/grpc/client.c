/* The protocol's table, and opening a client. */
#include <stddef.h>

#include "client_internal.h"

static const struct tp_client_protocol protocol = {
    .client_size = sizeof(struct grpc_client),
    .lane_size = sizeof(struct grpc_client_lane),
    .call_size = sizeof(struct grpc_client_call),
    .call_cleared = offsetof(struct grpc_client_call, scratch),
    .open = grpc_client_lane_open,
    .dispatch = grpc_client_lane_dispatch,
    .expired = grpc_client_stream_expired,
    .close = grpc_client_lane_close,
    .forget = grpc_client_stream_forget,
};

struct tp_client *grpc_client_open(const struct grpc_client_options *options)
{
    struct grpc_client *client = (struct grpc_client *)tp_client_open(&options->common, &protocol);
    if (client == NULL)
        return NULL;
    client->ping_interval_ms = options->ping_interval_ms;
    client->ping_timeout_ms = options->ping_timeout_ms;
    return &client->base;
}
