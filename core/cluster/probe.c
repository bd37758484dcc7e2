/* Pings: they find out who is there, re-admit who was suspended, and compare rings. */
#include <inttypes.h>

#include "core/base/bytes.h"
#include "core/cluster/peer.h"

#define FIRST_NS UINT64_C(20000000) /* most that the first ping to a peer waits, so that not all come at once */

/* A quarter more or less than the interval, so that nodes that started together do not ping together. */
static uint64_t interval(struct ldr_peer *peer)
{
    struct ldr_cluster *cluster = peer->cluster;
    const struct larder_runtime *runtime = cluster->options.runtime;
    uint64_t whole = ldr_ns(ldr_standing_interval_ms(cluster, peer));
    return whole - whole / 4 + runtime->random(runtime) % (whole / 2 + 1);
}

/* With the peer's lock held. */
static void start_timer(struct ldr_peer *peer, uint64_t at)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    peer->probe.waiting = true;
    peer->probe.at = at;
    runtime->timer_start(runtime, &peer->probe.timer, at);
}

/* Starts the timer for the next ping, unless there shall be none: then the reference of the pings is dropped. */
static void wait_for_turn(struct ldr_peer *peer, uint64_t delay)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    struct ldr_probe *probe = &peer->probe;
    uint64_t now = larder_now(runtime), planned = delay > LARDER_NEVER - now ? LARDER_NEVER : now + delay;
    pthread_mutex_lock(&peer->lock);
    bool stopped = probe->stopped;
    if (!stopped)
        start_timer(peer, probe->urgent ? now : ldr_breaker_ping_at(&peer->breaker, planned));
    pthread_mutex_unlock(&peer->lock);
    if (stopped)
        ldr_peer_release(peer);
}

/* Views differ for a moment whenever a list changes; a difference that outlasts a ping is told, once. */
static void compare_rings(struct ldr_peer *peer, const struct larder_ring_view *theirs)
{
    struct ldr_log *log = peer->cluster->options.log;
    struct ldr_probe *probe = &peer->probe;
    struct larder_ring_view ours = ldr_cluster_ring(peer->cluster);
    if (theirs->checksum == 0)
        return; /* it has no list yet */
    if (theirs->checksum == ours.checksum) {
        if (probe->disagreements >= 2)
            ldr_log(log, LARDER_LOG_INFO, "peer %s sees the same ring again", peer->name);
        probe->disagreements = 0;
        return;
    }
    if (probe->disagreements < 2 && ++probe->disagreements == 2)
        ldr_log(log, LARDER_LOG_WARN,
                "peer %s sees another ring: epoch %" PRIu64 " checksum %016" PRIx64 ", this node has epoch %" PRIu64
                " checksum %016" PRIx64,
                peer->name, theirs->epoch, theirs->checksum, ours.epoch, ours.checksum);
}

static void pinged(void *arg, struct larder_reply *reply)
{
    struct ldr_peer *peer = arg;
    struct ldr_header header;
    if (ldr_peer_judge(peer, reply, true, true) == LDR_ANSWERED) {
        if (ldr_header_decode(reply->cluster, &header))
            ldr_standing_heard(peer->cluster, peer, &reply->ring, &header, peer->probe.asked);
        compare_rings(peer, &reply->ring);
    }
    larder_reply_release(reply);
    ldr_buffer_free(&peer->probe.cluster);
    wait_for_turn(peer, interval(peer));
}

/* What this node says of itself; the list with it, when the peer seems not to have it. */
static struct larder_slice introduce(struct ldr_peer *peer)
{
    struct ldr_probe *probe = &peer->probe;
    struct ldr_header header = {0};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_standing_header(peer->cluster, peer, NULL, &header);
    ldr_header_encode(&header, probe->header);
    if (header.list.size > 0) {
        ldr_buffer_append(&probe->cluster, probe->header, sizeof probe->header);
        ldr_buffer_append(&probe->cluster, header.list.data, header.list.size);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return probe->cluster.size > 0 && !probe->cluster.failed ? ldr_slice(probe->cluster.data, probe->cluster.size)
                                                             : ldr_slice(probe->header, sizeof probe->header);
}

static void ping(struct larder_timer *timer)
{
    struct ldr_peer *peer = (struct ldr_peer *)((char *)timer - offsetof(struct ldr_peer, probe.timer));
    struct ldr_cluster *cluster = peer->cluster;
    struct ldr_probe *probe = &peer->probe;
    pthread_mutex_lock(&peer->lock);
    bool stopped = probe->stopped;
    probe->waiting = false;
    probe->urgent = false;
    ldr_breaker_ping(&peer->breaker, larder_now(cluster->options.runtime));
    pthread_mutex_unlock(&peer->lock);
    if (stopped) {
        ldr_peer_release(peer);
        return;
    }
    probe->asked = larder_now(cluster->options.runtime);
    probe->request = (struct larder_request){
        .operation = LARDER_OP_PING,
        .cluster = introduce(peer),
        .flags = LARDER_REQUEST_PEER,
        .deadline = larder_deadline_in(cluster->options.runtime, cluster->options.peer_timeout_ms),
        .sender = ldr_slice_text(cluster->self),
        .ring = ldr_cluster_ring(cluster),
    };
    ldr_count(&cluster->probes);
    ldr_peer_send(peer, &probe->request, pinged, peer);
}

void ldr_probe_start(struct ldr_peer *peer)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    ldr_peer_hold(peer); /* the pings' own: as long as the timer runs or a ping is under way */
    peer->probe.timer.fire = ping;
    /*
     * The first one soon, to learn early who is there and who refuses this node; sooner where members come and go: what changes
     * with a list is open until all have heard from each other.
     */
    uint64_t most = ldr_ns(peer->cluster->options.probe_ms) / 4;
    if (ldr_cluster_registered(peer->cluster) && most > FIRST_NS)
        most = FIRST_NS;
    wait_for_turn(peer, runtime->random(runtime) % (most + 1));
}

void ldr_probe_hurry(struct ldr_peer *peer)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    struct ldr_probe *probe = &peer->probe;
    uint64_t at = ldr_breaker_ping_at(&peer->breaker, probe->at);
    /* A timer that cannot be cancelled fires just now. */
    if (probe->waiting && at < probe->at && runtime->timer_cancel(runtime, &probe->timer))
        start_timer(peer, at);
}

void ldr_probe_now(struct ldr_peer *peer)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    struct ldr_probe *probe = &peer->probe;
    pthread_mutex_lock(&peer->lock);
    probe->urgent = true;
    if (!probe->stopped && probe->waiting && runtime->timer_cancel(runtime, &probe->timer))
        start_timer(peer, larder_now(runtime));
    pthread_mutex_unlock(&peer->lock);
}

void ldr_probe_stop(struct ldr_peer *peer)
{
    const struct larder_runtime *runtime = peer->cluster->options.runtime;
    struct ldr_probe *probe = &peer->probe;
    pthread_mutex_lock(&peer->lock);
    bool mine = probe->waiting && runtime->timer_cancel(runtime, &probe->timer);
    if (mine)
        probe->waiting = false;
    probe->stopped = true;
    pthread_mutex_unlock(&peer->lock);
    if (mine)
        ldr_peer_release(peer);
}
