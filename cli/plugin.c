/* larder plugin list, plugin info: the modules that are there, and their parameters. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "document.h"
#include "larder/larder.h"
#include "larder/plugins.h"
#include "plugin_params.h"
#include "plugin_search.h"
#include "table.h"
#include "text.h"

static const char linked[] = "(in the program)"; /* in the place of a file */

/* ------------------------------------------------------------------------------------------------ list */

struct list {
    json_t *document;
    bool failed; /* out of memory: something is missing */
};

static void list_one(void *arg, const struct larder_plugin_info *info)
{
    struct list *list = arg;
    const char *member = info->head != NULL ? "plugins" : "refused";
    json_t *one;
    if (info->head != NULL)
        one = json_pack("{s:s, s:o, s:o, s:o}", "kind",
                        larder_plugin_kind_name((enum larder_plugin_kind)info->head->kind), "name",
                        document_shown(info->head->name), "help", document_shown(info->head->help), "file",
                        document_shown(info->path));
    else
        one = json_pack("{s:o, s:o}", "file", document_shown(info->path), "reason", document_shown(info->refusal));
    if (json_array_append_new(json_object_get(list->document, member), one) != 0)
        list->failed = true;
}

static enum exit_code show_list(const json_t *document)
{
    static const struct column columns[] = {{"KIND", false}, {"NAME", false}, {"WHAT IT IS", false}, {"FILE", false}};
    struct table table = {.columns = columns, .column_count = 4};
    size_t i;
    json_t *plugin, *refused;
    json_array_foreach(json_object_get(document, "plugins"), i, plugin)
    {
        const char *file = document_text(plugin, "file");
        table_pair(&table, document_text(plugin, "kind"), document_text(plugin, "name"));
        table_pair(&table, document_text(plugin, "help"), file[0] != '\0' ? file : linked);
    }
    enum exit_code code = table_print(&table);
    fflush(stdout); /* what is refused comes after it, also where both go to one place */
    json_array_foreach(json_object_get(document, "refused"), i, refused)
        say(EXIT_DONE, "refused: %s", document_text(refused, "reason"));
    return code;
}

enum exit_code command_plugin_list(const struct options *options)
{
    struct list list = {.document = json_pack("{s:[], s:[]}", "plugins", "refused")};
    struct larder_config *config = plugin_config(options);
    enum exit_code code = EXIT_NO;
    if (config == NULL)
        goto done;
    if (larder_plugins_each(config, list_one, &list) != LARDER_OK)
        code = say(EXIT_REFUSED, "%s", larder_last_error());
    else if (list.failed)
        code = say_no_memory();
    else
        code = options->json ? document_print(json_incref(list.document), 0) : show_list(list.document);
done:
    larder_config_free(config);
    json_decref(list.document);
    return code;
}

/* ------------------------------------------------------------------------------------------------ info */

/* What was found. */
struct search {
    bool json;
    json_t *found;
    size_t count;
    enum exit_code code;
};

static enum exit_code show_info(const struct larder_plugin_info *info)
{
    static const struct column columns[] = {{"", false}, {"", false}};
    struct table table = {.columns = columns, .column_count = 2, .plain = true};
    table_pair(&table, "name", info->head->name);
    table_pair(&table, "kind", larder_plugin_kind_name((enum larder_plugin_kind)info->head->kind));
    table_pair(&table, "help", info->head->help);
    table_pair(&table, "file", info->path[0] != '\0' ? info->path : linked);
    table_cell(&table, "abi");
    table_cell(&table, "%u", (unsigned)info->head->abi);
    enum exit_code code = table_print(&table);
    putchar('\n');
    return code == EXIT_DONE ? plugin_params_show(info->head->params) : code;
}

static void take_info(void *arg, const struct larder_plugin_info *info)
{
    struct search *search = arg;
    const struct larder_plugin *head = info->head;
    const char *kind = larder_plugin_kind_name((enum larder_plugin_kind)head->kind);
    if (search->json) {
        json_t *one = json_pack("{s:s, s:o, s:o, s:o, s:I, s:o}", "kind", kind, "name", document_shown(head->name),
                                "help", document_shown(head->help), "file", document_shown(info->path), "abi",
                                (json_int_t)head->abi, "params", plugin_params_json(head->params));
        if (json_array_append_new(search->found, one) != 0)
            search->code = say_no_memory();
    } else {
        if (search->count > 0)
            putchar('\n');
        search->code = show_info(info);
    }
    search->count++;
}

static enum exit_code info_of_file(const char *path, struct search *search)
{
    struct larder_plugin_info info;
    struct larder_plugin_file *file = larder_plugin_file_open(path, &info);
    if (file == NULL)
        return say(EXIT_NO, "refused: %s", larder_last_error());
    take_info(search, &info);
    larder_plugin_file_close(file);
    return EXIT_DONE;
}

enum exit_code command_plugin_info(const struct options *options)
{
    const char *name = options->arguments.items[0];
    struct search search = {.json = options->json, .found = json_array()};
    enum exit_code code = plugin_names_file(name) ? info_of_file(name, &search)
                                                  : plugin_search(options, "plugin info", name, take_info, &search);
    if (code == EXIT_DONE)
        code = search.code;
    if (code == EXIT_DONE && options->json)
        code = document_print(json_incref(search.found), 0);
    json_decref(search.found);
    return code;
}
