/* The smallest budgets, and values as large as half of the budget in every store. */
#include "store_shapes.h"

#include <pthread.h>
#include <stdatomic.h>

enum { FILLERS = 3, SHARDS_MAX = 64 };

#define LARGEST_BUDGET (SHAPE_SANITIZED ? UINT64_C(2) << 20 : UINT64_C(64) << 20)

static bool holds(const struct ldr_entry *entry, char byte, size_t size)
{
    struct larder_slice value = ldr_entry_value(entry);
    const char *bytes = value.data;
    return value.size == size && bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static enum larder_status put_filled(struct ldr_store *store, const char *key, char *value, char byte, size_t size)
{
    memset(value, byte, size);
    return kit_put(store, key, value, size);
}

static bool finds_filled(struct ldr_store *store, const char *key, char byte, size_t size)
{
    struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text(key), 0);
    bool found = entry != NULL && holds(entry, byte, size);
    ldr_entry_release(entry);
    return found;
}

static void fault_19_a_cache_of_2_kib_works_with_every_policy(void **unused)
{
    (void)unused;
    for (size_t policy = 0; policy < 2 * SHAPE_POLICIES; policy++) {
        const struct shape shape = {
            .eviction = shape_policies[policy / 2], .max_bytes = 2048, .exact_hits = policy % 2};
        struct ldr_store *store = shape_open(&shape);
        static char value[2048];
        char key[16];
        assert_int_equal(kit_put_text(store, "a", "1"), LARDER_OK);
        assert_int_equal(kit_put_text(store, "b", "2"), LARDER_OK);
        assert_true(kit_is(store, "a", "1") && kit_is(store, "b", "2"));
        uint64_t random = 8 + policy, found = 0;
        for (unsigned i = 0; i < 20000; i++) {
            size_t size = 1 + shape_below(&random, i % 10 == 0 ? 1024 : 50);
            unsigned k = shape_below(&random, 20);
            snprintf(key, sizeof key, "%u", k);
            assert_int_equal(put_filled(store, key, value, (char)('a' + k), size), LARDER_OK);
            assert_true(finds_filled(store, key, (char)('a' + k), size));
            snprintf(key, sizeof key, "%u", k = shape_below(&random, 20));
            struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text(key), 0);
            if (entry != NULL)
                assert_true(holds(entry, (char)('a' + k), ldr_entry_value(entry).size));
            found += entry != NULL;
            ldr_entry_release(entry);
        }
        print_message("%s: %llu of 20000 found, %llu entries at the end\n", shape.eviction->head.name,
                      (unsigned long long)found, (unsigned long long)kit_stats(store).entries);
        assert_in_range(found, 2000, 20000);
        assert_int_equal(kit_put(store, "whole", value, sizeof value), LARDER_NO_ROOM);
        ldr_store_clear(store);
        assert_int_equal(kit_put_text(store, "a", "1"), LARDER_OK);
        assert_true(kit_is(store, "a", "1"));
        ldr_store_close(store);
    }
}

/* NULL only for more shards than the budget has room for. */
static struct ldr_store *open_or_no_room(const struct shape *shape)
{
    struct ldr_store *store = shape_try(shape);
    if (store != NULL)
        return store;
    assert_int_equal(larder_last_status(), LARDER_NO_ROOM);
    if (shape->shards <= 1 || shape->max_bytes >= shape->shards * UINT64_C(16384))
        fail_msg("%llu bytes in %u shards: %s", (unsigned long long)shape->max_bytes, shape->shards,
                 larder_last_error());
    return NULL;
}

static void fill(struct ldr_store *store, unsigned count)
{
    char key[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_int_equal(kit_put_text(store, key, "small"), LARDER_OK);
    }
}

static void check_half(struct ldr_store *store, char *value, size_t half)
{
    fill(store, half < 1 << 16 ? 2000 : SHAPE_SANITIZED ? 5000 : 20000);
    assert_int_equal(put_filled(store, "half", value, 'h', half), LARDER_OK);
    assert_true(finds_filled(store, "half", 'h', half));
    /* Another one of the same size, while readers hold the one before. */
    struct ldr_entry *first = ldr_store_get(store, ldr_slice_text("half"), 0);
    assert_int_equal(put_filled(store, "half", value, 'i', half), LARDER_OK);
    assert_true(finds_filled(store, "half", 'i', half));
    struct ldr_entry *second = ldr_store_get(store, ldr_slice_text("half"), 0);
    assert_int_equal(put_filled(store, "half", value, 'j', half), LARDER_OK);
    assert_true(holds(first, 'h', half) && holds(second, 'i', half));
    ldr_entry_release(first);
    ldr_entry_release(second);
    assert_true(finds_filled(store, "half", 'j', half));
    /* In the place of a small one, among small ones, and of one that was removed. */
    fill(store, 2000);
    assert_int_equal(put_filled(store, "7", value, 'k', half), LARDER_OK);
    assert_true(finds_filled(store, "7", 'k', half));
    assert_int_equal(kit_remove(store, "7"), LARDER_OK);
    assert_int_equal(put_filled(store, "8", value, 'l', half), LARDER_OK);
    assert_int_equal(put_filled(store, "9", value, 'm', half), LARDER_OK);
    assert_true(finds_filled(store, "9", 'm', half));
    fill(store, 2000);
}

static void fault_19_half_of_the_budget_can_be_stored_in_any_number_of_shards(void **unused)
{
    (void)unused;
    for (uint64_t budget = 2048; budget <= LARGEST_BUDGET; budget *= SHAPE_SANITIZED ? 32 : 2) {
        char *value = malloc(budget / 2);
        assert_non_null(value);
        unsigned opened = 0;
        for (uint32_t shards = 0; shards <= SHARDS_MAX; shards = shards == 0 ? 1 : shards * 2) {
            const struct shape shape = {
                .eviction = shape_policies[shards % SHAPE_POLICIES], .max_bytes = budget, .shards = shards};
            struct ldr_store *store = open_or_no_room(&shape);
            if (store == NULL)
                continue;
            check_half(store, value, budget / 2);
            ldr_store_close(store);
            opened++;
        }
        print_message("%llu bytes: %u numbers of shards\n", (unsigned long long)budget, opened);
        free(value);
    }
}

/* ---- while other threads fill the store */

struct crowd {
    struct ldr_store *store;
    _Atomic bool over;
    _Atomic unsigned fillers;
};

static void *fill_on(void *arg)
{
    struct crowd *crowd = arg;
    uint64_t random = 1 + atomic_fetch_add(&crowd->fillers, 1);
    static const char value[300];
    char key[16];
    while (!atomic_load(&crowd->over)) {
        snprintf(key, sizeof key, "%u", shape_below(&random, 100000));
        const struct ldr_put put = {.key = ldr_slice_text(key),
                                    .value = ldr_slice(value, shape_below(&random, sizeof value)),
                                    .expires = LARDER_NEVER};
        require(ldr_store_put(crowd->store, &put, 0, NULL) == LARDER_OK);
    }
    return NULL;
}

/* Returns at how many of the puts the value was still there right afterwards. */
static unsigned put_halves(struct crowd *crowd, char *value, size_t half, unsigned rounds)
{
    unsigned found = 0;
    struct ldr_entry *held = NULL;
    for (unsigned i = 0; i < rounds; i++) {
        char key[16];
        snprintf(key, sizeof key, "half %u", i % 3);
        memset(value, 'a' + (int)(i % 26), half);
        const struct ldr_put put = {
            .key = ldr_slice_text(key), .value = ldr_slice(value, half), .expires = LARDER_NEVER};
        enum larder_status status = ldr_store_put(crowd->store, &put, 0, NULL);
        if (status != LARDER_OK)
            fail_msg("put %u: %s", i, larder_last_error());
        ldr_entry_release(held);
        held = ldr_store_get(crowd->store, put.key, 0);
        if (held != NULL)
            assert_true(holds(held, (char)('a' + i % 26), half));
        found += held != NULL;
    }
    ldr_entry_release(held);
    return found;
}

static void fault_19_half_of_the_budget_can_be_stored_while_others_fill_it(void **unused)
{
    (void)unused;
    for (uint64_t budget = 1 << 14; budget <= LARGEST_BUDGET; budget *= 32)
        for (uint32_t shards = 0; shards <= SHARDS_MAX; shards = shards == 0 ? 1 : shards * 8) {
            const struct shape shape = {
                .eviction = shape_policies[shards / 8 % SHAPE_POLICIES], .max_bytes = budget, .shards = shards};
            struct crowd crowd = {.store = open_or_no_room(&shape)};
            if (crowd.store == NULL)
                continue;
            shape_print(&shape);
            char *value = malloc(budget / 2);
            assert_non_null(value);
            pthread_t fillers[FILLERS];
            for (size_t i = 0; i < FILLERS; i++)
                assert_int_equal(pthread_create(&fillers[i], NULL, fill_on, &crowd), 0);
            unsigned rounds = budget > 1 << 20 ? 10 : 100;
            unsigned found = put_halves(&crowd, value, budget / 2, rounds);
            atomic_store(&crowd.over, true);
            for (size_t i = 0; i < FILLERS; i++)
                assert_int_equal(pthread_join(fillers[i], NULL), 0);
            print_message("    %u of %u found at once\n", found, rounds);
            assert_int_equal(put_filled(crowd.store, "half", value, 'z', budget / 2), LARDER_OK);
            assert_true(finds_filled(crowd.store, "half", 'z', budget / 2));
            free(value);
            ldr_store_close(crowd.store);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_19_a_cache_of_2_kib_works_with_every_policy),
        cmocka_unit_test(fault_19_half_of_the_budget_can_be_stored_in_any_number_of_shards),
        cmocka_unit_test(fault_19_half_of_the_budget_can_be_stored_while_others_fill_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
