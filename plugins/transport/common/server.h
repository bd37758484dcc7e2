/*
 * The server of a transport: its workers, what they share, and how it is drained. What bytes mean is the protocol's: a
 * table of callbacks, and structs of its own that begin with those declared here.
 */
#ifndef TRANSPORT_COMMON_SERVER_H
#define TRANSPORT_COMMON_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "larder/plugin/transport.h"
#include "loop.h"
#include "options.h"

struct tp_connection;
struct tp_submission;
struct tp_worker;

/* All callbacks run on the thread of the worker concerned; only those marked so may be NULL. */
struct tp_protocol {
    const char *name;                /* of the module, for messages */
    size_t worker_size;              /* of a struct that begins with a struct tp_worker; it comes zeroed */
    size_t connection_size;          /* of a struct that begins with a struct tp_connection; it comes zeroed */
    struct larder_slice turned_away; /* what a connection over the limit is told; may be empty */
    /* Optional. Before the worker serves, on the thread that opens the server. False: errno tells why, nothing is held. */
    bool (*worker_open)(struct tp_worker *worker);
    /* Optional. After the worker's thread has ended; only what worker_open() accepted. */
    void (*worker_close)(struct tp_worker *worker);
    /* Optional. Fills in a new connection, which is settled next. False: there is no memory; closed() is not called. */
    bool (*opened)(struct tp_connection *connection);
    /* The connection goes: frees what the protocol keeps. What is submitted goes on, and comes back to answered(). */
    void (*closed)(struct tp_connection *connection);
    /* There is something to read. May close the connection, and so may the next three. */
    void (*read)(struct tp_connection *connection);
    /* It was scheduled, or there is room to write again: moves on whatever can be moved. */
    void (*settle)(struct tp_connection *connection);
    /* Its deadline has passed. */
    void (*expire)(struct tp_connection *connection);
    /* The server drains: closes what is idle; what is not ends with its last answer. */
    void (*drain)(struct tp_connection *connection);
    /* What was submitted is answered, later than tp_submit() returned; its connection may be gone. May free it. */
    void (*answered)(struct tp_submission *submission);
};

/* Lies at the beginning of its owner's struct. */
struct tp_server {
    const struct tp_protocol *protocol;
    const struct larder_transport_host *host;
    struct tp_server_options options; /* `workers` is not 0 */
    struct tp_worker **workers;       /* options.workers of them */
    struct tp_loop **loops;           /* theirs, for calls to peers */
    char *listen;                     /* options.listen */
    char address[64];                 /* bound; empty before tp_server_listen() */
    pthread_mutex_t lock;             /* guards nothing but the wait for `changed` */
    pthread_cond_t changed;           /* a count below went down to zero, or a worker did what it was asked */
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

/* Starts the workers' threads; no socket yet. The server comes zeroed. False: host->fail() was called, nothing is held. */
bool tp_server_open(struct tp_server *server, const struct tp_protocol *protocol,
                    const struct larder_transport_host *host, const struct tp_server_options *options);

/* The next four are what the module's table wants. */
enum larder_status tp_server_listen(struct tp_server *server);
void tp_server_address(const struct tp_server *server, char *buffer, size_t capacity);
void tp_server_drain(struct tp_server *server, uint64_t deadline);
void tp_server_stats(const struct tp_server *server, struct larder_transport_stats *stats);

/* Closes all connections, waits for the completions of what was submitted, stops the threads; frees all but the struct. */
void tp_server_close(struct tp_server *server);

/* Wakes those who wait for a count to become zero. */
void tp_server_wake(struct tp_server *server);

static inline bool tp_server_draining(const struct tp_server *server)
{
    /* Relaxed: the task that tells a worker of it publishes it. */
    return atomic_load_explicit(&server->draining, memory_order_relaxed);
}

#endif
