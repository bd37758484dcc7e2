/* Settings by path: "groups.0.max_bytes=64MiB". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/config/tree.h"

/* One part of the path, between dots. */
struct part {
    const char *text;
    size_t length;
};

static struct part first_part(const char *setting)
{
    return (struct part){setting, strcspn(setting, ".=")};
}

static bool is_index(struct part part)
{
    return part.length > 0 && strspn(part.text, "0123456789") >= part.length;
}

/* An index too large for any list reads as SIZE_MAX. */
static size_t to_index(struct part part)
{
    size_t index = 0;
    for (size_t i = 0; i < part.length; i++) {
        if (__builtin_mul_overflow(index, 10, &index) ||
            __builtin_add_overflow(index, (size_t)(part.text[i] - '0'), &index))
            return SIZE_MAX;
    }
    return index;
}

static struct ldr_tree *parse_value(const char *setting, const char *value, const char *file)
{
    int path_length = (int)(value - setting - 1);
    bool blank = value[strspn(value, " \t")] == '\0';
    struct ldr_tree *tree = blank ? ldr_tree_new(LDR_TREE_NULL, NULL, NULL)
                                  : ldr_tree_parse(value, strlen(value), "value");
    if (tree != NULL) {
        ldr_tree_set_file(tree, file);
        return tree;
    }
    if (blank || larder_last_status() == LARDER_NO_MEMORY) {
        ldr_fail_memory();
        return NULL;
    }
    char reason[512];
    strncpy(reason, larder_last_error(), sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    ldr_fail(LARDER_INVALID, "%s: %.*s: %s", file, path_length, setting, reason);
    return NULL;
}

/* Where the value begins; NULL with the reason when the text is no setting. */
static const char *value_of(const char *setting, const char *file)
{
    const char *at = setting;
    for (unsigned parts = 1;; parts++) {
        struct part part = first_part(at);
        at += part.length;
        if (part.length == 0 || *at == '\0' || parts > LDR_TREE_DEPTH || (size_t)(at - setting) > 1024)
            break;
        if (*at++ == '=')
            return at;
    }
    ldr_fail(LARDER_INVALID, "%s: got \"%.64s\", wanted path.to.key=value", file, setting);
    return NULL;
}

/* Every node below a setting has lost its place in a file. */
static void clear_places(struct ldr_tree *tree)
{
    tree->line = tree->column = tree->key_line = tree->key_column = 0;
    for (size_t i = 0; i < tree->count; i++)
        clear_places(tree->items[i]);
}

/* The place for a child that the path asks for: one that is there, or a new one after the last. */
static struct ldr_tree **append_null(struct ldr_tree *parent, const char *key, const char *file)
{
    struct ldr_tree *child = ldr_tree_new(LDR_TREE_NULL, key, NULL);
    if (child == NULL || !ldr_tree_append(parent, child)) {
        ldr_tree_free(child);
        ldr_fail_memory();
        return NULL;
    }
    child->file = file;
    return &parent->items[parent->count - 1];
}

static struct ldr_tree **list_place(struct ldr_tree *list, const char *setting, struct part part, const char *file)
{
    size_t index = is_index(part) ? to_index(part) : SIZE_MAX;
    if (index < list->count)
        return &list->items[index];
    if (index == list->count)
        return append_null(list, NULL, file);
    ldr_fail(LARDER_INVALID, "%s: %.*s: got \"%.*s\", wanted an index of the list from 0 to %zu, which appends", file,
             (int)(part.text - setting + (ptrdiff_t)part.length), setting, (int)part.length, part.text, list->count);
    return NULL;
}

static struct ldr_tree **map_place(struct ldr_tree *map, struct part part, const char *file)
{
    for (size_t i = 0; i < map->count; i++) {
        const char *key = map->items[i]->key;
        if (strlen(key) == part.length && memcmp(key, part.text, part.length) == 0)
            return &map->items[i];
    }
    char *key = strndup(part.text, part.length);
    if (key == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    struct ldr_tree **place = append_null(map, key, file);
    free(key);
    return place;
}

static struct ldr_tree **place_of(struct ldr_tree *parent, const char *setting, struct part part, const char *file)
{
    if (parent->kind == LDR_TREE_NULL)
        parent->kind = is_index(part) ? LDR_TREE_LIST : LDR_TREE_MAP;
    if (parent->kind == LDR_TREE_MAP)
        return map_place(parent, part, file);
    if (parent->kind == LDR_TREE_LIST)
        return list_place(parent, setting, part, file);
    ldr_fail(LARDER_INVALID, "%s: %.*s: got a key of the text \"%.64s\", wanted a mapping or a list there", file,
             (int)(part.text - setting + (ptrdiff_t)part.length), setting, parent->text);
    return NULL;
}

enum larder_status ldr_tree_set(struct ldr_tree *root, const char *setting, const char *file)
{
    const char *value_text = value_of(setting, file);
    if (value_text == NULL)
        return larder_last_status();
    struct ldr_tree *value = parse_value(setting, value_text, file);
    if (value == NULL)
        return larder_last_status();
    struct ldr_tree **place = &root;
    for (const char *at = setting; at < value_text;) {
        struct part part = first_part(at);
        place = place_of(*place, setting, part, file);
        if (place == NULL) {
            ldr_tree_free(value);
            return larder_last_status();
        }
        at += part.length + 1;
    }
    clear_places(value);
    value->key = (*place)->key;
    (*place)->key = NULL;
    ldr_tree_free(*place);
    *place = value;
    return LARDER_OK;
}

enum larder_status ldr_tree_check_setting(const char *setting, const char *file)
{
    const char *value_text = value_of(setting, file);
    if (value_text == NULL)
        return larder_last_status();
    struct ldr_tree *value = parse_value(setting, value_text, file);
    if (value == NULL)
        return larder_last_status();
    ldr_tree_free(value);
    return LARDER_OK;
}
