/* A connection: bytes to exchanges, and answers, in order, to bytes. */
#ifndef TRANSPORT_HTTP_CONNECTION_H
#define TRANSPORT_HTTP_CONNECTION_H

#include <event2/event_struct.h>

#include "exchange.h"
#include "plugins/transport/common/output.h"
#include "worker.h"

struct http_chunks;

enum http_phase {
    HTTP_PHASE_HEAD,   /* waits for a request, or is inside of its head */
    HTTP_PHASE_LENGTH, /* inside a body whose length is known */
    HTTP_PHASE_CHUNKS, /* inside a body in chunks */
    HTTP_PHASE_TURN,   /* a complete request waits until those before it are answered */
    HTTP_PHASE_END     /* no more requests: what is queued is answered, then it closes */
};

struct http_connection {
    LIST_ENTRY(http_connection) link;  /* all of the worker */
    LIST_ENTRY(http_connection) ready; /* when `scheduled` */
    struct http_worker *worker;
    struct event read_event, write_event;
    int fd;
    enum http_phase phase;
    bool scheduled, reading, writing;
    bool end_seen;      /* the client will send no more */
    bool lingering;     /* all is said: reads and drops until the client closes, so that the last answer is not lost */
    bool continue_due;  /* 100 Continue is to be sent before the body */
    bool blank_skipped; /* an empty line before the request */
    bool reset;         /* broken: closes without a word */
    uint64_t deadline;  /* LARDER_NEVER: none */
    uint64_t began;     /* when the phase under way began */
    uint64_t active;    /* when bytes last moved */
    uint64_t read_on;   /* when the client last took bytes that wait for it, or they began to wait */
    struct tp_output output;
    struct http_exchange *first, *last; /* submitted or refused: answered in this order */
    size_t queued;                      /* of them */
    size_t held;                        /* bytes of their replies that wait for an earlier one */
    struct http_exchange *current;      /* whose body arrives, or which waits for its turn */
    size_t body_size, body_got, body_capacity;
    struct http_chunks *chunks;
    struct http_scan scan;
    char *in; /* bytes that arrived and were not used yet; NULL when there are none */
    size_t in_size, in_capacity;
};

/* Takes over the socket, also when it fails. */
void http_connection_open(struct http_worker *worker, int fd);

/* Drops the connection at once. Exchanges that are submitted go on without it. */
void http_connection_close(struct http_connection *connection);

/* Keeps bytes that were not used yet. */
void http_connection_keep(struct http_connection *connection, const char *data, size_t size);

/* Uses up what can be used, and keeps the rest. */
void http_connection_use(struct http_connection *connection, const char *data, size_t size);

/* Adds or removes the event. In settle.c, like the next two. */
void http_connection_watch(struct event *event, bool wanted, bool *watched);

/* The server drains, and no request has begun to arrive that is not queued yet. */
bool http_connection_drains(const struct http_connection *connection);

/* Writes what is answered, goes on with what waited, and closes when all is done. May free the connection. */
void http_connection_settle(struct http_connection *connection);

/* An exchange of this connection is answered. In settle.c. */
void http_connection_answered(struct http_connection *connection, const struct http_exchange *exchange);

/* The time now is `worker->now`: closes or refuses when it is over for the connection. May free it. */
void http_connection_expire(struct http_connection *connection);

/* The server drains. May free the connection. */
void http_connection_drain(struct http_connection *connection);

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
