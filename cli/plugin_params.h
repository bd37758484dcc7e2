/* The parameters of a module, as a table and as a document. */
#ifndef CLI_PLUGIN_PARAMS_H
#define CLI_PLUGIN_PARAMS_H

#include <jansson.h>

#include "larder/plugin/plugin.h"
#include "say.h"

enum exit_code plugin_params_show(const struct larder_param *params); /* NULL: there are none */
json_t *plugin_params_json(const struct larder_param *params);        /* NULL when out of memory */

#endif
