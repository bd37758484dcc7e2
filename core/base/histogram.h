/* A latency histogram: log-linear buckets from 100 ns to 100 s, each at most 1/16 wide; lock-free counting. */
#ifndef LDR_BASE_HISTOGRAM_H
#define LDR_BASE_HISTOGRAM_H

#include <stdint.h>

#include "larder/stats.h"

#define LDR_HISTOGRAM_BUCKETS 496

/* Zeroed memory is an empty histogram. */
struct ldr_histogram {
    uint64_t counts[LDR_HISTOGRAM_BUCKETS]; /* relaxed atomics, through __atomic */
    uint64_t sum_ns;
};

/* Any thread. */
void ldr_histogram_add(struct ldr_histogram *histogram, uint64_t ns);

/* A value that stands for `times` ones, of which only it was measured. */
void ldr_histogram_add_sample(struct ldr_histogram *histogram, uint64_t ns, uint64_t times);

/* Count, sum and percentiles of now. */
void ldr_histogram_read(const struct ldr_histogram *histogram, struct larder_latency *latency);

/* How many values were at most `ns`; for cumulative buckets (Prometheus). `ns` is rounded down to a bucket's bound. */
uint64_t ldr_histogram_below(const struct ldr_histogram *histogram, uint64_t ns);

#endif
