/* A client's request from its door to its answer: how it waits, among how many, and what ends it. */
#include "core/group/strict_ask.h"

#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/limits.h"
#include "core/group/near.h"
#include "core/group/strict.h"

#define DOUBLED 3u /* so often at most a pause is: what is waited for may come at any moment */

void ldr_strict_finish(struct ldr_strict_ask *ask, struct larder_reply *reply)
{
    struct ldr_group *group = ask->group;
    struct ldr_context *context = group->context;
    uint64_t took = larder_now(context->runtime) - ask->begun;
    if (ask->request->operation == LARDER_OP_GET)
        ldr_histogram_add(&group->get_latency, took);
    else
        ldr_near_drop(group, ask->request->key);
    if (ask->request->operation == LARDER_OP_SET)
        ldr_histogram_add(&group->set_latency, took);
    ldr_answer(context, reply, ask->done, ask->arg);
    if (ask->waits)
        ldr_limits_waited(group);
    free(ask);
    ldr_group_release(group);
}

void ldr_strict_fail(struct ldr_strict_ask *ask, enum larder_status status, const char *message)
{
    struct larder_reply reply = {.status = status, .message = ldr_slice_text(message)};
    ldr_strict_finish(ask, &reply);
}

bool ldr_strict_hold(struct ldr_strict_ask *ask)
{
    if (!ask->waits && !(ask->waits = ldr_limits_wait(ask->group))) {
        struct larder_reply busy = ldr_limits_busy(ask->group->context, LDR_TOO_MANY_WAIT);
        ldr_strict_finish(ask, &busy);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ waiting */

static void unlink_ask(struct ldr_strict_ask *ask)
{
    *ask->link = ask->next;
    if (ask->next != NULL)
        ask->next->link = ask->link;
}

static void waited(struct larder_timer *timer)
{
    struct ldr_strict_ask *ask = (struct ldr_strict_ask *)timer;
    struct ldr_strict_wait *wait = &ask->group->context->strict;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    pthread_mutex_lock(&wait->lock);
    unlink_ask(ask);
    bool aborted = wait->aborted;
    pthread_mutex_unlock(&wait->lock);
    if (aborted)
        ldr_strict_fail(ask, LARDER_UNAVAILABLE, "the node is closing");
    else
        ldr_strict_try(ask);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

void ldr_strict_try_later(struct ldr_strict_ask *ask)
{
    struct ldr_context *context = ask->group->context;
    struct ldr_strict_wait *wait = &context->strict;
    unsigned attempts = ask->sent + (ask->rounds > 0 ? ask->rounds - 1 : 0);
    uint64_t pause = LDR_STRICT_PAUSE_MS << (attempts < DOUBLED ? attempts : DOUBLED);
    uint64_t at = larder_deadline_in(context->runtime, pause);
    if (!ldr_strict_hold(ask))
        return;
    if (ask->over > at)
        at = ask->over;
    if (at > ask->deadline)
        at = ask->deadline;
    ask->rank = 0;
    ask->since = ask->tried;
    ask->timer.fire = waited;
    pthread_mutex_lock(&wait->lock);
    bool aborted = wait->aborted;
    if (!aborted) {
        ask->next = wait->first;
        ask->link = &wait->first;
        if (ask->next != NULL)
            ask->next->link = &ask->next;
        wait->first = ask;
        context->runtime->timer_start(context->runtime, &ask->timer, at);
    }
    pthread_mutex_unlock(&wait->lock);
    if (aborted)
        ldr_strict_fail(ask, LARDER_UNAVAILABLE, "the node is closing");
}

void ldr_strict_abort(struct ldr_context *context)
{
    struct ldr_strict_wait *wait = &context->strict;
    struct ldr_strict_ask *given_up = NULL, *next;
    pthread_mutex_lock(&wait->lock);
    wait->aborted = true;
    for (struct ldr_strict_ask *ask = wait->first; ask != NULL; ask = next) {
        next = ask->next;
        if (!context->runtime->timer_cancel(context->runtime, &ask->timer))
            continue; /* it fires on another thread, and will see for itself */
        unlink_ask(ask);
        ask->next = given_up;
        given_up = ask;
    }
    pthread_mutex_unlock(&wait->lock);
    for (struct ldr_strict_ask *ask = given_up; ask != NULL; ask = next) {
        next = ask->next;
        ldr_strict_fail(ask, LARDER_UNAVAILABLE, "the node is closing");
    }
}

/* ------------------------------------------------------------------------------------------------ its beginning */

void ldr_strict_ask(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct larder_reply refusal = {.status = LARDER_NO_MEMORY};
    struct ldr_strict_ask *ask = NULL;
    if (request->operation == LARDER_OP_GET &&
        ldr_near_answer(group, request, larder_now(context->runtime), done, arg)) {
        ldr_lane_add(ldr_lanes_mine(group->lanes), LDR_GETS, 1);
        return;
    }
    /* A get waits once it is seen that this node does not have the answer, a write in any case. */
    bool waits = request->operation != LARDER_OP_GET;
    if (waits && !ldr_limits_wait(group))
        refusal = ldr_limits_busy(context, LDR_TOO_MANY_WAIT);
    else if ((ask = calloc(1, sizeof *ask)) == NULL && waits)
        ldr_limits_waited(group);
    if (ask == NULL) {
        ldr_answer(context, &refusal, done, arg);
        return;
    }
    ask->waits = waits;
    ask->group = ldr_group_reference(group);
    ask->request = request;
    ask->done = done;
    ask->arg = arg;
    ask->begun = larder_now(context->runtime);
    ask->near_ms = -1;
    ask->deadline = larder_deadline_in(context->runtime, context->request_timeout_ms);
    if (request->deadline < ask->deadline)
        ask->deadline = request->deadline;
    ldr_strict_try(ask);
}
