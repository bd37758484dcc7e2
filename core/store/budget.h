/*
 * What a store may hold, and what it holds: every byte of it, in whole pages where pages are what the system gives. Taken
 * by whoever is about to hold more, from any thread. Writers touch it when they take a span or lengthen an array, which is
 * seldom; readers never. The counters stand alone, so that relaxed order is enough, but for this: who sees that bytes are
 * used which only a new limit allows, sees what was done before that was set (release and acquire, down to
 * ldr_budget_used()).
 */
#ifndef LDR_STORE_BUDGET_H
#define LDR_STORE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ldr_budget {
    _Atomic uint64_t used;    /* may be over the limit for a moment, after it was lowered or bytes were owed */
    _Atomic uint64_t claimed; /* kept free for those who are making room for something large */
    _Atomic uint64_t limit;
    _Atomic uint64_t reserve; /* not to be taken, so that there is room for what is owed */
};

/* Takes bytes when they fit beside the reserve. */
static inline bool ldr_budget_take(struct ldr_budget *budget, uint64_t bytes)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        uint64_t limit = atomic_load_explicit(&budget->limit, memory_order_acquire);
        uint64_t kept = atomic_load_explicit(&budget->claimed, memory_order_relaxed) +
                        atomic_load_explicit(&budget->reserve, memory_order_relaxed);
        if (kept > limit || used > limit - kept || limit - kept - used < bytes)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes, memory_order_release,
                                                    memory_order_relaxed));
    return true;
}

/* Takes bytes whether they fit or not: what is held already and only now known. */
static inline void ldr_budget_owe(struct ldr_budget *budget, uint64_t bytes)
{
    atomic_fetch_add_explicit(&budget->used, bytes, memory_order_release);
}

static inline void ldr_budget_give(struct ldr_budget *budget, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

/* Bytes that others shall not take meanwhile. */
static inline void ldr_budget_claim(struct ldr_budget *budget, uint64_t bytes)
{
    atomic_fetch_add_explicit(&budget->claimed, bytes, memory_order_relaxed);
}

static inline void ldr_budget_unclaim(struct ldr_budget *budget, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&budget->claimed, bytes, memory_order_relaxed);
}

static inline uint64_t ldr_budget_used(const struct ldr_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_acquire);
}

static inline uint64_t ldr_budget_limit(const struct ldr_budget *budget)
{
    return atomic_load_explicit(&budget->limit, memory_order_relaxed);
}

/* What is held and claimed over the limit. */
static inline uint64_t ldr_budget_excess(const struct ldr_budget *budget)
{
    uint64_t held = ldr_budget_used(budget) + atomic_load_explicit(&budget->claimed, memory_order_relaxed);
    uint64_t limit = ldr_budget_limit(budget);
    return held > limit ? held - limit : 0;
}

/* Whether `bytes` more, beside all claims of others, would be over the limit. */
static inline bool ldr_budget_lacks(const struct ldr_budget *budget, uint64_t bytes)
{
    uint64_t held = ldr_budget_used(budget) + atomic_load_explicit(&budget->claimed, memory_order_relaxed);
    uint64_t limit = ldr_budget_limit(budget);
    return held > limit || limit - held < bytes;
}

#endif
