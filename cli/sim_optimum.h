/*
 * The fewest misses that any policy can have: L. A. Belady, "A study of replacement algorithms for a virtual-storage
 * computer", IBM Systems Journal 5(2), 1966. The object goes that is used again latest. That takes the whole trace: four
 * bytes for each request, and a bit for each while one size is simulated. Objects are alike; with sizes of their own there
 * is no way to the optimum that would end in time.
 */
#ifndef CLI_SIM_OPTIMUM_H
#define CLI_SIM_OPTIMUM_H

#include "sim_cache.h"

#define SIM_OPTIMUM_MAX (UINT32_MAX - 1)

/* Zeroed: no requests yet. */
struct sim_optimum {
    uint32_t *next; /* by request: the next one of the same object; 0: there is none, or it is deleted before */
    uint32_t count, capacity;
    uint32_t *last; /* by key: its last request, + 1; 0: none */
    uint32_t keys;
};

void sim_optimum_free(struct sim_optimum *optimum);

/* As sim_cache_run(); of at most SIM_OPTIMUM_MAX requests and deletes in all. False: out of memory. */
bool sim_optimum_add(struct sim_optimum *optimum, const struct sim_request *requests, size_t count, uint32_t keys);

/* The misses of a cache of so many objects. False: out of memory. */
bool sim_optimum_misses(const struct sim_optimum *optimum, uint64_t objects, uint64_t *misses);

#endif
