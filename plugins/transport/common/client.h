/*
 * Calls to peers, as far as they are the same over every transport.
 *
 * A peer has a lane on each loop it is given: a call made on one of these loops stays there, without waking another
 * thread; a call from elsewhere is handed to one of them. Nothing here takes a lock on the way of a call. What a protocol
 * adds, its connections, is told in lane.h.
 */
#ifndef TRANSPORT_COMMON_CLIENT_H
#define TRANSPORT_COMMON_CLIENT_H

#include "larder/plugin/transport.h"
#include "loop.h"

struct tp_client; /* owns its peers; made by the client of a protocol */
struct tp_peer;   /* a member to call */

struct tp_client_options {
    const struct larder_host *host; /* must outlive the client, like the loops and their array */
    struct tp_loop *const *loops;   /* whose threads carry the connections */
    size_t loop_count;              /* at least 1 */
    uint64_t connect_timeout_ms;    /* at least 1 */
    uint64_t max_value;             /* most bytes of a value or document that a reply may bring */
};

/*
 * Closes the peers that are still open; pending calls complete with UNAVAILABLE before it returns. Blocks: not on one of
 * the loops, and before these are closed. NULL is fine.
 */
void tp_client_close(struct tp_client *client);

/*
 * As transport.h has it for peer_open, peer_close and call: a module's table can hand these straight on. The address is
 * HOST:PORT or [IPV6]:PORT; names are looked up when a connection is made, by the runtime's workers.
 */
struct tp_peer *tp_peer_open(struct tp_client *client, const char *address);
void tp_peer_close(struct tp_peer *peer);
void tp_peer_call(struct tp_peer *peer, const struct larder_request *request, larder_reply_fn done, void *arg);

#endif
