#include "core/config/tree.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"

void ldr_tree_free(struct ldr_tree *tree)
{
    if (tree == NULL)
        return;
    for (size_t i = 0; i < tree->count; i++)
        ldr_tree_free(tree->items[i]);
    free(tree->items);
    free(tree->text);
    free(tree->key);
    free(tree);
}

struct ldr_tree *ldr_tree_new(enum ldr_tree_kind kind, const char *key, const char *text)
{
    struct ldr_tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL)
        return NULL;
    tree->kind = kind;
    if ((key != NULL && (tree->key = strdup(key)) == NULL) || (text != NULL && (tree->text = strdup(text)) == NULL)) {
        ldr_tree_free(tree);
        return NULL;
    }
    return tree;
}

bool ldr_tree_append(struct ldr_tree *parent, struct ldr_tree *child)
{
    size_t count = parent->count;
    if ((count & (count - 1)) == 0) {
        struct ldr_tree **items = reallocarray(parent->items, count == 0 ? 1 : 2 * count, sizeof(*items));
        if (items == NULL)
            return false;
        parent->items = items;
    }
    parent->items[parent->count++] = child;
    return true;
}

static struct ldr_tree *copy_node(const struct ldr_tree *tree)
{
    struct ldr_tree *copy = ldr_tree_new(tree->kind, tree->key, tree->text);
    if (copy == NULL)
        return NULL;
    copy->quoted = tree->quoted;
    copy->file = tree->file;
    copy->line = tree->line;
    copy->column = tree->column;
    copy->key_line = tree->key_line;
    copy->key_column = tree->key_column;
    for (size_t i = 0; i < tree->count; i++) {
        struct ldr_tree *child = copy_node(tree->items[i]);
        if (child == NULL || !ldr_tree_append(copy, child)) {
            ldr_tree_free(child);
            ldr_tree_free(copy);
            return NULL;
        }
    }
    return copy;
}

struct ldr_tree *ldr_tree_copy(const struct ldr_tree *tree)
{
    struct ldr_tree *copy = copy_node(tree);
    if (copy == NULL)
        ldr_fail_memory();
    return copy;
}

void ldr_tree_set_file(struct ldr_tree *tree, const char *file)
{
    tree->file = file;
    for (size_t i = 0; i < tree->count; i++)
        ldr_tree_set_file(tree->items[i], file);
}

struct ldr_tree *ldr_tree_find(const struct ldr_tree *map, const char *key)
{
    if (map == NULL || map->kind != LDR_TREE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i]->key, key) == 0)
            return map->items[i];
    }
    return NULL;
}
