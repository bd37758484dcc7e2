/* A copy of a module's parameters, kept because its state is opened anew when the budget or the slots change. */
#ifndef LDR_STORE_PARAMS_H
#define LDR_STORE_PARAMS_H

#include <stdbool.h>

#include "larder/plugin/plugin.h"

/* Sets *copy to one block, to be freed with free(); to NULL when there are no parameters. False: out of memory. */
bool ldr_params_copy(const struct larder_param *rows, const struct larder_param_value *values,
                     struct larder_param_value **copy);

#endif
