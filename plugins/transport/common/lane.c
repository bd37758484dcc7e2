/* What a lane does the same over every protocol: it takes calls, keeps those that wait, and runs completions. */
#include <stdio.h>
#include <stdlib.h>

#include "lane_internal.h"

/* ------------------------------------------------------------------------------------------------ calls that wait */

static void add(struct tp_lane *lane, struct tp_call *call)
{
    call->waiting = true;
    TAILQ_INSERT_TAIL(&lane->waiting, call, place);
    lane->waiting_count++;
}

void tp_lane_remove(struct tp_call *call)
{
    struct tp_lane *lane = call->lane;
    call->waiting = false;
    TAILQ_REMOVE(&lane->waiting, call, place);
    lane->waiting_count--;
}

struct tp_call *tp_lane_next(struct tp_lane *lane)
{
    struct tp_call *call = TAILQ_FIRST(&lane->waiting);
    tp_lane_remove(call);
    return call;
}

void tp_lane_fail_waiting(struct tp_lane *lane, uint64_t number, enum larder_status status, const char *reason)
{
    char text[TP_REASON];
    snprintf(text, sizeof text, "peer %s: %.200s", lane->peer->address.text, reason);
    struct tp_call *call;
    while ((call = TAILQ_FIRST(&lane->waiting)) != NULL && call->number <= number) {
        tp_lane_remove(call);
        tp_call_fail(call, status, LARDER_REPLY_NOT_SENT, text);
        tp_call_release(call);
    }
}

void tp_lane_leave(struct tp_lane *lane)
{
    lane->peer->client->protocol->dispatch(lane);
    if (lane->leaving)
        return;
    lane->leaving = true;
    struct tp_call *call;
    while ((call = TAILQ_FIRST(&lane->finished)) != NULL) {
        TAILQ_REMOVE(&lane->finished, call, finished_link);
        void *body = call->body;
        call->body = NULL;
        call->done(call->arg, &call->reply);
        free(body);
        tp_call_release(call);
    }
    lane->leaving = false;
}

/* ------------------------------------------------------------------------------------------------ calls that come */

unsigned tp_lane_calls(const struct tp_lane *lane)
{
    return atomic_load_explicit(&lane->carried, memory_order_relaxed) +
           atomic_load_explicit(&lane->coming, memory_order_relaxed);
}

static void take(struct tp_lane *lane, struct tp_call *call)
{
    call->lane = lane;
    call->number = ++lane->calls;
    call->holders = 1;
    /* Relaxed: a hint for other lanes; only this thread writes. */
    unsigned carried = atomic_load_explicit(&lane->carried, memory_order_relaxed);
    atomic_store_explicit(&lane->carried, carried + 1, memory_order_relaxed);
    if (!tp_call_arm(call)) {
        tp_call_release(call);
    } else if (lane->closed) {
        tp_call_fail(call, LARDER_UNAVAILABLE, LARDER_REPLY_NOT_SENT, "closing");
        tp_call_release(call);
    } else {
        add(lane, call);
    }
    tp_lane_leave(lane);
}

static void run_moved(struct tp_task *task)
{
    struct tp_call *call = TP_OWNER(task, struct tp_call, task);
    struct tp_lane *lane = call->lane;
    struct tp_peer *peer = lane->peer;
    atomic_fetch_sub_explicit(&lane->coming, 1, memory_order_relaxed); /* a hint, as below */
    take(lane, call);
    tp_peer_release(peer);
}

static void post(struct tp_lane *lane, struct tp_call *call, void (*run)(struct tp_task *task))
{
    call->lane = lane;
    call->task.run = run;
    tp_loop_post(lane->loop, &call->task);
}

void tp_lane_submit(struct tp_lane *lane, struct tp_call *call)
{
    const struct tp_client_protocol *protocol = lane->peer->client->protocol;
    struct tp_lane *other = protocol->other != NULL ? protocol->other(lane) : NULL;
    if (other == NULL) {
        take(lane, call);
        return;
    }
    /* Counted at once, else all of a burst would go where there was room for one. Relaxed: a hint for other lanes. */
    atomic_fetch_add_explicit(&other->coming, 1, memory_order_relaxed);
    /* The other lane may close before the call arrives there. */
    tp_peer_hold(lane->peer);
    post(other, call, run_moved);
}

static void run_submit(struct tp_task *task)
{
    struct tp_call *call = TP_OWNER(task, struct tp_call, task);
    tp_lane_submit(call->lane, call);
}

void tp_lane_post(struct tp_lane *lane, struct tp_call *call)
{
    post(lane, call, run_submit);
}

/* ------------------------------------------------------------------------------------------------ open and close */

static void closed(struct tp_dialler *dialler)
{
    tp_peer_release(TP_OWNER(dialler, struct tp_lane, dialler)->peer);
}

static void run_close(struct tp_task *task)
{
    struct tp_lane *lane = TP_OWNER(task, struct tp_lane, close_task);
    lane->closed = true;
    lane->peer->client->protocol->close(lane);
    tp_lane_fail_waiting(lane, lane->calls, LARDER_UNAVAILABLE, "closing");
    tp_lane_leave(lane);
    tp_lane_free_pool(lane);
    tp_dialler_close(&lane->dialler, closed);
}

void tp_lane_open(struct tp_lane *lane)
{
    const struct tp_client *client = lane->peer->client;
    TAILQ_INIT(&lane->waiting);
    TAILQ_INIT(&lane->finished);
    lane->close_task.run = run_close;
    tp_dialler_open(&lane->dialler, lane->loop, client->runtime, &lane->peer->address,
                    client->options.connect_timeout_ms);
    client->protocol->open(lane);
}
