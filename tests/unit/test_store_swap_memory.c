/*
 * A change of policy or budget for which memory runs out, at every request for it: all shards have the old policy then, or
 * all have the new one, and every entry is there. Also while shards grow in the middle of the change.
 */
#include "store_kit.h"

#include "counted_memory.h"

#include "core/base/fail.h"

enum { ENTRIES = 4000, MORE = 4000 };

/* LRU and FIFO that count their states, and tell when one is opened. */
static unsigned open_before, open_after;
static struct larder_eviction before_table, after_table;

static struct {
    struct ldr_store *store; /* NULL: nothing is put while states are opened */
    uint32_t next;           /* the key that is put next */
} busy;

static void put(struct ldr_store *store, uint32_t key)
{
    const struct ldr_put put = {
        .key = ldr_slice(&key, sizeof key), .value = ldr_slice(&key, sizeof key), .expires = LARDER_NEVER};
    enum larder_status status = ldr_store_put(store, &put, 0, NULL);
    if (status != LARDER_OK)
        fail_msg("%s", larder_last_error());
}

static void *before_open(const struct larder_eviction_env *env)
{
    void *state = LRU->open(env);
    open_before += state != NULL;
    return state;
}

static void before_close(void *state)
{
    open_before--;
    LRU->close(state);
}

/* No lock of a shard is held when a change opens its states: what is put now finds shards of which some are prepared. */
static void *after_open(const struct larder_eviction_env *env)
{
    struct ldr_store *store = busy.store;
    busy.store = NULL; /* a shard that grows opens a state of this kind, too, under its lock */
    for (unsigned i = 0; store != NULL && i < MORE / 4 && busy.next < ENTRIES + MORE; i++)
        put(store, busy.next++);
    busy.store = store;
    void *state = FIFO->open(env);
    open_after += state != NULL;
    return state;
}

static void after_close(void *state)
{
    open_after--;
    FIFO->close(state);
}

static struct ldr_store *open_store(uint32_t shards)
{
    before_table = *LRU;
    before_table.open = before_open;
    before_table.close = before_close;
    after_table = *FIFO;
    after_table.open = after_open;
    after_table.close = after_close;
    open_before = open_after = 0;
    const struct ldr_store_options options = {
        .max_bytes = UINT64_C(4) << 20, .max_value = 1 << 16, .eviction = &before_table, .seed = 42, .shards = shards};
    struct ldr_store *store = ldr_store_open(&options);
    assert_non_null(store);
    for (uint32_t key = 0; key < ENTRIES; key++)
        put(store, key);
    return store;
}

static void check_entries(struct ldr_store *store, uint32_t count)
{
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.entries, count);
    assert_int_equal(stats.evictions, 0);
    assert_int_equal(stats.policy_faults, 0);
    for (uint32_t key = 0; key < count; key++) {
        struct ldr_entry *entry = ldr_store_peek(store, ldr_slice(&key, sizeof key), 0);
        assert_non_null(entry);
        assert_memory_equal(ldr_entry_value(entry).data, &key, sizeof key);
        ldr_entry_release(entry);
    }
    kit_check(store);
}

/* What is changed: the policy, the budget, or both. */
static enum larder_status change(struct ldr_store *store, unsigned kind)
{
    switch (kind) {
    case 0: return ldr_store_set_eviction(store, &after_table, NULL);
    case 1: return ldr_store_set_max_bytes(store, UINT64_C(5) << 20);
    default: return ldr_store_set(store, &after_table, NULL, UINT64_C(5) << 20, 5 * ENTRIES);
    }
}

/* The request with this number fails. True: none did. */
static bool change_failing(uint32_t shards, unsigned kind, long number, bool lasting)
{
    size_t blocks = counted.blocks;
    struct ldr_store *store = open_store(shards);
    uint64_t limit = kit_stats(store).bytes_limit;
    counted.failed = 0;
    counted.lasting = lasting;
    counted.countdown = number;
    enum larder_status status = change(store, kind);
    counted.countdown = -1;
    bool changed = status == LARDER_OK, other = changed && kind != 1;
    assert_true(changed || (status == LARDER_NO_MEMORY && counted.failed > 0));
    assert_int_equal(open_before, other ? 0 : shards);
    assert_int_equal(open_after, other ? shards : 0);
    assert_int_equal(kit_stats(store).bytes_limit, changed && kind != 0 ? UINT64_C(5) << 20 : limit);
    check_entries(store, ENTRIES);
    /* With memory again it succeeds. */
    assert_int_equal(change(store, kind), LARDER_OK);
    check_entries(store, ENTRIES);
    ldr_store_close(store);
    assert_int_equal(open_before + open_after, 0);
    assert_int_equal(counted.blocks, blocks);
    return counted.failed == 0;
}

static void a_change_is_made_in_all_shards_or_in_none(void **unused)
{
    (void)unused;
    ldr_store_close(open_store(1)); /* what is kept for good */
    for (unsigned kind = 0; kind < 3; kind++)
        for (uint32_t shards = 1; shards <= 4; shards *= 4)
            for (int lasting = 0; lasting < 2; lasting++) {
                long number = 0;
                while (!change_failing(shards, kind, number, lasting != 0))
                    number++;
                print_message("change %u of %u shards: %ld requests failed\n", kind, shards, number);
                assert_true(number > 3);
            }
}

static void a_change_takes_shards_that_have_grown_meanwhile(void **unused)
{
    (void)unused;
    for (uint32_t shards = 1; shards <= 4; shards *= 2) {
        struct ldr_store *store = open_store(shards);
        busy.store = store;
        busy.next = ENTRIES;
        assert_int_equal(change(store, 0), LARDER_OK);
        busy.store = NULL;
        assert_true(busy.next > ENTRIES);
        assert_int_equal(open_before, 0);
        assert_int_equal(open_after, shards);
        check_entries(store, busy.next);
        ldr_store_close(store);
    }
}

/* A put for whose shard there are no slots takes another's place: how many are there is not told, but whose they are. */
static void a_change_fails_while_shards_grow(void **unused)
{
    (void)unused;
    for (int lasting = 0; lasting < 2; lasting++)
        for (long number = 0, failed = 1; failed > 0; number++) {
            size_t blocks = counted.blocks;
            struct ldr_store *store = open_store(4);
            busy.store = store;
            busy.next = ENTRIES;
            counted.failed = 0;
            counted.lasting = lasting != 0;
            counted.countdown = number;
            enum larder_status status = change(store, 2);
            counted.countdown = -1;
            busy.store = NULL;
            failed = counted.failed;
            assert_true(status == LARDER_OK || status == LARDER_NO_MEMORY);
            assert_int_equal(open_before, status == LARDER_OK ? 0 : 4);
            assert_int_equal(open_after, status == LARDER_OK ? 4 : 0);
            struct ldr_store_stats stats = kit_stats(store);
            assert_int_equal(stats.entries + stats.evictions, busy.next);
            assert_true(failed > 0 || stats.evictions == 0);
            assert_int_equal(stats.policy_faults, 0);
            kit_check(store);
            ldr_store_close(store);
            assert_int_equal(counted.blocks, blocks);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_made_in_all_shards_or_in_none),
        cmocka_unit_test(a_change_takes_shards_that_have_grown_meanwhile),
        cmocka_unit_test(a_change_fails_while_shards_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
