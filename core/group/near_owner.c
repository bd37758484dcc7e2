/* The owner's side of near copies: who may have one, and telling them of writes. */
#include <stdlib.h>

#include "core/group/holders.h"
#include "core/group/hot.h"
#include "core/group/near.h"

static uint64_t digest_of(const struct ldr_group *group, struct larder_slice key)
{
    return ldr_hot_key(group->id, group->name_hash, key).digest;
}

bool ldr_near_lend(struct ldr_group *group, const struct larder_request *request, bool owner, uint64_t now)
{
    const struct ldr_context *context = group->context;
    if (!owner || (request->flags & LARDER_REQUEST_NEAR) == 0 || context->holders == NULL ||
        request->ring.checksum != ldr_cluster_ring(context->cluster).checksum)
        return false;
    int64_t ttl_ms = request->ttl_ms > 0 ? request->ttl_ms : 0;
    ldr_holders_add(context->holders, digest_of(group, request->key), ldr_cluster_member_bit(request->sender), now,
                    larder_deadline_in(context->runtime, (uint64_t)ttl_ms));
    return true;
}

/* Members that are being told of a write. */
struct telling {
    struct ldr_fanout fanout;
    struct larder_request request; /* its names are those of the write's */
    struct ldr_holders *holders;
    uint64_t digest;
    void (*told)(void *arg);
    void *arg;
};

static void each_told(struct ldr_fanout *fanout, const char *member, struct larder_reply *reply)
{
    (void)fanout;
    (void)member;
    larder_reply_release(reply); /* who was not reached has a copy that ends by itself */
}

static void all_told(struct ldr_fanout *fanout)
{
    struct telling telling = *(struct telling *)fanout;
    free(fanout);
    ldr_holders_told(telling.holders, telling.digest);
    telling.told(telling.arg);
}

bool ldr_near_held(struct ldr_group *group, struct larder_slice key)
{
    const struct ldr_context *context = group->context;
    return context->holders != NULL &&
           ldr_holders_held(context->holders, digest_of(group, key), larder_now(context->runtime));
}

/*
 * A copy that has ended needs nobody to be told, and whoever waits for the write is to be answered in time: a peer would
 * take the owner for dead otherwise.
 */
static uint64_t tell_until(const struct larder_request *request, uint64_t now, uint64_t until)
{
    uint64_t left = request->deadline > now ? (request->deadline - now) / 4 : 0;
    return until > now && until - now < left ? until : now + left;
}

void ldr_near_tell(struct ldr_group *group, const struct larder_request *request, void (*told)(void *arg), void *arg)
{
    const struct ldr_context *context = group->context;
    uint64_t now = larder_now(context->runtime), digest = digest_of(group, request->key), until = 0, members = 0;
    struct telling *telling = malloc(sizeof *telling);
    if (telling != NULL)
        members = ldr_holders_tell(context->holders, digest, now, &until);
    if (members == 0) {
        free(telling);
        told(arg);
        return;
    }
    *telling = (struct telling){
        .fanout = {each_told, all_told},
        .request = {.operation = LARDER_OP_FORGET,
                    .group = request->group,
                    .key = request->key,
                    .deadline = tell_until(request, now, until)},
        .holders = context->holders,
        .digest = digest,
        .told = told,
        .arg = arg,
    };
    ldr_cluster_call_some(context->cluster, members, &telling->request, &telling->fanout);
}
