/* The configuration before it is checked: owner of `struct larder_config`. */
#ifndef LDR_CONFIG_CONFIG_H
#define LDR_CONFIG_CONFIG_H

#include "core/config/tree.h"
#include "larder/config.h"
#include "larder/plugin/plugin.h"

struct larder_config {
    char *file;            /* what errors call it; NULL: nothing read */
    struct ldr_tree *tree; /* what was read; NULL: nothing */
    char **settings;       /* of larder_config_set(), in order */
    size_t setting_count;
    char **plugin_paths;
    size_t plugin_path_count;
    const struct larder_plugin **plugins;
    size_t plugin_count;
};

/* The tree with all settings applied; the caller frees it. NULL: see larder_last_error(). */
struct ldr_tree *ldr_config_merged(const struct larder_config *config);

#endif
