/* Checks the parameter table of a module, before any configuration is checked against it. */
#ifndef LDR_PLUGIN_PARAMS_H
#define LDR_PLUGIN_PARAMS_H

#include "larder/plugin/plugin.h"

/*
 * Names, types, helps and bounds make sense, and every default is a value that a user could have given. `label` is what
 * errors call the module. NULL is an empty table.
 */
enum larder_status ldr_params_check(const char *label, const struct larder_param *params);

#endif
