/* Groups: from a configuration, and from a document that changes one while the node runs. */
#include <string.h>

#include "core/base/fail.h"
#include "core/node/settings_read.h"
#include "core/node/settings_table.h"
#include "larder/plugin/request.h"

static const struct larder_param_value *row(const struct larder_param_value *values, const char *name)
{
    return ldr_settings_value(values, ldr_settings_group_table, name);
}

bool ldr_settings_read_group(const struct ldr_settings_input *input, const struct larder_param_value *values,
                             struct ldr_group_settings *group)
{
    int64_t ttl = row(values, "ttl")->integer;
    *group = (struct ldr_group_settings){
        .name = row(values, "name")->string,
        .max_bytes = (uint64_t)row(values, "max_bytes")->integer,
        .max_entries = (uint64_t)row(values, "max_entries")->integer,
        .max_value = (uint64_t)row(values, "max_value")->integer,
        .ttl_ms = ttl == 0 ? LARDER_TTL_NONE : ttl,
        .negative_ttl_ms = row(values, "negative_ttl")->integer,
        .load_timeout_ms = (uint64_t)row(values, "load_timeout")->integer,
        .near_bytes = (uint64_t)row(values, "near_bytes")->integer,
        .near_ttl_ms = row(values, "near_ttl")->integer,
        .stale_while_revalidate_ms = row(values, "stale_while_revalidate")->integer,
        .stale_if_error_ms = row(values, "stale_if_error")->integer,
        .refresh_ahead = row(values, "refresh_ahead")->number,
        .max_loads = (uint64_t)row(values, "max_loads")->integer,
        .exact_hits = row(values, "exact_hits")->integer != 0,
    };
    return ldr_settings_choice(input, LARDER_PLUGIN_EVICTION, row(values, "eviction"), &group->eviction) &&
           ldr_settings_choice(input, LARDER_PLUGIN_LOADER, row(values, "loader"), &group->loader);
}

/* The base may be gone before the new settings are. */
static bool copy_choice(struct ldr_arena *arena, const struct ldr_plugin_choice *from, struct ldr_plugin_choice *to)
{
    *to = *from;
    if (from->params == NULL)
        return true;
    to->params = ldr_schema_copy(arena, from->params, ldr_schema_count(from->table->params));
    return to->params != NULL;
}

/* What the document did not name stays as it was. */
static bool keep(struct ldr_arena *arena, const struct larder_param_value *values,
                 const struct ldr_group_settings *base, struct ldr_group_settings *group)
{
    if (!row(values, "max_bytes")->given)
        group->max_bytes = base->max_bytes;
    if (!row(values, "max_entries")->given)
        group->max_entries = base->max_entries;
    if (!row(values, "max_value")->given)
        group->max_value = base->max_value;
    if (!row(values, "ttl")->given)
        group->ttl_ms = base->ttl_ms;
    if (!row(values, "negative_ttl")->given)
        group->negative_ttl_ms = base->negative_ttl_ms;
    if (!row(values, "load_timeout")->given)
        group->load_timeout_ms = base->load_timeout_ms;
    if (!row(values, "near_bytes")->given)
        group->near_bytes = base->near_bytes;
    if (!row(values, "near_ttl")->given)
        group->near_ttl_ms = base->near_ttl_ms;
    if (!row(values, "stale_while_revalidate")->given)
        group->stale_while_revalidate_ms = base->stale_while_revalidate_ms;
    if (!row(values, "stale_if_error")->given)
        group->stale_if_error_ms = base->stale_if_error_ms;
    if (!row(values, "refresh_ahead")->given)
        group->refresh_ahead = base->refresh_ahead;
    if (!row(values, "max_loads")->given)
        group->max_loads = base->max_loads;
    if (!row(values, "exact_hits")->given)
        group->exact_hits = base->exact_hits;
    return (row(values, "eviction")->given || copy_choice(arena, &base->eviction, &group->eviction)) &&
           (row(values, "loader")->given || copy_choice(arena, &base->loader, &group->loader));
}

/* The name stands in the path of the request; in the document it is optional, but must not be another one. */
static bool set_name(struct ldr_errors *errors, struct ldr_tree *tree, const char *name)
{
    const struct ldr_tree *given = ldr_tree_find(tree, "name");
    if (given != NULL) {
        if (given->kind == LDR_TREE_SCALAR && strcmp(given->text, name) != 0)
            ldr_errors_add(errors, given, "name: got \"%.64s\", wanted \"%.255s\" or nothing", given->text, name);
        return true;
    }
    struct ldr_tree *own = ldr_tree_new(LDR_TREE_SCALAR, "name", name);
    if (own == NULL || !ldr_tree_append(tree, own)) {
        ldr_tree_free(own);
        return false;
    }
    return true;
}

static bool read_document(const struct ldr_settings_input *input, struct ldr_tree *tree, const char *name,
                          const struct ldr_group_settings *base, struct ldr_group_settings *group)
{
    if (tree->kind == LDR_TREE_MAP && !set_name(input->errors, tree, name))
        return false;
    const struct larder_param_value *values = ldr_settings_values(input, tree, ldr_settings_group_table);
    if (values == NULL)
        return false;
    if (tree->kind == LDR_TREE_MAP)
        ldr_settings_group_rules(input, tree, "", values, base);
    if (input->errors->count > 0 || !ldr_settings_read_group(input, values, group))
        return false;
    return base == NULL || keep(input->arena, values, base, group);
}

bool ldr_settings_group(const char *text, size_t length, const char *name, const struct ldr_group_settings *base,
                        struct ldr_catalog *catalog, struct ldr_arena *arena, struct ldr_errors *errors,
                        struct ldr_group_settings *group)
{
    bool read = false;
    struct ldr_tree *tree = ldr_tree_parse(text, length, "settings");
    if (tree != NULL)
        read = read_document(&(struct ldr_settings_input){tree, catalog, arena, errors}, tree, name, base, group);
    else if (larder_last_status() != LARDER_NO_MEMORY)
        ldr_errors_add(errors, NULL, "%s", larder_last_error());
    ldr_tree_free(tree);
    if (read)
        return true;
    if (errors->count > 0)
        ldr_fail(LARDER_INVALID, "%s", errors->first);
    else
        ldr_fail_memory();
    return false;
}
