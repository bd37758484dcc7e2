/*
 * Cells that are kept to spare: a reader that stays inside its section keeps everything that is evicted from coming back,
 * and a store that is full takes new entries all the same, a few at least, without waiting for it. And no more than that
 * is kept: what was retired comes back while the store is written to, whatever the sizes are.
 */
#include "store_kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "core/base/epoch.h"

enum { PUTS = 8, VALUE = 100, PATIENCE_MS = 20000 };

struct stay {
    _Atomic bool inside, done;
    bool gave_up; /* the reader's */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Leaves when all puts have returned, or, as they would wait for it for ever, when its patience is over. */
static void *stay_inside(void *arg)
{
    struct stay *stay = arg;
    uint64_t until = now_ms() + PATIENCE_MS;
    ldr_epoch_enter(LDR_EPOCH_STORE);
    atomic_store(&stay->inside, true);
    while (!atomic_load(&stay->done) && !stay->gave_up) {
        sched_yield();
        stay->gave_up = now_ms() > until;
    }
    ldr_epoch_exit(LDR_EPOCH_STORE);
    return NULL;
}

static void put_number(struct ldr_store *store, unsigned number)
{
    char key[24];
    static const unsigned char value[VALUE];
    snprintf(key, sizeof key, "entry %u", number);
    assert_int_equal(kit_put(store, key, value, sizeof value), LARDER_OK);
}

static void a_full_store_has_cells_to_spare(uint64_t max_bytes)
{
    struct ldr_store *store = kit_open(CLOCK, max_bytes);
    struct stay stay = {.gave_up = false};
    unsigned number = 0;
    pthread_t reader;
    while (number < 3 * max_bytes / VALUE)
        put_number(store, number++);
    struct ldr_store_stats before = kit_stats(store);
    assert_true(before.evictions > 0);
    assert_int_equal(pthread_create(&reader, NULL, stay_inside, &stay), 0);
    while (!atomic_load(&stay.inside))
        sched_yield();
    for (unsigned i = 0; i < PUTS; i++)
        put_number(store, number++);
    atomic_store(&stay.done, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_false(stay.gave_up);
    /* What it evicts ahead it does in small groups. */
    assert_in_range(kit_stats(store).evictions - before.evictions, 0, 4 * PUTS);
    ldr_store_close(store);
}

static void a_store_of_128_kib_has_cells_to_spare(void **state)
{
    (void)state;
    a_full_store_has_cells_to_spare(UINT64_C(128) << 10);
}

static void a_store_of_300_kib_has_cells_to_spare(void **state)
{
    (void)state;
    a_full_store_has_cells_to_spare(UINT64_C(300) << 10);
}

static void a_store_of_8_mib_has_cells_to_spare(void **state)
{
    (void)state;
    a_full_store_has_cells_to_spare(UINT64_C(8) << 20);
}

static void rewrite(struct ldr_store *store, unsigned key, size_t size)
{
    static const unsigned char value[256 << 10];
    char name[24];
    snprintf(name, sizeof name, "entry %u", key);
    assert_int_equal(kit_put(store, name, value, size), LARDER_OK);
}

static void large_values_that_are_rewritten_come_back(void **state)
{
    enum { SIZE = 256 << 10, BOUND = 100 };
    struct ldr_store *store = kit_open(CLOCK, UINT64_C(256) << 20);
    (void)state;
    for (unsigned i = 0; i < 800; i++) {
        rewrite(store, 1, SIZE);
        assert_in_range(kit_stats(store).retired_bytes, 0, BOUND * SIZE);
    }
    ldr_store_close(store);
}

static void what_a_reader_held_back_comes_back_when_it_has_left(void **state)
{
    struct ldr_store *store = kit_open(CLOCK, UINT64_C(64) << 20);
    (void)state;
    ldr_epoch_enter(LDR_EPOCH_STORE);
    for (unsigned i = 0; i < 20000; i++)
        rewrite(store, i % 1000, 300);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    uint64_t held = kit_stats(store).retired_bytes;
    assert_true(held > 4 << 20);
    for (unsigned i = 0; i < 100000; i++)
        rewrite(store, i % 1000, 300);
    assert_in_range(kit_stats(store).retired_bytes, 0, held / 10);
    ldr_store_close(store);
}

/* It was in a section once, and is in none now. */
static void *idle(void *arg)
{
    struct stay *stay = arg;
    ldr_epoch_enter(LDR_EPOCH_STORE);
    ldr_epoch_exit(LDR_EPOCH_STORE);
    atomic_store(&stay->inside, true);
    while (!atomic_load(&stay->done))
        sched_yield();
    return NULL;
}

static void an_idle_thread_holds_back_little(void **state)
{
    struct ldr_store *store = kit_open(CLOCK, UINT64_C(64) << 20);
    struct stay stay = {.gave_up = false};
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, idle, &stay), 0);
    while (!atomic_load(&stay.inside))
        sched_yield();
    for (unsigned i = 0; i < 20000; i++)
        rewrite(store, i % 1000, 300);
    assert_in_range(kit_stats(store).retired_bytes, 0, 20000 * 300 / 4);
    atomic_store(&stay.done, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    ldr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_of_128_kib_has_cells_to_spare),
        cmocka_unit_test(a_store_of_300_kib_has_cells_to_spare),
        cmocka_unit_test(a_store_of_8_mib_has_cells_to_spare),
        cmocka_unit_test(large_values_that_are_rewritten_come_back),
        cmocka_unit_test(what_a_reader_held_back_comes_back_when_it_has_left),
        cmocka_unit_test(an_idle_thread_holds_back_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
