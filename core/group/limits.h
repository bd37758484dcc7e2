/*
 * Bounds on what waits. Nothing queues without one: whoever comes when it is reached is answered BUSY at once, while what
 * the store has is answered as ever.
 *
 *   requests that wait for a load or a peer   node.max_waiting; of one group half of it, for one key a quarter
 *   loads of a group                          groups[].max_loads, those that the loader has not begun yet among them; those
 *                                             that nobody waits for begin below half of it only
 *   callbacks that wait for a worker          node.load_queue (the runtime's)
 *   calls to one peer                         cluster.max_calls (core/cluster/call.c)
 */
#ifndef LDR_GROUP_LIMITS_H
#define LDR_GROUP_LIMITS_H

#include "core/group/group.h"

/* One more request of the group waits, until ldr_limits_waited(). False: there is no room for it. */
bool ldr_limits_wait(struct ldr_group *group);
void ldr_limits_waited(struct ldr_group *group);

/* How many may wait for one key. */
size_t ldr_limits_waiters(const struct ldr_group *group);

/* One more load of the group, until ldr_limits_loaded(). `ahead`: nobody waits for it. False: there is no room for it. */
bool ldr_limits_load(struct ldr_group *group, bool ahead);
void ldr_limits_loaded(struct ldr_group *group);

/* The answer of this node when one of its bounds is reached, which it counts. `reason` is a text that stays. */
struct larder_reply ldr_limits_busy(struct ldr_context *context, const char *reason);

#endif
