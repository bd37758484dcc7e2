/* What reads and writes wait while a store of all keys changes its policy. */
#ifndef BENCH_SWAP_H
#define BENCH_SWAP_H

#include "bench/report.h"
#include "bench/settings.h"

/* Nothing when the row or the contender was not asked for. */
void swap_plan(const struct settings *settings, struct report *report);

/* False when it could not be measured, or the store lost an entry. */
bool swap_run(const struct settings *settings, struct report *report);

#endif
