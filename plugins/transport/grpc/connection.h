/* A connection: bytes to frames to calls, by nghttp2, and back. */
#ifndef TRANSPORT_GRPC_CONNECTION_H
#define TRANSPORT_GRPC_CONNECTION_H

#include "call.h"
#include "plugins/transport/common/connection.h"

/* How far the end has come. */
enum grpc_goodbye {
    GRPC_GOODBYE_NONE,
    GRPC_GOODBYE_NOTICED, /* GOAWAY without a last stream is sent, and a ping: what is on its way is still taken */
    GRPC_GOODBYE_FINAL    /* GOAWAY is sent: when the calls are answered, it closes */
};

struct grpc_connection {
    struct tp_connection base;
    nghttp2_session *session;
    struct event look_event; /* at `look_at` */
    uint64_t look_at;        /* when a call is due, at the earliest; LARDER_NEVER: none is */
    bool looking;            /* the event waits */
    struct grpc_calls calls;
    size_t call_count;
    size_t stream_count;       /* calls whose stream is open: others are still at the node */
    struct grpc_queue waiting; /* calls in their phase WAITING, oldest first */
    size_t held;               /* bytes of answers that nghttp2 has not taken yet */
    enum grpc_goodbye goodbye;
    bool greeted;     /* the client has sent its SETTINGS */
    bool pinged;      /* and no answer has come */
    bool end_seen;    /* the client will send no more */
    bool broken;      /* closes without a word */
    bool rude;        /* closes when the GOAWAY is written */
    uint64_t heard;   /* when the client last sent something */
    uint64_t idle;    /* since when there are no calls */
    uint64_t noticed; /* when GRPC_GOODBYE_NOTICED began, or the ping was sent */
    double calm;      /* frames that bring nothing and are still forgiven */
    uint64_t calmed;  /* when that was last reckoned */
};

/* The protocol's callbacks; see server.h. */
bool grpc_connection_opened(struct tp_connection *connection);
void grpc_connection_closed(struct tp_connection *connection);
void grpc_connection_read(struct tp_connection *connection);
void grpc_connection_settle(struct tp_connection *connection);
void grpc_connection_expire(struct tp_connection *connection);
void grpc_connection_drain(struct tp_connection *connection);

/* Whether a further call may be submitted: not too much waits to be sent. */
bool grpc_connection_has_room(const struct grpc_connection *connection);

/* Has grpc_call_look() called for all calls that are due, at `due` at the latest. */
void grpc_connection_look_at(struct grpc_connection *connection, uint64_t due);

/* A round trip is over since GRPC_GOODBYE_NOTICED: says which calls are still taken. */
void grpc_connection_part(struct grpc_connection *connection);

/* The client sent what brings nothing `count` times; negative: it brought something. False: it is too much. */
bool grpc_connection_keeps_calm(struct grpc_connection *connection, double count);

/* The session's callbacks and options, for all connections. False: no memory. In session.c. */
bool grpc_session_prepare(struct grpc_server *server);
void grpc_session_forget(struct grpc_server *server);

#endif
