/* The door's part: to whom a request goes, how often, and what is safe to try again. */
#include "core/group/strict.h"

#include "core/group/near.h"
#include "core/group/strict_ask.h"

static bool is_get(const struct ldr_strict_ask *ask)
{
    return ask->request->operation == LARDER_OP_GET;
}

/* ------------------------------------------------------------------------------------------------ what came of it */

/* Whether it says that nothing was done. */
static bool is_moved(const struct larder_reply *reply)
{
    struct ldr_header header;
    return reply->status == LARDER_UNAVAILABLE && reply->cluster.size > 0 &&
           ldr_header_decode(reply->cluster, &header) && (header.flags & LDR_HEADER_MOVED) != 0;
}

/* An answer that says how it is, or says that nobody knows: an error of the origin, a bad value. */
static bool is_final(const struct larder_reply *reply)
{
    return reply->status != LARDER_UNAVAILABLE && reply->status != LARDER_REFUSED;
}

/* The peer had its part of the time and said nothing: there is time left to ask another one. */
static bool was_silent(const struct ldr_strict_ask *ask, const struct larder_reply *reply)
{
    return is_get(ask) && reply->status == LARDER_DEADLINE && larder_now(ask->group->context->runtime) < ask->deadline;
}

static bool may_repeat(const struct ldr_strict_ask *ask, const struct larder_reply *reply)
{
    const uint32_t conditions = LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT | LARDER_REQUEST_IF_VERSION;
    return is_get(ask) || (ask->request->flags & conditions) == 0 || (reply->flags & LARDER_REPLY_NOT_SENT) != 0 ||
           is_moved(reply);
}

/* Nobody can be asked now. */
static void none_left(struct ldr_strict_ask *ask)
{
    struct ldr_context *context = ask->group->context;
    if (ask->sent < context->sends_most &&
        larder_now(context->runtime) + LDR_STRICT_PAUSE_MS * LARDER_NS_PER_MS < ask->deadline)
        ldr_strict_try_later(ask);
    else
        ldr_strict_fail(ask, LARDER_UNAVAILABLE, "no member that may answer for the key can be reached");
}

/* Who has been heard of before that may have stopped since, and is heard of again when it goes on. */
static void came_to_nothing(struct ldr_strict_ask *ask, const struct larder_reply *reply)
{
    if (!is_moved(reply))
        ask->tried = larder_now(ask->group->context->runtime);
}

static void own_done(void *arg, struct larder_reply *reply)
{
    struct ldr_strict_ask *ask = arg;
    bool repeat = may_repeat(ask, reply);
    if (is_final(reply) || !repeat) {
        ldr_strict_finish(ask, reply);
        return;
    }
    ask->rounds += is_get(ask);
    ask->sent += !is_get(ask) && !is_moved(reply); /* it took as many messages as one to the owner */
    came_to_nothing(ask, reply);
    larder_reply_release(reply);
    ask->rank++;
    if (is_get(ask))
        ldr_strict_try(ask);
    else
        none_left(ask);
}

static void loaded(void *arg, struct larder_reply *reply)
{
    ldr_strict_finish(arg, reply);
}

static void peer_answered(void *arg, struct larder_reply *reply)
{
    struct ldr_strict_ask *ask = arg;
    struct ldr_group *group = ask->group;
    struct ldr_context *context = group->context;
    bool moved = is_moved(reply), told = reply->cluster.size > 0;
    if (told)
        ldr_cluster_heard(context->cluster, ask->peer, reply);
    ldr_peer_release(ask->peer);
    ask->peer = NULL;
    if (moved || (reply->flags & LARDER_REPLY_NOT_SENT) != 0)
        ask->over = 0;
    ask->sent -= (reply->flags & LARDER_REPLY_NOT_SENT) != 0;
    if (is_final(reply) && !was_silent(ask, reply)) {
        if (is_get(ask))
            ldr_near_keep(group, ask->request->key, &ask->near, reply);
        if (is_get(ask) && reply->source != LARDER_SOURCE_LOADER)
            reply->source = ask->rank > 0 ? LARDER_SOURCE_REPLICA : LARDER_SOURCE_PEER;
        ldr_count(reply->status == LARDER_OK ? &group->counters.peer_hits : &group->counters.peer_misses);
        ldr_strict_finish(ask, reply);
        return;
    }
    bool repeat = may_repeat(ask, reply);
    came_to_nothing(ask, reply);
    larder_reply_release(reply);
    if (!repeat)
        ldr_strict_fail(ask, LARDER_UNAVAILABLE, "the owner did not say whether it has written");
    else if (is_get(ask) && !moved) {
        ask->rank++;
        ldr_strict_try(ask);
    } else
        ldr_strict_try_later(ask);
}

/* ------------------------------------------------------------------------------------------------ an attempt */

/* How long one attempt may take: a get may have to wait for the origin. */
static uint64_t limit_of(const struct ldr_group *group, const struct larder_request *request)
{
    uint64_t limit = group->context->peer_timeout_ms;
    if (request->operation == LARDER_OP_GET)
        limit += group->store != NULL ? group->load_timeout_ms : group->context->request_timeout_ms;
    return limit * LARDER_NS_PER_MS;
}

/* When an attempt of a get ends. Half of its time is left to the others that hold the key: a peer that stands says nothing. */
static uint64_t attempt_end(const struct ldr_strict_ask *ask, bool last)
{
    const struct ldr_context *context = ask->group->context;
    uint64_t now = larder_now(context->runtime), least = context->peer_timeout_ms * LARDER_NS_PER_MS;
    uint64_t left = ask->deadline > now ? ask->deadline - now : 0, limit = limit_of(ask->group, ask->request);
    uint64_t part = last ? limit : left / 2 > least ? left / 2 : least;
    limit = part < limit ? part : limit;
    return now + (limit < left ? limit : left);
}

/* Only the owner's own answer is kept. Each get counts once, however often it is tried. */
static void mark_near(struct ldr_strict_ask *ask)
{
    struct ldr_group *group = ask->group;
    if (is_get(ask) && ask->near_ms < 0)
        ask->near_ms = ldr_near_wanted(group, ask->request->key, ask->begun);
    ldr_near_ask(group, is_get(ask) && ask->rank == 0 ? ask->near_ms : 0, &ask->call, &ask->near);
}

/* Takes the reference to the peer. False: it has not told its clock yet, without which a write is not sent. */
static bool send(struct ldr_strict_ask *ask, struct ldr_peer *peer, bool last)
{
    struct ldr_context *context = ask->group->context;
    const struct larder_runtime *runtime = context->runtime;
    uint64_t limit = limit_of(ask->group, ask->request), until = larder_now(runtime) + limit;
    struct ldr_header header = {.id = runtime->random(runtime)};
    if (!ldr_cluster_stamp(context->cluster, peer, &header.stamp, &header.budget) && !is_get(ask)) {
        ldr_peer_release(peer);
        return false;
    }
    header.budget += limit;
    ask->tried = until - limit;
    ldr_header_encode(&header, ask->header);
    ask->call = *ask->request;
    mark_near(ask);
    ask->call.deadline = is_get(ask) ? attempt_end(ask, last)
                                     : ask->deadline; /* a call ends after peer_timeout by itself */
    ask->call.cluster = ldr_slice(ask->header, sizeof ask->header);
    ask->over = is_get(ask) ? 0 : until;
    ask->sent++;
    ldr_peer_hold(ask->peer = peer);
    ldr_cluster_call_once(context->cluster, peer, &ask->call, peer_answered, ask);
    return true;
}

/* While the list changes, who may answer is known in a moment: the origin is not asked for what others have. */
static void go_to_origin(struct ldr_strict_ask *ask)
{
    struct ldr_group *group = ask->group;
    const struct ldr_context *context = group->context;
    bool waits = ask->sent < context->sends_most && ldr_cluster_is_changing(context->cluster);
    if (is_get(ask) && group->store != NULL && ldr_group_loads(group) && !waits)
        ldr_strict_load(group, ask->request, loaded, ask);
    else
        none_left(ask);
}

/*
 * Whether a member has been heard of since the last round, as one that may act, or may answer in the owner's place. Before the
 * first round nobody waits for that, unless the list is new: a request that comes too early is one less for later.
 */
static bool is_there(const struct ldr_strict_ask *ask, const struct ldr_placement *placement, unsigned rank)
{
    struct ldr_cluster *cluster = ask->group->context->cluster;
    /* Nobody can acknowledge a write that this node shall have, too, before it has sealed the list itself. */
    if (rank == placement->self)
        return is_get(ask) || (rank == 0 ? ldr_cluster_acts(cluster, placement->serial)
                                         : ldr_cluster_may_pass(cluster, placement->serial));
    enum ldr_part part = !is_get(ask) ? LDR_TO_WRITE : rank == 0 ? LDR_TO_GET : LDR_TO_STAND_IN;
    return (ask->since == 0 && !ldr_cluster_is_changing(cluster)) ||
           ldr_cluster_peer_acts(cluster, placement->peers[rank], placement->epoch, ask->since, part);
}

/*
 * Whether the owner asks all members for what is there before it writes. Whether another one does so this node does not know: it
 * is asked at once, as most keys stay where they are, and is taken to do so from then on.
 */
static bool asks_all(const struct ldr_strict_ask *ask, const struct ldr_placement *placement)
{
    if (is_get(ask))
        return false;
    return placement->self == 0 ? ldr_strict_asks_all(ask->group, ask->request, placement)
                                : ask->sent > 0 && ldr_strict_depends(ask->request);
}

/*
 * The last request is kept while the list changes, as one change often follows another: that of a write until all have sealed
 * the list. So is one for which all are asked, since who has not sealed the list tells nobody what it has. Or until there is just
 * time for it.
 */
static bool is_kept(const struct ldr_strict_ask *ask, const struct ldr_placement *placement)
{
    struct ldr_context *context = ask->group->context;
    bool last = ask->sent > 0 && ask->sent + 1 >= context->sends_most;
    if ((!last && !asks_all(ask, placement)) || !ldr_cluster_is_changing(context->cluster))
        return false;
    return (is_get(ask) || !ldr_cluster_is_sealed_by_all(context->cluster)) &&
           larder_deadline_in(context->runtime, context->peer_timeout_ms) < ask->deadline;
}

/*
 * Whether the member of this rank is to be asked now. Requests are counted, so what came to nothing is tried again only when
 * it may do better: when who is asked is there, and for a write everybody who shall have it.
 */
static bool is_promising(const struct ldr_strict_ask *ask, const struct ldr_placement *placement)
{
    struct ldr_context *context = ask->group->context;
    bool own = ask->rank == placement->self;
    if (!own && (!ldr_peer_is_up(placement->peers[ask->rank]) || ask->sent >= context->sends_most))
        return false;
    if (!(own && is_get(ask)) && is_kept(ask, placement))
        return false;
    for (unsigned i = 0; i < placement->count && !is_get(ask); i++)
        if (!is_there(ask, placement, i))
            return false;
    return is_there(ask, placement, ask->rank);
}

/* The member of this rank; false: it cannot be asked now. Keeps the references of the placement unless it is this node. */
static bool try_rank(struct ldr_strict_ask *ask, struct ldr_placement *placement)
{
    struct ldr_group *group = ask->group;
    if (!is_promising(ask, placement))
        return false;
    if (ask->rank == placement->self) {
        ask->tried = larder_now(ask->group->context->runtime);
        if (is_get(ask))
            ldr_strict_get(group, ask->request, placement, own_done, ask);
        else
            ldr_strict_write(group, ask->request, placement, own_done, ask);
        return true;
    }
    struct ldr_peer *peer = placement->peers[ask->rank];
    struct ldr_placement placed = *placement;
    placement->count = 0;
    if (ldr_strict_hold(ask)) {
        ldr_peer_hold(peer);
        if (!send(ask, peer, ask->rank + 1 == placed.count))
            ldr_strict_try_later(ask);
    }
    ldr_placement_release(&placed);
    return true;
}

void ldr_strict_try(struct ldr_strict_ask *ask)
{
    struct ldr_group *group = ask->group;
    struct ldr_context *context = group->context;
    struct ldr_placement placement;
    if (larder_now(context->runtime) >= ask->deadline) {
        ldr_strict_fail(ask, LARDER_DEADLINE, "no answer in time from the members that hold the key");
        return;
    }
    ldr_cluster_place(context->cluster, ask->request->group, ask->request->key, &placement);
    unsigned ranks = is_get(ask) ? placement.count : placement.count > 0;
    for (; ask->rank < ranks; ask->rank++)
        if (try_rank(ask, &placement))
            return;
    ldr_placement_release(&placement);
    if (!is_get(ask) && ask->sent >= context->sends_most)
        ldr_strict_fail(ask, LARDER_UNAVAILABLE, "the owner of the key could not write it");
    else
        go_to_origin(ask);
}
