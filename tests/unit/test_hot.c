/* How gets become counts of hot keys: samples stand for what was not looked at, whatever the load, the threads and the order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/group/holders.h"
#include "core/group/hot.h"
#include "larder/larder.h"

#include "failing.h"

FAILING(void *, malloc, (size_t size), size)
FAILING(void *, calloc, (size_t count, size_t size), count, size)
FAILING(void *, aligned_alloc, (size_t alignment, size_t size), alignment, size)

/* A clock that the test moves. */
static _Atomic uint64_t clock_ns;

static uint64_t now(const struct larder_runtime *runtime)
{
    (void)runtime;
    return clock_ns;
}

static uint64_t seed(const struct larder_runtime *runtime)
{
    (void)runtime;
    return 7;
}

static const struct larder_runtime runtime = {.now = now, .random = seed};

static struct ldr_hot *hot;
static struct ldr_lanes *lanes;

static int set_up(void **state)
{
    (void)state;
    clock_ns = 1000000000;
    hot = ldr_hot_open(&runtime, 64);
    lanes = ldr_lanes_open();
    return hot == NULL || lanes == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    ldr_hot_close(hot);
    ldr_lanes_close(lanes);
    return 0;
}

enum { GETS, NEXT };

/* A get of the calling thread; true: it was looked at. */
static bool get(const char *name)
{
    struct ldr_lane *lane = ldr_lanes_mine(lanes);
    ldr_lane_add(lane, GETS, 1);
    uint64_t gets = ldr_lane_read(lane, GETS), next = ldr_lane_read(lane, NEXT);
    if (!ldr_hot_due(gets, next))
        return false;
    struct ldr_hot_key key = ldr_hot_key(1, ldr_hot_name_hash(ldr_slice_text("g")), ldr_slice_text(name));
    ldr_lane_set(lane, NEXT, ldr_hot_sample(hot, &key, 1, gets, next));
    return true;
}

/* Gets a second, as far as is known; all were within the last one. */
static double rate_of(const char *name)
{
    struct ldr_hot_item items[64];
    size_t count = ldr_hot_read(hot, 0, items, 64);
    for (size_t i = 0; i < count; i++)
        if (ldr_slice_equal(ldr_slice(items[i].key, items[i].kept), ldr_slice_text(name)))
            return items[i].rate;
    return 0;
}

static void few_gets_are_all_looked_at(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++, clock_ns += 1000000)
        assert_true(get(i % 5 == 0 ? "seldom" : "often"));
    assert_true(fabs(rate_of("often") - 400) < 60); /* a little has decayed */
    assert_true(fabs(rate_of("seldom") - 100) < 15);
    assert_int_equal(ldr_hot_known(hot), 2);
}

static void many_gets_are_looked_at_now_and_then(void **state)
{
    (void)state;
    const unsigned gets = 1000000;
    unsigned looks = 0;
    for (unsigned i = 0; i < gets; i++) {
        clock_ns += i % 5 == 0; /* five a ns */
        looks += get("busy");
    }
    assert_in_range(looks, gets / LDR_HOT_GAP * 9 / 10, gets / LDR_HOT_GAP * 3 / 2);
    assert_true(fabs(rate_of("busy") - gets) < 0.05 * gets);
}

static void the_gap_follows_the_load_down_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100000; i++)
        get("busy");
    unsigned looks = 0, gets = 0;
    for (; looks < 3; gets++, clock_ns += 10000000)
        looks += get("calm");
    assert_true(gets < 4 * LDR_HOT_GAP);
    for (unsigned i = 0; i < 20; i++, clock_ns += 10000000)
        assert_true(get("calm"));
}

/* A thread that asks for two keys in turn: a gap that is always even would see but one of them. */
static void keys_in_turn_are_all_seen(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    const unsigned gets = 400000;
    for (unsigned i = 0; i < gets; i++)
        get(names[i % 8]);
    for (unsigned i = 0; i < 8; i++)
        assert_true(fabs(rate_of(names[i]) - gets / 8.0) < 0.25 * gets / 8.0);
}

static void *get_in_a_crowd(void *arg)
{
    ldr_epoch_enter(LDR_EPOCH_NODE); /* for a lane */
    for (unsigned i = 0; i < 200000; i++)
        get(i % 2 != 0 ? "shared" : arg);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return NULL;
}

static void threads_count_together(void **state)
{
    (void)state;
    static char names[4][8];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(names[i], sizeof names[i], "own %u", i);
        assert_int_equal(pthread_create(&threads[i], NULL, get_in_a_crowd, names[i]), 0);
    }
    for (unsigned i = 0; i < 100; i++)
        ldr_hot_settle(hot);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    /* Samples that find a lock taken are lost: as many as come while its holder is off the processor. None is made up. */
    assert_true(rate_of("shared") > 0 && rate_of("shared") < 1.3 * 400000);
    for (unsigned i = 0; i < 4; i++)
        assert_true(rate_of(names[i]) < 1.5 * 100000);
    ldr_hot_settle(hot);
    for (unsigned i = 0; i < 1000; i++) /* all is as before */
        get("after");
    assert_true(rate_of("after") > 0);
}

static void gets_of_others_are_left_out(void **state)
{
    (void)state;
    struct ldr_lane *lane = ldr_lanes_mine(lanes);
    for (unsigned i = 0; i < 1000; i++) {
        ldr_lane_add(lane, GETS, 1);
        uint64_t gets = ldr_lane_read(lane, GETS), next = ldr_lane_read(lane, NEXT);
        if (ldr_hot_due(gets, next))
            ldr_lane_set(lane, NEXT, ldr_hot_sample(hot, NULL, 1, gets, next));
    }
    assert_int_equal(ldr_hot_known(hot), 0);
    assert_false(ldr_hot_due(UINT64_MAX >> (LDR_HOT_SCALE_BITS + 1), LDR_HOT_NEVER));
}

static void a_batch_stands_for_all_its_gets(void **state)
{
    (void)state;
    struct ldr_lane *lane = ldr_lanes_mine(lanes);
    const struct ldr_hot_key key = ldr_hot_key(1, 2, ldr_slice_text("batched"));
    for (unsigned i = 0; i < 100; i++, clock_ns += 1000000) {
        ldr_lane_add(lane, GETS, 32);
        uint64_t gets = ldr_lane_read(lane, GETS), next = ldr_lane_read(lane, NEXT);
        assert_true(ldr_hot_due(gets, next));
        ldr_lane_set(lane, NEXT, ldr_hot_sample(hot, &key, 32, gets, next));
    }
    assert_true(fabs(rate_of("batched") - 3200) < 100);
}

static void a_get_that_is_counted_is_known_at_once(void **state)
{
    (void)state;
    const struct ldr_hot_key key = ldr_hot_key(1, 2, ldr_slice_text("far"));
    for (unsigned i = 1; i <= 10; i++)
        assert_true(fabs(ldr_hot_count(hot, &key, clock_ns) - i) < 1e-9);
}

/* ------------------------------------------------------------------------------------------------ memory */

/* Fault 18: a map of hot keys without a bound. */
static void fault_18_no_key_takes_any_memory(void **state)
{
    (void)state;
    static char bytes[65535];
    size_t before = ldr_hot_bytes(hot);
    assert_true(before < (64 << 10) + ((64 + 16) << 9) + 8192); /* the buffers, and half a KiB a key */
    fail_from(0, true);                                         /* whoever asks for memory is told that there is none */
    for (uint64_t i = 0; i < 300000; i++, clock_ns += 1000) {
        size_t size = 1 + i % (i % 64 == 0 ? sizeof bytes : 200);
        memcpy(bytes, &i, size < sizeof i ? size : sizeof i);
        struct ldr_hot_key key = ldr_hot_key(1, i, ldr_slice(bytes, size));
        ldr_hot_count(hot, &key, clock_ns);
        ldr_hot_sample(hot, &key, 1, i, 0);
    }
    assert_int_equal(ldr_hot_known(hot) <= 80, 1);
    assert_false(stop_failing()); /* nobody has */
    assert_int_equal(ldr_hot_bytes(hot), before);
}

static void it_opens_whole_or_not_at_all(void **state)
{
    (void)state;
    for (size_t i = 0;; i++) {
        fail_from(i, false);
        struct ldr_hot *opened = ldr_hot_open(&runtime, 64);
        if (!stop_failing()) {
            assert_non_null(opened);
            assert_int_equal(i, 3);
            ldr_hot_close(opened);
            break;
        }
        assert_null(opened);
        assert_int_equal(larder_last_status(), LARDER_NO_MEMORY);
    }
    fail_from(0, false);
    assert_null(ldr_holders_open(8));
    stop_failing();
    assert_null(ldr_holders_open(SIZE_MAX / 2)); /* more than there are addresses */
    assert_null(ldr_hot_table_open(SIZE_MAX, 1, 0));
    ldr_hot_close(NULL);
}

/* ------------------------------------------------------------------------------------------------ a node alone */

/* Through the embedding API, whose gets do not become requests. */
static void a_program_that_embeds_a_node_sees_its_hot_keys(void **state)
{
    (void)state;
    struct larder_node *node = larder_node_open(NULL);
    assert_non_null(node);
    struct larder_group *group = larder_group_open(node, "g", &(struct larder_group_options){.max_bytes = 1 << 20});
    struct larder_statistics stats;
    char buffer[8];
    size_t size;
    assert_int_equal(larder_set(group, "k", 1, "v", 1, 0, 0), LARDER_OK);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(larder_get_copy(group, "k", 1, 0, buffer, sizeof buffer, &size), LARDER_OK);
    struct larder_item items[40];
    for (unsigned i = 0; i < 40; i++)
        items[i] = (struct larder_item){.key = "k", .key_size = 1};
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(larder_get_many(group, items, 40, 0), LARDER_OK);
        for (unsigned j = 0; j < 40; j++)
            larder_value_release(items[j].value);
    }
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    assert_int_equal(stats.gets, 104000);
    assert_int_equal(stats.hits, 104000);
    assert_int_equal(stats.near_bytes_limit, 0); /* a node alone has no near copies */
    larder_group_close(group);
    larder_node_close(node);
}

int main(void)
{
#define HOT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        HOT_TEST(few_gets_are_all_looked_at),
        HOT_TEST(many_gets_are_looked_at_now_and_then),
        HOT_TEST(the_gap_follows_the_load_down_again),
        HOT_TEST(keys_in_turn_are_all_seen),
        HOT_TEST(threads_count_together),
        HOT_TEST(gets_of_others_are_left_out),
        HOT_TEST(a_batch_stands_for_all_its_gets),
        HOT_TEST(a_get_that_is_counted_is_known_at_once),
        HOT_TEST(fault_18_no_key_takes_any_memory),
        cmocka_unit_test(it_opens_whole_or_not_at_all),
        cmocka_unit_test(a_program_that_embeds_a_node_sees_its_hot_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
