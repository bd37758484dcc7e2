/* The rows of throughput and of latency. */
#ifndef BENCH_SPEED_H
#define BENCH_SPEED_H

#include "bench/report.h"
#include "bench/settings.h"

/* Adds what speed_run() is going to do to the plan. */
void speed_plan(const struct settings *settings, struct report *report);

/* False when a contender of ours failed or gave a wrong answer. */
bool speed_run(const struct settings *settings, struct report *report);

#endif
