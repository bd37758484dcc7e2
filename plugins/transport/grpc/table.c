/* The module's table. */
#include <stdlib.h>

#include "server.h"

static struct tp_server *server_of(void *state)
{
    return &((struct grpc_server *)state)->base;
}

static void transport_close(void *state)
{
    grpc_server_close(state);
}

static void *transport_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    return grpc_server_open(host, params);
}

static enum larder_status transport_listen(void *state)
{
    return tp_server_listen(server_of(state));
}

static void transport_address(void *state, char *buffer, size_t capacity)
{
    tp_server_address(server_of(state), buffer, capacity);
}

static void transport_drain(void *state, uint64_t deadline)
{
    tp_server_drain(server_of(state), deadline);
}

static void *transport_peer_open(void *state, const char *address)
{
    const struct larder_host *host = &server_of(state)->host->base;
    host->fail(host, LARDER_UNSUPPORTED, "grpc: calls to peers (%s) are not offered yet", address);
    return NULL;
}

static void transport_peer_close(void *peer)
{
    (void)peer;
}

static void transport_call(void *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    (void)peer;
    (void)request;
    struct larder_reply reply = {.status = LARDER_UNSUPPORTED, .flags = LARDER_REPLY_NOT_SENT};
    done(arg, &reply);
}

static void transport_stats(void *state, struct larder_transport_stats *stats)
{
    tp_server_stats(server_of(state), stats);
}

LARDER_TRANSPORT("grpc", "gRPC for clients, and between peers", grpc_params, .open = transport_open,
                 .listen = transport_listen, .address = transport_address, .drain = transport_drain,
                 .close = transport_close, .peer_open = transport_peer_open, .peer_close = transport_peer_close,
                 .call = transport_call, .stats = transport_stats);
