/* From a configuration to settings: values, rules between them, and the lines that say what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_catalog.h"
#include "config_lines.h"
#include "core/node/settings.h"
#include "core/node/settings_table.h"
#include "larder/plugin/request.h"

/* One check of a configuration. */
struct run {
    struct larder_config *config;
    struct ldr_catalog *catalog;
    struct ldr_settings *settings;
    struct ldr_errors errors;
    struct lines lines;
};

/* `text` may be NULL: a configuration that was not read; `set` is one setting or NULL. */
static void check_with(struct run *run, const char *text, const char *set)
{
    memset(run, 0, sizeof *run);
    run->errors.report = lines_add;
    run->errors.arg = &run->lines;
    run->config = larder_config_new();
    if (text != NULL)
        assert_int_equal(larder_config_parse(run->config, text, strlen(text), "file"), LARDER_OK);
    if (set != NULL)
        assert_int_equal(larder_config_set(run->config, set), LARDER_OK);
    run->catalog = ldr_settings_catalog(run->config);
    assert_non_null(run->catalog);
    run->settings = ldr_settings_check(run->config, run->catalog, &run->errors);
}

static void check(struct run *run, const char *text)
{
    check_with(run, text, NULL);
    assert_lines(&run->lines, "");
    assert_non_null(run->settings);
    larder_config_free(run->config); /* settings stand alone */
    run->config = NULL;
}

static void finish(struct run *run)
{
    ldr_settings_free(run->settings);
    ldr_catalog_close(run->catalog);
    larder_config_free(run->config);
}

static void assert_reports_set(const char *text, const char *set, const char *expected)
{
    struct run run;
    check_with(&run, text, set);
    assert_null(run.settings);
    assert_lines(&run.lines, expected);
    assert_int_equal(larder_last_status(), LARDER_INVALID);
    assert_string_equal(larder_last_error(), run.lines.text[0]);
    finish(&run);
}

static void assert_reports(const char *text, const char *expected)
{
    assert_reports_set(text, NULL, expected);
}

static const char full[] = "node: {name: a, log_level: debug, log_format: json, workers: 2, load_queue: 7,\n"
                           "       request_timeout: 3s, drain_timeout: 0}\n"
                           "plugins: {path: [/one, /two]}\n"
                           "transports:\n"
                           "- {plugin: http, listen: '127.0.0.1:1'}\n"
                           "- {plugin: grpc, listen: '127.0.0.1:2', idle: 1m}\n"
                           "cluster:\n"
                           "  peer_transport: grpc\n"
                           "  hash: crc32\n"
                           "  seed: 9\n"
                           "  virtual_nodes: 64\n"
                           "  replicas: 1\n"
                           "  discovery: {plugin: static, members: [{name: a, grpc: 'x:1'}]}\n"
                           "  peer_timeout: 2s\n"
                           "  retries: 0\n"
                           "  backoff: 5ms\n"
                           "  suspend_after: 4\n"
                           "  suspend: 20s\n"
                           "  probe_interval: 500ms\n"
                           "  fallback_ttl: 1m\n"
                           "groups:\n"
                           "- {name: users, max_bytes: 512MiB, max_value: 1MiB, ttl: 1h, negative_ttl: 5s,\n"
                           "   load_timeout: 2s, eviction: {plugin: tuned, share: 0.25},\n"
                           "   loader: {plugin: http, url: 'http://o/{key}'}}\n"
                           "- name: pages\n";

static void everything_given_arrives(void **state)
{
    (void)state;
    struct run run;
    check(&run, full);
    const struct ldr_settings *s = run.settings;
    assert_string_equal(s->node_name, "a");
    assert_false(s->gateway);
    assert_int_equal(s->log_level, LARDER_LOG_DEBUG);
    assert_int_equal(s->log_format, LDR_LOG_JSON);
    assert_int_equal(s->workers, 2);
    assert_int_equal(s->queue, 7);
    assert_int_equal(s->request_timeout_ms, 3000);
    assert_int_equal(s->drain_timeout_ms, 0);
    assert_int_equal(s->transport_count, 2);
    assert_string_equal(s->transports[1].table->name, "grpc");
    assert_string_equal(s->transports[1].params[0].string, "127.0.0.1:2");
    assert_int_equal(s->transports[1].params[1].integer, 60000);
    const struct ldr_cluster_settings *c = &s->cluster;
    assert_true(c->enabled);
    assert_string_equal(c->peer_transport, "grpc");
    assert_string_equal(c->hash.table->name, "crc32");
    assert_int_equal(c->seed, 9);
    assert_int_equal(c->virtual_nodes, 64);
    assert_string_equal(c->discovery.table->name, "static");
    assert_string_equal(c->discovery.params[0].items[0].items[2].items[0].string, "x:1");
    assert_int_equal(c->peer_timeout_ms, 2000);
    assert_int_equal(c->retries, 0);
    assert_int_equal(c->backoff_ms, 5);
    assert_int_equal(c->suspend_after, 4);
    assert_int_equal(c->suspend_ms, 20000);
    assert_int_equal(c->probe_ms, 500);
    assert_int_equal(c->fallback_ttl_ms, 60000);
    assert_int_equal(s->group_count, 2);
    const struct ldr_group_settings *g = &s->groups[0];
    assert_string_equal(g->name, "users");
    assert_int_equal(g->max_bytes, 512 << 20);
    assert_int_equal(g->max_value, 1 << 20);
    assert_int_equal(g->ttl_ms, 3600000);
    assert_int_equal(g->negative_ttl_ms, 5000);
    assert_int_equal(g->load_timeout_ms, 2000);
    assert_string_equal(g->eviction.table->name, "tuned");
    assert_true(g->eviction.params[0].number == 0.25);
    assert_string_equal(g->loader.table->name, "http");
    assert_string_equal(g->loader.params[0].string, "http://o/{key}");
    finish(&run);
}

static void assert_default_group(const struct ldr_group_settings *group, const char *name)
{
    assert_string_equal(group->name, name);
    assert_int_equal(group->max_bytes, 64 << 20);
    assert_int_equal(group->max_entries, 0);
    assert_int_equal(group->max_value, 16 << 20);
    assert_int_equal(group->ttl_ms, LARDER_TTL_NONE);
    assert_int_equal(group->negative_ttl_ms, 0);
    assert_int_equal(group->load_timeout_ms, 5000);
    assert_false(group->exact_hits);
    assert_string_equal(group->eviction.table->name, "lru");
    assert_null(group->loader.table);
}

static void nothing_given_is_a_node_alone(void **state)
{
    (void)state;
    struct ldr_errors errors = {0};
    struct ldr_catalog *catalog = ldr_settings_catalog(NULL);
    struct ldr_settings *settings = ldr_settings_check(NULL, catalog, &errors);
    assert_non_null(settings);
    assert_string_equal(settings->node_name, "larder");
    assert_false(settings->gateway);
    assert_int_equal(settings->log_level, LARDER_LOG_INFO);
    assert_int_equal(settings->log_format, LDR_LOG_LOGFMT);
    assert_int_equal(settings->workers, 4);
    assert_int_equal(settings->queue, 1024);
    assert_int_equal(settings->request_timeout_ms, 10000);
    assert_int_equal(settings->drain_timeout_ms, 5000);
    assert_int_equal(settings->transport_count, 0);
    assert_int_equal(settings->group_count, 0);
    assert_false(settings->cluster.enabled);
    assert_null(settings->cluster.hash.table); /* no module is needed for what is not used */
    assert_null(settings->cluster.peer_transport);
    ldr_settings_free(settings);
    ldr_settings_free(NULL);
    ldr_catalog_close(catalog);
}

static void a_cluster_has_defaults(void **state)
{
    (void)state;
    struct run run;
    check(&run, "node: {name: a}\ntransports: [{plugin: http, listen: x}]\n"
                "cluster: {discovery: {plugin: static, members: []}}\n");
    const struct ldr_cluster_settings *c = &run.settings->cluster;
    assert_string_equal(c->peer_transport, "http");
    assert_string_equal(c->hash.table->name, "xxhash");
    assert_int_equal(c->seed, 0);
    assert_int_equal(c->virtual_nodes, 256);
    assert_int_equal(c->peer_timeout_ms, 1000);
    assert_int_equal(c->retries, 2);
    assert_int_equal(c->backoff_ms, 20);
    assert_int_equal(c->suspend_after, 3);
    assert_int_equal(c->suspend_ms, 10000);
    assert_int_equal(c->probe_ms, 1000);
    assert_int_equal(c->fallback_ttl_ms, 10000);
    finish(&run);
}

static void a_node_with_transports_has_a_default_group(void **state)
{
    (void)state;
    struct run run;
    check(&run, "transports: [{plugin: http, listen: x}]\n");
    assert_int_equal(run.settings->group_count, 1);
    assert_default_group(&run.settings->groups[0], "default");
    finish(&run);
    check(&run, "transports: [{plugin: http, listen: x}]\ngroups: []\n");
    assert_int_equal(run.settings->group_count, 0);
    finish(&run);
    check(&run, "groups: [{name: g}]\n");
    assert_default_group(&run.settings->groups[0], "g");
    finish(&run);
    check(&run, "node: {name: a, role: gateway}\ntransports: [{plugin: http, listen: x}]\n"
                "cluster: {discovery: {plugin: static, members: []}}\n");
    assert_true(run.settings->gateway);
    assert_int_equal(run.settings->group_count, 0);
    finish(&run);
}

static void errors_name_the_thing_and_the_place(void **state)
{
    (void)state;
    assert_reports("node:\n  name: a\n  log_level: loud\n",
                   "file:3:14: node.log_level: got \"loud\", wanted one of error, warn, info, debug\n");
    assert_reports("groups:\n- name: g\n  max_byte: 1\n",
                   "file:3:3: groups[0].max_byte: unknown key, did you mean \"max_bytes\"?\n");
    assert_reports("groups:\n- name: g\n  max_bytes: 64MBit\n",
                   "file:3:14: groups[0].max_bytes: got \"64MBit\", wanted a size like 512MiB\n");
    assert_reports("groups:\n- name: g\n  max_bytes: 1000\n",
                   "file:3:14: groups[0].max_bytes: got \"1000\", wanted at least 1KiB\n");
    assert_reports("groups:\n- ttl: 1h\n", "file:2:3: groups[0].name: missing, it has no default\n");
    assert_reports("groups: [{name: g, eviction: lruu}]\n",
                   "file:1:30: groups[0].eviction: no eviction plugin \"lruu\" in /nowhere\n");
    assert_reports("group: []\n", "file:1:1: group: unknown key, did you mean \"groups\"?\n");
    assert_reports("cluster: {replicas: 8, discovery: {plugin: static, members: []}}\n"
                   "node: {name: a}\ntransports: [{plugin: http, listen: x}]\n",
                   "file:1:21: cluster.replicas: got \"8\", wanted 1 to 7\n");
}

static void settings_are_checked_like_files(void **state)
{
    (void)state;
    assert_reports_set("groups: [{name: g}]\n", "groups.0.max_bytes=lots",
                       "--set: groups[0].max_bytes: got \"lots\", wanted a size like 512MiB\n");
    assert_reports_set(NULL, "nodes.name=a", "--set: nodes: unknown key, did you mean \"node\"?\n");
    struct run run;
    check_with(&run, "groups: [{name: g}]\n", "groups.1={name: h, max_bytes: 2KiB}");
    assert_lines(&run.lines, "");
    assert_int_equal(run.settings->group_count, 2);
    assert_int_equal(run.settings->groups[1].max_bytes, 2048);
    ldr_settings_free(run.settings);
    assert_int_equal(larder_config_set(run.config, "groups.4.name=a"), LARDER_OK);
    run.settings = ldr_settings_check(run.config, run.catalog, &run.errors);
    assert_null(run.settings);
    assert_lines(&run.lines, "--set: groups.4: got \"4\", wanted an index of the list from 0 to 2, which appends\n");
    finish(&run);
}

static void all_errors_are_reported(void **state)
{
    (void)state;
    assert_reports("node: {name: 'a b', workers: 0}\n"
                   "transports: [{plugin: htpt}]\n"
                   "groups:\n- {name: g}\n- {name: 'g/x', max_value: 128MiB}\n- {name: g}\n- 7\n",
                   "file:1:30: node.workers: got \"0\", wanted 1 to 256\n"
                   "file:2:23: transports[0]: no transport plugin \"htpt\" in /nowhere\n"
                   "file:7:3: groups[3]: got \"7\", wanted a mapping\n"
                   "file:1:14: node.name: got \"a b\", wanted letters, digits and ._- only\n"
                   "file:5:10: groups[1].name: got \"g/x\", wanted letters, digits and ._- only\n"
                   "file:5:28: groups[1].max_value: got 128MiB, wanted at most max_bytes, 64MiB\n"
                   "file:6:10: groups[2].name: got \"g\" a second time, after groups[0]\n");
}

static void references_resolve(void **state)
{
    (void)state;
    assert_reports("node: {name: a}\ntransports: [{plugin: http, listen: x}]\n"
                   "cluster: {peer_transport: grpc, discovery: {plugin: static, members: []}}\n",
                   "file:3:27: cluster.peer_transport: got \"grpc\", wanted one of the transports: http\n");
    assert_reports("cluster: {discovery: {plugin: static}}\n",
                   "file:1:22: cluster.discovery.members: missing, it has no default\n"
                   "file:1:10: node.name: missing, a member of a cluster has a name of its own\n"
                   "file:1:10: transports: missing, a cluster needs at least one\n");
    assert_reports("cluster:\n", "file:1:9: cluster.discovery: missing, it has no default\n"
                                 "file:1:9: node.name: missing, a member of a cluster has a name of its own\n"
                                 "file:1:9: transports: missing, a cluster needs at least one\n");
}

static void contradictions_are_reported(void **state)
{
    (void)state;
    assert_reports(
        "node: {name: a, role: gateway}\ngroups: [{name: g}]\n",
        "file:1:23: node.role: got \"gateway\" without a cluster, wanted a section cluster or the role node\n"
        "file:2:9: groups: got 1 with node.role gateway, wanted none\n");
    assert_reports("groups: [{name: g, max_bytes: 1MiB, max_value: 2MiB}]\n",
                   "file:1:48: groups[0].max_value: got 2MiB, wanted at most max_bytes, 1MiB\n");
    struct run run;
    check(&run, "groups: [{name: g, max_bytes: 1MiB}]\n"); /* the default of max_value contradicts nothing */
    finish(&run);
}

static void sections_of_the_wrong_shape_are_reported(void **state)
{
    (void)state;
    assert_reports("node: 1\nplugins: [x]\ntransports: {a: 1}\ncluster: [1]\ngroups: x\n",
                   "file:1:7: node: got \"1\", wanted a mapping\n"
                   "file:2:10: plugins: got a list, wanted a mapping\n"
                   "file:3:13: transports: got a mapping, wanted a list of plugins\n"
                   "file:4:10: cluster: got a list, wanted a mapping\n"
                   "file:5:9: groups: got \"x\", wanted a list of mappings\n");
}

static void the_catalog_gets_paths_and_tables(void **state)
{
    (void)state;
    static const struct larder_plugin own = {.kind = LARDER_PLUGIN_EVICTION, .name = "own"};
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_parse(config, full, strlen(full), "file"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "plugins.path.2=/three"), LARDER_OK);
    assert_int_equal(larder_config_add_plugin_path(config, "/added"), LARDER_OK);
    assert_int_equal(larder_config_add_plugin(config, &own), LARDER_OK);
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    assert_int_equal(catalog->path_count, 4);
    assert_string_equal(catalog->paths[0], "/one");
    assert_string_equal(catalog->paths[1], "/two");
    assert_string_equal(catalog->paths[2], "/three");
    assert_string_equal(catalog->paths[3], "/added");
    assert_int_equal(catalog->table_count, 1);
    assert_ptr_equal(catalog->tables[0], &own);
    ldr_catalog_close(catalog);
    larder_config_free(config);
}

static void a_check_without_a_node_says_the_same(void **state)
{
    (void)state;
    static const char bad[] = "node: {workers: 0}\ngroups: [{name: 7/8}]\n";
    struct lines lines = {.count = 0};
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_check(config, lines_add, &lines), LARDER_OK);
    assert_int_equal(larder_config_parse(config, full, strlen(full), "file"), LARDER_OK);
    assert_int_equal(larder_config_check(config, lines_add, &lines), LARDER_OK);
    assert_lines(&lines, "");
    assert_int_equal(larder_config_parse(config, bad, strlen(bad), "file"), LARDER_OK);
    assert_int_equal(larder_config_check(config, lines_add, &lines), LARDER_INVALID);
    assert_lines(&lines, "file:1:17: node.workers: got \"0\", wanted 1 to 256\n"
                         "file:2:17: groups[0].name: got \"7/8\", wanted letters, digits and ._- only\n");
    assert_string_equal(larder_last_error(), lines.text[0]);
    assert_int_equal(larder_config_check(config, NULL, NULL), LARDER_INVALID);
    assert_int_equal(larder_config_set(config, "groups.9.name=x"), LARDER_OK);
    lines.count = 0;
    assert_int_equal(larder_config_check(config, lines_add, &lines), LARDER_INVALID);
    assert_lines(&lines, "--set: groups.9: got \"9\", wanted an index of the list from 0 to 1, which appends\n");
    larder_config_free(config);
}

/* ------------------------------------------------------------------------------------------------ documents */

static bool read_group(const char *text, const struct ldr_group_settings *base, struct ldr_arena *arena,
                       struct lines *lines, struct ldr_group_settings *group)
{
    struct ldr_errors errors = {.report = lines_add, .arg = lines};
    struct ldr_catalog *catalog = ldr_settings_catalog(NULL);
    lines->count = 0;
    bool read = ldr_settings_group(text, strlen(text), "g", base, catalog, arena, &errors, group);
    ldr_catalog_close(catalog);
    assert_int_equal(read, lines->count == 0);
    return read;
}

static void a_document_makes_a_group(void **state)
{
    (void)state;
    struct lines lines;
    struct ldr_group_settings group;
    struct ldr_arena *arena = ldr_arena_open();
    assert_true(read_group("", NULL, arena, &lines, &group));
    assert_default_group(&group, "g");
    assert_true(read_group("{\"name\": \"g\", \"max_bytes\": \"1MiB\", \"ttl\": \"5s\"}", NULL, arena, &lines, &group));
    assert_int_equal(group.max_bytes, 1 << 20);
    assert_int_equal(group.ttl_ms, 5000);
    assert_string_equal(group.eviction.table->name, "lru");
    ldr_arena_close(arena);
}

static void a_document_changes_what_it_names(void **state)
{
    (void)state;
    struct lines lines;
    struct ldr_group_settings base, group;
    struct ldr_arena *first = ldr_arena_open(), *second = ldr_arena_open();
    assert_true(read_group(
        "{\"max_bytes\": \"1MiB\", \"max_entries\": 77, \"max_value\": \"2KiB\", \"ttl\": \"5s\", "
        "\"negative_ttl\": \"6s\", "
        "\"load_timeout\": \"7s\", \"exact_hits\": true, \"eviction\": {\"plugin\": \"tuned\", \"share\": 0.75}, "
        "\"loader\": {\"plugin\": \"http\", \"url\": \"u\", \"headers\": {\"a\": \"b\"}}}",
        NULL, first, &lines, &base));
    assert_true(read_group("{\"ttl\": \"9s\"}", &base, second, &lines, &group));
    ldr_arena_close(first); /* the new settings do not live in the old ones */
    assert_int_equal(group.ttl_ms, 9000);
    assert_int_equal(group.max_bytes, 1 << 20);
    assert_int_equal(group.max_entries, 77);
    assert_int_equal(group.max_value, 2048);
    assert_int_equal(group.negative_ttl_ms, 6000);
    assert_int_equal(group.load_timeout_ms, 7000);
    assert_true(group.exact_hits);
    assert_string_equal(group.name, "g");
    assert_string_equal(group.eviction.table->name, "tuned");
    assert_true(group.eviction.params[0].number == 0.75);
    assert_string_equal(group.loader.params[0].string, "u");
    assert_string_equal(group.loader.params[1].items[0].name, "a");
    assert_true(
        read_group("{\"eviction\": \"lru\", \"ttl\": \"0\", \"exact_hits\": false}", &group, second, &lines, &group));
    assert_string_equal(group.eviction.table->name, "lru");
    assert_int_equal(group.ttl_ms, LARDER_TTL_NONE);
    assert_false(group.exact_hits);
    ldr_arena_close(second);
}

static void bad_documents_are_reported(void **state)
{
    (void)state;
    static const struct {
        const char *text, *lines;
    } rows[] = {
        {"{\"max_byte\": 1}", "settings:1:2: max_byte: unknown key, did you mean \"max_bytes\"?\n"},
        {"{\"name\": \"h\"}", "settings:1:10: name: got \"h\", wanted \"g\" or nothing\n"},
        {"[]", "settings:1:1: got a list, wanted a mapping\n"},
        {"{", "settings:1:2: did not find expected node content while parsing a flow node\n"},
        {"{\"max_value\": 2000}", "settings:1:15: max_value: got 2000B, wanted at most max_bytes, 1KiB\n"},
    };
    struct lines lines;
    const struct ldr_group_settings base = {.name = "g", .max_bytes = 1024};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ldr_group_settings group;
        struct ldr_arena *arena = ldr_arena_open();
        assert_false(read_group(rows[i].text, &base, arena, &lines, &group));
        assert_lines(&lines, rows[i].lines);
        assert_int_equal(larder_last_status(), LARDER_INVALID);
        ldr_arena_close(arena);
    }
}

/* ------------------------------------------------------------------------------------------------ reference */

static void count_rows(const char *text, const struct larder_param *rows)
{
    for (; rows->name != NULL; rows++) {
        char key[128];
        snprintf(key, sizeof key, "\n| `%s` | ", rows->name);
        if (strstr(text, key) == NULL)
            fail_msg("%s is not in the reference", rows->name);
        assert_non_null(strstr(text, rows->help));
    }
}

static char *reference(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(larder_config_reference(NULL, out), LARDER_OK);
    fclose(out);
    return text;
}

static void the_reference_has_every_row(void **state)
{
    (void)state;
    char *text = reference(), *again = reference();
    assert_string_equal(text, again);
    for (const struct larder_param *section = ldr_settings_table; section->name != NULL; section++) {
        char heading[64];
        snprintf(heading, sizeof heading, "\n## `%s`\n", section->name);
        assert_non_null(strstr(text, heading));
        if (section->fields != NULL)
            count_rows(text, section->fields);
    }
    static const char *const lines[] = {
        "\n| `max_bytes` | size | `64MiB` | at least 1KiB | ",
        "\n| `role` | text | `node` | `node`, `gateway` | ",
        "\n| `workers` | whole number | `4` | 1 to 256 | ",
        "\n## discovery plugin `static`\n",
        "\n| `members[].*` | text |  |  | addresses |\n",
        "\n| `members[].weight` | whole number | `1` | 1 to 100 | how much |\n",
        "\n| `url` | text | required |  | where the origin is |\n",
        "\n| `mode` | text | `plain` | `plain`, `tls` | a\\|b |\n",
        "\nThe one used last goes last.\n\nTakes no parameters.\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (strstr(text, lines[i]) == NULL)
            fail_msg("not in the reference: %s\n%s", lines[i], text);
    }
    assert_null(strstr(text, "broken"));
    free(text);
    free(again);
}

static void a_reference_that_cannot_be_written_fails(void **state)
{
    (void)state;
    FILE *full_disk = fopen("/dev/full", "w");
    assert_non_null(full_disk);
    assert_int_equal(larder_config_reference(NULL, full_disk), LARDER_IO);
    fclose(full_disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_given_arrives),
        cmocka_unit_test(nothing_given_is_a_node_alone),
        cmocka_unit_test(a_cluster_has_defaults),
        cmocka_unit_test(a_node_with_transports_has_a_default_group),
        cmocka_unit_test(errors_name_the_thing_and_the_place),
        cmocka_unit_test(settings_are_checked_like_files),
        cmocka_unit_test(all_errors_are_reported),
        cmocka_unit_test(references_resolve),
        cmocka_unit_test(contradictions_are_reported),
        cmocka_unit_test(sections_of_the_wrong_shape_are_reported),
        cmocka_unit_test(the_catalog_gets_paths_and_tables),
        cmocka_unit_test(a_check_without_a_node_says_the_same),
        cmocka_unit_test(a_document_makes_a_group),
        cmocka_unit_test(a_document_changes_what_it_names),
        cmocka_unit_test(bad_documents_are_reported),
        cmocka_unit_test(the_reference_has_every_row),
        cmocka_unit_test(a_reference_that_cannot_be_written_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
