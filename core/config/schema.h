/* Checks a tree against parameter tables and gives typed values. The one place where a setting's text becomes a value. */
#ifndef LDR_CONFIG_SCHEMA_H
#define LDR_CONFIG_SCHEMA_H

#include "core/config/tree.h"
#include "larder/plugin/plugin.h"

/* Memory of values; freed as a whole. */
struct ldr_arena;
struct ldr_arena *ldr_arena_open(void);
void ldr_arena_close(struct ldr_arena *arena);               /* NULL is fine */
void *ldr_arena_alloc(struct ldr_arena *arena, size_t size); /* zeroed; NULL when out of memory */
char *ldr_arena_text(struct ldr_arena *arena, const char *text);

/* Where errors go: one line each. Zero it but for `report` and `arg`. */
struct ldr_errors {
    void (*report)(void *arg, const char *line); /* NULL: dropped */
    void *arg;
    size_t count;
    char first[1024]; /* the first line reported */
};
/* "file:line:column: " of `at` (or "--set: " style place), then the formatted text. */
void ldr_errors_add(struct ldr_errors *errors, const struct ldr_tree *at, const char *format, ...) LARDER_PRINTF(3, 4);

/*
 * Finds the plugin that a `{plugin: NAME, ...}` mapping names and its table of parameters. NULL with the reason in
 * larder_last_error() when there is none. The one way this room reaches the rooms above it.
 */
struct ldr_schema_plugins {
    const struct larder_plugin *(*find)(void *arg, enum larder_plugin_kind kind, const char *name);
    void *arg;
};

/*
 * The value of a LARDER_PARAM_PLUGIN parameter is a larder_param_value whose `string` is the plugin's name and whose
 * `items` are its parameters, one for each row of the module's table. `choices` of the row is the kind's name. A scalar
 * ("eviction: lru") is short for {plugin: lru}. LARDER_PARAM_PLUGINS is a list: its `items` each look like that. In a
 * RECORD that was not given all is defaulted, but nothing is missed and no plugin is looked for.
 *
 * Checks `map` (NULL: everything defaulted) and returns one value for each row of `table`, allocated in `arena`; unknown
 * keys (with the nearest known name), wrong types and units, values out of range and missing keys are reported to
 * `errors`. In a RECORD's table a row named "*" of type MAP takes all keys that no other row names. NULL only when out of
 * memory; look at errors->count.
 */
const struct larder_param_value *ldr_schema_check(const struct ldr_tree *map, const struct larder_param *table,
                                                  const struct ldr_schema_plugins *plugins, struct ldr_arena *arena,
                                                  struct ldr_errors *errors);

/* The index of the row called `name`; the table must have it. For reading values by name. */
size_t ldr_schema_row(const struct larder_param *table, const char *name);

/* How many rows the table has; NULL has none. */
size_t ldr_schema_count(const struct larder_param *table);

/* The kind of plugin that a row of type PLUGIN or PLUGINS takes. */
enum larder_plugin_kind ldr_schema_kind(const struct larder_param *row);

/* What is allowed, in the units of the user: "1 to 256", "at least 1KiB", "1 to 64 bytes"; "" when anything is. */
#define LDR_RANGE_TEXT 96 /* bytes that are enough */
void ldr_schema_range(const struct larder_param *row, char *buffer, size_t capacity);

/* A copy of `count` values in the arena, with all they point at. NULL when out of memory. */
struct larder_param_value *ldr_schema_copy(struct ldr_arena *arena, const struct larder_param_value *values,
                                           size_t count);

/* The same in one block of the caller's, aligned as malloc's are: how large it must be (false: too large), and the copy. */
bool ldr_schema_copy_size(const struct larder_param_value *values, size_t count, size_t *size);
void ldr_schema_copy_into(void *block, size_t size, const struct larder_param_value *values, size_t count);

/* Whether both say the same; where a value came from (given or defaulted) does not matter. */
bool ldr_schema_equal(const struct larder_param_value *a, const struct larder_param_value *b, size_t count);

#endif
