#include "core/cluster/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"

/* ------------------------------------------------------------------------------------------------ life */

/* False: out of memory. Any other obstacle gives a peer without a handle, so that one bad address costs one peer. */
static bool open_handle(struct ldr_peer *peer, const char *address)
{
    struct ldr_cluster *cluster = peer->cluster;
    if (address != NULL)
        peer->handle = cluster->options.transport->peer_open(cluster->options.transport_state, address);
    if (peer->handle != NULL)
        return true;
    if (address == NULL)
        snprintf(peer->reason, sizeof peer->reason, "it has no address for transport \"%s\"", cluster->transport_name);
    else if (larder_last_status() == LARDER_NO_MEMORY)
        return false;
    else
        snprintf(peer->reason, sizeof peer->reason, "bad address: %.150s", larder_last_error());
    ldr_log(cluster->options.log, LARDER_LOG_ERROR, "peer %s: %s", peer->name, peer->reason);
    return true;
}

struct ldr_peer *ldr_peer_open(struct ldr_cluster *cluster, const char *name, const char *address)
{
    struct ldr_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->cluster = cluster;
    atomic_init(&peer->references, 1);
    snprintf(peer->name, sizeof peer->name, "%s", name);
    ldr_gate_init(&peer->gate);
    pthread_mutex_init(&peer->lock, NULL);
    if (!open_handle(peer, address)) {
        ldr_peer_free(peer);
        return NULL;
    }
    pthread_mutex_lock(&cluster->lock);
    peer->next = cluster->peers;
    cluster->peers = peer;
    pthread_mutex_unlock(&cluster->lock);
    return peer;
}

void ldr_peer_hold(struct ldr_peer *peer)
{
    /* Relaxed: another reference, or an epoch section, keeps the peer alive meanwhile. */
    atomic_fetch_add_explicit(&peer->references, 1, memory_order_relaxed);
}

void ldr_peer_release(struct ldr_peer *peer)
{
    if (peer == NULL)
        return;
    struct ldr_cluster *cluster = peer->cluster;
    size_t references = atomic_load_explicit(&peer->references, memory_order_relaxed);
    while (references > 1)
        if (atomic_compare_exchange_weak_explicit(&peer->references, &references, references - 1, memory_order_release,
                                                  memory_order_relaxed))
            return;
    /* The last one goes under the lock, since the reaper may free the peer, and closing the cluster, right after. Acquire:
       what others did with the peer before they let go happens before it is freed. */
    pthread_mutex_lock(&cluster->lock);
    if (atomic_fetch_sub_explicit(&peer->references, 1, memory_order_acq_rel) == 1)
        ldr_cluster_peer_lost(cluster);
    pthread_mutex_unlock(&cluster->lock);
}

void ldr_peer_close(struct ldr_peer *peer)
{
    ldr_probe_stop(peer);
    pthread_mutex_lock(&peer->lock);
    peer->closed = true;
    pthread_mutex_unlock(&peer->lock);
    ldr_call_give_up_waiting(peer);
    ldr_gate_close(&peer->gate);
    if (peer->handle != NULL)
        peer->cluster->options.transport->peer_close(peer->handle);
    peer->handle = NULL;
}

void ldr_peer_free(struct ldr_peer *peer)
{
    if (peer->handle != NULL)
        peer->cluster->options.transport->peer_close(peer->handle);
    pthread_mutex_destroy(&peer->lock);
    ldr_gate_destroy(&peer->gate);
    ldr_buffer_free(&peer->probe.cluster);
    free(peer);
}

const char *ldr_peer_name(const struct ldr_peer *peer)
{
    return peer->name;
}

/* ------------------------------------------------------------------------------------------------ asking it */

/* Why the request cannot even be handed over; NULL when it was. */
static const char *hand_over(struct ldr_peer *peer, const struct larder_request *request, larder_reply_fn done,
                             void *arg)
{
    if (!ldr_gate_enter(&peer->gate))
        return "this node is closing";
    void *handle = peer->handle;
    if (handle != NULL)
        peer->cluster->options.transport->call(handle, request, done, arg);
    ldr_gate_leave(&peer->gate);
    return handle == NULL ? "it has no usable address" : NULL;
}

void ldr_peer_send(struct ldr_peer *peer, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    ldr_peer_hold(peer); /* the completion may drop the caller's reference before the transport returns */
    const char *obstacle = hand_over(peer, request, done, arg);
    if (obstacle != NULL) {
        struct larder_reply unsent = {
            .status = LARDER_UNAVAILABLE, .flags = LARDER_REPLY_NOT_SENT, .message = ldr_slice_text(obstacle)};
        done(arg, &unsent);
    }
    ldr_peer_release(peer);
}

struct larder_slice ldr_reply_reason(const struct larder_reply *reply)
{
    return reply->message.size > 0 ? reply->message : ldr_slice_text(larder_status_text(reply->status));
}

/* ------------------------------------------------------------------------------------------------ judging it */

/* A reply with a ring view is the peer's own; one without was made up by the transport. */
static bool is_its_own(const struct larder_reply *reply)
{
    return reply->ring.settings != 0;
}

/* An answer that says no more than that somebody else, or something newer, has to be asked. */
static bool is_moved(const struct larder_reply *reply)
{
    struct ldr_header header;
    return reply->cluster.size > 0 && ldr_header_decode(reply->cluster, &header) &&
           (header.flags & LDR_HEADER_MOVED) != 0;
}

static enum ldr_outcome outcome_of(const struct ldr_peer *peer, const struct larder_reply *reply, bool own_limit,
                                   bool ping)
{
    if (reply->status == LARDER_REFUSED)
        return LDR_REFUSED;
    if (is_its_own(reply) && reply->ring.settings != peer->cluster->settings_digest)
        return LDR_REFUSED; /* its side will say the same as soon as it looks */
    if (reply->status == LARDER_UNAVAILABLE)
        return is_moved(reply) ? LDR_ANSWERED : LDR_FAILED;
    if (reply->status == LARDER_DEADLINE && !is_its_own(reply))
        return own_limit ? LDR_FAILED : LDR_UNTOLD;
    if ((reply->flags & LARDER_REPLY_NOT_SENT) != 0)
        return LDR_UNTOLD; /* an obstacle on this side, such as too little memory */
    if (reply->status == LARDER_BUSY)
        return is_its_own(reply) && !ping ? LDR_ANSWERED : LDR_UNTOLD; /* alive; its door had no room for more */
    return ping && reply->status != LARDER_OK ? LDR_FAILED : LDR_ANSWERED;
}

static void keep_reason(struct ldr_peer *peer, const struct larder_reply *reply)
{
    struct larder_slice reason = ldr_reply_reason(reply);
    if (reply->status != LARDER_REFUSED && is_its_own(reply) && reply->ring.settings != peer->cluster->settings_digest)
        reason = ldr_slice_text("ring settings differ");
    int size = reason.size < LDR_REASON_MAX ? (int)reason.size : LDR_REASON_MAX - 1;
    snprintf(peer->reason, sizeof peer->reason, "%.*s", size, (const char *)reason.data);
}

static void answered(struct ldr_peer *peer, const struct larder_reply *reply, bool ping)
{
    struct ldr_cluster *cluster = peer->cluster;
    bool agrees = reply->ring.checksum == ldr_cluster_ring(cluster).checksum;
    if (is_its_own(reply) && atomic_load_explicit(&peer->agrees, memory_order_relaxed) != agrees)
        atomic_store_explicit(&peer->agrees, agrees, memory_order_relaxed);
    if (!atomic_load_explicit(&peer->answered, memory_order_relaxed))
        atomic_store_explicit(&peer->answered, true, memory_order_relaxed);
    if (ldr_breaker_untroubled(&peer->breaker))
        return;
    pthread_mutex_lock(&peer->lock);
    bool admitted = !peer->closed && ldr_breaker_success(&peer->breaker, ping);
    pthread_mutex_unlock(&peer->lock);
    if (!admitted)
        return;
    ldr_log(cluster->options.log, LARDER_LOG_INFO, "peer %s answers again", peer->name);
    ldr_standing_tell(cluster); /* what it did not get meanwhile, it can have now */
}

static void failed(struct ldr_peer *peer, const struct larder_reply *reply, bool ping)
{
    struct ldr_cluster *cluster = peer->cluster;
    bool suspended = false;
    char reason[LDR_REASON_MAX];
    pthread_mutex_lock(&peer->lock);
    if (!peer->closed) { /* closing makes calls fail, which is not the peer's doing */
        suspended = ldr_breaker_failure(&peer->breaker, &cluster->breaker, ping, larder_now(cluster->options.runtime));
        if (peer->handle != NULL)
            keep_reason(peer, reply);
    }
    if (suspended)
        ldr_probe_hurry(peer);
    memcpy(reason, peer->reason, sizeof reason);
    pthread_mutex_unlock(&peer->lock);
    if (!suspended)
        return;
    ldr_log(cluster->options.log, LARDER_LOG_WARN, "peer %s suspended after %u failed calls: %s", peer->name,
            cluster->breaker.suspend_after, reason);
    ldr_call_give_up_waiting(peer);
}

static void refused(struct ldr_peer *peer, const struct larder_reply *reply)
{
    struct ldr_cluster *cluster = peer->cluster;
    char reason[LDR_REASON_MAX];
    pthread_mutex_lock(&peer->lock);
    bool news = !peer->closed && ldr_breaker_refuse(&peer->breaker);
    if (!peer->closed)
        keep_reason(peer, reply);
    memcpy(reason, peer->reason, sizeof reason);
    pthread_mutex_unlock(&peer->lock);
    if (!news)
        return;
    ldr_log(cluster->options.log, LARDER_LOG_ERROR, "peer %s and this node refuse each other: %s; this node has %s",
            peer->name, reason, cluster->settings_text);
    ldr_call_give_up_waiting(peer);
}

enum ldr_outcome ldr_peer_judge(struct ldr_peer *peer, const struct larder_reply *reply, bool own_limit, bool ping)
{
    enum ldr_outcome outcome = outcome_of(peer, reply, own_limit, ping);
    switch (outcome) {
    case LDR_ANSWERED: answered(peer, reply, ping); break;
    case LDR_FAILED: failed(peer, reply, ping); break;
    case LDR_REFUSED: refused(peer, reply); break;
    case LDR_UNTOLD: break;
    }
    return outcome;
}
