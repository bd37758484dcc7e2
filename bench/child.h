/*
 * Every cache lives in a process of its own, so that its resident memory can be told from the others'. A child is forked
 * from the process that made the streams, fills its cache once, and then measures what it is told to, one cell at a time.
 * The parent has no threads.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include "bench/run.h"

#include <sys/types.h>

/* ------------------------------------------------------------------------------------------------ a task */

/*
 * Runs `task` in a child and takes over what it left in `result`. False when the child ended without a result; it has
 * said why on stderr.
 */
bool child_call(bool (*task)(const void *arg, void *result), const void *arg, void *result, size_t size);

/* ------------------------------------------------------------------------------------------------ a cache */

struct child_setup {
    const struct contender *contender;
    const struct workload *workload;
    size_t value_size;
    bool fits; /* all keys are stored; else room for a tenth of them, and a miss is followed by a set */
};

/* What became of it. */
struct child_ready {
    bool right;      /* the cache did what a cache does; the rest is void when not */
    uint64_t failed; /* sets while it was filled */
    uint64_t entries;
    struct percentiles fill; /* times of the sets that filled it; when all fits */
};

struct child {
    pid_t pid;
    int commands, results;
};

/* Forks, and waits until the cache is filled. False as above; the child is gone then. */
bool child_start(struct child *child, const struct child_setup *setup, struct child_ready *ready);

/* False when the child ended. */
bool child_run(struct child *child, const struct cell *cell, double seconds, struct outcome *outcome);

void child_stop(struct child *child); /* a zeroed child is fine */

#endif
