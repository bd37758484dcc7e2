/* The origin: it knows every key but the missing ones, counts how often it is asked, and may be slow, fail or hang. */
#ifndef SIM_LOADER_H
#define SIM_LOADER_H

#include "keys.h"
#include "larder/plugin/runtime.h"
#include "links.h"

/*
 * How long its values live: longer than calm takes from a load to its last look, so that what is stale, as things are in
 * storms, and was deleted or written over since, would be seen. For so long after that they may be answered when a load fails.
 */
#define SIM_ORIGIN_TTL_MS    9000
#define SIM_ORIGIN_WINDOW_MS 16000

struct sim_load;

/* One time that the origin was asked: its answer is a value of its own. */
struct sim_origin_value {
    uint64_t asked_at;
    uint64_t answered_at; /* 0: not yet */
    unsigned node;
    bool not_needed; /* a write of the key had been acknowledged, and nothing can have removed it */
};

struct sim_origin {
    uint64_t delay_ns; /* a load takes half of it to all of it */
    unsigned failing_permille, hanging_permille;
    unsigned loads[SIM_KEYS];                  /* begun, ever */
    struct sim_origin_value *values[SIM_KEYS]; /* of those loads, the first being number 1 */
    unsigned capacity[SIM_KEYS];
    unsigned active[SIM_KEYS][SIM_NODES]; /* under way, for each node that asked */
    struct sim_load *under_way;
};

const struct sim_origin_value *sim_origin_value(const struct sim_world *world, unsigned key, unsigned number);

void sim_origin_close(struct sim_world *world);

#endif
