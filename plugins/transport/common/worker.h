/* A worker: one loop with its listener, its connections and what they share. Everything runs on the loop's thread. */
#ifndef TRANSPORT_HTTP_WORKER_H
#define TRANSPORT_HTTP_WORKER_H

#include <event2/event.h>
#include <sys/queue.h>

#include "server.h"

#define HTTP_READ_SIZE 65536 /* bytes asked of a socket at a time */

struct http_connection;
struct http_exchange;
LIST_HEAD(http_connections, http_connection);

struct http_worker {
    struct http_server *server;
    struct tp_loop *loop;
    struct tp_task task; /* listen, drain or close: one at a time */
    enum larder_status started;
    struct event *accept_event; /* NULL: not listening */
    struct event *pause_event;  /* ends a pause of accepting */
    struct event *tick_event;   /* looks for connections whose time has passed */
    struct event *ready_event;  /* runs the connections in `ready` */
    int listener;               /* -1: none; the worker's */
    int reserve;                /* a file descriptor to give up when none is left; -1: none */
    bool closing;
    struct http_connections connections, ready;
    struct http_exchange *pool;
    size_t pooled;
    /* Answers of the node, by status. Written by this thread alone, read by any. */
    atomic_uint_fast64_t answered[LARDER_STATUS_COUNT];
    size_t outstanding;  /* submitted and not completed */
    uint64_t now;        /* the runtime's clock when the loop last looked */
    uint64_t date_until; /* `date` holds until then, on the runtime's clock */
    char date[29];       /* "Fri, 20 Nov 2026 10:00:00 GMT" */
    char scratch[HTTP_READ_SIZE];
};

/* Starts the thread. False: errno tells why. */
bool http_worker_open(struct http_worker *worker, struct http_server *server);

/*
 * Each of these has the worker's thread do something and counts server->busy_workers down when it is done:
 * accept from worker->listener (worker->started tells how that went);
 */
void http_worker_listen(struct http_worker *worker);
/* stop accepting and close what is idle (the rest closes with its next answer); */
void http_worker_drain(struct http_worker *worker);
/* close the listener and all connections, and see the completions that are outstanding. */
void http_worker_stop(struct http_worker *worker);

/* Stops and joins the thread, after http_worker_stop(). A worker that was not opened is fine. */
void http_worker_close(struct http_worker *worker);

/* Callbacks of `accept_event` and `pause_event`. In accept.c. */
void http_worker_on_accept(evutil_socket_t listener, short what, void *worker);
void http_worker_on_pause_over(evutil_socket_t fd, short what, void *worker);

/* A file descriptor to keep for bad times. -1: there is none. In accept.c. */
int http_reserve_open(void);

/* Counts an answer. */
void http_worker_count(struct http_worker *worker, enum larder_status status);

/* An exchange of a connection that is gone has been completed. */
void http_worker_orphan_done(struct http_worker *worker);

/* Reads the clock into worker->now. */
uint64_t http_worker_now(struct http_worker *worker);

/* The current date, 29 bytes, for the Date field. */
const char *http_worker_date(struct http_worker *worker);

/* Has http_connection_settle() called soon for the connection. */
void http_worker_schedule(struct http_worker *worker, struct http_connection *connection);

#endif
