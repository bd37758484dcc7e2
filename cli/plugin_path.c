#include "plugin_path.h"

#include <string.h>

struct larder_config *plugin_path_config(const struct options *options)
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

bool plugin_path_is_file(const char *name)
{
    size_t length = strlen(name);
    return strchr(name, '/') != NULL || (length > 3 && strcmp(name + length - 3, ".so") == 0);
}
