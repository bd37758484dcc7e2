/* Calls to peers over HTTP/1.1: `POST /v1/peer` with the peer form (peer_form.h) on a pool of kept connections. */
#ifndef TRANSPORT_HTTP_CLIENT_H
#define TRANSPORT_HTTP_CLIENT_H

#include "plugins/transport/common/client.h"

struct http_client_options {
    struct tp_client_options common;
    unsigned peer_connections; /* most connections to one peer, at least 1; they are divided among the loops */
    uint64_t idle_ms;          /* a connection unused for so long is closed: less than what the servers allow */
};

/* To be closed with tp_client_close(). NULL: out of memory, host->fail() was called. */
struct tp_client *http_client_open(const struct http_client_options *options);

#endif
