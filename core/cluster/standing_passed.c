/* Who has been given all copies that it is to hold, and who still owes some: the accounts of the hand-off. */
#include "core/cluster/standing_state.h"

bool ldr_peer_is_passed(const struct ldr_peer *peer, const struct ldr_view *view)
{
    const struct ldr_standing *standing = &peer->standing;
    return standing->boot != 0 && standing->passed_serial == view->serial && standing->passed_boot == standing->boot &&
           !standing->behind && !standing->again;
}

bool ldr_view_all_passed(const struct ldr_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        if (view->members[i].peer != NULL && view->members[i].on_ring != SIZE_MAX &&
            !ldr_peer_is_passed(view->members[i].peer, view))
            return false;
    return true;
}

bool ldr_peer_may_owe(const struct ldr_peer *peer, const struct ldr_view *view)
{
    return peer->standing.boot != 0 || (view->registered && ldr_peer_is_up(peer));
}

bool ldr_cluster_is_owed(struct ldr_cluster *cluster)
{
    bool owed = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL && !ldr_cluster_caught_up(cluster, view->serial)) {
        owed = cluster->options.strict;
        pthread_mutex_lock(&cluster->standing_lock);
        for (size_t i = 0; i < view->count && !owed; i++) {
            const struct ldr_peer *peer = view->members[i].peer;
            owed = peer != NULL && ldr_peer_may_owe(peer, view) &&
                   !(peer->standing.done && peer->standing.done_serial == view->serial);
        }
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return owed;
}

bool ldr_cluster_done_by(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t serial)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    bool done = peer->standing.done && peer->standing.done_serial == serial;
    done |= !cluster->options.strict && (view == NULL || !ldr_peer_may_owe(peer, view));
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return done;
}

bool ldr_cluster_wants_pass(struct ldr_cluster *cluster, struct ldr_peer *peer, uint64_t serial, uint64_t *boot,
                            bool *full)
{
    pthread_mutex_lock(&cluster->standing_lock);
    struct ldr_standing *standing = &peer->standing;
    *boot = standing->boot;
    *full = standing->behind || standing->passed_boot != standing->boot;
    bool wanted = standing->boot != 0 && ldr_peer_is_up(peer) &&
                  (*full || standing->again || standing->passed_serial != serial);
    if (wanted) { /* whatever fails or comes from now on makes them so again */
        standing->behind = standing->again = false;
        standing->passed_serial = 0;
    }
    pthread_mutex_unlock(&cluster->standing_lock);
    return wanted;
}

void ldr_cluster_passed(struct ldr_cluster *cluster, struct ldr_peer *peer, uint64_t serial, uint64_t boot)
{
    pthread_mutex_lock(&cluster->standing_lock);
    peer->standing.passed_serial = serial;
    peer->standing.passed_boot = boot;
    cluster->passed_at = larder_now(cluster->options.runtime);
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_probe_now(peer);
}

static bool set_behind(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    pthread_mutex_lock(&cluster->standing_lock);
    bool news = !peer->standing.behind;
    peer->standing.behind = true;
    pthread_mutex_unlock(&cluster->standing_lock);
    return news;
}

void ldr_cluster_behind(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    if (set_behind(cluster, peer))
        ldr_standing_tell(cluster);
}

void ldr_cluster_behind_quietly(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    set_behind(cluster, peer);
}

void ldr_cluster_pass_again(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    for (size_t i = 0; view != NULL && i < view->count; i++)
        if (view->members[i].peer != NULL)
            view->members[i].peer->standing.again = true;
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

bool ldr_cluster_is_complete(struct ldr_cluster *cluster, uint64_t serial)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    pthread_mutex_lock(&cluster->standing_lock);
    bool complete = view != NULL && view->serial == serial && ldr_view_all_passed(view);
    pthread_mutex_unlock(&cluster->standing_lock);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return complete;
}
