/*
 * One simulated cache: a state of an eviction module, driven as include/larder/plugin/eviction.h says and as a node drives
 * it, with every hit told at once, or as the shard of a group tells them: core/store/hits.h. Whatever a module answers is
 * checked: a wrong answer ends the simulation.
 */
#ifndef CLI_SIM_CACHE_H
#define CLI_SIM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "larder/plugin/eviction.h"

#define SIM_SIZE_MAX (UINT32_MAX - 1) /* most objects of a cache */

/* A request as all caches get it. */
struct sim_request {
    uint32_t key;    /* its number */
    uint32_t charge; /* at least 1; 0: as it is, and 1 when it is new */
    bool remove;
};

/* By slot. */
struct sim_resident {
    uint32_t key;    /* + 1; 0: the slot is free */
    uint32_t charge; /* of a free slot: the one that was freed before it, + 1 */
};

struct sim_cache {
    const struct larder_eviction *module;
    const struct larder_param_value *params;
    void *state;
    uint64_t capacity, charged;
    uint32_t max_slots;
    uint32_t used;    /* slots that were ever used: those below */
    uint32_t freed;   /* the one that was freed last, + 1; 0: none is free below `used` */
    uint32_t count;   /* of resident slots */
    uint8_t *hits;    /* by slot; or whether the policy was told of the slot in this generation */
    bool marks;       /* as a large shard has: the policy is told of a slot once in a generation */
    uint32_t waiting; /* hits that a shard would have told together by now */
    uint32_t told;    /* hits told before these, in this generation */
    uint32_t news;    /* entries that came in it */
    struct sim_resident *residents;
    uint32_t *slots; /* by key: its slot + 1; 0: not resident */
    uint32_t keys;   /* so many there is room for */
    uint64_t requests, misses;
    char error[160]; /* "" unless a call failed */
};

/*
 * A cache of `capacity`: objects, of which each then is to have a charge of 1, or bytes. `slots` bounds how many objects
 * there can be; where it is too small, all of them move to a state with twice as many, coldest first. `expected`: how
 * many will be resident, as far as one can tell. `shard`: hits are told as a shard does. False: error. Close it in any case.
 */
bool sim_cache_open(struct sim_cache *cache, const struct larder_eviction *module,
                    const struct larder_param_value *params, uint64_t capacity, uint32_t slots, uint32_t expected,
                    bool shard);
void sim_cache_close(struct sim_cache *cache);

/* `keys`: how many there are, all the numbers are below. False: error. */
bool sim_cache_run(struct sim_cache *cache, const struct sim_request *requests, size_t count, uint32_t keys);

#endif
