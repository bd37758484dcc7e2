/* {plugin: NAME, ...its own parameters}, or the name alone. */
#include "core/config/schema_check.h"

static const char wanted[] = "the name of a plugin, or a mapping with plugin: NAME";

/* The scalar that holds the plugin's name; NULL when it was reported. */
static const struct ldr_tree *name_of(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *tree)
{
    const struct ldr_tree *name = tree;
    if (tree->kind == LDR_TREE_MAP) {
        name = ldr_tree_find(tree, "plugin");
        if (name == NULL) {
            ldr_check_fail(check, path, tree, "missing key \"plugin\", wanted %s", wanted);
            return NULL;
        }
    }
    if (name->kind == LDR_TREE_SCALAR)
        return name;
    ldr_check_wanted(check, path, name, name == tree ? wanted : "the name of a plugin");
    return NULL;
}

void ldr_check_plugin(struct ldr_check *check, const struct ldr_path *path, const struct larder_param *row,
                      const struct ldr_tree *tree, struct larder_param_value *value)
{
    const struct ldr_tree *name = name_of(check, path, tree);
    if (name == NULL)
        return;
    const struct larder_plugin *plugin = check->plugins->find(check->plugins->arg, ldr_schema_kind(row), name->text);
    if (plugin == NULL && larder_last_status() == LARDER_NO_MEMORY) {
        check->no_memory = true;
        return;
    }
    if (plugin == NULL) {
        ldr_check_fail(check, path, name, "%s", larder_last_error());
        return;
    }
    value->string = ldr_check_text(check, name->text);
    /* The name alone stands for a mapping without parameters at the same place. */
    const struct ldr_tree alone = {
        .kind = LDR_TREE_MAP, .file = tree->file, .line = tree->line, .column = tree->column};
    value->items = ldr_check_map(check, path, name == tree ? &alone : tree, plugin->params, "plugin");
    value->count = value->items == NULL ? 0 : ldr_schema_count(plugin->params);
}
