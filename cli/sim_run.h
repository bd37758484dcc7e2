/* One pass over the trace: each request is read once and goes to all caches. */
#ifndef CLI_SIM_RUN_H
#define CLI_SIM_RUN_H

#include "sim_plan.h"

/* Of one policy at one size; deletes are no requests. With a sample, what it lets expect of the whole trace. */
struct sim_result {
    uint64_t requests, misses;
};

/* Fills one result for each of sim_plan_count(). EXIT_DONE, or what was said. */
enum exit_code sim_run(const struct sim_plan *plan, struct sim_result *results);

#endif
