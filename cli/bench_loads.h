/* How often the origin was asked: the loads of a group, as the nodes count them. */
#ifndef CLI_BENCH_LOADS_H
#define CLI_BENCH_LOADS_H

#include "node.h"

struct bench_loads {
    uint64_t *of_node; /* as many as options->nodes */
    bool found;        /* at least one node holds the group */
};

/* Free of_node in any case. EXIT_DONE, or what was said: a node that is asked for nothing must be reachable. */
enum exit_code bench_loads_read(struct bench_loads *loads, const struct options *options);

/* False: nobody knows. A node that was started anew meanwhile counts from there. */
bool bench_loads_between(const struct bench_loads *before, const struct bench_loads *after, size_t count,
                         uint64_t *loads);

#endif
