/* What the files that make settings out of a configuration share. */
#ifndef LDR_NODE_SETTINGS_READ_H
#define LDR_NODE_SETTINGS_READ_H

#include "core/node/settings.h"

/* A configuration on its way to settings. */
struct ldr_settings_input {
    const struct ldr_tree *tree; /* for the places of errors */
    struct ldr_catalog *catalog;
    struct ldr_arena *arena;
    struct ldr_errors *errors;
};

/* The value of a table's row. `values` are those of the whole table. */
const struct larder_param_value *ldr_settings_value(const struct larder_param_value *values,
                                                    const struct larder_param *table, const char *name);

/* ldr_schema_check() with the catalog's modules. NULL: out of memory. */
const struct larder_param_value *ldr_settings_values(const struct ldr_settings_input *input,
                                                     const struct ldr_tree *tree, const struct larder_param *table);

/* The module that a PLUGIN value names. False when the catalog fails. */
bool ldr_settings_choice(const struct ldr_settings_input *input, enum larder_plugin_kind kind,
                         const struct larder_param_value *value, struct ldr_plugin_choice *choice);

/* One group from the values of its table. False when the catalog fails. */
bool ldr_settings_read_group(const struct ldr_settings_input *input, const struct larder_param_value *values,
                             struct ldr_group_settings *group);

/*
 * What no single row can tell: characters of names, duplicates, references, contradictions. Copes with values that
 * were refused. `root` are those of the whole document.
 */
void ldr_settings_rules(const struct ldr_settings_input *input, const struct larder_param_value *root);

/* The rules of one group; `prefix` is "groups[0]." or "". What `base` (or NULL) has counts where nothing is given. */
void ldr_settings_group_rules(const struct ldr_settings_input *input, const struct ldr_tree *tree, const char *prefix,
                              const struct larder_param_value *values, const struct ldr_group_settings *base);

#endif
