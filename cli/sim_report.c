#include "sim_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "table.h"

static const char *unit_of(const struct sim_plan *plan)
{
    return plan->bytes ? "bytes" : "objects";
}

double sim_report_miss_ratio(const struct sim_result *result)
{
    return result->requests > 0 ? (double)result->misses / (double)result->requests : 0;
}

enum exit_code sim_report_show(const struct sim_plan *plan, const struct sim_result *results)
{
    static const struct column columns[] = {{"TRACE", false}, {"POLICY", false},   {"SIZE", true},
                                            {"UNIT", false},  {"REQUESTS", true},  {"HITS", true},
                                            {"MISSES", true}, {"MISS RATIO", true}};
    struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    for (size_t i = 0; i < sim_plan_count(plan); i++) {
        const struct sim_result *result = &results[i];
        table_cell(&table, "%s", plan->trace);
        table_cell(&table, "%s", sim_plan_policy(plan, i)->text);
        table_cell(&table, "%" PRIu64, sim_plan_size(plan, i));
        table_cell(&table, "%s", unit_of(plan));
        table_cell(&table, "%" PRIu64, result->requests);
        table_cell(&table, "%" PRIu64, result->requests - result->misses);
        table_cell(&table, "%" PRIu64, result->misses);
        table_cell(&table, "%.4f", sim_report_miss_ratio(result));
    }
    return table_print(&table);
}

enum exit_code sim_report_json(const struct sim_plan *plan, const struct sim_result *results)
{
    json_t *rows = json_array();
    bool good = rows != NULL;
    char sample[32];
    snprintf(sample, sizeof sample, "1/%" PRIu64, plan->part);
    for (size_t i = 0; i < sim_plan_count(plan) && good; i++) {
        const struct sim_result *result = &results[i];
        json_t *row = json_pack("{s:o, s:o, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "trace",
                                document_shown(plan->trace), "policy", document_shown(sim_plan_policy(plan, i)->text),
                                "size", (json_int_t)sim_plan_size(plan, i), "unit", unit_of(plan), "sample", sample,
                                "shards", (json_int_t)plan->shards, "requests", (json_int_t)result->requests, "hits",
                                (json_int_t)(result->requests - result->misses), "misses", (json_int_t)result->misses,
                                "miss_ratio", sim_report_miss_ratio(result));
        good = json_array_append_new(rows, row) == 0;
    }
    if (good)
        return document_print(rows, JSON_REAL_PRECISION(6));
    json_decref(rows);
    return say_no_memory();
}

/* As RFC 4180 has it: in quotes where it must be, with quotes in it doubled. */
static void put_field(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

enum exit_code sim_report_csv(const struct sim_plan *plan, const struct sim_result *results)
{
    puts("trace,policy,size,unit,requests,hits,misses,miss_ratio");
    for (size_t i = 0; i < sim_plan_count(plan); i++) {
        const struct sim_result *result = &results[i];
        put_field(plan->trace);
        putchar(',');
        put_field(sim_plan_policy(plan, i)->text);
        printf(",%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.6f\n", sim_plan_size(plan, i), unit_of(plan),
               result->requests, result->requests - result->misses, result->misses, sim_report_miss_ratio(result));
    }
    return EXIT_DONE;
}
