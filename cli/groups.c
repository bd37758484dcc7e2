/* larder groups: the groups of a node and their settings. */
#include "commands.h"
#include "document.h"
#include "node.h"
#include "table.h"
#include "units.h"

static const struct column columns[] = {
    {"GROUP", false},   {"MAX BYTES", true},    {"MAX VALUE", true}, {"TTL", true},
    {"NEGATIVE", true}, {"LOAD TIMEOUT", true}, {"EVICTION", false}, {"LOADER", false},
};

/* A time as documents have it, "3600000ms"; 0 means that there is none. */
static void add_time(struct table *table, const json_t *group, const char *name)
{
    char buffer[UNITS_TEXT];
    const char *text = document_text(group, name);
    uint64_t ms, ns;
    if (!units_parse_duration(text, &ms) || __builtin_mul_overflow(ms, 1000000, &ns))
        table_cell(table, "%s", text);
    else
        table_cell(table, "%s", ms == 0 ? "none" : units_duration(buffer, ns));
}

/* A module by its name; a program that embeds the node may have a callback in the place of a loader. */
static void add_plugin(struct table *table, const json_t *group, const char *name)
{
    const json_t *plugin = json_object_get(group, name);
    table_cell(table, "%s", json_is_object(plugin) ? document_text(plugin, "plugin") : document_text(group, name));
}

static enum exit_code show(const json_t *document)
{
    struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    char buffer[UNITS_TEXT];
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(document, "groups"), i, group)
    {
        table_cell(&table, "%s", document_text(group, "name"));
        table_cell(&table, "%s", units_size(buffer, document_count(group, "max_bytes")));
        table_cell(&table, "%s", units_size(buffer, document_count(group, "max_value")));
        add_time(&table, group, "ttl");
        add_time(&table, group, "negative_ttl");
        add_time(&table, group, "load_timeout");
        add_plugin(&table, group, "eviction");
        add_plugin(&table, group, "loader");
    }
    return table_print(&table);
}

enum exit_code command_groups(const struct options *options)
{
    struct text path = {0};
    text_puts(&path, "/v1/groups");
    enum exit_code code = node_show_document(options, &path, show);
    text_free(&path);
    return code;
}
