#include "bench/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

struct spread {
    double median, least, most;
};

/* Sorts the values. */
static struct spread spread_of_values(double *values, unsigned count)
{
    qsort(values, count, sizeof values[0], compare);
    double median = count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    return (struct spread){median, values[0], values[count - 1]};
}

/* The double at `offset` in a round's outcome. */
static double value_at(const struct lane *lane, size_t row, unsigned round, size_t offset)
{
    double value;
    memcpy(&value, (const char *)&lane->outcomes[row][round] + offset, sizeof value);
    return value;
}

static struct spread spread_of(const struct run *run, const struct lane *lane, size_t row, size_t offset)
{
    double values[ROUNDS_MAX];
    for (unsigned i = 0; i < run->settings->rounds; i++)
        values[i] = value_at(lane, row, i, offset);
    return spread_of_values(values, run->settings->rounds);
}

#define SPREAD(run, lane, row, member) spread_of(run, lane, row, offsetof(struct outcome, member))

/* One row of one contender. */
struct part {
    const struct lane *lane; /* NULL: there is none */
    size_t row;
};

/* The median of the ratios that two had to each other in each round, as machines change their speed. NAN when one is missing. */
static double ratio_of(const struct run *run, struct part part, struct part than, size_t offset)
{
    double values[ROUNDS_MAX];
    if (part.lane == NULL || than.lane == NULL)
        return (double)NAN;
    for (unsigned i = 0; i < run->settings->rounds; i++)
        values[i] = value_at(part.lane, part.row, i, offset) / value_at(than.lane, than.row, i, offset);
    return spread_of_values(values, run->settings->rounds).median;
}

#define RATIO(run, part, than, member) ratio_of(run, part, than, offsetof(struct outcome, member))

/* Of the contender of a kind that has the best median: the most operations, or the least CPU time. */
static struct part best_of(const struct run *run, size_t row, enum contender_kind kind, bool cpu)
{
    struct part best = {NULL, row};
    double best_speed = 0;
    for (size_t l = 0; l < run->lane_count; l++) {
        const struct lane *lane = &run->lanes[l];
        if (!lane->alive || lane->contender->kind != kind || !row_takes(&run->section->rows[row], lane->contender))
            continue;
        double speed = cpu ? 1 / SPREAD(run, lane, row, cpu_ns).median : SPREAD(run, lane, row, mops).median;
        if (best.lane == NULL || speed > best_speed) {
            best.lane = lane;
            best_speed = speed;
        }
    }
    return best;
}

/* The row with one reader of the hot key. */
static struct part one_reader(const struct run *run, const struct lane *lane)
{
    for (size_t r = 0; r < run->section->count; r++)
        if (strcmp(run->section->rows[r].name, "hot-1") == 0 && settings_row(run->settings, "hot-1"))
            return (struct part){lane, r};
    return (struct part){NULL, 0};
}

static void report_speed(const struct run *run, const struct lane *lane, size_t r)
{
    const struct row *row = &run->section->rows[r];
    const struct cell *cell = &row->cell;
    struct spread mops = SPREAD(run, lane, r, mops);
    double cpu_ns = SPREAD(run, lane, r, cpu_ns).median;
    const struct part part = {lane, r};
    bool gets = cell->get_percent > 0, real = lane->contender->kind != CONTENDER_NONE;
    struct field fields[] = {
        {"mops", "Mop/s", 2, mops.median},
        {"mops_min", "min", 2, mops.least},
        {"mops_max", "max", 2, mops.most},
        {"cpu_ns", "CPU ns/op", 1, cpu_ns},
        {"hit_ratio", "hits", 4, gets && real ? SPREAD(run, lane, r, hit_ratio).median : (double)NAN},
        {"ratio", "x best peer", 2, RATIO(run, part, best_of(run, r, CONTENDER_PEER, false), mops)},
        {"cpu_ratio", "by CPU", 2, RATIO(run, best_of(run, r, CONTENDER_PEER, true), part, cpu_ns)},
        {"over_floor", "over floor", 2, RATIO(run, best_of(run, r, CONTENDER_FLOOR, false), part, mops)},
        {"", "", 2, (double)NAN},
    };
    size_t count = sizeof fields / sizeof *fields - 1;
    if (cell->writer)
        fields[count - 1] = (struct field){"writer_mops", "writer's", 2, SPREAD(run, lane, r, writer_mops).median};
    else if (cell->hot)
        fields[count - 1] = (struct field){"over_one", "over one", 2, RATIO(run, part, one_reader(run, lane), mops)};
    report_line(run->report, lane->contender->name, fields, count);
}

static void report_latency(struct report *report, const char *contender, const struct percentiles *ns)
{
    const struct field fields[] = {
        {"p50_ns", "p50 ns", 0, ns->p50},       {"p99_ns", "p99 ns", 0, ns->p99},
        {"p999_ns", "p99.9 ns", 0, ns->p999},   {"p9999_ns", "p99.99 ns", 0, ns->p9999},
        {"worst_ns", "worst ns", 0, ns->worst},
    };
    report_line(report, contender, fields, sizeof fields / sizeof *fields);
}

/* Medians of the rounds; of the worst, the worst. */
static void report_timed(const struct run *run, const struct lane *lane, size_t r)
{
    const struct percentiles ns = {
        .p50 = SPREAD(run, lane, r, latency.p50).median,
        .p99 = SPREAD(run, lane, r, latency.p99).median,
        .p999 = SPREAD(run, lane, r, latency.p999).median,
        .p9999 = SPREAD(run, lane, r, latency.p9999).median,
        .worst = SPREAD(run, lane, r, latency.worst).most,
    };
    report_latency(run->report, lane->contender->name, &ns);
}

void speed_report(const struct run *run)
{
    for (size_t r = 0; r < run->section->count; r++) {
        const struct row *row = &run->section->rows[r];
        if (!settings_row(run->settings, row->name))
            continue;
        report_row(run->report, row->name, row->title);
        for (size_t l = 0; l < run->lane_count; l++) {
            const struct lane *lane = &run->lanes[l];
            if (!lane->alive || !row_takes(row, lane->contender))
                continue;
            if (row->cell.timed)
                report_timed(run, lane, r);
            else
                report_speed(run, lane, r);
        }
    }
    if (!run->section->fill_row || !settings_row(run->settings, row_fill.name))
        return;
    report_row(run->report, row_fill.name, row_fill.title);
    for (size_t l = 0; l < run->lane_count; l++)
        if (run->lanes[l].alive && row_takes(&row_fill, run->lanes[l].contender))
            report_latency(run->report, run->lanes[l].contender->name, &run->lanes[l].ready.fill);
}
