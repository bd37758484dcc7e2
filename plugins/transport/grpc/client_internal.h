/*
 * The inside of the client: what gRPC adds to the lanes and calls of transport/common.
 *
 *   grpc_client_lane  the connection that takes new calls, and those that only finish what they have
 *     connection        a socket, a session of nghttp2, and its streams
 *       stream            the calls of one turn of the loop, or a large one; it ends when all are answered
 *
 * All of it is touched on the lane's thread only. nghttp2's callbacks never end a connection, since the session is in use
 * further up the stack: they set `failure`, which grpc_client_connection_settle() looks at. Whatever happens ends in that,
 * and then in tp_lane_leave().
 */
#ifndef TRANSPORT_GRPC_CLIENT_INTERNAL_H
#define TRANSPORT_GRPC_CLIENT_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "arena.h"
#include "client.h"
#include "reader.h"

#include "plugins/transport/common/lane.h"
#include "plugins/transport/common/output.h"

#define GRPC_CLIENT_HEADERS 6   /* of every request */
#define GRPC_CLIENT_SCRATCH 768 /* bytes of a call's arena that are part of it */
#define GRPC_CLIENT_SMALL   512 /* bytes of a reply that fit into its call */
#define GRPC_CLIENT_CALLS                                                                                              \
    32 /* of one stream: what it costs is shared, and not much waits for a large reply among them */
#define GRPC_CLIENT_TEXT 256 /* bytes of a text that is kept of a reply's headers, NUL included */

/* Each of these begins with what transport/common has of it. */
struct grpc_client {
    struct tp_client base;
    uint64_t ping_interval_ms, ping_timeout_ms;
};

struct grpc_client_call {
    struct tp_call base;
    struct grpc_client_stream *stream; /* NULL: it has none, or not any more */
    uint32_t number;                   /* among the stream's requests */
    uint64_t given;                    /* when it got its connection */
    char *bytes;                       /* of the reply's message when it is not small; allocated */
    struct grpc_arena arena;           /* of the request's message, then of the reply's */
    /* What follows is not cleared. */
    char scratch[GRPC_CLIENT_SCRATCH];
    char small[GRPC_CLIENT_SMALL];
};

/* Lives as long as nghttp2's, also when no call is left that waits for its reply. */
struct grpc_client_stream {
    TAILQ_ENTRY(grpc_client_stream) link; /* in the connection's list */
    struct grpc_client_connection *connection;
    int32_t id;
    struct tp_calls calls;     /* not answered yet */
    uint32_t count;            /* of its requests, answered or not */
    struct tp_output requests; /* their messages, as far as nghttp2 has not taken them */
    bool begun;                /* its HEADERS are queued, at `start` of the connection's bytes */
    uint64_t start;            /* see `begun` */
    bool responded;            /* the first headers came */
    bool ended;                /* nothing more will come */
    bool cancelled;            /* no more is sent, and nothing that comes is wanted */
    bool closed;               /* nghttp2's is no more */
    struct grpc_reader reader;
    char small[GRPC_CLIENT_SMALL];
};
TAILQ_HEAD(grpc_client_streams, grpc_client_stream);

/* A block of headers while it arrives; the blocks of a connection do not overlap. */
struct grpc_client_block {
    size_t bytes;
    int http_status;                /* 0: there is none */
    int code;                       /* grpc-status; -1: there is none */
    enum larder_status status;      /* larder-status; LARDER_STATUS_COUNT: there is none */
    char type[GRPC_CLIENT_TEXT];    /* content-type */
    char message[GRPC_CLIENT_TEXT]; /* grpc-message */
};

enum grpc_client_state {
    GRPC_CLIENT_DIALLING, /* no socket yet */
    GRPC_CLIENT_GREETING, /* the peer's SETTINGS are still to come */
    GRPC_CLIENT_OPEN,     /* takes calls */
    GRPC_CLIENT_DRAINING  /* finishes the calls it has */
};

struct grpc_client_connection {
    struct grpc_client_lane *lane;
    TAILQ_ENTRY(grpc_client_connection) link; /* in the lane's list */
    enum grpc_client_state state;
    struct tp_dial dial;
    int fd; /* -1: none yet */
    struct event readable, writable;
    struct event timer; /* for the SETTINGS, then for pings */
    bool watched;       /* the timer runs */
    bool heard;         /* something has come since it was started */
    bool pinged;        /* a ping is not answered yet; when the timer runs out, and nothing has come, it is over */
    uint64_t heard_at;  /* when something last came */
    bool served;        /* it has answered a call */
    enum larder_status refusal; /* what calls are told that the peer has not seen: UNAVAILABLE, or BUSY */
    bool scheduled;             /* on_writable() will run in this turn of the loop */
    nghttp2_session *session;
    struct tp_output output;
    uint64_t queued; /* bytes ever put into `output` */
    struct grpc_client_streams streams;
    uint32_t stream_count, call_count; /* calls: that are not answered */
    struct grpc_client_block block;
    char failure[TP_REASON]; /* why it is to be closed; empty: not at all */
};
TAILQ_HEAD(grpc_client_connections, grpc_client_connection);

struct grpc_client_lane {
    struct tp_lane base;
    nghttp2_nv headers[GRPC_CLIENT_HEADERS];
    struct grpc_client_connections connections;
    struct grpc_client_connection *current; /* takes new calls, now or when it is made; NULL: none does */
    uint64_t connect_after;                 /* no new connection before; calls fail with `reason` */
    enum larder_status refusal;             /* status of these calls */
    char reason[TP_REASON];                 /* why the last connection ended that was of no use */
};

static inline const struct grpc_client *grpc_client_of(const struct grpc_client_lane *lane)
{
    return (const struct grpc_client *)lane->base.peer->client;
}

/* client_lane.c: what the protocol does on a lane */

void grpc_client_lane_open(struct tp_lane *lane);
void grpc_client_lane_dispatch(struct tp_lane *lane);
void grpc_client_lane_close(struct tp_lane *lane);
/* Gives the connection, which is open, the calls that wait, as far as it takes them. */
void grpc_client_lane_fill(struct grpc_client_connection *connection);
/* The connection takes no calls any more. */
void grpc_client_lane_retire(struct grpc_client_connection *connection, const char *reason);

/* client_connection.c */

/* Begins to connect. NULL: out of memory. */
struct grpc_client_connection *grpc_client_connection_new(struct grpc_client_lane *lane);
/* The peer's SETTINGS have come. */
void grpc_client_connection_greeted(struct grpc_client_connection *connection);
/* A call was made: from now on it is looked whether the peer still answers. */
void grpc_client_connection_watch(struct grpc_client_connection *connection);
/* A call that was given to it then got no answer in time: the peer is pinged at once, and if nothing has come since, new calls go to
   another connection. */
void grpc_client_connection_doubt(struct grpc_client_connection *connection, uint64_t given);
/* A ping was answered. */
void grpc_client_connection_ponged(struct grpc_client_connection *connection);
/* What is to be sent is written when this turn of the loop is over, in one piece. */
void grpc_client_connection_schedule(struct grpc_client_connection *connection);
/* Gives a reason to close; the first one counts. */
void grpc_client_connection_fail(struct grpc_client_connection *connection, const char *reason);
/* Closes it if there is a reason to, or nothing left to do. */
void grpc_client_connection_settle(struct grpc_client_connection *connection);
/* Fails all its calls. */
void grpc_client_connection_close(struct grpc_client_connection *connection, const char *reason);

/* client_session.c */

/* A session, with its SETTINGS ready to be sent. NULL: out of memory. */
nghttp2_session *grpc_client_session_new(struct grpc_client_connection *connection);

/* client_stream.c: calls on their way as a stream, and their requests */

/* A stream for calls that wait, which are not none, and at most `most`. */
void grpc_client_stream_open(struct grpc_client_connection *connection, uint32_t most);
/* Puts bytes of the requests, with the head of their frame, into the connection's output. */
bool grpc_client_stream_send(struct grpc_client_stream *stream, const void *frame_head, size_t size);
/* The call, whose completion is queued, leaves its stream. When that was the last one, and it was not `answered`, the stream is
   cancelled. */
void grpc_client_stream_leave(struct grpc_client_call *call, bool answered);
/* Fails all its calls that are not answered. */
void grpc_client_stream_fail(struct grpc_client_stream *stream, enum larder_status status, uint32_t flags,
                             const char *reason);
/* Its connection ends, of which so many bytes have left: fails its calls, and frees it. */
void grpc_client_stream_lost(struct grpc_client_stream *stream, uint64_t written, const char *text);
/* nghttp2's stream is no more: frees it, which has no calls. */
void grpc_client_stream_free(struct grpc_client_stream *stream);
/* As struct tp_client_protocol has them. */
void grpc_client_stream_expired(struct tp_call *call);
void grpc_client_stream_forget(struct tp_call *call);

/* client_reply.c: what arrives on a stream; each of these may end calls */

void grpc_client_reply_headers(struct grpc_client_stream *stream, const struct grpc_client_block *block);
void grpc_client_reply_data(struct grpc_client_stream *stream, struct larder_slice data);
/* The peer has said all without trailers, or the stream was closed with an error. */
void grpc_client_reply_end(struct grpc_client_stream *stream, uint32_t error);

/* client_block.c */

/* Forgets the block before. */
void grpc_client_block_begin(struct grpc_client_block *block);
/* False: there are too many headers. */
bool grpc_client_block_add(struct grpc_client_block *block, struct larder_slice name, struct larder_slice value);

#endif
