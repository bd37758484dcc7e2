/* Lists the modules that a configuration can name, and opens one of them. */
#include "larder/plugins.h"

#include "core/node/settings.h"
#include "core/plugin/module.h"

enum larder_status larder_plugins_each(const struct larder_config *config,
                                       void (*each)(void *arg, const struct larder_plugin_info *info), void *arg)
{
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    if (catalog == NULL)
        return larder_last_status();
    enum larder_status status = ldr_catalog_each(catalog, each, arg);
    ldr_catalog_close(catalog);
    return status;
}

struct larder_plugin_file *larder_plugin_find(const struct larder_config *config, enum larder_plugin_kind kind,
                                              const char *name, struct larder_plugin_info *info)
{
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    struct ldr_module *module = catalog != NULL ? ldr_catalog_take(catalog, kind, name) : NULL;
    ldr_catalog_close(catalog);
    return ldr_module_file(module, name, info);
}
