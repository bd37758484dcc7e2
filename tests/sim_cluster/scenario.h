/* What happens to a cluster in one run. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "plan.h"

/* What one run came to, or many together. */
struct sim_result {
    uint64_t runs;
    uint64_t requests, calls, loads; /* of clients, between nodes, of the origin */
    uint64_t answered;               /* requests that got what they asked for */
    uint64_t virtual_ns;
    uint64_t stale, resurrected, lost; /* where no more than the best is promised */
    uint64_t stalest_ns;
    uint64_t moved, had_to_move; /* copies of entries, when members came and left */
    uint64_t writes, writes_ns;  /* with write_acks: all, and how long they took, while all started anew in turn */
    uint64_t settlings, settling_ns,
        slowest_ns; /* how often all was in order again after faults, and how long it took */
};

void sim_result_add(struct sim_result *total, const struct sim_result *one);

/* One run, with what a seed alone cannot tell others. */
struct sim_run {
    uint64_t seed;
    enum sim_kind kind; /* SIM_KINDS: by the seed */
    bool beyond;        /* see struct sim_plan */
    bool verbose;
    struct sim_result result;
    uint64_t digest;
    char failure[512]; /* ""; or the first promise that was broken */
};

enum sim_kind sim_run_kind(const struct sim_run *run);

/* Everything follows from the seed and the kind. False: out of memory. */
bool sim_run(struct sim_run *run);

#endif
