/* One call: its deadline, and the way to its completion. */
#include "client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void http_client_call_release(struct http_client_call *call)
{
    if (--call->holders > 0)
        return;
    evtimer_del(&call->timer);
    free(call);
}

void http_client_call_finish(struct http_client_call *call)
{
    struct http_client_lane *lane = call->lane;
    evtimer_del(&call->timer);
    call->answered = true;
    call->holders++;
    TAILQ_INSERT_TAIL(&lane->finished, call, finished_link);
    /* Relaxed: a hint for other lanes; only this thread writes. */
    unsigned carried = atomic_load_explicit(&lane->carried, memory_order_relaxed);
    atomic_store_explicit(&lane->carried, carried - 1, memory_order_relaxed);
}

void http_client_call_fail(struct http_client_call *call, enum larder_status status, uint32_t flags, const char *text)
{
    call->body = strdup(text);
    call->reply = (struct larder_reply){.status = status, .flags = flags};
    if (call->body != NULL)
        call->reply.message = (struct larder_slice){call->body, strlen(text)};
    http_client_call_finish(call);
}

/* Starts the timer for a point of the runtime's clock. False: out of memory. */
static bool start_timer(struct http_client_call *call, uint64_t at, uint64_t now)
{
    uint64_t us = at > now ? (at - now - 1) / 1000 + 1 : 0;
    struct timeval wait = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return evtimer_add(&call->timer, &wait) == 0;
}

void http_client_call_expect(struct http_client_call *call)
{
    const struct http_client *client = call->lane->peer->client;
    /* Without memory for the timer, the connection stays out of use until the reply, or its end, comes. */
    (void)start_timer(call, larder_deadline_in(client->runtime, client->options.connect_timeout_ms),
                      larder_now(client->runtime));
}

/* The deadline has passed: the caller is answered, whatever becomes of the reply. */
static void expire(struct http_client_call *call)
{
    struct http_client_lane *lane = call->lane;
    struct http_client_connection *connection = call->connection;
    char text[HTTP_CLIENT_TEXT];
    snprintf(text, sizeof text, "peer %s did not answer in time", lane->peer->address.text);
    if (connection == NULL) {
        http_client_call_fail(call, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT, text);
        TAILQ_REMOVE(&lane->waiting, call, place);
        lane->waiting_count--;
        http_client_call_release(call);
        return;
    }
    http_client_call_fail(call, LARDER_DEADLINE, 0, text);
    /* Its bytes may not be looked at any more, and a stream cannot go on without them. */
    if (!http_client_connection_has_written(connection, call))
        http_client_connection_close(connection, LARDER_UNAVAILABLE, "takes no more bytes");
    else if (TAILQ_FIRST(&connection->pipeline) == call)
        http_client_call_expect(call);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_client_call *call = arg;
    struct http_client_lane *lane = call->lane;
    uint64_t now = larder_now(lane->peer->client->runtime);
    if (call->answered)
        http_client_connection_close(call->connection, LARDER_UNAVAILABLE, "owes a reply that is overdue");
    else if (now < call->request->deadline)
        (void)start_timer(call, call->request->deadline,
                          now); /* the loop's clock was ahead; its place is still there */
    else
        expire(call);
    http_client_lane_leave(lane);
}

bool http_client_call_arm(struct http_client_call *call)
{
    evtimer_assign(&call->timer, tp_loop_base(call->lane->loop), on_timer, call);
    uint64_t deadline = call->request->deadline;
    if (deadline == LARDER_NEVER)
        return true;
    uint64_t now = larder_now(call->lane->peer->client->runtime);
    if (deadline <= now) {
        http_client_call_fail(call, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT, "the deadline had passed before the call");
        return false;
    }
    if (!start_timer(call, deadline, now)) {
        http_client_call_fail(call, LARDER_NO_MEMORY, LARDER_REPLY_NOT_SENT, "out of memory");
        return false;
    }
    return true;
}
