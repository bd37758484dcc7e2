/* Strict: a write at the owner of the key, which is answered once all that hold the key have it. */
#include <stdlib.h>

#include "core/group/flight.h"
#include "core/group/near.h"
#include "core/group/strict.h"
#include "core/group/write.h"

static void acknowledged(void *arg, unsigned failed);

static void told_strictly(void *arg, bool gone)
{
    acknowledged(arg, gone ? 0 : 1);
}

/*
 * All others have it, or not: only if all have, nobody has what was before near, the list is the same, and nobody can have
 * acted without this node.
 */
static void acknowledged(void *arg, unsigned failed)
{
    struct ldr_write *write = arg;
    struct ldr_group *group = write->group;
    struct ldr_cluster *cluster = group->context->cluster;
    if (failed == 0 && !write->told && ldr_near_held(group, write->request->key)) {
        write->told = true;
        ldr_near_tell(group, write->request, told_strictly, write);
        return;
    }
    if (failed == 0 && ldr_cluster_serial(cluster) == write->serial && ldr_cluster_acts(cluster, write->serial))
        ldr_write_answer(write);
    else
        ldr_answer_header(group->context, LARDER_UNAVAILABLE, 0, write->done, write->arg);
    free(write);
    ldr_group_release(group);
}

/* Whether what was drawn is what is stored: an entry of a later list may have been there. */
static bool is_stored(const struct ldr_write *write)
{
    struct ldr_entry *entry = ldr_store_peek(write->group->store, write->request->key, 0);
    bool stored = entry == NULL || !ldr_version_newer(ldr_entry_version(entry), write->version);
    ldr_entry_release(entry);
    return stored;
}

/* Under the key's lock, which is where it is decided whether this node still is the owner. */
static enum larder_status execute_strictly(void *arg)
{
    struct ldr_write *write = arg;
    struct ldr_cluster *cluster = write->group->context->cluster;
    if (!ldr_cluster_acts(cluster, write->serial) || ldr_cluster_serial(cluster) != write->serial)
        return LARDER_UNAVAILABLE;
    enum larder_status status = ldr_write_execute(write);
    return write->spread && !is_stored(write) ? LARDER_UNAVAILABLE : status;
}

static void write_strictly(struct ldr_write *write, const struct ldr_placement *placement)
{
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    write->copies = true;
    enum larder_status status = ldr_flights_write(group->context->flights, group, request->group, request->key,
                                                  execute_strictly, write);
    if (status == LARDER_UNAVAILABLE) {
        ldr_answer_header(group->context, LARDER_UNAVAILABLE, LDR_HEADER_MOVED, write->done, write->arg);
        free(write);
        ldr_group_release(group);
        return;
    }
    ldr_write_executed(write, status);
    if (write->spread)
        ldr_group_replicate(
            group, &(struct ldr_replication){request->group, request->key, request->deadline, acknowledged, write},
            placement);
    else
        acknowledged(write, 0);
}

/* A write that depends on what is there, at an owner that may not have it yet: that is fetched first. */
struct pull {
    struct ldr_write *write;
    struct ldr_placement placement;
};

static void pulled(struct ldr_flight *flight, bool complete)
{
    struct larder_reply reply = {.status = complete ? LARDER_NOT_FOUND : LARDER_UNAVAILABLE};
    ldr_flight_overtake(flight);
    ldr_flight_finish(flight, &reply);
}

static void begin_pull(struct ldr_flight *flight, void *arg)
{
    (void)arg;
    ldr_group_ask(flight, pulled);
}

static void pull_done(void *arg, struct larder_reply *reply)
{
    struct pull *pull = arg;
    struct ldr_write *write = pull->write;
    struct ldr_group *group = write->group;
    bool complete = reply->status == LARDER_NOT_FOUND;
    larder_reply_release(reply);
    if (complete) {
        write_strictly(write, &pull->placement);
    } else {
        ldr_answer_header(group->context, LARDER_UNAVAILABLE, LDR_HEADER_MOVED, write->done, write->arg);
        free(write);
        ldr_group_release(group);
    }
    ldr_placement_release(&pull->placement);
    free(pull);
}

bool ldr_strict_depends(const struct larder_request *write)
{
    const uint32_t conditions = LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT | LARDER_REQUEST_IF_VERSION;
    return (write->flags & conditions) != 0 || write->operation != LARDER_OP_SET;
}

bool ldr_strict_asks_all(struct ldr_group *group, const struct larder_request *write,
                         const struct ldr_placement *placement)
{
    return ldr_strict_depends(write) && !placement->was_mine && ldr_group_must_ask(group);
}

/* Takes the placement. */
static void pull_first(struct ldr_write *write, struct ldr_placement *placement)
{
    struct ldr_context *context = write->group->context;
    const struct larder_request *request = write->request;
    struct pull *pull = malloc(sizeof *pull);
    if (pull == NULL) {
        ldr_group_release(write->group);
        ldr_answer_status(context, LARDER_NO_MEMORY, NULL, write->done, write->arg);
        ldr_placement_release(placement);
        free(write);
        return;
    }
    *pull = (struct pull){write, *placement};
    struct ldr_flight_ask ask = {
        .group = write->group,
        .name = request->group,
        .key = request->key,
        .alone = true,
        .deadline = request->deadline,
        .flight_deadline = larder_deadline_in(context->runtime, 2 * context->peer_timeout_ms),
        .done = pull_done,
        .arg = pull,
        .begin = begin_pull,
    };
    ldr_flight_ask(context->flights, &ask);
}

void ldr_strict_write(struct ldr_group *group, const struct larder_request *request, struct ldr_placement *placement,
                      larder_reply_fn done, void *arg)
{
    struct ldr_write *write = calloc(1, sizeof *write);
    if (write == NULL) {
        ldr_answer_status(group->context, LARDER_NO_MEMORY, NULL, done, arg);
        ldr_placement_release(placement);
        return;
    }
    *write = (struct ldr_write){
        .group = ldr_group_reference(group),
        .request = request,
        .begun = larder_now(group->context->runtime),
        .serial = placement->serial,
        .epoch = placement->epoch,
        .done = done,
        .arg = arg,
    };
    if (ldr_strict_asks_all(group, request, placement)) {
        pull_first(write, placement);
        return;
    }
    write_strictly(write, placement);
    ldr_placement_release(placement);
}
