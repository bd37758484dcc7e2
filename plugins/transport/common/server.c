/* Opens, drains and closes the workers, each step on all of them at once. */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"
#include "worker.h"

void tp_server_wake(struct tp_server *server)
{
    pthread_mutex_lock(&server->lock);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Waits until the count is zero, or the runtime's clock has reached `deadline`. */
static void wait_for_none(struct tp_server *server, atomic_size_t *count, uint64_t deadline)
{
    const struct larder_runtime *runtime = server->host->base.runtime;
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
static void ask_all(struct tp_server *server, void (*ask)(struct tp_worker *worker))
{
    atomic_store_explicit(&server->busy_workers, server->options.workers, memory_order_relaxed);
    for (unsigned i = 0; i < server->options.workers; i++)
        ask(server->workers[i]);
    wait_for_none(server, &server->busy_workers, LARDER_NEVER);
}

enum larder_status tp_server_listen(struct tp_server *server)
{
    const struct larder_host *host = &server->host->base;
    unsigned count = server->options.workers;
    if (server->listen == NULL)
        return host->fail(host, LARDER_INVALID, "%s: listen: missing, wanted an address like \"127.0.0.1:8001\"",
                          server->protocol->name);
    int *sockets = calloc(count, sizeof *sockets);
    if (sockets == NULL)
        return host->fail(host, LARDER_NO_MEMORY, "%s: out of memory", server->protocol->name);
    enum larder_status status = tp_listen(host, server->listen, sockets, count, server->address,
                                          sizeof server->address);
    if (status == LARDER_OK) {
        for (unsigned i = 0; i < count; i++)
            server->workers[i]->listener = sockets[i];
        ask_all(server, tp_worker_listen);
        for (unsigned i = 0; i < count && status == LARDER_OK; i++)
            status = server->workers[i]->started;
        if (status != LARDER_OK)
            host->fail(host, status, "%s: out of memory", server->protocol->name);
    }
    free(sockets);
    return status;
}

void tp_server_address(const struct tp_server *server, char *buffer, size_t capacity)
{
    size_t size = strlen(server->address);
    if (capacity == 0)
        return;
    if (size >= capacity)
        size = capacity - 1;
    memcpy(buffer, server->address, size);
    buffer[size] = '\0';
}

void tp_server_drain(struct tp_server *server, uint64_t deadline)
{
    atomic_store_explicit(&server->draining, true, memory_order_relaxed); /* the tasks below publish it */
    ask_all(server, tp_worker_drain);
    wait_for_none(server, &server->connections, deadline);
}

void tp_server_stats(const struct tp_server *server, struct larder_transport_stats *stats)
{
    *stats = (struct larder_transport_stats){
        .connections = atomic_load_explicit(&server->connections, memory_order_relaxed),
        .connections_accepted = atomic_load_explicit(&server->accepted, memory_order_relaxed),
        .connections_refused = atomic_load_explicit(&server->refused_connections, memory_order_relaxed),
        .requests_refused = atomic_load_explicit(&server->refused_requests, memory_order_relaxed),
    };
    for (unsigned i = 0; i < server->options.workers; i++)
        for (int status = 0; status < LARDER_STATUS_COUNT; status++)
            stats->requests[status] += atomic_load_explicit(&server->workers[i]->answered[status],
                                                            memory_order_relaxed);
}

static void init_wait(struct tp_server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->accepting, NULL);
    pthread_cond_init(&server->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* All but the workers, and the struct itself. */
static void release(struct tp_server *server)
{
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->accepting);
    pthread_mutex_destroy(&server->lock);
    free(server->listen);
    free(server->loops);
    free(server->workers);
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 256 ? 256 : (unsigned)count;
}

bool tp_server_open(struct tp_server *server, const struct tp_protocol *protocol,
                    const struct larder_transport_host *host, const struct tp_server_options *options)
{
    server->protocol = protocol;
    server->host = host;
    server->options = *options;
    if (options->workers == 0)
        server->options.workers = processors();
    init_wait(server);
    if (options->listen != NULL) {
        if (tp_listen_check(&host->base, options->listen) != LARDER_OK)
            goto refused;
        server->options.listen = server->listen = strdup(options->listen);
        if (server->listen == NULL)
            goto memory;
    }
    server->workers = calloc(server->options.workers, sizeof(struct tp_worker *));
    server->loops = calloc(server->options.workers, sizeof(struct tp_loop *));
    if (server->workers == NULL || server->loops == NULL)
        goto memory;
    for (unsigned i = 0; i < server->options.workers; i++) {
        server->workers[i] = tp_worker_open(server);
        if (server->workers[i] == NULL) {
            host->base.fail(&host->base, LARDER_IO, "%s: cannot start a worker: %s", protocol->name, strerror(errno));
            server->options.workers = i;
            tp_server_close(server);
            return false;
        }
        server->loops[i] = server->workers[i]->loop;
    }
    return true;
memory:
    host->base.fail(&host->base, LARDER_NO_MEMORY, "%s: out of memory", protocol->name);
refused:
    release(server);
    return false;
}

void tp_server_close(struct tp_server *server)
{
    ask_all(server, tp_worker_stop);
    for (unsigned i = 0; i < server->options.workers; i++)
        tp_worker_close(server->workers[i]);
    release(server);
}
