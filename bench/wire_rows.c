#include "bench/wire_rows.h"

#include "bench/wire_client.h"
#include "bench/wire_groups.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 50
#define WARM_UP     0.1
#define FILL_DEPTH  16
#define FILL_MAX    900.0 /* seconds */

static bool wanted(const struct settings *settings, const struct wire_cell *cell)
{
    return settings_row(settings, cell->row) && settings_contender(settings, cell->contender);
}

static unsigned wanted_cells(const struct settings *settings, const struct wire_group *group)
{
    unsigned count = 0;
    for (int c = 0; c < group->count; c++)
        count += wanted(settings, &group->cells[c]);
    return count;
}

void wire_rows_plan(const struct settings *settings, struct report *report)
{
    for (size_t g = 0; g < wire_group_count; g++)
        report_plan(report, wanted_cells(settings, &wire_groups[g]) * settings->rounds);
}

/* ------------------------------------------------------------------------------------------------ keys */

struct keys {
    const struct workload *workload;
    uint32_t count, at;
    enum wire_which which;
    uint8_t *owners; /* enum wire_which, of each key; in a cluster only */
    uint32_t answered;
};

static uint32_t next_in_order(void *arg)
{
    struct keys *keys = arg;
    return keys->at < keys->count ? keys->at++ : WIRE_NO_MORE;
}

static uint32_t next_drawn(void *arg)
{
    struct keys *keys = arg;
    if (keys->which == WIRE_ALL)
        return (keys->workload->streams[0][keys->at++ % STREAM_LENGTH] & REQUEST_NUMBER_MASK) % keys->count;
    uint32_t number;
    do
        number = (uint32_t)(workload_mix(keys->at++) % keys->count);
    while (keys->owners[number] != keys->which);
    return number;
}

static void note_owner(void *arg, uint32_t number, const char *head, size_t size)
{
    static const char peer[] = "Larder-Source: peer\r\n";
    struct keys *keys = arg;
    keys->owners[number] = memmem(head, size, peer, sizeof peer - 1) != NULL ? WIRE_OTHERS : WIRE_OWN;
}

/* All keys once, in order. */
static bool go_through(struct keys *keys, uint16_t port, const struct wire_protocol *protocol, size_t value_size,
                       void (*answered)(void *arg, uint32_t number, const char *head, size_t size))
{
    const struct wire_load load = {.protocol = protocol,
                                   .port = port,
                                   .connections = CONNECTIONS,
                                   .depth = FILL_DEPTH,
                                   .value_size = value_size,
                                   .next = next_in_order,
                                   .answered = answered,
                                   .arg = keys};
    uint64_t done = 0;
    keys->at = 0;
    struct wire_client *client = wire_client_open(&load);
    bool right = client != NULL && wire_client_run(client, FILL_MAX, &done) && done == keys->count;
    wire_client_close(client);
    return right;
}

/* Through the first server, which is Larder in all groups. */
static bool fill(const struct wire_group *group, const struct wire_server *servers, struct keys *keys)
{
    if (!go_through(keys, servers[0].http, &wire_http_put, group->value_size, NULL))
        return false;
    return !group->pair || go_through(keys, servers[0].http, &wire_http_get, group->value_size, note_owner);
}

/* ------------------------------------------------------------------------------------------------ measuring */

struct figures {
    double us[WIRE_CELLS][ROUNDS_MAX];   /* of CPU time a request */
    double rate[WIRE_CELLS][ROUNDS_MAX]; /* thousand requests a second */
};

static uint64_t cpu_of(const struct wire_group *group, const struct wire_server *servers, const struct wire_cell *cell)
{
    uint64_t own = wire_cpu_ns(&servers[cell->server]);
    return group->pair ? own + wire_cpu_ns(&servers[1 - cell->server]) : own;
}

static bool measure(const struct wire_group *group, const struct wire_cell *cell, const struct wire_server *servers,
                    struct keys *keys, double seconds, double *us, double *rate)
{
    bool http = cell->protocol == &wire_http_get;
    const struct wire_server *server = &servers[cell->server];
    const struct wire_load load = {.protocol = cell->protocol,
                                   .port = http ? server->http : server->grpc,
                                   .connections = CONNECTIONS,
                                   .depth = cell->depth,
                                   .value_size = group->value_size,
                                   .any_value = server->grpc == 0,
                                   .next = next_drawn,
                                   .arg = keys};
    uint64_t done = 0;
    keys->which = cell->which;
    struct wire_client *client = wire_client_open(&load);
    bool right = client != NULL && wire_client_run(client, WARM_UP, &done);
    uint64_t before = cpu_of(group, servers, cell);
    right = right && wire_client_run(client, seconds, &done) && done > 0;
    uint64_t used = cpu_of(group, servers, cell) - before;
    wire_client_close(client);
    *us = (double)used / 1e3 / (double)done;
    *rate = (double)done / seconds / 1e3;
    return right;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(const double *values, unsigned count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, ascending);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static void print(const struct settings *settings, struct report *report, const struct wire_group *group,
                  const struct figures *figures)
{
    const char *row = "";
    for (int c = 0; c < group->count; c++) {
        const struct wire_cell *cell = &group->cells[c];
        if (!wanted(settings, cell))
            continue;
        if (strcmp(row, cell->row) != 0)
            report_row(report, cell->row, cell->title);
        row = cell->row;
        double ratio = (double)NAN, ratios[ROUNDS_MAX];
        if (cell->base >= 0 && wanted(settings, &group->cells[cell->base])) {
            for (unsigned r = 0; r < settings->rounds; r++)
                ratios[r] = figures->us[c][r] / figures->us[cell->base][r];
            ratio = median(ratios, settings->rounds);
        }
        const struct field fields[] = {{"cpu_us", "CPU us", 2, median(figures->us[c], settings->rounds)},
                                       {"ratio", "ratio", 3, ratio},
                                       {"thousand_a_second", "k/s", 1, median(figures->rate[c], settings->rounds)}};
        report_line(report, cell->contender, fields, sizeof fields / sizeof *fields);
    }
}

static bool run_rounds(const struct settings *settings, struct report *report, const struct wire_group *group,
                       const struct wire_server *servers, struct keys *keys)
{
    struct figures figures;
    unsigned steps = 0;
    for (unsigned r = 0; r < settings->rounds; r++)
        for (int c = 0; c < group->count; c++) {
            const struct wire_cell *cell = &group->cells[c];
            if (!wanted(settings, cell))
                continue;
            char what[64];
            snprintf(what, sizeof what, "%s, %s", cell->row, cell->contender);
            report_progress(report, what, steps);
            steps = 1;
            if (!measure(group, cell, servers, keys, settings->seconds, &figures.us[c][r], &figures.rate[c][r]))
                return false;
        }
    report_progress(report, group->name, steps);
    print(settings, report, group, &figures);
    return true;
}

static bool run_group(const struct settings *settings, struct report *report, const struct wire_group *group,
                      const struct wire_place *place, const struct workload *workload)
{
    struct wire_server servers[WIRE_SERVERS] = {0};
    struct keys keys = {.workload = workload, .count = settings->keys / group->fewer};
    char what[64];
    snprintf(what, sizeof what, "%s: %u keys are stored", group->name, keys.count);
    report_progress(report, what, 0);
    keys.owners = calloc(keys.count, 1);
    bool right = keys.owners != NULL && group->start(servers, place, keys.count, group->value_size) &&
                 fill(group, servers, &keys) && run_rounds(settings, report, group, servers, &keys);
    for (int i = 0; i < WIRE_SERVERS; i++)
        wire_stop(&servers[i]);
    free(keys.owners);
    if (!right)
        fprintf(stderr, "bench: %s: broke off\n", group->name);
    return right;
}

bool wire_rows_run(const struct settings *settings, struct report *report, const struct wire_place *place,
                   const struct workload *workload)
{
    bool right = true;
    for (size_t g = 0; g < wire_group_count; g++)
        if (wanted_cells(settings, &wire_groups[g]) > 0)
            right = run_group(settings, report, &wire_groups[g], place, workload) && right;
    return right;
}
