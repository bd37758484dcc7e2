#include "core/base/tally.h"

#include <errno.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

void ldr_tally_init(struct ldr_tally *tally)
{
    pthread_condattr_t attributes;
    atomic_init(&tally->count, 0);
    atomic_init(&tally->awaited, false);
    pthread_condattr_init(&attributes); /* none of these fails on Linux */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&tally->none, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&tally->lock, NULL);
}

void ldr_tally_destroy(struct ldr_tally *tally)
{
    pthread_mutex_destroy(&tally->lock);
    pthread_cond_destroy(&tally->none);
}

void ldr_tally_begin(struct ldr_tally *tally)
{
    atomic_fetch_add_explicit(&tally->count, 1, memory_order_relaxed);
}

size_t ldr_tally_count(const struct ldr_tally *tally)
{
    return atomic_load_explicit(&tally->count, memory_order_relaxed);
}

/* Sequentially consistent, like the other side: either this sees that somebody waits, or that one sees the count. */
void ldr_tally_end(struct ldr_tally *tally)
{
    if (atomic_fetch_sub_explicit(&tally->count, 1, memory_order_seq_cst) != 1 ||
        !atomic_load_explicit(&tally->awaited, memory_order_seq_cst))
        return;
    pthread_mutex_lock(&tally->lock);
    pthread_cond_signal(&tally->none);
    pthread_mutex_unlock(&tally->lock);
}

bool ldr_tally_wait(struct ldr_tally *tally, uint64_t until)
{
    const struct timespec end = {.tv_sec = (time_t)(until / SECOND), .tv_nsec = (long)(until % SECOND)};
    int error = 0;
    bool none;
    pthread_mutex_lock(&tally->lock);
    atomic_store_explicit(&tally->awaited, true, memory_order_seq_cst);
    while (!(none = atomic_load_explicit(&tally->count, memory_order_seq_cst) == 0) && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&tally->none, &tally->lock, &end);
    pthread_mutex_unlock(&tally->lock);
    return none;
}
