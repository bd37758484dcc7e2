/* Entries past their time that stay for a window: there for readers, who see their age, and gone for writers. */
#include "store_kit.h"

#define MS LARDER_NS_PER_MS

enum { EXPIRES = 1000, WINDOW = 500 }; /* in ms */

static struct ldr_store *store;

static int open_store(void **state)
{
    (void)state;
    store = kit_open(LRU, 1 << 20);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    ldr_store_close(store);
    return 0;
}

static struct ldr_put aging_put(const char *key)
{
    return (struct ldr_put){
        .key = ldr_slice_text(key),
        .value = ldr_slice_text("630"),
        .expires = EXPIRES * MS,
        .aging = {.error_ms = WINDOW, .ahead_us = 1000},
        .version = {1, 7},
    };
}

static void put_aging(const char *key)
{
    struct ldr_put put = aging_put(key);
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
}

/* -1: nothing is found. */
static int age_at(const char *key, uint64_t now)
{
    struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text(key), now);
    int age = entry == NULL ? -1 : (int)ldr_entry_age(entry, now);
    ldr_entry_release(entry);
    return age;
}

static enum ldr_found copied_at(const char *key, uint64_t now)
{
    char buffer[8];
    struct ldr_copy copy = {.key = ldr_slice_text(key), .buffer = buffer, .capacity = sizeof buffer};
    return ldr_store_copy(store, &copy, now);
}

static void readers_find_it_until_the_window_ends(void **state)
{
    (void)state;
    put_aging("k");
    assert_int_equal(age_at("k", 0), LDR_FRESH);
    assert_int_equal(age_at("k", (EXPIRES - 15) * MS), LDR_RIPE);
    assert_int_equal(age_at("k", EXPIRES * MS), LDR_STALE);
    assert_int_equal(age_at("k", (EXPIRES + WINDOW) * MS - 1), LDR_STALE);
    assert_int_equal(kit_stats(store).expirations, 0);
    assert_int_equal(age_at("k", (EXPIRES + WINDOW) * MS), -1);
    assert_int_equal(kit_stats(store).expirations, 1);
    assert_int_equal(kit_stats(store).entries, 0);
}

static void what_is_copied_is_fresh(void **state)
{
    (void)state;
    put_aging("k");
    assert_int_equal(copied_at("k", 0), LDR_FOUND);
    assert_int_equal(copied_at("k", (EXPIRES - 15) * MS), LDR_FOUND_AGED);
    assert_int_equal(copied_at("k", EXPIRES * MS), LDR_FOUND_AGED);
    assert_int_equal(copied_at("k", (EXPIRES + WINDOW) * MS), LDR_ABSENT);
}

static void it_expires_by_itself_when_the_window_ends(void **state)
{
    (void)state;
    put_aging("k");
    kit_put_until(store, "plain", EXPIRES * MS, 0);
    assert_int_equal(ldr_store_expire(store, EXPIRES * MS, 10), (EXPIRES + WINDOW) * MS);
    assert_int_equal(kit_stats(store).entries, 1);
    assert_true(ldr_store_expire(store, (EXPIRES + WINDOW) * MS, 10) == LARDER_NEVER);
    assert_int_equal(kit_stats(store).entries, 0);
    assert_int_equal(kit_stats(store).expirations, 2);
}

static enum larder_status conditional(uint32_t flags, bool *created)
{
    struct ldr_put put = {.key = ldr_slice_text("k"),
                          .value = ldr_slice_text("new"),
                          .expires = LARDER_NEVER,
                          .version = {1, 9},
                          .expected = {1, 7},
                          .flags = flags};
    return ldr_store_put(store, &put, EXPIRES * MS, created);
}

static void for_writers_it_is_gone_with_its_time(void **state)
{
    (void)state;
    bool created = false;
    struct larder_version version = {1, 7};
    put_aging("k");
    assert_int_equal(conditional(LDR_PUT_IF_PRESENT, NULL), LARDER_PRECONDITION);
    assert_int_equal(conditional(LDR_PUT_IF_VERSION, NULL), LARDER_PRECONDITION);
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("k"), 9 * EXPIRES * MS, EXPIRES * MS, NULL),
                     LARDER_NOT_FOUND);
    assert_int_equal(age_at("k", EXPIRES * MS), LDR_STALE);
    assert_int_equal(conditional(LDR_PUT_IF_ABSENT, &created), LARDER_OK);
    assert_true(created);
    assert_true(kit_is(store, "k", "new"));
    put_aging("k");
    assert_int_equal(ldr_store_remove(store, ldr_slice_text("k"), LDR_PUT_IF_VERSION, version, EXPIRES * MS),
                     LARDER_NOT_FOUND);
    assert_int_equal(age_at("k", EXPIRES * MS), -1);
}

static void an_older_load_does_not_take_its_place(void **state)
{
    (void)state;
    put_aging("k");
    struct ldr_put put = aging_put("k");
    put.version.clock = 6;
    put.value = ldr_slice_text("old");
    put.flags = LDR_PUT_NEWER;
    put.expires = LARDER_NEVER;
    assert_int_equal(ldr_store_put(store, &put, EXPIRES * MS, NULL), LARDER_OK);
    assert_int_equal(age_at("k", EXPIRES * MS), LDR_STALE);
    put.version.clock = 8;
    assert_int_equal(ldr_store_put(store, &put, EXPIRES * MS, NULL), LARDER_OK);
    assert_int_equal(age_at("k", EXPIRES * MS), LDR_FRESH);
}

static void a_touch_moves_the_window(void **state)
{
    (void)state;
    put_aging("k");
    assert_int_equal(ldr_store_touch(store, ldr_slice_text("k"), 2 * EXPIRES * MS, 0, NULL), LARDER_OK);
    assert_int_equal(age_at("k", EXPIRES * MS), LDR_FRESH);
    assert_int_equal(ldr_store_expire(store, 2 * EXPIRES * MS, 10), (2 * EXPIRES + WINDOW) * MS);
    assert_int_equal(age_at("k", 2 * EXPIRES * MS), LDR_STALE);
    assert_int_equal(age_at("k", (2 * EXPIRES + WINDOW) * MS), -1);
}

static void when_it_is_evicted_stale_it_counts_as_expired(void **state)
{
    (void)state;
    char key[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "stale %u", i);
        put_aging(key);
    }
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "%u", i);
        const struct ldr_put put = {
            .key = ldr_slice_text(key), .value = ldr_slice_text("630"), .expires = LARDER_NEVER};
        assert_int_equal(ldr_store_put(store, &put, EXPIRES * MS, NULL), LARDER_OK);
        kit_check(store);
    }
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.evictions - stats.evictions_unexpired, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_find_it_until_the_window_ends),         TEST(what_is_copied_is_fresh),
        TEST(it_expires_by_itself_when_the_window_ends),     TEST(for_writers_it_is_gone_with_its_time),
        TEST(an_older_load_does_not_take_its_place),         TEST(a_touch_moves_the_window),
        TEST(when_it_is_evicted_stale_it_counts_as_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
