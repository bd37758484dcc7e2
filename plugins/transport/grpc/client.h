/*
 * Calls to peers over gRPC: as requests of /larder.v1.Peer/Call (call_form.h) on one HTTP/2 connection for each peer and loop.
 */
#ifndef TRANSPORT_GRPC_CLIENT_H
#define TRANSPORT_GRPC_CLIENT_H

#include "plugins/transport/common/client.h"

struct grpc_client_options {
    struct tp_client_options common;
    uint64_t
        ping_interval_ms; /* a peer from which nothing has come for so long, while it owes a reply, is pinged; >= 1 */
    uint64_t ping_timeout_ms; /* a connection whose ping is not answered for so long is given up; at least 1 */
};

/* To be closed with tp_client_close(). NULL: out of memory, host->fail() was called. */
struct tp_client *grpc_client_open(const struct grpc_client_options *options);

#endif
