/* The way of a get: the owner's store, a flight, the origin; or a call to the owner, see get_call.c. */
#include "core/group/get.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/group/copies.h"
#include "core/group/flight.h"
#include "core/group/limits.h"
#include "core/group/near.h"
#include "core/group/stale.h"
#include "core/group/strict.h"

/* A get that could not be answered at once. */
struct pending {
    struct ldr_group *group; /* a counted reference */
    const struct larder_request *request;
    bool away;  /* it is answered by a peer */
    bool owner; /* it is answered here, and not in the place of another */
    bool lent;  /* whoever asked may keep the answer */
    bool again; /* it stands for one that was not answered in its first round, and that is counted */
    uint64_t begun;
    uint64_t now; /* begun, or when its second round did */
    larder_reply_fn done;
    void *arg;
};

/* Answers a get that was not answered at once. A load that failed may leave something to be answered. */
static void conclude(const struct pending *pending, struct larder_reply *reply)
{
    struct ldr_group *group = pending->group;
    if (pending->owner)
        ldr_stale_rescue(group, pending->request, reply);
    if (!pending->lent)
        reply->flags &= ~(uint32_t)LARDER_REPLY_OWNER;
    if (!pending->again)
        ldr_histogram_add(&group->get_latency, larder_now(group->context->runtime) - pending->begun);
    ldr_answer(group->context, reply, pending->done, pending->arg);
}

static void get_done(void *arg, struct larder_reply *reply)
{
    struct pending pending = *(struct pending *)arg;
    free(arg);
    conclude(&pending, reply);
    if (!pending.again)
        ldr_limits_waited(pending.group);
    ldr_group_release(pending.group);
}

static void get(struct pending *pending);

/*
 * What came is not for this one, whose answer is that of another round. There is none after that: what is asked for from now on
 * is for it.
 */
static void get_again(void *arg)
{
    const struct pending *first = arg;
    struct pending pending = {
        .group = first->group,
        .request = first->request,
        .again = true,
        .begun = first->begun,
        .now = larder_now(first->group->context->runtime),
        .done = get_done,
        .arg = arg,
    };
    get(&pending);
}

/* Keeps what must last until the answer; NULL: it was answered, for want of room or memory. */
static struct pending *keep(const struct pending *pending)
{
    struct larder_reply reply = {.status = LARDER_NO_MEMORY};
    struct pending *kept = NULL;
    if (!pending->again && !ldr_limits_wait(pending->group))
        reply = ldr_limits_busy(pending->group->context, LDR_TOO_MANY_WAIT);
    else if ((kept = malloc(sizeof *kept)) == NULL && !pending->again)
        ldr_limits_waited(pending->group);
    if (kept == NULL) {
        conclude(pending, &reply);
        return NULL;
    }
    *kept = *pending;
    ldr_group_reference(kept->group);
    return kept;
}

static void wait_in_flight(const struct pending *pending, uint64_t flight_deadline,
                           void (*begin)(struct ldr_flight *flight, void *arg), void *begin_arg)
{
    struct ldr_group *group = pending->group;
    const struct larder_request *request = pending->request;
    struct pending *kept = keep(pending);
    if (kept == NULL)
        return;
    struct ldr_flight_ask ask = {
        .group = group,
        .name = request->group,
        .key = request->key,
        .of_peer = (request->flags & LARDER_REQUEST_PEER) != 0,
        .away = pending->away,
        .since = pending->begun,
        .deadline = request->deadline,
        .flight_deadline = flight_deadline,
        .most = pending->again ? 0 : ldr_limits_waiters(group),
        .done = get_done,
        .again = get_again,
        .arg = kept,
        .begin = begin,
        .begin_arg = begin_arg,
    };
    if (ldr_flight_ask(group->context->flights, &ask) && !pending->again)
        ldr_count(&group->counters.loads_deduplicated);
}

static void count(struct ldr_group *group, enum ldr_get_counter counter)
{
    ldr_lane_add(ldr_lanes_mine(group->lanes), counter, 1);
}

/* ------------------------------------------------------------------------------------------------ here */

/* What is looked for in the store. */
struct sight {
    struct larder_slice name, key; /* of the group as asked for */
    uint64_t now;
    bool owner;
    bool missed; /* the get was counted as a miss before */
};

static void count_found(struct ldr_group *group, const struct sight *sight, enum ldr_get_counter counter)
{
    if (!sight->missed)
        count(group, counter);
}

/* Looks into the store. False: nothing that may be answered now. */
static bool look(struct ldr_group *group, const struct sight *sight, struct larder_reply *reply)
{
    struct ldr_entry *entry = ldr_store_get(group->store, sight->key, sight->now);
    if (entry != NULL && ldr_entry_tombstone(entry)) {
        ldr_entry_release(entry); /* it was deleted: whether the origin has it is to be seen */
        entry = NULL;
    }
    if (entry == NULL)
        return false;
    if (ldr_entry_negative(entry)) {
        count_found(group, sight, LDR_NEGATIVE_HITS);
        *reply = (struct larder_reply){
            .status = LARDER_NOT_FOUND,
            .source = LARDER_SOURCE_LOCAL,
            .ttl_ms = ldr_context_remaining(ldr_entry_expires(entry), sight->now),
        };
        ldr_entry_release(entry);
        return true;
    }
    if (!ldr_stale_answers(group, sight->name, entry, sight->now, sight->owner)) {
        ldr_entry_release(entry);
        return false;
    }
    count_found(group, sight, LDR_HITS);
    *reply = ldr_group_entry_reply(group, entry, LARDER_SOURCE_LOCAL, sight->now);
    if (reply->ttl_ms == 0)
        count(group, LDR_STALE_HITS);
    return true;
}

static void begin_load(struct ldr_flight *flight, void *arg)
{
    flight->stand_in = !*(const bool *)arg;
    ldr_group_load(flight);
}

/* Whoever asked goes by another list: others hold the key. */
static bool is_elsewhere(struct ldr_group *group, const struct larder_request *request)
{
    return (request->flags & LARDER_REQUEST_PEER) != 0 && !ldr_group_holds(group, request->group, request->key);
}

static void get_here(struct pending *pending)
{
    struct ldr_group *group = pending->group;
    const struct larder_request *request = pending->request;
    const struct larder_runtime *runtime = group->context->runtime;
    const struct sight sight = {request->group, request->key, pending->now, pending->owner, pending->again};
    struct larder_reply reply = {.status = LARDER_NOT_FOUND, .ttl_ms = LARDER_TTL_NONE};
    if (!pending->again)
        ldr_group_sample_get(group, request);
    pending->lent = pending->owner && ldr_near_lend(group, request, pending->now);
    bool there = look(group, &sight, &reply);
    if (!there && !pending->again)
        count(group, LDR_MISSES);
    if (pending->lent)
        reply.flags |= LARDER_REPLY_OWNER;
    if (!there && (ldr_group_loads(group) || ldr_group_must_ask(group) || is_elsewhere(group, request))) {
        wait_in_flight(pending, larder_deadline_in(runtime, group->load_timeout_ms), begin_load, &pending->owner);
        return;
    }
    if (!pending->again)
        ldr_histogram_add(&group->get_latency, larder_now(runtime) - pending->begun);
    ldr_answer(group->context, &reply, pending->done, pending->arg);
}

static void stood_in(void *arg, struct larder_reply *reply)
{
    ldr_flight_finish(arg, reply);
}

void ldr_get_stand_in(struct ldr_flight *flight)
{
    struct ldr_group *group = flight->group;
    struct larder_reply reply = {.status = LARDER_NOT_FOUND};
    const struct sight sight = {flight->name, flight->key, larder_now(group->context->runtime), false, true};
    if (look(group, &sight, &reply) || !ldr_group_loads(group)) {
        ldr_flight_finish(flight, &reply);
        return;
    }
    /* In a flight of its own, which a get of a peer may have begun already. */
    bool owner = ldr_group_holds(group, flight->name, flight->key);
    struct ldr_flight_ask ask = {
        .group = group,
        .name = flight->name,
        .key = flight->key,
        .of_peer = true,
        .deadline = flight->deadline,
        .flight_deadline = larder_deadline_in(group->context->runtime, group->load_timeout_ms),
        .done = stood_in,
        .arg = flight,
        .begin = begin_load,
        .begin_arg = &owner,
    };
    ldr_flight_ask(group->context->flights, &ask);
}

/* ------------------------------------------------------------------------------------------------ at the owner */

static void get_there(const struct pending *pending, const struct ldr_route *route)
{
    struct ldr_group *group = pending->group;
    const struct ldr_context *context = group->context;
    struct ldr_get_target target = {.peer = route->peer};
    if (!pending->again) {
        if (ldr_near_answer(group, pending->request, pending->begun, pending->done, pending->arg)) {
            ldr_peer_release(target.peer);
            return;
        }
        count(group, LDR_MISSES);
        int64_t wanted = ldr_near_wanted(group, pending->request->key, pending->begun);
        if (route->owner)
            target.near_ms = wanted;
    }
    /* At least as long as whoever begins it waits; those that join may have more time than a hurried one. */
    uint64_t own = pending->request->deadline;
    uint64_t deadline = larder_deadline_in(context->runtime, context->request_timeout_ms);
    if (own > deadline && own != LARDER_NEVER)
        deadline = own;
    wait_in_flight(pending, deadline, ldr_get_call, &target);
    ldr_peer_release(target.peer); /* NULL when a call took it */
}

static void get(struct pending *pending)
{
    struct ldr_group *group = pending->group;
    struct ldr_route route = ldr_group_route(group, pending->request);
    pending->away = route.peer != NULL;
    pending->owner = route.owner && !pending->away;
    if (route.peer != NULL)
        get_there(pending, &route);
    else if (group->store == NULL)
        ldr_answer_status(group->context, LARDER_UNAVAILABLE, "no member of the cluster can be reached", pending->done,
                          pending->arg);
    else
        get_here(pending);
}

void ldr_group_get(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    if (group->context->seen != NULL) {
        ldr_strict_do(group, request, done, arg);
        return;
    }
    uint64_t now = larder_now(group->context->runtime);
    struct pending pending = {.group = group, .request = request, .begun = now, .now = now, .done = done, .arg = arg};
    count(group, LDR_GETS);
    get(&pending);
}
