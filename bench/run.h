/* Runs requests against an open cache, in the process that holds it. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "bench/contender.h"
#include "bench/latency.h"
#include "bench/workload.h"

#define BATCH_MAX 16

struct subject {
    const struct contender *contender;
    void *cache;
    const struct workload *workload;
    size_t value_size;
    bool set_misses;                 /* a get that misses is followed by a set */
    uint32_t positions[THREADS_MAX]; /* in the streams: a run goes on where the one before it ended */
};

/* What to run. */
struct cell {
    unsigned threads, batch; /* a batch of 1: single calls; others only with gets alone */
    unsigned get_percent;
    bool hot;    /* all requests are for one key */
    bool writer; /* the last thread only sets, and is told apart */
    bool timed;  /* each operation */
};

struct outcome {
    double mops;      /* million operations a second of all threads, the writer's apart */
    double cpu_ns;    /* of a thread's CPU time for one operation, the writer's apart */
    double hit_ratio; /* of the gets */
    double writer_mops;
    double cpu_share;           /* of the time that they ran, the threads had a CPU */
    struct percentiles latency; /* when timed */
    uint64_t wrong;             /* values of another key, and sets that failed: must be 0 */
};

/* False when there is no memory or no thread. */
bool run_cell(struct subject *subject, const struct cell *cell, double seconds, struct outcome *outcome);

/* Sets every key once, by one thread, after run_check(). Returns how many failed. */
uint64_t run_fill(struct subject *subject, struct latency *latency);

/* `requests` of the first stream by one thread: gets, and a set after a miss. Returns the hit ratio. */
double run_requests(struct subject *subject, uint64_t requests);

/* Whether a set (of key 0) is seen by the next get, over an older value too, and what is not there is not found. */
bool run_check(struct subject *subject);

#endif
