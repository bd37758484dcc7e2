/* The table of flights as its files see it: shards, each with a lock, and in each the flights of some keys. */
#ifndef LDR_GROUP_FLIGHT_TABLE_H
#define LDR_GROUP_FLIGHT_TABLE_H

#include <pthread.h>

#include "core/base/bytes.h"
#include "core/group/flight.h"

#define SHARDS  64
#define BUCKETS 64 /* of a shard; flights are few: as many as keys being loaded */

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct ldr_flight *buckets[BUCKETS];
};

struct ldr_flights {
    struct ldr_context *context;
    uint64_t seed;
    _Atomic size_t pending;
    _Atomic bool aborted; /* relaxed: who does not see it yet does what would soon have been too late */
    struct shard shards[SHARDS];
};

static inline struct shard *shard_of(struct ldr_flights *flights, uint64_t hash)
{
    return &flights->shards[hash % SHARDS];
}

static inline struct ldr_flight **bucket_of(struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash / SHARDS % BUCKETS];
}

static inline uint64_t hash_of(const struct ldr_flights *flights, struct larder_slice name, struct larder_slice key)
{
    return ldr_hash(key, ldr_hash(name, flights->seed));
}

/* A group that was dropped may have left flights beside those of a group of the same name. */
static inline bool is_of(const struct ldr_flight *flight, uint64_t hash, const struct ldr_group *group,
                         struct larder_slice name, struct larder_slice key)
{
    return flight->hash == hash && flight->group == group && ldr_slice_equal(flight->key, key) &&
           ldr_slice_equal(flight->name, name);
}

#endif
