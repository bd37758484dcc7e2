/* larder stats: the numbers of a node and its groups, or all numbers of one group. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "document.h"
#include "node.h"
#include "table.h"
#include "units.h"

static const struct column pair_columns[] = {{"", false}, {"", true}};

static const struct column group_columns[] = {
    {"GROUP", false}, {"ENTRIES", true},    {"USED", true},  {"LIMIT", true},     {"GETS", true},    {"HITS", true},
    {"RATIO", true},  {"FROM PEERS", true}, {"LOADS", true}, {"EVICTIONS", true}, {"GET P50", true}, {"GET P99", true},
};

static const struct column latency_columns[] = {
    {"LATENCY", false}, {"COUNT", true}, {"MEAN", true}, {"P50", true}, {"P95", true}, {"P99", true}, {"P99.9", true},
};

static void add_count(struct table *table, const json_t *object, const char *name)
{
    table_cell(table, "%llu", (unsigned long long)document_count(object, name));
}

static void add_size(struct table *table, const json_t *object, const char *name)
{
    char buffer[UNITS_TEXT];
    table_cell(table, "%s", units_size(buffer, document_count(object, name)));
}

static void add_ratio(struct table *table, const json_t *group)
{
    table_cell(table, "%.1f %%", 100 * json_number_value(json_object_get(group, "hit_ratio")));
}

/* Nothing was measured: no time, rather than a short one. */
static void add_time(struct table *table, const json_t *latency, const char *name)
{
    char buffer[UNITS_TEXT];
    bool any = document_count(latency, "count") > 0;
    table_cell(table, "%s", any ? units_duration(buffer, document_count(latency, name)) : "-");
}

/* ------------------------------------------------------------------------------------------------ a node */

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* Every number that the document has; those in bytes and seconds in units for people. */
static void add_number(struct table *table, const char *name, const json_t *value)
{
    char text[64];
    uint64_t count = json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
    time_t seconds = (time_t)count;
    struct tm parts;
    if (strcmp(name, "start_time_seconds") == 0 && gmtime_r(&seconds, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
    else if (ends_with(name, "_bytes") || strncmp(name, "bytes_", 6) == 0)
        units_size(text, count);
    else
        snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    table_pair(table, name, text);
}

static void add_numbers(struct table *table, const json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) if (json_is_integer(value)) add_number(table, name, value);
}

static enum exit_code show_node(const json_t *document)
{
    struct table numbers = {.columns = pair_columns, .column_count = 2, .plain = true};
    struct table table = {.columns = group_columns, .column_count = sizeof group_columns / sizeof *group_columns};
    const json_t *node = json_object_get(document, "node");
    size_t i;
    json_t *group;
    table_pair(&numbers, "node", document_text(node, "name"));
    table_pair(&numbers, "version", document_text(node, "version"));
    add_numbers(&numbers, node);
    enum exit_code code = table_print(&numbers);
    if (code != EXIT_DONE)
        return code;
    putchar('\n');
    json_array_foreach(json_object_get(document, "groups"), i, group)
    {
        const json_t *get = json_object_get(json_object_get(group, "latency"), "get");
        table_cell(&table, "%s", document_text(group, "name"));
        add_count(&table, group, "entries");
        add_size(&table, group, "bytes_used");
        add_size(&table, group, "bytes_limit");
        add_count(&table, group, "gets");
        add_count(&table, group, "hits");
        add_ratio(&table, group);
        add_count(&table, group, "peer_hits");
        add_count(&table, group, "loads");
        add_count(&table, group, "evictions");
        add_time(&table, get, "p50_ns");
        add_time(&table, get, "p99_ns");
    }
    return table_print(&table);
}

/* ------------------------------------------------------------------------------------------------ a group */

static void add_latency(struct table *table, const char *name, const json_t *latency)
{
    char buffer[UNITS_TEXT];
    uint64_t count = document_count(latency, "count");
    table_cell(table, "%s", name);
    add_count(table, latency, "count");
    table_cell(table, "%s", count > 0 ? units_duration(buffer, document_count(latency, "sum_ns") / count) : "-");
    add_time(table, latency, "p50_ns");
    add_time(table, latency, "p95_ns");
    add_time(table, latency, "p99_ns");
    add_time(table, latency, "p99.9_ns");
}

static enum exit_code show_group(const json_t *group)
{
    struct table numbers = {.columns = pair_columns, .column_count = 2, .plain = true};
    struct table table = {.columns = latency_columns, .column_count = sizeof latency_columns / sizeof *latency_columns};
    char ratio[32];
    const char *name;
    json_t *latency;
    snprintf(ratio, sizeof ratio, "%.1f %%", 100 * json_number_value(json_object_get(group, "hit_ratio")));
    table_pair(&numbers, "group", document_text(group, "name"));
    table_pair(&numbers, "hit_ratio", ratio);
    add_numbers(&numbers, group);
    enum exit_code code = table_print(&numbers);
    if (code != EXIT_DONE)
        return code;
    putchar('\n');
    json_object_foreach(json_object_get(group, "latency"), name, latency) add_latency(&table, name, latency);
    return table_print(&table);
}

enum exit_code command_stats(const struct options *options)
{
    struct text path = {0};
    bool group = options->arguments.count > 0;
    if (options->cluster && !group)
        return say(EXIT_USAGE, "stats: --cluster: got no GROUP, wanted one");
    if (!group) {
        text_puts(&path, "/stats");
    } else {
        const char *name = options->arguments.items[0];
        text_puts(&path, "/v1/groups/");
        url_add_encoded(&path, name, strlen(name));
        text_puts(&path, options->cluster ? "/stats?cluster=true" : "/stats");
    }
    enum exit_code code = node_show_document(options, &path, group ? show_group : show_node);
    text_free(&path);
    return code;
}
