/* What the files of this room share: the cluster, its immutable views, and how they are reached. */
#ifndef LDR_CLUSTER_STATE_H
#define LDR_CLUSTER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/count.h"
#include "core/base/epoch.h"
#include "core/cluster/breaker.h"
#include "core/cluster/cluster.h"
#include "core/cluster/wire.h"

/* A member in a view. */
struct ldr_view_member {
    char name[LARDER_MEMBER_NAME_MAX + 1];
    char *zone; /* "": none */
    uint32_t weight;
    uint64_t incarnation; /* 0: discovery knows of none */
    bool leaving;
    size_t on_ring;        /* its index there; SIZE_MAX: it owns nothing */
    char *address;         /* on the peer transport; NULL when it has none */
    struct ldr_peer *peer; /* a counted reference; NULL: this node itself */
    bool given;        /* under list_lock, of a past list: it left since, and gave this node all that it had for it */
    uint64_t vanished; /* likewise: the first view since that was without it; 0: it has been there all along */
};

/* A member list, its ring and its peers: never changed once published, freed when no reader can see it. */
struct ldr_view {
    struct ldr_retired retired;
    struct larder_ring_view seen; /* what goes with requests */
    struct ldr_ring *ring;        /* of the members that do not leave; of all, if all do */
    size_t *of_ring;              /* the member that a member of the ring is */
    uint64_t serial;              /* this node's count of lists, from 1 */
    bool registered;              /* epochs are the cluster's, and incarnations known: lists travel with messages */
    struct ldr_buffer list;       /* as it travels; empty unless registered */
    size_t self;                  /* count: this node is not on it */
    size_t zones;                 /* distinct ones; a member without a zone has one to itself */
    unsigned holds;               /* as the current view, and as the base; under list_lock */
    size_t count;
    struct ldr_view_member members[];
};

/* What a list was when this node last acted under it: whom it must find again to go on from there. */
struct ldr_last_list {
    size_t count;
    struct {
        char name[LARDER_MEMBER_NAME_MAX + 1];
        uint64_t boot;
    } members[];
};

/*
 * Order of locks: list_lock, then a peer's lock, the cluster's or standing_lock, never two of these; the runtime's and the
 * log's own locks come last. No completion is called and no transport is entered with a lock of a peer or of the cluster held, but
 * for peer_open() under list_lock.
 */
struct ldr_cluster {
    struct ldr_cluster_options options;
    struct ldr_breaker_settings breaker;
    char *self;
    char *transport_name;
    char settings_text[192];
    uint64_t settings_digest;

    struct ldr_view *_Atomic view; /* NULL: no list yet, or closing */
    struct ldr_view
        *_Atomic base;         /* the last one under which every copy here was known to be where it belongs, or NULL */
    pthread_mutex_t list_lock; /* one new list at a time */
    uint64_t serial;           /* of the latest view */
    const struct ldr_cluster_events *events; /* NULL: nobody listens */

    /* Who this node is to the others; see standing.h. */
    uint64_t boot;                 /* of this process, at random */
    pthread_mutex_t clear_lock;    /* one at a time clears what is outdated; before all locks of groups */
    pthread_mutex_t standing_lock; /* the standings of all peers, and what follows to the atomic members */
    uint64_t incarnation;          /* of this node's registration; 0: none yet */
    uint64_t active_last;          /* the last list with this node on it that somebody may have acted under */
    uint64_t listed_last;          /* the last list that this node was on before it came back */
    struct ldr_view **past;        /* lists since this node was caught up; under list_lock */
    size_t past_count;
    uint64_t listed_at, changed_at;     /* when the current list came; and when something last came of it */
    uint64_t passed_at;                 /* when another member was last given all that is here for it */
    uint64_t leaves_since;              /* when the first one came that says that this node leaves; 0: it does not */
    bool outdated;                      /* what is stored here has to go before this node acts */
    bool came_back;                     /* it is on the list anew, and has not acted since */
    bool seasoned, founder;             /* see is_tied() */
    struct ldr_last_list *last;         /* NULL: it has not acted yet */
    _Atomic uint64_t lease_until;       /* relaxed, like all that follow: each is looked at by itself */
    _Atomic uint64_t held_until;        /* the same, when there is none any more: since when it is away */
    _Atomic uint64_t evidence_until;    /* until when the others' answers stand for the lease */
    _Atomic uint64_t sealed, caught_up; /* serials of the views for which this holds */
    _Atomic uint64_t told;              /* of the view that everything in this node has heard of */
    _Atomic bool leaving;               /* this node was told to leave */

    pthread_mutex_t lock;   /* the members below, and last references to peers */
    pthread_cond_t changed; /* while closing: a peer lost its last reference, or the reaper is done */
    struct ldr_peer *peers; /* all that live, in the view or not */
    bool closing;
    bool reaping; /* the reaper's timer is running, or the reaper is */
    struct larder_timer reaper;
    struct ldr_buffer adopted; /* a list that a peer sent, to be taken over by the timer; empty: none */
    uint64_t adopted_epoch;
    bool adopting; /* the timer is running, or its function is */
    struct larder_timer adopter;

    _Atomic uint64_t slow_limit_ms; /* relaxed, like all that follow: each is read by itself */
    _Atomic uint64_t requests, exchanges, probes, failures, retries, mismatches, forwarded_refused, calls_refused;
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

/* The member itself; NULL when it is not there. */
static inline const struct ldr_view_member *ldr_view_named(const struct ldr_view *view, const char *name)
{
    size_t i = ldr_view_find(view, name);
    return i < view->count ? &view->members[i] : NULL;
}

/* The member that a place of the ring belongs to. */
static inline const struct ldr_view_member *ldr_view_at(const struct ldr_view *view, size_t place)
{
    return &view->members[view->of_ring[ldr_ring_member(view->ring, place)]];
}

/* The first `wanted` members that hold a key, owner first, as indexes; returns how many there are. See place.c. */
size_t ldr_view_replicas(const struct ldr_view *view, uint64_t digest, size_t *found, size_t wanted);

/* One holder of the view less; frees it when it was the last and no reader can see it. With list_lock held. */
void ldr_view_let_go(struct ldr_view *view);

/* Where a key falls on the ring. */
uint64_t ldr_cluster_digest(const struct ldr_cluster *cluster, struct larder_slice group, struct larder_slice key);

/* With cluster->lock held: a peer has lost its last reference. */
void ldr_cluster_peer_lost(struct ldr_cluster *cluster);

#endif
