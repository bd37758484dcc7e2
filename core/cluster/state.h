/* What the files of this room share: the cluster, its immutable views, and how they are reached. */
#ifndef LDR_CLUSTER_STATE_H
#define LDR_CLUSTER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/count.h"
#include "core/base/epoch.h"
#include "core/cluster/breaker.h"
#include "core/cluster/cluster.h"

/* A member in a view. */
struct ldr_view_member {
    char name[LARDER_MEMBER_NAME_MAX + 1];
    uint32_t weight;
    char *address;         /* on the peer transport; NULL when it has none */
    struct ldr_peer *peer; /* a counted reference; NULL: this node itself */
};

/* A member list, its ring and its peers: never changed once published, freed when no reader can see it. */
struct ldr_view {
    struct ldr_retired retired;
    struct larder_ring_view seen; /* what goes with requests */
    struct ldr_ring *ring;
    size_t count;
    struct ldr_view_member members[];
};

/*
 * Order of locks: list_lock, then a peer's lock or the cluster's, never both of these; the runtime's and the log's own
 * locks come last. No completion is called and no transport is entered with a lock of a peer or of the cluster held, but
 * for peer_open() under list_lock.
 */
struct ldr_cluster {
    struct ldr_cluster_options options;
    struct ldr_breaker_settings breaker;
    char *self;
    char *transport_name;
    char settings_text[128];
    uint64_t settings_digest;

    struct ldr_view *_Atomic view; /* NULL: no list yet, or closing */
    pthread_mutex_t list_lock;     /* one new list at a time */

    pthread_mutex_t lock;   /* the four below, and last references to peers */
    pthread_cond_t changed; /* while closing: a peer lost its last reference, or the reaper is done */
    struct ldr_peer *peers; /* all that live, in the view or not */
    bool closing;
    bool reaping; /* the reaper's timer is running, or the reaper is */
    struct larder_timer reaper;

    _Atomic uint64_t slow_limit_ms; /* relaxed, like all that follow: each is read by itself */
    _Atomic uint64_t requests, probes, failures, retries, mismatches, forwarded_refused, calls_refused;
};

/* The current view; inside an epoch section, or with list_lock held. Acquire pairs with the release that published it. */
static inline struct ldr_view *ldr_cluster_view(const struct ldr_cluster *cluster)
{
    return atomic_load_explicit(&cluster->view, memory_order_acquire);
}

/* Whether every member of the list makes sense; else the reason is in larder_last_error(). */
enum larder_status ldr_view_check(const struct larder_member *members, size_t count);

/* A view without peers yet. NULL when out of memory. */
struct ldr_view *ldr_view_new(const struct ldr_cluster *cluster, uint64_t epoch, const struct larder_member *members,
                              size_t count);

/* Gives every other member its peer: the one it has in `old` (NULL: none) if it is the same there, else a new one. */
bool ldr_view_find_peers(struct ldr_view *view, struct ldr_cluster *cluster, const struct ldr_view *old);

void ldr_view_free(struct ldr_view *view); /* NULL is fine */

/* The member's index in a view; view->count when it is not there. */
size_t ldr_view_find(const struct ldr_view *view, const char *name);

/* With cluster->lock held: a peer has lost its last reference. */
void ldr_cluster_peer_lost(struct ldr_cluster *cluster);

#endif
