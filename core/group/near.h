/*
 * Near copies: what this node keeps for a moment of hot keys that other members own, so that not every get of such a key has
 * to go to its owner.
 *
 * A copy is made of an owner's own answer alone, and ends `near_ttl` after the request for it was sent, or with the entry's
 * own time, or when the member list changes, or when this node hears of a write: its own, or one that the owner tells of. So
 * a get is never answered with a value that was replaced longer than `near_ttl` ago, whatever messages are lost.
 *
 * Strict (`write_acks: all`): a write is acknowledged only when the copies of what was before are gone, or have ended; and a
 * copy is answered only while this node is certain that it still is a member. So no get is answered with an older value than
 * one whose write was acknowledged before.
 */
#ifndef LDR_GROUP_NEAR_H
#define LDR_GROUP_NEAR_H

#include "core/group/group.h"
#include "core/group/near_ask.h"

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

/* Answers a get of a client from a near copy, and counts that. False: there is none. Inside a section. */
bool ldr_near_answer(struct ldr_group *group, const struct larder_request *request, uint64_t begun, larder_reply_fn done,
                     void *arg);

/* Counts a get that has to go to a peer. How long its answer is worth to be kept, in ms; 0: it is not. Inside a section. */
int64_t ldr_near_wanted(struct ldr_group *group, struct larder_slice key, uint64_t now);

/*
 * A get is about to be sent whose answer is to be kept so long: marks its request, and notes what it takes to keep the answer.
 * With 0 it does neither.
 */
void ldr_near_ask(struct ldr_group *group, int64_t ttl_ms, struct larder_request *request, struct ldr_near_ask *ask);

/* Keeps the answer to it, if it may be kept. Any thread. */
void ldr_near_keep(struct ldr_group *group, struct larder_slice key, const struct ldr_near_ask *ask,
                   const struct larder_reply *reply);

/* The key was written: drops its copy, and what is on its way here. Any thread. */
void ldr_near_drop(struct ldr_group *group, struct larder_slice key);

void ldr_near_clear(struct ldr_group *group);
void ldr_near_expire(struct ldr_group *group, uint64_t now);

/* Bytes that the copies take, and may take. */
void ldr_near_sizes(struct ldr_group *group, uint64_t *used, uint64_t *limit);

/* ------------------------------------------------------------------------------------------------ at the owner */

/*
 * Whether the get is one of a member that keeps the answer, and of a key that this node owns. Then that is remembered. Must
 * come before the look into the store. Inside a section.
 */
bool ldr_near_lend(struct ldr_group *group, const struct larder_request *request, uint64_t now);

/* Whether somebody may have a near copy of the key. */
bool ldr_near_held(struct ldr_group *group, struct larder_slice key);

/*
 * A write was done here: has those who may have a near copy of its key forget it. told() is called once, inline or later:
 * `gone` when there is none any more. Unless it is strict that is not waited for when somebody cannot be told. The request
 * must stay valid until then.
 */
void ldr_near_tell(struct ldr_group *group, const struct larder_request *request, void (*told)(void *arg, bool gone),
                   void *arg);

/* The node closes: nothing is waited for any more. */
void ldr_near_abort(struct ldr_context *context);

#endif
