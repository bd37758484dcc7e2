/*
 * A store with a limit of entries, against the same policy in a textbook loop. With one shard and exact hits every single
 * request has the same outcome, whatever the policy; else it is near.
 */
#include "live_policies.h"

#include "live_reference.h"
#include "live_trace.h"

#include "core/store/hash.h"

#define SEED UINT64_C(42)

struct live {
    const struct live_policy *policy;
    uint32_t capacity;
    uint32_t shards; /* 0: as the store likes */
    bool exact;
};

static struct ldr_store *open_live(const struct live *live)
{
    const struct ldr_store_options options = {
        .max_bytes = (UINT64_C(16) << 20) + (uint64_t)live->capacity * 256,
        .max_entries = live->capacity,
        .max_value = 1 << 20,
        .eviction = live->policy->module,
        .params = larder_params_values(live->policy->params),
        .seed = SEED,
        .shards = live->shards,
        .exact_hits = live->exact,
    };
    struct ldr_store *store = ldr_store_open(&options);
    if (store == NULL)
        fail_msg("%s", larder_last_error());
    return store;
}

static struct larder_slice slice_of(const uint32_t *key)
{
    return ldr_slice(key, sizeof *key);
}

/* A get, and a put after a miss. Values differ in size. True: it was a hit. */
static bool request(struct ldr_store *store, uint32_t key)
{
    static const char value[64];
    struct ldr_entry *entry = ldr_store_get(store, slice_of(&key), 0);
    if (entry != NULL) {
        ldr_entry_release(entry);
        return true;
    }
    const struct ldr_put put = {
        .key = slice_of(&key), .value = ldr_slice(value, key % sizeof value), .expires = LARDER_NEVER};
    assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
    return false;
}

static uint64_t replay(struct ldr_store *store, const struct trace *trace)
{
    uint64_t misses = 0;
    for (uint32_t i = 0; i < trace->count; i++)
        misses += !request(store, trace->keys[i]);
    return misses;
}

/* Request by request. */
static uint64_t check_exact(const struct live_policy *policy, const struct trace *trace, uint32_t capacity)
{
    const struct live live = {.policy = policy, .capacity = capacity, .shards = 1, .exact = true};
    struct ldr_store *store = open_live(&live);
    struct reference reference;
    assert_true(
        reference_open(&reference, policy->module, larder_params_values(policy->params), capacity, trace->distinct));
    for (uint32_t i = 0; i < trace->count; i++) {
        uint32_t key = trace->keys[i];
        bool wanted = reference_request(&reference, key, ldr_store_hash(slice_of(&key), SEED));
        if (request(store, key) != wanted)
            fail_msg("%s, %u entries: request %u of %s: wanted a %s", live_name(policy), capacity, i, trace->name,
                     wanted ? "hit" : "miss");
    }
    struct ldr_store_stats stats = kit_stats(store);
    assert_int_equal(stats.entries, reference.count);
    assert_int_equal(stats.evictions, reference.misses - reference.count);
    assert_int_equal(stats.policy_faults, 0);
    uint64_t misses = reference.misses;
    reference_close(&reference);
    ldr_store_close(store);
    return misses;
}

static void every_policy_is_exact(void **unused)
{
    (void)unused;
    const uint32_t capacities[] = {1, 2, 3, 20, 100, 1535, 1537, 4000};
    struct trace trace = trace_make(60000, 8000);
    for (size_t p = 0; p < live_policy_count; p++)
        for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++)
            (void)check_exact(&live_policies[p], &trace, capacities[c]);
    free(trace.keys);
}

/* The reference of wtinylfu is of another sketch. */
static void check_reference(const char *folder, const struct trace *trace, uint32_t capacity)
{
    for (size_t p = 0; p < live_policy_count; p++) {
        const char *name = live_name(&live_policies[p]);
        uint64_t misses = check_exact(&live_policies[p], trace, capacity);
        uint64_t wanted = trace_reference(folder, trace->name, name, capacity);
        print_message("%s, %s, %u entries: %llu misses\n", trace->name, name, capacity, (unsigned long long)misses);
        if (wanted != UINT64_MAX && strcmp(name, "wtinylfu") != 0)
            assert_int_equal(misses, wanted);
    }
}

static void real_traces_have_the_misses_of_the_reference(void **unused)
{
    (void)unused;
    const struct {
        const char *trace;
        uint32_t capacity;
    } cases[] = {{"lirs_gli", 25},   {"lirs_gli", 252},         {"lirs_gli", 500},
                 {"lirs_gli", 1000}, {"lirs_gli", 1500},        {"lirs_gli", 2000},
                 {"oltp", 10000},    {"cloudphysics_io", 4897}, {"cloudphysics_io", 489}};
    const char *folder = trace_folder();
    struct trace trace = {0};
    for (size_t i = 0; *folder != '\0' && i < sizeof cases / sizeof *cases; i++) {
        if (i == 0 || strcmp(cases[i].trace, cases[i - 1].trace) != 0) {
            free(trace.keys);
            trace = trace_read(folder, cases[i].trace);
        }
        check_reference(folder, &trace, cases[i].capacity);
    }
    free(trace.keys);
}

/* ---- with as many shards as the store likes, and hits that are handed on together */

#define SHARDS_MOST 64u

/* The misses when each shard is a reference with its part of the capacity. The seed says which keys share a shard. */
static uint64_t misses_in_shards(const struct live *live, const struct trace *trace, uint32_t shards, uint64_t seed)
{
    struct reference references[SHARDS_MOST];
    uint64_t misses = 0;
    assert_in_range(shards, 1, SHARDS_MOST);
    for (uint32_t i = 0; i < shards; i++) {
        uint32_t capacity = live->capacity / shards + (i < live->capacity % shards);
        assert_true(reference_open(&references[i], live->policy->module, larder_params_values(live->policy->params),
                                   capacity, trace->distinct));
        references[i].marks = live->policy->module->hit_max == 0 && capacity >= 2048;
    }
    for (uint32_t i = 0; i < trace->count; i++) {
        uint64_t hash = ldr_store_hash(slice_of(&trace->keys[i]), seed);
        struct reference *reference = &references[ldr_hash_shard(hash, (unsigned)__builtin_ctz(shards))];
        (void)reference_request(reference, trace->keys[i], hash);
    }
    for (uint32_t i = 0; i < shards; i++) {
        misses += references[i].misses;
        reference_close(&references[i]);
    }
    return misses;
}

/*
 * How many points of hit ratio more the store has than is simulated, or fewer when below 0. As with larder sim --shards it
 * is other keys than here that share a shard.
 */
static double won(const struct live *live, const struct trace *trace)
{
    struct ldr_store *store = open_live(live);
    uint64_t misses = replay(store, trace);
    struct ldr_store_stats stats = kit_stats(store);
    uint64_t simulated = misses_in_shards(live, trace, stats.shards, SEED + 1);
    double points = 100 * ((double)simulated - (double)misses) / trace->count;
    print_message("%s, %s, %u entries, %u shards: %llu misses, simulated %llu, %+.2f points\n", trace->name,
                  live_name(live->policy), live->capacity, stats.shards, (unsigned long long)misses,
                  (unsigned long long)simulated, points);
    assert_int_equal(stats.entries, live->capacity < trace->distinct ? live->capacity : trace->distinct);
    assert_in_range(stats.shards, 2, SHARDS_MOST);
    assert_int_equal(misses, misses_in_shards(live, trace, stats.shards, SEED));
    ldr_store_close(store);
    return points;
}

static void check_shards(const struct trace *trace, const uint32_t *capacities)
{
    for (size_t p = 0; p < live_policy_count; p++)
        for (size_t i = 0; capacities[i] != 0; i++) {
            const struct live live = {.policy = &live_policies[p], .capacity = capacities[i]};
            double points = won(&live, trace);
            assert_true(points >= -0.5 && points <= 0.5);
        }
}

static void shards_and_lossy_hits_miss_what_is_simulated(void **unused)
{
    (void)unused;
    const struct {
        const char *trace;
        uint32_t capacities[5];
    } cases[] = {{"oltp", {10000, 20000, 50000, 100000}}, {"scarab_recs", {10000, 25836, 50000, 100000}}};
    const char *folder = trace_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases && *folder != '\0'; i++) {
        struct trace trace = trace_read(folder, cases[i].trace);
        check_shards(&trace, cases[i].capacities);
        free(trace.keys);
    }
    struct trace trace = trace_make(300000, 60000);
    check_shards(&trace, (uint32_t[]){10000, 8 * 2047, 8 * 2048, 50000, 0}); /* marks from 2,048 slots on */
    free(trace.keys);
}

/* Only hits of other keys would have let the policy hear of it again. */
static void a_key_in_constant_use_stays_among_keys_that_come_once(void **unused)
{
    (void)unused;
    const struct live live = {.policy = live_find("lru"), .capacity = 10000, .shards = 1};
    struct ldr_store *store = open_live(&live);
    (void)request(store, 0);
    for (uint32_t key = 1; key < 50000; key++) {
        (void)request(store, key);
        assert_true(request(store, 0));
    }
    ldr_store_close(store);
}

/* ---- the limit itself */

static void a_limit_is_shared_by_the_shards_and_changes(void **unused)
{
    (void)unused;
    const struct live live = {.policy = live_find("lru"), .capacity = 1003, .shards = 4};
    struct ldr_store *store = open_live(&live);
    for (uint32_t key = 0; key < 20000; key++) {
        (void)request(store, key);
        assert_in_range(kit_stats(store).entries, 1, 1003);
    }
    assert_int_equal(kit_stats(store).entries, 1003);
    assert_int_equal(kit_stats(store).entries_limit, 1003);
    uint64_t evictions = kit_stats(store).evictions;
    unsigned rewritten = 0; /* none of which is a newcomer */
    for (uint32_t key = 0; key < 20000; key++) {
        const struct ldr_put put = {
            .key = slice_of(&key), .value = ldr_slice_text("x"), .expires = LARDER_NEVER, .flags = LDR_PUT_IF_PRESENT};
        rewritten += ldr_store_put(store, &put, 0, NULL) == LARDER_OK;
    }
    assert_int_equal(rewritten, 1003);
    assert_int_equal(kit_stats(store).evictions, evictions);
    assert_int_equal(ldr_store_set(store, NULL, NULL, 0, 10), LARDER_OK);
    assert_int_equal(kit_stats(store).entries, 10);
    assert_int_equal(ldr_store_set_eviction(store, FIFO, NULL), LARDER_OK);
    for (uint32_t key = 0; key < 1000; key++)
        (void)request(store, key);
    assert_int_equal(kit_stats(store).entries, 10);
    assert_int_equal(ldr_store_set(store, NULL, NULL, 0, 3), LARDER_NO_ROOM);
    assert_string_equal(larder_last_error(), "max_entries: got 3, wanted at least 4, one for each shard");
    assert_int_equal(kit_stats(store).entries_limit, 10);
    assert_int_equal(ldr_store_set(store, NULL, NULL, 0, 0), LARDER_OK);
    for (uint32_t key = 0; key < 1000; key++)
        (void)request(store, key);
    assert_int_equal(kit_stats(store).entries, 1000);
    ldr_store_close(store);
}

static void shards_are_as_many_as_have_enough_entries(void **unused)
{
    (void)unused;
    const struct {
        uint64_t max_entries;
        uint32_t shards;
    } cases[] = {{0, 32}, {1, 1}, {511, 1}, {512, 2}, {8191, 16}, {8192, 32}, {1 << 20, 32}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct ldr_store_options options = {.max_bytes = UINT64_C(64) << 20,
                                                  .max_entries = cases[i].max_entries,
                                                  .max_value = 1 << 20,
                                                  .eviction = LRU};
        struct ldr_store *store = ldr_store_open(&options);
        assert_non_null(store);
        assert_int_equal(kit_stats(store).shards, cases[i].shards);
        ldr_store_close(store);
    }
    const struct ldr_store_options options = {
        .max_bytes = 1 << 20, .max_entries = 7, .max_value = 1 << 20, .eviction = LRU, .shards = 8};
    assert_null(ldr_store_open(&options));
    assert_int_equal(larder_last_status(), LARDER_NO_ROOM);
}

static void the_budget_holds_under_a_limit_it_cannot_reach(void **unused)
{
    (void)unused;
    for (size_t p = 0; p < live_policy_count; p++) {
        const struct ldr_store_options options = {.max_bytes = 1 << 20,
                                                  .max_entries = UINT64_C(1) << 40,
                                                  .max_value = 1 << 20,
                                                  .eviction = live_policies[p].module,
                                                  .params = larder_params_values(live_policies[p].params),
                                                  .seed = SEED};
        struct ldr_store *store = ldr_store_open(&options);
        assert_non_null(store);
        for (uint32_t key = 0; key < 40000; key++)
            (void)request(store, key);
        kit_check(store);
        assert_in_range(kit_stats(store).entries, 5000, 16000);
        assert_int_equal(kit_stats(store).policy_faults, 0);
        ldr_store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_exact),
        cmocka_unit_test(real_traces_have_the_misses_of_the_reference),
        cmocka_unit_test(shards_and_lossy_hits_miss_what_is_simulated),
        cmocka_unit_test(a_key_in_constant_use_stays_among_keys_that_come_once),
        cmocka_unit_test(a_limit_is_shared_by_the_shards_and_changes),
        cmocka_unit_test(shards_are_as_many_as_have_enough_entries),
        cmocka_unit_test(the_budget_holds_under_a_limit_it_cannot_reach),
    };
    return cmocka_run_group_tests(tests, live_open, live_close);
}
