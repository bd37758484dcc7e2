/* Whichever allocation fails, the catalog and the static discovery say so, leak nothing and go on afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/plugin/catalog.h"
#include "tests/unit/catalog_kit.h"
#include "tests/unit/failing.h"

/* ------------------------------------------------------------------------------------------------ allocations */

FAILING(void *, malloc, (size_t size), size)
FAILING(void *, calloc, (size_t count, size_t size), count, size)
FAILING(void *, realloc, (void *old, size_t size), old, size)
FAILING(void *, reallocarray, (void *old, size_t count, size_t size), old, count, size)
FAILING(char *, strdup, (const char *text), text)
FAILING(char *, strndup, (const char *text, size_t length), text, length)
FAILING(char *, realpath, (const char *path, char *resolved), path, resolved)
FAILING(FILE *, open_memstream, (char **text, size_t *size), text, size)

int __wrap_asprintf(char **text, const char *format, ...) LARDER_PRINTF(2, 3);
int __wrap_asprintf(char **text, const char *format, ...)
{
    if (failing())
        return -1;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}

typedef int filter_fn(const struct dirent *entry);
typedef int order_fn(const struct dirent **a, const struct dirent **b);
int __real_scandir(const char *path, struct dirent ***entries, filter_fn *filter, order_fn *order);
int __wrap_scandir(const char *path, struct dirent ***entries, filter_fn *filter, order_fn *order);
int __wrap_scandir(const char *path, struct dirent ***entries, filter_fn *filter, order_fn *order)
{
    return failing() ? -1 : __real_scandir(path, entries, filter, order);
}

/* Runs `scenario` with the first allocation failing, then the second, and so on until none does. */
static void fail_each(enum larder_status (*scenario)(void), enum larder_status outcome, bool lasting)
{
    bool met = true;
    for (size_t n = 0; met; n++) {
        ldr_fail(LARDER_OK, "nothing");
        fail_from(n, lasting);
        enum larder_status status = scenario();
        met = stop_failing();
        assert_int_equal(status, met ? LARDER_NO_MEMORY : outcome);
        if (met)
            assert_string_equal(larder_last_error(), "out of memory");
        else
            assert_true(n > 5); /* the allocations do go through here */
    }
}

/* Each allocation fails once, and then each and all that follow. */
static void with_each_allocation_failing(enum larder_status (*scenario)(void), enum larder_status outcome)
{
    fail_each(scenario, outcome, false);
    fail_each(scenario, outcome, true);
}

/* ------------------------------------------------------------------------------------------------ scenarios */

static uint64_t digest(const void *data, size_t length, uint64_t seed)
{
    (void)data;
    return length + seed;
}

static struct ldr_catalog *open_catalog(void)
{
    static const struct larder_hash mine = {
        .head = {LARDER_PLUGIN_HASH, LARDER_HASH_ABI, sizeof mine, "mine", "mine", NULL}, .digest = digest};
    static const struct larder_plugin *const tables[] = {&mine.head};
    static const char *const paths[] = {TEST_MODULES, TEST_MODULES "/eviction"};
    return ldr_catalog_open(&(struct ldr_catalog_options){paths, 2, tables, 1});
}

static enum larder_status find_one(void)
{
    struct ldr_catalog *catalog = open_catalog();
    bool found = catalog != NULL && find_eviction(catalog, "good") != NULL;
    ldr_catalog_close(catalog);
    return found ? LARDER_OK : larder_last_status();
}

static enum larder_status find_none(void)
{
    struct ldr_catalog *catalog = open_catalog();
    bool found = catalog != NULL && find_eviction(catalog, "god") != NULL;
    ldr_catalog_close(catalog);
    return found ? LARDER_OK : larder_last_status();
}

static void ignore(void *arg, const struct larder_plugin_info *info)
{
    (void)arg, (void)info;
}

static enum larder_status list_all(void)
{
    struct ldr_catalog *catalog = open_catalog();
    enum larder_status status = catalog != NULL ? ldr_catalog_each(catalog, ignore, NULL) : larder_last_status();
    ldr_catalog_close(catalog);
    return status;
}

static enum larder_status find_file(void)
{
    struct larder_plugin_info info;
    struct larder_plugin_file *file = larder_plugin_find(NULL, LARDER_PLUGIN_HASH, "crc32", &info);
    larder_plugin_file_close(file);
    return file != NULL ? LARDER_OK : larder_last_status();
}

/* A default is checked with memory of its own. */
static enum larder_status refuse_one(void)
{
    struct larder_plugin_info info;
    struct larder_plugin_file *file = larder_plugin_file_open(TEST_MODULES "/eviction/bad_default.so", &info);
    assert_null(file);
    return larder_last_status();
}

static void finding_a_module_meets_no_memory(void **state)
{
    (void)state;
    with_each_allocation_failing(find_one, LARDER_OK);
}

static void finding_the_file_of_a_module_meets_no_memory(void **state)
{
    (void)state;
    with_each_allocation_failing(find_file, LARDER_OK);
}

static void missing_a_module_meets_no_memory(void **state)
{
    (void)state;
    with_each_allocation_failing(find_none, LARDER_INVALID);
}

static void listing_meets_no_memory(void **state)
{
    (void)state;
    with_each_allocation_failing(list_all, LARDER_OK);
}

static void refusing_a_module_meets_no_memory(void **state)
{
    (void)state;
    with_each_allocation_failing(refuse_one, LARDER_INVALID);
}

/* ------------------------------------------------------------------------------------------------ discovery */

extern const struct larder_discovery larder_plugin_table__discovery_static;

static enum larder_status on_fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    char text[256];
    va_list arguments;
    (void)host;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ldr_fail(status, "%s", text);
}

static enum larder_status open_discovery(const char *self_name)
{
    const struct larder_discovery *module = &larder_plugin_table__discovery_static;
    const struct larder_member self = {.name = self_name, .weight = 1};
    const struct larder_discovery_host host = {.base = {.fail = on_fail}, .self = &self};
    const struct larder_param_value address = {.name = "http", .string = "127.0.0.1:1"};
    const struct larder_param_value fields[2][4] = {
        {{.string = "a"}, {.integer = 1}, {.string = "zone"}, {.count = 1, .items = &address}},
        {{.string = "b"}, {.integer = 1}, {.string = NULL}, {.count = 0}},
    };
    const struct larder_param_value members[] = {{.count = 4, .items = fields[0]}, {.count = 4, .items = fields[1]}};
    const struct larder_param_value params[] = {{.count = 2, .items = members}};
    void *discovery = module->open(&host, params);
    module->close(discovery);
    return discovery != NULL ? LARDER_OK : larder_last_status();
}

static enum larder_status open_member(void)
{
    return open_discovery("b");
}

static enum larder_status open_stranger(void)
{
    return open_discovery("x");
}

static void the_static_discovery_meets_no_memory(void **state)
{
    (void)state;
    with_each_allocation_failing(open_member, LARDER_OK);
    with_each_allocation_failing(open_stranger, LARDER_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding_a_module_meets_no_memory),
        cmocka_unit_test(finding_the_file_of_a_module_meets_no_memory),
        cmocka_unit_test(missing_a_module_meets_no_memory),
        cmocka_unit_test(listing_meets_no_memory),
        cmocka_unit_test(refusing_a_module_meets_no_memory),
        cmocka_unit_test(the_static_discovery_meets_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
