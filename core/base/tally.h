/* Counts what is under way, and lets one thread wait until nothing is. Counting takes no lock. */
#ifndef LDR_BASE_TALLY_H
#define LDR_BASE_TALLY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ldr_tally {
    _Atomic size_t count;
    _Atomic bool awaited;
    pthread_mutex_t lock;
    pthread_cond_t none; /* on CLOCK_MONOTONIC */
};

void ldr_tally_init(struct ldr_tally *tally);
void ldr_tally_destroy(struct ldr_tally *tally);

void ldr_tally_begin(struct ldr_tally *tally);
size_t ldr_tally_count(const struct ldr_tally *tally);
void ldr_tally_end(struct ldr_tally *tally); /* may still touch the tally after ldr_tally_wait() has returned */

/* Waits until nothing is under way or CLOCK_MONOTONIC has reached `until`, in ns. Whether nothing is. */
bool ldr_tally_wait(struct ldr_tally *tally, uint64_t until);

#endif
