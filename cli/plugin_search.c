#include "plugin_search.h"

#include <stdlib.h>
#include <string.h>

#include "larder/larder.h"

struct larder_config *plugin_config(const struct options *options)
{
    struct larder_config *config = larder_config_new();
    if (config == NULL) {
        say_no_memory();
        return NULL;
    }
    bool good = options->config == NULL || larder_config_read(config, options->config) == LARDER_OK;
    for (size_t i = 0; good && i < options->plugin_paths.count; i++)
        good = larder_config_add_plugin_path(config, options->plugin_paths.items[i]) == LARDER_OK;
    if (good)
        return config;
    say(EXIT_NO, "%s", larder_last_error());
    larder_config_free(config);
    return NULL;
}

bool plugin_names_file(const char *name)
{
    size_t length = strlen(name);
    return strchr(name, '/') != NULL || (length > 3 && strcmp(name + length - 3, ".so") == 0);
}

#define NAMES_MAX 128

/* What is looked for, and what else there is. */
struct search {
    const char *name;
    void (*found)(void *arg, const struct larder_plugin_info *info);
    void *arg;
    size_t count;
    char *names[NAMES_MAX]; /* of those that are not meant */
    size_t name_count;
};

static void look_at(void *arg, const struct larder_plugin_info *info)
{
    struct search *search = arg;
    if (info->head == NULL)
        return;
    if (strcmp(info->head->name, search->name) == 0) {
        search->count++;
        search->found(search->arg, info);
    } else if (search->name_count < NAMES_MAX) {
        char *name = strdup(info->head->name);
        if (name != NULL)
            search->names[search->name_count++] = name;
    }
}

static enum exit_code say_not_found(const struct search *search, const char *command)
{
    const char *nearest = nearest_name(search->name, (const char *const *)search->names, search->name_count);
    if (nearest != NULL)
        return say(EXIT_NO, "%s: no module '%s'; did you mean '%s'?", command, search->name, nearest);
    return say(EXIT_NO, "%s: no module '%s'; 'larder plugin list' shows those that are found", command, search->name);
}

enum exit_code plugin_search(const struct options *options, const char *command, const char *name,
                             void (*found)(void *arg, const struct larder_plugin_info *info), void *arg)
{
    struct search search = {.name = name, .found = found, .arg = arg};
    struct larder_config *config = plugin_config(options);
    enum exit_code code = EXIT_DONE;
    if (config == NULL)
        return EXIT_NO;
    if (larder_plugins_each(config, look_at, &search) != LARDER_OK)
        code = say(EXIT_REFUSED, "%s", larder_last_error());
    else if (search.count == 0)
        code = say_not_found(&search, command);
    for (size_t i = 0; i < search.name_count; i++)
        free(search.names[i]);
    larder_config_free(config);
    return code;
}
