/* The rows of memory: bytes an entry, and hit ratios when all caches may take the same memory. */
#ifndef BENCH_SPACE_H
#define BENCH_SPACE_H

#include "bench/report.h"
#include "bench/settings.h"

void space_plan(const struct settings *settings, struct report *report);

/* False when a contender of ours failed. */
bool space_run(const struct settings *settings, struct report *report);

#endif
