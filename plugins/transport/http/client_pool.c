/* The pool of connections on one loop, and which call goes where. */
#include <stdio.h>

#include "client_internal.h"

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
    uint64_t now = http_client_now(lane);
    uint64_t limit = http_client_of(lane)->idle_ms;
    struct http_client_connection *oldest;
    while ((oldest = TAILQ_LAST(&lane->idle, http_client_connections)) != NULL) {
        uint64_t idle = (now - oldest->idle_since) / LARDER_NS_PER_MS;
        if (idle < limit) {
            start_sweep(lane, limit - idle);
            break;
        }
        http_client_connection_close(oldest, LARDER_UNAVAILABLE, "idle");
    }
    tp_lane_leave(&lane->base);
}

void http_client_lane_doubt(struct http_client_lane *lane, uint64_t since)
{
    struct http_client_connection *oldest;
    while ((oldest = TAILQ_LAST(&lane->idle, http_client_connections)) != NULL && oldest->idle_since <= since)
        http_client_connection_close(oldest, LARDER_UNAVAILABLE, "idle");
}

/* ------------------------------------------------------------------------------------------------ who goes where */

void http_client_lane_connect_failed(struct http_client_lane *lane, uint64_t number, const char *reason)
{
    if (lane->idle_count + lane->busy_count > 0)
        lane->connect_after = larder_deadline_in(lane->base.peer->client->runtime, CONNECT_PAUSE_MS);
    else
        tp_lane_fail_waiting(&lane->base, number, LARDER_UNAVAILABLE, reason);
}

static bool may_connect(const struct http_client_lane *lane)
{
    return connection_count(lane) < lane->limit &&
           (lane->idle_count + lane->busy_count == 0 || http_client_now(lane) >= lane->connect_after);
}

/* The open connection with the fewest calls. NULL: all are full, or owe a reply that is overdue. */
static struct http_client_connection *least_loaded(const struct http_client_lane *lane)
{
    struct http_client_connection *best = NULL;
    struct http_client_connection *connection;
    TAILQ_FOREACH(connection, &lane->busy, link)
    {
        if (connection->depth >= PIPELINE_DEPTH || http_client_connection_first(connection)->base.answered)
            continue;
        if (best == NULL || connection->depth < best->depth ||
            (connection->depth == best->depth && connection->output.pending < best->output.pending))
            best = connection;
    }
    return best;
}

/* One that is free, a new one, the least loaded, in this order. */
void http_client_lane_dispatch(struct tp_lane *base)
{
    struct http_client_lane *lane = (struct http_client_lane *)base;
    while (base->waiting_count > 0) {
        struct http_client_connection *connection = TAILQ_FIRST(&lane->idle);
        if (connection == NULL && !base->dialler.looking_up) {
            /* Each connection that is being made will take one call. */
            if (base->waiting_count <= lane->connecting_count)
                break;
            if (may_connect(lane)) {
                http_client_connection_open(lane);
                continue; /* one more connection, or what waited has failed, or a pause began */
            }
        }
        if (connection == NULL)
            connection = least_loaded(lane);
        if (connection == NULL)
            break;
        http_client_connection_send(connection, (struct http_client_call *)tp_lane_next(base));
    }
    if (!TAILQ_EMPTY(&lane->idle) && !evtimer_pending(&lane->sweep, NULL))
        start_sweep(lane, http_client_of(lane)->idle_ms);
}

struct tp_lane *http_client_lane_other(struct tp_lane *base)
{
    const struct http_client_lane *lane = (const struct http_client_lane *)base;
    if (!TAILQ_EMPTY(&lane->idle) || connection_count(lane) < lane->limit ||
        base->waiting_count < lane->connecting_count)
        return NULL;
    /* What would share a connection here goes to a thread with a free one; what would wait, to any that has room. */
    unsigned each = least_loaded(lane) != NULL ? 1 : PIPELINE_DEPTH;
    struct tp_peer *peer = base->peer;
    for (unsigned i = 1; i < peer->lane_count; i++) {
        struct tp_lane *other = peer->lanes[(base->number + i) % peer->lane_count];
        if (tp_lane_calls(other) < ((const struct http_client_lane *)other)->limit * each)
            return other;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ open and close */

static void close_list(struct http_client_connections *list)
{
    struct http_client_connection *connection;
    while ((connection = TAILQ_FIRST(list)) != NULL)
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "closing");
}

void http_client_lane_close(struct tp_lane *base)
{
    struct http_client_lane *lane = (struct http_client_lane *)base;
    close_list(&lane->idle);
    close_list(&lane->busy);
    close_list(&lane->connecting);
    evtimer_del(&lane->sweep);
}

void http_client_lane_open(struct tp_lane *base)
{
    struct http_client_lane *lane = (struct http_client_lane *)base;
    unsigned connections = http_client_of(lane)->peer_connections, lanes = base->peer->lane_count;
    lane->limit = connections / lanes + (base->number < connections % lanes);
    lane->head_size = (size_t)snprintf(lane->head, sizeof lane->head,
                                       "POST " PEER_FORM_PATH " HTTP/1.1\r\nHost: %s\r\nContent-Type: " PEER_FORM_TYPE
                                       "\r\nContent-Length: ",
                                       base->peer->address.text);
    TAILQ_INIT(&lane->idle);
    TAILQ_INIT(&lane->busy);
    TAILQ_INIT(&lane->connecting);
    evtimer_assign(&lane->sweep, tp_loop_base(base->loop), on_sweep, lane);
}
