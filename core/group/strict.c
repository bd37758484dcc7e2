/* The door's part: to whom a request goes, how often, and what is safe to try again. */
#include "core/group/strict.h"

#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/limits.h"
#include "core/group/near.h"

#define PAUSE_MS 25u /* before a request is tried again; twice as long after each attempt */
#define DOUBLED  3u  /* so often at most: what is waited for may come at any moment */

/* A client's request, from its door to its answer. */
struct ldr_strict_ask {
    struct larder_timer timer; /* first: the timer is the request */
    struct ldr_strict_ask *next, **link;
    struct ldr_group *group; /* a counted reference */
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
    uint64_t begun, deadline;
    uint64_t tried, since; /* when the last attempt began, or came to nothing; the last one of the round before */
    unsigned sent;         /* requests to peers, so far */
    unsigned rounds;       /* attempts of this node itself that came to nothing; each asks all others, if it is a get */
    unsigned rank;         /* who is asked next, of those that hold the key */
    struct ldr_peer *peer; /* a counted reference, while it is being asked */
    uint64_t over;         /* when what was sent last cannot be executed any more */
    struct larder_request call;
    bool waits;      /* it is counted among those that wait; see limits.h */
    int64_t near_ms; /* how long the owner's answer to a get is worth to be kept; below 0: not known yet */
    struct ldr_near_ask near;
    unsigned char header[LDR_HEADER_SIZE];
};

static void go(struct ldr_strict_ask *ask);

bool ldr_reply_moved(const struct larder_reply *reply)
{
    struct ldr_header header;
    return reply->status == LARDER_UNAVAILABLE && reply->cluster.size > 0 &&
           ldr_header_decode(reply->cluster, &header) && (header.flags & LDR_HEADER_MOVED) != 0;
}

static bool is_get(const struct ldr_strict_ask *ask)
{
    return ask->request->operation == LARDER_OP_GET;
}

/* ------------------------------------------------------------------------------------------------ its end */

static void finish(struct ldr_strict_ask *ask, struct larder_reply *reply)
{
    struct ldr_group *group = ask->group;
    struct ldr_context *context = group->context;
    uint64_t took = larder_now(context->runtime) - ask->begun;
    if (is_get(ask))
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

static void fail(struct ldr_strict_ask *ask, enum larder_status status, const char *message)
{
    struct larder_reply reply = {.status = status, .message = ldr_slice_text(message)};
    finish(ask, &reply);
}

/* From now on it waits for somebody. False: there is no room for it, and it was answered. */
static bool hold(struct ldr_strict_ask *ask)
{
    if (!ask->waits && !(ask->waits = ldr_limits_wait(ask->group))) {
        struct larder_reply busy = ldr_limits_busy(ask->group->context, LDR_TOO_MANY_WAIT);
        finish(ask, &busy);
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
        fail(ask, LARDER_UNAVAILABLE, "the node is closing");
    else
        go(ask);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

/* Tries again after a pause, and not before what was sent last is over. */
static void wait_and_go(struct ldr_strict_ask *ask)
{
    struct ldr_context *context = ask->group->context;
    struct ldr_strict_wait *wait = &context->strict;
    unsigned attempts = ask->sent + ask->rounds;
    uint64_t at = larder_deadline_in(context->runtime, PAUSE_MS << (attempts < DOUBLED ? attempts : DOUBLED));
    if (!hold(ask))
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
        fail(ask, LARDER_UNAVAILABLE, "the node is closing");
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
        fail(ask, LARDER_UNAVAILABLE, "the node is closing");
    }
}

/* ------------------------------------------------------------------------------------------------ trying */

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

/* When an attempt of a get ends. Half of its time is left to the others that hold the key: a peer that stands says nothing. */
static uint64_t attempt_end(const struct ldr_strict_ask *ask, bool last)
{
    const struct ldr_context *context = ask->group->context;
    uint64_t now = larder_now(context->runtime), least = context->peer_timeout_ms * LARDER_NS_PER_MS;
    uint64_t left = ask->deadline > now ? ask->deadline - now : 0, limit = ldr_strict_limit(ask->group, ask->request);
    uint64_t part = last ? limit : left / 2 > least ? left / 2 : least;
    limit = part < limit ? part : limit;
    return now + (limit < left ? limit : left);
}

static bool may_repeat(const struct ldr_strict_ask *ask, const struct larder_reply *reply)
{
    const uint32_t conditions = LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT | LARDER_REQUEST_IF_VERSION;
    return is_get(ask) || (ask->request->flags & conditions) == 0 || (reply->flags & LARDER_REPLY_NOT_SENT) != 0 ||
           ldr_reply_moved(reply);
}

/* Nobody can be asked now. */
static void none_left(struct ldr_strict_ask *ask)
{
    struct ldr_context *context = ask->group->context;
    if (ask->sent < context->sends_most && larder_now(context->runtime) + PAUSE_MS * LARDER_NS_PER_MS < ask->deadline)
        wait_and_go(ask);
    else
        fail(ask, LARDER_UNAVAILABLE, "no member that may answer for the key can be reached");
}

/* Who has been heard of before that may have stopped since, and is heard of again when it goes on. */
static void came_to_nothing(struct ldr_strict_ask *ask, const struct larder_reply *reply)
{
    if (!ldr_reply_moved(reply))
        ask->tried = larder_now(ask->group->context->runtime);
}

static void own_done(void *arg, struct larder_reply *reply)
{
    struct ldr_strict_ask *ask = arg;
    bool repeat = may_repeat(ask, reply);
    if (is_final(reply) || !repeat) {
        finish(ask, reply);
        return;
    }
    ask->rounds++;
    ask->sent += !is_get(ask) && !ldr_reply_moved(reply); /* it took as many messages as one to the owner */
    came_to_nothing(ask, reply);
    larder_reply_release(reply);
    ask->rank++;
    if (is_get(ask))
        go(ask);
    else
        none_left(ask);
}

static void loaded(void *arg, struct larder_reply *reply)
{
    finish(arg, reply);
}

static void peer_answered(void *arg, struct larder_reply *reply)
{
    struct ldr_strict_ask *ask = arg;
    struct ldr_group *group = ask->group;
    struct ldr_context *context = group->context;
    bool moved = ldr_reply_moved(reply), told = reply->cluster.size > 0;
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
        finish(ask, reply);
        return;
    }
    bool repeat = may_repeat(ask, reply);
    came_to_nothing(ask, reply);
    larder_reply_release(reply);
    if (!repeat)
        fail(ask, LARDER_UNAVAILABLE, "the owner did not say whether it has written");
    else if (is_get(ask) && !moved) {
        ask->rank++;
        go(ask);
    } else
        wait_and_go(ask);
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
    uint64_t limit = ldr_strict_limit(ask->group, ask->request), until = larder_now(runtime) + limit;
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
    return (ask->since == 0 && !ldr_cluster_is_changing(cluster)) ||
           ldr_cluster_peer_acts(cluster, placement->peers[rank], placement->epoch, ask->since,
                                 is_get(ask) && rank > 0);
}

/*
 * Whether the member of this rank is to be asked now. Requests are counted, so what came to nothing is tried again only when
 * it may do better: when who is asked is there, and for a write everybody who shall have it. The last request is kept until
 * the list has stood for a while: one change often follows another.
 */
static bool is_promising(const struct ldr_strict_ask *ask, const struct ldr_placement *placement)
{
    struct ldr_context *context = ask->group->context;
    bool own = ask->rank == placement->self;
    if (!own && (!ldr_peer_is_up(placement->peers[ask->rank]) || ask->sent >= context->sends_most))
        return false;
    if (!(own && is_get(ask)) && ask->sent > 0 && ask->sent + 1 >= context->sends_most &&
        ldr_cluster_is_changing(context->cluster))
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
    if (hold(ask)) {
        ldr_peer_hold(peer);
        if (!send(ask, peer, ask->rank + 1 == placed.count))
            wait_and_go(ask);
    }
    ldr_placement_release(&placed);
    return true;
}

static void go(struct ldr_strict_ask *ask)
{
    struct ldr_group *group = ask->group;
    struct ldr_context *context = group->context;
    struct ldr_placement placement;
    if (larder_now(context->runtime) >= ask->deadline) {
        fail(ask, LARDER_DEADLINE, "no answer in time from the members that hold the key");
        return;
    }
    ldr_cluster_place(context->cluster, ask->request->group, ask->request->key, &placement);
    unsigned ranks = is_get(ask) ? placement.count : placement.count > 0;
    for (; ask->rank < ranks; ask->rank++)
        if (try_rank(ask, &placement))
            return;
    ldr_placement_release(&placement);
    if (!is_get(ask) && ask->sent >= context->sends_most)
        fail(ask, LARDER_UNAVAILABLE, "the owner of the key could not write it");
    else
        go_to_origin(ask);
}

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
    go(ask);
}

/* ------------------------------------------------------------------------------------------------ from a peer */

/* How long one attempt may take: a get may have to wait for the origin. */
uint64_t ldr_strict_limit(const struct ldr_group *group, const struct larder_request *request)
{
    uint64_t limit = group->context->peer_timeout_ms;
    if (request->operation == LARDER_OP_GET)
        limit += group->store != NULL ? group->load_timeout_ms : group->context->request_timeout_ms;
    return limit * LARDER_NS_PER_MS;
}

/* Whether a write came while its sender still waits for it, and for the first time. */
static bool is_in_time(const struct ldr_context *context, const struct ldr_header *header)
{
    uint64_t now = larder_now(context->runtime), until;
    if (header->stamp == 0 || header->stamp > now || __builtin_add_overflow(header->stamp, header->budget, &until))
        return false;
    return now <= until && ldr_seen_add(context->seen, header->id, now);
}

void ldr_strict_serve(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct ldr_context *context = group->context;
    struct ldr_header header;
    struct ldr_placement placement;
    if (request->cluster.size == 0 || !ldr_header_decode(request->cluster, &header) || group->store == NULL) {
        ldr_answer_status(context, LARDER_INVALID, "a request between members without the cluster's part", done, arg);
        return;
    }
    ldr_cluster_place(context->cluster, request->group, request->key, &placement);
    bool get = request->operation == LARDER_OP_GET;
    bool mine = get ? placement.self < placement.count : placement.self == 0 && placement.count > 0;
    if (!mine || request->ring.epoch != placement.epoch || (!get && !is_in_time(context, &header))) {
        ldr_placement_release(&placement);
        ldr_answer_moved(context, request, done, arg);
    } else if (get) {
        ldr_strict_get(group, request, &placement, done, arg);
    } else {
        ldr_strict_write(group, request, &placement, done, arg);
    }
}
