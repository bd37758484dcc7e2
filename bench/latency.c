#include "bench/latency.h"

#include <stdlib.h>

#define PROBES 4096

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

void latency_timer_calibrate(struct latency_timer *timer)
{
    uint64_t gaps[PROBES];
    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t start = latency_now();
        gaps[i] = latency_now() - start;
    }
    qsort(gaps, PROBES, sizeof gaps[0], compare);
    timer->overhead = gaps[PROBES / 2];
    uint64_t ticks = latency_now(), start = monotonic_ns(), now;
    do {
        now = monotonic_ns();
    } while (now - start < 20000000);
    timer->tick_ns = (double)(now - start) / (double)(latency_now() - ticks);
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    if (from->worst > into->worst)
        into->worst = from->worst;
}

static uint64_t upper_bound(unsigned bucket)
{
    if (bucket < 2u << LATENCY_SUB_BITS)
        return bucket;
    unsigned shift = (bucket >> LATENCY_SUB_BITS) - 1;
    uint64_t leading = bucket - (shift << LATENCY_SUB_BITS);
    return ((leading + 1) << shift) - 1;
}

static uint64_t percentile(const struct latency *latency, double share)
{
    uint64_t wanted = (uint64_t)((double)latency->total * share), seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (seen > wanted)
            return upper_bound(i) < latency->worst ? upper_bound(i) : latency->worst;
    }
    return latency->worst;
}

struct percentiles latency_read(const struct latency *latency, const struct latency_timer *timer)
{
    const double shares[] = {0.5, 0.99, 0.999, 0.9999, 1};
    double ns[5] = {0};
    for (unsigned i = 0; i < 5 && latency->total > 0; i++) {
        uint64_t ticks = percentile(latency, shares[i]);
        ns[i] = ticks > timer->overhead ? (double)(ticks - timer->overhead) * timer->tick_ns : 0;
    }
    return (struct percentiles){ns[0], ns[1], ns[2], ns[3], ns[4]};
}
