/* The row of expiry: how long does a read take while a million entries expire within one second? */
#ifndef BENCH_EXPIRY_H
#define BENCH_EXPIRY_H

#include "bench/report.h"
#include "bench/settings.h"

void expiry_plan(const struct settings *settings, struct report *report);

/* False when an entry was lost, or found after its time, or did not expire. */
bool expiry_run(const struct settings *settings, struct report *report);

#endif
