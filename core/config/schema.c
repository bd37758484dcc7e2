/* Mappings and lists against tables; single values are in schema_value.c, plugins in schema_plugin.c. */
#include "core/config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/config/schema_check.h"
#include "core/config/units.h"

#define DEPTH_MAX    100 /* levels of tables: one that contains itself must not recurse for ever */
#define SUGGEST_MAX  100 /* errors after which no nearest name is looked for: a hostile document has a million keys */
#define NAMES_LENGTH 512

size_t ldr_schema_count(const struct larder_param *table)
{
    size_t count = 0;
    while (table != NULL && table[count].name != NULL)
        count++;
    return count;
}

size_t ldr_schema_row(const struct larder_param *table, const char *name)
{
    size_t row = 0;
    while (strcmp(table[row].name, name) != 0)
        row++;
    return row;
}

static bool is_rest(const struct larder_param *row)
{
    return row->type == LARDER_PARAM_MAP && strcmp(row->name, "*") == 0;
}

static bool names(const struct larder_param *table, const char *skip, const char *key)
{
    if (skip != NULL && strcmp(skip, key) == 0)
        return true;
    for (; table != NULL && table->name != NULL; table++) {
        if (!is_rest(table) && strcmp(table->name, key) == 0)
            return true;
    }
    return false;
}

static struct ldr_path below(const struct ldr_path *up, const char *key, size_t index)
{
    return (struct ldr_path){.up = up, .key = key, .index = index, .depth = up->depth + 1, .absent = up->absent};
}

/* ------------------------------------------------------------------------------------------------ unknown keys */

static void list_names(const char *const *known, size_t count, char *text, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < count && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%s", i == 0 ? "" : ", ", known[i]);
}

static void report_unknown(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *child,
                           const struct larder_param *table, const char *skip)
{
    const struct ldr_path at = below(path, child->key, 0);
    struct ldr_tree key = *child; /* the error is about the key, so it points there */
    key.line = child->key_line;
    key.column = child->key_column;
    size_t count = 0, rows = ldr_schema_count(table);
    const char **known = ldr_check_alloc(check, rows + 1, sizeof(*known));
    if (known == NULL)
        return;
    if (skip != NULL)
        known[count++] = skip;
    for (size_t i = 0; i < rows; i++)
        known[count++] = table[i].name;
    const char *near = check->errors->count < SUGGEST_MAX ? ldr_nearest(child->key, known, (unsigned)count) : NULL;
    char list[NAMES_LENGTH] = "none";
    list_names(known, count, list, sizeof list);
    if (near != NULL)
        ldr_check_fail(check, &at, &key, "unknown key, did you mean \"%s\"?", near);
    else
        ldr_check_fail(check, &at, &key, "unknown key, known here: %s", list);
}

static void check_unknown(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *map,
                          const struct larder_param *table, const char *skip)
{
    for (size_t i = 0; i < map->count && !check->no_memory; i++) {
        if (!names(table, skip, map->items[i]->key))
            report_unknown(check, path, map->items[i], table, skip);
    }
}

/* ------------------------------------------------------------------------------------------------ lists and maps */

static void check_count(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                        const struct ldr_tree *tree, size_t count)
{
    if (row->minimum == 0 && row->maximum == 0)
        return;
    if ((double)count >= row->minimum && (double)count <= row->maximum)
        return;
    char range[LDR_RANGE_TEXT];
    ldr_schema_range(row, range, sizeof range);
    ldr_check_fail(check, path, tree, "got %zu items, wanted %s", count, range);
}

static struct larder_param_value *item_values(struct ldr_check *check, struct larder_param_value *value, size_t count)
{
    struct larder_param_value *items = ldr_check_alloc(check, count, sizeof *items);
    value->items = items;
    value->count = items == NULL ? 0 : count;
    return items;
}

static bool text_of(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *tree,
                    struct larder_param_value *value)
{
    value->given = true;
    if (tree->kind != LDR_TREE_SCALAR) {
        ldr_check_wanted(check, path, tree, "a text");
        return false;
    }
    value->string = ldr_check_text(check, tree->text);
    return value->string != NULL;
}

static void check_item(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                       const struct ldr_tree *tree, struct larder_param_value *value)
{
    value->given = true;
    switch (row->type) {
    case LARDER_PARAM_STRINGS: text_of(check, path, tree, value); break;
    case LARDER_PARAM_PLUGINS: ldr_check_plugin(check, path, row, tree, value); break;
    default:
        value->items = ldr_check_map(check, path, tree, row->fields, NULL);
        value->count = value->items == NULL ? 0 : ldr_schema_count(row->fields);
        break;
    }
}

static void check_list(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                       const struct ldr_tree *tree, struct larder_param_value *value)
{
    if (tree->kind != LDR_TREE_LIST && tree->kind != LDR_TREE_NULL) {
        ldr_check_wanted(check, path, tree,
                         row->type == LARDER_PARAM_STRINGS   ? "a list of texts"
                         : row->type == LARDER_PARAM_PLUGINS ? "a list of plugins"
                                                             : "a list of mappings");
        return;
    }
    check_count(check, path, row, tree, tree->count);
    struct larder_param_value *items = item_values(check, value, tree->count);
    for (size_t i = 0; i < value->count; i++) {
        const struct ldr_path at = below(path, NULL, i);
        check_item(check, &at, row, tree->items[i], &items[i]);
    }
}

/* All children of a MAP as texts; in a record only those that no row of its table names. */
static void check_texts(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                        const struct ldr_tree *tree, const struct larder_param *table, const char *skip,
                        struct larder_param_value *value)
{
    size_t count = 0;
    struct larder_param_value *items = item_values(check, value, tree->count);
    for (size_t i = 0; i < tree->count && items != NULL; i++) {
        const struct ldr_tree *child = tree->items[i];
        if (names(table, skip, child->key))
            continue;
        const struct ldr_path at = below(path, child->key, 0);
        items[count].name = ldr_check_text(check, child->key);
        if (text_of(check, &at, child, &items[count]))
            count++;
    }
    value->count = count;
    value->given = count > 0 || table == NULL;
    check_count(check, path, row, tree, count);
}

/* ------------------------------------------------------------------------------------------------ rows */

static void check_value(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                        const struct ldr_tree *tree, struct larder_param_value *value)
{
    switch (row->type) {
    case LARDER_PARAM_STRINGS:
    case LARDER_PARAM_RECORDS:
    case LARDER_PARAM_PLUGINS: check_list(check, path, row, tree, value); break;
    case LARDER_PARAM_RECORD:
        value->items = ldr_check_map(check, path, tree, row->fields, NULL);
        value->count = value->items == NULL ? 0 : ldr_schema_count(row->fields);
        break;
    case LARDER_PARAM_MAP:
        if (tree->kind == LDR_TREE_MAP || tree->kind == LDR_TREE_NULL)
            check_texts(check, path, row, tree, NULL, NULL, value);
        else
            ldr_check_wanted(check, path, tree, "a mapping of names to texts");
        break;
    case LARDER_PARAM_PLUGIN: ldr_check_plugin(check, path, row, tree, value); break;
    default: ldr_check_scalar(check, path, row, tree, value); break;
    }
}

/* A default goes the way of a value that the user wrote, as if it stood where its mapping stands. */
static void check_default(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                          const struct ldr_tree *map, struct larder_param_value *value)
{
    struct ldr_tree *tree;
    bool list = row->type == LARDER_PARAM_STRINGS || row->type == LARDER_PARAM_RECORDS ||
                row->type == LARDER_PARAM_PLUGINS || row->type == LARDER_PARAM_RECORD || row->type == LARDER_PARAM_MAP;
    if (row->type == LARDER_PARAM_PLUGIN && path->absent)
        return;
    if (list)
        tree = ldr_tree_parse(row->default_text, strlen(row->default_text), "default");
    else
        tree = ldr_tree_new(LDR_TREE_SCALAR, NULL, row->default_text);
    if (tree == NULL && (!list || larder_last_status() == LARDER_NO_MEMORY)) {
        check->no_memory = true;
    } else if (tree == NULL) {
        ldr_check_fail(check, path, map, "the default is malformed: %s", larder_last_error());
    } else {
        ldr_tree_set_file(tree, map == NULL ? "default" : map->file);
        if (map != NULL) {
            tree->line = map->line;
            tree->column = map->column;
        }
        check_value(check, path, row, tree, value);
        ldr_tree_free(tree);
    }
    value->given = false;
}

static void report_missing(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                           const struct ldr_tree *map)
{
    if (row->required && !path->absent)
        ldr_check_fail(check, path, map, "missing, it has no default");
}

static void check_row(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                      const struct ldr_tree *map, struct larder_param_value *value)
{
    const struct ldr_tree *tree = ldr_tree_find(map, row->name);
    struct ldr_path at = below(path, row->name, 0);
    if (tree != NULL) {
        value->given = true;
        check_value(check, &at, row, tree, value);
    } else if (row->default_text != NULL) {
        check_default(check, &at, row, map, value);
    } else if (row->type == LARDER_PARAM_RECORD && !row->required) {
        at.absent = true;
        value->items = ldr_check_map(check, &at, NULL, row->fields, NULL);
        value->count = value->items == NULL ? 0 : ldr_schema_count(row->fields);
    } else {
        report_missing(check, &at, row, map);
    }
}

struct larder_param_value *ldr_check_map(struct ldr_check *check, const struct ldr_path *path,
                                         const struct ldr_tree *map, const struct larder_param *table, const char *skip)
{
    size_t count = ldr_schema_count(table);
    if (map != NULL && map->kind != LDR_TREE_MAP && map->kind != LDR_TREE_NULL) {
        ldr_check_wanted(check, path, map, "a mapping");
        return NULL;
    }
    if (path->depth > DEPTH_MAX) {
        ldr_check_fail(check, path, map, "more than %d levels of parameters", DEPTH_MAX);
        return NULL;
    }
    struct larder_param_value *values = ldr_check_alloc(check, count, sizeof *values);
    bool rest = false;
    for (size_t i = 0; i < count && values != NULL && !check->no_memory; i++) {
        values[i].name = table[i].name;
        if (!is_rest(&table[i])) {
            check_row(check, path, &table[i], map, &values[i]);
            continue;
        }
        rest = true;
        if (map != NULL)
            check_texts(check, path, &table[i], map, table, skip, &values[i]);
    }
    if (!rest && map != NULL && !check->no_memory)
        check_unknown(check, path, map, table, skip);
    return values;
}

const struct larder_param_value *ldr_schema_check(const struct ldr_tree *map, const struct larder_param *table,
                                                  const struct ldr_schema_plugins *plugins, struct ldr_arena *arena,
                                                  struct ldr_errors *errors)
{
    struct ldr_check check = {.plugins = plugins, .arena = arena, .errors = errors};
    const struct ldr_path root = {.up = NULL};
    const struct larder_param_value *values = ldr_check_map(&check, &root, map, table, NULL);
    if (!check.no_memory && values == NULL) /* the root is no mapping, which is reported */
        values = ldr_check_alloc(&check, ldr_schema_count(table), sizeof *values);
    return check.no_memory ? NULL : values;
}
