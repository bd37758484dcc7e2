/* larder cluster: the members as a node sees them, and their shares of the ring. */
#include <stdio.h>

#include "commands.h"
#include "document.h"
#include "node.h"
#include "table.h"

static const struct column summary_columns[] = {{"", false}, {"", false}};

static const struct column columns[] = {
    {"MEMBER", false}, {"ADDRESS", false}, {"WEIGHT", true},   {"SHARE", true},   {"STATE", false},
    {"AGREES", false}, {"REQUESTS", true}, {"FAILURES", true}, {"REASON", false},
};

static enum exit_code show_summary(const json_t *document)
{
    struct table table = {.columns = summary_columns, .column_count = 2, .plain = true};
    char epoch[32];
    snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)document_count(document, "epoch"));
    table_pair(&table, "node", document_text(document, "node"));
    table_pair(&table, "role", document_text(document, "role"));
    if (json_array_size(json_object_get(document, "members")) == 0) {
        table_pair(&table, "cluster", "none");
    } else {
        table_pair(&table, "epoch", epoch);
        table_pair(&table, "checksum", document_text(document, "checksum"));
        table_pair(&table, "ring", document_text(document, "settings"));
    }
    return table_print(&table);
}

static enum exit_code show(const json_t *document)
{
    struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    const json_t *members = json_object_get(document, "members");
    size_t i;
    json_t *member;
    enum exit_code code = show_summary(document);
    if (code != EXIT_DONE || json_array_size(members) == 0)
        return code;
    putchar('\n');
    json_array_foreach(members, i, member)
    {
        table_cell(&table, "%s", document_text(member, "name"));
        table_cell(&table, "%s", document_text(member, "address"));
        table_cell(&table, "%llu", (unsigned long long)document_count(member, "weight"));
        table_cell(&table, "%.1f %%", 100 * json_number_value(json_object_get(member, "share")));
        table_cell(&table, "%s", document_text(member, "state"));
        table_cell(&table, "%s", json_is_true(json_object_get(member, "agrees")) ? "yes" : "no");
        table_cell(&table, "%llu", (unsigned long long)document_count(member, "requests"));
        table_cell(&table, "%llu", (unsigned long long)document_count(member, "failures"));
        table_cell(&table, "%s", document_text(member, "reason"));
    }
    return table_print(&table);
}

enum exit_code command_cluster(const struct options *options)
{
    struct text path = {0};
    text_puts(&path, "/v1/cluster");
    enum exit_code code = node_show_document(options, &path, show);
    text_free(&path);
    return code;
}
