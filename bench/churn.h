/* The rows of churn: does our store stay within its budget, and use it, while the sizes of values change? */
#ifndef BENCH_CHURN_H
#define BENCH_CHURN_H

#include "bench/report.h"
#include "bench/settings.h"

void churn_plan(const struct settings *settings, struct report *report);

/* False when the store failed, or refused a set. */
bool churn_run(const struct settings *settings, struct report *report);

#endif
