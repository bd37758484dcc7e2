/* Set, delete and touch: at the owner, or here when this node is it or stands in for it. */
#include "core/group/write.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/group/copies.h"
#include "core/group/flight.h"
#include "core/group/limits.h"
#include "core/group/near.h"
#include "core/group/strict.h"

static enum larder_status execute(void *arg)
{
    struct ldr_write *write = arg;
    return ldr_write_execute(write);
}

/* Nobody waits for it: whoever does not get it now gets it by the hand-off. */
static void spread(struct ldr_write *write)
{
    const struct larder_request *request = write->request;
    struct ldr_placement placement;
    ldr_cluster_place(write->group->context->cluster, request->group, request->key, &placement);
    ldr_group_replicate(write->group, &(struct ldr_replication){request->group, request->key, LARDER_NEVER, NULL, NULL},
                        &placement);
    ldr_placement_release(&placement);
}

static void told(void *arg, bool gone)
{
    struct ldr_write *write = arg;
    struct ldr_group *group = write->group;
    (void)gone; /* else they end by themselves */
    ldr_write_answer(write);
    free(write);
    ldr_tally_end(&group->context->waiting);
    ldr_group_release(group);
}

/* Answers a write that was done, once nobody has a near copy of what was there before, as far as there is time. */
static void answer_when_told(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    struct ldr_write *kept = ldr_near_held(group, write->request->key) ? malloc(sizeof *kept) : NULL;
    if (kept == NULL) {
        ldr_write_answer(write);
        return;
    }
    *kept = *write;
    ldr_group_reference(group);
    ldr_tally_begin(&group->context->waiting);
    ldr_near_tell(group, kept->request, told, kept);
}

static void write_here(struct ldr_write *write)
{
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    enum larder_status status;
    write->copies = ldr_group_has_copies(group);
    /* A touch changes no value, and without loads there is nothing under way that could undo a write. Where there are copies
       the order of versions must be that of writes. */
    if (write->copies || (ldr_group_loads(group) && request->operation != LARDER_OP_TOUCH))
        status = ldr_flights_write(group->context->flights, group, request->group, request->key, execute, write);
    else
        status = execute(write);
    ldr_write_executed(write, status);
    if (status != LARDER_OK && status != LARDER_NOT_FOUND && status != LARDER_PRECONDITION)
        write->reply.message = ldr_slice_text(larder_last_error());
    if (write->spread && group->context->replicas > 1)
        spread(write);
    if (write->stand_in)
        ldr_near_drop(group, request->key);
    /* A delete that found nothing: what was there was evicted, and may still be near. */
    if (status == LARDER_OK || (status == LARDER_NOT_FOUND && request->operation == LARDER_OP_DELETE))
        answer_when_told(write);
    else
        ldr_write_answer(write);
}

/*
 * Whether this node may write in the owner's place: it cannot be reached, and has not done it already. A condition must not be
 * looked at twice: the first time may have made it false.
 */
static bool to_be_done_here(const struct larder_request *request, const struct larder_reply *reply)
{
    const uint32_t conditions = LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT | LARDER_REQUEST_IF_VERSION;
    if (reply->status != LARDER_UNAVAILABLE && reply->status != LARDER_REFUSED)
        return false;
    return (request->flags & conditions) == 0 || (reply->flags & LARDER_REPLY_NOT_SENT) != 0 ||
           reply->status == LARDER_REFUSED;
}

static void peer_answered(void *arg, struct larder_reply *reply)
{
    struct ldr_write *write = arg;
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    ldr_histogram_add(&group->peer_latency, larder_now(group->context->runtime) - write->begun);
    if (to_be_done_here(request, reply) && group->store != NULL &&
        larder_now(group->context->runtime) < request->deadline) {
        larder_reply_release(reply);
        ldr_near_drop(group, request->key);
        write->stand_in = !ldr_group_holds(group, request->group, request->key);
        write_here(write);
    } else {
        write->reply = *reply;
        write->reply.source = LARDER_SOURCE_PEER;
        ldr_near_drop(group, request->key);
        /* Gets that come after this answer must not join a call that may have been answered before the write. */
        ldr_flights_overtake_key(group->context->flights, group, request->group, request->key);
        ldr_write_answer(write);
    }
    free(write);
    ldr_limits_waited(group);
    ldr_group_release(group);
}

static void write_there(const struct ldr_write *write, struct ldr_peer *peer)
{
    struct ldr_group *group = write->group;
    struct larder_reply reply = {.status = LARDER_NO_MEMORY};
    struct ldr_write *kept = NULL;
    if (!ldr_limits_wait(group))
        reply = ldr_limits_busy(group->context, LDR_TOO_MANY_WAIT);
    else if ((kept = malloc(sizeof *kept)) == NULL)
        ldr_limits_waited(group);
    if (kept == NULL) {
        ldr_peer_release(peer);
        ldr_answer(group->context, &reply, write->done, write->arg);
        return;
    }
    *kept = *write;
    ldr_group_reference(group);
    ldr_cluster_call(group->context->cluster, peer, write->request, peer_answered, kept);
}

static void run(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    if (group->context->seen != NULL) {
        ldr_strict_do(group, request, done, arg);
        return;
    }
    struct ldr_write write = {
        .group = group,
        .request = request,
        .begun = larder_now(group->context->runtime),
        .done = done,
        .arg = arg,
    };
    struct ldr_route route = ldr_group_route(group, request);
    write.stand_in = !route.owner;
    if (route.peer != NULL)
        write_there(&write, route.peer);
    else if (group->store != NULL)
        write_here(&write);
    else
        ldr_answer_status(group->context, LARDER_UNAVAILABLE, "no member of the cluster can be reached", done, arg);
}

void ldr_group_set(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    uint64_t most = group->max_value;
    if (request->value.size > most) {
        ldr_fail(LARDER_TOO_LARGE, "value of %zu bytes: group %s takes at most %llu", request->value.size, group->name,
                 (unsigned long long)most);
        ldr_answer_status(group->context, LARDER_TOO_LARGE, larder_last_error(), done, arg);
        return;
    }
    run(group, request, done, arg);
}

void ldr_group_delete(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    run(group, request, done, arg);
}

void ldr_group_touch(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    run(group, request, done, arg);
}
