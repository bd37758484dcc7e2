/* Times of single operations: a timer of a few ns, and counts of them in buckets at most 1/32 wide. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

/* ------------------------------------------------------------------------------------------------ timer */

/* In a unit of its own, see latency_tick_ns(). Nothing before or after is reordered into what is measured. */
static inline uint64_t latency_now(void)
{
#ifdef __x86_64__
    _mm_lfence();
    uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
#endif
}

struct latency_timer {
    double tick_ns;
    uint64_t overhead; /* ticks between two readings with nothing between them, the median of many */
};

/* Takes 20 ms. */
void latency_timer_calibrate(struct latency_timer *timer);

/* ------------------------------------------------------------------------------------------------ counts */

#define LATENCY_SUB_BITS 5
#define LATENCY_BUCKETS  ((64 - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS)

/* Zeroed memory is empty. */
struct latency {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total, worst;
};

/* Of 2^5 values and more the six leading bits decide. */
static inline void latency_add(struct latency *latency, uint64_t ticks)
{
    unsigned shift = ticks >> LATENCY_SUB_BITS == 0 ? 0 : 63 - LATENCY_SUB_BITS - (unsigned)__builtin_clzll(ticks);
    latency->counts[((uint64_t)shift << LATENCY_SUB_BITS) + (ticks >> shift)]++;
    latency->total++;
    if (ticks > latency->worst)
        latency->worst = ticks;
}

void latency_merge(struct latency *into, const struct latency *from);

struct percentiles {
    double p50, p99, p999, p9999, worst; /* ns */
};

/* Of all that was added, each less the timer's overhead; the upper bound of its bucket. All 0 when nothing was. */
struct percentiles latency_read(const struct latency *latency, const struct latency_timer *timer);

#endif
