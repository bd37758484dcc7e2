/*
 * The consistent-hash ring: a pure function of members, weights, hash, seed and virtual nodes, the same on every machine.
 *
 * Point p of virtual node v of a member is a digest of "NAME#v" mixed with p; a key belongs to the member of the first
 * point at or after its own digest. (Karger et al., "Consistent hashing and random trees", STOC 1997.) How many points
 * a virtual node has, and why: docs/decisions/0001-ring-placement.md.
 */
#ifndef LDR_CLUSTER_RING_H
#define LDR_CLUSTER_RING_H

#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/discovery.h"
#include "larder/plugin/hash.h"

struct ldr_ring_settings {
    const struct larder_hash *hash;
    uint64_t seed;
    unsigned virtual_nodes; /* of a member of weight 1, 1 to 4096 */
};

struct ldr_ring; /* immutable */

/*
 * The order of `members` does not matter; `member` indexes below are those of the array given. NULL when out of memory.
 * With count 0 the ring is empty and owns nothing.
 */
struct ldr_ring *ldr_ring_build(const struct ldr_ring_settings *settings, const struct larder_member *members,
                                size_t count);
void ldr_ring_free(struct ldr_ring *ring); /* NULL is fine */

/* Where a key of a group falls on the ring. `group_digest` comes from ldr_ring_group(). */
uint64_t ldr_ring_group(const struct ldr_ring_settings *settings, struct larder_slice group);
uint64_t ldr_ring_key(const struct ldr_ring_settings *settings, uint64_t group_digest, struct larder_slice key);

/*
 * The place of the first point at or after the digest, the member that owns a place, and the place after it (round the
 * end). Not for an empty ring. Followed from place to place, members come again and again: for callers that look for the
 * first that will do, without memory for those that would not.
 */
size_t ldr_ring_find(const struct ldr_ring *ring, uint64_t digest);
size_t ldr_ring_member(const struct ldr_ring *ring, size_t place);
size_t ldr_ring_next(const struct ldr_ring *ring, size_t place);

/*
 * The first `wanted` distinct members from the digest's place on, owner first, into `found`. Returns how many there are.
 */
size_t ldr_ring_walk(const struct ldr_ring *ring, uint64_t digest, size_t *found, size_t wanted);

/* The part of all keys that the member owns, 0 to 1. */
double ldr_ring_share(const struct ldr_ring *ring, size_t member);

/* Digest over all points, names and settings: equal if and only if (but for chance) every key has the same owner. */
uint64_t ldr_ring_checksum(const struct ldr_ring *ring);

/* Digest over the settings alone: the hash's name and its digest of a fixed text, seed, virtual nodes. */
uint64_t ldr_ring_settings_digest(const struct ldr_ring_settings *settings);

#endif
