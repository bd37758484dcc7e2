/*
 * The inside of the client.
 *
 *   http_client  owns its peers
 *     http_peer    an address, and one lane for each loop that carries connections to it
 *       lane         the pool of connections on one loop: calls that wait, connections that are idle, busy or being made
 *         connection   a socket and the pipeline of calls whose replies are still to come
 *           call         one request and its completion
 *
 * A lane and all below it are touched on its loop's thread only. Whatever happens there ends in
 * http_client_lane_leave(), which gives waiting calls to connections and only then runs completions: a completion may call
 * again, and finds everything in order.
 */
#ifndef TRANSPORT_HTTP_CLIENT_INTERNAL_H
#define TRANSPORT_HTTP_CLIENT_INTERNAL_H

#include "client.h"
#include "peer_form.h"
#include "plugins/transport/common/output.h"

#include <event2/event_struct.h>
#include <llhttp/llhttp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define HTTP_CLIENT_ADDRESS_MAX 263 /* bytes: a name of 255, brackets or none, a port */
#define HTTP_CLIENT_ADDRESSES   8   /* of one name, tried in order */
#define HTTP_CLIENT_HEAD_MAX    512 /* bytes of a request's head without its Content-Length */
#define HTTP_CLIENT_TEXT        512 /* bytes of a failure's text, NUL included */

/* The struct that holds the member a pointer points at. */
#define HTTP_CLIENT_OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Where a peer is. */
struct http_client_address {
    char text[HTTP_CLIENT_ADDRESS_MAX + 1]; /* as given, for messages and the Host header */
    char host[256];                         /* without brackets */
    char port[6];
    bool numeric; /* nothing has to be looked up */
};

struct http_client_addresses {
    size_t count;
    struct {
        struct sockaddr_storage place;
        socklen_t size;
    } at[HTTP_CLIENT_ADDRESSES];
};

struct http_client_call {
    struct tp_task task; /* on its way to a lane of another thread */
    struct http_client_lane *lane;
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
    struct http_client_connection *connection;   /* NULL: it waits in the lane */
    TAILQ_ENTRY(http_client_call) place;         /* among those that wait, or in a pipeline */
    TAILQ_ENTRY(http_client_call) finished_link; /* among those whose completion is to be called */
    unsigned holders;                            /* of these two lists */
    uint64_t number;                             /* counts the lane's calls */
    uint64_t start, end;                         /* where its bytes lie in the connection's stream */
    struct event timer; /* its deadline; once that has passed, how long the connection may owe the reply */
    bool answered;      /* `reply` is set; when in a pipeline, the reply that comes is dropped */
    struct larder_reply reply;
    void *body; /* what `reply` points into, freed after the completion; NULL: nothing */
};
TAILQ_HEAD(http_client_calls, http_client_call);

struct http_client_connection {
    struct http_client_lane *lane;
    TAILQ_ENTRY(http_client_connection) link; /* in the lane's idle, busy or connecting */
    struct http_client_connections *list;     /* which of them */
    int fd;                                   /* -1: none yet */
    struct event readable, writable;
    size_t address;      /* while connecting: the one that is tried */
    uint64_t connect_by; /* point of the runtime's clock */
    uint64_t number;     /* of the newest call that waited when connecting began */
    uint64_t idle_since; /* point of the runtime's clock */
    struct tp_output output;
    uint64_t queued; /* bytes ever put into `output` */
    struct http_client_calls pipeline;
    unsigned depth; /* calls in `pipeline` */
    /* The reply that is arriving. */
    llhttp_t parser;
    size_t head_bytes, headers;
    unsigned char *body; /* NULL: none, or nobody wants it */
    size_t body_size, body_filled;
    enum larder_status refusal;     /* what the calls of a connection that `failure` closes are told */
    bool closing;                   /* the peer announced that it closes, or its answer made no sense */
    char failure[HTTP_CLIENT_TEXT]; /* why it is to be closed; empty: not at all */
};
TAILQ_HEAD(http_client_connections, http_client_connection);

struct http_client_lane {
    struct http_peer *peer;
    struct tp_loop *loop;
    unsigned limit;  /* connections */
    unsigned number; /* of this lane among the peer's */
    struct tp_task close_task;
    struct http_client_calls waiting, finished;
    size_t waiting_count;
    uint64_t calls; /* ever submitted */
    struct http_client_connections idle, busy, connecting;
    unsigned idle_count, busy_count, connecting_count;
    atomic_uint carried;    /* calls that are not answered; read by other lanes, written on the loop's thread */
    uint64_t connect_after; /* no further connection before, when some are open and the last could not be made */
    struct event sweep;     /* closes connections that were idle for long */
    bool leaving;           /* completions are being run further up the stack */
    bool closed;
    struct http_client_addresses addresses; /* count 0: to be looked up */
    struct larder_task resolve_task;        /* on a worker */
    struct tp_task resolved_task;           /* on its way back */
    struct http_client_addresses found;     /* the worker's result */
    int resolve_error;                      /* of getaddrinfo() */
    bool resolving;
};

struct http_peer {
    struct http_client *client;
    TAILQ_ENTRY(http_peer) link; /* among the open peers; guarded by the client's lock */
    struct http_client_address address;
    char head[HTTP_CLIENT_HEAD_MAX]; /* of every request, up to the number behind "Content-Length: " */
    size_t head_size;
    atomic_uint turn;    /* spreads calls from outside over the lanes */
    atomic_uint holders; /* the lanes that are open, and calls on their way from one to another */
    unsigned lane_count;
    struct http_client_lane lanes[];
};
TAILQ_HEAD(http_peers, http_peer);

struct http_client {
    struct http_client_options options;
    const struct larder_runtime *runtime;
    pthread_mutex_t lock; /* guards the following; no other lock is taken and nothing is called under it */
    pthread_cond_t gone;  /* a peer was freed */
    struct http_peers peers;
    size_t peer_count; /* open or still closing */
    struct tp_loop *loops[];
};

/* client.c */

/* Keeps the peer's memory; the last who releases it frees it. */
void http_client_peer_hold(struct http_peer *peer);
void http_client_peer_release(struct http_peer *peer);

/* client_address.c */

/* False, with the reason in `reason` (of HTTP_CLIENT_TEXT bytes), when the text is no address. */
bool http_client_address_parse(const char *text, struct http_client_address *address, char *reason);

/* 0, or the error of getaddrinfo(). Blocks unless the address is numeric. */
int http_client_address_resolve(const struct http_client_address *address, struct http_client_addresses *found);

/* client_lane.c */

void http_client_lane_open(struct http_client_lane *lane);
/* Hands a call over from another thread. */
void http_client_lane_post(struct http_client_lane *lane, struct http_client_call *call);
/* The same on the lane's own thread. */
void http_client_lane_submit(struct http_client_lane *lane, struct http_client_call *call);
/* Gives waiting calls to connections and runs completions; ends whatever happened on the loop's thread. */
void http_client_lane_leave(struct http_client_lane *lane);
/* Puts a connection into one of the lane's lists; NULL: into none. */
void http_client_lane_list(struct http_client_connection *connection, struct http_client_connections *list);
/* A connection could not be made and is gone; `number` is its own. */
void http_client_lane_connect_failed(struct http_client_lane *lane, uint64_t number, const char *reason);

/* client_call.c */

/* Sets the reply of a call that failed and queues its completion. */
void http_client_call_fail(struct http_client_call *call, enum larder_status status, uint32_t flags, const char *text);
/* Queues the completion of a call whose reply is set. */
void http_client_call_finish(struct http_client_call *call);
/* One of the lists lets go of the call. */
void http_client_call_release(struct http_client_call *call);
/* Starts the timer of the call's deadline; false: it has passed, the call has failed. */
bool http_client_call_arm(struct http_client_call *call);
/* The call, which is answered, is now the first of its pipeline: the reply has to come soon. */
void http_client_call_expect(struct http_client_call *call);

/* client_connection.c */

/* Begins to connect; tells the lane when that fails at once. */
void http_client_connection_open(struct http_client_lane *lane);
/* Writes the call's request and puts it at the end of the pipeline. */
void http_client_connection_send(struct http_client_connection *connection, struct http_client_call *call);
/* Whether all bytes of the call have left. */
bool http_client_connection_has_written(const struct http_client_connection *connection,
                                        const struct http_client_call *call);
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
