#include "latency.h"

#include <math.h>
#include <stddef.h>

/* Below 64 each number has its bucket; above, each power of two has 64. */
static size_t bucket_of(uint64_t ns)
{
    if (ns < 1u << LATENCY_BITS)
        return (size_t)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_BITS;
    return ((size_t)shift << LATENCY_BITS) + (size_t)(ns >> shift);
}

static uint64_t upper_bound(size_t bucket)
{
    if (bucket < 2u << LATENCY_BITS)
        return bucket;
    unsigned shift = (unsigned)(bucket >> LATENCY_BITS) - 1;
    uint64_t first = (bucket & ((1u << LATENCY_BITS) - 1)) + (1u << LATENCY_BITS);
    return ((first + 1) << shift) - 1;
}

void latency_add(struct latency *latency, uint64_t ns)
{
    latency->count++;
    latency->sum_ns += ns;
    latency->max_ns = ns > latency->max_ns ? ns : latency->max_ns;
    latency->buckets[bucket_of(ns)]++;
}

void latency_merge(struct latency *sum, const struct latency *other)
{
    sum->count += other->count;
    sum->sum_ns += other->sum_ns;
    sum->max_ns = other->max_ns > sum->max_ns ? other->max_ns : sum->max_ns;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        sum->buckets[i] += other->buckets[i];
}

uint64_t latency_percentile(const struct latency *latency, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)latency->count), seen = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted && seen > 0)
            return upper_bound(i) < latency->max_ns ? upper_bound(i) : latency->max_ns;
    }
    return 0;
}
