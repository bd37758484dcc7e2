/*
 * sim_cluster --seeds N [--seed S]: runs simulated clusters for the seeds S to S + N - 1 and tells which of them broke a
 * promise; sim_cluster --seed S runs one and tells what happens in it. Exit code 0: nothing was broken, and it was fast
 * enough where that was asked; 1: something was; 2: wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"
#include "seeds.h"

#define WANTED_SPEED    1000 /* simulated seconds for each second of a core */
#define WANTED_WRITE_MS 25   /* on average; see docs/decisions/0034 */
#define ENOUGH_WRITES   1000 /* for an average that says something */

struct options {
    uint64_t seeds, first, jobs;
    enum sim_kind kind;
    const char *known;
    bool verbose, speed, stop, beyond, kinds;
};

static const char usage[] =
    "usage: sim_cluster --seeds N [--seed S] [--kind K] [--known FILE] [--jobs N] [--speed] [--stop]\n"
    "       sim_cluster --seed S [--kind K]\n"
    "       sim_cluster --kinds\n"
    "  --seeds N    how many runs, 1 to 1000000000\n"
    "  --seed S     the first one's seed, 1 without it; without --seeds: one run, and what happens in it, in virtual\n"
    "               seconds\n"
    "  --kind K     fixed, dynamic, leased, strict or elastic; without it it follows from the seed\n"
    "  --known FILE seeds that ever failed: they are run first, and others that fail are added\n"
    "  --jobs N     how many at a time, 1 to 1024; without it as many as there are processors\n"
    "  --speed      it must be fast, too, and so must writes be while members start anew, of which it takes many "
    "seeds\n"
    "  --stop       begin nothing more once a promise was broken\n"
    "  --kinds      tells what kinds there are\n"
    "  --beyond     nothing old may be brought even where more members went than is promised for\n";

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

static bool parse_kind(const char *text, enum sim_kind *kind)
{
    *kind = sim_kind_of(text);
    if (*kind == SIM_KINDS)
        fprintf(stderr, "sim_cluster: --kind: got \"%s\", wanted fixed, dynamic, leased, strict or elastic\n", text);
    return *kind != SIM_KINDS;
}

static bool parse_options(int count, char **arguments, struct options *options)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"kind", required_argument, NULL, 'k'},  {"known", required_argument, NULL, 'l'},
        {"jobs", required_argument, NULL, 'j'},  {"speed", no_argument, NULL, 'f'},
        {"stop", no_argument, NULL, 'x'},        {"beyond", no_argument, NULL, 'b'},
        {"kinds", no_argument, NULL, 't'},       {NULL, 0, NULL, 0},
    };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool first = false;
    *options = (struct options){.first = 1, .kind = SIM_KINDS, .jobs = processors > 0 ? (uint64_t)processors : 1};
    for (int found; (found = getopt_long(count, arguments, "", names, NULL)) != -1;) {
        bool good = true;
        switch (found) {
        case 'n': good = parse_number("seeds", optarg, 1, 1000000000, &options->seeds); break;
        case 's':
            good = parse_number("seed", optarg, 0, UINT64_MAX - 1000000000, &options->first);
            first = true;
            break;
        case 'k': good = parse_kind(optarg, &options->kind); break;
        case 'l': options->known = optarg; break;
        case 'j': good = parse_number("jobs", optarg, 1, 1024, &options->jobs); break;
        case 'f': options->speed = true; break;
        case 'x': options->stop = true; break;
        case 'b': options->beyond = true; break;
        case 't': options->kinds = true; break;
        default: good = false;
        }
        if (!good)
            return false;
    }
    options->verbose = options->seeds == 0;
    return optind == count && (options->seeds > 0 || first || options->kinds);
}

/* ------------------------------------------------------------------------------------------------ one seed */

static int run_one(const struct options *options)
{
    struct sim_run run = {.seed = options->first, .kind = options->kind};
    const struct sim_job job = {options->first, options->kind, options->beyond, true};
    struct sim_result result;
    char failure[512];
    printf("seed %" PRIu64 " %s\n", options->first, sim_kind_name(sim_run_kind(&run)));
    sim_job_run(&job, true, &result, failure);
    printf("%s\n", failure[0] == '\0' ? "no promise was broken" : failure);
    return failure[0] == '\0' ? 0 : 1;
}

/* ------------------------------------------------------------------------------------------------ many */

static void tell_failure(void *arg, const struct sim_job *job, const char *failure)
{
    const struct sim_seeds *seeds = arg;
    struct sim_run run = {.seed = job->seed, .kind = job->kind};
    const char *kind = sim_kind_name(sim_run_kind(&run));
    printf("seed %" PRIu64 " %s: %s (again: scripts/sim-cluster --seed %" PRIu64 " --kind %s)\n", job->seed, kind,
           failure, job->seed, kind);
    fflush(stdout);
    if (seeds->path != NULL)
        sim_seeds_add(seeds, job, failure);
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* How long they waited while lists changed: the simulation's time, and the same each time. */
static bool tell_writes(const struct sim_result *total)
{
    double ms = total->writes > 0 ? 1000 * seconds(total->writes_ns) / (double)total->writes : 0;
    bool good = total->writes >= ENOUGH_WRITES && ms <= WANTED_WRITE_MS;
    printf("goal sim_writes: got %.1f ms for each of %" PRIu64
           " writes with write_acks: all while all started anew in turn, wanted at most %d for %d or more: %s\n",
           ms, total->writes, WANTED_WRITE_MS, ENOUGH_WRITES, good ? "met" : "missed");
    return good;
}

static bool tell(const struct options *options, const struct sim_report *report)
{
    const struct sim_result *total = &report->total;
    double speed = report->cpu_seconds > 0 ? seconds(total->virtual_ns) / report->cpu_seconds : 0;
    printf("%" PRIu64 " requests of clients, %" PRIu64 " answered with what they asked for, %" PRIu64
           " requests between nodes, %" PRIu64 " loads\n",
           total->requests, total->answered, total->calls, total->loads);
    printf("where only the best is done: %" PRIu64 " gets brought old values, the oldest %.3f s; %" PRIu64
           " brought deleted ones, %" PRIu64 " missed acknowledged ones\n",
           total->stale, seconds(total->stalest_ns), total->resurrected, total->lost);
    printf("in order %.3f s after the last fault on average, %.3f s at most\n",
           total->settlings > 0 ? seconds(total->settling_ns) / (double)total->settlings : 0.0,
           seconds(total->slowest_ns));
    printf("%" PRIu64 " copies were moved when members came and left while nothing failed, %" PRIu64 " had to be\n",
           total->moved, total->had_to_move);
    bool good = true;
    printf("goal sim_cluster: got %" PRIu64 " failed seeds of %" PRIu64 ", wanted 0: %s\n", report->failed, total->runs,
           report->failed == 0 ? "met" : "missed");
    if (options->speed) {
        good = tell_writes(total) && speed >= WANTED_SPEED;
        printf("goal sim_speed: got %.0f simulated seconds for each second of a core, wanted %d: %s\n", speed,
               WANTED_SPEED, speed >= WANTED_SPEED ? "met" : "missed");
    } else {
        printf("%.0f simulated seconds for each second of a core\n", speed);
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", total->runs, report->failed);
    return good && report->failed == 0;
}

static int run_many(const struct options *options)
{
    struct sim_seeds seeds = {0};
    struct sim_report report;
    if (options->known != NULL && !sim_seeds_read(&seeds, options->known)) {
        sim_seeds_free(&seeds);
        return 2;
    }
    const struct sim_batch batch = {
        .listed = seeds.jobs,
        .listed_count = seeds.count,
        .first = options->first,
        .count = options->seeds,
        .kind = options->kind,
        .beyond = options->beyond,
        .workers = (unsigned)options->jobs,
        .progress = isatty(STDERR_FILENO) != 0,
        .stop_at_failure = options->stop,
        .failed = tell_failure,
        .arg = &seeds,
    };
    int code = sim_batch_run(&batch, &report) ? 0 : 2;
    if (code == 0 && !tell(options, &report))
        code = 1;
    sim_seeds_free(&seeds);
    return code;
}

int main(int count, char **arguments)
{
    struct options options;
    if (!parse_options(count, arguments, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    for (unsigned kind = 0; options.kinds && kind < SIM_KINDS; kind++)
        printf("%-8s %s\n", sim_kind_name((enum sim_kind)kind), sim_kind_text((enum sim_kind)kind));
    if (options.kinds)
        return 0;
    return options.verbose ? run_one(&options) : run_many(&options);
}
