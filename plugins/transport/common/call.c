/* One call: its memory, its deadline, and the way to its completion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lane_internal.h"

#define POOL_MAX 256 /* calls that a lane keeps for others to come */

/* ------------------------------------------------------------------------------------------------ memory */

struct tp_call *tp_call_new(const struct tp_peer *peer, struct tp_lane *lane)
{
    const struct tp_client_protocol *protocol = peer->client->protocol;
    struct tp_call *call;
    if (lane != NULL && lane->pool != NULL) {
        call = lane->pool;
        lane->pool = call->next;
        lane->pooled--;
    } else {
        call = malloc(protocol->call_size);
        if (call == NULL)
            return NULL;
    }
    memset(call, 0, protocol->call_cleared);
    call->protocol = protocol;
    return call;
}

static void forget(struct tp_call *call)
{
    if (call->protocol->forget != NULL)
        call->protocol->forget(call);
}

/* True for the second of the two that hold a call that is lent. */
static bool is_last(struct tp_call *call)
{
    /* Acquire and release: all that the first one did with it happens before the second one ends it. */
    return atomic_exchange_explicit(&call->let_go, true, memory_order_acq_rel);
}

static void give_back(void *pin)
{
    struct tp_call *call = pin;
    if (!is_last(call))
        return;
    /* Its lane may be gone by now. */
    forget(call);
    free(call);
}

void tp_call_lend(struct tp_call *call)
{
    call->lent = true;
    call->reply.release = give_back;
    call->reply.pin = call;
}

void tp_call_release(struct tp_call *call)
{
    if (--call->holders > 0)
        return;
    struct tp_lane *lane = call->lane;
    evtimer_del(&call->timer);
    if (call->lent && !is_last(call))
        return;
    forget(call);
    if (lane->pooled == POOL_MAX || lane->closed) {
        free(call);
        return;
    }
    call->next = lane->pool;
    lane->pool = call;
    lane->pooled++;
}

void tp_lane_free_pool(struct tp_lane *lane)
{
    while (lane->pool != NULL) {
        struct tp_call *call = lane->pool;
        lane->pool = call->next;
        free(call);
    }
    lane->pooled = 0;
}

/* ------------------------------------------------------------------------------------------------ the reply */

void tp_call_finish(struct tp_call *call)
{
    struct tp_lane *lane = call->lane;
    evtimer_del(&call->timer);
    call->answered = true;
    call->holders++;
    TAILQ_INSERT_TAIL(&lane->finished, call, finished_link);
    /* Relaxed: a hint for other lanes; only this thread writes. */
    unsigned carried = atomic_load_explicit(&lane->carried, memory_order_relaxed);
    atomic_store_explicit(&lane->carried, carried - 1, memory_order_relaxed);
}

void tp_call_fail(struct tp_call *call, enum larder_status status, uint32_t flags, const char *text)
{
    call->body = strdup(text);
    call->reply = (struct larder_reply){.status = status, .flags = flags};
    if (call->body != NULL)
        call->reply.message = (struct larder_slice){call->body, strlen(text)};
    tp_call_finish(call);
}

/* ------------------------------------------------------------------------------------------------ the deadline */

/* Starts the timer for a point of the runtime's clock. False: out of memory. */
static bool start_timer(struct tp_call *call, uint64_t now)
{
    uint64_t us = (call->request->deadline - now - 1) / 1000 + 1;
    struct timeval wait = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return evtimer_add(&call->timer, &wait) == 0;
}

/* The deadline has passed: the caller is answered, whatever becomes of the reply. */
static void expire(struct tp_call *call)
{
    struct tp_lane *lane = call->lane;
    char text[TP_REASON];
    snprintf(text, sizeof text, "peer %s did not answer in time", lane->peer->address.text);
    if (!call->waiting) {
        tp_call_fail(call, LARDER_DEADLINE, 0, text);
        lane->peer->client->protocol->expired(call);
        return;
    }
    tp_call_fail(call, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT, text);
    tp_lane_remove(call);
    tp_call_release(call);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct tp_call *call = arg;
    struct tp_lane *lane = call->lane;
    uint64_t now = larder_now(lane->peer->client->runtime);
    if (now >= call->request->deadline || !start_timer(call, now)) /* not yet: the loop's clock was ahead */
        expire(call);
    tp_lane_leave(lane);
}

bool tp_call_arm(struct tp_call *call)
{
    evtimer_assign(&call->timer, tp_loop_base(call->lane->loop), on_timer, call);
    uint64_t deadline = call->request->deadline;
    if (deadline == LARDER_NEVER)
        return true;
    uint64_t now = larder_now(call->lane->peer->client->runtime);
    if (deadline <= now) {
        tp_call_fail(call, LARDER_DEADLINE, LARDER_REPLY_NOT_SENT, "the deadline had passed before the call");
        return false;
    }
    if (!start_timer(call, now)) {
        tp_call_fail(call, LARDER_NO_MEMORY, LARDER_REPLY_NOT_SENT, "out of memory");
        return false;
    }
    return true;
}
