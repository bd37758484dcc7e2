/* The owner's side of near copies: who may have one, and telling them of writes. */
#include <stdlib.h>

#include "core/group/holders.h"
#include "core/group/hot.h"
#include "core/group/near.h"

/* Clocks of members may run a little differently: a copy counts for so much longer here than there, 2 %. */
#define MARGIN 50

static uint64_t digest_of(const struct ldr_group *group, struct larder_slice key)
{
    return ldr_hot_key(group->id, group->name_hash, key).digest;
}

bool ldr_near_lend(struct ldr_group *group, const struct larder_request *request, uint64_t now)
{
    const struct ldr_context *context = group->context;
    if ((request->flags & LARDER_REQUEST_NEAR) == 0 || context->holders == NULL || request->ttl_ms <= 0 ||
        request->ring.checksum != ldr_cluster_ring(context->cluster).checksum ||
        !ldr_cluster_owns(context->cluster, request->group, request->key))
        return false;
    uint64_t ttl_ms = (uint64_t)request->ttl_ms;
    return ldr_holders_add(context->holders, digest_of(group, request->key), ldr_cluster_member_bit(request->sender),
                           now, larder_deadline_in(context->runtime, ttl_ms + ttl_ms / MARGIN + 1));
}

bool ldr_near_held(struct ldr_group *group, struct larder_slice key)
{
    const struct ldr_context *context = group->context;
    return context->holders != NULL &&
           ldr_holders_held(context->holders, digest_of(group, key), larder_now(context->runtime));
}

/* ------------------------------------------------------------------------------------------------ telling */

/* Members that are being told of a write. */
struct ldr_near_telling {
    struct ldr_fanout fanout; /* first: it is the telling */
    struct ldr_context *context;
    struct larder_request request; /* its names are those of the write's */
    uint64_t digest;
    uint64_t until;    /* when the last copy ends */
    uint64_t deadline; /* of the write */
    bool missed;       /* somebody could not be told */
    void (*told)(void *arg, bool gone);
    void *arg;

    /* While it waits. */
    struct larder_timer timer;
    struct ldr_near_telling *next, **link;
};

static void finish(struct ldr_near_telling *telling, bool gone)
{
    ldr_holders_told(telling->context->holders, telling->digest, gone);
    telling->told(telling->arg, gone);
    free(telling);
}

static void unlink_telling(struct ldr_near_telling *telling)
{
    *telling->link = telling->next;
    if (telling->next != NULL)
        telling->next->link = telling->link;
}

static void ended(struct larder_timer *timer)
{
    struct ldr_near_telling *telling = (struct ldr_near_telling *)((char *)timer -
                                                                   offsetof(struct ldr_near_telling, timer));
    struct ldr_near_wait *wait = &telling->context->near;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    pthread_mutex_lock(&wait->lock);
    unlink_telling(telling);
    pthread_mutex_unlock(&wait->lock);
    finish(telling, true);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

/* False: the node closes. */
static bool wait_for_end(struct ldr_near_telling *telling)
{
    struct ldr_near_wait *wait = &telling->context->near;
    const struct larder_runtime *runtime = telling->context->runtime;
    pthread_mutex_lock(&wait->lock);
    bool waits = !wait->aborted;
    if (waits) {
        telling->next = wait->first;
        telling->link = &wait->first;
        if (telling->next != NULL)
            telling->next->link = &telling->next;
        wait->first = telling;
        telling->timer.fire = ended;
        runtime->timer_start(runtime, &telling->timer, telling->until);
    }
    pthread_mutex_unlock(&wait->lock);
    return waits;
}

void ldr_near_abort(struct ldr_context *context)
{
    struct ldr_near_wait *wait = &context->near;
    struct ldr_near_telling *given_up = NULL, *next;
    pthread_mutex_lock(&wait->lock);
    wait->aborted = true;
    for (struct ldr_near_telling *telling = wait->first; telling != NULL; telling = next) {
        next = telling->next;
        if (!context->runtime->timer_cancel(context->runtime, &telling->timer))
            continue; /* it fires on another thread, and ends by itself */
        unlink_telling(telling);
        telling->next = given_up;
        given_up = telling;
    }
    pthread_mutex_unlock(&wait->lock);
    for (struct ldr_near_telling *telling = given_up; telling != NULL; telling = next) {
        next = telling->next;
        finish(telling, false);
    }
}

static void each_told(struct ldr_fanout *fanout, const char *member, struct larder_reply *reply)
{
    struct ldr_near_telling *telling = (struct ldr_near_telling *)fanout;
    (void)member;
    /* A member without the group has no copies of it. */
    telling->missed |= reply->status != LARDER_OK && reply->status != LARDER_NO_GROUP;
    larder_reply_release(reply);
}

static void all_told(struct ldr_fanout *fanout)
{
    struct ldr_near_telling *telling = (struct ldr_near_telling *)fanout;
    uint64_t now = larder_now(telling->context->runtime);
    bool gone = !telling->missed || now >= telling->until;
    bool waits = !gone && ldr_cluster_strict(telling->context->cluster) && telling->until < telling->deadline;
    if (!waits || !wait_for_end(telling))
        finish(telling, gone);
}

/*
 * A copy that has ended needs nobody to be told. Unless it is strict no more than a quarter of the write's time is spent: a
 * peer that passed it on would take the owner for dead.
 */
static uint64_t tell_until(const struct ldr_near_telling *telling, uint64_t now)
{
    uint64_t left = telling->deadline > now ? telling->deadline - now : 0;
    if (!ldr_cluster_strict(telling->context->cluster))
        left /= 4;
    return telling->until > now && telling->until - now < left ? telling->until : now + left;
}

void ldr_near_tell(struct ldr_group *group, const struct larder_request *request, void (*told)(void *arg, bool gone),
                   void *arg)
{
    struct ldr_context *context = group->context;
    uint64_t now = larder_now(context->runtime), digest = digest_of(group, request->key), until = 0, members = 0;
    struct ldr_near_telling *telling = malloc(sizeof *telling);
    if (telling != NULL)
        members = ldr_holders_tell(context->holders, digest, now, &until);
    if (members == 0) {
        free(telling);
        told(arg, telling != NULL);
        return;
    }
    *telling = (struct ldr_near_telling){
        .fanout = {each_told, all_told},
        .context = context,
        .request = {.operation = LARDER_OP_FORGET, .group = request->group, .key = request->key},
        .digest = digest,
        .until = until,
        .deadline = request->deadline,
        .told = told,
        .arg = arg,
    };
    telling->request.deadline = tell_until(telling, now);
    ldr_cluster_call_some(context->cluster, members, &telling->request, &telling->fanout);
}
