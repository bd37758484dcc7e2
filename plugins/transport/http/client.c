/* The protocol's table, and opening a client. */
#include "client_internal.h"

static const struct tp_client_protocol protocol = {
    .client_size = sizeof(struct http_client),
    .lane_size = sizeof(struct http_client_lane),
    .call_size = sizeof(struct http_client_call),
    .call_cleared = sizeof(struct http_client_call),
    .open = http_client_lane_open,
    .dispatch = http_client_lane_dispatch,
    .expired = http_client_connection_expired,
    .close = http_client_lane_close,
    .other = http_client_lane_other,
};

struct tp_client *http_client_open(const struct http_client_options *options)
{
    struct http_client *client = (struct http_client *)tp_client_open(&options->common, &protocol);
    if (client == NULL)
        return NULL;
    client->peer_connections = options->peer_connections;
    client->idle_ms = options->idle_ms;
    if (client->base.lane_count > options->peer_connections)
        client->base.lane_count = options->peer_connections; /* none without a connection */
    return &client->base;
}
