#include "core/base/clock.h"

#include <time.h>

#define SECOND UINT64_C(1000000000)

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t ldr_clock_now(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

void ldr_clock_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes); /* none of these fails on Linux */
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void ldr_clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until)
{
    uint64_t now = ldr_clock_now();
    if (now >= until)
        return;
    uint64_t end = read_clock(CLOCK_MONOTONIC) + (until - now < SECOND ? until - now : SECOND);
    const struct timespec at = {.tv_sec = (time_t)(end / SECOND), .tv_nsec = (long)(end % SECOND)};
    pthread_cond_timedwait(condition, lock, &at);
}
