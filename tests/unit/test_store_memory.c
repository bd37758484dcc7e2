/* What the store says it holds against what it holds, and every request for memory failing in turn. */
#include "store_shapes.h"

#include <pthread.h>

#include "core/base/fail.h"
#include "counted_memory.h"

enum { LARGEST = 20000 };

/* ---- the account */

/* How far the store's account was off, at most. */
struct distance {
    uint64_t less, more; /* was held than told */
    uint64_t at_first;   /* held before the store was opened: the thread's own */
};

/*
 * True to 5 %, and to the pages of a few arrays that are touched in part. Memory is told as soon as it is set aside, and
 * touched when it is needed: so less may be held than told until everything has been turned over a few times.
 */
static void check_account(struct ldr_store *store, struct distance *distance, uint64_t fixed)
{
    struct ldr_store_stats stats = kit_stats(store);
    uint64_t held = counted_bytes() - distance->at_first, used = stats.bytes_used;
    uint64_t less = used > held ? used - held : 0, more = held > used ? held - used : 0;
    bool full = stats.bytes_limit > 16 << 20 && used > stats.bytes_limit - stats.bytes_limit / 20 &&
                stats.evictions > 4 * stats.entries;
    distance->more = more > distance->more ? more : distance->more;
    if (full && less > distance->less)
        distance->less = less;
    assert_in_range(used, 1, stats.bytes_limit);
    if ((full && less > used / 20 + fixed) || more > used / 20 + fixed)
        fail_msg("%llu bytes are held, and %llu told (entries %llu, retired %llu)", (unsigned long long)held,
                 (unsigned long long)used, (unsigned long long)stats.entries, (unsigned long long)stats.retired_bytes);
}

/* Puts and removes, with sizes that change their kind now and then; and what is rare, rarely. */
static void account_step(struct ldr_store *store, const struct shape *shape, unsigned i, uint64_t *random)
{
    static char value[LARGEST];
    const struct larder_eviction *eviction = shape_policies[shape_below(random, SHAPE_POLICIES)];
    uint64_t budget = shape->max_bytes;
    char key[16];
    snprintf(key, sizeof key, "%u", shape_below(random, (uint32_t)(budget / 64)));
    uint32_t most = i / 20000 % 2 == 0 ? 200 : 4000;
    const struct ldr_put put = {.key = ldr_slice_text(key),
                                .value = ldr_slice(value, shape_below(random, i % 50 == 0 ? LARGEST : most)),
                                .expires = i + shape_below(random, 30000)};
    switch (shape_below(random, 20000)) {
    case 0: assert_int_equal(ldr_store_set_eviction(store, eviction, NULL), LARDER_OK); break;
    case 1:
        assert_int_equal(ldr_store_set_max_bytes(store, budget / 2 + shape_below(random, (uint32_t)budget)), 0);
        break;
    case 2: ldr_store_expire(store, i, 1000); break;
    case 3: ldr_store_clear(store); break;
    default:
        if (i % 5 == 0)
            ldr_store_remove(store, put.key, 0, put.version, i);
        else
            assert_int_equal(ldr_store_put(store, &put, i, NULL), LARDER_OK);
    }
}

static void account_of(const struct shape *shape, uint64_t fixed)
{
    shape_print(shape);
    struct distance distance = {.at_first = counted_bytes()};
    size_t blocks = counted.blocks, ranges = counted.count;
    struct ldr_store *store = shape_open(shape);
    uint64_t random = 3;
    check_account(store, &distance, fixed);
    for (unsigned i = 0; i < (SHAPE_SANITIZED ? 60000 : 300000); i++) {
        account_step(store, shape, i, &random);
        if (i % 1000 == 0)
            check_account(store, &distance, fixed);
    }
    print_message("    at most %llu bytes less and %llu more were held than told\n", (unsigned long long)distance.less,
                  (unsigned long long)distance.more);
    ldr_store_close(store);
    assert_int_equal(counted.blocks, blocks);
    assert_int_equal(counted.count, ranges);
}

static void skip_if_sanitized(void)
{
    if (!SHAPE_SANITIZED)
        return;
    print_message("SKIPPED: a sanitizer's allocator touches what it likes\n");
    skip();
}

static void fault_18_bytes_used_is_what_is_held(void **unused)
{
    (void)unused;
    skip_if_sanitized();
    for (size_t policy = 0; policy < SHAPE_POLICIES; policy++)
        for (uint32_t shards = 1; shards <= 2; shards++) {
            struct shape shape = {.eviction = shape_policies[policy], .max_bytes = 32 << 20, .shards = shards};
            shape.small_pages = policy % 2 == 0;
            account_of(&shape, 64 << 10);
        }
}

/* Where spans of all classes together are a good part of the budget, much of it is told and not touched. */
static void fault_18_no_more_is_held_than_told_by_small_stores(void **unused)
{
    (void)unused;
    skip_if_sanitized();
    for (uint64_t budget = 1 << 15; budget <= 8 << 20; budget *= 4) {
        const struct shape shape = {
            .eviction = LRU, .max_bytes = budget, .small_pages = true, .exact_hits = budget > 1 << 20};
        account_of(&shape, 640 << 10); /* pages of many arrays that are touched in part */
    }
}

static void readers_hold_what_they_pinned_and_no_more(void **unused)
{
    (void)unused;
    skip_if_sanitized();
    enum { PINNED = 1000, SIZE = 2000 };
    const struct shape shape = {.eviction = LRU, .max_bytes = 8 << 20, .small_pages = true};
    struct distance distance = {.at_first = counted_bytes()};
    struct ldr_store *store = shape_open(&shape);
    static struct ldr_entry *pinned[PINNED];
    char key[16];
    static char value[SIZE];
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_int_equal(kit_put(store, key, value, SIZE), LARDER_OK);
        if (i < PINNED)
            pinned[i] = ldr_store_get(store, ldr_slice_text(key), 0);
    }
    uint64_t held = counted_bytes() - distance.at_first, used = kit_stats(store).bytes_used;
    print_message("%llu bytes held beside %llu used\n", (unsigned long long)held, (unsigned long long)used);
    assert_in_range(held, used - used / 20 + PINNED * SIZE, used + used / 20 + PINNED * (SIZE + SIZE / 4));
    for (unsigned i = 0; i < PINNED; i++)
        ldr_entry_release(pinned[i]);
    /* It is taken back a little with every write. */
    for (unsigned i = 0; i < PINNED; i++) {
        snprintf(key, sizeof key, "%u", i);
        assert_int_equal(kit_put(store, key, value, SIZE), LARDER_OK);
    }
    check_account(store, &distance, 64 << 10);
    ldr_store_close(store);
}

/* ---- every request for memory failing in turn */

enum { KEYS = 150 };

/* A store in its scenario, and for each key the size of its value: SIZE_MAX when the key is not there. */
struct scene {
    const struct shape *shape;
    struct ldr_store *store;
    long number;
    bool lasting;
    struct ldr_entry *pinned;
    size_t sizes[KEYS];
};

static void check_scene(struct scene *scene)
{
    char key[16];
    uint64_t entries = 0;
    for (unsigned k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "%u", k);
        struct ldr_entry *entry = ldr_store_get(scene->store, ldr_slice_text(key), 0);
        /* What is there is what was put last; it may have been evicted. */
        if (entry != NULL)
            require(ldr_entry_value(entry).size == scene->sizes[k]);
        else
            scene->sizes[k] = SIZE_MAX;
        entries += entry != NULL;
        ldr_entry_release(entry);
    }
    struct ldr_store_stats stats = kit_stats(scene->store);
    require(stats.entries == entries);
    require(stats.bytes_used >= 1 && stats.bytes_used <= stats.bytes_limit);
    require(stats.value_bytes <= stats.bytes_used);
    require(stats.policy_faults == 0);
}

static void scene_put(struct scene *scene, unsigned k, size_t size)
{
    static const char value[LARGEST];
    char key[16];
    snprintf(key, sizeof key, "%u", k);
    const struct ldr_put put = {.key = ldr_slice_text(key), .value = ldr_slice(value, size), .expires = 1000 + k};
    bool was_there = kit_has(scene->store, key);
    enum larder_status status = ldr_store_put(scene->store, &put, 0, NULL);
    struct ldr_store_stats stats = kit_stats(scene->store);
    if (status == LARDER_OK)
        scene->sizes[k] = size;
    else if (status != LARDER_NO_ROOM || size <= stats.bytes_limit / 2)
        require(status == LARDER_NO_MEMORY);
    /* For what is too large everything may have been evicted in vain. */
    if ((status == LARDER_OK || (was_there && size <= stats.bytes_limit / 2)) && !kit_has(scene->store, key)) {
        fprintf(stderr, "%zu bytes were put with status %d, over %s entry; %llu are used of %llu, entries %llu\n", size,
                (int)status, was_there ? "an" : "no", (unsigned long long)stats.bytes_used,
                (unsigned long long)stats.bytes_limit, (unsigned long long)stats.entries);
        abort();
    }
    require(stats.bytes_used >= 1 && stats.bytes_used <= stats.bytes_limit);
}

/* 0: the budget stays; NULL: the policy does. */
static void scene_change(struct scene *scene, uint64_t max_bytes, const struct larder_eviction *eviction)
{
    struct ldr_store_stats before = kit_stats(scene->store);
    enum larder_status status = eviction == NULL ? ldr_store_set_max_bytes(scene->store, max_bytes)
                                : max_bytes == 0 ? ldr_store_set_eviction(scene->store, eviction, NULL)
                                                 : ldr_store_set(scene->store, eviction, NULL, max_bytes, 0);
    struct ldr_store_stats after = kit_stats(scene->store);
    if (status == LARDER_OK) {
        require(after.bytes_limit == (max_bytes == 0 ? before.bytes_limit : max_bytes));
    } else {
        require(status == LARDER_NO_MEMORY);
        require(larder_last_status() == LARDER_NO_MEMORY);
        require(after.bytes_limit == before.bytes_limit && after.entries == before.entries);
        require(after.value_bytes == before.value_bytes && after.evictions == before.evictions);
    }
    check_scene(scene);
}

static void play(struct scene *scene)
{
    const struct larder_eviction *other = scene->shape->eviction == FIFO ? LRU : FIFO;
    for (unsigned k = 0; k < KEYS; k++)
        scene_put(scene, k, k % 40);
    check_scene(scene);
    scene->pinned = ldr_store_get(scene->store, ldr_slice_text("9"), 0);
    for (unsigned k = 0; k < KEYS; k += 9)
        scene_put(scene, k, 500);
    scene_change(scene, 0, other);
    scene_change(scene, 90000, NULL);
    scene_change(scene, 30000, NULL);
    scene_put(scene, 3, 5000);
    scene_put(scene, 4, 5000);
    scene_change(scene, 900000, other);
    for (unsigned k = 0; k < KEYS; k++)
        scene_put(scene, k, k % 7 == 0 ? LARGEST : 1);
    ldr_store_expire(scene->store, 1000 + KEYS - 10, SIZE_MAX);
    check_scene(scene);
    scene_put(scene, 0, LARGEST);
    scene_change(scene, 100000, scene->shape->eviction);
    ldr_store_clear(scene->store);
    check_scene(scene);
    scene_put(scene, 1, 1);
}

/* In a thread of its own, so that what a thread needs fails too. */
static void *play_failing(void *arg)
{
    struct scene *scene = arg;
    memset(scene->sizes, 0xff, sizeof scene->sizes);
    counted.failed = 0;
    counted.lasting = scene->lasting;
    counted.countdown = scene->number;
    scene->store = shape_try(scene->shape);
    if (scene->store != NULL)
        play(scene);
    else
        require(larder_last_status() == LARDER_NO_MEMORY);
    counted.countdown = -1;
    if (scene->store == NULL)
        return NULL;
    /* With memory again, all is as if nothing had been. */
    scene_put(scene, 2, 100);
    require(scene->sizes[2] == 100);
    check_scene(scene);
    for (unsigned k = 0; k < KEYS; k++)
        scene_put(scene, k, k % 40);
    check_scene(scene);
    ldr_store_close(scene->store);
    ldr_entry_release(scene->pinned);
    return NULL;
}

/* True when no request failed. */
static bool play_failing_at(const struct shape *shape, long number, bool lasting)
{
    struct scene scene = {.shape = shape, .number = number, .lasting = lasting};
    uint64_t small = counted.small;
    size_t blocks = counted.blocks, ranges = counted.count;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, play_failing, &scene), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(counted.blocks, blocks);
    assert_int_equal(counted.small, small);
    assert_int_equal(counted.count, ranges);
    return counted.failed == 0;
}

static void every_request_for_memory_may_fail(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 2 * SHAPE_POLICIES; i++) {
        const struct shape shape = {
            .eviction = shape_policies[i / 2], .max_bytes = 60000, .shards = i % 2 == 0 ? 1 : 2, .exact_hits = i == 1};
        shape_print(&shape);
        (void)play_failing_at(&shape, 1L << 40, false); /* what is kept for good, for the first thread that needs it */
        for (int lasting = 0; lasting < 2; lasting++) {
            long number = 0;
            while (!play_failing_at(&shape, number, lasting != 0))
                number++;
            print_message("    %ld requests failed%s\n", number, lasting ? " and all after them" : "");
            assert_true(number > 5);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_18_bytes_used_is_what_is_held),
        cmocka_unit_test(fault_18_no_more_is_held_than_told_by_small_stores),
        cmocka_unit_test(readers_hold_what_they_pinned_and_no_more),
        cmocka_unit_test(every_request_for_memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
