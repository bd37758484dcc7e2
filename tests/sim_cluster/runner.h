/* Runs many seeds at a time, each in a process of its own kind: one that dies takes nothing with it but its seed. */
#ifndef SIM_RUNNER_H
#define SIM_RUNNER_H

#include <stddef.h>

#include "scenario.h"

/* A run that was asked for. */
struct sim_job {
    uint64_t seed;
    enum sim_kind kind; /* SIM_KINDS: by the seed */
    bool beyond;        /* see struct sim_plan */
    bool twice;         /* and both times everything must be the same */
};

/* What all of them came to. */
struct sim_report {
    struct sim_result total;
    uint64_t failed;
    double cpu_seconds;
};

struct sim_batch {
    const struct sim_job *listed; /* run first */
    size_t listed_count;
    uint64_t first, count; /* then the seeds first to first + count - 1 */
    enum sim_kind kind;
    bool beyond;
    unsigned workers;
    bool progress;        /* shown on stderr */
    bool stop_at_failure; /* begin nothing more */
    /* Called for each run that broke a promise, as soon as it is known. */
    void (*failed)(void *arg, const struct sim_job *job, const char *failure);
    void *arg;
};

/* False: the system does not let us; said on stderr. */
bool sim_batch_run(const struct sim_batch *batch, struct sim_report *report);

/* One run in this process, or two of them; `failure` is "" when no promise was broken. */
void sim_job_run(const struct sim_job *job, bool verbose, struct sim_result *result, char failure[512]);

#endif
