/* Set, delete and touch: at the owner, or here when this node is it or stands in for it. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/group/copies.h"
#include "core/group/flight.h"
#include "core/group/limits.h"
#include "core/group/near.h"
#include "core/group/strict.h"

struct write;

/* Executes a write in this node's store and fills the reply. */
typedef enum larder_status (*write_fn)(struct write *write);

/* One write: on the stack when it is answered here at once, on the heap while a peer is asked. */
struct write {
    struct ldr_group *group; /* on the heap: a counted reference */
    const struct larder_request *request;
    write_fn execute;
    bool stand_in;
    bool copies;            /* others may have copies: deletes are remembered, and touches are writes */
    uint64_t serial, epoch; /* strict: of the list under which this node is the owner; else 0 */
    bool spread;            /* what is stored now, the others that hold the key have to get */
    bool told;              /* strict: nobody has a near copy of what was there before */
    uint64_t begun;
    larder_reply_fn done;
    void *arg;
    struct larder_version version; /* as drawn */
    struct larder_reply reply;
};

static uint32_t put_flags(uint32_t flags)
{
    return (flags & LARDER_REQUEST_IF_ABSENT ? LDR_PUT_IF_ABSENT : 0) |
           (flags & LARDER_REQUEST_IF_PRESENT ? LDR_PUT_IF_PRESENT : 0) |
           (flags & LARDER_REQUEST_IF_VERSION ? LDR_PUT_IF_VERSION : 0);
}

/* What is written for an owner that is away is handed to it later, where there are copies; else it must go soon. */
static uint64_t expires(const struct write *write)
{
    const struct larder_request *request = write->request;
    return ldr_group_expires(write->group, &(struct ldr_lifetime){
                                               .key = request->key,
                                               .ttl_ms = request->ttl_ms,
                                               .stand_in = write->stand_in && write->group->context->replicas == 1,
                                               .spread = request->ttl_ms == LARDER_TTL_DEFAULT,
                                           });
}

/* Strict: the owner's own epoch, whatever list may have come meanwhile; and then older than what came with that. */
static struct larder_version draw(struct write *write, struct ldr_put *put)
{
    struct larder_version version = ldr_context_version(write->group->context);
    if (write->serial != 0) {
        version.epoch = write->epoch;
        put->flags |= LDR_PUT_NEWER;
    }
    put->version = version;
    return version;
}

/* What is there for a writer: not what is remembered as not found, or stale. */
static struct ldr_entry *peek(struct ldr_group *group, struct larder_slice key)
{
    uint64_t now = larder_now(group->context->runtime);
    struct ldr_entry *entry = ldr_store_peek(group->store, key, now);
    if (entry == NULL || (!ldr_entry_negative(entry) && ldr_entry_age(entry, now) != LDR_STALE))
        return entry;
    ldr_entry_release(entry);
    return NULL;
}

static bool is_absent(struct ldr_group *group, struct larder_slice key)
{
    struct ldr_entry *entry = peek(group, key);
    bool absent = entry == NULL;
    ldr_entry_release(entry);
    return absent;
}

static enum larder_status put(struct write *write)
{
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    struct ldr_put put = {
        .key = request->key,
        .value = request->value,
        .expires = expires(write),
        .expected = request->version,
        .flags = put_flags(request->flags),
    };
    bool created = false;
    draw(write, &put);
    enum larder_status status = ldr_store_put(group->store, &put, larder_now(group->context->runtime), &created);
    if (status == LARDER_OK) {
        ldr_count(&group->counters.sets);
        write->spread = write->copies;
        write->version = put.version;
        write->reply.version = put.version;
        write->reply.flags = created ? LARDER_REPLY_CREATED : 0;
    }
    return status;
}

/* A delete that is remembered, so that no copy brings the key back. */
static enum larder_status bury(struct write *write)
{
    struct ldr_group *group = write->group;
    struct ldr_context *context = group->context;
    const struct larder_request *request = write->request;
    struct ldr_put put = {
        .key = request->key,
        .expires = larder_deadline_in(context->runtime, context->tombstone_ttl_ms),
        .expected = request->version,
        .flags = put_flags(request->flags) | LDR_PUT_NEGATIVE | LDR_PUT_TOMBSTONE,
    };
    bool absent = true;
    write->version = draw(write, &put);
    enum larder_status status = ldr_store_put(group->store, &put, larder_now(context->runtime), &absent);
    if (status == LARDER_PRECONDITION) /* as without copies: a condition on what is not there finds nothing */
        status = is_absent(group, request->key) ? LARDER_NOT_FOUND : LARDER_PRECONDITION;
    write->spread = status == LARDER_OK;
    if (status == LARDER_OK && absent)
        return LARDER_NOT_FOUND;
    if (status == LARDER_OK)
        ldr_count(&group->counters.deletes);
    return status;
}

static enum larder_status erase(struct write *write)
{
    struct ldr_group *group = write->group;
    const struct larder_request *request = write->request;
    if (write->copies)
        return bury(write);
    enum larder_status status = ldr_store_remove(group->store, request->key, put_flags(request->flags),
                                                 request->version, larder_now(group->context->runtime));
    if (status == LARDER_OK)
        ldr_count(&group->counters.deletes);
    return status;
}

/* The same value anew, so that the other copies get its new time, too. */
static enum larder_status rewrite(struct write *write)
{
    struct ldr_group *group = write->group;
    struct ldr_context *context = group->context;
    struct ldr_entry *entry = peek(group, write->request->key);
    if (entry == NULL)
        return LARDER_NOT_FOUND;
    struct ldr_put put = {
        .key = write->request->key,
        .value = ldr_entry_value(entry),
        .expires = expires(write),
        .aging = ldr_entry_aging(entry),
        .expected = ldr_entry_version(entry),
        .flags = LDR_PUT_IF_VERSION,
    };
    write->version = draw(write, &put);
    enum larder_status status = ldr_store_put(group->store, &put, larder_now(context->runtime), NULL);
    ldr_entry_release(entry);
    write->reply.version = put.version;
    write->spread = status == LARDER_OK;
    return status;
}

static enum larder_status retime(struct write *write)
{
    struct ldr_group *group = write->group;
    if (write->copies)
        return rewrite(write);
    return ldr_store_touch(group->store, write->request->key, expires(write), larder_now(group->context->runtime),
                           &write->reply.version);
}

static void answer(struct write *write)
{
    const struct ldr_context *context = write->group->context;
    if (write->request->operation == LARDER_OP_SET)
        ldr_histogram_add(&write->group->set_latency, larder_now(context->runtime) - write->begun);
    ldr_answer(context, &write->reply, write->done, write->arg);
}

static enum larder_status execute(void *arg)
{
    struct write *write = arg;
    return write->execute(write);
}

/*
 * Who waits for a load that began before the set would get a value older than it, and so would gets at other nodes that
 * began after it and joined such a wait there: all of them get what was set.
 */
static void answer_overtaken(struct ldr_group *group, const struct larder_request *request)
{
    for (;;) {
        struct ldr_entry *entry = peek(group, request->key);
        struct ldr_flight *flight = NULL;
        if (entry != NULL)
            flight = ldr_flights_overtaken(group->context->flights, group, request->group, request->key);
        if (flight == NULL) {
            ldr_entry_release(entry);
            return;
        }
        struct larder_reply reply = ldr_group_entry_reply(group, entry, LARDER_SOURCE_LOCAL, LDR_NOW);
        ldr_flight_finish(flight, &reply);
    }
}

/* Nobody waits for it: whoever does not get it now gets it by the hand-off. */
static void spread(struct write *write)
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
    struct write *write = arg;
    struct ldr_group *group = write->group;
    (void)gone; /* else they end by themselves */
    answer(write);
    free(write);
    ldr_tally_end(&group->context->waiting);
    ldr_group_release(group);
}

/* Answers a write that was done, once nobody has a near copy of what was there before, as far as there is time. */
static void answer_when_told(struct write *write)
{
    struct ldr_group *group = write->group;
    struct write *kept = ldr_near_held(group, write->request->key) ? malloc(sizeof *kept) : NULL;
    if (kept == NULL) {
        answer(write);
        return;
    }
    *kept = *write;
    ldr_group_reference(group);
    ldr_tally_begin(&group->context->waiting);
    ldr_near_tell(group, kept->request, told, kept);
}

static void write_here(struct write *write)
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
    if (status == LARDER_OK && request->operation == LARDER_OP_SET && ldr_group_loads(group))
        answer_overtaken(group, request);
    write->reply.status = status;
    write->reply.source = LARDER_SOURCE_LOCAL;
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
        answer(write);
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
    struct write *write = arg;
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
        answer(write);
    }
    free(write);
    ldr_limits_waited(group);
    ldr_group_release(group);
}

static void write_there(const struct write *write, struct ldr_peer *peer)
{
    struct ldr_group *group = write->group;
    struct larder_reply reply = {.status = LARDER_NO_MEMORY};
    struct write *kept = NULL;
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

static void run(struct ldr_group *group, const struct larder_request *request, write_fn function, larder_reply_fn done,
                void *arg)
{
    if (group->context->seen != NULL) {
        ldr_strict_do(group, request, done, arg);
        return;
    }
    struct write write = {
        .group = group,
        .request = request,
        .execute = function,
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

/* ------------------------------------------------------------------------------------------------ strict */

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
    struct write *write = arg;
    struct ldr_group *group = write->group;
    struct ldr_cluster *cluster = group->context->cluster;
    if (failed == 0 && !write->told && ldr_near_held(group, write->request->key)) {
        write->told = true;
        ldr_near_tell(group, write->request, told_strictly, write);
        return;
    }
    if (failed == 0 && ldr_cluster_serial(cluster) == write->serial && ldr_cluster_acts(cluster, write->serial))
        answer(write);
    else
        ldr_answer_header(group->context, LARDER_UNAVAILABLE, 0, write->done, write->arg);
    free(write);
    ldr_group_release(group);
}

/* Whether what was drawn is what is stored: an entry of a later list may have been there. */
static bool is_stored(const struct write *write)
{
    struct ldr_entry *entry = ldr_store_peek(write->group->store, write->request->key, 0);
    bool stored = entry == NULL || !ldr_version_newer(ldr_entry_version(entry), write->version);
    ldr_entry_release(entry);
    return stored;
}

/* Under the key's lock, which is where it is decided whether this node still is the owner. */
static enum larder_status execute_strictly(void *arg)
{
    struct write *write = arg;
    struct ldr_cluster *cluster = write->group->context->cluster;
    if (!ldr_cluster_acts(cluster, write->serial) || ldr_cluster_serial(cluster) != write->serial)
        return LARDER_UNAVAILABLE;
    enum larder_status status = write->execute(write);
    return write->spread && !is_stored(write) ? LARDER_UNAVAILABLE : status;
}

static void write_strictly(struct write *write, const struct ldr_placement *placement)
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
    if (status == LARDER_OK && request->operation == LARDER_OP_SET && ldr_group_loads(group))
        answer_overtaken(group, request);
    write->reply.status = status;
    write->reply.source = LARDER_SOURCE_LOCAL;
    if (write->spread)
        ldr_group_replicate(
            group, &(struct ldr_replication){request->group, request->key, request->deadline, acknowledged, write},
            placement);
    else
        acknowledged(write, 0);
}

/* A write that depends on what is there, at an owner that may not have it yet: that is fetched first. */
struct pull {
    struct write *write;
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
    struct write *write = pull->write;
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

static bool depends(const struct larder_request *request)
{
    const uint32_t conditions = LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT | LARDER_REQUEST_IF_VERSION;
    return (request->flags & conditions) != 0 || request->operation != LARDER_OP_SET;
}

/* Takes the placement. */
static void pull_first(struct write *write, struct ldr_placement *placement)
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
    struct write *write = calloc(1, sizeof *write);
    if (write == NULL) {
        ldr_answer_status(group->context, LARDER_NO_MEMORY, NULL, done, arg);
        ldr_placement_release(placement);
        return;
    }
    write_fn const functions[] = {[LARDER_OP_SET] = put, [LARDER_OP_DELETE] = erase, [LARDER_OP_TOUCH] = retime};
    *write = (struct write){
        .group = ldr_group_reference(group),
        .request = request,
        .execute = functions[request->operation],
        .begun = larder_now(group->context->runtime),
        .serial = placement->serial,
        .epoch = placement->epoch,
        .done = done,
        .arg = arg,
    };
    if (depends(request) && !placement->was_mine && ldr_group_must_ask(group)) {
        pull_first(write, placement);
        return;
    }
    write_strictly(write, placement);
    ldr_placement_release(placement);
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
    run(group, request, put, done, arg);
}

void ldr_group_delete(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    run(group, request, erase, done, arg);
}

void ldr_group_touch(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    run(group, request, retime, done, arg);
}
