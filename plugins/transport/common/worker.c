/* The clock, and what happens to all connections of a worker. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "connection.h"

/* ------------------------------------------------------------------------------------------------ time */

uint64_t tp_worker_now(struct tp_worker *worker)
{
    worker->now = larder_now(worker->server->host->base.runtime);
    return worker->now;
}

static void expire(struct tp_connection *connection)
{
    if (connection->lingering)
        tp_connection_close(connection);
    else
        connection->worker->server->protocol->expire(connection);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tp_worker *worker = arg;
    tp_worker_now(worker);
    struct tp_connection *connection = LIST_FIRST(&worker->connections);
    while (connection != NULL) {
        struct tp_connection *next = LIST_NEXT(connection, link);
        if (connection->deadline <= worker->now)
            expire(connection);
        connection = next;
    }
}

/* Often enough for the shortest timeout to be a quarter late at most. */
static struct timeval tick_period(const struct tp_server_options *options)
{
    uint64_t ms = options->shortest_timeout / 4 / LARDER_NS_PER_MS;
    ms = ms < 10 ? 10 : ms > 1000 ? 1000 : ms;
    return (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
}

/* ------------------------------------------------------------------------------------------------ connections */

void tp_worker_schedule(struct tp_worker *worker, struct tp_connection *connection)
{
    if (connection->scheduled)
        return;
    if (LIST_EMPTY(&worker->ready))
        event_active(worker->ready_event, EV_TIMEOUT, 1);
    connection->scheduled = true;
    LIST_INSERT_HEAD(&worker->ready, connection, ready);
}

void tp_worker_count(struct tp_worker *worker, enum larder_status status)
{
    if ((unsigned)status >= LARDER_STATUS_COUNT)
        return;
    /* One writer: no need for an addition that is atomic as a whole. */
    uint64_t before = atomic_load_explicit(&worker->answered[status], memory_order_relaxed);
    atomic_store_explicit(&worker->answered[status], before + 1, memory_order_relaxed);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tp_worker *worker = arg;
    tp_worker_now(worker);
    struct tp_connection *connection;
    while ((connection = LIST_FIRST(&worker->ready)) != NULL) {
        LIST_REMOVE(connection, ready);
        connection->scheduled = false;
        if (!connection->lingering)
            worker->server->protocol->settle(connection);
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ------------------------------------------------------------------------------------------------ asked from outside */

static struct tp_worker *worker_of(struct tp_task *task)
{
    return (struct tp_worker *)((char *)task - offsetof(struct tp_worker, task));
}

static void done(struct tp_worker *worker)
{
    if (atomic_fetch_sub_explicit(&worker->server->busy_workers, 1, memory_order_acq_rel) == 1)
        tp_server_wake(worker->server);
}

static void ask(struct tp_worker *worker, void (*run)(struct tp_task *task))
{
    worker->task.run = run;
    tp_loop_post(worker->loop, &worker->task);
}

static void stop_accepting(struct tp_worker *worker)
{
    if (worker->accept_event != NULL) {
        event_del(worker->pause_event);
        event_free(worker->accept_event);
        worker->accept_event = NULL;
    }
    close_fd(&worker->listener);
}

static void listen_here(struct tp_task *task)
{
    struct tp_worker *worker = worker_of(task);
    struct timeval period = tick_period(&worker->server->options);
    worker->started = LARDER_NO_MEMORY;
    worker->accept_event = event_new(tp_loop_base(worker->loop), worker->listener, EV_READ | EV_PERSIST,
                                     tp_worker_on_accept, worker);
    if (worker->accept_event != NULL && event_add(worker->accept_event, NULL) == 0 &&
        event_add(worker->tick_event, &period) == 0)
        worker->started = LARDER_OK;
    else
        stop_accepting(worker);
    done(worker);
}

void tp_worker_listen(struct tp_worker *worker)
{
    ask(worker, listen_here);
}

static void drain_here(struct tp_task *task)
{
    struct tp_worker *worker = worker_of(task);
    tp_worker_now(worker); /* the deadlines of the end begin here */
    stop_accepting(worker);
    struct tp_connection *connection = LIST_FIRST(&worker->connections);
    while (connection != NULL) {
        struct tp_connection *next = LIST_NEXT(connection, link);
        if (!connection->lingering)
            worker->server->protocol->drain(connection);
        connection = next;
    }
    done(worker);
}

void tp_worker_drain(struct tp_worker *worker)
{
    ask(worker, drain_here);
}

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void free_events(struct tp_worker *worker)
{
    free_event(&worker->pause_event);
    free_event(&worker->tick_event);
    free_event(&worker->ready_event);
}

static void stop_here(struct tp_task *task)
{
    struct tp_worker *worker = worker_of(task);
    stop_accepting(worker);
    while (!LIST_EMPTY(&worker->connections))
        tp_connection_close(LIST_FIRST(&worker->connections));
    free_events(worker);
    worker->closing = true;
    if (worker->outstanding == 0)
        done(worker);
}

void tp_worker_stop(struct tp_worker *worker)
{
    ask(worker, stop_here);
}

void tp_worker_came_back(struct tp_worker *worker)
{
    if (worker->closing && worker->outstanding == 0)
        done(worker);
}

/* Leaves errno alone. */
static void release(struct tp_worker *worker)
{
    int error = errno;
    tp_loop_close(worker->loop);
    close_fd(&worker->reserve);
    free(worker);
    errno = error;
}

struct tp_worker *tp_worker_open(struct tp_server *server)
{
    struct tp_worker *worker = calloc(1, server->protocol->worker_size);
    if (worker == NULL)
        return NULL;
    worker->server = server;
    worker->listener = worker->reserve = -1;
    LIST_INIT(&worker->connections);
    LIST_INIT(&worker->ready);
    worker->loop = tp_loop_open();
    if (worker->loop == NULL)
        goto worker;
    struct event_base *base = tp_loop_base(worker->loop);
    worker->pause_event = event_new(base, -1, 0, tp_worker_on_pause_over, worker);
    worker->tick_event = event_new(base, -1, EV_PERSIST, on_tick, worker);
    worker->ready_event = event_new(base, -1, 0, on_ready, worker);
    worker->reserve = tp_reserve_open();
    if (worker->pause_event == NULL || worker->tick_event == NULL || worker->ready_event == NULL || worker->reserve < 0)
        goto events;
    if (server->protocol->worker_open == NULL || server->protocol->worker_open(worker))
        return worker;
events:
    free_events(worker);
worker:
    release(worker);
    return NULL;
}

void tp_worker_close(struct tp_worker *worker)
{
    tp_loop_close(worker->loop);
    worker->loop = NULL;
    if (worker->server->protocol->worker_close != NULL)
        worker->server->protocol->worker_close(worker);
    release(worker);
}
