/* A member that leaves: when it may go, and what stays. */
#include "core/cluster/standing_state.h"

/* Strict: somebody who stays can tie the next list to this one, or nobody stays at all. With the lock held. */
static bool can_spare_this(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    bool stays = false, seasoned = false;
    for (size_t i = 0; i < view->count; i++) {
        const struct ldr_peer *peer = view->members[i].peer;
        if (peer == NULL || view->members[i].leaving)
            continue;
        stays = true;
        seasoned |= peer->standing.seasoned && peer->standing.epoch == view->seen.epoch;
    }
    return seasoned || !stays || !cluster->options.strict;
}

/* Whether all that can be reached know that this node has given them everything. With the lock held. */
static bool is_told(const struct ldr_cluster *cluster, const struct ldr_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct ldr_peer *peer = view->members[i].peer;
        if (peer != NULL && ldr_peer_is_up(peer) && peer->standing.asked < cluster->passed_at)
            return false;
    }
    return true;
}

bool ldr_cluster_may_go(struct ldr_cluster *cluster)
{
    /* Whoever asks this node has pinged it in that time, and got the list with the answer. */
    uint64_t known_ms = cluster->options.probe_ms + cluster->options.probe_ms / 2 + cluster->options.peer_timeout_ms;
    bool may = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    if (view != NULL && cluster->leaves_since != 0)
        may = can_spare_this(cluster, view) && is_told(cluster, view) &&
              larder_now(cluster->options.runtime) - cluster->leaves_since >= ldr_ns(known_ms);
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return may;
}

bool ldr_cluster_is_last(struct ldr_cluster *cluster)
{
    bool stays = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count; i++)
        stays |= view->members[i].peer != NULL && !view->members[i].leaving;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return !stays;
}

bool ldr_cluster_is_leaving(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool leaving = view != NULL && view->self < view->count && view->members[view->self].leaving;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return leaving;
}
