/*
 * A store changes its policy while it runs: from every policy to every other, with other parameters, under load, and while
 * somebody is stopped in the middle of it.
 */
#include "live_policies.h"

#include "live_reference.h"
#include "live_trace.h"
#include "store_shapes.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "core/base/epoch.h"
#include "core/store/hash.h"

#define SEED UINT64_C(42)

static struct larder_slice slice_of(const uint32_t *key)
{
    return ldr_slice(key, sizeof *key);
}

static bool has(struct ldr_store *store, uint32_t key)
{
    struct ldr_entry *entry = ldr_store_peek(store, slice_of(&key), 0);
    bool right = entry != NULL && ldr_slice_equal(ldr_entry_value(entry), slice_of(&key));
    ldr_entry_release(entry);
    return right;
}

static bool get(struct ldr_store *store, uint32_t key)
{
    struct ldr_entry *entry = ldr_store_get(store, slice_of(&key), 0);
    bool right = entry != NULL && ldr_slice_equal(ldr_entry_value(entry), slice_of(&key));
    ldr_entry_release(entry);
    return right;
}

static void put(struct ldr_store *store, uint32_t key)
{
    const struct ldr_put put = {.key = slice_of(&key), .value = slice_of(&key), .expires = LARDER_NEVER};
    require(ldr_store_put(store, &put, 0, NULL) == LARDER_OK);
}

static bool request(struct ldr_store *store, uint32_t key)
{
    bool hit = get(store, key);
    if (!hit)
        put(store, key);
    return hit;
}

static void change(struct ldr_store *store, const struct live_policy *policy)
{
    require(ldr_store_set_eviction(store, policy->module, larder_params_values(policy->params)) == LARDER_OK);
}

static struct ldr_store *open_store(const struct live_policy *policy, uint64_t max_bytes, uint64_t max_entries,
                                    uint32_t shards)
{
    const struct ldr_store_options options = {
        .max_bytes = max_bytes,
        .max_entries = max_entries,
        .max_value = 1 << 20,
        .eviction = policy->module,
        .params = larder_params_values(policy->params),
        .seed = SEED,
        .shards = shards,
        .exact_hits = shards == 1,
    };
    struct ldr_store *store = ldr_store_open(&options);
    if (store == NULL)
        fail_msg("%s: %s", live_name(policy), larder_last_error());
    return store;
}

/* ---- nothing is lost */

static void check_pair(const struct live_policy *from, const struct live_policy *to, const struct trace *trace,
                       uint64_t max_entries)
{
    bool *there = calloc(trace->distinct, sizeof *there);
    assert_non_null(there);
    struct ldr_store *store = open_store(from, UINT64_C(1) << 20, max_entries, max_entries != 0 ? 1 : 2);
    for (uint32_t i = 0; i < trace->count; i++)
        (void)request(store, trace->keys[i]);
    for (uint32_t key = 0; key < trace->distinct; key++)
        there[key] = has(store, key);
    struct ldr_store_stats before = kit_stats(store);
    change(store, to);
    struct ldr_store_stats after = kit_stats(store);
    assert_int_equal(after.entries, before.entries);
    assert_int_equal(after.evictions, before.evictions);
    assert_int_equal(after.policy_faults, 0);
    kit_check(store);
    for (uint32_t key = 0; key < trace->distinct; key++)
        if (has(store, key) != there[key])
            fail_msg("%s to %s: key %u", live_name(from), live_name(to), key);
    for (uint32_t i = 0; i < trace->count; i++)
        (void)request(store, trace->keys[i]);
    assert_int_equal(kit_stats(store).policy_faults, 0);
    kit_check(store);
    ldr_store_close(store);
    free(there);
}

static void every_policy_becomes_every_other(void **unused)
{
    (void)unused;
    struct trace trace = SHAPE_SANITIZED ? trace_make(4000, 2500) : trace_make(15000, 4000);
    for (size_t a = 0; a < live_policy_count; a++)
        for (size_t b = 0; b < live_policy_count; b++) {
            check_pair(&live_policies[a], &live_policies[b], &trace, 900);
            check_pair(&live_policies[a], &live_policies[b], &trace, 0);
        }
    free(trace.keys);
}

/* A policy with other parameters is another one: its queue for newcomers holds what the parameter says. */
static void parameters_change(void **unused)
{
    (void)unused;
    const struct live_policy *policy = live_find("2q");
    const char *const wide[] = {"in_share=0.9"};
    struct larder_params *params = larder_params_read(&policy->module->head, wide, 1);
    assert_non_null(params);
    struct trace trace = trace_make(20000, 4000);
    struct ldr_store *store = open_store(policy, 1 << 20, 500, 1);
    for (uint32_t i = 0; i < trace.count; i++)
        (void)request(store, trace.keys[i]);
    assert_int_equal(ldr_store_set_eviction(store, policy->module, larder_params_values(params)), LARDER_OK);
    assert_int_equal(kit_stats(store).entries, 500);
    /* From here on as the module by itself, given the same entries in the same order: once all of them are new. */
    struct reference reference;
    assert_true(reference_open(&reference, policy->module, larder_params_values(params), 500, 20000));
    unsigned differ = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t key = 10000 + i % 450; /* a loop that the queue holds at 0.9 of 500, and does not at 0.25 */
        bool hit = request(store, key);
        bool wanted = reference_request(&reference, key, ldr_store_hash(slice_of(&key), SEED));
        differ += i >= 900 && hit != wanted;
        if (i >= 900)
            assert_true(wanted);
    }
    assert_int_equal(differ, 0);
    reference_close(&reference);
    ldr_store_close(store);
    larder_params_free(params);
    free(trace.keys);
}

/* ---- the order is carried over */

/* Misses of the second half of a trace. */
static uint64_t second_half(struct ldr_store *store, const struct trace *trace)
{
    uint64_t misses = 0;
    for (uint32_t i = trace->count / 2; i < trace->count; i++)
        misses += !request(store, trace->keys[i]);
    return misses;
}

struct halves {
    uint64_t all_along, changed, cold;
};

static struct halves measure(const struct live_policy *from, const struct live_policy *to, const struct trace *trace,
                             uint32_t entries)
{
    struct halves halves = {0};
    uint64_t bytes = (UINT64_C(8) << 20) + (uint64_t)entries * 256;
    for (int changed = 0; changed < 2; changed++) {
        struct ldr_store *store = open_store(changed ? from : to, bytes, entries, 1);
        for (uint32_t i = 0; i < trace->count / 2; i++)
            (void)request(store, trace->keys[i]);
        if (changed)
            change(store, to);
        *(changed ? &halves.changed : &halves.all_along) = second_half(store, trace);
        ldr_store_close(store);
    }
    struct ldr_store *store = open_store(to, bytes, entries, 1);
    halves.cold = second_half(store, trace);
    ldr_store_close(store);
    if (strcmp(trace->name, "made") != 0 || halves.changed >= halves.cold)
        print_message(
            "%s, %s to %s, %u entries: %+lld misses more than with the latter all along, a cold start %+lld\n",
            trace->name, live_name(from), live_name(to), entries, (long long)(halves.changed - halves.all_along),
            (long long)(halves.cold - halves.all_along));
    return halves;
}

static void the_order_is_carried_over(void **unused)
{
    (void)unused;
    struct trace trace = SHAPE_SANITIZED ? trace_make(10000, 4000) : trace_make(60000, 12000);
    const uint32_t entries = SHAPE_SANITIZED ? 500 : 2000;
    for (size_t a = 0; a < live_policy_count; a++)
        for (size_t b = 0; b < live_policy_count; b++) {
            struct halves halves = measure(&live_policies[a], &live_policies[b], &trace, entries);
            assert_true(halves.changed < halves.cold);
        }
    free(trace.keys);
    const char *folder = trace_folder();
    if (*folder == '\0' || SHAPE_SANITIZED)
        return;
    trace = trace_read(folder, "oltp");
    struct halves to_arc = measure(live_find("lru"), live_find("arc"), &trace, 10000);
    assert_int_equal(to_arc.changed - to_arc.all_along, 104);
    assert_int_equal(to_arc.cold - to_arc.all_along, 2355);
    struct halves to_s3fifo = measure(live_find("lfu"), live_find("s3fifo"), &trace, 10000);
    assert_int_equal(to_s3fifo.changed - to_s3fifo.all_along, 2313);
    assert_int_equal(to_s3fifo.cold - to_s3fifo.all_along, 4533);
    free(trace.keys);
}

/* ---- under load */

enum { STAYING = SHAPE_SANITIZED ? 1000 : 5000, CHANGES = SHAPE_SANITIZED ? 30 : 60, READERS = 2 };

struct load {
    struct ldr_store *store;
    uint64_t budget;
    _Atomic bool over;
    _Atomic uint32_t next;   /* keys below it were put */
    _Atomic uint64_t looked; /* times that a reader has gone through all */
};

/* Whatever was put is there. */
static void *read_all(void *arg)
{
    struct load *load = arg;
    while (!atomic_load(&load->over)) {
        uint32_t keys = atomic_load(&load->next);
        for (uint32_t key = 0; key < keys; key++)
            require(get(load->store, key));
        atomic_fetch_add(&load->looked, 1);
    }
    return NULL;
}

/* New keys, so that shards grow in the middle of a change, and old ones. */
static void *write_more(void *arg)
{
    struct load *load = arg;
    uint64_t random = 7;
    while (!atomic_load(&load->over)) {
        uint32_t keys = atomic_load(&load->next);
        put(load->store, shape_below(&random, keys));
        if (keys < 10 * STAYING) {
            put(load->store, keys);
            atomic_store(&load->next, keys + 1);
        }
    }
    return NULL;
}

static void change_under_load(uint32_t shards, uint64_t max_entries, bool exact)
{
    struct load load = {.budget = UINT64_C(48) << 20, .next = STAYING};
    pthread_t readers[READERS], writer;
    load.store = open_store(&live_policies[0], load.budget, max_entries, shards);
    ldr_store_set_exact_hits(load.store, exact);
    for (uint32_t key = 0; key < STAYING; key++)
        put(load.store, key);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &load), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_more, &load), 0);
    /* Until the readers have looked a few times, too: on a busy machine they may come later than the changes. */
    for (unsigned i = 1; i < CHANGES || atomic_load(&load.looked) < 4; i++) {
        const struct live_policy *policy = &live_policies[i * 7 % live_policy_count];
        change(load.store, policy);
        if (i % 5 == 0)
            require(ldr_store_set_max_bytes(load.store, load.budget + (i % 3) * 1000000) == LARDER_OK);
        if (i % 7 == 0)
            require(ldr_store_set(load.store, NULL, NULL, 0, i % 2 != 0 ? 20 * STAYING : 0) == LARDER_OK);
    }
    atomic_store(&load.over, true);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(pthread_join(writer, NULL), 0);
    struct ldr_store_stats stats = kit_stats(load.store);
    print_message("%u shards: %llu entries after %llu rounds of a reader\n", stats.shards,
                  (unsigned long long)stats.entries, (unsigned long long)atomic_load(&load.looked));
    assert_int_equal(stats.entries, atomic_load(&load.next));
    assert_int_equal(stats.evictions, 0);
    assert_int_equal(stats.policy_faults, 0);
    for (uint32_t key = 0; key < load.next; key++)
        assert_true(has(load.store, key));
    ldr_store_close(load.store);
}

static void nothing_is_lost_under_load(void **unused)
{
    (void)unused;
    change_under_load(1, 0, false);
    change_under_load(8, 0, false);
    change_under_load(8, 20 * STAYING, false);
    change_under_load(2, 0, true);
}

/* ---- somebody is stopped in the middle */

static struct {
    _Atomic bool armed;
    sem_t stopped, go_on;
    _Atomic uint32_t inserted;
} stop;

/* LRU that stops when it is drained. */
static uint32_t stopping_evict(void *state)
{
    if (atomic_exchange(&stop.armed, false)) {
        sem_post(&stop.stopped);
        while (sem_wait(&stop.go_on) != 0)
            continue;
    }
    return LRU->evict(state);
}

/* FIFO that counts. */
static void counting_insert(void *state, uint32_t slot, const struct larder_object *object)
{
    atomic_fetch_add(&stop.inserted, 1);
    FIFO->insert(state, slot, object);
}

static struct larder_eviction stopping_table, counting_table;

static void *change_to_counting(void *arg)
{
    require(ldr_store_set_eviction(arg, &counting_table, NULL) == LARDER_OK);
    return NULL;
}

static struct ldr_store *open_stopping(uint32_t shards)
{
    stopping_table = *LRU;
    stopping_table.evict = stopping_evict;
    counting_table = *FIFO;
    counting_table.insert = counting_insert;
    atomic_store(&stop.inserted, 0);
    const struct ldr_store_options options = {.max_bytes = UINT64_C(16) << 20,
                                              .max_value = 1 << 20,
                                              .eviction = &stopping_table,
                                              .seed = SEED,
                                              .shards = shards};
    struct ldr_store *store = ldr_store_open(&options);
    assert_non_null(store);
    for (uint32_t key = 0; key < STAYING; key++)
        put(store, key);
    return store;
}

static void readers_and_other_shards_go_on_while_entries_are_moved(void **unused)
{
    (void)unused;
    pthread_t changer;
    assert_int_equal(sem_init(&stop.stopped, 0, 0), 0);
    assert_int_equal(sem_init(&stop.go_on, 0, 0), 0);
    struct ldr_store *store = open_stopping(8);
    atomic_store(&stop.armed, true);
    assert_int_equal(pthread_create(&changer, NULL, change_to_counting, store), 0);
    while (sem_wait(&stop.stopped) != 0)
        continue;
    /* The lock of the first shard is held now. If anything below waited for it, it would wait for ever. */
    for (unsigned round = 0; round < 3; round++)
        for (uint32_t key = 0; key < STAYING; key++)
            assert_true(get(store, key));
    unsigned written = 0;
    for (uint32_t key = 0; key < 2 * STAYING; key++)
        if (ldr_hash_shard(ldr_store_hash(slice_of(&key), SEED), 3) != 0) {
            put(store, key);
            written++;
        }
    assert_in_range(written, STAYING, 2 * STAYING);
    sem_post(&stop.go_on);
    assert_int_equal(pthread_join(changer, NULL), 0);
    for (uint32_t key = 0; key < STAYING; key++)
        assert_true(has(store, key));
    assert_int_equal(kit_stats(store).evictions, 0);
    ldr_store_close(store);
}

static void writers_do_not_wait_for_a_reader_that_is_stopped(void **unused)
{
    (void)unused;
    pthread_t changer;
    struct ldr_store *store = open_stopping(1);
    /* This thread is the reader: what was current when it entered stays until it leaves. */
    ldr_epoch_enter(LDR_EPOCH_STORE);
    assert_int_equal(pthread_create(&changer, NULL, change_to_counting, store), 0);
    while (atomic_load(&stop.inserted) < STAYING)
        sched_yield();
    for (uint32_t key = 0; key < 2 * STAYING; key++)
        put(store, key);
    for (uint32_t key = 0; key < 2 * STAYING; key++)
        assert_true(get(store, key));
    ldr_epoch_exit(LDR_EPOCH_STORE);
    assert_int_equal(pthread_join(changer, NULL), 0);
    assert_int_equal(kit_stats(store).entries, 2 * STAYING);
    ldr_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_becomes_every_other),
        cmocka_unit_test(parameters_change),
        cmocka_unit_test(the_order_is_carried_over),
        cmocka_unit_test(nothing_is_lost_under_load),
        cmocka_unit_test(readers_and_other_shards_go_on_while_entries_are_moved),
        cmocka_unit_test(writers_do_not_wait_for_a_reader_that_is_stopped),
    };
    return cmocka_run_group_tests(tests, live_open, live_close);
}
