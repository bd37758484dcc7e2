/* A connection: bytes to exchanges, and answers, in order, to bytes. */
#ifndef TRANSPORT_HTTP_CONNECTION_H
#define TRANSPORT_HTTP_CONNECTION_H

#include "exchange.h"
#include "plugins/transport/common/connection.h"
#include "repeat.h"
#include "server.h"

struct http_chunks;

enum http_phase {
    HTTP_PHASE_HEAD,   /* waits for a request, or is inside of its head */
    HTTP_PHASE_LENGTH, /* inside a body whose length is known */
    HTTP_PHASE_CHUNKS, /* inside a body in chunks */
    HTTP_PHASE_TURN,   /* a complete request waits until those before it are answered */
    HTTP_PHASE_END     /* no more requests: what is queued is answered, then it closes */
};

struct http_connection {
    struct tp_connection base;
    enum http_phase phase;
    bool end_seen;                      /* the client will send no more */
    bool continue_due;                  /* 100 Continue is to be sent before the body */
    bool blank_skipped;                 /* an empty line before the request */
    bool reset;                         /* broken: closes without a word */
    uint64_t began;                     /* when the phase under way began */
    struct http_exchange *first, *last; /* submitted or refused: answered in this order */
    size_t queued;                      /* of them */
    size_t held;                        /* bytes of their replies that wait for an earlier one */
    struct http_exchange *current;      /* whose body arrives, or which waits for its turn */
    size_t body_size, body_got, body_capacity;
    struct http_chunks *chunks;
    struct http_scan scan;
    struct http_repeat repeat;
    char *in; /* bytes that arrived and were not used yet; NULL when there are none */
    size_t in_size, in_capacity;
};

/* The protocol's callbacks; settling is in settle.c. */
bool http_connection_opened(struct tp_connection *connection);
void http_connection_closed(struct tp_connection *connection);
void http_connection_read(struct tp_connection *connection);
void http_connection_settle(struct tp_connection *connection);
void http_connection_expire(struct tp_connection *connection);
void http_connection_drain(struct tp_connection *connection);

/* Keeps bytes that were not used yet. */
void http_connection_keep(struct http_connection *connection, const char *data, size_t size);

/* Uses up what can be used, and keeps the rest. */
void http_connection_use(struct http_connection *connection, const char *data, size_t size);

/* The server drains, and no request has begun to arrive that is not queued yet. In settle.c. */
bool http_connection_drains(const struct http_connection *connection);

/* An exchange of this connection is answered. In settle.c. */
void http_connection_answered(struct http_connection *connection, const struct http_exchange *exchange);

/* Uses up bytes as requests and parts of requests; returns how many. In request.c. */
size_t http_connection_consume(struct http_connection *connection, const char *data, size_t size);

/* Submits the request that waits for its turn, when it has come. In request.c. */
void http_connection_turn(struct http_connection *connection);

/* Whether another request may begin. In request.c. */
bool http_connection_open_for_more(const struct http_connection *connection);

/* Ends with a refusal, after the answers that are due. In request.c. */
void http_connection_refuse(struct http_connection *connection, int status, const char *detail);

/* Takes `got` more bytes of body that were read to where http_connection_body_room() said. In request.c. */
void http_connection_body_took(struct http_connection *connection, size_t got);

/* Where the rest of a body may be read to. NULL: there is no memory, the request is refused. In request.c. */
char *http_connection_body_room(struct http_connection *connection, size_t *room);

#endif
