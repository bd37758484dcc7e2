/* The embedding API, with a node that has no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "larder/larder.h"

static struct larder_node *node;

static int open_node(void **state)
{
    (void)state;
    node = larder_node_open(NULL);
    return node == NULL;
}

static int close_node(void **state)
{
    (void)state;
    larder_node_close(node);
    return 0;
}

static struct larder_group *open_group(const char *name)
{
    struct larder_group *group = larder_group_open(node, name, &(struct larder_group_options){.max_bytes = 16 << 20});
    assert_non_null(group);
    return group;
}

static void assert_value(struct larder_group *group, const void *key, size_t key_size, const void *value, size_t size)
{
    struct larder_value *got;
    assert_int_equal(larder_get(group, key, key_size, 0, &got), LARDER_OK);
    assert_int_equal(larder_value_size(got), size);
    assert_memory_equal(larder_value_data(got), value, size);
    larder_value_release(got);
}

static void set_get_delete(void **state)
{
    (void)state;
    struct larder_group *group = open_group("basic");
    struct larder_value *value;
    assert_int_equal(larder_get(group, "k", 1, 0, &value), LARDER_NOT_FOUND);
    assert_null(value);
    assert_int_equal(larder_set(group, "k", 1, "one", 3, 0, 0), LARDER_OK);
    assert_value(group, "k", 1, "one", 3);
    assert_int_equal(larder_set(group, "k", 1, "two!", 4, 0, 0), LARDER_OK);
    assert_value(group, "k", 1, "two!", 4);
    assert_int_equal(larder_delete(group, "k", 1, 0), LARDER_OK);
    assert_int_equal(larder_delete(group, "k", 1, 0), LARDER_NOT_FOUND);
    assert_string_equal(larder_last_error(), "not found");
    larder_group_close(group);
}

static void fault_14_any_bytes_are_a_key(void **state)
{
    (void)state;
    struct larder_group *group = open_group("bytes");
    static const struct {
        const char *bytes;
        size_t size;
    } keys[] = {{"a b", 3},  {"a+b", 3},      {"a/b", 3},     {"/api/stats", 10}, {"\0", 1},
                {"a\0b", 3}, {"\xff\xfe", 2}, {"\r\n", 2},    {"../x", 4},        {"%00", 3},
                {"", 1},     {"default", 7},  {"\xc3\x28", 2}};
    size_t count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(larder_set(group, keys[i].bytes, keys[i].size, &i, sizeof i, 0, 0), LARDER_OK);
    for (size_t i = 0; i < count; i++) {
        if (i == 10)
            continue; /* the same byte as key 4 */
        size_t wanted = i == 4 ? 10 : i;
        assert_value(group, keys[i].bytes, keys[i].size, &wanted, sizeof wanted);
    }
    char *long_key = calloc(1, 65536);
    assert_int_equal(larder_set(group, long_key, 65535, "v", 1, 0, 0), LARDER_OK);
    assert_value(group, long_key, 65535, "v", 1);
    assert_int_equal(larder_set(group, long_key, 65536, "v", 1, 0, 0), LARDER_TOO_LARGE);
    assert_string_equal(larder_last_error(), "key: got 65536 bytes, wanted 1 to 65535");
    assert_int_equal(larder_set(group, long_key, 0, "v", 1, 0, 0), LARDER_INVALID);
    free(long_key);
    larder_group_close(group);
}

static void fault_16_an_empty_value_is_a_value(void **state)
{
    (void)state;
    struct larder_group *group = open_group("empty");
    assert_int_equal(larder_set(group, "k", 1, NULL, 0, 0, 0), LARDER_OK);
    assert_value(group, "k", 1, "", 0);
    larder_group_close(group);
}

static void a_value_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(node, "limit", &(struct larder_group_options){.max_value = 10});
    assert_int_equal(larder_set(group, "k", 1, "0123456789", 10, 0, 0), LARDER_OK);
    assert_int_equal(larder_set(group, "k", 1, "0123456789a", 11, 0, 0), LARDER_TOO_LARGE);
    assert_string_equal(larder_last_error(), "value of 11 bytes: group limit takes at most 10");
    assert_value(group, "k", 1, "0123456789", 10);
    larder_group_close(group);
}

static void a_held_value_stays(void **state)
{
    (void)state;
    struct larder_group *group = open_group("held");
    struct larder_value *held;
    assert_int_equal(larder_set(group, "k", 1, "old", 3, 0, 0), LARDER_OK);
    assert_int_equal(larder_get(group, "k", 1, 0, &held), LARDER_OK);
    assert_int_equal(larder_set(group, "k", 1, "new", 3, 0, 0), LARDER_OK);
    assert_int_equal(larder_group_clear(group), LARDER_OK);
    assert_int_equal(larder_group_drop(node, "held"), LARDER_OK);
    assert_memory_equal(larder_value_data(held), "old", 3);
    larder_value_release(held);
    larder_group_close(group);
}

static void wait_until_gone(struct larder_group *group, const char *key)
{
    struct larder_value *value;
    while (larder_get(group, key, strlen(key), 0, &value) == LARDER_OK) {
        larder_value_release(value);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static void entries_live_as_long_as_they_are_told(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(
        node, "ttl", &(struct larder_group_options){.max_bytes = 1 << 20, .ttl_ms = 60000});
    struct larder_value *value;
    larder_set(group, "group", 5, "v", 1, 0, 0);
    larder_set(group, "own", 3, "v", 1, 20, 0);
    larder_set(group, "ever", 4, "v", 1, -1, 0);
    assert_int_equal(larder_get(group, "group", 5, 0, &value), LARDER_OK);
    assert_in_range(larder_value_ttl_ms(value), 1, 60000);
    larder_value_release(value);
    assert_int_equal(larder_get(group, "ever", 4, 0, &value), LARDER_OK);
    assert_int_equal(larder_value_ttl_ms(value), -1);
    larder_value_release(value);
    wait_until_gone(group, "own");
    assert_int_equal(larder_touch(group, "own", 3, 1000, 0), LARDER_NOT_FOUND);
    assert_int_equal(larder_touch(group, "ever", 4, 20, 0), LARDER_OK);
    wait_until_gone(group, "ever");
    assert_int_equal(larder_set(group, "k", 1, "v", 1, -2, 0), LARDER_INVALID);
    larder_group_close(group);
}

static void expired_entries_leave_by_themselves(void **state)
{
    (void)state;
    struct larder_group *group = open_group("sweep");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(larder_set(group, &i, sizeof i, "v", 1, 10, 0), LARDER_OK);
    struct larder_statistics stats;
    do {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    } while (stats.entries != 0);
    assert_int_equal(stats.expirations, 1000);
    larder_group_close(group);
}

static void batches_answer_every_key(void **state)
{
    (void)state;
    struct larder_group *group = open_group("batch");
    struct larder_write writes[3] = {{.key = "a", .key_size = 1, .value = "1", .value_size = 1},
                                     {.key = "b", .key_size = 1, .value = "22", .value_size = 2},
                                     {.key = "", .key_size = 0, .value = "3", .value_size = 1}};
    assert_int_equal(larder_set_many(group, writes, 2, 0), LARDER_OK);
    assert_int_equal(larder_set_many(group, writes, 3, 0), LARDER_INVALID);
    assert_int_equal(writes[0].status, LARDER_OK);
    assert_int_equal(writes[2].status, LARDER_INVALID);
    struct larder_item items[3] = {
        {.key = "a", .key_size = 1}, {.key = "x", .key_size = 1}, {.key = "b", .key_size = 1}};
    assert_int_equal(larder_get_many(group, items, 3, 0), LARDER_OK);
    assert_int_equal(items[0].status, LARDER_OK);
    assert_int_equal(items[1].status, LARDER_NOT_FOUND);
    assert_null(items[1].value);
    assert_int_equal(larder_value_size(items[2].value), 2);
    larder_value_release(items[0].value);
    larder_value_release(items[2].value);
    assert_int_equal(larder_get_many(group, items, 0, 0), LARDER_OK);
    larder_group_close(group);
}

static void keep(void *arg, enum larder_status status, struct larder_value *value)
{
    assert_int_equal(status, LARDER_OK);
    *(struct larder_value **)arg = value;
}

static void async_gets_complete(void **state)
{
    (void)state;
    struct larder_group *group = open_group("async");
    struct larder_value *value = NULL;
    larder_set(group, "k", 1, "v", 1, 0, 0);
    larder_get_async(group, "k", 1, 0, keep, &value);
    assert_non_null(value); /* what is there is answered at once */
    larder_value_release(value);
    larder_group_close(group);
}

static void a_copy_needs_room(void **state)
{
    (void)state;
    struct larder_group *group = open_group("copy");
    char buffer[3];
    size_t size;
    larder_set(group, "k", 1, "1234", 4, 0, 0);
    assert_int_equal(larder_get_copy(group, "k", 1, 0, buffer, sizeof buffer, &size), LARDER_TOO_LARGE);
    assert_int_equal(size, 4);
    larder_group_close(group);
}

static void groups_change_while_running(void **state)
{
    (void)state;
    struct larder_group *group = open_group("change");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(larder_set(group, &i, sizeof i, "0123456789", 10, 0, 0), LARDER_OK);
    assert_int_equal(larder_group_set_eviction(group, "fifo"), LARDER_OK);
    assert_int_equal(larder_group_set_eviction(group, "{plugin: lru}"), LARDER_OK);
    assert_int_equal(larder_group_set_eviction(group, "lruu"), LARDER_INVALID);
    assert_non_null(strstr(larder_last_error(), "did you mean \"lru\""));
    struct larder_statistics stats;
    larder_group_stats(group, &stats);
    assert_int_equal(stats.entries, 1000);
    assert_int_equal(larder_group_set_max_bytes(group, 16384), LARDER_OK);
    larder_group_stats(group, &stats);
    assert_in_range(stats.bytes_used, 1, 16384);
    assert_int_equal(stats.bytes_limit, 16384);
    assert_int_equal(stats.evictions, 1000 - stats.entries);
    assert_int_equal(stats.entries_limit, 0);
    larder_group_close(group);
}

static void groups_hold_no_more_entries_than_they_may(void **state)
{
    (void)state;
    struct larder_statistics stats;
    const struct larder_group_options options = {.max_entries = 100, .eviction = "fifo"};
    struct larder_group *group = larder_group_open(node, "limited", &options);
    assert_non_null(group);
    for (int i = 0; i < 300; i++)
        assert_int_equal(larder_set(group, &i, sizeof i, "0123456789", (size_t)(i % 11), 0, 0), LARDER_OK);
    larder_group_stats(group, &stats);
    assert_int_equal(stats.entries, 100);
    assert_int_equal(stats.entries_limit, 100);
    assert_int_equal(larder_group_set_max_entries(group, 30), LARDER_OK);
    assert_int_equal(larder_group_set_eviction(group, "lru"), LARDER_OK); /* the limit stays */
    larder_group_stats(group, &stats);
    assert_int_equal(stats.entries, 30);
    assert_int_equal(stats.entries_limit, 30);
    for (int i = 270; i < 300; i++)
        assert_value(group, (const char *)&i, sizeof i, "0123456789", (size_t)(i % 11));
    assert_int_equal(larder_group_set_max_entries(group, 0), LARDER_OK);
    for (int i = 0; i < 300; i++)
        assert_int_equal(larder_set(group, &i, sizeof i, "0123456789", 10, 0, 0), LARDER_OK);
    larder_group_stats(group, &stats);
    assert_int_equal(stats.entries, 300);
    larder_group_close(group);
}

static void groups_are_found_made_and_refused(void **state)
{
    (void)state;
    struct larder_group *group = open_group("one");
    assert_null(larder_group_open(node, "one", &(struct larder_group_options){.max_bytes = 1 << 20}));
    assert_int_equal(larder_last_status(), LARDER_EXISTS);
    struct larder_group *same = larder_group_open(node, "one", NULL);
    larder_set(group, "k", 1, "v", 1, 0, 0);
    assert_value(same, "k", 1, "v", 1);
    assert_null(larder_group_open(node, "none", NULL));
    assert_int_equal(larder_last_status(), LARDER_NO_GROUP);
    assert_null(larder_group_open(node, "a b", &(struct larder_group_options){0}));
    assert_null(larder_group_open(node, "small", &(struct larder_group_options){.max_bytes = 100}));
    assert_int_equal(larder_last_status(), LARDER_INVALID);
    larder_group_close(same);
    larder_group_close(group);
}

static void fault_27_statistics_disturb_nothing(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(node, "order",
                                                   &(struct larder_group_options){.max_bytes = 64 << 10});
    char value[1000] = {0};
    struct larder_statistics stats = {0};
    struct larder_value *got;
    const int first = 0, second = 1;
    larder_set(group, &first, sizeof first, value, sizeof value, 0, 0);
    /* The first key is used all the time: touching all in whatever order would make another one than the second go. */
    for (int i = 1; stats.evictions == 0; i++) {
        larder_set(group, &i, sizeof i, value, sizeof value, 0, 0);
        assert_int_equal(larder_get(group, &first, sizeof first, 0, &got), LARDER_OK);
        larder_value_release(got);
        larder_group_stats(group, &stats);
        larder_group_stats(group, &stats);
    }
    assert_int_equal(larder_get(group, &second, sizeof second, 0, &got), LARDER_NOT_FOUND);
    assert_int_equal(larder_get(group, &first, sizeof first, 0, &got), LARDER_OK);
    larder_value_release(got);
    larder_group_close(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_get_delete),
        cmocka_unit_test(fault_14_any_bytes_are_a_key),
        cmocka_unit_test(fault_16_an_empty_value_is_a_value),
        cmocka_unit_test(a_value_over_the_limit_is_refused),
        cmocka_unit_test(a_held_value_stays),
        cmocka_unit_test(entries_live_as_long_as_they_are_told),
        cmocka_unit_test(expired_entries_leave_by_themselves),
        cmocka_unit_test(batches_answer_every_key),
        cmocka_unit_test(async_gets_complete),
        cmocka_unit_test(a_copy_needs_room),
        cmocka_unit_test(groups_change_while_running),
        cmocka_unit_test(groups_hold_no_more_entries_than_they_may),
        cmocka_unit_test(groups_are_found_made_and_refused),
        cmocka_unit_test(fault_27_statistics_disturb_nothing),
    };
    return cmocka_run_group_tests(tests, open_node, close_node);
}
