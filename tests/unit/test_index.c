/* The index: what is there is found, what is not is not, however buckets are split and merged and lines come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "index_kit.h"

struct walk {
    const struct world *world;
    uint32_t count;
};

static void count_ref(void *arg, ldr_ref ref)
{
    struct walk *walk = arg;
    uint32_t number = ref / (ENTRY_SIZE / LDR_ENTRY_ALIGN) - 1;
    assert_int_equal(walk->world->there[number / 2], 1 + number % 2);
    walk->count++;
}

static void check_all(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t key = 0; key < world->keys; key++) {
        check_key(world, key);
        count += world->there[key] != 0;
    }
    struct walk walk = {world, 0};
    ldr_index_walk(&world->writer, count_ref, &walk);
    assert_int_equal(walk.count, count);
    assert_int_equal(world->writer.count, count);
}

/* No byte of the ranges is anything but zero: in other shards' lines from the first, in this shard's from `used` on. */
static void check_zero(const struct ldr_line *lines, size_t count, uint32_t used)
{
    static const struct ldr_line zero;
    for (size_t i = 0; i < count; i++) {
        if (i % (1u << SHARD_BITS) != SHARD || i >> SHARD_BITS >= used)
            assert_memory_equal(&lines[i], &zero, sizeof zero);
    }
}

static void check_untouched(const struct world *world)
{
    check_zero(world->lines, world->lines_count, buckets(world));
    check_zero(world->extra, world->extra_count, world->writer.extra_used);
}

/* ---- one thread */

/* Random operations that lead to `count` keys, then some at about that count. */
static void go_to(struct world *world, uint32_t count, uint32_t steps)
{
    while (world->writer.count != count || steps-- > 0) {
        uint32_t key = draw(world->keys);
        bool grow = world->writer.count < count || (world->writer.count == count && draw(2) == 0);
        if (world->there[key] == 0 && grow)
            assert_true(insert(world, key));
        else if (world->there[key] != 0 && draw(3) == 0)
            replace(world, key);
        else if (world->there[key] != 0 && !grow)
            remove_key(world, key);
        check_key(world, key);
    }
}

static void go_through_counts(struct world *world, uint32_t most)
{
    const uint32_t counts[] = {1, 12, 9, 13, 30, 0, 100, 37, most / 2, most / 3, most, 5, most / 7, most / 8, most, 0};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        go_to(world, counts[i] < most ? counts[i] : most, 500);
        check_all(world);
        check_untouched(world);
        if (i % 2 != 0) {
            ldr_index_trim(&world->writer);
            check_all(world);
            check_untouched(world);
            assert_int_equal(world->writer.high, buckets(world));
        }
    }
    assert_int_equal(buckets(world), 1);
    assert_int_equal(ldr_index_lines(&world->writer), 1);
    check_zero(world->lines, world->lines_count, 0);
    check_zero(world->extra, world->extra_count, 0);
    close_world(world);
}

static void does_as_a_model_does(void **state)
{
    (void)state;
    go_through_counts(open_world(20000, 4096, 1024, 0), 15000);
}

static void does_as_a_model_does_when_buckets_are_few(void **state)
{
    (void)state;
    go_through_counts(open_world(1000, 1, 100, 0), 900);
    go_through_counts(open_world(1000, 6, 100, 0), 900);
}

/* All in one bucket, as buckets go by the low bits of the hash; then with the same tag, too. */
static void does_as_a_model_does_when_keys_collide(void **state)
{
    (void)state;
    go_through_counts(open_world(500, 4096, 100, 0x3ff), 400);
    go_through_counts(open_world(150, 4096, 100, UINT64_C(0xff0000003f)), 140);
}

static void a_full_index_refuses_and_stays_as_it_is(void **state)
{
    (void)state;
    struct world *world = open_world(100, 1, 2, 0);
    for (uint32_t key = 0; key < 36; key++)
        assert_true(insert(world, key));
    assert_false(insert(world, 36));
    check_all(world);
    remove_key(world, 3);
    assert_true(insert(world, 36));
    assert_false(insert(world, 3));
    check_all(world);
    close_world(world);
}

static void a_split_or_merge_without_extra_lines_does_not_happen(void **state)
{
    (void)state;
    struct world *world = open_world(5000, 1024, 3, 0x3f);
    for (unsigned round = 0; round < 3; round++) {
        for (uint32_t key = 0; key < world->keys; key++) {
            if (world->there[key] == 0)
                insert(world, key);
        }
        assert_in_range(world->writer.count, 36, world->keys - 1);
        check_all(world);
        for (uint32_t key = 0; key < world->keys; key++) {
            if (world->there[key] != 0 && draw(world->keys) > key / 2)
                remove_key(world, key);
        }
        check_all(world);
        check_untouched(world);
    }
    close_world(world);
}

static void an_entry_costs_about_ten_bytes_at_any_count(void **state)
{
    (void)state;
    struct world *world = open_world(70000, 16384, 8192, 0);
    uint64_t lines = 0, points = 0;
    for (uint32_t key = 0; key < world->keys; key++) {
        assert_true(insert(world, key));
        uint32_t count = world->writer.count;
        if (count % 1024 != 0 || count < 32768 || count == 65536)
            continue;
        uint32_t here = ldr_index_lines(&world->writer) * 6400 / count;
        assert_in_range(here, 900, 1010); /* hundredths of a byte */
        lines += here;
        points++;
    }
    assert_in_range(lines / points, 960, 1000);
    for (uint32_t key = 0; key < world->keys - 4000; key++)
        remove_key(world, key);
    assert_in_range(ldr_index_lines(&world->writer), 8000, 16000);
    ldr_index_trim(&world->writer);
    assert_in_range(ldr_index_lines(&world->writer), 4000 / 7, 4000 / 5);
    check_all(world);
    close_world(world);
}

static void a_steady_count_splits_and_merges_nothing(void **state)
{
    (void)state;
    struct world *world = open_world(2000, 1024, 1024, 0);
    for (uint32_t key = 0; key < 1000; key++) {
        assert_true(insert(world, key));
        uint32_t before = buckets(world);
        for (uint32_t i = 0; i < 5; i++) {
            remove_key(world, key - key % 2);
            assert_true(insert(world, 1000 + i));
            remove_key(world, 1000 + i);
            assert_true(insert(world, key - key % 2));
        }
        assert_int_equal(buckets(world), before);
    }
    close_world(world);
}

static void a_key_equals_another_only_when_all_bytes_do(void **state)
{
    (void)state;
    unsigned char a[101], b[101];
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = b[i] = (unsigned char)draw(256);
    for (size_t size = 1; size < sizeof a; size++) {
        assert_true(ldr_key_equal(a, b, size));
        for (size_t i = 0; i < sizeof a; i++) {
            b[i] ^= (unsigned char)(1u << draw(8));
            assert_int_equal(ldr_key_equal(a, b, size), i >= size);
            b[i] = a[i];
        }
    }
}

/* ---- one writer and several readers */

#define READERS 3u
#define STABLE  200u /* keys 0 to STABLE - 1 are always there */

/* What readers may rely on about a key: it is there or not as long as its stamp says so and stays the same. */
enum stamp { ABSENT, INSERTING, PRESENT, REMOVING, STAMPS };

struct race {
    struct world *world;
    atomic_uint *stamps;
    atomic_bool done;
    atomic_uint wrong;
    pthread_barrier_t start;
};

static void look_up(struct race *race, uint32_t key)
{
    const struct world *world = race->world;
    unsigned before = atomic_load_explicit(&race->stamps[key], memory_order_acquire);
    struct ldr_probe probe = ldr_index_probe(&world->index, world->hashes[key]);
    ldr_index_prefetch(&probe);
    ldr_index_prefetch_entry(&probe, world->writer.place, 1);
    ldr_ref ref = 0;
    const struct ldr_entry *entry = ldr_index_find_at(&world->index, &probe, world->writer.place, key_of(world, key), 1,
                                                      &ref);
    unsigned after = atomic_load_explicit(&race->stamps[key], memory_order_acquire);
    bool wrong = entry != NULL && ref != ref_of(key, 0) && ref != ref_of(key, 1);
    if (before == after && before % STAMPS == PRESENT)
        wrong = wrong || entry == NULL;
    if (before == after && before % STAMPS == ABSENT)
        wrong = wrong || entry != NULL;
    if (wrong)
        atomic_fetch_add(&race->wrong, 1);
}

static void *read_all_the_time(void *arg)
{
    struct race *race = arg;
    pthread_barrier_wait(&race->start);
    for (uint32_t other = STABLE; !atomic_load(&race->done);) {
        for (uint32_t key = 0; key < STABLE; key++) {
            look_up(race, key);
            look_up(race, other);
            other = other + 1 == race->world->keys ? STABLE : other + 1;
        }
    }
    return NULL;
}

static void toggle(struct race *race, uint32_t key)
{
    atomic_fetch_add(&race->stamps[key], 1);
    if (race->world->there[key] == 0)
        assert_true(insert(race->world, key));
    else
        remove_key(race->world, key);
    atomic_fetch_add(&race->stamps[key], 1);
}

static void grow_and_shrink(struct race *race, unsigned rounds)
{
    struct world *world = race->world;
    for (unsigned round = 0; round < 2 * rounds; round++) {
        uint32_t changes = world->keys + draw(world->keys);
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t key = STABLE + draw(world->keys - STABLE);
            if ((world->there[key] == 0) == (round % 2 == 0))
                toggle(race, key);
            replace(world, draw(STABLE));
        }
        ldr_index_trim(&world->writer);
    }
}

static void race(struct world *world, unsigned rounds)
{
    struct race race = {.world = world, .stamps = zeroed(world->keys * sizeof(atomic_uint))};
    for (uint32_t key = 0; key < STABLE; key++) {
        assert_true(insert(world, key));
        atomic_init(&race.stamps[key], PRESENT);
    }
    pthread_t threads[READERS];
    pthread_barrier_init(&race.start, NULL, READERS + 1);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &race), 0);
    pthread_barrier_wait(&race.start);
    grow_and_shrink(&race, rounds);
    atomic_store(&race.done, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&race.start);
    assert_int_equal(race.wrong, 0);
    check_all(world);
    free(race.stamps);
    close_world(world);
}

static void readers_find_what_is_there_while_buckets_split_and_merge(void **state)
{
    (void)state;
    race(open_world(2000, 1024, 512, 0), 12);
}

static void readers_find_what_is_there_while_chains_grow_and_shrink(void **state)
{
    (void)state;
    race(open_world(600, 2, 100, 0), 12);
    race(open_world(600, 1024, 100, 0x3c), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_as_a_model_does),
        cmocka_unit_test(does_as_a_model_does_when_buckets_are_few),
        cmocka_unit_test(does_as_a_model_does_when_keys_collide),
        cmocka_unit_test(a_full_index_refuses_and_stays_as_it_is),
        cmocka_unit_test(a_split_or_merge_without_extra_lines_does_not_happen),
        cmocka_unit_test(an_entry_costs_about_ten_bytes_at_any_count),
        cmocka_unit_test(a_steady_count_splits_and_merges_nothing),
        cmocka_unit_test(a_key_equals_another_only_when_all_bytes_do),
        cmocka_unit_test(readers_find_what_is_there_while_buckets_split_and_merge),
        cmocka_unit_test(readers_find_what_is_there_while_chains_grow_and_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
