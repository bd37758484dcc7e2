/* Modules that a command line names: by their file, or as a configuration would. */
#ifndef CLI_PLUGIN_SEARCH_H
#define CLI_PLUGIN_SEARCH_H

#include "larder/plugins.h"
#include "options.h"

/* The search path that the options name. NULL: the reason was said. */
struct larder_config *plugin_config(const struct options *options);

/* What contains a slash or ends in .so is a file. */
bool plugin_names_file(const char *name);

/*
 * Calls `found` for each module of that name: different kinds may have the same. When there is none, that is said with
 * the nearest name, as by `command`.
 */
enum exit_code plugin_search(const struct options *options, const char *command, const char *name,
                             void (*found)(void *arg, const struct larder_plugin_info *info), void *arg);

#endif
