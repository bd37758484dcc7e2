/* One module: its file, opened, or a table that is linked in. */
#ifndef LDR_PLUGIN_MODULE_H
#define LDR_PLUGIN_MODULE_H

#include "core/plugin/table.h"
#include "larder/plugins.h"

#define LDR_MODULE_SUFFIX ".so"

struct ldr_module {
    struct larder_plugin *table; /* the host's own copy */
    void *handle;                /* of dlopen(); NULL: linked in */
    char *path;                  /* as it was searched for; "" when linked in */
};

/* NULL: refused, and larder_last_error() says "FILE: FIELD: got X, wanted Y". */
struct ldr_module *ldr_module_open(const char *path);

/* The same for a table in this program, which must outlive the module. */
struct ldr_module *ldr_module_link(const struct larder_plugin *table);

void ldr_module_close(struct ldr_module *module); /* NULL is fine. Nothing of the module may be in use. */

/* What the public functions return for the module, or for NULL: it was refused, and larder_last_error() is the reason. */
struct larder_plugin_file *ldr_module_file(struct ldr_module *module, const char *path,
                                           struct larder_plugin_info *info);

/* Reads the name that a module in the file `path` must have. LARDER_INVALID when no module can be in a file so called. */
enum larder_status ldr_module_name(const char *path, char name[LDR_NAME_MAX + 1]);

#endif
