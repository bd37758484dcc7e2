/* Calls to peers: attempts, and the waiting between them. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/cluster/peer.h"

/* Owned by its attempt while one is under way, else by the peer's list of those that wait. Holds a reference to the peer. */
struct ldr_call {
    struct larder_timer timer; /* the backoff */
    struct ldr_call *next, **link;
    struct ldr_peer *peer;
    struct larder_request request; /* as it goes to the peer: its deadline is the attempt's */
    uint64_t deadline;             /* the caller's */
    uint64_t begun;                /* the attempt under way */
    unsigned attempts;
    bool own_limit; /* of the attempt under way */
    bool once;      /* the caller does without further attempts */
    bool sent;      /* some attempt may have reached the peer */
    larder_reply_fn done;
    void *arg;
    char reason[LDR_REASON_MAX]; /* of the last failure */
    unsigned char header[LDR_HEADER_SIZE];
};

static bool is_safe_to_repeat(const struct larder_request *request)
{
    const uint32_t conditions = LARDER_REQUEST_IF_ABSENT | LARDER_REQUEST_IF_PRESENT | LARDER_REQUEST_IF_VERSION;
    switch (request->operation) {
    case LARDER_OP_GET:
    case LARDER_OP_PING: return true;
    case LARDER_OP_SET:
    case LARDER_OP_DELETE:
    case LARDER_OP_TOUCH: return (request->flags & conditions) == 0;
    default: return false;
    }
}

static uint64_t attempt_limit_ms(const struct ldr_cluster *cluster, const struct larder_request *request)
{
    uint64_t limit = cluster->options.peer_timeout_ms;
    /* A get may have to wait for the origin. */
    uint64_t slow = atomic_load_explicit(&cluster->slow_limit_ms, memory_order_relaxed);
    if (request->operation == LARDER_OP_GET && __builtin_add_overflow(limit, slow, &limit))
        return UINT64_MAX;
    return limit;
}

static void finish(struct ldr_call *call, struct larder_reply *reply)
{
    struct ldr_peer *peer = call->peer;
    atomic_fetch_sub_explicit(&peer->calls, 1, memory_order_relaxed);
    call->done(call->arg, reply);
    free(call);
    ldr_peer_release(peer); /* last: a closing cluster waits for it */
}

static void finish_without(struct ldr_call *call, enum larder_status status)
{
    char message[LDR_REASON_MAX + LARDER_MEMBER_NAME_MAX + 32];
    snprintf(message, sizeof message, "no answer from peer %s: %s", call->peer->name,
             call->reason[0] != '\0' ? call->reason : larder_status_text(status));
    struct larder_reply reply = {.status = status,
                                 .flags = call->sent ? 0 : (uint32_t)LARDER_REPLY_NOT_SENT,
                                 .message = ldr_slice_text(message)};
    finish(call, &reply);
}

/* ------------------------------------------------------------------------------------------------ attempts */

static void attempted(void *arg, struct larder_reply *reply);

/* Until when the peer may do a write, by its own clock: one that stood may find it when others have done it long ago. */
static void limit_write(struct ldr_call *call)
{
    struct ldr_cluster *cluster = call->peer->cluster;
    struct ldr_header header = {0};
    if (cluster->options.strict || !ldr_operation_writes(call->request.operation) ||
        !ldr_cluster_stamp(cluster, call->peer, &header.stamp, &header.budget))
        return;
    header.budget += call->request.deadline - larder_now(cluster->options.runtime);
    ldr_header_encode(&header, call->header);
    call->request.cluster = ldr_slice(call->header, sizeof call->header);
}

static void attempt(struct ldr_call *call)
{
    struct ldr_cluster *cluster = call->peer->cluster;
    const struct larder_runtime *runtime = cluster->options.runtime;
    if (larder_now(runtime) >= call->deadline) {
        finish_without(call, LARDER_DEADLINE);
        return;
    }
    uint64_t limit = larder_deadline_in(runtime, attempt_limit_ms(cluster, &call->request));
    call->own_limit = limit < call->deadline;
    call->request.deadline = call->own_limit ? limit : call->deadline;
    call->begun = larder_now(runtime);
    limit_write(call);
    call->request.ring = ldr_cluster_ring(cluster);
    ldr_count(call->request.operation == LARDER_OP_EXCHANGE ? &cluster->exchanges : &cluster->requests);
    ldr_count(&call->peer->requests);
    if (call->attempts++ > 0)
        ldr_count(&cluster->retries);
    ldr_peer_send(call->peer, &call->request, attempted, call);
}

static void link_waiting(struct ldr_call *call)
{
    struct ldr_peer *peer = call->peer;
    call->next = peer->waiting;
    if (call->next != NULL)
        call->next->link = &call->next;
    call->link = &peer->waiting;
    peer->waiting = call;
}

static void unlink_waiting(struct ldr_call *call)
{
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
}

static void waited(struct larder_timer *timer)
{
    struct ldr_call *call = (struct ldr_call *)((char *)timer - offsetof(struct ldr_call, timer));
    struct ldr_peer *peer = call->peer;
    pthread_mutex_lock(&peer->lock);
    unlink_waiting(call);
    bool go = !peer->closed && ldr_breaker_admits(&peer->breaker);
    pthread_mutex_unlock(&peer->lock);
    if (go)
        attempt(call);
    else
        finish_without(call, LARDER_UNAVAILABLE);
}

/* The backoff before the next attempt: doubled each time, the upper half of it by chance. */
static uint64_t backoff(const struct ldr_cluster *cluster, unsigned attempts)
{
    const struct larder_runtime *runtime = cluster->options.runtime;
    uint64_t whole = ldr_ns(cluster->options.backoff_ms);
    for (unsigned i = 1; i < attempts && whole < LARDER_NEVER / 4; i++)
        whole *= 2;
    return whole - whole / 2 + runtime->random(runtime) % (whole / 2 + 1);
}

/* False: there is no sense in another attempt, or no time for it. True: the call may be gone already. */
static bool wait_for_retry(struct ldr_call *call)
{
    struct ldr_peer *peer = call->peer;
    const struct ldr_cluster_options *options = &peer->cluster->options;
    if (call->once || call->attempts > options->retries)
        return false;
    uint64_t now = larder_now(options->runtime), delay = backoff(peer->cluster, call->attempts);
    if (now >= call->deadline || delay >= call->deadline - now)
        return false;
    pthread_mutex_lock(&peer->lock);
    bool wait = !peer->closed && ldr_breaker_admits(&peer->breaker);
    if (wait) {
        link_waiting(call);
        options->runtime->timer_start(options->runtime, &call->timer, now + delay);
    }
    pthread_mutex_unlock(&peer->lock);
    return wait;
}

/*
 * Nothing came in the time of an attempt, or no connection in most of it, and no ping was answered either: it does not load,
 * it stands or cannot be reached.
 */
static bool is_silent(const struct ldr_call *call, const struct larder_reply *reply)
{
    const struct ldr_cluster_options *options = &call->peer->cluster->options;
    uint64_t whole = ldr_ns(options->peer_timeout_ms), given = call->request.deadline - call->begun;
    bool late = (reply->status == LARDER_DEADLINE && given + LARDER_NS_PER_MS >= whole) ||
                (reply->status == LARDER_UNAVAILABLE && larder_now(options->runtime) - call->begun > whole / 2);
    return late && reply->ring.settings == 0 && !ldr_peer_is_there(call->peer);
}

static void attempted(void *arg, struct larder_reply *reply)
{
    struct ldr_call *call = arg;
    struct ldr_peer *peer = call->peer;
    bool sent = (reply->flags & LARDER_REPLY_NOT_SENT) == 0;
    bool silent = is_silent(call, reply);
    enum ldr_outcome outcome = ldr_peer_judge(peer, reply, call->own_limit || silent, false);
    call->sent |= sent;
    if (outcome != LDR_FAILED) {
        finish(call, reply);
        return;
    }
    ldr_count(&peer->failures);
    ldr_count(&peer->cluster->failures);
    struct larder_slice reason = ldr_reply_reason(reply);
    int size = reason.size < LDR_REASON_MAX ? (int)reason.size : LDR_REASON_MAX - 1;
    snprintf(call->reason, sizeof call->reason, "%.*s", size, (const char *)reason.data);
    larder_reply_release(reply);
    /* Where there are others that have the key, they are better asked than one that stands; a gateway cannot do what was not sent. */
    const struct ldr_cluster_options *options = &peer->cluster->options;
    bool safe = is_safe_to_repeat(&call->request);
    bool others = safe && options->replicas > 1 && (sent || !options->gateway);
    bool repeat = (!sent || safe) && !(silent && others);
    if (!repeat || !wait_for_retry(call))
        finish_without(call, LARDER_UNAVAILABLE);
}

void ldr_call_give_up_waiting(struct ldr_peer *peer)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    struct ldr_call *given_up = NULL, *next;
    pthread_mutex_lock(&peer->lock);
    for (struct ldr_call *call = peer->waiting; call != NULL; call = next) {
        next = call->next;
        if (!runtime->timer_cancel(runtime, &call->timer))
            continue; /* it fires on another thread, and will see for itself */
        unlink_waiting(call);
        call->next = given_up;
        given_up = call;
    }
    pthread_mutex_unlock(&peer->lock);
    for (struct ldr_call *call = given_up; call != NULL; call = next) {
        next = call->next;
        finish_without(call, LARDER_UNAVAILABLE);
    }
}

/* ------------------------------------------------------------------------------------------------ the doors */

static void refuse(struct ldr_peer *peer, enum larder_status status, const char *message, larder_reply_fn done,
                   void *arg)
{
    struct larder_reply reply = {.status = status, .flags = LARDER_REPLY_NOT_SENT, .message = ldr_slice_text(message)};
    done(arg, &reply);
    ldr_peer_release(peer);
}

/* Counts one more call to the peer; false: there are too many. Relaxed: the count bounds memory and orders nothing. */
static bool take_room(struct ldr_peer *peer)
{
    uint64_t most = peer->cluster->options.max_calls;
    if (atomic_fetch_add_explicit(&peer->calls, 1, memory_order_relaxed) < most || most == 0)
        return true;
    atomic_fetch_sub_explicit(&peer->calls, 1, memory_order_relaxed);
    ldr_count(&peer->cluster->calls_refused);
    return false;
}

static void call_peer(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_request *request,
                      bool once, larder_reply_fn done, void *arg)
{
    if ((request->flags & LARDER_REQUEST_PEER) != 0) {
        ldr_count(&cluster->forwarded_refused);
        refuse(peer, LARDER_INVALID, "a request that came from a peer is never forwarded again", done, arg);
        return;
    }
    if (!take_room(peer)) {
        refuse(peer, LARDER_BUSY, "too many calls to the peer are under way", done, arg);
        return;
    }
    struct ldr_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        atomic_fetch_sub_explicit(&peer->calls, 1, memory_order_relaxed);
        refuse(peer, LARDER_NO_MEMORY, larder_status_text(LARDER_NO_MEMORY), done, arg);
        return;
    }
    call->timer.fire = waited;
    call->once = once;
    call->peer = peer;
    call->request = *request;
    call->request.flags |= LARDER_REQUEST_PEER;
    call->request.sender = ldr_slice_text(cluster->self);
    call->deadline = request->deadline;
    call->done = done;
    call->arg = arg;
    attempt(call);
}

void ldr_cluster_call(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_request *request,
                      larder_reply_fn done, void *arg)
{
    call_peer(cluster, peer, request, false, done, arg);
}

void ldr_cluster_call_once(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_request *request,
                           larder_reply_fn done, void *arg)
{
    call_peer(cluster, peer, request, true, done, arg);
}
