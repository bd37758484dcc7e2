/* The server: its workers, what they share, and how it is drained. */
#ifndef TRANSPORT_HTTP_SERVER_H
#define TRANSPORT_HTTP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "larder/plugin/transport.h"
#include "options.h"
#include "plugins/transport/common/loop.h"

struct http_worker;

struct http_server {
    const struct larder_transport_host *host;
    struct http_options options;
    struct http_worker *workers; /* options.workers of them */
    struct tp_loop **loops;      /* theirs, for the client */
    char address[64];            /* bound; empty before listen() */
    pthread_mutex_t lock;        /* guards nothing but the wait for `changed` */
    pthread_cond_t changed;      /* a count below went down to zero, or a worker did what it was asked */
    /*
     * Around accept(), and while a worker gives up its reserve of one descriptor: with none left, another worker would take
     * that one for a connection of its own, and who waits at this worker would wait until somebody leaves.
     */
    pthread_mutex_t accepting;
    atomic_size_t connections;
    atomic_size_t busy_workers; /* that have not done what they were asked yet */
    atomic_size_t body_bytes;   /* memory of the requests' bodies */
    atomic_bool draining;
    atomic_uint_fast64_t accepted, refused_connections, refused_requests;
};

/* Starts the workers' threads; no socket yet. NULL: host->fail() was called. */
struct http_server *http_server_open(const struct larder_transport_host *host, const struct larder_param_value *params);
enum larder_status http_server_listen(struct http_server *server);
void http_server_drain(struct http_server *server, uint64_t deadline);

/* Closes all connections, waits for the completions of what was submitted, stops the threads. */
void http_server_close(struct http_server *server);

/* Any thread. */
void http_server_stats(struct http_server *server, struct larder_transport_stats *stats);

/* Wakes those who wait for a count to become zero. */
void http_server_wake(struct http_server *server);

static inline const struct larder_host *http_server_host(const struct http_server *server)
{
    return &server->host->base;
}

#endif
