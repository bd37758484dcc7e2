/*
 * Counters that many threads count at once, for what is counted in every request. Each thread counts in a line of its own,
 * with a load and a store, as long as there are lanes; the threads beyond share one and count in it atomically. Sums are
 * exact once the threads rest, and never fall.
 */
#ifndef LDR_BASE_LANES_H
#define LDR_BASE_LANES_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/base/epoch.h"

#define LDR_LANE_COUNTERS 8

struct ldr_lane {
    alignas(64) _Atomic uint64_t counters[LDR_LANE_COUNTERS];
};

struct ldr_lanes; /* LDR_EPOCH_LANES times struct ldr_lane */

struct ldr_lanes *ldr_lanes_open(void); /* NULL when out of memory; does not set the reason */
void ldr_lanes_close(struct ldr_lanes *lanes);

/* Over all threads. */
uint64_t ldr_lanes_sum(const struct ldr_lanes *lanes, unsigned counter);

/* The calling thread's own; valid for it until it ends. */
static inline struct ldr_lane *ldr_lanes_mine(struct ldr_lanes *lanes)
{
    return (struct ldr_lane *)(void *)lanes + ldr_epoch_lane();
}

/* What the calling thread has counted, and others that had its lane or share it. */
static inline uint64_t ldr_lane_read(const struct ldr_lane *lane, unsigned counter)
{
    return atomic_load_explicit(&lane->counters[counter], memory_order_relaxed);
}

/* For what is no sum but the thread's own. Where a lane is shared, the last one counts. */
static inline void ldr_lane_set(struct ldr_lane *lane, unsigned counter, uint64_t value)
{
    atomic_store_explicit(&lane->counters[counter], value, memory_order_relaxed);
}

/* Relaxed: counters order nothing, and who had the lane before has given it back with a release. */
static inline void ldr_lane_add(struct ldr_lane *lane, unsigned counter, uint64_t count)
{
    if (ldr_epoch_lane() != 0)
        atomic_store_explicit(&lane->counters[counter], ldr_lane_read(lane, counter) + count, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&lane->counters[counter], count, memory_order_relaxed);
}

#endif
