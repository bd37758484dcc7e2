/* Lists the modules that a configuration can name. */
#include "larder/plugins.h"

#include "core/node/settings.h"

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
