/* Modules that were built with the first published headers, which stand in the folder 1, in the host of today. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "larder/larder.h"
#include "layout.h"
#include "tests/unit/catalog_kit.h"

static void everything_stands_where_modules_expect_it(void **unused)
{
    (void)unused;
    unsigned moved = 0;
    for (size_t i = 0; layout_kept[i].name != NULL; i++) {
        const struct layout_row *kept = &layout_kept[i], *today = &layout_today[i];
        assert_string_equal(kept->name, today->name);
        assert_true(kept->typed);
        if (kept->value == today->value && kept->size == today->size && today->typed)
            continue;
        print_error("%s: got %" PRIu64 " and %" PRIu64 " bytes%s, wanted %" PRIu64 " and %" PRIu64 " bytes\n",
                    kept->name, today->value, today->size, today->typed ? "" : " of another type", kept->value,
                    kept->size);
        moved++;
    }
    assert_int_equal(moved, 0);
}

/* ------------------------------------------------------------------------------------------------ policies */

/* As in 1/policy.c. */
enum { OPEN, CLOSE, EVICT, INSERT, REMOVE, HIT, PREPARE, UPDATE, EXTRA_BYTES, GHOSTS, CALLS };

/* The counters of a module that is opened already. */
static const uint64_t *calls_of(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, TEST_MODULES "/eviction/%s.so", name);
    void *handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(handle);
    const uint64_t *calls = dlsym(handle, "kept_calls");
    assert_non_null(calls);
    dlclose(handle); /* it stays mapped */
    return calls;
}

static struct larder_node *node;

static int open_node(void **unused)
{
    (void)unused;
    struct larder_config *config = larder_config_new();
    if (config == NULL || larder_config_add_plugin_path(config, TEST_MODULES) != LARDER_OK)
        return -1;
    node = larder_node_open(config);
    larder_config_free(config);
    return node != NULL ? 0 : -1;
}

static int close_node(void **unused)
{
    (void)unused;
    larder_node_close(node);
    return 0;
}

static void put(struct larder_group *group, unsigned number, size_t size)
{
    char key[16], value[256];
    memset(value, 'v', sizeof value);
    snprintf(key, sizeof key, "%06u", number);
    assert_in_range(size, 1, sizeof value);
    assert_int_equal(larder_set(group, key, strlen(key), value, size, 0, 0), LARDER_OK);
}

static bool has(struct larder_group *group, unsigned number)
{
    char key[16], value[256];
    size_t size;
    snprintf(key, sizeof key, "%06u", number);
    enum larder_status status = larder_get_copy(group, key, strlen(key), 0, value, sizeof value, &size);
    assert_true(status == LARDER_OK || status == LARDER_NOT_FOUND);
    return status == LARDER_OK;
}

static struct larder_statistics stats_of(struct larder_group *group)
{
    struct larder_statistics stats;
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    assert_int_equal(stats.policy_faults, 0);
    assert_in_range(stats.bytes_used, 1, stats.bytes_limit);
    return stats;
}

/* Newcomers in numbers that push everything out which is not used, beside ten keys that are used all the time. */
static void press(struct larder_group *group, bool ten_stay)
{
    for (unsigned i = 0; i < 10; i++)
        put(group, i, 100);
    for (unsigned i = 100; i < 5000; i++) {
        put(group, i, 1 + i % 200);
        for (unsigned used = 0; used < 10; used++)
            assert_true(has(group, used) || !ten_stay);
    }
    assert_int_equal(has(group, 0), ten_stay);
    assert_false(has(group, 100));
    assert_true(has(group, 4999));
}

/* A drop for a while back leaves a ghost: the newest are asked for again, and rewritten with other sizes, and deleted. */
static void come_and_go(struct larder_group *group)
{
    uint64_t entries = stats_of(group).entries;
    put(group, 4999, 256);
    put(group, 4998, 1);
    assert_int_equal(larder_delete(group, "004997", 6, 0), LARDER_OK);
    assert_in_range(stats_of(group).entries, 1, entries - 1);
    for (unsigned i = 4999; i > 4000; i--)
        if (!has(group, i))
            put(group, i, 100);
    if (larder_group_set_max_bytes(group, 32 << 10) != LARDER_OK)
        fail_msg("%s", larder_last_error());
    assert_in_range(stats_of(group).entries, 1, entries - 1);
}

static const char *const all_given =
    "flag: false, count: 2, share: 0.5, room: 1MiB, pause: 1m, mode: fancy, tags: [one, two], "
    "limits: {low: 2, high: 20}, rules: [{high: 30}, {low: 4, high: 40}], names: {tom: '630'}";

static void a_policy_still_works(const char *name, bool keeps_what_is_used, bool is_called)
{
    char given[512];
    const struct larder_group_options options = {.max_bytes = 64 << 10, .eviction = name, .exact_hits = 1};
    struct larder_group *group = larder_group_open(node, name, &options);
    if (group == NULL)
        fail_msg("%s", larder_last_error());
    press(group, keeps_what_is_used);
    assert_in_range(stats_of(group).evictions, 4000, 5000);
    come_and_go(group);
    uint64_t entries = stats_of(group).entries;
    snprintf(given, sizeof given, "{plugin: %s, %s}", name, all_given);
    if (larder_group_set_eviction(group, given) != LARDER_OK)
        fail_msg("%s", larder_last_error());
    assert_int_equal(stats_of(group).entries, entries);
    assert_int_equal(larder_group_set_eviction(group, "fifo"), LARDER_OK);
    assert_int_equal(stats_of(group).entries, entries);
    larder_group_close(group);
    assert_int_equal(larder_group_drop(node, name), LARDER_OK);

    const uint64_t *calls = calls_of(name);
    for (unsigned i = 0; i < CALLS; i++)
        if (i == HIT ? (calls[i] > 0) != is_called : calls[i] == 0)
            fail_msg("%s: member %u of the callbacks was called %" PRIu64 " times", name, i, calls[i]);
}

static void a_policy_that_has_hits_counted(void **unused)
{
    (void)unused;
    a_policy_still_works("kept_counted", true, false);
}

static void a_policy_that_is_called_for_hits(void **unused)
{
    (void)unused;
    a_policy_still_works("kept_called", true, true);
}

static void a_policy_that_does_not_care_for_hits(void **unused)
{
    (void)unused;
    a_policy_still_works("kept_deaf", false, false);
}

/* ------------------------------------------------------------------------------------------------ hashes */

static void a_hash_still_works(void **unused)
{
    (void)unused;
    struct ldr_catalog *catalog = ldr_catalog_open(
        &(struct ldr_catalog_options){.paths = &(const char *){TEST_MODULES}, .path_count = 1});
    const struct larder_hash *hash = find_hash(catalog, "kept_hash");
    if (hash == NULL)
        fail_msg("%s", larder_last_error());
    assert_int_equal(hash->digest("a", 1, 0), hash->digest("ab", 1, 0));
    assert_int_not_equal(hash->digest("a", 1, 0), hash->digest("a", 1, 1));
    assert_int_equal(hash->digest("\0\0\0\0\0\0\0\0", 8, 0), UINT64_C(0x88201fb960ff6465));
    ldr_catalog_close(catalog);
}

int main(void)
{
    const struct CMUnitTest layout[] = {cmocka_unit_test(everything_stands_where_modules_expect_it)};
    const struct CMUnitTest modules[] = {
        cmocka_unit_test(a_policy_that_has_hits_counted),
        cmocka_unit_test(a_policy_that_is_called_for_hits),
        cmocka_unit_test(a_policy_that_does_not_care_for_hits),
        cmocka_unit_test(a_hash_still_works),
    };
    /* A host that calls other members than it means to may do anything: then it is not even tried. */
    int failed = cmocka_run_group_tests(layout, NULL, NULL);
    return failed != 0 ? failed : cmocka_run_group_tests(modules, open_node, close_node);
}
