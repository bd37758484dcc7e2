/*
 * Reads and writes with `write_acks: all`: the owner alone answers and assigns versions, while it can be certain that it is
 * the owner; see docs/cluster.md.
 */
#ifndef LDR_GROUP_STRICT_H
#define LDR_GROUP_STRICT_H

#include "core/group/copies.h"

/* A get or write of a client: goes to the owner, a get also to those that stand in for it. */
void ldr_strict_ask(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);

/* One that a peer sent here, to be answered or MOVED. */
void ldr_strict_serve(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);

static inline void ldr_strict_do(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done,
                                 void *arg)
{
    if ((request->flags & LARDER_REQUEST_PEER) != 0)
        ldr_strict_serve(group, request, done, arg);
    else
        ldr_strict_ask(group, request, done, arg);
}

/* This node's own part, by the placement of the key, of which it takes the references. MOVED: it has none just now. */
void ldr_strict_get(struct ldr_group *group, const struct larder_request *request, struct ldr_placement *placement,
                    larder_reply_fn done, void *arg);
void ldr_strict_write(struct ldr_group *group, const struct larder_request *request, struct ldr_placement *placement,
                      larder_reply_fn done, void *arg);

/* Whether a write depends on what is there; and whether this node, as the owner, asks all other members for that first. */
bool ldr_strict_depends(const struct larder_request *write);
bool ldr_strict_asks_all(struct ldr_group *group, const struct larder_request *write,
                         const struct ldr_placement *placement);

/* From the origin, without storing it, whoever the owner is. */
void ldr_strict_load(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg);

/* The numbers of writes that peers sent lately. */
struct ldr_seen;
struct ldr_seen *ldr_seen_open(uint64_t period_ns); /* NULL when out of memory */
void ldr_seen_close(struct ldr_seen *seen);
/* False: it was seen within the last period, or there is no room for it. */
bool ldr_seen_add(struct ldr_seen *seen, uint64_t id, uint64_t now);

void ldr_strict_abort(struct ldr_context *context); /* all are answered now, and none waits any more */

#endif
