/* The catalog of a configuration, and the check without a node. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/node/settings.h"

/* The valid items of `plugins.path`; the others are reported by the check, which comes later and needs the catalog. */
static size_t take_paths(const struct ldr_tree *tree, const char **paths)
{
    const struct ldr_tree *list = ldr_tree_find(ldr_tree_find(tree, "plugins"), "path");
    size_t count = 0;
    for (size_t i = 0; list != NULL && list->kind == LDR_TREE_LIST && i < list->count; i++) {
        if (list->items[i]->kind != LDR_TREE_SCALAR)
            continue;
        if (paths != NULL)
            paths[count] = list->items[i]->text;
        count++;
    }
    return count;
}

static struct ldr_catalog *open_catalog(const struct larder_config *config, const struct ldr_tree *tree)
{
    size_t own = take_paths(tree, NULL);
    const char **paths = calloc(own + config->plugin_path_count + 1, sizeof(*paths));
    if (paths == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    take_paths(tree, paths);
    for (size_t i = 0; i < config->plugin_path_count; i++)
        paths[own + i] = config->plugin_paths[i];
    struct ldr_catalog *catalog = ldr_catalog_open(&(struct ldr_catalog_options){
        .paths = paths,
        .path_count = own + config->plugin_path_count,
        .tables = config->plugins,
        .table_count = config->plugin_count,
    });
    free(paths);
    return catalog;
}

struct ldr_catalog *ldr_settings_catalog(const struct larder_config *config)
{
    const struct larder_config nothing = {0};
    if (config == NULL)
        config = &nothing;
    struct ldr_tree *tree = ldr_config_merged(config);
    struct ldr_catalog *catalog = tree == NULL ? NULL : open_catalog(config, tree);
    ldr_tree_free(tree);
    return catalog;
}

enum larder_status larder_config_check(const struct larder_config *config, void (*report)(void *arg, const char *line),
                                       void *arg)
{
    struct ldr_errors errors = {.report = report, .arg = arg};
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    if (catalog == NULL) {
        if (larder_last_status() == LARDER_NO_MEMORY)
            return LARDER_NO_MEMORY;
        ldr_errors_add(&errors, NULL, "%s", larder_last_error());
        return ldr_fail(LARDER_INVALID, "%s", errors.first);
    }
    struct ldr_settings *settings = ldr_settings_check(config, catalog, &errors);
    enum larder_status status = settings != NULL ? LARDER_OK : larder_last_status();
    ldr_settings_free(settings);
    ldr_catalog_close(catalog);
    return status;
}
