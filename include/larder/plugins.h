/* What modules there are, for programs that list and describe them. */
#ifndef LARDER_PLUGINS_H
#define LARDER_PLUGINS_H

#include <stdbool.h>

#include "config.h"
#include "plugin/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One module that was found. */
struct larder_plugin_info {
    const struct larder_plugin *head; /* NULL: refused */
    const char *path;                 /* the file; "" when linked into the program */
    const char *refusal;              /* why it was refused; NULL when it was not */
};

/*
 * Calls `each` for every module of the configuration's search path (NULL: the default one), in the order of kind and
 * name; refused files and folders come last. A module that another of its kind and name hides is left out. The info is
 * valid during the call. Opening a module runs its constructors. LARDER_OK; or, without any call, LARDER_INVALID (a
 * setting of the configuration does not fit to the rest, or a module added to it is refused) or LARDER_NO_MEMORY.
 */
LARDER_API enum larder_status larder_plugins_each(const struct larder_config *config,
                                                  void (*each)(void *arg, const struct larder_plugin_info *info),
                                                  void *arg);

struct larder_plugin_file; /* a module that was opened by its path */

/*
 * Opens and checks one file, and fills *info, which is valid until the file is closed. NULL when it is refused:
 * info->refusal is the reason, one line, which is larder_last_error(), too, and valid as long as that; info->path is
 * the caller's.
 */
LARDER_API struct larder_plugin_file *larder_plugin_file_open(const char *path, struct larder_plugin_info *info);
LARDER_API void larder_plugin_file_close(struct larder_plugin_file *file); /* NULL is fine */

/* "eviction", "hash", "transport", "discovery", "loader"; "unknown" otherwise. */
LARDER_API const char *larder_plugin_kind_name(enum larder_plugin_kind kind);

/* "size", "duration", ... as the reference calls a parameter's type. */
LARDER_API const char *larder_param_type_name(enum larder_param_type type);

#ifdef __cplusplus
}
#endif
#endif
