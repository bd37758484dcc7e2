/*
 * A transport module: a door for clients and peers, and the way to call peers.
 *
 * It translates between a wire and `struct larder_request` / `struct larder_reply` and does nothing else. A transport
 * runs its own threads. The contract matches exactly until 1.0: module and host are built from the same headers.
 */
#ifndef LARDER_PLUGIN_TRANSPORT_H
#define LARDER_PLUGIN_TRANSPORT_H

#include "request.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_TRANSPORT_ABI 2

/* What a node offers to a transport. The struct lives until close() has returned. */
struct larder_transport_host {
    struct larder_host base;
    /* Executes a request; see larder_reply_fn. Also after drain() has begun: it then answers UNAVAILABLE. */
    void (*submit)(const struct larder_transport_host *host, const struct larder_request *request, larder_reply_fn done,
                   void *arg);
    /* Most bytes of a value that the group takes now, so that more is refused before it is buffered; 0: no such group here.
       Any thread. */
    uint64_t (*value_limit)(const struct larder_transport_host *host, struct larder_slice group);
    uint64_t request_timeout_ms; /* deadline of a request whose client names none */
    uint64_t max_value;          /* most bytes of a value that any group of this node may ever take */
};

struct larder_transport_stats {
    uint64_t connections;                   /* gauge: open now, from clients and peers */
    uint64_t connections_accepted;          /* since the start */
    uint64_t connections_refused;           /* over the limit, or no file descriptor was free */
    uint64_t requests_refused;              /* malformed or over a limit: answered by the transport itself */
    uint64_t requests[LARDER_STATUS_COUNT]; /* answered, by status */
};

struct larder_transport {
    struct larder_plugin head;
    /* Required. `params` follow the module's table. NULL: host->base.fail() was called with the reason. */
    void *(*open)(const struct larder_transport_host *host, const struct larder_param_value *params);
    /* Required. Binds and begins to accept. Not called when the transport is only used to call peers. */
    enum larder_status (*listen)(void *state);
    /* Required. Writes the address bound, "127.0.0.1:8001", NUL-terminated; empty before listen(). */
    void (*address)(void *state, char *buffer, size_t capacity);
    /*
     * Required. Stops accepting, tells peers and clients, lets requests under way finish until `deadline`, and returns
     * when none is left or the deadline has passed (0: at once). Blocks. Calls to peers still work. A node calls it twice:
     * to have everybody told at all its transports, and to wait.
     */
    void (*drain)(void *state, uint64_t deadline);
    /* Required. Closes everything; pending calls complete with UNAVAILABLE before it returns. NULL state is fine. */
    void (*close)(void *state);
    /*
     * Required. A handle for calls to the peer at `address`; does no I/O and looks up nothing yet. NULL: fail() was
     * called (an address that makes no sense). Connections are kept and used again.
     */
    void *(*peer_open)(void *state, const char *address);
    /* Required. Pending calls complete with UNAVAILABLE, possibly before it returns. NULL is fine. */
    void (*peer_close)(void *peer);
    /*
     * Required. Sends the request to the peer and completes with its reply: UNAVAILABLE when it cannot be reached or
     * breaks off (with LARDER_REPLY_NOT_SENT when it cannot have seen the request), DEADLINE at request->deadline at the
     * latest. Many calls at a time; one that waits long must not hold up the others, as long as no more wait than the transport's
     * options allow to one peer.
     */
    void (*call)(void *peer, const struct larder_request *request, larder_reply_fn done, void *arg);
    /* Required. Any thread. */
    void (*stats)(void *state, struct larder_transport_stats *stats);
};

#define LARDER_TRANSPORT(name, help, params, ...)                                                                      \
    LARDER_PLUGIN_DEFINE(struct larder_transport, LARDER_PLUGIN_TRANSPORT, LARDER_TRANSPORT_ABI, name, help, params,   \
                         __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
