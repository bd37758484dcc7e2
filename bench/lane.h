/* One section while it is measured: what speed.c gathers and speed_report.c prints. */
#ifndef BENCH_LANE_H
#define BENCH_LANE_H

#include "bench/child.h"
#include "bench/report.h"
#include "bench/rows.h"
#include "bench/settings.h"

struct lane { /* one contender's */
    const struct contender *contender;
    struct child child;
    struct child_ready ready;
    bool alive;
    struct outcome outcomes[ROWS_MAX][ROUNDS_MAX];
};

/* How much of their CPUs' time single threads got, to be told from it whether the machine was quiet. */
struct share {
    double sum;
    unsigned count;
};

struct run {
    const struct settings *settings;
    struct report *report;
    const struct section *section;
    struct lane *lanes;
    size_t lane_count;
    struct share *share;
    bool right;
};

/* Prints the tables of the section's rows that the user asked for. */
void speed_report(const struct run *run);

#endif
