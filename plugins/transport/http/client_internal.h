/*
 * The inside of the client: what HTTP adds to the lanes and calls of transport/common.
 *
 *   http_client_lane  the pool of connections on one loop: those that are idle, busy or being made
 *     connection        a socket and the pipeline of calls whose replies are still to come
 *
 * All of it is touched on the lane's thread only, and whatever happens there ends in tp_lane_leave().
 */
#ifndef TRANSPORT_HTTP_CLIENT_INTERNAL_H
#define TRANSPORT_HTTP_CLIENT_INTERNAL_H

#include "client.h"
#include "peer_form.h"
#include "plugins/transport/common/lane.h"
#include "plugins/transport/common/output.h"

#include <llhttp/llhttp.h>

#define HTTP_CLIENT_HEAD_MAX 512 /* bytes of a request's head without its Content-Length */

/* Each of these begins with what transport/common has of it. */
struct http_client {
    struct tp_client base;
    unsigned peer_connections;
    uint64_t idle_ms;
};

struct http_client_call {
    struct tp_call base;
    struct http_client_connection *connection; /* NULL: it waits in the lane, or its connection is gone */
    uint64_t start, end;                       /* where its bytes lie in the connection's stream */
    uint64_t heard;                            /* the lane's when it was sent */
};

struct http_client_connection {
    struct http_client_lane *lane;
    TAILQ_ENTRY(http_client_connection) link; /* in the lane's idle, busy or connecting */
    struct http_client_connections *list;     /* which of them */
    struct tp_dial dial;
    int fd; /* -1: none yet */
    struct event readable, writable;
    struct event overdue; /* how long the connection may owe a reply that nobody waits for */
    uint64_t number;      /* of the newest call that waited when connecting began */
    uint64_t idle_since;  /* point of the runtime's clock */
    struct tp_output output;
    uint64_t queued; /* bytes ever put into `output` */
    struct tp_calls pipeline;
    unsigned depth; /* calls in `pipeline` */
    /* The reply that is arriving. */
    llhttp_t parser;
    size_t head_bytes, headers;
    unsigned char *body; /* NULL: none, or nobody wants it */
    size_t body_size, body_filled;
    enum larder_status refusal; /* what the calls of a connection that `failure` closes are told */
    char failure[TP_REASON];    /* why it is to be closed; empty: not at all */
};
TAILQ_HEAD(http_client_connections, http_client_connection);

struct http_client_lane {
    struct tp_lane base;
    char head[HTTP_CLIENT_HEAD_MAX]; /* of every request, up to the number behind "Content-Length: " */
    size_t head_size;
    unsigned limit; /* connections */
    struct http_client_connections idle, busy, connecting;
    unsigned idle_count, busy_count, connecting_count;
    uint64_t connect_after; /* no further connection before, when some are open and the last could not be made */
    struct event sweep;     /* closes connections that were idle for long */
    uint64_t heard;         /* so often something has come from the peer */
};

static inline const struct http_client *http_client_of(const struct http_client_lane *lane)
{
    return (const struct http_client *)lane->base.peer->client;
}

static inline uint64_t http_client_now(const struct http_client_lane *lane)
{
    return larder_now(lane->base.peer->client->runtime);
}

/* client_pool.c: what the protocol does on a lane */

void http_client_lane_open(struct tp_lane *lane);
void http_client_lane_dispatch(struct tp_lane *lane);
void http_client_lane_close(struct tp_lane *lane);
/* A lane with room while this one has none: a call that waits long must not hold up others. NULL: there is none. */
struct tp_lane *http_client_lane_other(struct tp_lane *lane);
/* Puts a connection into one of the lane's lists; NULL: into none. */
void http_client_lane_list(struct http_client_connection *connection, struct http_client_connections *list);
/*
 * Closes what has been idle since a point of time or before: a connection of which more was known did not bring an answer. All
 * of them lead nowhere when the peer's machine is gone, and each one would cost a call to find out.
 */
void http_client_lane_doubt(struct http_client_lane *lane, uint64_t since);
/* A connection could not be made and is gone; `number` is its own. */
void http_client_lane_connect_failed(struct http_client_lane *lane, uint64_t number, const char *reason);

/* client_connection.c */

/* Begins to connect; tells the lane when that fails at once. */
void http_client_connection_open(struct http_client_lane *lane);
/* Writes the call's request and puts it at the end of the pipeline. */
void http_client_connection_send(struct http_client_connection *connection, struct http_client_call *call);
/* Whether all bytes of the call have left. */
bool http_client_connection_has_written(const struct http_client_connection *connection,
                                        const struct http_client_call *call);
/* The call whose reply comes next; NULL: there is none. */
struct http_client_call *http_client_connection_first(const struct http_client_connection *connection);
/* The first call, which is answered, gets its reply soon, or the connection is closed. */
void http_client_connection_expect(struct http_client_connection *connection);
/* The deadline of a call has passed that the connection has; it is answered. */
void http_client_connection_expired(struct tp_call *call);
/* Fails all calls in the pipeline. */
void http_client_connection_close(struct http_client_connection *connection, enum larder_status status,
                                  const char *reason);

/* client_reply.c */

void http_client_reply_init(struct http_client_connection *connection);
/* Reads what arrived. False: the connection must be closed, `failure` tells why. */
bool http_client_reply_take(struct http_client_connection *connection, const void *data, size_t size);
/* Where the rest of a large body may be read to directly, and then be handed to http_client_reply_take(). */
size_t http_client_reply_room(const struct http_client_connection *connection, unsigned char **room);

#endif
