/* The list of seeds that ever failed: a file with a line for each, "SEED KIND  # what was broken". */
#ifndef SIM_SEEDS_H
#define SIM_SEEDS_H

#include "runner.h"

struct sim_seeds {
    const char *path;
    struct sim_job *jobs;
    size_t count, capacity;
};

/* False, with the reason on stderr: the file cannot be read, or a line makes no sense. */
bool sim_seeds_read(struct sim_seeds *seeds, const char *path);

/* Adds one that is not there yet to the file. */
void sim_seeds_add(const struct sim_seeds *seeds, const struct sim_job *job, const char *failure);

void sim_seeds_free(struct sim_seeds *seeds);

#endif
