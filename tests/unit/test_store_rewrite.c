/* Rewrites that have to make room for themselves, and states of a policy that are laid out anew. */
#include "store_kit.h"

enum { SIZE = 600000, SMALLER = 40000 };

static char value[SIZE];

static enum larder_status put_if(struct ldr_store *store, uint64_t expected, uint64_t version)
{
    const struct ldr_put put = {.key = ldr_slice_text("key"),
                                .value = ldr_slice(value, SIZE),
                                .expires = LARDER_NEVER,
                                .version = {1, version},
                                .expected = {1, expected},
                                .flags = expected != 0 ? LDR_PUT_IF_VERSION : 0};
    return ldr_store_put(store, &put, 0, NULL);
}

/* Both do not fit at a time: the old one has to go for the new one, and its condition held. */
static void a_condition_holds_though_the_entry_had_to_go(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 20);
    assert_int_equal(put_if(store, 0, 1), LARDER_OK);
    assert_int_equal(put_if(store, 1, 2), LARDER_OK);
    assert_int_equal(put_if(store, 1, 3), LARDER_PRECONDITION);
    assert_true(kit_has(store, "key"));
    assert_int_equal(kit_stats(store).evictions, 0);
    kit_check(store);
    ldr_store_close(store);
}

static void touch_keeps_an_entry_that_takes_more_than_half(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 20);
    assert_int_equal(kit_put(store, "key", value, SIZE), LARDER_OK);
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("key"), 100, 0, NULL), LARDER_OK);
    assert_true(kit_has(store, "key"));
    assert_int_equal(ldr_store_expire(store, 100, 10), LARDER_NEVER);
    assert_false(kit_has(store, "key"));
    ldr_store_close(store);
}

/* One caller's clock is behind what another has told. */
static void an_entry_past_its_time_that_goes_for_its_rewrite_is_no_eviction(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 64 << 10);
    struct ldr_put put = {.key = ldr_slice_text("key"), .value = ldr_slice(value, SMALLER), .expires = 100};
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
    assert_int_equal(ldr_store_remove(store, ldr_slice_text("other"), 0, (struct larder_version){0}, 110),
                     LARDER_NOT_FOUND);
    put.expires = 200;
    assert_int_equal(ldr_store_put(store, &put, 90, NULL), LARDER_OK);
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.evictions, 0);
    assert_int_equal(stats.evictions_unexpired, 0);
    ldr_store_close(store);
}

static unsigned opened;

static void *counting_open(const struct larder_eviction_env *env)
{
    opened++;
    return LRU->open(env);
}

static void states_are_laid_out_anew_seldom(void **unused)
{
    (void)unused;
    struct larder_eviction counting = *LRU;
    counting.open = counting_open;
    opened = 0;
    struct ldr_store *store = kit_open(&counting, 1 << 20);
    for (unsigned i = 0; i < 1600; i++)
        kit_put_number(store, i);
    assert_in_range(opened, 2, 4); /* it has grown */
    for (unsigned i = 0; i < 100; i++)
        ldr_store_expire(store, 0, 10);
    assert_in_range(opened, 2, 4);
    char key[16];
    for (unsigned i = 0; i < 1500; i++) {
        snprintf(key, sizeof key, "%06u", i);
        assert_int_equal(kit_remove(store, key), LARDER_OK);
    }
    assert_in_range(opened, 2, 6);
    ldr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_holds_though_the_entry_had_to_go),
        cmocka_unit_test(touch_keeps_an_entry_that_takes_more_than_half),
        cmocka_unit_test(an_entry_past_its_time_that_goes_for_its_rewrite_is_no_eviction),
        cmocka_unit_test(states_are_laid_out_anew_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
