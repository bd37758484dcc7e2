/*
 * Gets of one turn of the loop, from all connections that were ready, go to the node together: it has the memory of all come at the
 * same time, which takes as long as that of one.
 */
#include "window.h"

#include "connection.h"

static void submit(struct http_exchange *exchange)
{
    exchange->gathered = false;
    exchange->base.worker->outstanding--; /* counted anew, as every submission is */
    bool answered = tp_submit(&exchange->base);
    if (answered)
        http_exchange_answered(&exchange->base);
    else if (exchange->connection != NULL) /* others of it may be answered */
        tp_worker_schedule(exchange->base.worker, &exchange->connection->base);
}

static void flush(struct http_worker *worker)
{
    const struct larder_transport_host *host = worker->base.server->host;
    struct http_window *window = &worker->window;
    struct http_exchange *exchanges[HTTP_WINDOW];
    size_t count = window->count;
    const struct larder_request *requests[HTTP_WINDOW];
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        exchanges[i] = window->exchanges[i];
        requests[i] = &exchanges[i]->base.request;
    }
    window->count = 0;
    if (count > 1)
        host->expect(host, requests, count);
    for (size_t i = 0; i < count; i++)
        submit(exchanges[i]);
    tp_worker_came_back(&worker->base);
}

void http_window_add(struct http_exchange *exchange)
{
    struct http_worker *worker = http_worker_of(exchange->base.worker);
    struct http_window *window = &worker->window;
    if (window->count == 0)
        event_active(&window->turn_over, EV_TIMEOUT, 1); /* after all that is ready now */
    exchange->gathered = true;
    worker->base.outstanding++;
    window->exchanges[window->count++] = exchange;
    if (window->count == HTTP_WINDOW)
        flush(worker);
}

static void on_turn_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

void http_window_open(struct http_worker *worker)
{
    event_assign(&worker->window.turn_over, tp_loop_base(worker->base.loop), -1, 0, on_turn_over, worker);
}
