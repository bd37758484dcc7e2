/*
 * What the files of a standing share. All functions but those that read and write are called with standing_lock held, and with the
 * view kept: inside an epoch section, or under list_lock.
 */
#ifndef LDR_CLUSTER_STANDING_STATE_H
#define LDR_CLUSTER_STANDING_STATE_H

#include "core/cluster/peer.h"

/* A member of the cluster that is looked at by itself, without a lock: relaxed order is enough. */
static inline uint64_t ldr_standing_read(const _Atomic uint64_t *member)
{
    return atomic_load_explicit(member, memory_order_relaxed);
}

static inline void ldr_standing_write(_Atomic uint64_t *member, uint64_t to)
{
    atomic_store_explicit(member, to, memory_order_relaxed);
}

/* Looks at the standings of all others, and sets what follows for this node. True: somebody wants to know. */
bool ldr_standing_evaluate(struct ldr_cluster *cluster, const struct ldr_view *view);

/* Whether this node has given a peer, or all those that own something, all that it has for them. */
bool ldr_peer_is_passed(const struct ldr_peer *peer, const struct ldr_view *view);
bool ldr_view_all_passed(const struct ldr_view *view);

/* Whether it may be there at all: it was heard of, or is on a list of those that hold leases and has not failed to answer yet. */
bool ldr_peer_may_owe(const struct ldr_peer *peer, const struct ldr_view *view);

#endif
