/*
 * The caches of all rows, for those keys that belong to one shard. Shards share nothing, as those of a group do: a key is
 * one shard's for good, and each has its part of the size.
 */
#ifndef CLI_SIM_SHARD_H
#define CLI_SIM_SHARD_H

#include "sim_cache.h"
#include "sim_keys.h"
#include "sim_optimum.h"
#include "sim_plan.h"

struct sim_shard {
    const struct sim_plan *plan;
    uint32_t number;
    struct sim_keys keys;
    struct sim_cache *caches; /* one for each row; not opened for the optimum */
    bool opened;
    struct sim_optimum optimum;
    struct sim_request *waiting; /* what no cache has seen yet; to be run when as many are as there is room for */
    size_t count, room;
};

/* EXIT_DONE, or what was said; so do all. Close it in any case. */
enum exit_code sim_shard_open(struct sim_shard *shard, const struct sim_plan *plan, uint32_t number);
void sim_shard_close(struct sim_shard *shard);

/* Has the caches see what waits. */
enum exit_code sim_shard_run(struct sim_shard *shard);

/* Of a key, by all bits of its hash, of which some choose its bucket and others decide whether it is of a sample. */
static inline size_t sim_shard_of(uint64_t hash, uint64_t shards)
{
    return shards > 1 ? (size_t)((hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) * shards >> 32) : 0;
}

/* Adds what the row has missed. */
enum exit_code sim_shard_misses(const struct sim_shard *shard, size_t row, uint64_t *misses);

/* How many requests there were for its keys. */
uint64_t sim_shard_requests(const struct sim_shard *shard);

#endif
