/*
 * Near copies: what this node keeps for a moment of hot keys that other members own, so that not every get of such a key has
 * to go to its owner.
 *
 * A copy is made of an owner's own answer alone, and ends `near_ttl` after the request for it was sent, or with the entry's
 * own time, or when the member list changes, or when this node hears of a write: its own, or one that the owner tells of. So
 * a get is never answered with a value that was replaced longer than `near_ttl` ago, whatever messages are lost.
 */
#ifndef LDR_GROUP_NEAR_H
#define LDR_GROUP_NEAR_H

#include "core/group/group.h"

struct ldr_flight;

/* The near copies of a group; never changed but replaced, and freed when no reader can see them. */
struct ldr_near;

/*
 * *near: NULL when a group of this node has none (bytes 0, no cluster, or nothing that finds hot keys). Evicts as the group
 * does. On failure the reason is in larder_last_error().
 */
enum larder_status ldr_near_open(const struct ldr_context *context, const struct ldr_group_options *options,
                                 struct ldr_near **near);
void ldr_near_close(struct ldr_near *near); /* NULL is fine */

/* Puts other near copies, empty yet, in the place of those of a running group. */
void ldr_near_replace(struct ldr_group *group, struct ldr_near *near);

/* Answers a get from a near copy. False: there is none. Inside a section of the node, like all that follow. */
bool ldr_near_get(struct ldr_group *group, struct larder_slice key, uint64_t now, struct larder_reply *reply);

/* Counts a get that has to go to a peer. How long its answer is worth to be kept, in ms; 0: it is not. */
int64_t ldr_near_wanted(struct ldr_group *group, struct larder_slice key, uint64_t now);

/* Marks the call of a flight: what the owner answers is to be kept so long. */
void ldr_near_ask(struct ldr_flight *flight, int64_t ms);

/* Keeps the answer to such a call, if it may be kept. Any thread. */
void ldr_near_keep(struct ldr_flight *flight, const struct larder_reply *reply);

/* The key was written: drops its copy, and what flights that are under way would bring. Any thread. */
void ldr_near_forget(struct ldr_group *group, struct larder_slice name, struct larder_slice key);

void ldr_near_clear(struct ldr_group *group);
void ldr_near_expire(struct ldr_group *group, uint64_t now);

/* Bytes that the copies take, and may take. */
void ldr_near_sizes(struct ldr_group *group, uint64_t *used, uint64_t *limit);

/* ------------------------------------------------------------------------------------------------ at the owner */

/* Whether the get is an owner's to answer for a member that will keep the answer. Then that is remembered. */
bool ldr_near_lend(struct ldr_group *group, const struct larder_request *request, bool owner, uint64_t now);

/* Whether somebody may have a near copy of the key. */
bool ldr_near_held(struct ldr_group *group, struct larder_slice key);

/*
 * A write was done here: has those who may have a near copy of its key forget it. told() is called once, inline or later,
 * when they have, or when there is no more time for it. The request must stay valid until then.
 */
void ldr_near_tell(struct ldr_group *group, const struct larder_request *request, void (*told)(void *arg), void *arg);

#endif
