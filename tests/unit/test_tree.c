/* YAML is read strictly, into a tree that knows where everything stood; settings change it by path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/tree.h"

static struct ldr_tree *parse(const char *text)
{
    struct ldr_tree *tree = ldr_tree_parse(text, strlen(text), "file");
    if (tree == NULL)
        fail_msg("%s", larder_last_error());
    return tree;
}

static void assert_refused_bytes(const char *text, size_t length, const char *message)
{
    struct ldr_tree *tree = ldr_tree_parse(text, length, "file");
    assert_null(tree);
    assert_int_equal(larder_last_status(), LARDER_INVALID);
    assert_string_equal(larder_last_error(), message);
}

static void assert_refused(const char *text, const char *message)
{
    assert_refused_bytes(text, strlen(text), message);
}

static void places_and_kinds_are_kept(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("# comment\nnode:\n  name: a\n  empty:\nlist: [1, \"2\", {x: 'y'}]\n");
    assert_int_equal(tree->kind, LDR_TREE_MAP);
    assert_int_equal(tree->count, 2);
    const struct ldr_tree *node = ldr_tree_find(tree, "node");
    const struct ldr_tree *name = ldr_tree_find(node, "name");
    assert_string_equal(name->text, "a");
    assert_false(name->quoted);
    assert_int_equal(name->line, 3);
    assert_int_equal(name->column, 9);
    assert_int_equal(name->key_line, 3);
    assert_int_equal(name->key_column, 3);
    assert_string_equal(name->file, "file");
    assert_int_equal(ldr_tree_find(node, "empty")->kind, LDR_TREE_NULL);
    const struct ldr_tree *list = ldr_tree_find(tree, "list");
    assert_int_equal(list->kind, LDR_TREE_LIST);
    assert_int_equal(list->count, 3);
    assert_false(list->items[0]->quoted);
    assert_true(list->items[1]->quoted);
    assert_string_equal(ldr_tree_find(list->items[2], "x")->text, "y");
    assert_null(ldr_tree_find(tree, "nam"));
    assert_null(ldr_tree_find(list, "x"));
    ldr_tree_free(tree);
}

static void nulls_are_plain(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("[~, null, Null, NULL, '~', \"null\", '', nil]");
    for (size_t i = 0; i < tree->count; i++)
        assert_int_equal(tree->items[i]->kind, i < 4 ? LDR_TREE_NULL : LDR_TREE_SCALAR);
    ldr_tree_free(tree);
}

static void an_empty_document_is_an_empty_map(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "---\n...\n", "\xef\xbb\xbf", "null", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ldr_tree *tree = parse(texts[i]);
        assert_int_equal(tree->kind, LDR_TREE_MAP);
        assert_int_equal(tree->count, 0);
        assert_string_equal(tree->file, "file");
        ldr_tree_free(tree);
    }
    struct ldr_tree *absent = ldr_tree_parse(NULL, 0, "file");
    assert_non_null(absent);
    assert_int_equal(absent->kind, LDR_TREE_MAP);
    ldr_tree_free(absent);
}

static void json_is_yaml(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("{\n\t\"groups\": [{\"name\": \"a\\u00e4\", \"max_bytes\": 12}]}\n");
    const struct ldr_tree *group = ldr_tree_find(tree, "groups")->items[0];
    assert_string_equal(ldr_tree_find(group, "name")->text, "a\xc3\xa4");
    assert_string_equal(ldr_tree_find(group, "max_bytes")->text, "12");
    ldr_tree_free(tree);
}

static void a_byte_order_mark_moves_no_column(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("\xef\xbb\xbfkey: value\n");
    assert_int_equal(tree->items[0]->key_column, 1);
    assert_int_equal(tree->items[0]->column, 6);
    ldr_tree_free(tree);
}

static void duplicate_keys_are_refused(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", "file:3:1: a: duplicate key, first given in line 1");
    assert_refused("x: {k: 1, k: 2}\n", "file:1:11: k: duplicate key, first given in line 1");
    assert_refused("{\"a\\x9b\": 1, \"a\\x9b\": 2}", "file:1:14: a\\xc2\\x9b: duplicate key, first given in line 1");
    assert_refused("a: 1\n\"a\": 2\n", "file:2:1: a: duplicate key, first given in line 1");
    assert_refused("z: 1\nc: 1\nz: 2\nc: 2\nz: 3\n", "file:3:1: z: duplicate key, first given in line 1");
}

static void what_a_configuration_has_no_use_for_is_refused(void **state)
{
    (void)state;
    assert_refused("a: &x 1\nb: 2\n", "file:1:4: anchors are not supported");
    assert_refused("a: &x [1]\n", "file:1:4: anchors are not supported");
    assert_refused("a: &x {b: 1}\n", "file:1:4: anchors are not supported");
    assert_refused("a: *x\n", "file:1:4: aliases are not supported");
    assert_refused("a: !!str 1\n", "file:1:4: tags are not supported");
    assert_refused("\xc3\xa4: 1\na: ! 1\n", "file:2:4: tags are not supported");
    assert_refused("a: ! [1]\n", "file:1:4: tags are not supported");
    assert_refused("a: !!map {b: 1}\n", "file:1:4: tags are not supported");
    assert_refused("a: 1\n---\nb: 2\n", "file:2:1: got a second document, wanted one");
    assert_refused("? [1]\n: 2\n", "file:1:3: got a list as a key, wanted a text");
    assert_refused("? {a: 1}\n: 2\n", "file:1:3: got a mapping as a key, wanted a text");
    assert_refused("'': 2\n", "file:1:1: got an empty key");
    assert_refused("a:\n  b: \"x\\0y\"\n", "file:2:6: got a text with a NUL byte");
}

static void bad_syntax_is_refused(void **state)
{
    (void)state;
    assert_refused("a: 1\n b: 2\n", "file:2:3: mapping values are not allowed in this context");
    assert_refused("a:\n\tb: 1\n", "file:2:1: got a tab, wanted spaces");
    assert_refused("a: [1, 2\n", "file:1:4: did not find expected ',' or ']' while parsing a flow sequence");
    assert_refused("a: \"b\n", "file:1:4: found unexpected end of stream while scanning a quoted scalar");
}

static void bad_bytes_are_refused(void **state)
{
    (void)state;
    assert_refused("a: 1\n\xc3\xa4x: \xff\n", "file:2:5: invalid leading UTF-8 octet");
    assert_refused("a: \xc0\x80\n", "file:1:4: invalid length of a UTF-8 sequence");
    assert_refused("a: \x07\n", "file:1:4: control characters are not allowed");
    assert_refused_bytes("a: b\0c\n", 7, "file:1:5: control characters are not allowed");
    assert_refused_bytes("\xff\xfe"
                         "a\0:\0",
                         6, "file:1:1: invalid leading UTF-8 octet");
    assert_refused("a: \xed\xa0\x80\n", "file:1:4: invalid Unicode character");
    assert_refused("a: \xe2\x82", "file:1:4: incomplete UTF-8 octet sequence");
}

/* `depth` lists in each other. */
static char *nested(size_t depth)
{
    char *text = malloc(2 * depth + 1);
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char *text = nested(64);
    struct ldr_tree *tree = parse(text);
    ldr_tree_free(tree);
    free(text);
    text = nested(65);
    assert_refused(text, "file:1:65: more than 64 levels");
    free(text);
    text = nested(100000);
    assert_refused(text, "file:1:65: more than 64 levels");
    free(text);
}

static void the_number_of_nodes_is_bounded(void **state)
{
    (void)state;
    const size_t items = 999999;
    char *text = malloc(3 * items + 16);
    assert_non_null(text);
    size_t used = 0;
    text[used++] = '[';
    for (size_t i = 0; i < items; i++) {
        text[used++] = '1';
        text[used++] = i % 100 == 99 ? '\n' : ' ';
        text[used++] = ',';
    }
    text[used - 1] = ']';
    struct ldr_tree *tree = ldr_tree_parse(text, used, "file");
    assert_non_null(tree);
    assert_int_equal(tree->count, items);
    ldr_tree_free(tree);
    memcpy(text + used - 1, ",1]", 3);
    assert_null(ldr_tree_parse(text, used + 2, "file"));
    assert_non_null(strstr(larder_last_error(), ": more than 1000000 values"));
    free(text);
}

static bool same(const struct ldr_tree *a, const struct ldr_tree *b)
{
    bool equal = a->kind == b->kind && a->quoted == b->quoted && a->line == b->line && a->column == b->column &&
                 a->key_line == b->key_line && a->key_column == b->key_column && a->count == b->count &&
                 (a->text == NULL) == (b->text == NULL) && (a->text == NULL || strcmp(a->text, b->text) == 0) &&
                 (a->key == NULL) == (b->key == NULL) && (a->key == NULL || strcmp(a->key, b->key) == 0);
    for (size_t i = 0; equal && i < a->count; i++)
        equal = same(a->items[i], b->items[i]);
    return equal;
}

static void a_copy_is_the_same_and_apart(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("a: [1, 2, {b: 'c'}]\nd:\n");
    struct ldr_tree *copy = ldr_tree_copy(tree);
    assert_true(same(tree, copy));
    assert_int_equal(ldr_tree_set(copy, "a.2.b=x", "--set"), LARDER_OK);
    assert_false(same(tree, copy));
    assert_string_equal(ldr_tree_find(ldr_tree_find(tree, "a")->items[2], "b")->text, "c");
    ldr_tree_free(tree);
    ldr_tree_free(copy);
}

static void set(struct ldr_tree *tree, const char *setting)
{
    if (ldr_tree_set(tree, setting, "--set") != LARDER_OK)
        fail_msg("%s", larder_last_error());
}

static void a_setting_replaces_what_is_there(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("groups:\n  - {name: a, max_bytes: 1MiB}\n");
    set(tree, "groups.0.max_bytes=64MiB");
    const struct ldr_tree *value = ldr_tree_find(ldr_tree_find(tree, "groups")->items[0], "max_bytes");
    assert_string_equal(value->text, "64MiB");
    assert_string_equal(value->file, "--set");
    assert_int_equal(value->line, 0);
    assert_int_equal(ldr_tree_find(tree, "groups")->items[0]->count, 2);
    set(tree, "groups.0={name: b}");
    assert_int_equal(ldr_tree_find(tree, "groups")->items[0]->count, 1);
    assert_string_equal(ldr_tree_find(ldr_tree_find(tree, "groups")->items[0], "name")->text, "b");
    set(tree, "groups=[]");
    assert_int_equal(ldr_tree_find(tree, "groups")->count, 0);
    ldr_tree_free(tree);
}

static void a_setting_builds_what_is_missing(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("node:\n");
    set(tree, "node.name=b");
    set(tree, "cluster.discovery.members.0.name=b");
    set(tree, "cluster.discovery.members.1={name: c, weight: 2}");
    set(tree, "node.note=a=b.c");
    set(tree, "node.empty=");
    const struct ldr_tree *node = ldr_tree_find(tree, "node");
    assert_string_equal(ldr_tree_find(node, "name")->text, "b");
    assert_string_equal(ldr_tree_find(node, "note")->text, "a=b.c");
    assert_int_equal(ldr_tree_find(node, "empty")->kind, LDR_TREE_NULL);
    const struct ldr_tree *members = ldr_tree_find(ldr_tree_find(ldr_tree_find(tree, "cluster"), "discovery"),
                                                   "members");
    assert_int_equal(members->kind, LDR_TREE_LIST);
    assert_int_equal(members->count, 2);
    assert_string_equal(ldr_tree_find(members->items[1], "weight")->text, "2");
    ldr_tree_free(tree);
}

static void assert_unset(struct ldr_tree *tree, const char *setting, const char *message)
{
    assert_int_equal(ldr_tree_set(tree, setting, "--set"), LARDER_INVALID);
    assert_string_equal(larder_last_error(), message);
}

static void senseless_settings_are_refused(void **state)
{
    (void)state;
    struct ldr_tree *tree = parse("node: {name: a}\ngroups: [{name: g}]\n");
    static const char *const texts[] = {"", "=", "=1", "node", "node.name", "node..name=1", ".node=1", "node.=1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char message[128];
        snprintf(message, sizeof message, "--set: got \"%s\", wanted path.to.key=value", texts[i]);
        assert_unset(tree, texts[i], message);
        assert_int_equal(ldr_tree_check_setting(texts[i], "--set"), LARDER_INVALID);
        assert_string_equal(larder_last_error(), message);
    }
    assert_unset(tree, "groups.2.name=x",
                 "--set: groups.2: got \"2\", wanted an index of the list from 0 to 1, which appends");
    assert_unset(tree, "groups.g.name=x",
                 "--set: groups.g: got \"g\", wanted an index of the list from 0 to 1, which appends");
    assert_unset(tree, "groups.99999999999999999999.name=x",
                 "--set: groups.99999999999999999999: got \"99999999999999999999\", wanted an index of the list from 0 "
                 "to 1, which appends");
    assert_unset(tree, "node.name.first=x",
                 "--set: node.name.first: got a key of the text \"a\", wanted a mapping or a list there");
    assert_unset(tree, "node.name=[1",
                 "--set: node.name: value:1:1: did not find expected ',' or ']' while parsing a flow sequence");
    assert_unset(tree, "node.name={a: 1, a: 2}",
                 "--set: node.name: value:1:8: a: duplicate key, first given in line 1");
    ldr_tree_free(tree);
}

static void a_path_is_bounded(void **state)
{
    (void)state;
    char setting[3000];
    struct ldr_tree *tree = parse("");
    for (size_t i = 0; i < 64; i++)
        memcpy(setting + 2 * i, "a.", 2);
    memcpy(setting + 127, "=1", 3);
    set(tree, setting);
    for (size_t i = 0; i < 65; i++)
        memcpy(setting + 2 * i, "a.", 2);
    memcpy(setting + 129, "=1", 3);
    assert_int_equal(ldr_tree_set(tree, setting, "--set"), LARDER_INVALID);
    memset(setting, 'x', sizeof setting);
    memcpy(setting + sizeof setting - 3, "=1", 3);
    assert_int_equal(ldr_tree_set(tree, setting, "--set"), LARDER_INVALID);
    ldr_tree_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_and_kinds_are_kept),
        cmocka_unit_test(nulls_are_plain),
        cmocka_unit_test(an_empty_document_is_an_empty_map),
        cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(a_byte_order_mark_moves_no_column),
        cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(what_a_configuration_has_no_use_for_is_refused),
        cmocka_unit_test(bad_syntax_is_refused),
        cmocka_unit_test(bad_bytes_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(the_number_of_nodes_is_bounded),
        cmocka_unit_test(a_copy_is_the_same_and_apart),
        cmocka_unit_test(a_setting_replaces_what_is_there),
        cmocka_unit_test(a_setting_builds_what_is_missing),
        cmocka_unit_test(senseless_settings_are_refused),
        cmocka_unit_test(a_path_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
