/*
 * The clock of the real runtime: CLOCK_BOOTTIME, which goes on while the machine is suspended, so that nobody trusts a lease
 * that ran out meanwhile. Reading it costs what CLOCK_MONOTONIC does.
 */
#ifndef LDR_BASE_CLOCK_H
#define LDR_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

uint64_t ldr_clock_now(void); /* ns */

/* A condition for ldr_clock_wait(). */
void ldr_clock_condition(pthread_cond_t *condition);

/*
 * Waits for the condition, until the clock has reached `until` at the latest, and often less: conditions know no clock that
 * goes on during a suspension, so that the wait ends every second for a look at it.
 */
void ldr_clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t until);

#endif
