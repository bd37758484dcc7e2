/* The store and its policy: who is evicted, and live changes of policy and budget. */
#include "store_kit.h"

#include "core/base/fail.h"

static void lru_keeps_what_is_used_and_fifo_does_not(void **unused)
{
    (void)unused;
    for (int lru = 0; lru < 2; lru++) {
        struct ldr_store *store = kit_open(lru ? LRU : FIFO, 1 << 15);
        unsigned count = kit_fill(store);
        kit_use_number(store, 1);
        kit_put_number(store, 2); /* a rewrite is a use */
        kit_put_number(store, count);
        kit_put_number(store, count + 1);
        assert_int_equal(kit_has_number(store, 1), lru);
        assert_int_equal(kit_has_number(store, 2), lru);
        assert_int_equal(kit_has_number(store, 3), !lru);
        assert_int_equal(kit_has_number(store, 4), !lru);
        assert_int_equal(kit_stats(store).evictions, 3);
        ldr_store_close(store);
    }
}

static void fault_27_looking_does_not_disturb_recency(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 15);
    unsigned count = kit_fill(store);
    for (unsigned i = count; i-- > 0;)
        (void)kit_has_number(store, i);
    (void)kit_stats(store);
    for (unsigned i = 1; i < 20; i++) {
        assert_true(kit_has_number(store, i));
        kit_put_number(store, count + i);
        assert_false(kit_has_number(store, i));
    }
    ldr_store_close(store);
}

static void evictions_tell_the_unexpired(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 14);
    kit_put_until(store, "expired", 10, 0);
    kit_put_until(store, "not yet", 1000, 0);
    assert_int_equal(ldr_store_remove(store, ldr_slice_text("nothing"), 0, (struct larder_version){0}, 10),
                     LARDER_NOT_FOUND);
    for (unsigned i = 0; kit_stats(store).evictions < 2; i++)
        kit_put_number(store, i);
    assert_int_equal(kit_stats(store).evictions - kit_stats(store).evictions_unexpired, 1);
    assert_int_equal(kit_stats(store).expirations, 0);
    ldr_store_close(store);
}

static void a_change_of_policy_loses_nothing_and_keeps_the_order(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    const unsigned count = 200;
    for (unsigned i = 0; i < count; i++)
        kit_put_number(store, i);
    for (unsigned i = 0; i < count; i += 2)
        kit_use_number(store, i);
    assert_int_equal(ldr_store_set_eviction(store, FIFO, NULL), LARDER_OK);
    assert_int_equal(kit_stats(store).entries, count);
    assert_int_equal(ldr_store_set_eviction(store, LRU, NULL), LARDER_OK);
    assert_int_equal(ldr_store_set_eviction(store, FIFO, NULL), LARDER_OK);
    kit_check(store);
    assert_int_equal(kit_stats(store).entries, count);
    assert_int_equal(kit_stats(store).evictions, 0);
    /* The odd ones, used before the even ones, leave first, each kind from 0 up. */
    unsigned next = count;
    for (unsigned gone = 0; gone < count; gone++) {
        unsigned victim = gone < count / 2 ? 2 * gone + 1 : 2 * (gone - count / 2);
        assert_true(kit_has_number(store, victim));
        while (kit_stats(store).evictions == gone)
            kit_put_number(store, next++);
        assert_false(kit_has_number(store, victim));
    }
    ldr_store_close(store);
}

static void a_change_of_policy_of_a_full_store_evicts_nothing(void **unused)
{
    (void)unused;
    for (uint64_t budget = 2048; budget <= UINT64_C(8) << 20; budget *= 4) {
        struct ldr_store *store = kit_open(LRU, budget);
        (void)kit_fill(store);
        uint64_t entries = kit_stats(store).entries;
        for (int i = 0; i < 4; i++) {
            assert_int_equal(ldr_store_set_eviction(store, i % 2 ? LRU : FIFO, NULL), LARDER_OK);
            assert_int_equal(kit_stats(store).entries, entries);
            kit_check(store);
        }
        ldr_store_close(store);
    }
}

static void a_smaller_budget_keeps_the_hottest(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 18);
    const unsigned count = 1000;
    for (unsigned i = 0; i < count; i++)
        kit_put_number(store, i);
    kit_use_number(store, 0);
    assert_int_equal(ldr_store_set_max_bytes(store, 1 << 15), LARDER_OK);
    kit_check(store);
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.bytes_limit, 1 << 15);
    assert_in_range(stats.entries, 150, 500);
    assert_int_equal(stats.entries + stats.evictions, count);
    assert_true(kit_has_number(store, 0));
    for (unsigned i = 1; i < count; i++)
        assert_int_equal(kit_has_number(store, i), i > count - stats.entries);
    assert_int_equal(ldr_store_set_max_bytes(store, 10), LARDER_NO_ROOM);
    assert_non_null(strstr(larder_last_error(), "max_bytes: got 10, wanted at least"));
    assert_int_equal(kit_stats(store).entries, stats.entries);
    assert_int_equal(kit_stats(store).bytes_limit, 1 << 15);
    assert_int_equal(ldr_store_set_max_bytes(store, 1 << 18), LARDER_OK);
    assert_int_equal(kit_stats(store).entries, stats.entries);
    for (unsigned i = 0; i < count; i++)
        kit_put_number(store, i);
    assert_int_equal(kit_stats(store).entries, count);
    ldr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_keeps_what_is_used_and_fifo_does_not),
        cmocka_unit_test(fault_27_looking_does_not_disturb_recency),
        cmocka_unit_test(evictions_tell_the_unexpired),
        cmocka_unit_test(a_change_of_policy_loses_nothing_and_keeps_the_order),
        cmocka_unit_test(a_change_of_policy_of_a_full_store_evicts_nothing),
        cmocka_unit_test(a_smaller_budget_keeps_the_hottest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
