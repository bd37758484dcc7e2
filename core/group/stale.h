/*
 * Values that were loaded and are past their time, or soon will be: when they are answered all the same, and how they are
 * loaded anew while nobody waits. Only the owner of a key does either.
 *
 *   ripe      not past its time: answered, and loaded anew by chance, sooner or later as loads take longer or shorter, so
 *             that a key that is asked for often is there anew before its time (Vattani, Chierichetti and Lowenstein, Optimal
 *             probabilistic cache stampede prevention, VLDB 2015)
 *   stale     within stale_while_revalidate: answered, and loaded anew
 *             within stale_if_error: loaded anew, and answered when that fails; once it has, answered until a load goes
 *             well, which is tried once a second while nobody waits (RFC 5861)
 */
#ifndef LDR_GROUP_STALE_H
#define LDR_GROUP_STALE_H

#include "core/group/group.h"

/* How what a load brought ages; `took` is the time of the load in ns. */
struct ldr_aging ldr_stale_aging(const struct ldr_group *group, const struct larder_load_result *result, uint64_t took);

/*
 * Whether an entry that was found is answered at once. Loads it anew when it is time to: then this node is the `owner`, and
 * `name` the group's name as asked for.
 */
bool ldr_stale_answers(struct ldr_group *group, struct larder_slice name, const struct ldr_entry *entry, uint64_t now,
                       bool owner);

/* A load of the key has gone well, or not. */
void ldr_stale_note(struct ldr_group *group, struct larder_slice key, bool failed);

/* Puts what the store still has, if it may be answered now, in the place of a reply that says that a load failed. */
void ldr_stale_rescue(struct ldr_group *group, const struct larder_request *request, struct larder_reply *reply);

#endif
