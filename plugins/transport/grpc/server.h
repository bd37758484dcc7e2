/* What the gRPC protocol adds to the transports' server. */
#ifndef TRANSPORT_GRPC_SERVER_H
#define TRANSPORT_GRPC_SERVER_H

#include <nghttp2/nghttp2.h>

#include "options.h"
#include "plugins/transport/common/worker.h"

struct grpc_call;

struct grpc_server {
    struct tp_server base;
    struct grpc_options options;
    nghttp2_session_callbacks *callbacks; /* of every connection's session */
    nghttp2_option *session_options;
};

struct grpc_worker {
    struct tp_worker base;
    struct grpc_call *pool;
    size_t pooled;
    size_t calls; /* that are not in the pool */
};

/* NULL: host->fail() was called. */
struct grpc_server *grpc_server_open(const struct larder_transport_host *host, const struct larder_param_value *params);
void grpc_server_close(struct grpc_server *server);

/* Every worker of this module is one of ours, and so is its server. */
static inline struct grpc_worker *grpc_worker_of(struct tp_worker *worker)
{
    return (struct grpc_worker *)worker;
}

static inline const struct grpc_server *grpc_server_of(const struct tp_worker *worker)
{
    return (const struct grpc_server *)worker->server;
}

#endif
