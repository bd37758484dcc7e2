/* One connection of a run, and what was counted on it. */
#ifndef CLI_BENCH_WORKER_H
#define CLI_BENCH_WORKER_H

#include "bench_source.h"
#include "latency.h"
#include "node.h"

#define BENCH_STATUS_MAX 600

/* Where a node had a value from, as Larder-Source says. */
enum bench_hit { HIT_LOCAL, HIT_NEAR, HIT_PEER, HIT_REPLICA, HIT_LOADER, HIT_OTHER, HIT_COUNT };

extern const char *const bench_hit_names[HIT_COUNT];

struct bench_counts {
    uint64_t requests, hits[HIT_COUNT], not_found, failed;
    uint64_t bytes_read, bytes_written; /* values */
    uint64_t status[BENCH_STATUS_MAX];  /* answers that are failures */
    uint64_t no_answer[CURL_LAST];
    uint64_t end_ns;                          /* of the last request */
    struct latency latency[TRACE_OPERATIONS]; /* of what was answered */
};

struct bench_worker {
    struct bench_source *source;
    const struct options *options;
    struct node node;
    int done; /* where to tell that this one has ended: an eventfd */
    bool no_memory;
    struct text url, key, value;
    struct trace_request request; /* its key is the text above */
    struct bench_counts counts;
};

/* Close it in any case. */
enum exit_code bench_worker_open(struct bench_worker *worker, struct bench_source *source,
                                 const struct options *options, const char *node, int done);
void bench_worker_close(struct bench_worker *worker);

/* For pthread_create(): sends requests until the source has no more. */
void *bench_worker_run(void *arg);

void bench_counts_merge(struct bench_counts *sum, const struct bench_counts *other);

#endif
