/* The store against a simple reference, over random operations; and against itself, over several threads. */
#include "store_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* xorshift64*: the same sequence everywhere for the same seed. */
static uint64_t draw(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(2685821657736338717);
}

static unsigned below(uint64_t *random, unsigned limit)
{
    return (unsigned)((draw(random) >> 32) % limit);
}

static const struct larder_eviction *some_policy(uint64_t *random)
{
    const struct larder_eviction *const policies[] = {LRU, FIFO, CLOCK};
    return policies[below(random, 3)];
}

enum { KEYS = 300, PINS = 16, MAX_VALUE = 40000 };

/* What the reference knows of a key. An entry counts as there until the store was seen to have evicted it. */
struct known {
    bool there, negative;
    uint64_t stamp; /* tells the bytes of the value */
    size_t size;
    uint64_t expires, clock;
};

struct model {
    struct ldr_store *store;
    uint64_t random, now, stamps, limit;
    struct known keys[KEYS];
    uint64_t lost; /* entries found to be evicted before their time */
    uint64_t expired;
    struct ldr_entry *pins[PINS];
    uint64_t pinned[PINS]; /* their stamps */
    char value[MAX_VALUE];
};

static struct larder_slice key_of(unsigned k, char buffer[16])
{
    /* Lengths differ, so that keys are prefixes of each other. */
    return ldr_slice(buffer, (size_t)snprintf(buffer, 16, "k%u", k));
}

static void write_value(char *value, size_t size, uint64_t stamp)
{
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(stamp + i * (stamp | 1));
}

static void check_value(const struct ldr_entry *entry, uint64_t stamp)
{
    struct larder_slice value = ldr_entry_value(entry);
    const char *bytes = value.data;
    for (size_t i = 0; i < value.size; i++)
        if (bytes[i] != (char)(stamp + i * (stamp | 1)))
            fail_msg("byte %zu of %zu is of another value", i, value.size);
}

/* Compares one key, and notices when it was evicted. */
static void look(struct model *model, unsigned k)
{
    struct known *known = &model->keys[k];
    char buffer[16];
    struct ldr_entry *entry = ldr_store_peek(model->store, key_of(k, buffer), model->now);
    if (entry == NULL) {
        model->lost += known->there;
        known->there = false;
        return;
    }
    assert_true(known->there);
    assert_int_equal(ldr_entry_negative(entry), known->negative);
    assert_int_equal(ldr_entry_value(entry).size, known->size);
    assert_int_equal(ldr_entry_expires(entry), known->expires);
    assert_int_equal(ldr_entry_version(entry).clock, known->clock);
    check_value(entry, known->stamp);
    ldr_entry_release(entry);
}

static void release_pin(struct model *model, unsigned i)
{
    if (model->pins[i] != NULL)
        check_value(model->pins[i], model->pinned[i]);
    ldr_entry_release(model->pins[i]);
    model->pins[i] = NULL;
}

static void model_get(struct model *model, unsigned k)
{
    char buffer[16];
    unsigned pin = below(&model->random, PINS);
    struct ldr_entry *entry = ldr_store_get(model->store, key_of(k, buffer), model->now);
    assert_int_equal(entry != NULL, model->keys[k].there);
    if (entry == NULL)
        return;
    check_value(entry, model->keys[k].stamp);
    release_pin(model, pin);
    model->pins[pin] = entry;
    model->pinned[pin] = model->keys[k].stamp;
}

static size_t some_size(struct model *model)
{
    switch (below(&model->random, 20)) {
    case 0: return below(&model->random, MAX_VALUE);
    case 1: return 0;
    default: return below(&model->random, 300);
    }
}

static uint64_t some_time(struct model *model)
{
    return below(&model->random, 2) == 0 ? LARDER_NEVER : model->now + 1 + below(&model->random, 20);
}

static enum larder_status expected_status(const struct known *known, const struct ldr_put *put, bool *effect)
{
    bool present = known->there && !known->negative;
    *effect = false;
    if (((put->flags & LDR_PUT_IF_ABSENT) != 0 && present) || ((put->flags & LDR_PUT_IF_PRESENT) != 0 && !present) ||
        ((put->flags & LDR_PUT_IF_VERSION) != 0 && !(present && known->clock == put->expected.clock)))
        return LARDER_PRECONDITION;
    *effect = (put->flags & LDR_PUT_NEWER) == 0 || !known->there || put->version.clock > known->clock;
    return LARDER_OK;
}

static void model_put(struct model *model, unsigned k)
{
    static const uint32_t flags[] = {0,
                                     0,
                                     0,
                                     0,
                                     LDR_PUT_IF_ABSENT,
                                     LDR_PUT_IF_PRESENT,
                                     LDR_PUT_IF_VERSION,
                                     LDR_PUT_NEWER,
                                     LDR_PUT_NEGATIVE,
                                     LDR_PUT_NEGATIVE | LDR_PUT_NEWER,
                                     LDR_PUT_NEGATIVE | LDR_PUT_IF_ABSENT,
                                     LDR_PUT_IF_PRESENT | LDR_PUT_NEWER};
    struct known *known = &model->keys[k];
    char buffer[16];
    struct known next = {.there = true, .stamp = ++model->stamps, .expires = some_time(model)};
    struct ldr_put put = {.key = key_of(k, buffer), .expires = next.expires};
    put.flags = flags[below(&model->random, sizeof flags / sizeof *flags)];
    next.negative = (put.flags & LDR_PUT_NEGATIVE) != 0;
    next.size = next.negative ? 0 : some_size(model);
    next.clock = below(&model->random, 3) == 0 ? below(&model->random, 1000000) : model->stamps;
    write_value(model->value, next.size, next.stamp);
    put.value = ldr_slice(model->value, next.size);
    put.version.clock = next.clock;
    put.expected.clock = below(&model->random, 2) == 0 ? known->clock : known->clock + 1;
    bool effect, created = true;
    enum larder_status expected = expected_status(known, &put, &effect);
    enum larder_status status = ldr_store_put(model->store, &put, model->now, &created);
    if (status == LARDER_PRECONDITION && effect && (put.flags & (LDR_PUT_IF_PRESENT | LDR_PUT_IF_VERSION)) != 0) {
        /* All had to go for it, what the condition wants among them. */
        assert_true(next.size + PINS * 1024 > model->limit / 2);
        effect = false;
    } else if (status == LARDER_NO_ROOM && effect) {
        /* Readers may keep a span each by what they pin in it. */
        assert_true(next.size + PINS * 1024 > model->limit / 2);
        effect = false;
    } else {
        assert_int_equal(status, expected);
    }
    assert_true(status != LARDER_OK || !effect || next.size <= model->limit);
    assert_int_equal(created, effect && !(known->there && !known->negative));
    if (effect)
        *known = next;
}

static void model_remove(struct model *model, unsigned k)
{
    struct known *known = &model->keys[k];
    char buffer[16];
    bool conditional = below(&model->random, 3) == 0, same = below(&model->random, 2) == 0;
    struct larder_version version = {0, same ? known->clock : known->clock + 1};
    enum larder_status expected = known->there && !known->negative ? LARDER_OK : LARDER_NOT_FOUND;
    if (expected == LARDER_OK && conditional && !same)
        expected = LARDER_PRECONDITION;
    assert_int_equal(
        ldr_store_remove(model->store, key_of(k, buffer), conditional ? LDR_PUT_IF_VERSION : 0, version, model->now),
        expected);
    if (expected != LARDER_PRECONDITION)
        known->there = false;
}

static void model_touch(struct model *model, unsigned k)
{
    struct known *known = &model->keys[k];
    char buffer[16];
    struct larder_version version = {7, 7};
    uint64_t expires = some_time(model);
    bool present = known->there && !known->negative;
    assert_int_equal(ldr_store_touch(model->store, key_of(k, buffer), expires, model->now, &version),
                     present ? LARDER_OK : LARDER_NOT_FOUND);
    if (!present)
        return;
    assert_int_equal(version.clock, known->clock);
    known->expires = expires;
}

/* Compares all keys and all sums. */
static void compare(struct model *model)
{
    struct ldr_store_stats stats;
    uint64_t entries = 0, bytes = 0, due = LARDER_NEVER;
    char buffer[16];
    for (unsigned k = 0; k < KEYS; k++) {
        look(model, k);
        if (!model->keys[k].there)
            continue;
        entries++;
        bytes += key_of(k, buffer).size + model->keys[k].size;
        if (model->keys[k].expires < due)
            due = model->keys[k].expires;
    }
    assert_int_equal(ldr_store_expire(model->store, model->now, SIZE_MAX), due);
    ldr_store_stats(model->store, &stats);
    assert_int_equal(stats.entries, entries);
    assert_int_equal(stats.value_bytes, bytes);
    assert_int_equal(stats.evictions_unexpired, model->lost);
    assert_int_equal(stats.expirations + stats.evictions - stats.evictions_unexpired, model->expired);
    assert_int_equal(stats.policy_faults, 0);
}

/* Time goes on only after a comparison: so each entry's fate is known, to be evicted or to expire. */
static void model_tick(struct model *model)
{
    compare(model);
    model->now += 1 + below(&model->random, 5);
    /* A shard knows the time by what its writers tell; there is one shard. */
    assert_int_equal(
        ldr_store_remove(model->store, ldr_slice_text("nothing"), 0, (struct larder_version){0}, model->now),
        LARDER_NOT_FOUND);
    for (unsigned k = 0; k < KEYS; k++) {
        if (!model->keys[k].there || model->keys[k].expires > model->now)
            continue;
        model->keys[k].there = false;
        model->expired++;
    }
}

static void model_rare(struct model *model)
{
    static const uint64_t limits[] = {30000, 50000, 100000, 1 << 20};
    switch (below(&model->random, 8)) {
    case 0:
        compare(model);
        ldr_store_clear(model->store);
        for (unsigned k = 0; k < KEYS; k++)
            model->keys[k].there = false;
        break;
    case 1:
    case 2:
    case 3:
        model->limit = limits[below(&model->random, 4)];
        assert_int_equal(ldr_store_set_max_bytes(model->store, model->limit), LARDER_OK);
        break;
    default: assert_int_equal(ldr_store_set_eviction(model->store, some_policy(&model->random), NULL), LARDER_OK);
    }
}

static void model_step(struct model *model)
{
    unsigned k = below(&model->random, KEYS);
    look(model, k);
    switch (below(&model->random, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: model_get(model, k); break;
    case 5:
    case 6: model_remove(model, k); break;
    case 7:
    case 8: model_touch(model, k); break;
    case 9: release_pin(model, below(&model->random, PINS)); break;
    default: model_put(model, k);
    }
    if (below(&model->random, 150) == 0)
        model_tick(model);
    if (below(&model->random, 400) == 0)
        model_rare(model);
    struct ldr_store_stats stats = kit_stats(model->store);
    assert_int_equal(stats.bytes_limit, model->limit);
    if (stats.bytes_used > stats.bytes_limit)
        fail_msg("%llu bytes are used of %llu", (unsigned long long)stats.bytes_used,
                 (unsigned long long)stats.bytes_limit);
}

static void random_operations_agree_with_a_reference(void **unused)
{
    (void)unused;
    static const uint64_t seeds[] = {1, 2, 3, 20260101, 77777};
    struct model *model = malloc(sizeof *model);
    assert_non_null(model);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        print_message("seed %llu\n", (unsigned long long)seeds[i]);
        memset(model, 0, sizeof *model);
        model->random = seeds[i];
        model->limit = 100000;
        model->store = kit_open(i % 2 ? FIFO : LRU, model->limit);
        for (unsigned step = 0; step < 80000; step++)
            model_step(model);
        compare(model);
        assert_true(model->lost > 1000 && model->expired > 1000);
        ldr_store_close(model->store);
        for (unsigned pin = 0; pin < PINS; pin++)
            release_pin(model, pin);
    }
    free(model);
}

/* Entries of one size: whoever goes must be the one whose stamp is oldest. */
static void victims_are_exact_through_changes_of_policy(void **unused)
{
    (void)unused;
    enum { MANY = 600 };
    static uint64_t stamps[MANY]; /* 0: not there */
    struct ldr_store *store = kit_open(LRU, 1 << 14);
    uint64_t random = 5, stamp = 0, evicted = 0;
    bool lru = true;
    char key[16];
    for (unsigned step = 0; step < 60000; step++) {
        unsigned k = below(&random, MANY), action = below(&random, 1000);
        snprintf(key, sizeof key, "%06u", k);
        if (action < 400) {
            struct ldr_entry *entry = ldr_store_get(store, ldr_slice_text(key), 0);
            assert_int_equal(entry != NULL, stamps[k] != 0);
            ldr_entry_release(entry);
            if (entry != NULL && lru)
                stamps[k] = ++stamp;
        } else if (action < 450) {
            assert_int_equal(kit_remove(store, key), stamps[k] != 0 ? LARDER_OK : LARDER_NOT_FOUND);
            stamps[k] = 0;
        } else if (action == 999) {
            lru = !lru;
            assert_int_equal(ldr_store_set_eviction(store, lru ? LRU : FIFO, NULL), LARDER_OK);
        } else if (stamps[k] == 0 || lru) { /* what FIFO has longest may have to make room for its own rewrite */
            assert_int_equal(kit_put(store, key, key, 6), LARDER_OK);
            stamps[k] = ++stamp;
        }
        for (; evicted < kit_stats(store).evictions; evicted++) {
            unsigned oldest = MANY;
            for (unsigned i = 0; i < MANY; i++)
                if (stamps[i] != 0 && (oldest == MANY || stamps[i] < stamps[oldest]))
                    oldest = i;
            stamps[oldest] = 0;
            snprintf(key, sizeof key, "%06u", oldest);
            assert_false(kit_has(store, key));
        }
    }
    assert_true(evicted > 1000);
    ldr_store_close(store);
}

/* ---- threads */

enum { THREADS = 4, SHARED_KEYS = 200, ROUNDS = 15000 };

struct shared {
    struct ldr_store *store;
    _Atomic unsigned next;
    _Atomic uint64_t created, counted;
};

static void run_threads(struct shared *shared, void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, shared), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

/* A value starts with its key, and the rest is the key's last character. */
static bool belongs(const struct ldr_entry *entry, const char *key)
{
    struct larder_slice value = ldr_entry_value(entry);
    const char *bytes = value.data;
    size_t length = strlen(key);
    if (value.size < length || memcmp(bytes, key, length) != 0)
        return false;
    for (size_t i = length; i < value.size; i++)
        if (bytes[i] != key[length - 1])
            return false;
    return true;
}

static bool mixed_round(struct ldr_store *store, uint64_t *random, uint64_t now)
{
    char key[16], value[600];
    snprintf(key, sizeof key, "%u", below(random, SHARED_KEYS));
    struct larder_slice slice = ldr_slice_text(key);
    size_t length = strlen(key), size = length + below(random, 500);
    memset(value, key[length - 1], size);
    memcpy(value, key, length);
    const struct ldr_put put = {.key = slice, .value = ldr_slice(value, size), .expires = now + below(random, 50)};
    struct ldr_store_stats stats;
    bool right = true;
    switch (below(random, 100)) {
    case 0: right = ldr_store_set_eviction(store, some_policy(random), NULL) == LARDER_OK; break;
    case 1: right = ldr_store_set_max_bytes(store, 10000 + below(random, 60000)) == LARDER_OK; break;
    case 2: ldr_store_expire(store, now, 5); break;
    case 3: ldr_store_remove(store, slice, 0, put.version, now); break;
    case 4: ldr_store_touch(store, slice, now + 100, now, NULL); break;
    case 5:
        ldr_store_stats(store, &stats);
        right = stats.bytes_used <= stats.bytes_limit;
        break;
    default:
        if (below(random, 3) == 0) {
            right = ldr_store_put(store, &put, now, NULL) == LARDER_OK;
        } else {
            struct ldr_entry *entry = ldr_store_get(store, slice, now);
            right = entry == NULL || belongs(entry, key);
            ldr_entry_release(entry);
        }
    }
    return right;
}

static void *mixed(void *arg)
{
    struct shared *shared = arg;
    uint64_t random = 1000 + atomic_fetch_add(&shared->next, 1);
    for (unsigned i = 0; i < ROUNDS; i++)
        if (!mixed_round(shared->store, &random, i / 10))
            return shared;
    return NULL;
}

static void threads_see_whole_values_only(void **unused)
{
    (void)unused;
    struct shared shared = {.store = kit_open(LRU, 30000)};
    run_threads(&shared, mixed);
    kit_check(shared.store);
    ldr_store_clear(shared.store);
    assert_int_equal(kit_stats(shared.store).entries, 0);
    assert_int_equal(kit_stats(shared.store).policy_faults, 0);
    ldr_store_close(shared.store);
}

/* Counts up the version of one key, by compare and swap; and creates keys, each of which one thread only may win. */
static void *conditional(void *arg)
{
    struct shared *shared = arg;
    struct larder_slice counter = ldr_slice_text("counter");
    char key[16];
    for (unsigned i = 0; i < 2000; i++) {
        bool created;
        snprintf(key, sizeof key, "%u", i);
        struct ldr_put put = {.key = ldr_slice_text(key), .expires = LARDER_NEVER, .flags = LDR_PUT_IF_ABSENT};
        if (ldr_store_put(shared->store, &put, 0, &created) == LARDER_OK)
            atomic_fetch_add(&shared->created, 1);
        struct ldr_entry *entry = ldr_store_get(shared->store, counter, 0);
        if (entry == NULL)
            return shared;
        put = (struct ldr_put){.key = counter, .expires = LARDER_NEVER, .flags = LDR_PUT_IF_VERSION};
        put.expected = ldr_entry_version(entry);
        put.version = (struct larder_version){1, put.expected.clock + 1};
        ldr_entry_release(entry);
        if (ldr_store_put(shared->store, &put, 0, NULL) == LARDER_OK)
            atomic_fetch_add(&shared->counted, 1);
    }
    return NULL;
}

static void conditions_are_atomic(void **unused)
{
    (void)unused;
    struct shared shared = {.store = kit_open(LRU, 1 << 20)};
    const struct ldr_put put = {.key = ldr_slice_text("counter"), .expires = LARDER_NEVER, .version = {1, 0}};
    assert_int_equal(ldr_store_put(shared.store, &put, 0, NULL), LARDER_OK);
    run_threads(&shared, conditional);
    assert_int_equal(shared.created, 2000);
    struct ldr_entry *entry = ldr_store_get(shared.store, put.key, 0);
    assert_non_null(entry);
    assert_int_equal(ldr_entry_version(entry).clock, shared.counted);
    assert_in_range(shared.counted, 2000, THREADS * 2000);
    ldr_entry_release(entry);
    ldr_store_close(shared.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_reference),
        cmocka_unit_test(victims_are_exact_through_changes_of_policy),
        cmocka_unit_test(threads_see_whole_values_only),
        cmocka_unit_test(conditions_are_atomic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
