#include "bench/goals.h"

#include "bench/contender.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct goal {
    const char *row, *key; /* the figure */
    const char *name;      /* NULL: the row's */
    double must, aim;      /* at most these when the aim is below, else at least */
};

/* Of each policy. */
static const struct goal common[] = {
    {"a-get-1", "ratio", NULL, 2.0, 2.5},
    {"a-get-2", "ratio", NULL, 2.0, 2.5},
    {"a-get-4", "ratio", NULL, 2.0, 2.5},
    {"a-95-1", "ratio", NULL, 2.0, 2.5},
    {"a-95-2", "ratio", NULL, 2.0, 2.5},
    {"a-95-4", "ratio", NULL, 2.0, 2.5},
    {"a-80-1", "ratio", NULL, 2.2, 2.5},
    {"a-80-2", "ratio", NULL, 2.7, 3.0},
    {"a-80-4", "ratio", NULL, 3.5, 4.0},
    {"b-get-1", "ratio", NULL, 2.5, 3.0},
    {"b-get-2", "ratio", NULL, 2.2, 2.5},
    {"b-95-1", "ratio", NULL, 2.5, 3.0},
    {"b-95-2", "ratio", NULL, 2.2, 2.5},
    {"b-80-1", "ratio", NULL, 2.5, 3.0},
    {"b-80-2", "ratio", NULL, 2.2, 2.5},
    {"a-batch8-1", "ratio", NULL, 3.2, 3.5},
    {"a-batch8-2", "ratio", NULL, 3.2, 3.5},
    {"a-batch16-1", "ratio", NULL, 3.6, 4.0},
    {"a-batch16-2", "ratio", NULL, 3.6, 4.0},
    {"a-1k-get-1", "ratio", NULL, 1.8, 2.0},
    {"a-1k-get-2", "ratio", NULL, 1.8, 2.0},
    {"a-16k-get-1", "ratio", NULL, 1.2, 1.4},
    {"a-16k-get-2", "ratio", NULL, 1.2, 1.4},
    {"a-get-1", "over_floor", "floor", 2.5, 2.0},
    {"a-1k-get-1", "over_floor", "floor-1k", 1.5, 1.3},
    {"hot-2", "over_one", NULL, 1.9, 2.0},
    {"latency-get", "p9999_ns", NULL, 1000, 500},
    {"latency-set", "p9999_ns", NULL, 10000, 5000},
    {"churn-steady", "peak", "rss-steady", 1.02, 1.00},
    {"churn-sizes", "peak", "rss-sizes", 1.02, 1.00},
    {"churn-shift", "peak", "rss-shift", 1.02, 1.00},
    {"churn-shift", "used", "use-after-shift", 0.95, 0.98},
    {"churn-shift", "used_back", "use-after-shift-back", 0.95, 0.98},
};

static const struct goal clock_only[] = {
    {"bytes-an-entry", "overhead_bytes", NULL, 42, 40},
    {"bytes-an-entry-version", "overhead_bytes", NULL, 50, 48},
};

static const struct goal lru_only[] = {
    {"bytes-an-entry", "overhead_bytes", NULL, 50, 48},
    {"bytes-an-entry-version", "overhead_bytes", NULL, 58, 56},
    {"equal-memory", "points", "hit-points-at-equal-memory", 2, 4},
    {"hostile-crc32", "ratio", NULL, 2, 1.2},
    {"hostile-murmur3", "ratio", NULL, 2, 1.2},
    {"expiry", "worst_ns", "expiry-worst-read", 1000000, 100000},
    {"swap", "shard_cpu_ns", "swap-longest-shard", 5000000, 1000000},
};

static double by_cpu(const struct report *report, const struct goal *goal, const struct contender *contender)
{
    if (strcmp(goal->key, "ratio") != 0)
        return (double)NAN;
    return report_figure(report, goal->row, contender->name, "cpu_ratio");
}

static bool report_some(const struct settings *settings, struct report *report, const struct contender *contender,
                        const char *policy, const struct goal *goals, size_t count)
{
    bool met = true;
    for (size_t i = 0; i < count && settings_contender(settings, contender->name); i++) {
        const struct goal *goal = &goals[i];
        char name[64];
        if (!settings_row(settings, goal->row))
            continue;
        snprintf(name, sizeof name, "%s-%s", goal->name != NULL ? goal->name : goal->row, policy);
        double got = report_figure(report, goal->row, contender->name, goal->key);
        const struct goal_limits limits = {goal->must, goal->aim, by_cpu(report, goal, contender)};
        met = report_goal(report, name, got, &limits) && met;
    }
    return met;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

bool goals_report(const struct settings *settings, struct report *report)
{
    bool met = true;
    report_note(report,
                "\nRatios are of throughput, to the best of the packaged peers that evict, unless named otherwise.\n"
                "To peers, to the floor and to one reader they are medians of the ratios within each round.");
#ifdef BENCH_CLOCK
    met = report_some(settings, report, &contender_larder_clock, "clock", common, COUNT(common)) && met;
    met = report_some(settings, report, &contender_larder_clock, "clock", clock_only, COUNT(clock_only)) && met;
#else
    (void)clock_only;
#endif
    met = report_some(settings, report, &contender_larder_lru, "lru", common, COUNT(common)) && met;
    met = report_some(settings, report, &contender_larder_lru, "lru", lru_only, COUNT(lru_only)) && met;
    return met;
}
