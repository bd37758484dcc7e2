/* The protocol's table. */
#include "server.h"

#include <stdlib.h>

#include "connection.h"

static void worker_close(struct tp_worker *worker)
{
    grpc_call_pool_free(grpc_worker_of(worker));
}

/* SETTINGS without any, and GOAWAY: nothing was done, ENHANCE_YOUR_CALM, and why. */
#define TURNED_AWAY                                                                                                    \
    "\0\0\0\x04\0\0\0\0\0"                                                                                             \
    "\0\0\x1c\x07\0\0\0\0\0"                                                                                           \
    "\0\0\0\0\0\0\0\x0b"                                                                                               \
    "too many connections"

static const struct tp_protocol protocol = {.name = "grpc",
                                            .worker_size = sizeof(struct grpc_worker),
                                            .connection_size = sizeof(struct grpc_connection),
                                            .turned_away = {TURNED_AWAY, sizeof TURNED_AWAY - 1},
                                            .worker_close = worker_close,
                                            .opened = grpc_connection_opened,
                                            .closed = grpc_connection_closed,
                                            .read = grpc_connection_read,
                                            .settle = grpc_connection_settle,
                                            .expire = grpc_connection_expire,
                                            .drain = grpc_connection_drain,
                                            .answered = grpc_call_answered};

struct grpc_server *grpc_server_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    struct grpc_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        goto none;
    struct tp_server_options shared;
    grpc_options_read(&server->options, &shared, params);
    if (!grpc_session_prepare(server))
        goto server;
    if (tp_server_open(&server->base, &protocol, host, &shared))
        return server;
    grpc_session_forget(server);
    free(server);
    return NULL;
server:
    free(server);
none:
    host->base.fail(&host->base, LARDER_NO_MEMORY, "grpc: out of memory");
    return NULL;
}

void grpc_server_close(struct grpc_server *server)
{
    if (server == NULL)
        return;
    tp_server_close(&server->base);
    grpc_session_forget(server);
    free(server);
}
