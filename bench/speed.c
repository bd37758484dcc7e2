#include "bench/speed.h"
#include "bench/lane.h"
#include "bench/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define FILL_STEPS 6 /* filling a cache takes about as long as so many cells */

/* ------------------------------------------------------------------------------------------------ one section */

static bool wanted(const struct run *run, const struct row *row)
{
    return settings_row(run->settings, row->name);
}

/* Whether the user asked for a row of the section in which this contender takes part. */
static bool lane_wanted(const struct settings *settings, const struct section *section,
                        const struct contender *contender)
{
    if (!settings_contender(settings, contender->name))
        return false;
    if (section->fill_row && settings_row(settings, row_fill.name) && row_takes(&row_fill, contender))
        return true;
    for (size_t r = 0; r < section->count; r++)
        if (settings_row(settings, section->rows[r].name) && row_takes(&section->rows[r], contender))
            return true;
    return false;
}

/* A wrong answer of ours fails the whole benchmark; of a peer it is said. */
static void fault(struct run *run, struct lane *lane, const char *what)
{
    char text[128];
    snprintf(text, sizeof text, "%s: %s", lane->contender->name, what);
    report_note(run->report, text);
    if (lane->contender->kind == CONTENDER_OURS)
        run->right = false;
}

static void start_lane(struct run *run, struct lane *lane, const struct workload *workload)
{
    const struct child_setup setup = {.contender = lane->contender,
                                      .workload = workload,
                                      .value_size = run->section->value_size,
                                      .fits = run->section->fits};
    char what[64];
    snprintf(what, sizeof what, "filling %s with values of %zu bytes", lane->contender->name, setup.value_size);
    report_progress(run->report, what, 0);
    lane->alive = child_start(&lane->child, &setup, &lane->ready);
    report_progress(run->report, what, FILL_STEPS);
    if (!lane->alive)
        fault(run, lane, "did not come up");
    else if (!lane->ready.right)
        fault(run, lane, "does not do what a cache does: a set was not seen, or something that was never set");
    else if (lane->ready.failed > 0)
        fault(run, lane, "sets failed while it was filled");
    else if (run->section->fits && lane->contender->kind != CONTENDER_NONE && lane->ready.entries < workload->keys)
        fault(run, lane, "does not hold all keys");
    if (lane->alive && !lane->ready.right) {
        child_stop(&lane->child);
        lane->alive = false;
    }
}

static void measure(struct run *run, struct lane *lane, size_t r, unsigned round)
{
    struct outcome *outcome = &lane->outcomes[r][round];
    if (!child_run(&lane->child, &run->section->rows[r].cell, run->settings->seconds, outcome)) {
        child_stop(&lane->child);
        lane->alive = false;
        fault(run, lane, "ended while it was measured");
        return;
    }
    if (outcome->wrong > 0 && lane->contender->kind != CONTENDER_NONE)
        fault(run, lane, "gave values of other keys, or refused sets");
    if (run->section->rows[r].cell.threads == 1) {
        run->share->sum += outcome->cpu_share;
        run->share->count++;
    }
}

/*
 * All rows of one contender, one after the other: what it holds has been driven out of the processor's caches by the
 * others, so that each would have to be warmed for every row otherwise.
 */
static void run_lane(struct run *run, struct lane *lane, unsigned round)
{
    const struct cell warm = {.threads = 2, .batch = 1, .get_percent = 100};
    struct outcome ignored;
    char what[64];
    snprintf(what, sizeof what, "round %u of %u: %s", round + 1, run->settings->rounds, lane->contender->name);
    report_progress(run->report, what, 0);
    if (lane->alive && !child_run(&lane->child, &warm, 2 * run->settings->seconds, &ignored))
        lane->alive = false;
    for (size_t r = 0; r < run->section->count; r++) {
        const struct row *row = &run->section->rows[r];
        if (!wanted(run, row) || !row_takes(row, lane->contender))
            continue;
        if (lane->alive)
            measure(run, lane, r, round);
        report_progress(run->report, what, 1);
    }
}

/* ------------------------------------------------------------------------------------------------ all sections */

/* As many as asked for of up to 1 KiB, a sixteenth of larger ones; fewer where the caches would not fit side by side. */
static uint32_t keys_for(const struct run *run, const struct section *section)
{
    uint32_t keys = section->value_size > 4096 ? run->settings->keys / 16 : run->settings->keys;
    uint64_t each = (section->value_size + 250) * run->lane_count;
    while (keys > 1000 && keys * each > memory_available() / 10 * 8)
        keys /= 2;
    return keys;
}

static void run_section(struct run *run)
{
    struct workload workload;
    char text[128];
    uint32_t keys = keys_for(run, run->section);
    if (!workload_open(&workload, keys)) {
        report_note(run->report, "no memory for the streams");
        run->right = false;
        return;
    }
    if (keys != run->settings->keys) {
        snprintf(text, sizeof text, "\nvalues of %zu bytes: %u keys instead of %u", run->section->value_size, keys,
                 run->settings->keys);
        report_note(run->report, text);
    }
    for (size_t l = 0; l < run->lane_count; l++)
        start_lane(run, &run->lanes[l], &workload);
    for (unsigned round = 0; round < run->settings->rounds; round++)
        for (size_t l = 0; l < run->lane_count; l++)
            run_lane(run, &run->lanes[l], round);
    speed_report(run);
    for (size_t l = 0; l < run->lane_count; l++)
        child_stop(&run->lanes[l].child);
    workload_close(&workload);
}

void speed_plan(const struct settings *settings, struct report *report)
{
    for (size_t s = 0; sections[s].rows != NULL; s++) {
        for (size_t c = 0; contenders[c] != NULL; c++) {
            if (!lane_wanted(settings, &sections[s], contenders[c]))
                continue;
            report_plan(report, FILL_STEPS);
            for (size_t r = 0; r < sections[s].count; r++)
                if (settings_row(settings, sections[s].rows[r].name) && row_takes(&sections[s].rows[r], contenders[c]))
                    report_plan(report, settings->rounds);
        }
    }
}

/* A thread that waits for nobody and has its CPU for itself uses all of it. */
static void report_share(struct report *report, const struct share *share)
{
    char text[160];
    if (share->count == 0)
        return;
    double percent = share->sum / share->count * 100;
    snprintf(text, sizeof text, "\nsingle threads had their CPU for %.1f %% of the time%s", percent,
             percent < 97 ? ": others used this machine, so look at the ratios by CPU, or repeat the run" : "");
    report_note(report, text);
}

bool speed_run(const struct settings *settings, struct report *report)
{
    bool right = true;
    struct share share = {0};
    for (size_t s = 0; sections[s].rows != NULL; s++) {
        struct run run = {
            .settings = settings, .report = report, .section = &sections[s], .share = &share, .right = true};
        run.lanes = calloc(CONTENDERS_MAX, sizeof *run.lanes);
        if (run.lanes == NULL)
            return false;
        for (size_t c = 0; contenders[c] != NULL; c++)
            if (lane_wanted(settings, &sections[s], contenders[c]))
                run.lanes[run.lane_count++].contender = contenders[c];
        if (run.lane_count > 0)
            run_section(&run);
        free(run.lanes);
        right = right && run.right;
    }
    report_share(report, &share);
    return right;
}
