/* Values of a module's parameters, as a configuration would give them: the defaults, but for one parameter. */
#ifndef CLI_CHECK_VALUES_H
#define CLI_CHECK_VALUES_H

#include "larder/plugins.h"

/* The one that differs. Zeroed: none does. */
struct check_setting {
    const struct larder_param *row;
    unsigned index; /* of check_setting_count(row): the least and the most, or one of the choices */
    char text[128]; /* how a message calls it: "share=100"; written by check_values_read() */
};

/* How many values of this parameter are worth trying. */
unsigned check_setting_count(const struct larder_param *row);

/*
 * The values as a host reads them. What must be given and has no default gets its least value, and a list none. `setting`
 * may be NULL. NULL: larder_last_error() says why not.
 */
struct larder_params *check_values_read(const struct larder_plugin *head, struct check_setting *setting);

/* Memory that is handed out from its start. */
struct check_room {
    char *next, *end;
};

/* Copies the values, with all that they point to. NULL: there is no room for them. */
const struct larder_param_value *check_values_copy(struct check_room *room, const struct larder_param_value *values,
                                                   size_t count);

#endif
