/* What is to be simulated, as the options say: every policy at every size. */
#ifndef CLI_SIM_PLAN_H
#define CLI_SIM_PLAN_H

#include "sim_policy.h"

struct sim_plan {
    const char *trace;
    bool bytes; /* the unit of sizes; else objects */
    bool lenient;
    uint64_t part;   /* one of so many keys is simulated, as --sample says; 1: all */
    uint64_t shards; /* that keys and sizes are divided by, as --shards says; 1: none */
    bool wants_optimum;
    struct sim_policies policies;
    uint64_t *sizes;
    size_t size_count;
};

/* EXIT_DONE, or what was said. Close it in any case. */
enum exit_code sim_plan_open(struct sim_plan *plan, const struct options *options);
void sim_plan_close(struct sim_plan *plan);

/* How many policies at how many sizes there are: first all sizes of the first policy. */
static inline size_t sim_plan_count(const struct sim_plan *plan)
{
    return plan->policies.count * plan->size_count;
}

static inline const struct sim_policy *sim_plan_policy(const struct sim_plan *plan, size_t i)
{
    return &plan->policies.items[i / plan->size_count];
}

static inline uint64_t sim_plan_size(const struct sim_plan *plan, size_t i)
{
    return plan->sizes[i % plan->size_count];
}

/* The part of a size that the sample gets. */
static inline uint64_t sim_plan_scaled(const struct sim_plan *plan, uint64_t size)
{
    uint64_t part = (size + plan->part / 2) / plan->part;
    return part > 0 ? part : 1;
}

#endif
