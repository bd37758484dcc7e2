/* The module's table: the server's half and the client's half meet here. */
#include <stdlib.h>

#include "client.h"
#include "server.h"

struct grpc_transport {
    struct grpc_server *server;
    struct tp_client *client; /* its connections live on the server's loops */
};

static void transport_close(void *state)
{
    struct grpc_transport *transport = state;
    if (transport == NULL)
        return;
    tp_client_close(transport->client); /* first: calls that end complete requests of the server */
    grpc_server_close(transport->server);
    free(transport);
}

static void *transport_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    struct grpc_transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        host->base.fail(&host->base, LARDER_NO_MEMORY, "grpc: out of memory");
        return NULL;
    }
    transport->server = grpc_server_open(host, params);
    if (transport->server == NULL)
        goto transport;
    const struct grpc_options *options = &transport->server->options;
    const struct tp_server *shared = &transport->server->base;
    const uint64_t answers_in = options->keepalive_timeout / LARDER_NS_PER_MS;
    const struct grpc_client_options client = {
        .common = {.host = &host->base,
                   .loops = shared->loops,
                   .loop_count = shared->options.workers,
                   .connect_timeout_ms = options->connect_timeout_ms,
                   .max_value = host->max_value},
        .ping_interval_ms = options->keepalive_interval / LARDER_NS_PER_MS,
        /* A member that is there answers a ping as soon as it takes a connection; one that is not there must not seem away for
           long when it is back, for a connection that leads nowhere any more. */
        .ping_timeout_ms = answers_in < options->connect_timeout_ms ? answers_in : options->connect_timeout_ms,
    };
    transport->client = grpc_client_open(&client);
    if (transport->client != NULL)
        return transport;
    grpc_server_close(transport->server);
transport:
    free(transport);
    return NULL;
}

static struct tp_server *server_of(void *state)
{
    return &((struct grpc_transport *)state)->server->base;
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
    return tp_peer_open(((struct grpc_transport *)state)->client, address);
}

static void transport_peer_close(void *peer)
{
    tp_peer_close(peer);
}

static void transport_call(void *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    tp_peer_call(peer, request, done, arg);
}

static void transport_stats(void *state, struct larder_transport_stats *stats)
{
    tp_server_stats(server_of(state), stats);
}

LARDER_TRANSPORT("grpc", "the gRPC services of larder.v1, for clients and between peers", grpc_params,
                 .open = transport_open, .listen = transport_listen, .address = transport_address,
                 .drain = transport_drain, .close = transport_close, .peer_open = transport_peer_open,
                 .peer_close = transport_peer_close, .call = transport_call, .stats = transport_stats);
