/* Counters for statistics: each is exact, none is read together with another, so that relaxed order is enough. */
#ifndef LDR_BASE_COUNT_H
#define LDR_BASE_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

static inline void ldr_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline uint64_t ldr_count_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
