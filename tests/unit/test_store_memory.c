/* What the store says it holds against what it allocated, and every allocation failing in turn. */
#include "store_kit.h"

#include <malloc.h>
#include <stdlib.h>

#include "core/base/fail.h"

/* Live bytes of everything that the store and the modules allocated, with the allocator's headers. */
static uint64_t live;

/* Allocations until the one that fails; negative: none does. */
static long countdown = -1;
static bool fail_from_then_on;
static unsigned failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_reallocarray(void *block, size_t count, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
void __wrap_free(void *block);

static bool fails(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    failed++;
    if (fail_from_then_on)
        countdown = 0;
    return true;
}

static uint64_t weight(void *block)
{
    return block == NULL ? 0 : malloc_usable_size(block) + sizeof(size_t);
}

static void *counted(void *block)
{
    live += weight(block);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
    if (fails())
        return NULL;
    uint64_t before = weight(block);
    void *moved = __real_reallocarray(block, count, size);
    if (moved != NULL)
        live -= before;
    return counted(moved);
}

void *__wrap_realloc(void *block, size_t size)
{
    return __wrap_reallocarray(block, 1, size);
}

void __wrap_free(void *block)
{
    live -= weight(block);
    __real_free(block);
}

static unsigned draw(unsigned *random)
{
    *random = *random * 1103515245u + 12345u;
    return *random >> 8;
}

/* More than is held may be told by what a state of a policy is estimated at, never less. */
static void check_account(struct ldr_store *store)
{
    struct ldr_store_stats stats = kit_stats(store);
    assert_in_range(stats.bytes_used, live, live + 256);
    assert_in_range(stats.bytes_used, 1, stats.bytes_limit);
}

static void fault_18_bytes_used_is_what_was_allocated(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    static char value[20000];
    unsigned random = 3;
    char key[16];
    check_account(store);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "%u", draw(&random) % 2000);
        const struct ldr_put put = {.key = ldr_slice_text(key),
                                    .value = ldr_slice(value, draw(&random) % (i % 20 == 0 ? sizeof value : 200)),
                                    .expires = i + draw(&random) % 3000};
        switch (draw(&random) % 300) {
        case 0: assert_int_equal(ldr_store_set_eviction(store, i % 2 ? LRU : FIFO, NULL), LARDER_OK); break;
        case 1: assert_int_equal(ldr_store_set_max_bytes(store, 50000 + draw(&random) % 500000), LARDER_OK); break;
        case 2: ldr_store_expire(store, i, 100); break;
        case 3: ldr_store_clear(store); break;
        default:
            if (i % 3 == 0)
                ldr_store_remove(store, put.key, 0, put.version, i);
            else
                assert_int_equal(ldr_store_put(store, &put, i, NULL), LARDER_OK);
        }
        check_account(store);
    }
    ldr_store_close(store);
    assert_int_equal(live, 0);
}

/*
 * Large arrays of a policy are mapped and cost what is touched of them, which counting allocations cannot see: they are
 * an eighth of the smallest entry at most.
 */
static void fault_18_a_large_store_holds_its_limit(void **unused)
{
    (void)unused;
    const uint64_t budget = 8 << 20;
    struct ldr_store *store = kit_open(LRU, budget);
    static char value[8000];
    unsigned random = 9;
    uint64_t most = 0;
    char key[16];
    for (unsigned i = 0; i < 300000; i++) {
        snprintf(key, sizeof key, "%u", draw(&random));
        assert_int_equal(kit_put(store, key, value, draw(&random) % (i / 100000 == 1 ? sizeof value : 50)), LARDER_OK);
        if (live > most)
            most = live;
    }
    assert_in_range(most, budget - budget / 20, budget + budget / 8);
    ldr_store_close(store);
    assert_int_equal(live, 0);
}

static void readers_hold_what_they_pinned_and_no_more(void **unused)
{
    (void)unused;
    struct ldr_store *store = kit_open(LRU, 1 << 16);
    struct ldr_entry *pinned[50];
    char key[16], value[500] = {0};
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_int_equal(kit_put(store, key, value, sizeof value), LARDER_OK);
        if (i < 50)
            pinned[i] = ldr_store_get(store, ldr_slice_text(key), 0);
    }
    struct ldr_store_stats stats = kit_stats(store);
    assert_in_range(live, stats.bytes_used + 50 * 500, stats.bytes_used + 50 * 700);
    for (unsigned i = 0; i < 50; i++)
        ldr_entry_release(pinned[i]);
    check_account(store);
    ldr_store_close(store);
    assert_int_equal(live, 0);
}

/* ---- every allocation failing in turn */

enum { KEYS = 150 };

/* A store in its scenario, and for each key the size of its value: SIZE_MAX when the key is not there. */
struct scene {
    struct ldr_store *store;
    size_t sizes[KEYS];
};

static void check_scene(struct scene *scene)
{
    char key[16];
    uint64_t entries = 0;
    kit_check(scene->store);
    for (unsigned k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "%u", k);
        struct ldr_entry *entry = ldr_store_get(scene->store, ldr_slice_text(key), 0);
        /* What is there is what was put last; it may have been evicted. */
        if (entry != NULL)
            assert_int_equal(ldr_entry_value(entry).size, scene->sizes[k]);
        else
            scene->sizes[k] = SIZE_MAX;
        entries += entry != NULL;
        ldr_entry_release(entry);
    }
    assert_int_equal(kit_stats(scene->store).entries, entries);
}

static void scene_put(struct scene *scene, unsigned k, size_t size)
{
    static const char value[20000];
    char key[16];
    snprintf(key, sizeof key, "%u", k);
    const struct ldr_put put = {.key = ldr_slice_text(key), .value = ldr_slice(value, size), .expires = 1000 + k};
    bool was_there = kit_has(scene->store, key);
    enum larder_status status = ldr_store_put(scene->store, &put, 0, NULL);
    if (status == LARDER_OK)
        scene->sizes[k] = size;
    else if (status != LARDER_NO_ROOM || size <= kit_stats(scene->store).bytes_limit)
        assert_int_equal(status, LARDER_NO_MEMORY);
    if (status == LARDER_OK || was_there)
        assert_true(kit_has(scene->store, key));
    kit_check(scene->store);
}

static void scene_change(struct scene *scene, uint64_t max_bytes, const struct larder_eviction *eviction)
{
    struct ldr_store_stats before = kit_stats(scene->store);
    enum larder_status status = eviction != NULL ? ldr_store_set_eviction(scene->store, eviction, NULL)
                                                 : ldr_store_set_max_bytes(scene->store, max_bytes);
    struct ldr_store_stats after = kit_stats(scene->store);
    if (status == LARDER_OK) {
        assert_int_equal(after.bytes_limit, eviction != NULL ? before.bytes_limit : max_bytes);
    } else {
        assert_int_equal(status, LARDER_NO_MEMORY);
        assert_int_equal(larder_last_status(), LARDER_NO_MEMORY);
        assert_memory_equal(&before, &after, sizeof before);
    }
    check_scene(scene);
}

static void play(struct scene *scene)
{
    for (unsigned k = 0; k < KEYS; k++)
        scene_put(scene, k, k % 40);
    check_scene(scene);
    for (unsigned k = 0; k < KEYS; k += 9)
        scene_put(scene, k, 500);
    scene_change(scene, 0, FIFO);
    scene_change(scene, 40000, NULL);
    scene_change(scene, 6000, NULL);
    scene_put(scene, 3, 2500);
    scene_put(scene, 4, 2500);
    scene_change(scene, 60000, NULL);
    for (unsigned k = 0; k < KEYS; k++)
        scene_put(scene, k, 1);
    ldr_store_expire(scene->store, 1000 + KEYS - 10, SIZE_MAX);
    check_scene(scene);
    scene_put(scene, 0, 20000);
    scene_change(scene, 0, LRU);
    ldr_store_clear(scene->store);
    check_scene(scene);
    scene_put(scene, 1, 1);
}

/* True when the store could be opened and no allocation failed. */
static bool play_failing_at(long number, bool from_then_on)
{
    const struct ldr_store_options options = {.max_bytes = 20000, .max_value = 20000, .eviction = LRU};
    struct scene scene;
    memset(scene.sizes, 0xff, sizeof scene.sizes);
    failed = 0;
    fail_from_then_on = from_then_on;
    countdown = number;
    scene.store = ldr_store_open(&options);
    if (scene.store != NULL)
        play(&scene);
    else
        assert_int_equal(larder_last_status(), LARDER_NO_MEMORY);
    countdown = -1;
    if (scene.store != NULL) {
        assert_int_equal(kit_stats(scene.store).policy_faults, 0);
        scene_put(&scene, 2, 100);
        assert_int_equal(scene.sizes[2], 100);
        check_account(scene.store);
    }
    ldr_store_close(scene.store);
    assert_int_equal(live, 0);
    return failed == 0;
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
        long number = 0;
        while (!play_failing_at(number, from_then_on != 0))
            number++;
        assert_true(number > 2 * KEYS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_18_bytes_used_is_what_was_allocated),
        cmocka_unit_test(fault_18_a_large_store_holds_its_limit),
        cmocka_unit_test(readers_hold_what_they_pinned_and_no_more),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
