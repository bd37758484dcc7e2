/*
 * The rows: servers side by side under the same load, one after the other, round after round. What counts is the CPU time that
 * a server spends on a request, and ratios of it within a round, since other work on the machine changes both.
 */
#ifndef BENCH_WIRE_ROWS_H
#define BENCH_WIRE_ROWS_H

#include "bench/report.h"
#include "bench/settings.h"
#include "bench/wire_server.h"
#include "bench/workload.h"

void wire_rows_plan(const struct settings *settings, struct report *report);

/* Runs and prints the rows that were asked for. False when a server could not be started or broke off. */
bool wire_rows_run(const struct settings *settings, struct report *report, const struct wire_place *place,
                   const struct workload *workload);

/* Prints a line for each goal whose row and contender were asked for. False when one was missed. */
bool wire_goals_report(const struct settings *settings, struct report *report);

#endif
