/* Runs of free grains in a map of one bit a grain, set when it is used. Bit 0 is always set. */
#ifndef LDR_STORE_RUN_H
#define LDR_STORE_RUN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Where the first `length` free grains in a row from `from` on begin, before `end`; 0: nowhere. From `high` on all are
 * free.
 */
uint32_t ldr_run_find(const uint64_t *used, uint32_t from, uint32_t high, uint32_t end, uint32_t length);

/* Whether all grains of [first, end) are free. */
bool ldr_run_is_free(const uint64_t *used, uint32_t first, uint32_t end);

/* The end of the last grain before `end` that is used. */
uint32_t ldr_run_end(const uint64_t *used, uint32_t end);

void ldr_run_mark(uint64_t *used, uint32_t first, uint32_t length, bool is_used);

#endif
