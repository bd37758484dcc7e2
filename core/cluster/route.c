/* Who answers for a key, and how this node sees the ring: readers of the view, without a lock. */
#include <string.h>

#include "core/base/bytes.h"
#include "core/cluster/peer.h"
#include "core/cluster/state.h"

bool ldr_cluster_ready(const struct ldr_cluster *cluster)
{
    return ldr_cluster_view(cluster) != NULL;
}

struct larder_ring_view ldr_cluster_ring(const struct ldr_cluster *cluster)
{
    struct larder_ring_view seen = {.settings = cluster->settings_digest};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL)
        seen = view->seen;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return seen;
}

static bool is_up(const struct ldr_view_member *member)
{
    return member->peer == NULL || ldr_breaker_admits(&member->peer->breaker);
}

static bool any_up(const struct ldr_view *view)
{
    size_t i = 0;
    while (i < view->count && (view->members[i].on_ring == SIZE_MAX || !is_up(&view->members[i])))
        i++;
    return i < view->count;
}

static struct ldr_route to(const struct ldr_view_member *member, bool owner)
{
    if (member->peer != NULL)
        ldr_peer_hold(member->peer);
    return (struct ldr_route){member->peer, owner};
}

/* The first member that holds a copy and is up. */
static bool to_replica(const struct ldr_cluster *cluster, const struct ldr_view *view, uint64_t digest,
                       struct ldr_route *route)
{
    size_t found[LDR_REPLICAS_MAX], count = 0, i = 0;
    if (cluster->options.replicas > 1)
        count = ldr_view_replicas(view, digest, found, cluster->options.replicas);
    while (i < count && !is_up(&view->members[found[i]]))
        i++;
    if (i == count)
        return false;
    *route = to(&view->members[found[i]], true);
    return true;
}

/* The first member from the place of the owner on that is up. A breaker may open meanwhile: one round is enough. */
static struct ldr_route stand_in(const struct ldr_cluster *cluster, const struct ldr_view *view, size_t place)
{
    const struct ldr_view_member *owner = ldr_view_at(view, place);
    if (any_up(view)) {
        size_t start = place;
        while ((place = ldr_ring_next(view->ring, place)) != start) {
            const struct ldr_view_member *member = ldr_view_at(view, place);
            if (is_up(member))
                return to(member, member == owner);
        }
    }
    return cluster->options.gateway ? to(owner, true) : (struct ldr_route){NULL, false};
}

struct ldr_route ldr_cluster_route(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key)
{
    const struct ldr_ring_settings *settings = &cluster->options.ring;
    uint64_t digest = ldr_ring_key(settings, ldr_ring_group(settings, group), key);
    struct ldr_route route = {NULL, false};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    if (view != NULL) {
        size_t place = ldr_ring_find(view->ring, digest);
        const struct ldr_view_member *owner = ldr_view_at(view, place);
        if (is_up(owner))
            route = to(owner, true);
        else if (!to_replica(cluster, view, digest, &route))
            route = stand_in(cluster, view, place);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return route;
}

bool ldr_cluster_is_member(const struct ldr_cluster *cluster, struct larder_slice name)
{
    bool found = false;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count && !found; i++)
        found = ldr_slice_equal(ldr_slice_text(view->members[i].name), name);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return found;
}

/* Inside a section. */
static const struct ldr_view_member *owner_of(struct ldr_cluster *cluster, struct larder_slice group,
                                              struct larder_slice key)
{
    const struct ldr_ring_settings *settings = &cluster->options.ring;
    uint64_t digest = ldr_ring_key(settings, ldr_ring_group(settings, group), key);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    return view != NULL ? ldr_view_at(view, ldr_ring_find(view->ring, digest)) : NULL;
}

bool ldr_cluster_owns(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view_member *owner = owner_of(cluster, group, key);
    bool owns = owner != NULL && owner->peer == NULL;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return owns;
}

void ldr_cluster_owner(struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key, char *name)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view_member *owner = owner_of(cluster, group, key);
    const char *text = owner != NULL ? owner->name : "";
    memcpy(name, text, strlen(text) + 1);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}
