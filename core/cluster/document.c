/* What the cluster tells about itself, and what it says to requests of peers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/cluster/peer.h"
#include "core/cluster/state.h"

/* A reference to the member of this name; NULL: there is none. */
static struct ldr_peer *find_peer(struct ldr_cluster *cluster, struct larder_slice name)
{
    struct ldr_peer *peer = NULL;
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count && peer == NULL; i++)
        if (view->members[i].peer != NULL && ldr_slice_equal(ldr_slice_text(view->members[i].name), name))
            ldr_peer_hold(peer = view->members[i].peer);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return peer;
}

/* A peer introduced itself: it is answered in kind, with the list if its own is older. */
void ldr_cluster_greet(struct ldr_cluster *cluster, const struct larder_request *request, struct larder_reply *reply)
{
    struct ldr_header header, ours = {0};
    if (!ldr_header_decode(request->cluster, &header))
        return;
    struct ldr_peer *peer = find_peer(cluster, request->sender);
    /* What other messages carry is this node's clock, or none, and says nothing of the sender. */
    if (peer != NULL && request->operation == LARDER_OP_PING)
        ldr_standing_heard(cluster, peer, &request->ring, &header, 0);
    else if (header.list.size > 0 && header.id > ldr_cluster_ring(cluster).epoch)
        ldr_cluster_adopt(cluster, header.list);
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_standing_header(cluster, peer, &request->ring.epoch, &ours);
    unsigned char *bytes = malloc(LDR_HEADER_SIZE + ours.list.size);
    if (bytes != NULL) {
        ldr_header_encode(&ours, bytes);
        if (ours.list.size > 0)
            memcpy(bytes + LDR_HEADER_SIZE, ours.list.data, ours.list.size);
        reply->cluster = ldr_slice(bytes, LDR_HEADER_SIZE + ours.list.size);
        reply->pin = bytes;
        reply->release = free;
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    ldr_peer_release(peer);
}

/* Whether a write came when its sender had given it up. Strictly, it is counted on; see ldr_strict_serve(). */
static bool is_late(const struct ldr_cluster *cluster, const struct larder_request *request)
{
    struct ldr_header header;
    uint64_t until;
    return !cluster->options.strict && ldr_operation_writes(request->operation) &&
           ldr_header_decode(request->cluster, &header) && header.stamp != 0 &&
           !__builtin_add_overflow(header.stamp, header.budget, &until) && until < larder_now(cluster->options.runtime);
}

enum larder_status ldr_cluster_accept(struct ldr_cluster *cluster, const struct larder_request *request)
{
    if ((request->flags & LARDER_REQUEST_PEER) == 0)
        return LARDER_OK;
    if (request->ring.settings != cluster->settings_digest) {
        int size = request->sender.size < LARDER_MEMBER_NAME_MAX ? (int)request->sender.size : LARDER_MEMBER_NAME_MAX;
        return ldr_fail(LARDER_REFUSED,
                        "ring settings differ: node %s has %s (digest %016" PRIx64
                        "), the request of node %.*s has digest "
                        "%016" PRIx64,
                        cluster->self, cluster->settings_text, cluster->settings_digest, size,
                        (const char *)(size == 0 ? "" : request->sender.data), request->ring.settings);
    }
    struct larder_ring_view ours = ldr_cluster_ring(cluster);
    if (ours.checksum != 0 && request->ring.checksum != ours.checksum)
        ldr_count(&cluster->mismatches);
    if (is_late(cluster, request))
        return ldr_fail(LARDER_UNAVAILABLE, "the write came when its sender had given it up");
    return LARDER_OK;
}

static const char *state_of(const struct ldr_peer *peer)
{
    switch (ldr_breaker_state(&peer->breaker)) {
    case LDR_BREAKER_OPEN:
    case LDR_BREAKER_HALF_OPEN: return "suspended";
    case LDR_BREAKER_REFUSED: return "refused";
    case LDR_BREAKER_CLOSED: break;
    }
    return atomic_load_explicit(&peer->answered, memory_order_relaxed) ? "up" : "unknown";
}

static void tell_peer(struct ldr_peer *peer, struct ldr_member_info *info, char *reason)
{
    pthread_mutex_lock(&peer->lock);
    info->state = state_of(peer);
    memcpy(reason, peer->reason, LDR_REASON_MAX);
    pthread_mutex_unlock(&peer->lock);
    info->reason = strcmp(info->state, "up") == 0 ? "" : reason;
    info->agrees = atomic_load_explicit(&peer->agrees, memory_order_relaxed);
    info->requests = ldr_count_read(&peer->requests);
    info->failures = ldr_count_read(&peer->failures);
}

void ldr_cluster_members(struct ldr_cluster *cluster, void (*each)(void *arg, const struct ldr_member_info *info),
                         void *arg)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count; i++) {
        const struct ldr_view_member *member = &view->members[i];
        char reason[LDR_REASON_MAX];
        struct ldr_member_info info = {
            .name = member->name,
            .address = member->address == NULL ? "" : member->address,
            .weight = member->weight,
            .share = member->on_ring == SIZE_MAX ? 0 : ldr_ring_share(view->ring, member->on_ring),
            .zone = member->zone,
            .incarnation = member->incarnation,
            .leaving = member->leaving,
            .self = member->peer == NULL,
            .state = "self",
            .reason = "",
            .agrees = true};
        if (member->peer != NULL)
            tell_peer(member->peer, &info, reason);
        each(arg, &info);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

void ldr_cluster_stats(struct ldr_cluster *cluster, struct ldr_cluster_stats *stats)
{
    *stats = (struct ldr_cluster_stats){
        .peer_requests = ldr_count_read(&cluster->requests),
        .peer_exchanges = ldr_count_read(&cluster->exchanges),
        .peer_probes = ldr_count_read(&cluster->probes),
        .peer_failures = ldr_count_read(&cluster->failures),
        .peer_retries = ldr_count_read(&cluster->retries),
        .ring_mismatches = ldr_count_read(&cluster->mismatches),
        .forwarded_refused = ldr_count_read(&cluster->forwarded_refused),
        .calls_refused = ldr_count_read(&cluster->calls_refused),
    };
    ldr_epoch_enter(LDR_EPOCH_NODE);
    const struct ldr_view *view = ldr_cluster_view(cluster);
    stats->members = view == NULL ? 0 : view->count;
    for (size_t i = 0; view != NULL && i < view->count; i++)
        if (view->members[i].peer != NULL && !ldr_breaker_admits(&view->members[i].peer->breaker))
            stats->peer_suspended++;
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

const char *ldr_cluster_settings_text(const struct ldr_cluster *cluster)
{
    return cluster->settings_text;
}
