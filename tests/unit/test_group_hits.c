/*
 * Between a group and its store: the option `exact_hits` gets there, when the group is made and when it is changed; and the
 * hits that the store dropped are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/node/node.h"

/* What the store was told last, and how often it was told in its life. */
static bool exact;
static unsigned changes;

struct ldr_store *__real_ldr_store_open(const struct ldr_store_options *options);
struct ldr_store *__wrap_ldr_store_open(const struct ldr_store_options *options);
void __real_ldr_store_set_exact_hits(struct ldr_store *store, bool exact_hits);
void __wrap_ldr_store_set_exact_hits(struct ldr_store *store, bool exact_hits);

struct ldr_store *__wrap_ldr_store_open(const struct ldr_store_options *options)
{
    exact = options->exact_hits;
    changes = 0;
    return __real_ldr_store_open(options);
}

void __wrap_ldr_store_set_exact_hits(struct ldr_store *store, bool exact_hits)
{
    exact = exact_hits;
    changes++;
    __real_ldr_store_set_exact_hits(store, exact_hits);
}

void __real_ldr_store_stats(struct ldr_store *store, struct ldr_store_stats *stats);
void __wrap_ldr_store_stats(struct ldr_store *store, struct ldr_store_stats *stats);

void __wrap_ldr_store_stats(struct ldr_store *store, struct ldr_store_stats *stats)
{
    __real_ldr_store_stats(store, stats);
    stats->dropped_hits += 630;
}

static struct larder_config *config_of(const char *text)
{
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_add_plugin_path(config, TEST_PLUGINS), LARDER_OK);
    assert_int_equal(larder_config_parse(config, text, strlen(text), "file"), LARDER_OK);
    return config;
}

static void the_option_of_a_program_reaches_the_store(void **state)
{
    (void)state;
    struct larder_config *config = config_of("{}");
    struct larder_node *node = larder_node_open(config);
    larder_config_free(config);
    assert_non_null(node);
    larder_group_close(larder_group_open(node, "a", &(struct larder_group_options){.exact_hits = 1}));
    assert_true(exact);
    larder_group_close(larder_group_open(node, "b", &(struct larder_group_options){.max_bytes = 1 << 20}));
    assert_false(exact);
    /* It is an option like the others: not for a group that is there. */
    assert_null(larder_group_open(node, "b", &(struct larder_group_options){.exact_hits = 1}));
    assert_int_equal(larder_last_status(), LARDER_EXISTS);
    larder_node_close(node);
}

static void a_reload_changes_the_running_store(void **state)
{
    (void)state;
    struct larder_config *off = config_of("groups: [{name: g}]"),
                         *on = config_of("groups: [{name: g, exact_hits: true}]");
    struct larder_node *node = larder_node_open(off);
    assert_non_null(node);
    assert_false(exact);
    assert_int_equal(larder_node_reload(node, on), LARDER_OK);
    assert_true(exact);
    assert_int_equal(larder_node_reload(node, on), LARDER_OK);
    assert_int_equal(changes, 1);
    assert_int_equal(larder_node_reload(node, off), LARDER_OK);
    assert_false(exact);
    larder_node_close(node);
    larder_config_free(off);
    larder_config_free(on);
}

static void keep_document(void *arg, struct larder_reply *reply)
{
    assert_int_equal(reply->status, LARDER_OK);
    *(char **)arg = strndup(reply->value.data, reply->value.size);
    larder_reply_release(reply);
}

static void a_document_changes_it_and_shows_it(void **state)
{
    (void)state;
    bool created;
    char *text = NULL;
    struct larder_config *config = config_of("groups: [{name: g}]");
    struct larder_node *node = larder_node_open(config);
    larder_config_free(config);
    assert_non_null(node);
    struct larder_slice name = ldr_slice_text("g");
    assert_int_equal(ldr_node_put_group(node, name, ldr_slice_text("{\"exact_hits\": true}"), &created), LARDER_OK);
    assert_true(exact);
    assert_int_equal(ldr_node_put_group(node, name, ldr_slice_text("{\"ttl\": \"1h\"}"), &created), LARDER_OK);
    assert_true(exact);
    const struct larder_request request = {.operation = LARDER_OP_GROUP_GET, .group = name, .deadline = LARDER_NEVER};
    ldr_node_execute(node, &request, keep_document, &text);
    assert_non_null(strstr(text, "\"exact_hits\":true"));
    free(text);
    assert_int_equal(ldr_node_put_group(node, name, ldr_slice_text("{\"exact_hits\": 1}"), &created), LARDER_INVALID);
    assert_true(exact);
    larder_node_close(node);
}

static void dropped_hits_are_told(void **state)
{
    (void)state;
    char *text = NULL;
    struct larder_statistics stats;
    struct larder_config *config = config_of("groups: [{name: g}]");
    struct larder_node *node = larder_node_open(config);
    larder_config_free(config);
    assert_non_null(node);
    struct larder_group *group = larder_group_open(node, "g", NULL);
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    assert_int_equal(stats.dropped_hits, 630);
    struct larder_request request = {
        .operation = LARDER_OP_GROUP_STATS, .group = ldr_slice_text("g"), .deadline = LARDER_NEVER};
    ldr_node_execute(node, &request, keep_document, &text);
    assert_non_null(strstr(text, "\"dropped_hits\":630,"));
    free(text);
    request.operation = LARDER_OP_METRICS;
    ldr_node_execute(node, &request, keep_document, &text);
    assert_non_null(strstr(text, "\nlarder_dropped_hits_total{group=\"g\"} 630\n"));
    free(text);
    larder_group_close(group);
    larder_node_close(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_option_of_a_program_reaches_the_store),
        cmocka_unit_test(a_reload_changes_the_running_store),
        cmocka_unit_test(a_document_changes_it_and_shows_it),
        cmocka_unit_test(dropped_hits_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
