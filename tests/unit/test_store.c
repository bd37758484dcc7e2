/* What the store promises, operation by operation. */
#include "store_kit.h"

#include <stdlib.h>

#include "core/base/fail.h"

static const struct larder_version no_version;

static void what_was_put_is_got(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    const struct ldr_put put = {
        .key = ldr_slice("a\0b\n", 4), .value = ldr_slice("\0\xff", 2), .expires = 77, .version = {3, 4}};
    bool created = false;
    assert_int_equal(ldr_store_put(store, &put, 5, &created), LARDER_OK);
    assert_true(created);
    assert_int_equal(ldr_store_put(store, &put, 5, &created), LARDER_OK);
    assert_false(created);
    struct ldr_entry *entry = ldr_store_get(store, put.key, 5);
    assert_non_null(entry);
    assert_true(ldr_slice_equal(ldr_entry_key(entry), put.key));
    assert_true(ldr_slice_equal(ldr_entry_value(entry), put.value));
    assert_int_equal(ldr_entry_expires(entry), 77);
    assert_int_equal(ldr_entry_version(entry).epoch, 3);
    assert_int_equal(ldr_entry_version(entry).clock, 4);
    assert_false(ldr_entry_negative(entry));
    ldr_entry_release(entry);
    assert_null(ldr_store_get(store, ldr_slice("a", 1), 5));
    assert_int_equal(kit_stats(store).entries, 1);
    assert_int_equal(kit_stats(store).value_bytes, 6);
    ldr_store_close(store);
    ldr_store_close(NULL);
    ldr_entry_release(NULL);
}

static void fault_16_empty_value_is_a_value(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    assert_int_equal(kit_put(store, "k", NULL, 0), LARDER_OK);
    assert_true(kit_is(store, "k", ""));
    assert_false(kit_is(store, "k", NULL));
    assert_int_equal(kit_remove(store, "k"), LARDER_OK);
    ldr_store_close(store);
}

/* Deletes and inserts over a few keys, so that slots change their owner all the time. */
static void fault_15_slots_never_mix_up_keys(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 14);
    unsigned written[300] = {0}, random = 1;
    char key[16], value[64];
    for (unsigned i = 1; i <= 60000; i++) {
        random = random * 1103515245u + 12345u;
        unsigned k = (random >> 8) % 300;
        snprintf(key, sizeof key, "key%u", k);
        if ((random >> 20) % 3 == 0) {
            (void)kit_remove(store, key);
            written[k] = 0;
        } else {
            snprintf(value, sizeof value, "%u of %s", i, key);
            assert_int_equal(kit_put_text(store, key, value), LARDER_OK);
            written[k] = i;
        }
        k = (random >> 16) % 300;
        snprintf(key, sizeof key, "key%u", k);
        snprintf(value, sizeof value, "%u of %s", written[k], key);
        struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text(key), 0);
        if (entry != NULL)
            assert_true(kit_entry_is(entry, value));
    }
    assert_true(kit_stats(store).evictions > 0);
    ldr_store_close(store);
}

static void bad_sizes_are_refused(void **unused)
{
    (void)unused;
    const struct ldr_store_options options = {.max_bytes = 1 << 20, .max_value = 100, .eviction = LRU};
    struct ldr_store *store = ldr_store_open(&options);
    static char key[LARDER_KEY_MAX + 1], value[101];
    struct ldr_put put = {.key = {key, 0}, .expires = LARDER_NEVER};
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_INVALID);
    put.key.size = LARDER_KEY_MAX + 1;
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_TOO_LARGE);
    put.key.size = LARDER_KEY_MAX;
    put.value = ldr_slice(value, 100);
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
    put.value.size = 101;
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_TOO_LARGE);
    assert_string_equal(larder_last_error(), "value: got 101 bytes, wanted at most 100");
    put.value.size = 1;
    put.flags = LDR_PUT_NEGATIVE;
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_INVALID);
    struct ldr_entry *entry = ldr_store_get(store, put.key, 0);
    assert_int_equal(ldr_entry_value(entry).size, 100);
    ldr_entry_release(entry);
    ldr_store_close(store);
}

static enum larder_status put_if(struct ldr_store *store, uint32_t flags, uint64_t clock, uint64_t expected,
                                 bool *created)
{
    const struct ldr_put put = {.key = ldr_slice_text("k"),
                                .value = (flags & LDR_PUT_NEGATIVE) != 0 ? ldr_slice(NULL, 0) : ldr_slice_text("v"),
                                .expires = LARDER_NEVER,
                                .version = {1, clock},
                                .expected = {1, expected},
                                .flags = flags};
    return ldr_store_put(store, &put, 0, created);
}

static uint64_t clock_of(struct ldr_store *store)
{
    struct ldr_entry *entry = ldr_store_peek(store, ldr_slice_text("k"), 0);
    uint64_t clock = entry == NULL ? 0 : ldr_entry_version(entry).clock;
    ldr_entry_release(entry);
    return clock;
}

static void conditions_are_kept(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    bool created;
    assert_int_equal(put_if(store, LDR_PUT_IF_PRESENT, 1, 0, &created), LARDER_PRECONDITION);
    assert_false(created);
    assert_int_equal(put_if(store, LDR_PUT_IF_VERSION, 1, 0, NULL), LARDER_PRECONDITION);
    assert_int_equal(put_if(store, LDR_PUT_IF_ABSENT, 2, 0, &created), LARDER_OK);
    assert_true(created);
    assert_int_equal(put_if(store, LDR_PUT_IF_ABSENT, 3, 0, NULL), LARDER_PRECONDITION);
    assert_int_equal(put_if(store, LDR_PUT_IF_PRESENT, 4, 0, &created), LARDER_OK);
    assert_false(created);
    assert_int_equal(put_if(store, LDR_PUT_IF_VERSION, 5, 3, NULL), LARDER_PRECONDITION);
    assert_int_equal(put_if(store, LDR_PUT_IF_VERSION, 5, 4, NULL), LARDER_OK);
    assert_int_equal(clock_of(store), 5);
    assert_int_equal(put_if(store, LDR_PUT_NEWER, 4, 0, &created), LARDER_OK);
    assert_int_equal(put_if(store, LDR_PUT_NEWER, 5, 0, &created), LARDER_OK);
    assert_false(created);
    assert_int_equal(clock_of(store), 5);
    assert_int_equal(put_if(store, LDR_PUT_NEWER, 6, 0, NULL), LARDER_OK);
    assert_int_equal(clock_of(store), 6);
    assert_int_equal(ldr_store_remove(store, ldr_slice_text("k"), LDR_PUT_IF_VERSION, (struct larder_version){1, 5}, 0),
                     LARDER_PRECONDITION);
    assert_int_equal(ldr_store_remove(store, ldr_slice_text("k"), LDR_PUT_IF_VERSION, (struct larder_version){1, 6}, 0),
                     LARDER_OK);
    assert_int_equal(put_if(store, LDR_PUT_NEWER, 1, 0, &created), LARDER_OK);
    assert_true(created);
    ldr_store_close(store);
}

static void newer_compares_epochs_then_clocks(void **unused)
{
    (void)unused;
    static const struct {
        struct larder_version version;
        bool newer;
    } puts[] = {
        {{2, 50}, true}, {{2, 50}, false}, {{2, 49}, false}, {{1, 90}, false},
        {{2, 51}, true}, {{3, 1}, true},   {{2, 99}, false}, {{0, 0}, false},
    };
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    char value[16], stored[16] = "";
    for (size_t i = 0; i < sizeof puts / sizeof *puts; i++) {
        snprintf(value, sizeof value, "%zu", i);
        const struct ldr_put put = {.key = ldr_slice_text("k"),
                                    .value = ldr_slice_text(value),
                                    .expires = LARDER_NEVER,
                                    .version = puts[i].version,
                                    .flags = LDR_PUT_NEWER};
        assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
        if (puts[i].newer)
            memcpy(stored, value, sizeof stored);
        assert_true(kit_is(store, "k", stored));
    }
    ldr_store_close(store);
}

static void a_negative_entry_counts_as_absent(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    bool created;
    assert_int_equal(put_if(store, LDR_PUT_NEGATIVE, 5, 0, NULL), LARDER_OK);
    struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text("k"), 0);
    assert_true(ldr_entry_negative(entry));
    assert_int_equal(ldr_entry_value(entry).size, 0);
    ldr_entry_release(entry);
    assert_int_equal(put_if(store, LDR_PUT_IF_PRESENT, 6, 0, NULL), LARDER_PRECONDITION);
    assert_int_equal(put_if(store, LDR_PUT_IF_VERSION, 6, 5, NULL), LARDER_PRECONDITION);
    assert_int_equal(put_if(store, LDR_PUT_NEWER, 4, 0, NULL), LARDER_OK);
    assert_int_equal(clock_of(store), 5);
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("k"), 9, 0, NULL), LARDER_NOT_FOUND);
    assert_int_equal(put_if(store, LDR_PUT_IF_ABSENT, 6, 0, &created), LARDER_OK);
    assert_true(created);
    assert_int_equal(put_if(store, LDR_PUT_NEGATIVE, 7, 0, NULL), LARDER_OK);
    assert_int_equal(kit_remove(store, "k"), LARDER_NOT_FOUND);
    assert_int_equal(kit_stats(store).entries, 0);
    ldr_store_close(store);
}

static void entries_expire_when_they_are_met(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    struct larder_slice key = ldr_slice_text("k");
    bool created = false;
    kit_put_until(store, "k", 100, 0);
    assert_true(kit_entry_is(ldr_store_get(store, key, 99), "k"));
    assert_null(ldr_store_get(store, key, 100));
    assert_int_equal(kit_stats(store).entries, 0);
    kit_put_until(store, "k", 100, 0);
    assert_null(ldr_store_peek(store, key, 100));
    kit_put_until(store, "k", 100, 0);
    assert_int_equal(ldr_store_remove(store, key, 0, no_version, 100), LARDER_NOT_FOUND);
    kit_put_until(store, "k", 100, 0);
    assert_int_equal(ldr_store_touch(store, key, 500, 100, NULL), LARDER_NOT_FOUND);
    kit_put_until(store, "k", 100, 0);
    const struct ldr_put put = {.key = key, .expires = LARDER_NEVER, .flags = LDR_PUT_IF_ABSENT};
    assert_int_equal(ldr_store_put(store, &put, 100, &created), LARDER_OK);
    assert_true(created);
    assert_int_equal(kit_stats(store).expirations, 5);
    struct larder_version version = {9, 9};
    assert_int_equal(ldr_store_touch(store, key, 300, 100, &version), LARDER_OK);
    assert_int_equal(version.epoch, 0);
    assert_null(ldr_store_get(store, key, 300));
    ldr_store_close(store);
}

/* Puts 0..99 with times in a scattered order, moves and removes some. */
static void expire_takes_those_that_are_due_in_order(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 18);
    char key[16];
    assert_int_equal(ldr_store_expire(store, 1000, 10), LARDER_NEVER);
    for (uint64_t i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%u", (unsigned)(i * 37 % 100));
        kit_put_until(store, key, 1000 + i * 37 % 100, 0);
    }
    assert_int_equal(kit_put_text(store, "always", "x"), LARDER_OK);
    assert_int_equal(ldr_store_expire(store, 999, 10), 1000);
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("0"), 2000, 0, NULL), LARDER_OK);
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("50"), LARDER_NEVER, 0, NULL), LARDER_OK);
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("99"), 1001, 0, NULL), LARDER_OK);
    assert_int_equal(kit_remove(store, "2"), LARDER_OK);
    assert_int_equal(ldr_store_expire(store, 1003, 2), 1003);
    assert_int_equal(kit_stats(store).expirations, 2);
    assert_true(kit_has(store, "3"));
    assert_int_equal(ldr_store_expire(store, 1003, 100), 1004);
    assert_int_equal(kit_stats(store).expirations, 3);
    assert_false(kit_has(store, "3"));
    assert_int_equal(ldr_store_expire(store, 1003, 0), 1003);
    assert_int_equal(ldr_store_expire(store, 1999, 1000), 2000);
    assert_int_equal(kit_stats(store).entries, 3);
    assert_int_equal(ldr_store_expire(store, 2000, 1000), LARDER_NEVER);
    assert_true(kit_has(store, "50") && kit_has(store, "always"));
    ldr_store_close(store);
}

static void a_pinned_value_outlives_everything(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    struct ldr_entry *pinned[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(kit_put_text(store, "k", "held"), LARDER_OK);
        pinned[i] = ldr_store_get(store, ldr_slice_text("k"), 0);
        if (i == 0)
            assert_int_equal(kit_put_text(store, "k", "other"), LARDER_OK);
        else if (i == 1)
            assert_int_equal(kit_remove(store, "k"), LARDER_OK);
        else if (i == 2)
            ldr_store_clear(store);
    }
    ldr_store_close(store);
    for (size_t i = 0; i < 4; i++)
        assert_true(kit_entry_is(pinned[i], "held"));
}

static void clear_gives_the_memory_back(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 22);
    uint64_t empty = kit_stats(store).bytes_used;
    char key[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%d", i);
        kit_put_until(store, key, 1000, 0);
    }
    ldr_store_clear(store);
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.value_bytes, 0);
    assert_in_range(stats.bytes_used, 1, empty + (1 << 22) / 50); /* maps of memory, and a few spans that are kept */
    assert_int_equal(stats.evictions + stats.expirations, 0);
    assert_int_equal(ldr_store_expire(store, 2000, 10), LARDER_NEVER);
    assert_int_equal(kit_put_text(store, "1", "new"), LARDER_OK);
    assert_true(kit_is(store, "1", "new"));
    ldr_store_close(store);
}

static void fault_19_a_cache_of_2_kib_works(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 2048);
    static char value[2048];
    assert_int_equal(kit_put_text(store, "a", "1"), LARDER_OK);
    assert_int_equal(kit_put_text(store, "b", "2"), LARDER_OK);
    assert_true(kit_is(store, "a", "1") && kit_is(store, "b", "2"));
    assert_int_equal(kit_put(store, "half", value, 1024), LARDER_OK);
    assert_true(kit_has(store, "half"));
    assert_int_equal(kit_put(store, "half", value, sizeof value), LARDER_NO_ROOM);
    assert_non_null(strstr(larder_last_error(), "wanted at most"));
    assert_int_equal(kit_put(store, "other", value, 1024), LARDER_OK);
    assert_true(kit_has(store, "other"));
    ldr_store_close(store);
}

static void fault_19_half_of_the_budget_can_always_be_stored(void **unused)
{
    (void)unused;
    for (uint64_t budget = 2048; budget <= UINT64_C(32) << 20; budget *= 8) {
        struct ldr_store *store = kit_open(LRU, budget);
        char *value = calloc(1, budget / 2), key[16];
        assert_non_null(value);
        for (unsigned i = 0; i < 20000; i++) {
            snprintf(key, sizeof key, "%u", i);
            assert_int_equal(kit_put_text(store, key, ""), LARDER_OK);
        }
        assert_int_equal(kit_put(store, "half", value, budget / 2), LARDER_OK);
        assert_true(kit_has(store, "half"));
        assert_int_equal(kit_put(store, "0", value, budget / 2), LARDER_OK);
        assert_true(kit_has(store, "0"));
        assert_int_equal(kit_put_text(store, "0", ""), LARDER_OK);
        assert_int_equal(kit_put(store, "0", value, budget / 2), LARDER_OK);
        free(value);
        ldr_store_close(store);
    }
}

static void fault_19_a_budget_without_room_says_so(void **unused)
{
    (void)unused;
    struct ldr_store_options options = {.max_value = 100, .eviction = LRU};
    for (options.max_bytes = 0; options.max_bytes < 2000; options.max_bytes++) {
        struct ldr_store *store = ldr_store_open(&options);
        if (store != NULL) {
            assert_int_equal(kit_put(store, "k", NULL, 0), LARDER_OK);
            assert_true(kit_is(store, "k", ""));
            ldr_store_close(store);
            break;
        }
        assert_int_equal(larder_last_status(), LARDER_NO_ROOM);
    }
    assert_in_range(options.max_bytes, 100, 1500);
    unsigned got = 0, wanted = 0;
    options.max_bytes /= 2;
    assert_null(ldr_store_open(&options));
    assert_int_equal(sscanf(larder_last_error(), "max_bytes: got %u, wanted at least %u (eviction lru)", &got, &wanted),
                     2);
    assert_int_equal(got, options.max_bytes);
    options.max_bytes = wanted + 16; /* a block may be larger the next time */
    struct ldr_store *store = ldr_store_open(&options);
    assert_non_null(store);
    assert_int_equal(kit_put(store, "k", NULL, 0), LARDER_OK);
    ldr_store_close(store);
}

static void fault_21_a_million_replaces_leak_nothing(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    static char value[600];
    assert_int_equal(kit_put(store, "k", value, 100), LARDER_OK);
    assert_int_equal(kit_put(store, "other", value, 100), LARDER_OK);
    uint64_t used = kit_stats(store).bytes_used;
    struct ldr_put put = {.key = ldr_slice_text("k"), .expires = LARDER_NEVER};
    for (size_t i = 0; i < 1000000; i++) {
        put.value = ldr_slice(value, i * 7 % sizeof value);
        assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
    }
    kit_check(store);
    assert_int_equal(kit_put(store, "k", value, 100), LARDER_OK);
    for (int i = 0; i < 100; i++) /* takes back what was retired last */
        ldr_store_expire(store, 1, 10);
    struct ldr_store_stats stats = kit_stats(store);
    assert_in_range(stats.bytes_used, 1, used + 4096);
    assert_int_equal(stats.value_bytes, 206);
    assert_int_equal(stats.entries, 2);
    assert_int_equal(stats.evictions, 0);
    ldr_store_close(store);
}

static void fault_18_the_limit_holds_under_changing_sizes(void **unused)
{
    (void)unused;
    static char value[40000];
    struct ldr_store *store = kit_open(LRU, 2 << 20);
    unsigned random = 7, entries[3] = {0};
    char key[16];
    for (unsigned phase = 0; phase < 3; phase++) {
        size_t most = phase == 1 ? sizeof value : 64;
        for (unsigned i = 0; i < 60000; i++) {
            random = random * 1103515245u + 12345u;
            snprintf(key, sizeof key, "%u", random >> 8);
            assert_int_equal(kit_put(store, key, value, (random >> 4) % most), LARDER_OK);
        }
        struct ldr_store_stats stats = kit_stats(store);
        entries[phase] = (unsigned)stats.entries;
        assert_in_range(stats.bytes_used, (2 << 20) - (2 << 20) / 20, 2 << 20);
    }
    assert_in_range(entries[1], 30, 200);
    assert_in_range(entries[2], entries[0] - entries[0] / 25, entries[0] + entries[0] / 25);
    ldr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_got),
        cmocka_unit_test(fault_16_empty_value_is_a_value),
        cmocka_unit_test(fault_15_slots_never_mix_up_keys),
        cmocka_unit_test(bad_sizes_are_refused),
        cmocka_unit_test(conditions_are_kept),
        cmocka_unit_test(newer_compares_epochs_then_clocks),
        cmocka_unit_test(a_negative_entry_counts_as_absent),
        cmocka_unit_test(entries_expire_when_they_are_met),
        cmocka_unit_test(expire_takes_those_that_are_due_in_order),
        cmocka_unit_test(a_pinned_value_outlives_everything),
        cmocka_unit_test(clear_gives_the_memory_back),
        cmocka_unit_test(fault_19_a_cache_of_2_kib_works),
        cmocka_unit_test(fault_19_half_of_the_budget_can_always_be_stored),
        cmocka_unit_test(fault_19_a_budget_without_room_says_so),
        cmocka_unit_test(fault_21_a_million_replaces_leak_nothing),
        cmocka_unit_test(fault_18_the_limit_holds_under_changing_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
