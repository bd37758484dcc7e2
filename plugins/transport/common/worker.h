/* A worker: one loop with its listener, its connections and what they share. Everything runs on the loop's thread. */
#ifndef TRANSPORT_COMMON_WORKER_H
#define TRANSPORT_COMMON_WORKER_H

#include <event2/event.h>
#include <sys/queue.h>

#include "server.h"

#define TP_READ_SIZE 65536 /* bytes asked of a socket at a time */

LIST_HEAD(tp_connections, tp_connection);

/* Lies at the beginning of the protocol's worker. */
struct tp_worker {
    struct tp_server *server;
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
    struct tp_connections connections, ready;
    /* Answers of the node, by status. Written by this thread alone, read by any. */
    atomic_uint_fast64_t answered[LARDER_STATUS_COUNT];
    size_t outstanding;         /* submitted and not completed */
    uint64_t now;               /* the runtime's clock when the loop last looked */
    char scratch[TP_READ_SIZE]; /* for whoever reads, until it returns */
};

/* Starts the thread. NULL: errno tells why. */
struct tp_worker *tp_worker_open(struct tp_server *server);

/*
 * Each of these has the worker's thread do something and counts server->busy_workers down when it is done:
 * accept from worker->listener (worker->started tells how that went);
 */
void tp_worker_listen(struct tp_worker *worker);
/* stop accepting and close what is idle (the rest closes with its next answer); */
void tp_worker_drain(struct tp_worker *worker);
/* close the listener and all connections, and see the completions that are outstanding. */
void tp_worker_stop(struct tp_worker *worker);

/* Stops and joins the thread, after tp_worker_stop(), and frees the worker. */
void tp_worker_close(struct tp_worker *worker);

/* Callbacks of `accept_event` and `pause_event`. In accept.c. */
void tp_worker_on_accept(evutil_socket_t listener, short what, void *worker);
void tp_worker_on_pause_over(evutil_socket_t fd, short what, void *worker);

/* A file descriptor to keep for bad times. -1: there is none. In accept.c. */
int tp_reserve_open(void);

/* Counts an answer of the node. */
void tp_worker_count(struct tp_worker *worker, enum larder_status status);

/* Something outstanding has come back; its struct may be gone. */
void tp_worker_came_back(struct tp_worker *worker);

/* Reads the clock into worker->now. */
uint64_t tp_worker_now(struct tp_worker *worker);

/* Has the connection settled soon. */
void tp_worker_schedule(struct tp_worker *worker, struct tp_connection *connection);

#endif
