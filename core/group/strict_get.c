/* Strict: what this node says to a get, as the owner of the key or for an owner that cannot be reached. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/strict.h"

/* How a flight of this node's begins. */
struct start {
    const struct ldr_placement *placement;
    bool current; /* nobody can have anything newer than what is here */
};

static void count(struct ldr_group *group, enum ldr_get_counter counter)
{
    ldr_lane_add(ldr_lanes_mine(group->lanes), counter, 1);
}

static void load_aside(struct ldr_flight *flight)
{
    if (ldr_group_loads(flight->group) && ldr_flight_wanted(flight))
        ldr_group_load_from_origin(flight);
    else
        ldr_flight_finish(flight, &(struct larder_reply){.status = LARDER_UNAVAILABLE});
}

/*
 * Everybody who may have the key was asked. Only if all have said what they have, and this node may still act, is what is
 * stored now the answer, and what the origin gives may be stored.
 */
static void asked(struct ldr_flight *flight, bool complete)
{
    struct ldr_group *group = flight->group;
    bool good = complete && ldr_cluster_acts(group->context->cluster, flight->serial);
    if (good) {
        flight->source = LARDER_SOURCE_PEER;
        ldr_group_load_now(flight);
        return;
    }
    ldr_flight_overtake(flight);                          /* nobody joins it, and nothing that it brings is stored */
    if (ldr_cluster_is_changing(group->context->cluster)) /* those that were asked will have this list in a moment */
        ldr_flight_finish(flight, &(struct larder_reply){.status = LARDER_UNAVAILABLE});
    else
        load_aside(flight);
}

static void begin(struct ldr_flight *flight, void *arg)
{
    const struct start *start = arg;
    flight->serial = start->placement->serial;
    flight->epoch = start->placement->epoch;
    flight->source = LARDER_SOURCE_LOCAL;
    if (start->current)
        ldr_group_load_now(flight);
    else
        ldr_group_ask(flight, asked);
}

static void begin_aside(struct ldr_flight *flight, void *arg)
{
    (void)arg;
    load_aside(flight);
}

/* What a flight brings goes to the request; one that nobody may answer is MOVED. */
struct wait {
    struct ldr_group *group;
    larder_reply_fn done;
    void *arg;
};

static void flown(void *arg, struct larder_reply *reply)
{
    struct wait wait = *(struct wait *)arg;
    free(arg);
    if (reply->status == LARDER_UNAVAILABLE && reply->cluster.size == 0)
        ldr_answer_header(wait.group->context, LARDER_UNAVAILABLE, LDR_HEADER_MOVED, wait.done, wait.arg);
    else
        wait.done(wait.arg, reply);
    ldr_group_release(wait.group);
}

static void fly(struct ldr_group *group, const struct larder_request *request, bool alone,
                void (*start)(struct ldr_flight *flight, void *arg), void *start_arg, larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct wait *wait = malloc(sizeof *wait);
    if (wait == NULL) {
        ldr_answer_status(context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    *wait = (struct wait){ldr_group_reference(group), done, arg};
    struct ldr_flight_ask ask = {
        .group = group,
        .name = request->group,
        .key = request->key,
        .alone = alone,
        .deadline = request->deadline,
        .flight_deadline = larder_deadline_in(context->runtime,
                                              group->load_timeout_ms + (alone ? 0 : context->peer_timeout_ms)),
        .done = flown,
        .arg = wait,
        .begin = start,
        .begin_arg = start_arg,
    };
    if (ldr_flight_ask(context->flights, &ask))
        ldr_count(&group->counters.loads_deduplicated);
}

void ldr_strict_load(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    fly(group, request, true, begin_aside, NULL, done, arg);
}

/* The answer that an entry is; NULL, and for a delete that is remembered, there is none. Takes the pin. */
static bool answer_with(struct ldr_group *group, struct ldr_entry *entry, bool owner, uint64_t now,
                        larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {.status = LARDER_NOT_FOUND, .source = LARDER_SOURCE_LOCAL};
    if (entry == NULL || ldr_entry_tombstone(entry) || ldr_entry_age(entry, now) == LDR_STALE) {
        ldr_entry_release(entry);
        return false;
    }
    if (ldr_entry_negative(entry)) {
        count(group, LDR_NEGATIVE_HITS);
        ldr_entry_release(entry);
    } else {
        count(group, LDR_HITS);
        reply = ldr_group_entry_reply(group, entry, owner ? LARDER_SOURCE_LOCAL : LARDER_SOURCE_REPLICA, now);
    }
    ldr_answer(group->context, &reply, done, arg);
    return true;
}

void ldr_strict_get(struct ldr_group *group, const struct larder_request *request, struct ldr_placement *placement,
                    larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct ldr_cluster *cluster = context->cluster;
    uint64_t now = larder_now(context->runtime);
    bool owner = placement->self == 0, caught_up = ldr_cluster_caught_up(cluster, placement->serial);
    struct ldr_entry *entry = ldr_store_get(group->store, request->key, now);
    bool current = caught_up || placement->was_mine ||
                   (entry != NULL && ldr_entry_version(entry).epoch == placement->epoch);
    struct start start = {placement, current};
    count(group, LDR_GETS);
    /* After the look into the store: what was seen there was the newest, as nobody else can have acted since. */
    if (!ldr_cluster_acts(cluster, placement->serial) || (!owner && !caught_up)) {
        ldr_entry_release(entry);
        ldr_answer_moved(context, (request->flags & LARDER_REQUEST_PEER) != 0 ? request : NULL, done, arg);
    } else if (!current || !answer_with(group, entry, owner, now, done, arg)) {
        if (!current)
            ldr_entry_release(entry);
        count(group, LDR_MISSES);
        if (owner && (ldr_group_loads(group) || !current))
            fly(group, request, false, begin, &start, done, arg);
        else if (ldr_group_loads(group))
            ldr_strict_load(group, request, done, arg);
        else
            ldr_answer_status(context, LARDER_NOT_FOUND, NULL, done, arg);
    }
    ldr_placement_release(placement);
}
