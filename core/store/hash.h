/* The index's hash: XXH3 keyed with a seed that is random for each store, so that nobody can choose keys that collide. */
#ifndef LDR_STORE_HASH_H
#define LDR_STORE_HASH_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "larder/plugin/plugin.h"

/* The same value as ldr_hash(), inline: a call costs as much as hashing a short key. */
static inline uint64_t ldr_store_hash(struct larder_slice key, uint64_t seed)
{
    return XXH3_64bits_withSeed(key.data, key.size, seed);
}

/* Which bits of the hash serve what: the shard's are the upper ones, the tag's below them, the bucket's the lower 32. */
static inline uint32_t ldr_hash_shard(uint64_t hash, unsigned shard_bits)
{
    return (uint32_t)(hash >> 40 >> (24 - shard_bits));
}

static inline uint8_t ldr_hash_tag(uint64_t hash)
{
    return (uint8_t)(hash >> 32);
}

#endif
