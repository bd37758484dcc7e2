/*
 * Who has near copies of this node's keys: for telling them of writes. In a table of fixed size; where it has no room no copy
 * may be made.
 *
 * Members stand in it as bits of a set (ldr_cluster_member_bit()): two may share one, and then both are told.
 */
#ifndef LDR_GROUP_HOLDERS_H
#define LDR_GROUP_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ldr_holders;

/* Each of the sets has room for three keys. NULL when out of memory; does not set the reason. */
struct ldr_holders *ldr_holders_open(size_t sets);
void ldr_holders_close(struct ldr_holders *holders); /* NULL is fine */

size_t ldr_holders_bytes(const struct ldr_holders *holders); /* all the memory it ever takes */

/*
 * A member is about to get a copy of a key, which it keeps until `until` at the latest. Must come before the store is read
 * for it: then a write of the key either finds the member here, or is what is read. False: there is no room.
 */
bool ldr_holders_add(struct ldr_holders *holders, uint64_t digest, uint64_t member, uint64_t now, uint64_t until);

/* Whether anybody has one. */
bool ldr_holders_held(struct ldr_holders *holders, uint64_t digest, uint64_t now);

/*
 * The key was written: who is to be told. *until: when the last of their copies has ended. 0: nobody. Else ldr_holders_told()
 * must follow, with whether all have been: until then, and if not, another write has the same told.
 */
uint64_t ldr_holders_tell(struct ldr_holders *holders, uint64_t digest, uint64_t now, uint64_t *until);
void ldr_holders_told(struct ldr_holders *holders, uint64_t digest, bool all);

#endif
