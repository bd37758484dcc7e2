/* The clock, and what happens to all connections of a worker. */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "exchange.h"

/* ------------------------------------------------------------------------------------------------ time */

uint64_t http_worker_now(struct http_worker *worker)
{
    worker->now = larder_now(http_server_host(worker->server)->runtime);
    return worker->now;
}

const char *http_worker_date(struct http_worker *worker)
{
    if (worker->now < worker->date_until)
        return worker->date;
    const struct larder_runtime *runtime = http_server_host(worker->server)->runtime;
    uint64_t wall = runtime->wall_ms(runtime);
    worker->date_until = worker->now + (1000 - wall % 1000) * LARDER_NS_PER_MS;
    time_t seconds = (time_t)(wall / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[80]; /* room for what the compiler thinks the numbers could be */
    snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * parts.tm_wday, parts.tm_mday,
             months + 3 * parts.tm_mon, parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    memcpy(worker->date, text, sizeof worker->date);
    return worker->date;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_worker *worker = arg;
    http_worker_now(worker);
    struct http_connection *connection = LIST_FIRST(&worker->connections);
    while (connection != NULL) {
        struct http_connection *next = LIST_NEXT(connection, link);
        if (connection->deadline <= worker->now)
            http_connection_expire(connection);
        connection = next;
    }
}

/* Often enough for the shortest timeout to be a quarter late at most. */
static struct timeval tick_period(const struct http_options *options)
{
    uint64_t shortest = options->header_timeout;
    if (options->body_timeout < shortest)
        shortest = options->body_timeout;
    if (options->idle_timeout < shortest)
        shortest = options->idle_timeout;
    uint64_t ms = shortest / 4 / LARDER_NS_PER_MS;
    ms = ms < 10 ? 10 : ms > 1000 ? 1000 : ms;
    return (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
}

/* ------------------------------------------------------------------------------------------------ connections */

void http_worker_schedule(struct http_worker *worker, struct http_connection *connection)
{
    if (connection->scheduled)
        return;
    if (LIST_EMPTY(&worker->ready))
        event_active(worker->ready_event, EV_TIMEOUT, 1);
    connection->scheduled = true;
    LIST_INSERT_HEAD(&worker->ready, connection, ready);
}

void http_worker_count(struct http_worker *worker, enum larder_status status)
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
    struct http_worker *worker = arg;
    http_worker_now(worker);
    struct http_connection *connection;
    while ((connection = LIST_FIRST(&worker->ready)) != NULL) {
        LIST_REMOVE(connection, ready);
        connection->scheduled = false;
        http_connection_settle(connection);
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ------------------------------------------------------------------------------------------------ asked from outside */

static struct http_worker *worker_of(struct tp_task *task)
{
    return (struct http_worker *)((char *)task - offsetof(struct http_worker, task));
}

static void done(struct http_worker *worker)
{
    if (atomic_fetch_sub_explicit(&worker->server->busy_workers, 1, memory_order_acq_rel) == 1)
        http_server_wake(worker->server);
}

static void ask(struct http_worker *worker, void (*run)(struct tp_task *task))
{
    worker->task.run = run;
    tp_loop_post(worker->loop, &worker->task);
}

static void stop_accepting(struct http_worker *worker)
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
    struct http_worker *worker = worker_of(task);
    struct timeval period = tick_period(&worker->server->options);
    worker->started = LARDER_NO_MEMORY;
    worker->accept_event = event_new(tp_loop_base(worker->loop), worker->listener, EV_READ | EV_PERSIST,
                                     http_worker_on_accept, worker);
    if (worker->accept_event != NULL && event_add(worker->accept_event, NULL) == 0 &&
        event_add(worker->tick_event, &period) == 0)
        worker->started = LARDER_OK;
    else
        stop_accepting(worker);
    done(worker);
}

void http_worker_listen(struct http_worker *worker)
{
    ask(worker, listen_here);
}

static void drain_here(struct tp_task *task)
{
    struct http_worker *worker = worker_of(task);
    stop_accepting(worker);
    struct http_connection *connection = LIST_FIRST(&worker->connections);
    while (connection != NULL) {
        struct http_connection *next = LIST_NEXT(connection, link);
        http_connection_drain(connection);
        connection = next;
    }
    done(worker);
}

void http_worker_drain(struct http_worker *worker)
{
    ask(worker, drain_here);
}

static void free_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void stop_here(struct tp_task *task)
{
    struct http_worker *worker = worker_of(task);
    stop_accepting(worker);
    while (!LIST_EMPTY(&worker->connections))
        http_connection_close(LIST_FIRST(&worker->connections));
    free_event(&worker->pause_event);
    free_event(&worker->tick_event);
    free_event(&worker->ready_event);
    worker->closing = true;
    if (worker->outstanding == 0)
        done(worker);
}

void http_worker_stop(struct http_worker *worker)
{
    ask(worker, stop_here);
}

void http_worker_orphan_done(struct http_worker *worker)
{
    if (worker->closing && worker->outstanding == 0)
        done(worker);
}

bool http_worker_open(struct http_worker *worker, struct http_server *server)
{
    worker->server = server;
    worker->listener = worker->reserve = -1;
    LIST_INIT(&worker->connections);
    LIST_INIT(&worker->ready);
    worker->loop = tp_loop_open();
    if (worker->loop == NULL)
        return false;
    struct event_base *base = tp_loop_base(worker->loop);
    worker->pause_event = event_new(base, -1, 0, http_worker_on_pause_over, worker);
    worker->tick_event = event_new(base, -1, EV_PERSIST, on_tick, worker);
    worker->ready_event = event_new(base, -1, 0, on_ready, worker);
    worker->reserve = http_reserve_open();
    if (worker->pause_event != NULL && worker->tick_event != NULL && worker->ready_event != NULL &&
        worker->reserve >= 0)
        return true;
    free_event(&worker->pause_event);
    free_event(&worker->tick_event);
    free_event(&worker->ready_event);
    http_worker_close(worker);
    return false;
}

void http_worker_close(struct http_worker *worker)
{
    int error = errno;
    tp_loop_close(worker->loop);
    worker->loop = NULL;
    http_exchange_pool_free(worker);
    close_fd(&worker->reserve);
    errno = error;
}
