/* The pool of connections on one loop, and which call goes where. */
#include "client_internal.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINE_DEPTH   16  /* calls that one connection carries; more wait for one that is less loaded */
#define CONNECT_PAUSE_MS 100 /* after a connection could not be made while others are open */

void http_client_lane_list(struct http_client_connection *connection, struct http_client_connections *list)
{
    struct http_client_lane *lane = connection->lane;
    if (connection->list == list)
        return;
    if (connection->list != NULL)
        TAILQ_REMOVE(connection->list, connection, link);
    lane->idle_count += (unsigned)(list == &lane->idle) - (unsigned)(connection->list == &lane->idle);
    lane->busy_count += (unsigned)(list == &lane->busy) - (unsigned)(connection->list == &lane->busy);
    lane->connecting_count += (unsigned)(list == &lane->connecting) - (unsigned)(connection->list == &lane->connecting);
    connection->list = list;
    /* At the head: the connection used last is used again, those at the tail grow old and are closed. */
    if (list != NULL)
        TAILQ_INSERT_HEAD(list, connection, link);
}

static unsigned connection_count(const struct http_client_lane *lane)
{
    return lane->idle_count + lane->busy_count + lane->connecting_count;
}

/* ------------------------------------------------------------------------------------------------ idle connections */

static void start_sweep(struct http_client_lane *lane, uint64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    /* Without memory for it, the next connection that becomes idle tries again. */
    (void)evtimer_add(&lane->sweep, &wait);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_client_lane *lane = arg;
    const struct http_client *client = lane->peer->client;
    uint64_t now = larder_now(client->runtime);
    uint64_t limit = client->options.idle_ms;
    struct http_client_connection *oldest;
    while ((oldest = TAILQ_LAST(&lane->idle, http_client_connections)) != NULL) {
        uint64_t idle = (now - oldest->idle_since) / LARDER_NS_PER_MS;
        if (idle < limit) {
            start_sweep(lane, limit - idle);
            break;
        }
        http_client_connection_close(oldest, LARDER_UNAVAILABLE, "idle");
    }
    http_client_lane_leave(lane);
}

/* ------------------------------------------------------------------------------------------------ names */

static void fail_waiting(struct http_client_lane *lane, uint64_t number, const char *text)
{
    struct http_client_call *call;
    while ((call = TAILQ_FIRST(&lane->waiting)) != NULL && call->number <= number) {
        TAILQ_REMOVE(&lane->waiting, call, place);
        lane->waiting_count--;
        http_client_call_fail(call, LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT, text);
        http_client_call_release(call);
    }
}

static void fail_resolving(struct http_client_lane *lane, const char *reason)
{
    char text[HTTP_CLIENT_TEXT];
    snprintf(text, sizeof text, "peer %s: cannot look up the name: %s", lane->peer->address.text, reason);
    fail_waiting(lane, lane->calls, text);
}

/* Back on the loop's thread. */
static void on_resolved(struct tp_task *task)
{
    struct http_client_lane *lane = HTTP_CLIENT_OWNER(task, struct http_client_lane, resolved_task);
    lane->resolving = false;
    if (lane->closed) {
        http_client_peer_release(lane->peer);
        return;
    }
    lane->addresses = lane->found;
    if (lane->resolve_error != 0)
        fail_resolving(lane, gai_strerror(lane->resolve_error));
    http_client_lane_leave(lane);
}

/* On a worker of the runtime: getaddrinfo() may take long. */
static void run_resolve(struct larder_task *task)
{
    struct http_client_lane *lane = HTTP_CLIENT_OWNER(task, struct http_client_lane, resolve_task);
    lane->resolve_error = http_client_address_resolve(&lane->peer->address, &lane->found);
    tp_loop_post(lane->loop, &lane->resolved_task);
}

static void resolve(struct http_client_lane *lane)
{
    if (lane->resolving)
        return;
    const struct http_peer *peer = lane->peer;
    if (peer->address.numeric) {
        int error = http_client_address_resolve(&peer->address, &lane->addresses);
        if (error != 0)
            fail_resolving(lane, gai_strerror(error));
        return;
    }
    lane->resolve_task.run = run_resolve;
    lane->resolved_task.run = on_resolved;
    lane->resolving = peer->client->runtime->work(peer->client->runtime, &lane->resolve_task);
    if (!lane->resolving)
        fail_resolving(lane, "all workers are busy");
}

/* ------------------------------------------------------------------------------------------------ who goes where */

void http_client_lane_connect_failed(struct http_client_lane *lane, uint64_t number, const char *reason)
{
    const struct http_client *client = lane->peer->client;
    if (!lane->peer->address.numeric)
        lane->addresses.count = 0; /* the name may stand for another place by now */
    if (lane->idle_count + lane->busy_count > 0) {
        lane->connect_after = larder_deadline_in(client->runtime, CONNECT_PAUSE_MS);
        return;
    }
    char text[HTTP_CLIENT_TEXT];
    snprintf(text, sizeof text, "peer %s: %.200s", lane->peer->address.text, reason);
    fail_waiting(lane, number, text);
}

static bool may_connect(const struct http_client_lane *lane)
{
    return connection_count(lane) < lane->limit &&
           (lane->idle_count + lane->busy_count == 0 || larder_now(lane->peer->client->runtime) >= lane->connect_after);
}

/* The open connection with the fewest calls. NULL: all are full, or owe a reply that is overdue. */
static struct http_client_connection *least_loaded(struct http_client_lane *lane)
{
    struct http_client_connection *best = NULL;
    struct http_client_connection *connection;
    TAILQ_FOREACH(connection, &lane->busy, link)
    {
        if (connection->depth >= PIPELINE_DEPTH || TAILQ_FIRST(&connection->pipeline)->answered)
            continue;
        if (best == NULL || connection->depth < best->depth ||
            (connection->depth == best->depth && connection->output.pending < best->output.pending))
            best = connection;
    }
    return best;
}

/* Gives the calls that wait to connections: one that is free, a new one, the least loaded, in this order. */
static void dispatch(struct http_client_lane *lane)
{
    struct http_client_call *call;
    while ((call = TAILQ_FIRST(&lane->waiting)) != NULL) {
        struct http_client_connection *connection = TAILQ_FIRST(&lane->idle);
        /* Each connection that is being made will take one call. */
        if (connection == NULL && lane->waiting_count <= lane->connecting_count)
            return;
        if (connection == NULL && may_connect(lane)) {
            if (lane->addresses.count == 0)
                resolve(lane);
            if (lane->addresses.count > 0)
                http_client_connection_open(lane);
            if (!lane->resolving)
                continue; /* one more connection, or what waited has failed, or a pause began */
        }
        if (connection == NULL)
            connection = least_loaded(lane);
        if (connection == NULL)
            return;
        TAILQ_REMOVE(&lane->waiting, call, place);
        lane->waiting_count--;
        http_client_connection_send(connection, call);
    }
}

void http_client_lane_leave(struct http_client_lane *lane)
{
    dispatch(lane);
    if (TAILQ_LAST(&lane->idle, http_client_connections) != NULL && !evtimer_pending(&lane->sweep, NULL))
        start_sweep(lane, lane->peer->client->options.idle_ms);
    if (lane->leaving)
        return;
    lane->leaving = true;
    struct http_client_call *call;
    while ((call = TAILQ_FIRST(&lane->finished)) != NULL) {
        TAILQ_REMOVE(&lane->finished, call, finished_link);
        call->done(call->arg, &call->reply);
        free(call->body);
        call->body = NULL;
        http_client_call_release(call);
    }
    lane->leaving = false;
}

/* A lane with room while this one has none: a call that waits long must not hold up others. NULL: there is none. */
static struct http_client_lane *lane_with_room(struct http_client_lane *lane)
{
    if (!TAILQ_EMPTY(&lane->idle) || connection_count(lane) < lane->limit ||
        lane->waiting_count < lane->connecting_count)
        return NULL;
    struct http_peer *peer = lane->peer;
    for (unsigned i = 1; i < peer->lane_count; i++) {
        struct http_client_lane *other = &peer->lanes[(lane->number + i) % peer->lane_count];
        if (atomic_load_explicit(&other->carried, memory_order_relaxed) < other->limit)
            return other;
    }
    return NULL;
}

static void take(struct http_client_lane *lane, struct http_client_call *call)
{
    call->lane = lane;
    call->number = ++lane->calls;
    call->holders = 1;
    /* Relaxed: a hint for other lanes; only this thread writes. */
    unsigned carried = atomic_load_explicit(&lane->carried, memory_order_relaxed);
    atomic_store_explicit(&lane->carried, carried + 1, memory_order_relaxed);
    if (!http_client_call_arm(call)) {
        http_client_call_release(call);
    } else if (lane->closed) {
        http_client_call_fail(call, LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT, "closing");
        http_client_call_release(call);
    } else {
        TAILQ_INSERT_TAIL(&lane->waiting, call, place);
        lane->waiting_count++;
    }
    http_client_lane_leave(lane);
}

static void run_moved(struct tp_task *task)
{
    struct http_client_call *call = HTTP_CLIENT_OWNER(task, struct http_client_call, task);
    struct http_peer *peer = call->lane->peer;
    take(call->lane, call);
    http_client_peer_release(peer);
}

static void post(struct http_client_lane *lane, struct http_client_call *call, void (*run)(struct tp_task *task))
{
    call->lane = lane;
    call->task.run = run;
    tp_loop_post(lane->loop, &call->task);
}

void http_client_lane_submit(struct http_client_lane *lane, struct http_client_call *call)
{
    struct http_client_lane *other = lane_with_room(lane);
    if (other == NULL) {
        take(lane, call);
        return;
    }
    /* The other lane may close before the call arrives there. */
    http_client_peer_hold(lane->peer);
    post(other, call, run_moved);
}

static void run_submit(struct tp_task *task)
{
    struct http_client_call *call = HTTP_CLIENT_OWNER(task, struct http_client_call, task);
    http_client_lane_submit(call->lane, call);
}

void http_client_lane_post(struct http_client_lane *lane, struct http_client_call *call)
{
    post(lane, call, run_submit);
}

/* ------------------------------------------------------------------------------------------------ open and close */

static void close_list(struct http_client_connections *list)
{
    struct http_client_connection *connection;
    while ((connection = TAILQ_FIRST(list)) != NULL)
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "closing");
}

static void run_close(struct tp_task *task)
{
    struct http_client_lane *lane = HTTP_CLIENT_OWNER(task, struct http_client_lane, close_task);
    lane->closed = true;
    close_list(&lane->idle);
    close_list(&lane->busy);
    close_list(&lane->connecting);
    char text[HTTP_CLIENT_TEXT];
    snprintf(text, sizeof text, "peer %s: closing", lane->peer->address.text);
    fail_waiting(lane, lane->calls, text);
    http_client_lane_leave(lane);
    evtimer_del(&lane->sweep);
    if (!lane->resolving)
        http_client_peer_release(lane->peer);
}

void http_client_lane_open(struct http_client_lane *lane)
{
    TAILQ_INIT(&lane->waiting);
    TAILQ_INIT(&lane->finished);
    TAILQ_INIT(&lane->idle);
    TAILQ_INIT(&lane->busy);
    TAILQ_INIT(&lane->connecting);
    lane->close_task.run = run_close;
    evtimer_assign(&lane->sweep, tp_loop_base(lane->loop), on_sweep, lane);
}
