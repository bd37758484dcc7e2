#include "bench_report.h"

#include <stdio.h>

#include "document.h"
#include "table.h"
#include "units.h"

static const char *const operation_names[TRACE_OPERATIONS] = {"get", "set", "del"};

static const struct {
    const char *title, *name;
    double share;
} percentiles[] = {
    {"P50", "p50_ns", 0.5}, {"P95", "p95_ns", 0.95}, {"P99", "p99_ns", 0.99}, {"P99.9", "p99.9_ns", 0.999}};

#define PERCENTILES (sizeof percentiles / sizeof *percentiles)

static double rate_of(const struct bench_report *report)
{
    return report->seconds > 0 ? (double)report->counts.requests / report->seconds : 0;
}

/* ------------------------------------------------------------------------------------------------ for people */

static void add_count(struct table *table, const char *name, uint64_t count, uint64_t of)
{
    table_cell(table, "%s", name);
    table_cell(table, "%llu", (unsigned long long)count);
    if (of > 0)
        table_cell(table, "%.2f %%", 100 * (double)count / (double)of);
    else
        table_blank(table);
}

static void add_errors(struct table *table, const struct bench_counts *counts)
{
    char name[128];
    for (unsigned i = 0; i < BENCH_STATUS_MAX; i++) {
        snprintf(name, sizeof name, "error: status %u", i);
        if (counts->status[i] > 0)
            add_count(table, name, counts->status[i], counts->requests);
    }
    for (unsigned i = 0; i < CURL_LAST; i++) {
        snprintf(name, sizeof name, "error: %s", curl_easy_strerror((CURLcode)i));
        if (counts->no_answer[i] > 0)
            add_count(table, name, counts->no_answer[i], counts->requests);
    }
}

static enum exit_code show_counts(const struct bench_report *report)
{
    static const struct column columns[] = {{"", false}, {"", true}, {"", true}};
    struct table table = {.columns = columns, .column_count = 3, .plain = true};
    const struct bench_counts *counts = &report->counts;
    char name[64], text[UNITS_TEXT];
    add_count(&table, "requests", counts->requests, 0);
    table_pair(&table, "time", units_duration(text, (uint64_t)(report->seconds * 1e9)));
    table_blank(&table);
    table_cell(&table, "requests a second");
    table_cell(&table, "%.0f", rate_of(report));
    table_blank(&table);
    for (size_t i = 0; i < TRACE_OPERATIONS; i++)
        if (counts->latency[i].count > 0)
            add_count(&table, operation_names[i], counts->latency[i].count, counts->requests);
    for (size_t i = 0; i < HIT_COUNT; i++) {
        snprintf(name, sizeof name, "value from %s", bench_hit_names[i]);
        if (counts->hits[i] > 0)
            add_count(&table, name, counts->hits[i], counts->latency[TRACE_GET].count);
    }
    add_count(&table, "not found", counts->not_found, counts->requests);
    add_count(&table, "failed", counts->failed, counts->requests);
    add_errors(&table, counts);
    table_cell(&table, "origin loads");
    if (report->loads_known)
        table_cell(&table, "%llu", (unsigned long long)report->loads);
    else
        table_cell(&table, "unknown");
    table_blank(&table);
    return table_print(&table);
}

enum exit_code bench_report_show(const struct bench_report *report)
{
    static const struct column columns[] = {{"LATENCY", false}, {"COUNT", true}, {"MEAN", true},  {"P50", true},
                                            {"P95", true},      {"P99", true},   {"P99.9", true}, {"MAX", true}};
    struct table table = {.columns = columns, .column_count = 4 + PERCENTILES};
    char text[UNITS_TEXT];
    enum exit_code code = show_counts(report);
    putchar('\n');
    for (size_t i = 0; i < TRACE_OPERATIONS && code == EXIT_DONE; i++) {
        const struct latency *latency = &report->counts.latency[i];
        if (latency->count == 0)
            continue;
        table_cell(&table, "%s", operation_names[i]);
        table_cell(&table, "%llu", (unsigned long long)latency->count);
        table_cell(&table, "%s", units_duration(text, latency->sum_ns / latency->count));
        for (size_t j = 0; j < PERCENTILES; j++)
            table_cell(&table, "%s", units_duration(text, latency_percentile(latency, percentiles[j].share)));
        table_cell(&table, "%s", units_duration(text, latency->max_ns));
    }
    return code == EXIT_DONE ? table_print(&table) : code;
}

/* ------------------------------------------------------------------------------------------------ for programs */

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *errors_to_json(const struct bench_counts *counts)
{
    json_t *errors = json_object();
    char name[16];
    for (unsigned i = 0; i < BENCH_STATUS_MAX; i++) {
        snprintf(name, sizeof name, "%u", i);
        if (counts->status[i] > 0)
            json_object_set_new(errors, name, integer(counts->status[i]));
    }
    for (unsigned i = 0; i < CURL_LAST; i++)
        if (counts->no_answer[i] > 0)
            json_object_set_new(errors, curl_easy_strerror((CURLcode)i), integer(counts->no_answer[i]));
    return errors;
}

static json_t *latency_to_json(const struct latency *latency)
{
    json_t *json = json_object();
    json_object_set_new(json, "count", integer(latency->count));
    json_object_set_new(json, "sum_ns", integer(latency->sum_ns));
    for (size_t i = 0; i < PERCENTILES; i++)
        json_object_set_new(json, percentiles[i].name, integer(latency_percentile(latency, percentiles[i].share)));
    json_object_set_new(json, "max_ns", integer(latency->max_ns));
    return json;
}

enum exit_code bench_report_json(const struct bench_report *report)
{
    const struct bench_counts *counts = &report->counts;
    json_t *hits = json_object(), *latency = json_object();
    for (size_t i = 0; i < HIT_COUNT; i++)
        json_object_set_new(hits, bench_hit_names[i], integer(counts->hits[i]));
    for (size_t i = 0; i < TRACE_OPERATIONS; i++)
        json_object_set_new(latency, operation_names[i], latency_to_json(&counts->latency[i]));
    json_t *json = json_pack(
        "{s:I, s:f, s:f, s:o, s:I, s:I, s:o, s:o, s:I, s:I, s:o}", "requests", (json_int_t)counts->requests, "seconds",
        report->seconds, "requests_per_second", rate_of(report), "hits", hits, "not_found",
        (json_int_t)counts->not_found, "failed", (json_int_t)counts->failed, "errors", errors_to_json(counts),
        "origin_loads", report->loads_known ? integer(report->loads) : json_null(), "bytes_read",
        (json_int_t)counts->bytes_read, "bytes_written", (json_int_t)counts->bytes_written, "latency", latency);
    return document_print(json, 0);
}
