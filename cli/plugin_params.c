#include "plugin_params.h"

#include <stdio.h>

#include "document.h"
#include "larder/plugins.h"
#include "table.h"
#include "text.h"
#include "units.h"

static bool is_number(const struct larder_param *row)
{
    return row->type == LARDER_PARAM_INT || row->type == LARDER_PARAM_FLOAT;
}

static bool has_range(const struct larder_param *row)
{
    return row->type != LARDER_PARAM_BOOL && (row->minimum != 0 || row->maximum != 0);
}

static void add_limit(struct text *text, const struct larder_param *row, double value)
{
    char buffer[UNITS_TEXT];
    if (row->type == LARDER_PARAM_SIZE && value >= 0)
        text_puts(text, units_size(buffer, (uint64_t)value));
    else if (row->type == LARDER_PARAM_DURATION && value >= 1 && value < 9e12)
        text_puts(text, units_duration(buffer, (uint64_t)value * 1000000));
    else
        text_printf(text, "%.15g", value);
}

/* What a value may be: its choices, or its limits with what they count. */
static void add_range(struct text *text, const struct larder_param *row)
{
    if (row->choices != NULL)
        text_puts(text, row->choices);
    if (row->choices != NULL || !has_range(row)) {
        text_puts(text, row->choices != NULL ? "" : "-");
        return;
    }
    add_limit(text, row, row->minimum);
    text_puts(text, " to ");
    add_limit(text, row, row->maximum);
    if (row->type == LARDER_PARAM_STRING)
        text_puts(text, " bytes");
    else if (!is_number(row) && row->type != LARDER_PARAM_SIZE && row->type != LARDER_PARAM_DURATION)
        text_puts(text, " items");
}

static void add_rows(struct table *table, const struct larder_param *row, const char *prefix)
{
    for (; row != NULL && row->name != NULL; row++) {
        struct text range = {0}, name = {0};
        add_range(&range, row);
        text_printf(&name, "%s%s", prefix, row->name);
        table_pair(table, text_string(&name), larder_param_type_name(row->type));
        const char *none = row->required ? "(required)" : "-";
        table_pair(table, row->default_text != NULL ? row->default_text : none, text_string(&range));
        table_cell(table, "%s", row->help != NULL ? row->help : "");
        text_puts(&name, row->type == LARDER_PARAM_RECORDS ? "[]." : ".");
        if (row->type == LARDER_PARAM_RECORD || row->type == LARDER_PARAM_RECORDS)
            add_rows(table, row->fields, text_string(&name));
        if (range.failed || name.failed)
            table->failed = true;
        text_free(&range);
        text_free(&name);
    }
}

enum exit_code plugin_params_show(const struct larder_param *params)
{
    static const struct column columns[] = {
        {"PARAMETER", false}, {"TYPE", false}, {"DEFAULT", false}, {"RANGE", false}, {"WHAT IT IS", false}};
    struct table table = {.columns = columns, .column_count = 5};
    if (params == NULL || params->name == NULL) {
        puts("takes no parameters");
        return EXIT_DONE;
    }
    add_rows(&table, params, "");
    return table_print(&table);
}

json_t *plugin_params_json(const struct larder_param *params)
{
    json_t *rows = json_array();
    for (; params != NULL && params->name != NULL; params++) {
        bool required = params->required && params->default_text == NULL;
        json_t *row = json_pack("{s:o, s:s, s:o*, s:b, s:o*, s:o*}", "name", document_shown(params->name), "type",
                                larder_param_type_name(params->type), "default", document_shown(params->default_text),
                                "required", required, "choices", document_shown(params->choices), "help",
                                document_shown(params->help));
        if (has_range(params)) {
            json_object_set_new(row, "minimum", json_real(params->minimum));
            json_object_set_new(row, "maximum", json_real(params->maximum));
        }
        if (params->type == LARDER_PARAM_RECORD || params->type == LARDER_PARAM_RECORDS)
            json_object_set_new(row, "fields", plugin_params_json(params->fields));
        if (json_array_append_new(rows, row) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}
