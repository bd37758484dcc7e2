/*
 * Calls to peers over HTTP/1.1: `POST /v1/peer` with the peer form (peer_form.h) on kept connections.
 *
 * Each peer has a pool of connections, divided among the loops it is given: a call made on one of these loops is written
 * and answered there, without waking another thread; a call from elsewhere is handed to one of them. Nothing here takes a
 * lock on the way of a call.
 */
#ifndef TRANSPORT_HTTP_CLIENT_H
#define TRANSPORT_HTTP_CLIENT_H

#include "larder/plugin/transport.h"
#include "plugins/transport/common/loop.h"

struct http_client; /* owns its peers */
struct http_peer;   /* a member to call */

struct http_client_options {
    const struct larder_host *host; /* must outlive the client, like the loops */
    struct tp_loop *const *loops;   /* whose threads carry the connections; the array is copied */
    size_t loop_count;              /* at least 1 */
    uint64_t connect_timeout_ms;    /* at least 1 */
    unsigned peer_connections;      /* most connections to one peer, at least 1 */
    uint64_t idle_ms;               /* a connection unused for so long is closed: less than what the servers allow */
    uint64_t max_value;             /* most bytes of a value or document that a reply may bring */
};

/* NULL: out of memory, host->fail() was called. */
struct http_client *http_client_open(const struct http_client_options *options);

/*
 * Closes the peers that are still open; pending calls complete with UNAVAILABLE before it returns. Blocks: not on one of
 * the loops, and before these are closed. NULL is fine.
 */
void http_client_close(struct http_client *client);

/*
 * As transport.h has it for peer_open, peer_close and call: the module's table can hand these straight on. The address is
 * HOST:PORT or [IPV6]:PORT; names are looked up when a connection is made, by the runtime's workers.
 */
struct http_peer *http_peer_open(struct http_client *client, const char *address);
void http_peer_close(struct http_peer *peer);
void http_peer_call(struct http_peer *peer, const struct larder_request *request, larder_reply_fn done, void *arg);

#endif
