/* The reference of all settings, written from the tables that check them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/node/settings.h"
#include "core/node/settings_table.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "A configuration is a YAML file (JSON is YAML, too), read strictly: unknown and duplicate keys, wrong units and "
    "values\n"
    "out of range are errors with file, line and column. This page is written from the tables that check a "
    "configuration;\n"
    "do not edit it by hand.\n"
    "\n"
    "- A **size** is a number of bytes with a unit: `512`, `64KB` (1000), `64KiB` (1024), `MB`, `MiB`, `GB`, `GiB`.\n"
    "- A **duration** is a time with a unit: `250ms`, `30s`, `5m`, `1h`; `0` alone needs none.\n"
    "- A **plugin** is the name of a module, `lru`, or a mapping with the parameters of the module beside its name,\n"
    "  `{plugin: http, listen: \"127.0.0.1:8001\"}`.\n"
    "- `--set path.to.key=value` changes a single setting: `--set groups.0.max_bytes=64MiB`. Lists count from 0; the "
    "index\n"
    "  after the last appends.\n";

/* A text in a cell of a table. */
static void write_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void write_default(FILE *out, const struct larder_param *row)
{
    if (row->default_text == NULL)
        fputs(row->required ? "required" : "", out);
    else if (*row->default_text == '\0')
        fputs("empty", out);
    else
        fprintf(out, "`%s`", row->default_text);
}

static void write_range(FILE *out, const struct larder_param *row)
{
    char range[LDR_RANGE_TEXT];
    ldr_schema_range(row, range, sizeof range);
    if (row->type == LARDER_PARAM_PLUGIN || row->type == LARDER_PARAM_PLUGINS) {
        fprintf(out, "%s plugins", row->choices);
    } else if (row->choices != NULL) {
        fputc('`', out);
        for (const char *at = row->choices; *at != '\0'; at++)
            *at == '|' ? fputs("`, `", out) : fputc(*at, out);
        fputc('`', out);
    } else {
        fputs(range, out);
    }
}

/* `prefix` is that of the rows of a record inside another table: "members[].". */
static void write_rows(FILE *out, const char *prefix, const struct larder_param *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        /* The row "*" describes each of the keys that no other row names. */
        bool rest = strcmp(table->name, "*") == 0;
        fprintf(out, "| `%s%s` | %s | ", prefix, table->name,
                larder_param_type_name(rest ? LARDER_PARAM_STRING : table->type));
        write_default(out, table);
        fputs(" | ", out);
        write_range(out, table);
        fputs(" | ", out);
        write_cell(out, table->help == NULL ? "" : table->help);
        fputs(" |\n", out);
        if (table->type == LARDER_PARAM_RECORD || table->type == LARDER_PARAM_RECORDS) {
            char inner[256];
            snprintf(inner, sizeof inner, "%s%s%s.", prefix, table->name,
                     table->type == LARDER_PARAM_RECORDS ? "[]" : "");
            write_rows(out, inner, table->fields);
        }
    }
}

static void write_table(FILE *out, const struct larder_param *table)
{
    fputs("| key | type | default | range | meaning |\n|---|---|---|---|---|\n", out);
    write_rows(out, "", table);
}

static void write_section(FILE *out, const struct larder_param *section)
{
    static const char *const shapes[] = {[LARDER_PARAM_RECORD] = "A mapping",
                                         [LARDER_PARAM_RECORDS] = "A list of mappings",
                                         [LARDER_PARAM_PLUGINS] = "A list of plugins"};
    fprintf(out, "\n## `%s`\n\n%s: %s.\n", section->name, shapes[section->type], section->help);
    if (section->fields != NULL) {
        fputc('\n', out);
        write_table(out, section->fields);
    }
}

static void write_plugin(void *arg, const struct larder_plugin_info *info)
{
    FILE *out = arg;
    if (info->head == NULL)
        return;
    const char *help = info->head->help == NULL ? "" : info->head->help;
    fprintf(out, "\n## %s plugin `%s`\n\n", larder_plugin_kind_name((enum larder_plugin_kind)info->head->kind),
            info->head->name);
    if (*help != '\0')
        fprintf(out, "%c%s.\n\n", toupper((unsigned char)*help), help + 1);
    if (info->head->params != NULL && info->head->params->name != NULL)
        write_table(out, info->head->params);
    else
        fputs("Takes no parameters.\n", out);
}

enum larder_status larder_config_reference(const struct larder_config *config, FILE *out)
{
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    if (catalog == NULL)
        return larder_last_status();
    fputs(introduction, out);
    for (const struct larder_param *section = ldr_settings_table; section->name != NULL; section++)
        write_section(out, section);
    enum larder_status status = ldr_catalog_each(catalog, write_plugin, out);
    ldr_catalog_close(catalog);
    if (status == LARDER_OK && (fflush(out) != 0 || ferror(out)))
        return ldr_fail(LARDER_IO, "the reference of the settings cannot be written");
    return status;
}
