#include "bench/space.h"
#include "bench/child.h"
#include "bench/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SIZE  100
#define FILL_STEPS  6
#define TRIES       8     /* to find the capacity that takes the memory that all may take */
#define CLOSE       0.004 /* so near to it is near enough */
#define SAMPLE      2     /* requests for each key after which a hit ratio is taken, and as many before */
#define PEERS_GUESS 100   /* bytes over key and value, to begin with */

static const char entry_row[] = "bytes-an-entry", version_row[] = "bytes-an-entry-version",
                  equal_row[] = "equal-memory";

struct space_arg {
    const struct contender *contender;
    const struct workload *workload;
    bool versions;
    uint64_t bytes; /* the capacity in the contender's own terms */
};

/*
 * Opens and uses a small cache first, so that what a process needs once (pages of libraries, arenas of malloc) is there
 * before the memory is read.
 */
static bool warm_up(const struct space_arg *arg, struct subject *subject)
{
    struct cache_options options = {.value_size = VALUE_SIZE, .entries = 1000, .small_pages = true};
    struct outcome outcome;
    *subject = (struct subject){
        .contender = arg->contender, .workload = arg->workload, .value_size = VALUE_SIZE, .set_misses = true};
    options.bytes = arg->contender->bytes_for(options.entries, VALUE_SIZE);
    subject->cache = arg->contender->open(&options);
    if (subject->cache == NULL)
        return false;
    if (arg->contender->kind != CONTENDER_FLOOR) {
        run_requests(subject, 5000);
        run_cell(subject, &(struct cell){.threads = 2, .batch = 1, .get_percent = 90}, 0.01, &outcome);
    }
    arg->contender->close(subject->cache);
    return true;
}

/* ------------------------------------------------------------------------------------------------ bytes an entry */

struct entry_result {
    double bytes; /* over key and value */
};

/* On small pages, so that the system counts what is used and not what was near it. */
static bool measure_entry(const void *opaque, void *result)
{
    const struct space_arg *arg = opaque;
    struct cache_options options = {
        .value_size = VALUE_SIZE, .entries = arg->workload->keys, .small_pages = true, .versions = arg->versions};
    struct subject subject;
    struct outcome outcome;
    struct latency *latency = calloc(1, sizeof *latency);
    options.bytes = arg->contender->bytes_for(options.entries * 5 / 4, VALUE_SIZE);
    if (latency == NULL || !warm_up(arg, &subject))
        return false;
    uint64_t before = memory_resident();
    subject.cache = arg->contender->open(&options);
    if (subject.cache == NULL || !run_check(&subject) || run_fill(&subject, latency) > 0)
        return false;
    /* What gets need besides, such as buffers for hits, belongs to it. */
    run_cell(&subject, &(struct cell){.threads = 2, .batch = 1, .get_percent = 100}, 0.3, &outcome);
    uint64_t after = memory_resident(), entries = arg->contender->entries(subject.cache);
    free(latency);
    *(struct entry_result *)result = (struct entry_result){(double)(after - before) / (double)entries -
                                                           (KEY_SIZE + VALUE_SIZE)};
    if (entries < options.entries)
        fprintf(stderr, "%s: holds %" PRIu64 " of %" PRIu64 " entries\n", arg->contender->name, entries,
                options.entries);
    return entries == options.entries;
}

static bool takes_part(const struct settings *settings, const struct contender *contender, bool versions)
{
    return settings_contender(settings, contender->name) && contender->kind != CONTENDER_NONE &&
           (!versions || contender->held != NULL);
}

static bool run_entries(const struct settings *settings, struct report *report, const struct workload *workload,
                        bool versions)
{
    bool right = true;
    if (!settings_row(settings, versions ? version_row : entry_row))
        return true;
    report_row(report, versions ? version_row : entry_row,
               versions ? "resident bytes an entry over key and value, 100 B, small pages, entries with a version"
                        : "resident bytes an entry over key and value, 100 B, small pages");
    for (size_t c = 0; contenders[c] != NULL; c++) {
        if (!takes_part(settings, contenders[c], versions))
            continue;
        const struct space_arg arg = {.contender = contenders[c], .workload = workload, .versions = versions};
        struct entry_result result;
        report_progress(report, versions ? version_row : entry_row, 0);
        bool done = child_call(measure_entry, &arg, &result, sizeof result);
        report_progress(report, versions ? version_row : entry_row, FILL_STEPS);
        const struct field fields[] = {{"overhead_bytes", "bytes", 1, done ? result.bytes : (double)NAN}};
        report_line(report, contenders[c]->name, fields, 1);
        right = right && (done || contenders[c]->kind != CONTENDER_OURS);
    }
    return right;
}

/* ------------------------------------------------------------------------------------------------ equal memory */

struct equal_result {
    double resident, hit_ratio, entries;
};

static bool measure_equal(const void *opaque, void *result)
{
    const struct space_arg *arg = opaque;
    struct subject subject;
    if (!warm_up(arg, &subject))
        return false;
    uint64_t before = memory_resident();
    struct cache_options options = {
        .value_size = VALUE_SIZE, .entries = arg->workload->keys / 10, .bytes = arg->bytes, .small_pages = true};
    subject.cache = arg->contender->open(&options);
    if (subject.cache == NULL)
        return false;
    run_requests(&subject, (uint64_t)arg->workload->keys * SAMPLE);
    double ratio = run_requests(&subject, (uint64_t)arg->workload->keys * SAMPLE);
    *(struct equal_result *)result = (struct equal_result){.resident = (double)(memory_resident() - before),
                                                           .hit_ratio = ratio,
                                                           .entries = (double)arg->contender->entries(subject.cache)};
    return true;
}

/*
 * Looks for the capacity at which the cache takes `target` bytes: in proportion, until one that takes less and one that
 * takes more are known, and then between them, since tables that double make it jump. The nearest that was found counts.
 */
static bool find_equal(const struct contender *contender, const struct workload *workload, double target,
                       struct equal_result *best)
{
    const double payload = KEY_SIZE + VALUE_SIZE;
    double bytes = contender->kind == CONTENDER_OURS ? target : target * payload / (payload + PEERS_GUESS);
    double less = 0, more = INFINITY;
    for (unsigned i = 0; i < TRIES; i++) {
        struct space_arg arg = {.contender = contender, .workload = workload, .bytes = (uint64_t)bytes};
        struct equal_result result;
        if (!child_call(measure_equal, &arg, &result, sizeof result) || result.resident <= 0)
            return i > 0;
        if (i == 0 || fabs(result.resident - target) < fabs(best->resident - target))
            *best = result;
        if (fabs(best->resident / target - 1) < CLOSE)
            break;
        if (result.resident < target)
            less = fmax(less, bytes);
        else
            more = fmin(more, bytes);
        bytes *= target / result.resident;
        if (bytes <= less || bytes >= more)
            bytes = sqrt(less * more);
    }
    return true;
}

static bool run_equal(const struct settings *settings, struct report *report, const struct workload *workload)
{
    struct equal_result results[CONTENDERS_MAX];
    bool done[CONTENDERS_MAX] = {false}, right = true;
    double target = (KEY_SIZE + VALUE_SIZE) * (double)workload->keys / 10, best_peer = (double)NAN;
    if (!settings_row(settings, equal_row))
        return true;
    for (size_t c = 0; contenders[c] != NULL; c++) {
        if (!takes_part(settings, contenders[c], false) || contenders[c]->kind == CONTENDER_FLOOR)
            continue;
        report_progress(report, equal_row, 0);
        done[c] = find_equal(contenders[c], workload, target, &results[c]);
        report_progress(report, equal_row, TRIES * FILL_STEPS);
        right = right && (done[c] || contenders[c]->kind != CONTENDER_OURS);
        if (done[c] && contenders[c]->kind == CONTENDER_PEER && !(results[c].hit_ratio <= best_peer))
            best_peer = results[c].hit_ratio;
    }
    report_row(report, equal_row,
               "hit ratio when every cache takes as much memory as 10 % of all keys and values, 100 B");
    for (size_t c = 0; contenders[c] != NULL; c++) {
        const struct field fields[] = {
            {"hit_ratio", "hits", 4, results[c].hit_ratio},
            {"points", "over peers", 2, (results[c].hit_ratio - best_peer) * 100},
            {"entries", "entries", 0, results[c].entries},
            {"memory", "memory taken", 3, results[c].resident / target},
        };
        if (done[c])
            report_line(report, contenders[c]->name, fields, sizeof fields / sizeof *fields);
    }
    return right;
}

/* ------------------------------------------------------------------------------------------------ all */

void space_plan(const struct settings *settings, struct report *report)
{
    for (size_t c = 0; contenders[c] != NULL; c++) {
        if (settings_row(settings, entry_row) && takes_part(settings, contenders[c], false))
            report_plan(report, FILL_STEPS);
        if (settings_row(settings, version_row) && takes_part(settings, contenders[c], true))
            report_plan(report, FILL_STEPS);
        if (settings_row(settings, equal_row) && takes_part(settings, contenders[c], false) &&
            contenders[c]->kind != CONTENDER_FLOOR)
            report_plan(report, TRIES * FILL_STEPS);
    }
}

bool space_run(const struct settings *settings, struct report *report)
{
    struct workload workload;
    if (!settings_row(settings, entry_row) && !settings_row(settings, version_row) &&
        !settings_row(settings, equal_row))
        return true;
    if (!workload_open(&workload, settings->keys)) {
        report_note(report, "no memory for the streams");
        return false;
    }
    bool right = run_entries(settings, report, &workload, false);
    right = run_entries(settings, report, &workload, true) && right;
    right = run_equal(settings, report, &workload) && right;
    workload_close(&workload);
    return right;
}
