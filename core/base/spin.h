/*
 * A lock for what takes less than a microsecond. It is given back by a plain store, where a mutex takes a second atomic
 * exchange, which waits until everything the thread has written before has left its buffers: a third of a small write.
 *
 * Who finds it taken looks again for a while, then gives way to other threads, then sleeps between looks, so that a holder
 * whom the scheduler has stopped gets a processor back, whatever the priorities are. It is not fair and not recursive.
 * Zero is a free lock.
 */
#ifndef LDR_BASE_SPIN_H
#define LDR_BASE_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ldr_spin {
    _Atomic uint32_t taken;
};

/* Waits until it is free, and takes it. */
void ldr_spin_wait(struct ldr_spin *spin) __attribute__((cold));

static inline bool ldr_spin_try(struct ldr_spin *spin)
{
    return atomic_load_explicit(&spin->taken, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&spin->taken, 1, memory_order_acquire) == 0;
}

static inline void ldr_spin_lock(struct ldr_spin *spin)
{
    if (__builtin_expect(!ldr_spin_try(spin), 0))
        ldr_spin_wait(spin);
}

static inline void ldr_spin_unlock(struct ldr_spin *spin)
{
    atomic_store_explicit(&spin->taken, 0, memory_order_release);
}

#endif
