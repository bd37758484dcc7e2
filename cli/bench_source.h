/* Where the requests of a run come from: one source for all connections, in the order of the trace. */
#ifndef CLI_BENCH_SOURCE_H
#define CLI_BENCH_SOURCE_H

#include <pthread.h>
#include <stdbool.h>

#include "options.h"
#include "random_keys.h"
#include "text.h"
#include "trace.h"

struct bench_source {
    pthread_mutex_t lock; /* guards everything below */
    const struct options *options;
    struct trace *trace; /* NULL: random keys */
    struct random_keys keys;
    uint64_t given, limit;     /* requests; limit 0: none */
    uint64_t start_ns, end_ns; /* end_ns 0: none */
    bool stopped;
};

/* EXIT_DONE, or what was said. The run begins now. Close it in any case. */
enum exit_code bench_source_open(struct bench_source *source, const struct options *options);
void bench_source_close(struct bench_source *source);

/*
 * The next request, whose key stands in `key` (look there whether it failed); false: there is none, or the run is to end.
 * Any thread.
 */
bool bench_source_next(struct bench_source *source, struct trace_request *request, struct text *key);

/* No more requests. */
void bench_source_stop(struct bench_source *source);

/* How many were given, and how much of the run is done: 0 to 1, or negative when nobody knows. */
void bench_source_progress(struct bench_source *source, uint64_t *given, double *fraction);

/* Nanoseconds of a clock that never goes back. */
uint64_t bench_now(void);

#endif
