/* Parameter tables: what they take, what they refuse and with which line, and the values that come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config_lines.h"
#include "core/base/fail.h"
#include "core/config/schema.h"

static const struct larder_param member[] = {
    {.name = "name", .type = LARDER_PARAM_STRING, .required = true, .minimum = 1, .maximum = 8},
    {.name = "weight", .type = LARDER_PARAM_INT, .default_text = "1", .minimum = 1, .maximum = 100},
    {.name = "*", .type = LARDER_PARAM_MAP},
    {.name = NULL},
};

static const struct larder_param limits[] = {
    {.name = "low", .type = LARDER_PARAM_INT, .default_text = "10"},
    {.name = "must", .type = LARDER_PARAM_INT, .required = true},
    {.name = "policy", .type = LARDER_PARAM_PLUGIN, .choices = "eviction", .default_text = "lru"},
    {.name = NULL},
};

static const struct larder_param table[] = {
    {.name = "flag", .type = LARDER_PARAM_BOOL, .default_text = "true"},
    {.name = "count", .type = LARDER_PARAM_INT, .default_text = "3", .minimum = 1, .maximum = 256},
    {.name = "share", .type = LARDER_PARAM_FLOAT, .default_text = "0.5", .minimum = 0, .maximum = 1},
    {.name = "size", .type = LARDER_PARAM_SIZE, .default_text = "1KiB", .minimum = 1024, .maximum = 1073741824},
    {.name = "time", .type = LARDER_PARAM_DURATION, .default_text = "1s", .minimum = 1, .maximum = 3600000},
    {.name = "text", .type = LARDER_PARAM_STRING, .minimum = 2, .maximum = 4},
    {.name = "level", .type = LARDER_PARAM_STRING, .default_text = "info", .choices = "warn|info"},
    {.name = "paths", .type = LARDER_PARAM_STRINGS, .default_text = "[/a, /b]", .minimum = 0, .maximum = 3},
    {.name = "limits", .type = LARDER_PARAM_RECORD, .fields = limits},
    {.name = "members", .type = LARDER_PARAM_RECORDS, .fields = member},
    {.name = "headers", .type = LARDER_PARAM_MAP},
    {.name = "policy", .type = LARDER_PARAM_PLUGIN, .choices = "eviction"},
    {.name = "doors", .type = LARDER_PARAM_PLUGINS, .choices = "transport"},
    {.name = NULL},
};

static const struct larder_param door_params[] = {
    {.name = "listen", .type = LARDER_PARAM_STRING, .required = true},
    {.name = "idle", .type = LARDER_PARAM_DURATION, .default_text = "30s"},
    {.name = NULL},
};

static const struct larder_plugin lru = {.kind = LARDER_PLUGIN_EVICTION, .name = "lru"};
static const struct larder_plugin door = {.kind = LARDER_PLUGIN_TRANSPORT, .name = "http", .params = door_params};

static const struct larder_plugin *find(void *arg, enum larder_plugin_kind kind, const char *name)
{
    (void)arg;
    if (kind == LARDER_PLUGIN_EVICTION && strcmp(name, "lru") == 0)
        return &lru;
    if (kind == LARDER_PLUGIN_TRANSPORT && strcmp(name, "http") == 0)
        return &door;
    ldr_fail(LARDER_INVALID, "no plugin \"%s\" of kind %d", name, (int)kind);
    return NULL;
}

/* One check of a document: its values, and its lines. */
struct run {
    struct ldr_arena *arena;
    const struct larder_param_value *values;
    struct ldr_errors errors;
    struct lines lines;
};

static void check_table(struct run *run, const char *text, const struct larder_param *rows)
{
    memset(run, 0, sizeof *run);
    run->errors.report = lines_add;
    run->errors.arg = &run->lines;
    struct ldr_tree *tree = text == NULL ? NULL : ldr_tree_parse(text, strlen(text), "file");
    assert_true(text == NULL || tree != NULL);
    const struct ldr_schema_plugins plugins = {.find = find};
    run->arena = ldr_arena_open();
    run->values = ldr_schema_check(tree, rows, &plugins, run->arena, &run->errors);
    assert_non_null(run->values);
    assert_int_equal(run->lines.count, run->errors.count);
    assert_string_equal(run->errors.first, run->lines.text[0]);
    ldr_tree_free(tree); /* the values must not point into it */
}

static void check(struct run *run, const char *text)
{
    check_table(run, text, table);
}

static const struct larder_param_value *row(const struct run *run, const char *name)
{
    const struct larder_param_value *value = &run->values[ldr_schema_row(table, name)];
    assert_string_equal(value->name, name);
    return value;
}

static void finish(struct run *run, const char *expected)
{
    assert_lines(&run->lines, expected);
    ldr_arena_close(run->arena);
}

static void assert_reports(const char *text, const char *expected)
{
    struct run run;
    check(&run, text);
    finish(&run, expected);
}

static void defaults_are_values(void **state)
{
    (void)state;
    struct run run;
    check(&run, NULL);
    assert_int_equal(row(&run, "flag")->integer, 1);
    assert_false(row(&run, "flag")->given);
    assert_int_equal(row(&run, "count")->integer, 3);
    assert_true(row(&run, "count")->number == 3);
    assert_true(row(&run, "share")->number == 0.5);
    assert_int_equal(row(&run, "size")->integer, 1024);
    assert_int_equal(row(&run, "time")->integer, 1000);
    assert_null(row(&run, "text")->string);
    assert_string_equal(row(&run, "level")->string, "info");
    assert_false(row(&run, "paths")->given);
    assert_int_equal(row(&run, "paths")->count, 2);
    assert_string_equal(row(&run, "paths")->items[1].string, "/b");
    assert_int_equal(row(&run, "members")->count, 0);
    assert_null(row(&run, "policy")->string);
    finish(&run, "");
}

static void an_absent_record_has_defaults_and_misses_nothing(void **state)
{
    (void)state;
    struct run run;
    check(&run, "{}");
    const struct larder_param_value *record = row(&run, "limits");
    assert_false(record->given);
    assert_int_equal(record->count, 3);
    assert_int_equal(record->items[0].integer, 10);
    assert_null(record->items[2].string); /* a plugin that nobody asked for is not looked for */
    finish(&run, "");
    check(&run, "limits: {must: 4}");
    assert_string_equal(row(&run, "limits")->items[2].string, "lru");
    finish(&run, "");
    assert_reports("limits:\n", "file:1:8: limits.must: missing, it has no default\n");
}

static void given_values_are_typed(void **state)
{
    (void)state;
    struct run run;
    check(&run, "flag: false\ncount: 256\nshare: 1\nsize: '2MiB'\ntime: \"5m\"\ntext: 0123\nlevel: 'warn'\n"
                "paths: [x]\nlimits: {low: 7, must: -1}\n"
                "headers: {a: 1, B-c: 'x y'}\n");
    assert_true(row(&run, "flag")->given);
    assert_int_equal(row(&run, "flag")->integer, 0);
    assert_int_equal(row(&run, "count")->integer, 256);
    assert_true(row(&run, "share")->number == 1);
    assert_int_equal(row(&run, "size")->integer, 2097152);
    assert_true(row(&run, "size")->number == 2097152);
    assert_int_equal(row(&run, "time")->integer, 300000);
    assert_string_equal(row(&run, "text")->string, "0123");
    assert_string_equal(row(&run, "level")->string, "warn");
    assert_int_equal(row(&run, "paths")->count, 1);
    assert_string_equal(row(&run, "paths")->items[0].string, "x");
    assert_int_equal(row(&run, "limits")->items[0].integer, 7);
    assert_int_equal(row(&run, "limits")->items[1].integer, -1);
    assert_int_equal(row(&run, "headers")->count, 2);
    assert_string_equal(row(&run, "headers")->items[1].name, "B-c");
    assert_string_equal(row(&run, "headers")->items[1].string, "x y");
    finish(&run, "");
}

static void a_record_may_take_the_rest_of_the_keys(void **state)
{
    (void)state;
    struct run run;
    check(&run, "members:\n- {name: a, http: '127.0.0.1:1', grpc: '127.0.0.1:2'}\n- {name: b, weight: 5}\n");
    const struct larder_param_value *members = row(&run, "members");
    assert_int_equal(members->count, 2);
    assert_int_equal(members->items[0].count, 3);
    assert_string_equal(members->items[0].items[0].string, "a");
    assert_int_equal(members->items[0].items[1].integer, 1);
    const struct larder_param_value *rest = &members->items[0].items[2];
    assert_int_equal(rest->count, 2);
    assert_string_equal(rest->items[0].name, "http");
    assert_string_equal(rest->items[0].string, "127.0.0.1:1");
    assert_string_equal(rest->items[1].name, "grpc");
    assert_int_equal(members->items[1].items[1].integer, 5);
    assert_int_equal(members->items[1].items[2].count, 0);
    finish(&run, "");
    assert_reports("members: [{weight: 0, x: [1]}]", "file:1:11: members[0].name: missing, it has no default\n"
                                                     "file:1:20: members[0].weight: got \"0\", wanted 1 to 100\n"
                                                     "file:1:26: members[0].x: got a list, wanted a text\n");
}

static void plugins_bring_their_own_tables(void **state)
{
    (void)state;
    struct run run;
    check(&run, "policy: lru\ndoors:\n- {plugin: http, listen: ':1', idle: 5s}\n- plugin: http\n  listen: ':2'\n");
    assert_string_equal(row(&run, "policy")->string, "lru");
    assert_non_null(row(&run, "policy")->items);
    assert_int_equal(row(&run, "policy")->count, 0);
    const struct larder_param_value *doors = row(&run, "doors");
    assert_int_equal(doors->count, 2);
    assert_string_equal(doors->items[0].string, "http");
    assert_int_equal(doors->items[0].count, 2);
    assert_string_equal(doors->items[0].items[0].string, ":1");
    assert_int_equal(doors->items[0].items[1].integer, 5000);
    assert_string_equal(doors->items[1].items[0].string, ":2");
    assert_int_equal(doors->items[1].items[1].integer, 30000);
    finish(&run, "");
}

static void senseless_plugins_are_reported(void **state)
{
    (void)state;
    assert_reports("policy: lruu\n", "file:1:9: policy: no plugin \"lruu\" of kind 1\n");
    static const struct larder_param absent[] = {
        {.name = "policy", .type = LARDER_PARAM_PLUGIN, .choices = "hash", .default_text = "x"},
        {.name = NULL},
    };
    struct run run;
    check_table(&run, "\n {}", absent);
    finish(&run, "file:2:2: policy: no plugin \"x\" of kind 2\n");
    assert_reports("policy: {plugin: x}\n", "file:1:18: policy: no plugin \"x\" of kind 1\n");
    assert_reports("policy: {size: 1}\n", "file:1:9: policy: missing key \"plugin\", wanted the name of a plugin, or a "
                                          "mapping with plugin: NAME\n");
    assert_reports("policy: [lru]\n",
                   "file:1:9: policy: got a list, wanted the name of a plugin, or a mapping with plugin: NAME\n");
    assert_reports("policy: {plugin: [lru]}\n", "file:1:18: policy: got a list, wanted the name of a plugin\n");
    assert_reports("policy: {plugin: lru, size: 1}\n", "file:1:23: policy.size: unknown key, known here: plugin\n");
    assert_reports("doors: [http, {plugin: http, lisen: 1}]",
                   "file:1:9: doors[0].listen: missing, it has no default\n"
                   "file:1:15: doors[1].listen: missing, it has no default\n"
                   "file:1:30: doors[1].lisen: unknown key, did you mean \"listen\"?\n");
    assert_reports("doors: http", "file:1:8: doors: got \"http\", wanted a list of plugins\n");
}

static void unknown_keys_are_reported_with_the_nearest(void **state)
{
    (void)state;
    assert_reports("cuont: 3\nlimits:\n  must: 1\n  lo: 1\n  colour: red\n",
                   "file:4:3: limits.lo: unknown key, did you mean \"low\"?\n"
                   "file:5:3: limits.colour: unknown key, known here: low, must, policy\n"
                   "file:1:1: cuont: unknown key, did you mean \"count\"?\n");
}

static void wrong_values_are_reported(void **state)
{
    (void)state;
    assert_reports("flag: yes", "file:1:7: flag: got \"yes\", wanted true or false\n");
    assert_reports("flag: 'true'", "file:1:7: flag: got \"true\", wanted true or false\n");
    assert_reports("count: 1.5", "file:1:8: count: got \"1.5\", wanted a whole number\n");
    assert_reports("count: '3'", "file:1:8: count: got \"3\", wanted a whole number\n");
    assert_reports("count: 0", "file:1:8: count: got \"0\", wanted 1 to 256\n");
    assert_reports("count: 257", "file:1:8: count: got \"257\", wanted 1 to 256\n");
    assert_reports("count:", "file:1:7: count: got nothing, wanted a whole number\n");
    assert_reports("share: 1.01", "file:1:8: share: got \"1.01\", wanted 0 to 1\n");
    assert_reports("share: .inf", "file:1:8: share: got \".inf\", wanted a number\n");
    assert_reports("size: 64MBit", "file:1:7: size: got \"64MBit\", wanted a size like 512MiB\n");
    assert_reports("size: 12B", "file:1:7: size: got \"12B\", wanted 1KiB to 1GiB\n");
    assert_reports("size: {a: 1}", "file:1:7: size: got a mapping, wanted a size like 512MiB\n");
    assert_reports("time: 10", "file:1:7: time: got \"10\", wanted a time like 30s\n");
    assert_reports("time: 2h", "file:1:7: time: got \"2h\", wanted 1ms to 1h\n");
    assert_reports("text: abcde", "file:1:7: text: got \"abcde\", wanted a text of 2 to 4 bytes\n");
    assert_reports("text: [a]", "file:1:7: text: got a list, wanted a text\n");
    assert_reports("level: loud", "file:1:8: level: got \"loud\", wanted one of warn, info\n");
    assert_reports("level: 'warn|info'", "file:1:8: level: got \"warn|info\", wanted one of warn, info\n");
    assert_reports("level: ''", "file:1:8: level: got \"\", wanted one of warn, info\n");
    assert_reports("paths: /a", "file:1:8: paths: got \"/a\", wanted a list of texts\n");
    assert_reports("paths: [a, {b: 1}]", "file:1:12: paths[1]: got a mapping, wanted a text\n");
    assert_reports("paths: [a, b, c, d]", "file:1:8: paths: got 4 items, wanted 0 to 3 items\n");
    assert_reports("limits: 3", "file:1:9: limits: got \"3\", wanted a mapping\n");
    assert_reports("members: {a: 1}", "file:1:10: members: got a mapping, wanted a list of mappings\n");
    assert_reports("headers: [a]", "file:1:10: headers: got a list, wanted a mapping of names to texts\n");
    assert_reports("headers: {a: {b: c}}", "file:1:14: headers.a: got a mapping, wanted a text\n");
    assert_reports("[1]", "file:1:1: got a list, wanted a mapping\n");
}

static void all_errors_are_reported_in_one_line_each(void **state)
{
    (void)state;
    assert_reports("count: x\nflag: \"a\\nb\\e[31m\\x9b1m\xc3\xa4\"\ntime: 99h\nnonsense: 1\n",
                   "file:2:7: flag: got \"a\\x0ab\\x1b[31m\\xc2\\x9b1m\xc3\xa4\", wanted true or false\n"
                   "file:1:8: count: got \"x\", wanted a whole number\n"
                   "file:3:7: time: got \"99h\", wanted 1ms to 1h\n"
                   "file:4:1: nonsense: unknown key, known here: flag, count, share, size, time, text, level, paths, "
                   "limits, members, headers, policy, doors\n");
}

static void a_long_value_is_cut_between_characters(void **state)
{
    (void)state;
    char text[512] = "count: x", expected[512] = "file:1:8: count: got \"x";
    for (unsigned i = 0; i < 100; i++)
        strcat(text, "\xc3\xa4");
    for (unsigned i = 0; i < 31; i++)
        strcat(expected, "\xc3\xa4");
    strcat(expected, "...\", wanted a whole number\n");
    assert_reports(text, expected);
}

static void a_bad_default_of_a_module_is_reported(void **state)
{
    (void)state;
    static const struct larder_param bad[] = {
        {.name = "a", .type = LARDER_PARAM_INT, .default_text = "many"},
        {.name = "b", .type = LARDER_PARAM_STRINGS, .default_text = "[x"},
        {.name = NULL},
    };
    struct run run;
    check_table(&run, NULL, bad);
    finish(&run, "default: a: got \"many\", wanted a whole number\n"
                 "b: the default is malformed: default:1:1: did not find expected ',' or ']' while parsing a flow "
                 "sequence\n");
}

static void a_table_that_contains_itself_ends(void **state)
{
    (void)state;
    static const struct larder_param self[] = {
        {.name = "again", .type = LARDER_PARAM_RECORD, .fields = self},
        {.name = NULL},
    };
    struct run run;
    check_table(&run, NULL, self);
    assert_int_equal(run.lines.count, 1);
    assert_non_null(strstr(run.lines.text[0], "more than 100 levels of parameters"));
    ldr_arena_close(run.arena);
}

static void a_copy_of_values_is_apart(void **state)
{
    (void)state;
    struct run run;
    check(&run, "members: [{name: a, http: x}]\npaths: [p]\n");
    struct ldr_arena *other = ldr_arena_open();
    const struct larder_param_value *copy = ldr_schema_copy(other, run.values, ldr_schema_count(table));
    finish(&run, "");
    assert_string_equal(copy[ldr_schema_row(table, "paths")].items[0].string, "p");
    const struct larder_param_value *rest = &copy[ldr_schema_row(table, "members")].items[0].items[2];
    assert_string_equal(rest->items[0].name, "http");
    assert_string_equal(rest->items[0].string, "x");
    ldr_arena_close(other);
}

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct ldr_arena *arena = ldr_arena_open();
    for (size_t size = 0; size < 20000; size = size * 3 + 1) {
        unsigned char *memory = ldr_arena_alloc(arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size);
    }
    assert_null(ldr_arena_alloc(arena, SIZE_MAX));
    assert_null(ldr_arena_alloc(arena, SIZE_MAX - 20));
    ldr_arena_close(arena);
    ldr_arena_close(NULL);
}

static void ranges_are_in_the_units_of_the_user(void **state)
{
    (void)state;
    static const struct {
        struct larder_param row;
        const char *text;
    } rows[] = {
        {{.type = LARDER_PARAM_INT}, ""},
        {{.type = LARDER_PARAM_INT, .minimum = 0, .maximum = 10}, "0 to 10"},
        {{.type = LARDER_PARAM_INT, .minimum = 1, .maximum = 1}, "1"},
        {{.type = LARDER_PARAM_INT, .minimum = 0, .maximum = 9223372036854775807.0}, "at least 0"},
        {{.type = LARDER_PARAM_SIZE, .minimum = 1024, .maximum = 9223372036854775807.0}, "at least 1KiB"},
        {{.type = LARDER_PARAM_DURATION, .minimum = 1, .maximum = 60000}, "1ms to 1m"},
        {{.type = LARDER_PARAM_STRING, .minimum = 1, .maximum = 64}, "1 to 64 bytes"},
        {{.type = LARDER_PARAM_STRINGS, .minimum = 1, .maximum = 9}, "1 to 9 items"},
        {{.type = LARDER_PARAM_FLOAT, .minimum = 0.01, .maximum = 0.5}, "0.01 to 0.5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[LDR_RANGE_TEXT];
        ldr_schema_range(&rows[i].row, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_values),
        cmocka_unit_test(an_absent_record_has_defaults_and_misses_nothing),
        cmocka_unit_test(given_values_are_typed),
        cmocka_unit_test(a_record_may_take_the_rest_of_the_keys),
        cmocka_unit_test(plugins_bring_their_own_tables),
        cmocka_unit_test(senseless_plugins_are_reported),
        cmocka_unit_test(unknown_keys_are_reported_with_the_nearest),
        cmocka_unit_test(wrong_values_are_reported),
        cmocka_unit_test(all_errors_are_reported_in_one_line_each),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(a_bad_default_of_a_module_is_reported),
        cmocka_unit_test(a_table_that_contains_itself_ends),
        cmocka_unit_test(a_copy_of_values_is_apart),
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(ranges_are_in_the_units_of_the_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
