/* What modules there are, for programs that list, describe and measure them. */
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

struct larder_plugin_file; /* a module that was opened by itself */

/*
 * Opens and checks one file, and fills *info, which is valid until the file is closed. NULL when it is refused:
 * info->refusal is the reason, one line, which is larder_last_error(), too, and valid as long as that; info->path is
 * the caller's.
 */
LARDER_API struct larder_plugin_file *larder_plugin_file_open(const char *path, struct larder_plugin_info *info);
LARDER_API void larder_plugin_file_close(struct larder_plugin_file *file); /* NULL is fine */

/*
 * The same for the module of this kind and name that a node with this configuration (NULL: the default search path) would
 * take, be it a file or linked in. When it is refused, info->path is `name`.
 */
LARDER_API struct larder_plugin_file *larder_plugin_find(const struct larder_config *config,
                                                         enum larder_plugin_kind kind, const char *name,
                                                         struct larder_plugin_info *info);

struct larder_params; /* the parameters of a module */

/*
 * Checks `count` settings like "name=value" against the module's table, as a configuration file is checked, and gives
 * what is not set its default. A setting wins over an earlier one of the same name. NULL: larder_last_error() is the
 * reason, one line. The module must stay open as long as the parameters are in use.
 */
LARDER_API struct larder_params *larder_params_read(const struct larder_plugin *head, const char *const *settings,
                                                    size_t count);
/* One for each row of the table, in its order, as a module's open() gets them; valid until the parameters are freed. */
LARDER_API const struct larder_param_value *larder_params_values(const struct larder_params *params);
LARDER_API void larder_params_free(struct larder_params *params); /* NULL is fine */

/* "eviction", "hash", "transport", "discovery", "loader"; "unknown" otherwise. */
LARDER_API const char *larder_plugin_kind_name(enum larder_plugin_kind kind);

/* "size", "duration", ... as the reference calls a parameter's type. */
LARDER_API const char *larder_param_type_name(enum larder_param_type type);

#ifdef __cplusplus
}
#endif
#endif
