/* Where the copies of a key lie, by one list. */
#include <string.h>

#include "core/cluster/peer.h"
#include "core/cluster/standing.h"

static bool zone_taken(const struct ldr_view *view, const size_t *found, size_t count, size_t member)
{
    const char *zone = view->members[member].zone;
    for (size_t i = 0; i < count && zone[0] != '\0'; i++)
        if (strcmp(view->members[found[i]].zone, zone) == 0)
            return true;
    return false;
}

static bool is_in(const size_t *found, size_t count, size_t member)
{
    for (size_t i = 0; i < count; i++)
        if (found[i] == member)
            return true;
    return false;
}

/*
 * Goes round from the key's place and takes members not met before; with `apart`, only those in a zone of which there is
 * none yet. Ends early when there are no others to come.
 */
static size_t go_round(const struct ldr_view *view, size_t start, size_t *found, size_t count, size_t wanted,
                       bool apart)
{
    size_t most = apart ? view->zones : view->count, place = start;
    for (bool first = true; count < wanted && count < most && (first || place != start); first = false) {
        size_t member = view->of_ring[ldr_ring_member(view->ring, place)];
        if (!is_in(found, count, member) && !(apart && zone_taken(view, found, count, member)))
            found[count++] = member;
        place = ldr_ring_next(view->ring, place);
    }
    return count;
}

size_t ldr_view_replicas(const struct ldr_view *view, uint64_t digest, size_t *found, size_t wanted)
{
    size_t start = ldr_ring_find(view->ring, digest);
    size_t count = go_round(view, start, found, 0, wanted, true);
    return count < wanted ? go_round(view, start, found, count, wanted, false) : count;
}

/* Whether all of these members held the key under the base, in the same registrations. */
static bool same_as(const struct ldr_view *base, const struct ldr_view *view, uint64_t digest,
                    const struct ldr_placement *placement, const size_t *found, unsigned replicas, bool *was_mine)
{
    size_t before[LDR_REPLICAS_MAX], had = ldr_view_replicas(base, digest, before, replicas);
    *was_mine = is_in(before, had, base->self);
    for (unsigned i = 0; i < placement->count; i++) {
        const struct ldr_view_member *now = &view->members[found[i]];
        size_t j = 0;
        while (j < had && (strcmp(base->members[before[j]].name, now->name) != 0 ||
                           base->members[before[j]].incarnation != now->incarnation))
            j++;
        if (j == had)
            return false;
    }
    return true;
}

/* Inside an epoch section. */
static void fill(struct ldr_cluster *cluster, const struct ldr_view *view, uint64_t digest, bool hold,
                 struct ldr_placement *placement)
{
    size_t found[LDR_REPLICAS_MAX];
    placement->epoch = view->seen.epoch;
    placement->serial = view->serial;
    placement->count = (unsigned)ldr_view_replicas(view, digest, found, cluster->options.replicas);
    placement->self = placement->count;
    for (unsigned i = 0; i < placement->count; i++) {
        placement->peers[i] = view->members[found[i]].peer;
        if (placement->peers[i] == NULL)
            placement->self = i;
        else if (hold)
            ldr_peer_hold(placement->peers[i]);
    }
    const struct ldr_view *base = atomic_load_explicit(&cluster->base, memory_order_acquire);
    placement->same = base != NULL &&
                      same_as(base, view, digest, placement, found, cluster->options.replicas, &placement->was_mine);
}

uint64_t ldr_cluster_digest(const struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key)
{
    const struct ldr_ring_settings *settings = &cluster->options.ring;
    return ldr_ring_key(settings, ldr_ring_group(settings, group), key);
}

void ldr_cluster_place(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key,
                       struct ldr_placement *placement)
{
    *placement = (struct ldr_placement){.digest = ldr_cluster_digest(cluster, group, key)};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL)
        fill(cluster, view, placement->digest, true, placement);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

void ldr_placement_release(struct ldr_placement *placement)
{
    for (unsigned i = 0; i < placement->count; i++)
        ldr_peer_release(placement->peers[i]);
    placement->count = placement->self = 0;
}

bool ldr_peer_is_up(const struct ldr_peer *peer)
{
    return ldr_breaker_admits(&peer->breaker);
}

uint64_t ldr_cluster_serial(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    uint64_t serial = view != NULL ? view->serial : 0;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return serial;
}

bool ldr_cluster_registered(struct ldr_cluster *cluster)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    bool registered = view != NULL && view->registered;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return registered;
}

size_t ldr_cluster_others(struct ldr_cluster *cluster, struct ldr_peer **peers, size_t capacity, uint64_t *serial)
{
    size_t count = 0;
    *serial = 0;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL)
        *serial = view->serial;
    for (size_t i = 0; view != NULL && i < view->count; i++) {
        struct ldr_peer *peer = view->members[i].peer;
        if (peer == NULL)
            continue;
        if (count < capacity) {
            ldr_peer_hold(peer);
            peers[count] = peer;
        }
        count++;
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return count;
}

/*
 * Whom to ask: members that leave, then those that hold the key; for one that moved here also the next one on the ring, which may
 * have had it before this node came. None that is suspended.
 */
size_t ldr_cluster_holders(struct ldr_cluster *cluster, uint64_t digest, bool moved, struct ldr_peer **peers,
                           size_t wanted)
{
    size_t count = 0;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count && count < wanted; i++)
        if (view->members[i].leaving && view->members[i].peer != NULL)
            peers[count++] = view->members[i].peer;
    size_t found[LDR_REPLICAS_MAX + 1];
    size_t most = cluster->options.replicas + (moved ? 1u : 0u);
    size_t near = view == NULL ? 0 : ldr_view_replicas(view, digest, found, most);
    for (size_t i = 0; i < near && count < wanted; i++) {
        struct ldr_peer *peer = view->members[found[i]].peer;
        if (peer != NULL && !view->members[found[i]].leaving)
            peers[count++] = peer;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!ldr_peer_is_up(peers[i]) || (moved && ldr_cluster_done_by(cluster, peers[i], view->serial)))
            continue;
        ldr_peer_hold(peers[i]);
        peers[kept++] = peers[i];
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return kept;
}
