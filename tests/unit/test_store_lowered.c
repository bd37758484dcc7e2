/* A limit that is lowered while others write: it ends, and statistics never show more than they say is allowed. */
#include "store_kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "core/base/epoch.h"
#include "core/store/state.h"

enum { WRITERS = 4, MANY = 40000, FEW = 4000, ROUNDS = 5 };
enum { LARGE = 8 << 20, SMALL = 64 << 10 };

struct world {
    struct ldr_store *store;
    _Atomic bool over;
    _Atomic unsigned next;
};

static bool put_next(struct world *world)
{
    char key[24];
    unsigned number = atomic_fetch_add(&world->next, 1);
    const struct ldr_put put = {
        .key = ldr_slice(key, (size_t)snprintf(key, sizeof key, "entry %u", number)),
        .value = ldr_slice_text("value"),
        .expires = LARDER_NEVER,
    };
    return ldr_store_put(world->store, &put, 0, NULL) == LARDER_OK;
}

static void *write_on(void *arg)
{
    struct world *world = arg;
    bool good = true;
    while (good && !atomic_load(&world->over))
        good = put_next(world);
    return good ? NULL : arg;
}

static void *look_on(void *arg)
{
    struct world *world = arg;
    struct ldr_store_stats stats;
    bool good = true;
    while (good && !atomic_load(&world->over)) {
        ldr_store_stats(world->store, &stats);
        good = stats.entries <= stats.entries_limit && stats.bytes_used <= stats.bytes_limit;
    }
    return good ? NULL : arg;
}

static struct ldr_store *open_limited(uint64_t max_entries, uint32_t shards)
{
    const struct ldr_store_options options = {.max_bytes = UINT64_C(64) << 20,
                                              .max_entries = max_entries,
                                              .max_value = UINT64_MAX,
                                              .eviction = LRU,
                                              .seed = 42,
                                              .shards = shards};
    struct ldr_store *store = ldr_store_open(&options);
    assert_non_null(store);
    return store;
}

static void a_limit_that_is_lowered_under_load_holds(void **state)
{
    struct world world = {.store = open_limited(MANY, 8)};
    pthread_t threads[WRITERS + 1];
    (void)state;
    while (atomic_load(&world.next) < 2 * MANY)
        assert_true(put_next(&world));
    assert_int_equal(kit_stats(world.store).entries, MANY);
    for (unsigned i = 0; i <= WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? write_on : look_on, &world), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t limit = round % 2 == 0 ? FEW : MANY;
        assert_int_equal(ldr_store_set(world.store, LRU, NULL, UINT64_C(64) << 20, limit), LARDER_OK);
    }
    atomic_store(&world.over, true);
    for (unsigned i = 0; i <= WRITERS; i++) {
        void *fault;
        assert_int_equal(pthread_join(threads[i], &fault), 0);
        assert_null(fault);
    }
    assert_in_range(kit_stats(world.store).entries, 1, FEW);
    ldr_store_close(world.store);
}

/* Looks for long each time. */
static void *linger(void *arg)
{
    struct world *world = arg;
    const struct timespec pause = {.tv_nsec = 500000};
    while (!atomic_load(&world->over)) {
        ldr_epoch_enter(LDR_EPOCH_STORE);
        atomic_store(&world->next, 1);
        nanosleep(&pause, NULL);
        ldr_epoch_exit(LDR_EPOCH_STORE);
    }
    return NULL;
}

/* What a shard has given comes free late: others do not give as much for the same, down to their last entries. */
static void a_reader_that_is_slow_costs_no_entries(void **state)
{
    static const char value[5000];
    const struct ldr_store_options options = {
        .max_bytes = LARGE, .max_value = UINT64_MAX, .eviction = LRU, .seed = 42, .shards = 4};
    struct world world = {.store = ldr_store_open(&options)};
    pthread_t reader;
    (void)state;
    assert_non_null(world.store);
    for (uint32_t key = 0; key < 100; key++) {
        const struct ldr_put put = {
            .key = ldr_slice(&key, sizeof key), .value = ldr_slice(value, sizeof value), .expires = LARDER_NEVER};
        assert_int_equal(ldr_store_put(world.store, &put, 0, NULL), LARDER_OK);
    }
    assert_int_equal(pthread_create(&reader, NULL, linger, &world), 0);
    while (atomic_load(&world.next) == 0)
        sched_yield();
    assert_int_equal(ldr_store_set_max_bytes(world.store, SMALL), LARDER_OK);
    atomic_store(&world.over, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_in_range(kit_stats(world.store).entries, 5, 12);
    assert_in_range(kit_stats(world.store).bytes_used, 1, SMALL);
    ldr_store_close(world.store);
}

/* A limit is raised and lowered again while somebody sums up: what is told fits together all the same. */
static void what_is_told_fits_together(void **state)
{
    struct world world = {.store = open_limited(MANY, 8)};
    pthread_t writer, looker;
    void *fault;
    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_on, &world), 0);
    assert_int_equal(pthread_create(&looker, NULL, look_on, &world), 0);
    for (unsigned round = 0; round < 100 * ROUNDS; round++) {
        uint64_t entries = round % 2 == 0 ? FEW / 40 : FEW / 4, bytes = round % 2 == 0 ? SMALL * 4 : LARGE / 8;
        assert_int_equal(ldr_store_set(world.store, LRU, NULL, bytes, entries), LARDER_OK);
    }
    atomic_store(&world.over, true);
    assert_int_equal(pthread_join(writer, &fault), 0);
    assert_null(fault);
    assert_int_equal(pthread_join(looker, &fault), 0);
    assert_null(fault);
    ldr_store_close(world.store);
}

/* Is about to give lines back, and is held up. */
static void *trim_late(void *arg)
{
    struct world *world = arg;
    const struct timespec pause = {.tv_nsec = 100000000};
    pthread_mutex_lock(&world->store->trim_lock);
    atomic_store(&world->next, 1);
    nanosleep(&pause, NULL);
    pthread_mutex_unlock(&world->store->trim_lock);
    return NULL;
}

/* The lines of the index of a large store are most of a budget that has become small. */
static void a_smaller_budget_holds_though_others_give_lines_back(void **state)
{
    const struct ldr_store_options options = {
        .max_bytes = LARGE, .max_value = UINT64_MAX, .eviction = LRU, .seed = 42, .shards = 8};
    struct world world = {.store = ldr_store_open(&options)};
    pthread_t trimmer;
    (void)state;
    assert_non_null(world.store);
    while (atomic_load(&world.next) < 1000)
        assert_true(put_next(&world));
    atomic_store(&world.next, 0);
    assert_int_equal(pthread_create(&trimmer, NULL, trim_late, &world), 0);
    while (atomic_load(&world.next) == 0)
        sched_yield();
    assert_int_equal(ldr_store_set_max_bytes(world.store, 16 << 10), LARDER_OK);
    assert_in_range(kit_stats(world.store).bytes_used, 1, 16 << 10);
    assert_int_equal(pthread_join(trimmer, NULL), 0);
    ldr_store_close(world.store);
}

/* They go before entries do. */
static void a_smaller_budget_is_full_of_entries(void **state)
{
    struct ldr_store *store = kit_open(LRU, 512 << 10);
    (void)state;
    (void)kit_fill(store);
    assert_int_equal(ldr_store_set_max_bytes(store, 128 << 10), LARDER_OK);
    kit_check(store);
    assert_in_range(kit_stats(store).bytes_used, 96 << 10, 128 << 10);
    ldr_store_close(store);
}

/* A shard that others have given room for may have been filled by somebody else meanwhile. */
static void a_state_that_is_renewed_keeps_its_entries(void **state)
{
    struct world world = {.store = open_limited(0, 1)};
    (void)state;
    while (atomic_load(&world.next) < MANY)
        assert_true(put_next(&world));
    struct ldr_shard *shard = &world.store->shards[0];
    ldr_shard_enter(shard, 0);
    ldr_rebuild_renew(world.store, shard);
    ldr_shard_leave(shard);
    assert_int_equal(kit_stats(world.store).entries, MANY);
    assert_int_equal(kit_stats(world.store).evictions, 0);
    ldr_store_close(world.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_that_is_lowered_under_load_holds),
        cmocka_unit_test(what_is_told_fits_together),
        cmocka_unit_test(a_reader_that_is_slow_costs_no_entries),
        cmocka_unit_test(a_smaller_budget_holds_though_others_give_lines_back),
        cmocka_unit_test(a_smaller_budget_is_full_of_entries),
        cmocka_unit_test(a_state_that_is_renewed_keeps_its_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
