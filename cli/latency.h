/* Times from 1 ns on, counted in buckets that are at most 1/64 wide. */
#ifndef CLI_LATENCY_H
#define CLI_LATENCY_H

#include <stdint.h>

#define LATENCY_BITS    6
#define LATENCY_BUCKETS ((64 - LATENCY_BITS + 1) << LATENCY_BITS)

struct latency {
    uint64_t count, sum_ns, max_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);
void latency_merge(struct latency *sum, const struct latency *other);

/* The upper bound of the bucket that `share` (0.99) of the times do not exceed, and never more than the longest. */
uint64_t latency_percentile(const struct latency *latency, double share);

#endif
