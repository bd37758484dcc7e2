/* Where modules are searched for, as the options say. */
#ifndef CLI_PLUGIN_PATH_H
#define CLI_PLUGIN_PATH_H

#include "larder/larder.h"
#include "options.h"

/* A configuration with the search path. NULL: the reason was said. */
struct larder_config *plugin_path_config(const struct options *options);

/* Whether a file is meant, and not the name of a module: it contains a slash or ends in .so. */
bool plugin_path_is_file(const char *name);

#endif
