/* Copies and compares checked values, whatever their type. */
#ifndef LDR_CONFIG_VALUES_H
#define LDR_CONFIG_VALUES_H

#include "core/config/schema.h"

/* A copy of `count` values with all they point at, in `arena`. NULL when out of memory, or when count is 0. */
const struct larder_param_value *ldr_values_copy(struct ldr_arena *arena, const struct larder_param_value *values,
                                                 size_t count);

/* Whether both say the same; where a value came from (given or defaulted) does not matter. */
bool ldr_values_equal(const struct larder_param_value *a, const struct larder_param_value *b, size_t count);

/* How many rows a table has; 0 for NULL. */
size_t ldr_param_count(const struct larder_param *table);

#endif
