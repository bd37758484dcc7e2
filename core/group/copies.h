/*
 * Copies of a group's entries at several members: what is taken from others, given to them, asked of them. The protocol is
 * told in docs/cluster.md; who holds what is core/cluster's to say.
 */
#ifndef LDR_GROUP_COPIES_H
#define LDR_GROUP_COPIES_H

#include "core/cluster/wire.h"
#include "core/group/flight.h"
#include "core/group/group.h"
#include "core/group/handoff.h"

/*
 * Strict: an older copy of a key may be on its way while a newer one comes to be past its time here, and must not take its place
 * then, so entries stay, unfound, for as many times peer_timeout after that, and a moment more. A write is acknowledged, or not,
 * after two, as each copy is sent twice at most; members that hold the key send nothing older from then on; and a copy is refused
 * when its sender has waited one. Members that do not hold it may send what is older until they are done with this node: see
 * ldr_handoff_tick().
 */
#define LDR_KEPT_TIMEOUTS 3
#define LDR_KEPT_MORE_MS  1000 /* until what is to be held is looked at again */

/* See ldr_store_hold(). Without a store nothing is held. */
void ldr_group_hold(struct ldr_group *group, uint64_t past, bool floors);

/* What may be stored besides entries: whether deletes are remembered, and touches are writes. */
bool ldr_group_has_copies(const struct ldr_group *group);

/* An entry as it travels. The entry stays pinned by the caller. `now` is the runtime's. */
struct ldr_wire_copy ldr_group_copy_of(const struct ldr_entry *entry, uint64_t now);

/*
 * Stores a copy unless what is here is as new. `age`: how long it may have been on its way, in ns. LARDER_OK also when it was
 * not newer; a copy for which there is no room makes what is older go. *news: it was stored.
 */
enum larder_status ldr_group_take_copy(struct ldr_group *group, struct larder_slice name,
                                       const struct ldr_wire_copy *copy, uint64_t age, bool *news);

/* Drops what has outlived newer copies; see ldr_cluster_outlived(). */
void ldr_group_drop_outlived(struct ldr_group *group);

/* Executes LARDER_OP_EXCHANGE. */
void ldr_group_exchange(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);

/* A reply of a status with a header, for peers: it is this node's own, whatever the status. */
void ldr_answer_header(struct ldr_context *context, enum larder_status status, uint32_t flags, larder_reply_fn done,
                       void *arg);

/* Nothing was done, as the lists differ or this node may not act: says so, with the list if the peer's is older. */
void ldr_answer_moved(struct ldr_context *context, const struct larder_request *request, larder_reply_fn done,
                      void *arg);

/*
 * Sends what is stored for the key to all others that hold it. `all` (may be NULL) is called when each has it, or has not, by
 * the deadline: `failed` tells how many have not, and then somebody makes up for it later.
 */
struct ldr_replication {
    struct larder_slice name, key;
    uint64_t deadline;
    void (*all)(void *arg, unsigned failed);
    void *arg;
};
void ldr_group_replicate(struct ldr_group *group, const struct ldr_replication *what,
                         const struct ldr_placement *placement);

/*
 * Asks those that may have the key what they have, and stores the newest. `all` is called with whether everybody who may have
 * it said so. The flight stays the caller's.
 */
void ldr_group_ask(struct ldr_flight *flight, void (*all)(struct ldr_flight *flight, bool complete));

/* Whether what is not here, or (strict) is here from before, may be newer elsewhere. */
bool ldr_group_must_ask(struct ldr_group *group);

#endif
