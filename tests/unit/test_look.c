/* Gets that the store answers at once: the same answers, messages and counts as those that go the whole way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void set(struct larder_group *group, const char *key, const char *value)
{
    assert_int_equal(larder_set(group, key, strlen(key), value, strlen(value), 0, 0), LARDER_OK);
}

/* What larder_get_copy() brings; static. */
static const char *copy(struct larder_group *group, const char *key)
{
    static char buffer[64];
    size_t size;
    if (larder_get_copy(group, key, strlen(key), 0, buffer, sizeof buffer - 1, &size) != LARDER_OK)
        return larder_last_error();
    buffer[size] = '\0';
    return buffer;
}

static struct larder_statistics stats_of(struct larder_group *group)
{
    struct larder_statistics stats;
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    return stats;
}

static void assert_counts(struct larder_group *group, uint64_t hits, uint64_t misses, uint64_t negative_hits)
{
    struct larder_statistics stats = stats_of(group);
    assert_int_equal(stats.gets, hits + misses + negative_hits);
    assert_int_equal(stats.hits, hits);
    assert_int_equal(stats.misses, misses);
    assert_int_equal(stats.negative_hits, negative_hits);
}

static atomic_uint loads;

/* Keys that begin with "no" are unknown. */
static enum larder_status load(void *arg, const void *key, size_t key_size, uint64_t timeout_ms,
                               struct larder_loaded *loaded)
{
    (void)arg;
    (void)timeout_ms;
    atomic_fetch_add(&loads, 1);
    if (key_size >= 2 && memcmp(key, "no", 2) == 0)
        return LARDER_NOT_FOUND;
    return larder_loaded_set(loaded, key, key_size, 0);
}

static void gets_of_a_group_without_a_loader_are_counted(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(node, "plain", &(struct larder_group_options){.max_bytes = 1 << 20});
    struct larder_value *value;
    set(group, "a", "one");
    assert_string_equal(copy(group, "a"), "one");
    assert_string_equal(copy(group, "b"), "not found");
    assert_int_equal(larder_get(group, "a", 1, 0, &value), LARDER_OK);
    assert_int_equal(larder_value_ttl_ms(value), -1);
    larder_value_release(value);
    assert_int_equal(larder_get(group, "b", 1, 0, &value), LARDER_NOT_FOUND);
    assert_null(value);
    assert_counts(group, 2, 2, 0);
    larder_group_close(group);
}

static void gets_of_a_group_with_a_loader_are_counted(void **state)
{
    (void)state;
    atomic_store(&loads, 0);
    struct larder_group *group = larder_group_open(
        node, "loads", &(struct larder_group_options){.ttl_ms = 60000, .negative_ttl_ms = 60000, .load = load});
    for (int i = 0; i < 3; i++) {
        assert_string_equal(copy(group, "yes"), "yes");
        assert_string_equal(copy(group, "no"), "not found");
    }
    assert_int_equal(atomic_load(&loads), 2);
    assert_counts(group, 2, 2, 2);
    struct larder_value *value;
    assert_int_equal(larder_get(group, "yes", 3, 0, &value), LARDER_OK);
    assert_in_range(larder_value_ttl_ms(value), 1, 60000);
    larder_value_release(value);
    assert_int_equal(larder_get(group, "no", 2, 0, &value), LARDER_NOT_FOUND);
    assert_counts(group, 3, 2, 3);
    larder_group_close(group);
}

static void a_batch_is_looked_for_and_the_rest_loaded(void **state)
{
    (void)state;
    enum { ITEMS = 100 };
    atomic_store(&loads, 0);
    struct larder_group *group = larder_group_open(
        node, "batch", &(struct larder_group_options){.negative_ttl_ms = 60000, .load = load});
    static char keys[ITEMS][8];
    struct larder_item items[ITEMS];
    /* Half is unknown; every fifth is there before the first round, all are before the second. */
    for (unsigned i = 0; i < ITEMS; i++) {
        snprintf(keys[i], sizeof keys[i], "%s%u", i % 2 ? "no" : "yes", i);
        items[i] = (struct larder_item){.key = keys[i], .key_size = strlen(keys[i])};
        if (i % 5 == 0)
            copy(group, keys[i]);
    }
    assert_counts(group, 0, ITEMS / 5, 0);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(larder_get_many(group, items, ITEMS, 0), LARDER_OK);
        for (unsigned i = 0; i < ITEMS; i++) {
            assert_int_equal(items[i].status, i % 2 ? LARDER_NOT_FOUND : LARDER_OK);
            assert_int_equal(items[i].value == NULL, i % 2);
            if (i % 2 == 0)
                assert_memory_equal(larder_value_data(items[i].value), keys[i], strlen(keys[i]));
            larder_value_release(items[i].value);
        }
        assert_int_equal(atomic_load(&loads), ITEMS);
        assert_counts(group, ITEMS / 10 + round * ITEMS / 2, ITEMS, ITEMS / 10 + round * ITEMS / 2);
    }
    larder_group_close(group);
}

static void a_bad_key_in_a_batch_is_told(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(node, "bad", &(struct larder_group_options){.max_bytes = 1 << 20});
    char *large = calloc(1, 65536);
    set(group, "a", "one");
    struct larder_item items[] = {{.key = "a", .key_size = 1},
                                  {.key = "b", .key_size = 1},
                                  {.key = large, .key_size = 65536},
                                  {.key = "", .key_size = 0}};
    assert_int_equal(larder_get_many(group, items, 4, 0), LARDER_TOO_LARGE);
    assert_string_equal(larder_last_error(), "key: got 65536 bytes, wanted 1 to 65535");
    assert_int_equal(items[0].status, LARDER_OK);
    assert_int_equal(items[1].status, LARDER_NOT_FOUND);
    assert_int_equal(items[2].status, LARDER_TOO_LARGE);
    assert_int_equal(items[3].status, LARDER_INVALID);
    larder_value_release(items[0].value);
    assert_string_equal(copy(group, ""), "key: got 0 bytes, wanted 1 to 65535");
    free(large);
    larder_group_close(group);
}

static void an_empty_value_needs_no_buffer(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(node, "empty", &(struct larder_group_options){.max_bytes = 1 << 20});
    size_t size = 1;
    set(group, "a", "");
    assert_int_equal(larder_get_copy(group, "a", 1, 0, NULL, 0, &size), LARDER_OK);
    assert_int_equal(size, 0);
    set(group, "a", "one");
    assert_int_equal(larder_get_copy(group, "a", 1, 0, NULL, 0, &size), LARDER_TOO_LARGE);
    assert_int_equal(size, 3);
    assert_string_equal(larder_last_error(), "the value has 3 bytes, the buffer 0");
    larder_group_close(group);
}

/* Groups come and go before and behind one in the order of names; its handle finds it all the same, and the one made anew. */
static void a_handle_finds_its_group_wherever_it_stands(void **state)
{
    (void)state;
    const struct larder_group_options options = {.max_bytes = 1 << 20};
    struct larder_group *group = larder_group_open(node, "m", &options), *others[4];
    static const char *const names[] = {"a", "z", "l", "n"};
    char reason[32];
    set(group, "k", "m");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            others[i] = larder_group_open(node, names[i], &options);
            set(others[i], "k", names[i]);
            assert_string_equal(copy(group, "k"), "m");
        }
        for (int i = 0; i < 4; i++) {
            assert_string_equal(copy(others[i], "k"), names[i]);
            assert_int_equal(larder_group_drop(node, names[i]), LARDER_OK);
            assert_string_equal(copy(group, "k"), "m");
            snprintf(reason, sizeof reason, "no group %s", names[i]);
            assert_string_equal(copy(others[i], "k"), reason);
            larder_group_close(others[i]);
        }
        assert_int_equal(larder_group_drop(node, "m"), LARDER_OK);
        assert_string_equal(copy(group, "k"), "no group m");
        larder_group_close(larder_group_open(node, "m", &options));
        assert_string_equal(copy(group, "k"), "not found");
        set(group, "k", "m");
    }
    larder_group_close(group);
}

/* A sample is told for all, but never more than there were. */
static void latencies_stand_for_all_gets(void **state)
{
    (void)state;
    struct larder_group *group = larder_group_open(node, "time", &(struct larder_group_options){.max_bytes = 1 << 20});
    set(group, "a", "one");
    for (unsigned gets = 1; gets <= 1000; gets++) {
        copy(group, "a");
        assert_int_equal(stats_of(group).get.count, gets - gets % 64);
    }
    assert_true(stats_of(group).get.p50_ns > 0);
    struct larder_item items[24];
    for (int i = 0; i < 24; i++)
        items[i] = (struct larder_item){.key = i % 2 ? "a" : "b", .key_size = 1};
    for (unsigned gets = 1024; gets <= 5000; gets += 24) {
        assert_int_equal(larder_get_many(group, items, 24, 0), LARDER_OK);
        for (int i = 0; i < 24; i++)
            larder_value_release(items[i].value);
        assert_int_equal(stats_of(group).get.count, gets - gets % 64);
    }
    larder_group_close(group);
}

/* ------------------------------------------------------------------------------------------------ threads */

enum { THREADS = 4, ROUNDS = 20000 };

static struct larder_group *shared;
static atomic_uint answered;

static void *get_and_count(void *arg)
{
    char buffer[8];
    size_t size;
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        enum larder_status status = larder_get_copy(shared, i % 4 ? "a" : "b", 1, 0, buffer, sizeof buffer, &size);
        if (status == (i % 4 ? LARDER_OK : LARDER_NOT_FOUND) && (i % 4 == 0 || memcmp(buffer, "one", 3) == 0))
            atomic_fetch_add(&answered, 1);
    }
    return NULL;
}

static void counts_of_many_threads_are_exact(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    shared = larder_group_open(node, "shared", &(struct larder_group_options){.max_bytes = 1 << 20});
    set(shared, "a", "one");
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_and_count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&answered), THREADS * ROUNDS);
    assert_counts(shared, THREADS * ROUNDS / 4 * 3, THREADS * ROUNDS / 4, 0);
    larder_group_close(shared);
}

static atomic_bool stop;

/* Every answer is one that the group gave at some time: the value, nothing, or that it is not there. */
static void *get_what_comes_and_goes(void *arg)
{
    while (!atomic_load(&stop)) {
        struct larder_value *value;
        enum larder_status status = larder_get(shared, "a", 1, 0, &value);
        if (status == LARDER_OK && memcmp(larder_value_data(value), "one", 3) != 0)
            return arg;
        larder_value_release(value);
        if (status != LARDER_OK && status != LARDER_NOT_FOUND && status != LARDER_NO_GROUP)
            return arg;
    }
    return NULL;
}

static void groups_are_dropped_under_their_readers(void **state)
{
    (void)state;
    const struct larder_group_options options = {.max_bytes = 1 << 20};
    pthread_t threads[2];
    atomic_store(&stop, false);
    shared = larder_group_open(node, "gone", &options);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_what_comes_and_goes, shared), 0);
    for (int i = 0; i < 200; i++) {
        larder_set(shared, "a", 1, "one", 3, 0, 0);
        larder_group_close(i % 3 == 0 ? larder_group_open(node, "earlier", &options) : NULL);
        assert_int_equal(larder_group_drop(node, "gone"), LARDER_OK);
        if (i % 3 == 0)
            assert_int_equal(larder_group_drop(node, "earlier"), LARDER_OK);
        larder_group_close(larder_group_open(node, "gone", &options));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    larder_group_close(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_of_a_group_without_a_loader_are_counted),
        cmocka_unit_test(gets_of_a_group_with_a_loader_are_counted),
        cmocka_unit_test(a_batch_is_looked_for_and_the_rest_loaded),
        cmocka_unit_test(a_bad_key_in_a_batch_is_told),
        cmocka_unit_test(an_empty_value_needs_no_buffer),
        cmocka_unit_test(a_handle_finds_its_group_wherever_it_stands),
        cmocka_unit_test(latencies_stand_for_all_gets),
        cmocka_unit_test(counts_of_many_threads_are_exact),
        cmocka_unit_test(groups_are_dropped_under_their_readers),
    };
    return cmocka_run_group_tests(tests, open_node, close_node);
}
