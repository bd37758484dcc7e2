/*
 * Every allocation of reading and checking a configuration fails in its turn, once and from then on: the answer is "out
 * of memory", nothing crashes, and (with AddressSanitizer) nothing leaks. tests/unit/test_config_memory.cmake lets the
 * linker call the allocators below; libyaml is linked so that its allocations fail, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_catalog.h"
#include "core/config/config.h"
#include "core/node/settings.h"
#include "tests/unit/failing.h"

FAILING(void *, malloc, (size_t size), size)
FAILING(void *, calloc, (size_t count, size_t size), count, size)
FAILING(void *, realloc, (void *memory, size_t size), memory, size)
FAILING(void *, reallocarray, (void *memory, size_t count, size_t size), memory, count, size)
FAILING(char *, strdup, (const char *text), text)
FAILING(char *, strndup, (const char *text, size_t length), text, length)

/* Runs the scenario with each allocation failing, until one run has met no failure. */
static void fail_each(bool (*scenario)(void))
{
    for (unsigned lasting = 0; lasting < 2; lasting++) {
        bool met = true;
        size_t runs = 0;
        for (; met; runs++) {
            fail_from(runs, lasting);
            bool done = scenario();
            met = stop_failing();
            if (done == met)
                fail_msg("allocation %zu failed and the answer was %s", runs, done ? "good" : "a failure");
            if (!done && larder_last_status() != LARDER_NO_MEMORY)
                fail_msg("allocation %zu failed and the answer was \"%s\"", runs, larder_last_error());
        }
        assert_true(runs > 5);
    }
}

static const char document[] = "node: {name: a}\n"
                               "plugins: {path: [/one]}\n"
                               "transports:\n"
                               "- {plugin: http, listen: '127.0.0.1:1'}\n"
                               "cluster:\n"
                               "  discovery: {plugin: static, members: [{name: a, http: 'x:1'}, {name: b}]}\n"
                               "groups:\n"
                               "- {name: users, eviction: {plugin: tuned, share: 0.25},\n"
                               "   loader: {plugin: http, url: 'http://o/{key}', headers: {a: b}}}\n";

/* Nobody sees the lines of a check that ran out of memory. */
static void drop_line(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

static bool build(struct larder_config *config)
{
    return larder_config_parse(config, document, strlen(document), "file") == LARDER_OK &&
           larder_config_set(config, "groups.1={name: pages, ttl: 5s}") == LARDER_OK &&
           larder_config_set(config, "node.log_level=debug") == LARDER_OK &&
           larder_config_add_plugin_path(config, "/two") == LARDER_OK &&
           larder_config_add_plugin(config, &fake_plugins[0]) == LARDER_OK;
}

static bool check_a_configuration(void)
{
    struct larder_config *config = larder_config_new();
    bool done = config != NULL && build(config) && larder_config_check(config, drop_line, NULL) == LARDER_OK;
    larder_config_free(config);
    return done;
}

static bool check_defaults(void)
{
    struct ldr_errors errors = {0};
    struct larder_config *config = larder_config_new();
    bool done = config != NULL && larder_config_set(config, "transports=[{plugin: http, listen: x}]") == LARDER_OK;
    struct ldr_catalog *catalog = done ? ldr_settings_catalog(config) : NULL;
    struct ldr_settings *settings = catalog == NULL ? NULL : ldr_settings_check(config, catalog, &errors);
    done = settings != NULL && settings->group_count == 1;
    ldr_settings_free(settings);
    ldr_catalog_close(catalog);
    larder_config_free(config);
    return done;
}

static bool read_group_documents(void)
{
    static const char first[] = "{\"eviction\": {\"plugin\": \"tuned\"}, \"loader\": {\"plugin\": \"http\", \"url\": "
                                "\"u\", \"headers\": {\"a\": \"b\"}}}";
    static const char second[] = "{\"ttl\": \"5s\"}";
    struct ldr_errors errors = {0};
    struct ldr_group_settings base, group;
    struct ldr_catalog *catalog = ldr_settings_catalog(NULL);
    struct ldr_arena *arena = catalog == NULL ? NULL : ldr_arena_open();
    if (catalog != NULL && arena == NULL)
        ldr_fail_memory();
    bool done = arena != NULL && ldr_settings_group(first, strlen(first), "g", NULL, catalog, arena, &errors, &base) &&
                ldr_settings_group(second, strlen(second), "g", &base, catalog, arena, &errors, &group);
    ldr_arena_close(arena);
    ldr_catalog_close(catalog);
    return done;
}

static char file[] = "/tmp/larder-test-config-XXXXXX";

/* A file that is longer than the first buffer of whoever reads it. */
static int make_file(void **state)
{
    (void)state;
    char text[10000];
    memset(text, '#', sizeof text);
    memcpy(text + sizeof text - 17, "\nnode: {name: a}\n", 17);
    int fd = mkstemp(file);
    bool written = fd >= 0 && write(fd, text, sizeof text) == (ssize_t)sizeof text;
    return written ? close(fd) : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

static bool read_a_file(void)
{
    struct larder_config *config = larder_config_new();
    bool done = config != NULL && larder_config_read(config, file) == LARDER_OK;
    larder_config_free(config);
    return done;
}

static bool read_params(void)
{
    static const struct larder_param rows[] = {
        {.name = "in", .type = LARDER_PARAM_INT, .default_text = "25", .help = "a share"},
        {.name = "names", .type = LARDER_PARAM_STRINGS, .default_text = "[a, b]", .help = "texts"},
        {.name = NULL},
    };
    const struct larder_plugin head = {.name = "mine", .params = rows};
    struct larder_params *params = larder_params_read(&head, (const char *[]){"in=30"}, 1);
    larder_params_free(params);
    return params != NULL;
}

static FILE *sink;

static bool write_the_reference(void)
{
    struct larder_config *config = larder_config_new();
    bool done = config != NULL && build(config) && larder_config_reference(config, sink) == LARDER_OK;
    larder_config_free(config);
    return done;
}

static void the_reference_survives_every_failed_allocation(void **state)
{
    (void)state;
    sink = fopen("/dev/null", "w");
    assert_non_null(sink);
    fail_each(write_the_reference);
    fclose(sink);
}

static void a_check_survives_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(check_a_configuration);
}

static void defaults_survive_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(check_defaults);
}

static void a_group_document_survives_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(read_group_documents);
}

static void params_survive_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(read_params);
}

static void a_file_survives_every_failed_allocation(void **state)
{
    (void)state;
    fail_each(read_a_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_survives_every_failed_allocation),
        cmocka_unit_test(defaults_survive_every_failed_allocation),
        cmocka_unit_test(a_group_document_survives_every_failed_allocation),
        cmocka_unit_test(a_file_survives_every_failed_allocation),
        cmocka_unit_test(params_survive_every_failed_allocation),
        cmocka_unit_test(the_reference_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
