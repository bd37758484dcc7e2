/* The static discovery reports the members that stand in the configuration, once, and refuses a list without this node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/schema.h"
#include "core/plugin/catalog.h"
#include "tests/unit/catalog_kit.h"

/* A node that takes the module's reports and writes them down. */
struct node {
    struct larder_discovery_host host;
    struct larder_member self;
    struct ldr_catalog *catalog;
    const struct larder_discovery *module;
    struct ldr_arena *arena;
    enum larder_status answer; /* to the report */
    unsigned reports;
    uint64_t epoch;
    char list[512];   /* "a*1 http=127.0.0.1:1;b*2 ..." */
    char reason[512]; /* of the last failure */
};

static void on_log(const struct larder_host *host, enum larder_log_level level, const char *format, ...)
{
    (void)host, (void)level, (void)format;
}

static enum larder_status on_fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    struct node *node = (struct node *)host;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(node->reason, sizeof node->reason, format, arguments);
    va_end(arguments);
    return status;
}

static enum larder_status on_members(const struct larder_discovery_host *host, uint64_t epoch,
                                     const struct larder_member *members, size_t count)
{
    struct node *node = (struct node *)host;
    size_t used = 0;
    node->reports++;
    node->epoch = epoch;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(node->list + used, sizeof node->list - used, "%s*%u", members[i].name,
                                 (unsigned)members[i].weight);
        for (size_t j = 0; j < members[i].address_count; j++)
            used += (size_t)snprintf(node->list + used, sizeof node->list - used, " %s=%s",
                                     members[i].addresses[j].transport, members[i].addresses[j].address);
        used += (size_t)snprintf(node->list + used, sizeof node->list - used, ";");
    }
    return node->answer;
}

static int make_node(void **state)
{
    struct node *node = calloc(1, sizeof *node);
    *state = node;
    node->self.name = "a";
    node->host = (struct larder_discovery_host){
        .base = {.log = on_log, .fail = on_fail, .node_name = "a"}, .self = &node->self, .members = on_members};
    node->catalog = ldr_catalog_open(NULL);
    node->module = find_discovery(node->catalog, "static");
    node->arena = ldr_arena_open();
    if (node->module == NULL)
        fail_msg("%s", larder_last_error());
    return 0;
}

static int drop_node(void **state)
{
    struct node *node = *state;
    ldr_arena_close(node->arena);
    ldr_catalog_close(node->catalog);
    free(node);
    return 0;
}

/* Checks the text as a configuration file would be, keeps the first error in `reason`, and opens the module with it. */
static void *open_with(struct node *node, const char *yaml)
{
    void *discovery = NULL;
    struct ldr_errors errors = {0};
    struct ldr_tree *tree = ldr_tree_parse(yaml, strlen(yaml), "test.yaml");
    assert_non_null(tree);
    const struct larder_param_value *params = ldr_schema_check(tree, node->module->head.params, NULL, node->arena,
                                                               &errors);
    assert_non_null(params);
    if (errors.count > 0)
        snprintf(node->reason, sizeof node->reason, "%.*s", (int)sizeof node->reason - 1, errors.first);
    else
        discovery = node->module->open(&node->host, params);
    ldr_tree_free(tree);
    /* What the module keeps is its own: the values go before it is used. */
    ldr_arena_close(node->arena);
    node->arena = ldr_arena_open();
    return discovery;
}

static void the_members_are_reported_once(void **state)
{
    struct node *node = *state;
    void *discovery = open_with(node, "members:\n"
                                      "  - {name: a, http: \"127.0.0.1:8001\", grpc: \"127.0.0.1:9001\"}\n"
                                      "  - {name: b-2.x_Y, weight: 100, http: \"[::1]:8002\"}\n"
                                      "  - {name: c}\n");
    assert_non_null(discovery);
    assert_int_equal(node->reports, 0);
    assert_int_equal(node->module->start(discovery), LARDER_OK);
    assert_int_equal(node->reports, 1);
    assert_int_equal(node->epoch, 1);
    assert_string_equal(node->list, "a*1 http=127.0.0.1:8001 grpc=127.0.0.1:9001;b-2.x_Y*100 http=[::1]:8002;c*1;");
    node->module->close(discovery);
    assert_int_equal(node->reports, 1);
}

static void what_the_host_answers_is_passed_on(void **state)
{
    struct node *node = *state;
    void *discovery = open_with(node, "members: [{name: a}]");
    node->answer = LARDER_NO_MEMORY;
    assert_int_equal(node->module->start(discovery), LARDER_NO_MEMORY);
    node->module->close(discovery);
}

static void fault_5_a_list_without_this_node_is_refused(void **state)
{
    struct node *node = *state;
    node->self.name = "x";
    assert_null(open_with(node, "members: [{name: a}, {name: b}, {name: c}]"));
    assert_string_equal(node->reason, "node.name is \"x\", which is no member of cluster.discovery.members: a, b, c");
}

/* The address that others use for this node need not be the one it listens on. */
static void fault_4_a_member_is_its_name_and_never_its_address(void **state)
{
    struct node *node = *state;
    const struct larder_address listening = {"http", "0.0.0.0:8001"};
    node->self.address_count = 1;
    node->self.addresses = &listening;
    void *discovery = open_with(node,
                                "members: [{name: b, http: \"0.0.0.0:8001\"}, {name: a, http: \"10.0.0.1:8001\"}]");
    assert_non_null(discovery);
    assert_int_equal(node->module->start(discovery), LARDER_OK);
    assert_string_equal(node->list, "b*1 http=0.0.0.0:8001;a*1 http=10.0.0.1:8001;");
    node->module->close(discovery);

    node->self.name = "x";
    assert_null(open_with(node, "members: [{name: b, http: \"0.0.0.0:8001\"}]"));
    assert_string_equal(node->reason, "node.name is \"x\", which is no member of cluster.discovery.members: b");
}

static void a_gateway_need_not_be_in_the_list(void **state)
{
    struct node *node = *state;
    node->host.self = NULL;
    void *discovery = open_with(node, "members: [{name: b}]");
    assert_non_null(discovery);
    assert_int_equal(node->module->start(discovery), LARDER_OK);
    assert_string_equal(node->list, "b*1;");
    node->module->close(discovery);
}

static void a_name_that_is_there_twice_is_refused(void **state)
{
    struct node *node = *state;
    assert_null(open_with(node, "members: [{name: b}, {name: a}, {name: c}, {name: b}]"));
    assert_string_equal(node->reason, "cluster.discovery.members: got two members \"b\", wanted each name once");
}

static void a_name_of_other_letters_is_refused(void **state)
{
    struct node *node = *state;
    assert_null(open_with(node, "members: [{name: a}, {name: \"b c\"}]"));
    assert_string_equal(node->reason,
                        "cluster.discovery.members[1].name: got \"b c\", wanted 1 to 64 of [A-Za-z0-9._-]");
}

static void what_the_table_forbids_never_reaches_the_module(void **state)
{
    struct node *node = *state;
    static const struct {
        const char *yaml, *reason;
    } bad[] = {
        {"{}", "test.yaml:1:1: members: missing, it has no default"},
        {"members: []", "test.yaml:1:10: members: got 0 items, wanted 1 to 10000 items"},
        {"members: [{http: x}]", "test.yaml:1:11: members[0].name: missing, it has no default"},
        {"members: [{name: \"\"}]", "test.yaml:1:18: members[0].name: got \"\", wanted a text of 1 to 64 bytes"},
        {"members: [{name: a, weight: 101}]", "test.yaml:1:29: members[0].weight: got \"101\", wanted 1 to 100"},
        {"members: [{name: a, weight: 0}]", "test.yaml:1:29: members[0].weight: got \"0\", wanted 1 to 100"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(open_with(node, bad[i].yaml));
        assert_string_equal(node->reason, bad[i].reason);
    }
}

static void closing_nothing_is_fine(void **state)
{
    struct node *node = *state;
    node->module->close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_members_are_reported_once, make_node, drop_node),
        cmocka_unit_test_setup_teardown(what_the_host_answers_is_passed_on, make_node, drop_node),
        cmocka_unit_test_setup_teardown(fault_5_a_list_without_this_node_is_refused, make_node, drop_node),
        cmocka_unit_test_setup_teardown(fault_4_a_member_is_its_name_and_never_its_address, make_node, drop_node),
        cmocka_unit_test_setup_teardown(a_gateway_need_not_be_in_the_list, make_node, drop_node),
        cmocka_unit_test_setup_teardown(a_name_that_is_there_twice_is_refused, make_node, drop_node),
        cmocka_unit_test_setup_teardown(a_name_of_other_letters_is_refused, make_node, drop_node),
        cmocka_unit_test_setup_teardown(what_the_table_forbids_never_reaches_the_module, make_node, drop_node),
        cmocka_unit_test_setup_teardown(closing_nothing_is_fine, make_node, drop_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
