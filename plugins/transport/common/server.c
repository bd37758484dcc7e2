/* Opens, drains and closes the workers, each step on all of them at once. */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "listener.h"
#include "worker.h"

void http_server_wake(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Waits until the count is zero, or the runtime's clock has reached `deadline`. */
static void wait_for_none(struct http_server *server, atomic_size_t *count, uint64_t deadline)
{
    const struct larder_runtime *runtime = http_server_host(server)->runtime;
    pthread_mutex_lock(&server->lock);
    /* Acquire: what the workers did before they counted down is seen. */
    while (atomic_load_explicit(count, memory_order_acquire) > 0) {
        if (deadline == LARDER_NEVER) {
            pthread_cond_wait(&server->changed, &server->lock);
            continue;
        }
        uint64_t now = larder_now(runtime);
        if (now >= deadline)
            break;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t end = (uint64_t)until.tv_sec * 1000000000u + (uint64_t)until.tv_nsec + (deadline - now);
        until = (struct timespec){(time_t)(end / 1000000000u), (long)(end % 1000000000u)};
        pthread_cond_timedwait(&server->changed, &server->lock, &until);
    }
    pthread_mutex_unlock(&server->lock);
}

/* Has every worker do something, and waits until all have. */
static void ask_all(struct http_server *server, void (*ask)(struct http_worker *worker))
{
    atomic_store_explicit(&server->busy_workers, server->options.workers, memory_order_relaxed);
    for (unsigned i = 0; i < server->options.workers; i++)
        ask(&server->workers[i]);
    wait_for_none(server, &server->busy_workers, LARDER_NEVER);
}

enum larder_status http_server_listen(struct http_server *server)
{
    const struct larder_host *host = http_server_host(server);
    unsigned count = server->options.workers;
    if (server->options.listen == NULL)
        return host->fail(host, LARDER_INVALID, "http: listen: missing, wanted an address like \"127.0.0.1:8001\"");
    int *sockets = calloc(count, sizeof *sockets);
    if (sockets == NULL)
        return host->fail(host, LARDER_NO_MEMORY, "http: out of memory");
    enum larder_status status = http_listen(host, server->options.listen, sockets, count, server->address,
                                            sizeof server->address);
    if (status == LARDER_OK) {
        for (unsigned i = 0; i < count; i++)
            server->workers[i].listener = sockets[i];
        ask_all(server, http_worker_listen);
        for (unsigned i = 0; i < count && status == LARDER_OK; i++)
            status = server->workers[i].started;
        if (status != LARDER_OK)
            host->fail(host, status, "http: out of memory");
    }
    free(sockets);
    return status;
}

void http_server_drain(struct http_server *server, uint64_t deadline)
{
    atomic_store_explicit(&server->draining, true, memory_order_relaxed); /* the tasks below publish it */
    ask_all(server, http_worker_drain);
    wait_for_none(server, &server->connections, deadline);
}

void http_server_stats(struct http_server *server, struct larder_transport_stats *stats)
{
    *stats = (struct larder_transport_stats){
        .connections = atomic_load_explicit(&server->connections, memory_order_relaxed),
        .connections_accepted = atomic_load_explicit(&server->accepted, memory_order_relaxed),
        .connections_refused = atomic_load_explicit(&server->refused_connections, memory_order_relaxed),
        .requests_refused = atomic_load_explicit(&server->refused_requests, memory_order_relaxed),
    };
    for (unsigned i = 0; i < server->options.workers; i++)
        for (int status = 0; status < LARDER_STATUS_COUNT; status++)
            stats->requests[status] += atomic_load_explicit(&server->workers[i].answered[status], memory_order_relaxed);
}

static void init_wait(struct http_server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->accepting, NULL);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void free_server(struct http_server *server)
{
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->accepting);
    pthread_mutex_destroy(&server->lock);
    http_options_free(&server->options);
    free(server->loops);
    free(server->workers);
    free(server);
}

struct http_server *http_server_open(const struct larder_transport_host *host, const struct larder_param_value *params)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        goto none;
    server->host = host;
    init_wait(server);
    if (!http_options_read(&server->options, params))
        goto server;
    if (server->options.listen != NULL && http_listen_check(&host->base, server->options.listen) != LARDER_OK) {
        free_server(server);
        return NULL;
    }
    server->workers = calloc(server->options.workers, sizeof *server->workers);
    server->loops = calloc(server->options.workers, sizeof(struct tp_loop *));
    if (server->workers == NULL || server->loops == NULL)
        goto server;
    unsigned opened = 0;
    for (; opened < server->options.workers; opened++) {
        if (!http_worker_open(&server->workers[opened], server))
            goto workers;
        server->loops[opened] = server->workers[opened].loop;
    }
    return server;
workers:
    host->base.fail(&host->base, LARDER_IO, "http: cannot start a worker: %s", strerror(errno));
    server->options.workers = opened;
    http_server_close(server);
    return NULL;
server:
    free_server(server);
none:
    host->base.fail(&host->base, LARDER_NO_MEMORY, "http: out of memory");
    return NULL;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    ask_all(server, http_worker_stop);
    for (unsigned i = 0; i < server->options.workers; i++)
        http_worker_close(&server->workers[i]);
    free_server(server);
}
