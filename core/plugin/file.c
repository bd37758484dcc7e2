/* One module by itself, for programs that describe or measure it. */
#include "core/base/fail.h"
#include "core/plugin/module.h"
#include "larder/plugins.h"

/* `struct larder_plugin_file` is never defined: outside, it is the name of a module that was opened by itself. */
struct larder_plugin_file *ldr_module_file(struct ldr_module *module, const char *path, struct larder_plugin_info *info)
{
    if (module == NULL) {
        *info = (struct larder_plugin_info){.path = path, .refusal = larder_last_error()};
        return NULL;
    }
    *info = (struct larder_plugin_info){.head = module->table, .path = module->path};
    return (struct larder_plugin_file *)module;
}

struct larder_plugin_file *larder_plugin_file_open(const char *path, struct larder_plugin_info *info)
{
    return ldr_module_file(ldr_module_open(path), path, info);
}

void larder_plugin_file_close(struct larder_plugin_file *file)
{
    ldr_module_close((struct ldr_module *)file);
}
