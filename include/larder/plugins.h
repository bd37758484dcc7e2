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
 * Calls `each` for every module of the configuration's search path (NULL: the default one), in the order of kind and name; refused files come
 * last. A module that another of its kind and name hides is left out. The info is valid during the call. Opening a
 * module runs its constructors. LARDER_NO_MEMORY, else LARDER_OK.
 */
LARDER_API enum larder_status larder_plugins_each(const struct larder_config *config,
                                                  void (*each)(void *arg, const struct larder_plugin_info *info),
                                                  void *arg);

/* Opens and checks one file. LARDER_OK with *info filled, or LARDER_INVALID with the one-line reason. `close` it after. */
struct larder_plugin_file;
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
