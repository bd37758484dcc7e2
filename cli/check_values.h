/* Values of a module's parameters, as a configuration would give them: the defaults, but for one parameter. */
#ifndef CLI_CHECK_VALUES_H
#define CLI_CHECK_VALUES_H

#include <stddef.h>

#include "larder/plugin/plugin.h"

/* The one that differs. Zeroed: none does. */
struct check_setting {
    const struct larder_param *row;
    unsigned index; /* of check_setting_count(row): the least and the most, or one of the choices */
    char text[128]; /* how a message calls it: "share=100"; written by check_values_fill() */
};

/* How many values of this parameter are worth trying. */
unsigned check_setting_count(const struct larder_param *row);

/*
 * Writes a value for each row of the table into `memory`, with all that they point to, and returns how many bytes that
 * took; 0: they do not fit. `setting` may be NULL.
 */
size_t check_values_fill(const struct larder_param *params, struct check_setting *setting, void *memory,
                         size_t capacity);

#endif
