/* What this node says of itself to its peers, what it hears from them, and what that tells of one of them. */
#include "core/cluster/standing_state.h"

#define EAGER_MS 100 /* between two pings while something is still open */

void ldr_standing_header(struct ldr_cluster *cluster, struct ldr_peer *peer, const uint64_t *epoch,
                         struct ldr_header *header)
{
    const struct ldr_view *view = ldr_cluster_view(cluster);
    uint64_t theirs = epoch != NULL ? *epoch : 0;
    header->stamp = larder_now(cluster->options.runtime);
    if (view == NULL || atomic_load_explicit(&cluster->told, memory_order_acquire) != view->serial)
        return; /* without a boot: it stands for nothing */
    header->boot = cluster->boot;
    header->id = view->seen.epoch; /* the ring beside it may be a later one already */
    pthread_mutex_lock(&cluster->standing_lock);
    if (epoch == NULL && peer != NULL)
        theirs = peer->standing.epoch;
    if (peer != NULL)
        header->budget = peer->standing.before;
    if (cluster->seasoned)
        header->flags |= LDR_HEADER_SEASONED;
    if (ldr_standing_read(&cluster->sealed) == view->serial)
        header->flags |= LDR_HEADER_SEALED;
    if (ldr_standing_read(&cluster->caught_up) == view->serial)
        header->flags |= LDR_HEADER_CAUGHT_UP;
    if (peer != NULL && ldr_peer_is_passed(peer, view))
        header->flags |= LDR_HEADER_DONE;
    pthread_mutex_unlock(&cluster->standing_lock);
    if (view->registered && theirs < view->seen.epoch)
        header->list = ldr_slice(view->list.data, view->list.size);
}

/* Whether what was said under their view counts for ours. Epochs of lists that are not registered are each node's own. */
static bool same_list(const struct ldr_view *view, const struct larder_ring_view *ring, const struct ldr_header *header)
{
    return view->registered ? header->id == view->seen.epoch : ring->checksum == view->seen.checksum;
}

/* What was long on its way tells of a clock that is behind, and requests would be refused as late: what came before it counts on. */
static void keep_stamp(struct ldr_standing *standing, uint64_t stamp, uint64_t longest)
{
    uint64_t age = standing->heard - standing->stamped;
    if (standing->stamp != 0 && age <= longest && stamp < standing->stamp + age)
        return;
    standing->stamp = stamp;
    standing->stamped = standing->heard;
}

static bool hear(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct ldr_view *view,
                 const struct larder_ring_view *ring, const struct ldr_header *header, uint64_t asked)
{
    struct ldr_standing *standing = &peer->standing;
    bool news = standing->boot != header->boot;
    if (news) /* its process began anew, and has nothing */
        standing->behind = true;
    standing->boot = header->boot;
    standing->seasoned = (header->flags & LDR_HEADER_SEASONED) != 0;
    standing->heard = larder_now(cluster->options.runtime);
    if (news)
        standing->sealed = standing->caught_up = standing->stamp = 0;
    if (asked != 0)
        standing->answered = standing->heard;
    keep_stamp(standing, header->stamp, ldr_ns(cluster->options.peer_timeout_ms));
    if ((header->flags & LDR_HEADER_SEALED) != 0)
        standing->sealed = header->id;
    if ((header->flags & LDR_HEADER_CAUGHT_UP) != 0)
        standing->caught_up = header->id;
    if (asked != 0 && (header->id > standing->epoch || asked >= standing->asked)) {
        standing->epoch = header->id;
        standing->asked = asked;
    }
    if (same_list(view, ring, header)) {
        standing->vouched = header->budget;
        if ((header->flags & (LDR_HEADER_SEASONED | LDR_HEADER_SEALED)) != 0 && view->self < view->count)
            cluster->active_last = view->seen.epoch;
        bool done = (header->flags & LDR_HEADER_DONE) != 0;
        news |= done && !(standing->done && standing->done_serial == view->serial);
        if (done) {
            standing->done = true;
            standing->done_serial = view->serial;
        }
    }
    return news | ldr_standing_evaluate(cluster, view);
}

void ldr_standing_heard(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_ring_view *ring,
                        const struct ldr_header *header, uint64_t asked)
{
    bool news = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool known = view != NULL && ldr_view_find(view, peer->name) < view->count && header->boot != 0;
    if (known) {
        pthread_mutex_lock(&cluster->standing_lock);
        news = hear(cluster, peer, view, ring, header, asked);
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    bool later = header->list.size > 0 && (view == NULL || view->registered) &&
                 (view == NULL || header->id > view->seen.epoch);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    if (later)
        ldr_cluster_adopt(cluster, header->list);
    if (news)
        ldr_standing_tell(cluster);
}

void ldr_cluster_heard(struct ldr_cluster *cluster, struct ldr_peer *peer, const struct larder_reply *reply)
{
    struct ldr_header header;
    if (!ldr_header_decode(reply->cluster, &header))
        return;
    ldr_standing_heard(cluster, peer, &reply->ring, &header, 0);
    pthread_mutex_lock(&cluster->standing_lock);
    peer->standing.answered = larder_now(cluster->options.runtime);
    pthread_mutex_unlock(&cluster->standing_lock);
}

uint64_t ldr_standing_interval_ms(struct ldr_cluster *cluster, struct ldr_peer *peer)
{
    uint64_t usual = cluster->options.probe_ms, eager = usual < EAGER_MS ? usual : EAGER_MS;
    uint64_t now = larder_now(cluster->options.runtime);
    /* While the list changes requests wait here until they hear, or hear again, that who shall do them may act. */
    bool open = cluster->options.strict && ldr_cluster_is_changing(cluster);
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool member = view != NULL && view->self < view->count;
    if (member && cluster->options.strict) {
        if (eager > cluster->options.fence_peer_ms / 3)
            eager = cluster->options.fence_peer_ms / 3 + 1;
        open |= ldr_standing_read(&cluster->sealed) != view->serial ||
                ldr_standing_read(&cluster->lease_until) <= now + ldr_ns(usual);
    }
    if (member) {
        pthread_mutex_lock(&cluster->standing_lock);
        const struct ldr_standing *standing = &peer->standing;
        if (ldr_peer_may_owe(peer, view) && ldr_peer_is_up(peer))
            open |= !ldr_peer_is_passed(peer, view) || !(standing->done && standing->done_serial == view->serial);
        pthread_mutex_unlock(&cluster->standing_lock);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return open ? eager : usual;
}

/* ------------------------------------------------------------------------------------------------ one of them */

bool ldr_cluster_peer_acts(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t epoch, uint64_t since,
                           enum ldr_part part)
{
    pthread_mutex_lock(&cluster->standing_lock);
    const struct ldr_standing *standing = &peer->standing;
    uint64_t said = part == LDR_TO_STAND_IN ? standing->caught_up : standing->sealed;
    bool since_then = standing->heard >= since || (part != LDR_TO_WRITE && standing->answered >= since);
    pthread_mutex_unlock(&cluster->standing_lock);
    return said == epoch && since_then;
}

/* The longest pause between two pings, and as much again as the answer to one may be expected to take. */
uint64_t ldr_cluster_patience_ms(const struct ldr_cluster *cluster)
{
    return cluster->options.probe_ms * 5 / 4 + cluster->options.peer_timeout_ms / 2;
}

bool ldr_peer_is_there(struct ldr_peer *peer)
{
    struct ldr_cluster *cluster = peer->cluster;
    pthread_mutex_lock(&cluster->standing_lock);
    uint64_t at = peer->standing.answered; /* not before the time it is compared with, which comes under the lock */
    bool there = larder_now(cluster->options.runtime) - at <= ldr_ns(ldr_cluster_patience_ms(cluster));
    pthread_mutex_unlock(&cluster->standing_lock);
    return at != 0 && there;
}

bool ldr_cluster_stamp(struct ldr_cluster *cluster, const struct ldr_peer *peer, uint64_t *stamp, uint64_t *age)
{
    pthread_mutex_lock(&cluster->standing_lock);
    *stamp = peer->standing.stamp;
    *age = larder_now(cluster->options.runtime) - peer->standing.stamped;
    pthread_mutex_unlock(&cluster->standing_lock);
    return *stamp != 0;
}
