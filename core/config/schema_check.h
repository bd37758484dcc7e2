/* What the files of the schema share. */
#ifndef LDR_CONFIG_SCHEMA_CHECK_H
#define LDR_CONFIG_SCHEMA_CHECK_H

#include "core/config/schema.h"

/* One check under way. */
struct ldr_check {
    const struct ldr_schema_plugins *plugins;
    struct ldr_arena *arena;
    struct ldr_errors *errors;
    bool no_memory; /* an allocation failed: the values are incomplete */
};

/* Where the check stands, "groups[0].max_bytes": a list on the stack, innermost first. */
struct ldr_path {
    const struct ldr_path *up; /* NULL: the root */
    const char *key;           /* NULL: an item of a list */
    size_t index;
    unsigned depth;
    bool absent; /* inside a section that was not given: only defaults, nothing is missed */
};

/* Reports "path: text" at the value, or at the key, of `at`. */
void ldr_check_fail(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *at, const char *format,
                    ...) LARDER_PRINTF(4, 5);

/* "got X, wanted Y" with the text found, or its kind. */
void ldr_check_wanted(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *at,
                      const char *wanted);

/* Zeroed memory of the arena; NULL is noted in the check. */
void *ldr_check_alloc(struct ldr_check *check, size_t count, size_t size);
const char *ldr_check_text(struct ldr_check *check, const char *text);

/* BOOL, INT, FLOAT, SIZE, DURATION and STRING. */
void ldr_check_scalar(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                      const struct ldr_tree *tree, struct larder_param_value *value);

/* PLUGIN: see schema.h. */
void ldr_check_plugin(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                      const struct ldr_tree *tree, struct larder_param_value *value);

/* A mapping (NULL: all defaults) against a table. `skip` is a key that belongs to nobody, or NULL. NULL: no memory. */
struct larder_param_value *ldr_check_map(struct ldr_check *check, const struct ldr_path *path,
                                         const struct ldr_tree *map, const struct larder_param *table,
                                         const char *skip);

#endif
