/*
 * sim_cluster --seeds N [--seed S] [--verbose]: runs a simulated cluster for the seeds S to S + N - 1, each twice, and
 * tells which of them broke a promise. Exit code 0: none; 1: some; 2: wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario.h"

struct options {
    uint64_t seeds, first;
    bool verbose;
};

static const char usage[] = "usage: sim_cluster [--seeds N] [--seed S] [--verbose]\n"
                            "  --seeds N   how many runs, 1 to 1000000000; 100 without it\n"
                            "  --seed S    the first one's seed; 1 without it\n"
                            "  --verbose   tell what happens, in virtual seconds\n";

static bool parse_number(const char *name, const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && value >= minimum && value <= maximum) {
        *number = value;
        return true;
    }
    fprintf(stderr, "sim_cluster: --%s: got \"%s\", wanted %" PRIu64 " to %" PRIu64 "\n", name, text, minimum, maximum);
    return false;
}

static bool parse_options(int count, char **arguments, struct options *options)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.seeds = 100, .first = 1};
    for (int found; (found = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        if (found == 'n' && !parse_number("seeds", optarg, 1, 1000000000, &options->seeds))
            return false;
        if (found == 's' && !parse_number("seed", optarg, 0, UINT64_MAX - 1000000000, &options->first))
            return false;
        if (found == '?')
            return false;
        options->verbose |= found == 'v';
    }
    return optind == count;
}

/* Both runs of one seed; false: something is wrong, which has been told. */
static bool run_seed(uint64_t seed, bool verbose, struct sim_result *total)
{
    struct sim_result first = {0}, again = {0};
    if (!sim_run(seed, verbose, &first) || !sim_run(seed, false, &again))
        snprintf(first.failure, sizeof first.failure, "out of memory");
    else if (first.failure[0] == '\0' && first.digest != again.digest)
        snprintf(first.failure, sizeof first.failure, "two runs differ: digests %016" PRIx64 " and %016" PRIx64,
                 first.digest, again.digest);
    total->requests += first.requests;
    total->answered += first.answered;
    total->calls += first.calls;
    total->loads += first.loads;
    if (first.failure[0] == '\0')
        return true;
    printf("seed %" PRIu64 ": %s (again: scripts/sim-cluster --seeds 1 --seed %" PRIu64 " --verbose)\n", seed,
           first.failure, seed);
    fflush(stdout);
    return false;
}

static void show_progress(uint64_t done, uint64_t all)
{
    static const char bar[] = "########################################";
    int filled = (int)(done * (sizeof bar - 1) / all);
    fprintf(stderr, "\r[%-40.*s] %" PRIu64 "/%" PRIu64 " seeds", filled, bar, done, all);
    if (done == all)
        fputc('\n', stderr);
}

int main(int count, char **arguments)
{
    struct options options;
    if (!parse_options(count, arguments, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    bool progress = isatty(STDERR_FILENO) && !options.verbose;
    struct sim_result total = {0};
    uint64_t failed = 0;
    for (uint64_t i = 0; i < options.seeds; i++) {
        failed += !run_seed(options.first + i, options.verbose, &total);
        if (progress)
            show_progress(i + 1, options.seeds);
    }
    printf("%" PRIu64 " requests of clients, %" PRIu64 " answered with what they asked for, %" PRIu64
           " requests between nodes, %" PRIu64 " loads\n",
           total.requests, total.answered, total.calls, total.loads);
    printf("goal sim_cluster: got %" PRIu64 " failed seeds of %" PRIu64 ", wanted 0: %s\n", failed, options.seeds,
           failed == 0 ? "met" : "missed");
    printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", options.seeds, failed);
    return failed == 0 ? 0 : 1;
}
