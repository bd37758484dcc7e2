#include "core/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/config/file.h"

/* What errors call a setting that stood in no file. */
static const char setting_place[] = "--set";

struct larder_config *larder_config_new(void)
{
    struct larder_config *config = calloc(1, sizeof *config);
    if (config == NULL)
        ldr_fail_memory();
    return config;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void larder_config_free(struct larder_config *config)
{
    if (config == NULL)
        return;
    ldr_tree_free(config->tree);
    free(config->file);
    free_texts(config->settings, config->setting_count);
    free_texts(config->plugin_paths, config->plugin_path_count);
    free(config->plugins);
    free(config);
}

/* The tree borrows the name of its file, so both change hands together. */
enum larder_status larder_config_parse(struct larder_config *config, const char *text, size_t length, const char *name)
{
    if (length > LDR_FILE_MAX)
        return ldr_fail(LARDER_INVALID, "%s: got %zu bytes, wanted at most 16MiB", name, length);
    char *file = strdup(name);
    if (file == NULL)
        return ldr_fail_memory();
    struct ldr_tree *tree = ldr_tree_parse(text, length, file);
    if (tree == NULL)
        goto file;
    if (tree->kind != LDR_TREE_MAP) {
        ldr_fail(LARDER_INVALID, "%s:%u:%u: got %s, wanted a mapping", file, tree->line, tree->column,
                 tree->kind == LDR_TREE_LIST ? "a list" : "a text");
        goto tree;
    }
    ldr_tree_free(config->tree);
    free(config->file);
    config->tree = tree;
    config->file = file;
    return LARDER_OK;
tree:
    ldr_tree_free(tree);
file:
    free(file);
    return larder_last_status();
}

enum larder_status larder_config_read(struct larder_config *config, const char *path)
{
    char *text;
    size_t length;
    enum larder_status status = ldr_file_read(path, &text, &length);
    if (status != LARDER_OK)
        return status;
    status = larder_config_parse(config, text, length, path);
    free(text);
    return status;
}

static enum larder_status append_text(char ***texts, size_t *count, const char *text)
{
    char **more = reallocarray(*texts, *count + 1, sizeof(*more));
    if (more == NULL)
        return ldr_fail_memory();
    *texts = more;
    more[*count] = strdup(text);
    if (more[*count] == NULL)
        return ldr_fail_memory();
    ++*count;
    return LARDER_OK;
}

enum larder_status larder_config_set(struct larder_config *config, const char *setting)
{
    enum larder_status status = ldr_tree_check_setting(setting, setting_place);
    return status == LARDER_OK ? append_text(&config->settings, &config->setting_count, setting) : status;
}

enum larder_status larder_config_add_plugin_path(struct larder_config *config, const char *directory)
{
    return append_text(&config->plugin_paths, &config->plugin_path_count, directory);
}

enum larder_status larder_config_add_plugin(struct larder_config *config, const struct larder_plugin *table)
{
    const struct larder_plugin **more = reallocarray(config->plugins, config->plugin_count + 1, sizeof(*more));
    if (more == NULL)
        return ldr_fail_memory();
    config->plugins = more;
    more[config->plugin_count++] = table;
    return LARDER_OK;
}

static struct ldr_tree *copy_or_empty(const struct ldr_tree *tree)
{
    if (tree != NULL)
        return ldr_tree_copy(tree);
    struct ldr_tree *empty = ldr_tree_new(LDR_TREE_MAP, NULL, NULL);
    if (empty == NULL)
        ldr_fail_memory();
    return empty;
}

struct ldr_tree *ldr_config_merged(const struct larder_config *config)
{
    struct ldr_tree *merged = copy_or_empty(config->tree);
    for (size_t i = 0; merged != NULL && i < config->setting_count; i++) {
        if (ldr_tree_set(merged, config->settings[i], setting_place) != LARDER_OK) {
            ldr_tree_free(merged);
            merged = NULL;
        }
    }
    return merged;
}
