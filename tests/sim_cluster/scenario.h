/* What happens to a cluster in one run. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

struct sim_result {
    uint64_t digest;
    uint64_t requests, calls, loads; /* of clients, between nodes, of the origin */
    uint64_t answered;               /* requests that got what they asked for */
    char failure[512];               /* ""; or the first promise that was broken */
};

/* Everything follows from the seed. False: out of memory. */
bool sim_run(uint64_t seed, bool verbose, struct sim_result *result);

#endif
