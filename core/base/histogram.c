#include "core/base/histogram.h"

#include <stddef.h>

/* An octave (64 to 127 ns, 128 to 255 ns, ...) has 16 buckets of the same width; the first one takes all below as well. */
#define FIRST_OCTAVE 6
#define STEPS        16

_Static_assert(LDR_HISTOGRAM_BUCKETS == (37 - FIRST_OCTAVE) * STEPS, "the last octave ends at 2^37 ns, 137 s");

static size_t bucket_of(uint64_t ns)
{
    if (ns < UINT64_C(1) << FIRST_OCTAVE)
        return 0;
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
    size_t bucket = (octave - FIRST_OCTAVE) * STEPS + ((ns >> (octave - 4)) & (STEPS - 1));
    return bucket < LDR_HISTOGRAM_BUCKETS ? bucket : LDR_HISTOGRAM_BUCKETS - 1;
}

/* The largest value that belongs into the bucket. */
static uint64_t upper_bound(size_t bucket)
{
    unsigned octave = FIRST_OCTAVE + (unsigned)(bucket / STEPS);
    return ((STEPS + (uint64_t)(bucket % STEPS) + 1) << (octave - 4)) - 1;
}

/* Relaxed throughout: the counts are statistics and order nothing. */
void ldr_histogram_add_sample(struct ldr_histogram *histogram, uint64_t ns, uint64_t times)
{
    __atomic_fetch_add(&histogram->counts[bucket_of(ns)], times, __ATOMIC_RELAXED);
    __atomic_fetch_add(&histogram->sum_ns, ns * times, __ATOMIC_RELAXED);
}

void ldr_histogram_add(struct ldr_histogram *histogram, uint64_t ns)
{
    ldr_histogram_add_sample(histogram, ns, 1);
}

/* The bound of the bucket in which the value of this rank (from 1) lies. */
static uint64_t value_at(const uint64_t *counts, uint64_t rank)
{
    uint64_t seen = 0;
    size_t bucket = 0;
    for (; bucket < LDR_HISTOGRAM_BUCKETS - 1; bucket++) {
        seen += counts[bucket];
        if (seen >= rank)
            break;
    }
    return upper_bound(bucket);
}

void ldr_histogram_read(const struct ldr_histogram *histogram, struct larder_latency *latency)
{
    uint64_t counts[LDR_HISTOGRAM_BUCKETS], count = 0;
    for (size_t i = 0; i < LDR_HISTOGRAM_BUCKETS; i++) {
        counts[i] = __atomic_load_n(&histogram->counts[i], __ATOMIC_RELAXED);
        count += counts[i];
    }
    *latency = (struct larder_latency){.count = count};
    if (count == 0)
        return;
    latency->sum_ns = __atomic_load_n(&histogram->sum_ns, __ATOMIC_RELAXED);
    latency->p50_ns = value_at(counts, count - count / 2);
    latency->p95_ns = value_at(counts, count - count / 20);
    latency->p99_ns = value_at(counts, count - count / 100);
    latency->p999_ns = value_at(counts, count - count / 1000);
}

uint64_t ldr_histogram_below(const struct ldr_histogram *histogram, uint64_t ns)
{
    uint64_t count = 0;
    for (size_t i = 0; i < LDR_HISTOGRAM_BUCKETS && upper_bound(i) <= ns; i++)
        count += __atomic_load_n(&histogram->counts[i], __ATOMIC_RELAXED);
    return count;
}
