/* What the engine is to reach, in ratios to the best packaged evicting peer of the same run unless the name says else. */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

#include "bench/report.h"
#include "bench/settings.h"

/* Prints a line for each goal whose row and contender were asked for. False when one was missed. */
bool goals_report(const struct settings *settings, struct report *report);

#endif
