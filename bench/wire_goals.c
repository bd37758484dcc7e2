/* What the wire is to reach, in ratios of CPU time a request. All of them at most. */
#include "bench/wire_rows.h"

#include <math.h>

static const struct goal {
    const char *row, *contender, *name;
    double must, aim;
} goals[] = {
    {"http-get-1", "larder", "http-get-1-to-nginx", 1.0, 0.9},
    {"http-get-16", "larder", "http-get-16-to-1", 0.2, 0.17},
    {"grpc-get-1", "larder", "grpc-get-1-to-c++", 0.667, 0.6},
    {"grpc-get-10", "larder", "grpc-get-10-to-c++", 0.25, 0.2},
    {"grpc-get-4k-1", "larder", "grpc-get-4k-1-to-c++", 0.667, 0.6},
    {"grpc-get-4k-10", "larder", "grpc-get-4k-10-to-c++", 0.667, 0.5},
    {"peer-grpc-10", "peer's key", "peer-grpc-10-to-local", 2.2, 2.0},
};

bool wire_goals_report(const struct settings *settings, struct report *report)
{
    bool met = true;
    report_note(report,
                "\nRatios are of the servers' CPU time a request, taken within a round; medians over the rounds.");
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
        const struct goal *goal = &goals[i];
        if (!settings_row(settings, goal->row) || !settings_contender(settings, goal->contender))
            continue;
        double got = report_figure(report, goal->row, goal->contender, "ratio");
        met = report_goal(report, goal->name, got, &(struct goal_limits){goal->must, goal->aim, (double)NAN}) && met;
    }
    return met;
}
