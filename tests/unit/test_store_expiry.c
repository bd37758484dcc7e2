/* Expiry of many entries at one time, of few among many, and what the store asks its clock. */
#include "store_shapes.h"

#include <pthread.h>
#include <stdatomic.h>

enum { DUE = 1000, LIMIT = 10000, READERS = 2, LIVING = 5000, MANY = SHAPE_SANITIZED ? 60000 : 1000000 };

static struct larder_slice number_key(char kind, unsigned i, char buffer[16])
{
    return ldr_slice(buffer, (size_t)snprintf(buffer, 16, "%c%07u", kind, i));
}

static void put_number(struct ldr_store *store, char kind, unsigned i, uint64_t expires)
{
    char key[16];
    const struct larder_slice slice = number_key(kind, i, key);
    const struct ldr_put put = {.key = slice, .value = slice, .expires = expires};
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
}

static bool finds(struct ldr_store *store, char kind, unsigned i, uint64_t now)
{
    char key[16];
    struct larder_slice slice = number_key(kind, i, key);
    struct ldr_entry *entry = ldr_store_get(store, slice, now);
    bool found = entry != NULL;
    require(!found || ldr_slice_equal(ldr_entry_value(entry), slice));
    ldr_entry_release(entry);
    return found;
}

/* ---- all at one time */

struct flood {
    struct ldr_store *store;
    _Atomic bool over;
    _Atomic unsigned readers;
    _Atomic uint64_t gets;
    uint64_t calls;
};

static void *expire_all(void *arg)
{
    struct flood *flood = arg;
    do
        flood->calls++;
    while (ldr_store_expire(flood->store, DUE, LIMIT) == DUE);
    atomic_store(&flood->over, true);
    return NULL;
}

/* Keys that live are found, and those that are due never are, whether they are still there or not. */
static void *read_living(void *arg)
{
    struct flood *flood = arg;
    uint64_t random = 5 + atomic_fetch_add(&flood->readers, 1), gets = 0;
    for (; !atomic_load(&flood->over) || gets == 0; gets++) {
        require(finds(flood->store, 'n', shape_below(&random, LIVING), DUE));
        require(finds(flood->store, 'l', shape_below(&random, LIVING), DUE));
        if (gets % 64 == 0)
            require(!finds(flood->store, 'd', shape_below(&random, MANY), DUE));
    }
    atomic_fetch_add(&flood->gets, gets);
    return NULL;
}

static void flood_of_expirations(const struct shape *shape)
{
    struct flood flood = {.store = shape_open(shape)};
    shape_print(shape);
    for (unsigned i = 0; i < LIVING; i++) {
        put_number(flood.store, 'n', i, LARDER_NEVER);
        put_number(flood.store, 'l', i, DUE + 1 + i);
    }
    uint64_t living = kit_stats(flood.store).bytes_used;
    for (unsigned i = 0; i < MANY; i++)
        put_number(flood.store, 'd', i, DUE);
    struct ldr_store_stats full = kit_stats(flood.store);
    assert_int_equal(full.evictions, 0);
    assert_int_equal(full.entries, MANY + 2 * LIVING);
    assert_int_equal(ldr_store_expire(flood.store, DUE - 1, LIMIT), DUE);
    assert_int_equal(kit_stats(flood.store).entries, MANY + 2 * LIVING);
    pthread_t expirer, readers[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_living, &flood), 0);
    assert_int_equal(pthread_create(&expirer, NULL, expire_all, &flood), 0);
    assert_int_equal(pthread_join(expirer, NULL), 0);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    /* What was retired while readers looked comes back with the next ticks of the timer. */
    for (unsigned tick = 0; tick < 8; tick++)
        assert_int_equal(ldr_store_expire(flood.store, DUE, LIMIT), DUE + 1);
    struct ldr_store_stats stats = kit_stats(flood.store);
    assert_int_equal(stats.entries, 2 * LIVING);
    assert_int_equal(stats.expirations, MANY);
    assert_int_equal(stats.evictions, 0);
    assert_in_range(flood.calls, 1, MANY / LIMIT + 1);
    print_message("    %llu gets meanwhile; bytes used: %llu, full %llu, afterwards %llu\n",
                  (unsigned long long)flood.gets, (unsigned long long)living, (unsigned long long)full.bytes_used,
                  (unsigned long long)stats.bytes_used);
    /* Besides a twentieth: spans that a few of the living keep, which are many where the shards are small. */
    assert_in_range(stats.bytes_used, 1, living + (full.bytes_used - living) / 20 + (1 << 20));
    assert_int_equal(ldr_store_expire(flood.store, DUE + LIVING, SIZE_MAX), LARDER_NEVER);
    assert_int_equal(kit_stats(flood.store).entries, LIVING);
    ldr_store_close(flood.store);
}

static void every_get_of_a_living_key_succeeds_while_others_expire_all_at_once(void **unused)
{
    (void)unused;
    for (size_t policy = 0; policy < SHAPE_POLICIES; policy++)
        for (uint32_t shards = policy == 0 ? 1 : 0; shards <= 1; shards++) {
            const struct shape shape = {
                .eviction = shape_policies[policy], .max_bytes = MANY * UINT64_C(256), .shards = shards};
            flood_of_expirations(&shape);
        }
}

/* ---- few among many */

/* FIFO, counting what it is told. */
static unsigned told_removals, told_anything;

static uint32_t counting_evict(void *state)
{
    told_anything++;
    return FIFO->evict(state);
}

static void counting_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    told_anything++;
    FIFO->insert(state, slot, object);
}

static void counting_remove(void *state, uint32_t slot)
{
    told_anything++;
    told_removals++;
    FIFO->remove(state, slot);
}

/* The policy, which hears of every entry that is removed, hears of those that are due and of nothing else. */
static void expire_touches_those_that_are_due_only(void **unused)
{
    (void)unused;
    enum { FEW = 10 };
    struct larder_eviction counting = *FIFO;
    counting.evict = counting_evict;
    counting.insert = counting_insert;
    counting.remove = counting_remove;
    for (uint32_t shards = 1; shards <= 8; shards *= 8) {
        const struct shape shape = {.eviction = &counting, .max_bytes = MANY * UINT64_C(256), .shards = shards};
        struct ldr_store *store = shape_open(&shape);
        for (unsigned i = 0; i < MANY; i++) {
            put_number(store, 'n', i, LARDER_NEVER);
            if (i % (MANY / FEW) == 0)
                put_number(store, 'd', i / (MANY / FEW), DUE);
        }
        assert_int_equal(kit_stats(store).entries, MANY + FEW);
        told_removals = told_anything = 0;
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(ldr_store_expire(store, DUE - 1, SIZE_MAX), DUE);
        assert_int_equal(told_anything, 0);
        assert_int_equal(ldr_store_expire(store, DUE, 4), DUE);
        assert_int_equal(told_removals, 4);
        assert_int_equal(ldr_store_expire(store, DUE, SIZE_MAX), LARDER_NEVER);
        assert_int_equal(told_removals, FEW);
        assert_int_equal(told_anything, FEW);
        assert_int_equal(kit_stats(store).entries, MANY);
        ldr_store_close(store);
    }
}

/* Over several shards, by times that lie in no order, some changed afterwards. */
static void expire_tells_when_the_next_is_due(void **unused)
{
    (void)unused;
    enum { COUNT = 3000 };
    static uint64_t times[COUNT];
    for (uint32_t shards = 1; shards <= 16; shards *= 4) {
        const struct shape shape = {.eviction = LRU, .max_bytes = 8 << 20, .shards = shards};
        struct ldr_store *store = shape_open(&shape);
        uint64_t random = 3 + shards;
        char key[16];
        for (unsigned i = 0; i < COUNT; i++)
            put_number(store, 'd', i, times[i] = 1 + shape_below(&random, COUNT));
        for (unsigned i = 0; i < COUNT; i += 3) {
            times[i] = i % 2 == 0 ? 1 + shape_below(&random, COUNT) : LARDER_NEVER;
            assert_int_equal(ldr_store_touch(store, number_key('d', i, key), times[i], 0, NULL), LARDER_OK);
        }
        for (uint64_t now = 0; now <= COUNT; now += 7) {
            uint64_t next = LARDER_NEVER, living = 0;
            for (unsigned i = 0; i < COUNT; i++) {
                living += times[i] > now;
                next = times[i] > now && times[i] < next ? times[i] : next;
            }
            assert_int_equal(ldr_store_expire(store, now, SIZE_MAX), next);
            assert_int_equal(kit_stats(store).entries, living);
        }
        ldr_store_close(store);
    }
}

/* ---- entries that stay when their time has passed */

static bool stays(struct ldr_store *store, unsigned i, uint64_t now)
{
    char key[16];
    assert_false(finds(store, 'd', i, now));
    struct ldr_entry *entry = ldr_store_peek(store, number_key('d', i, key), 0);
    ldr_entry_release(entry);
    return entry != NULL;
}

static void what_is_past_its_time_stays_unfound_for_as_long_as_was_asked(void **unused)
{
    (void)unused;
    enum { KEPT = 500 };
    const struct shape shape = {.eviction = LRU, .max_bytes = 1 << 20, .shards = 2};
    struct ldr_store *store = shape_open(&shape);
    put_number(store, 'd', 1, DUE);
    put_number(store, 'd', 2, DUE + 10);
    ldr_store_hold(store, KEPT, false);
    assert_int_equal(ldr_store_expire(store, 1, SIZE_MAX), DUE + KEPT);
    assert_int_equal(ldr_store_expire(store, DUE, SIZE_MAX), DUE + KEPT);
    assert_true(stays(store, 1, DUE));
    assert_int_equal(ldr_store_expire(store, DUE + KEPT, SIZE_MAX), DUE + 10 + KEPT);
    assert_false(stays(store, 1, DUE + KEPT));
    assert_true(stays(store, 2, DUE + KEPT));
    ldr_store_hold(store, LARDER_NEVER, false);
    assert_int_equal(ldr_store_expire(store, DUE + 2 * KEPT, SIZE_MAX), LARDER_NEVER);
    assert_int_equal(ldr_store_expire(store, LARDER_NEVER - 1, SIZE_MAX), LARDER_NEVER);
    assert_true(stays(store, 2, LARDER_NEVER - 1));
    ldr_store_hold(store, 0, false);
    assert_int_equal(ldr_store_expire(store, DUE + 10, SIZE_MAX), LARDER_NEVER);
    assert_int_equal(kit_stats(store).entries, 0);
    ldr_store_close(store);
}

/* An older version does not take the place of one that is past its time, nor does it have it there for a condition. */
static void what_is_past_its_time_keeps_older_copies_out(void **unused)
{
    (void)unused;
    const struct shape shape = {.eviction = LRU, .max_bytes = 1 << 20};
    struct ldr_store *store = shape_open(&shape);
    ldr_store_hold(store, 500, false);
    char key[16];
    struct ldr_put put = {.key = number_key('d', 1, key), .expires = DUE, .version = {3, 7}};
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
    put.version.clock = 6;
    put.expires = LARDER_NEVER;
    put.flags = LDR_PUT_NEWER | LDR_PUT_COPY;
    assert_int_equal(ldr_store_put(store, &put, DUE + 1, NULL), LARDER_OK);
    assert_true(stays(store, 1, DUE + 1)); /* what is found would be the older one */
    put.version.clock = 8;
    put.flags = LDR_PUT_IF_ABSENT;
    assert_int_equal(ldr_store_put(store, &put, DUE + 2, NULL), LARDER_OK);
    assert_int_equal(kit_stats(store).entries, 1);
    assert_int_equal(ldr_store_remove(store, put.key, 0, put.version, DUE + 3), LARDER_OK);
    ldr_store_close(store);
}

/* ---- the store's clock */

struct watch {
    uint64_t now;
    unsigned asked;
};

static uint64_t ask(void *arg)
{
    struct watch *watch = arg;
    watch->asked++;
    return watch->now;
}

static void the_clock_is_asked_about_entries_that_expire_only(void **unused)
{
    (void)unused;
    struct watch watch = {.now = DUE - 1};
    const struct shape shape = {.eviction = LRU, .max_bytes = 1 << 20, .clock = ask, .clock_arg = &watch};
    struct ldr_store *store = shape_open(&shape);
    put_number(store, 'n', 1, LARDER_NEVER);
    put_number(store, 'd', 1, DUE);
    assert_true(finds(store, 'n', 1, LDR_NOW));
    assert_false(finds(store, 'n', 2, LDR_NOW));
    assert_int_equal(watch.asked, 0);
    assert_true(finds(store, 'd', 1, LDR_NOW));
    assert_true(watch.asked > 0);
    watch.now = DUE;
    char buffer[16], key[16];
    struct ldr_copy copy = {.key = number_key('d', 1, key), .buffer = buffer, .capacity = sizeof buffer};
    assert_int_equal(ldr_store_copy(store, &copy, DUE - 1), LDR_FOUND);
    assert_int_equal(ldr_store_copy(store, &copy, LDR_NOW), LDR_ABSENT);
    assert_int_equal(kit_stats(store).expirations, 1);
    assert_int_equal(kit_stats(store).entries, 1);
    ldr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_get_of_a_living_key_succeeds_while_others_expire_all_at_once),
        cmocka_unit_test(expire_touches_those_that_are_due_only),
        cmocka_unit_test(expire_tells_when_the_next_is_due),
        cmocka_unit_test(what_is_past_its_time_stays_unfound_for_as_long_as_was_asked),
        cmocka_unit_test(what_is_past_its_time_keeps_older_copies_out),
        cmocka_unit_test(the_clock_is_asked_about_entries_that_expire_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
