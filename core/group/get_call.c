/* A get at a peer: who of those that hold the key is asked, for how long, and what becomes of the answer. */
#include "core/group/get.h"

#include "core/group/flight.h"
#include "core/group/near.h"

/* Whether this node, which holds the key too, has something of it: that it was deleted, perhaps. */
static bool is_here(const struct ldr_flight *flight)
{
    const struct ldr_group *group = flight->group;
    struct ldr_entry *entry = ldr_store_peek(group->store, flight->key, larder_now(group->context->runtime));
    bool here = entry != NULL;
    ldr_entry_release(entry);
    return here;
}

/*
 * The next member behind the one that was asked last that holds the key and is up; the first, if that one is on the list no
 * more. NULL: none, or it is the turn of this node, which has the key.
 */
static struct ldr_peer *next_replica(struct ldr_flight *flight, const struct ldr_peer *asked)
{
    struct ldr_context *context = flight->group->context;
    struct ldr_placement placement;
    struct ldr_peer *next = NULL;
    unsigned rank = 0;
    if (context->replicas == 1 || flight->sent >= context->sends_most)
        return NULL;
    ldr_cluster_place(context->cluster, flight->name, flight->key, &placement);
    for (unsigned i = 0; i < placement.count; i++)
        if (placement.peers[i] == asked)
            rank = i + 1;
    for (; next == NULL && rank < placement.count; rank++) {
        if (rank == placement.self && is_here(flight))
            break;
        if (rank == placement.self || !ldr_peer_is_up(placement.peers[rank]))
            continue;
        ldr_peer_hold(next = placement.peers[rank]);
        flight->tried = rank;
    }
    ldr_placement_release(&placement);
    return next;
}

/*
 * Who asked by then may have the answer. Its time counts from some moment after it was sent for, and is rounded up by a
 * millisecond at most: whoever asked later than what it has to live from there may have done so when it had passed, as the load
 * took long, or this node was stopped. For a value that is stale it has passed anyway.
 */
static uint64_t good_until(const struct larder_reply *reply, uint64_t sent)
{
    if (reply->ttl_ms <= 0 || (uint64_t)reply->ttl_ms >= (LARDER_NEVER - sent) / LARDER_NS_PER_MS)
        return LARDER_NEVER;
    return sent + (uint64_t)(reply->ttl_ms - 1) * LARDER_NS_PER_MS;
}

/* Nothing came of it in the time of the attempt: the peer may say so itself, if it is a little faster. */
static bool is_silent(const struct ldr_flight *flight, const struct larder_reply *reply)
{
    return reply->status == LARDER_DEADLINE &&
           (reply->ring.settings == 0 || flight->request.deadline < flight->deadline);
}

static void peer_answered(void *arg, struct larder_reply *reply);

/*
 * When the attempt that begins now ends. As long as there is somebody else to be asked, a peer is waited for no longer than it takes to
 * be sure that it is there; the last one has all the time there is.
 */
static uint64_t attempt_end(const struct ldr_flight *flight)
{
    const struct ldr_context *context = flight->group->context;
    uint64_t patience = ldr_cluster_patience_ms(context->cluster), least = context->peer_timeout_ms;
    if (flight->sent >= context->sends_most)
        return flight->deadline;
    uint64_t end = larder_deadline_in(context->runtime, patience > least ? patience : least);
    return end < flight->deadline ? end : flight->deadline;
}

/* Takes the reference to the peer. False: there is none, or nobody waits any more. */
static bool ask(struct ldr_flight *flight, struct ldr_peer *peer)
{
    struct ldr_context *context = flight->group->context;
    if (peer == NULL || !ldr_flight_wanted(flight)) {
        ldr_peer_release(peer);
        return false;
    }
    flight->begun = larder_now(context->runtime);
    flight->sent++;
    flight->request.deadline = attempt_end(flight);
    ldr_peer_hold(flight->asked = peer);
    ldr_cluster_call_once(context->cluster, peer, &flight->request, peer_answered, flight);
    return true;
}

/*
 * A peer that was asked has said nothing. If it is there, it loads the key, and is waited for: asked again, the get joins the load.
 * One that stands is not waited for.
 */
static bool ask_again(struct ldr_flight *flight, struct ldr_peer *asked, const struct larder_reply *reply)
{
    if (asked == NULL || !is_silent(flight, reply) || flight->sent >= flight->group->context->sends_most ||
        !ldr_peer_is_up(asked) || !ldr_peer_is_there(asked))
        return false;
    ldr_peer_hold(asked);
    return ask(flight, asked);
}

/* Nobody is left to be asked. */
static void go_without(struct ldr_flight *flight, struct larder_reply *reply)
{
    if (flight->group->store == NULL || !ldr_flight_wanted(flight)) {
        ldr_flight_finish(flight, reply);
        return;
    }
    larder_reply_release(reply);
    ldr_get_stand_in(flight);
}

/* It says something of the key. */
static void take_answer(struct ldr_flight *flight, struct larder_reply *reply)
{
    struct ldr_group *group = flight->group;
    if (reply->status == LARDER_OK)
        ldr_count(&group->counters.peer_hits);
    else if (reply->status == LARDER_NOT_FOUND)
        ldr_count(&group->counters.peer_misses);
    ldr_near_keep(group, flight->key, &flight->near, reply);
    if (reply->source != LARDER_SOURCE_LOADER)
        reply->source = flight->tried > 0 ? LARDER_SOURCE_REPLICA : LARDER_SOURCE_PEER;
    ldr_flight_finish_until(flight, reply, good_until(reply, flight->begun));
}

static void peer_answered(void *arg, struct larder_reply *reply)
{
    struct ldr_flight *flight = arg;
    struct ldr_group *group = flight->group;
    struct ldr_peer *asked = flight->asked;
    uint64_t took = larder_now(group->context->runtime) - flight->begun;
    bool answered = reply->status != LARDER_UNAVAILABLE && reply->status != LARDER_REFUSED && !is_silent(flight, reply);
    flight->asked = NULL;
    ldr_histogram_add(&group->peer_latency, took);
    if (!answered && (ask_again(flight, asked, reply) || ask(flight, next_replica(flight, asked))))
        larder_reply_release(reply);
    else if (answered)
        take_answer(flight, reply);
    else
        go_without(flight, reply);
    ldr_peer_release(asked);
}

void ldr_get_call(struct ldr_flight *flight, void *arg)
{
    struct ldr_get_target *target = arg;
    struct ldr_group *group = flight->group;
    flight->begun = larder_now(group->context->runtime);
    flight->request = (struct larder_request){
        .operation = LARDER_OP_GET,
        .group = flight->name,
        .key = flight->key,
        .deadline = flight->deadline,
    };
    ldr_near_ask(group, target->near_ms, &flight->request, &flight->near);
    struct ldr_peer *peer = target->peer;
    target->peer = NULL; /* the call takes the reference */
    /* Where there are others that have the key, they are asked in place of one a second time. */
    if (group->context->replicas == 1)
        ldr_cluster_call(group->context->cluster, peer, &flight->request, peer_answered, flight);
    else if (!ask(flight, peer))
        ldr_flight_finish(flight, &(struct larder_reply){.status = LARDER_UNAVAILABLE});
}
