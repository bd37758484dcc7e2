/*
 * What readers may rely on while the store changes under them: a key that stays is found in every lookup, whatever is
 * split, merged, moved or swapped meanwhile; and what they hold outlives the store.
 */
#include "store_shapes.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store_seal.h"

enum { READERS = 3, STAYING = 300, BATCH = 10, VALUE_MAX = 4096 };

struct world {
    struct ldr_store *store;
    uint64_t budget;
    unsigned waves, wave; /* number of waves, and entries in each */
    _Atomic bool over;
    _Atomic unsigned readers;
    _Atomic uint64_t lookups;
    _Atomic uint64_t missed_keys;
    struct staying {
        _Atomic uint64_t put;    /* the serial that was put last: from 1, one up each time that it was evicted */
        _Atomic uint64_t missed; /* up to this serial it has been evicted, as a reader saw */
    } staying[STAYING];
};

static struct larder_slice staying_key(unsigned k, char buffer[32])
{
    return ldr_slice(buffer, (size_t)snprintf(buffer, 32, "staying %u", k));
}

static void put_sealed(struct ldr_store *store, struct larder_slice key, struct seal seal)
{
    unsigned char value[VALUE_MAX];
    seal_write(value, seal);
    const struct ldr_put put = {.key = key, .value = ldr_slice(value, seal.size), .expires = LARDER_NEVER};
    require(ldr_store_put(store, &put, 0, NULL) == LARDER_OK);
}

/* What is known of a key before it is looked up. */
struct before {
    uint64_t put, missed;
};

static struct before before(struct world *world, unsigned k)
{
    struct before known = {.missed = atomic_load(&world->staying[k].missed)};
    known.put = atomic_load(&world->staying[k].put);
    return known;
}

/* What was missed once, by whatever reader, is never found again. */
static void check(struct world *world, unsigned k, struct before known, bool found, struct larder_slice value)
{
    struct seal seal;
    if (found) {
        require(seal_read(value, &seal) && seal.key == k);
        require(seal.serial > known.missed && seal.serial >= known.put);
        return;
    }
    uint64_t missed = atomic_load(&world->staying[k].missed);
    while (missed < known.put) {
        if (!atomic_compare_exchange_weak(&world->staying[k].missed, &missed, known.put))
            continue;
        atomic_fetch_add(&world->missed_keys, known.put - missed);
        return;
    }
}

static void read_one(struct world *world, unsigned k, uint64_t *random)
{
    char key[32];
    unsigned char buffer[VALUE_MAX];
    struct before known = before(world, k);
    if (shape_below(random, 2) == 0) {
        struct ldr_copy copy = {.key = staying_key(k, key), .buffer = buffer, .capacity = sizeof buffer};
        enum ldr_found found = ldr_store_copy(world->store, &copy, 0);
        check(world, k, known, found == LDR_FOUND, ldr_slice(buffer, copy.size));
    } else {
        struct ldr_entry *entry = ldr_store_get(world->store, staying_key(k, key), 0);
        check(world, k, known, entry != NULL, entry != NULL ? ldr_entry_value(entry) : ldr_slice(NULL, 0));
        ldr_entry_release(entry);
    }
}

static void read_many(struct world *world, unsigned first, uint64_t *random)
{
    char keys[BATCH][32];
    static _Thread_local unsigned char buffers[BATCH][VALUE_MAX];
    struct ldr_copy copies[BATCH];
    struct larder_slice slices[BATCH];
    struct ldr_entry *entries[BATCH];
    struct before known[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        known[i] = before(world, (first + i) % STAYING);
        slices[i] = staying_key((first + i) % STAYING, keys[i]);
        copies[i] = (struct ldr_copy){.key = slices[i], .buffer = buffers[i], .capacity = VALUE_MAX};
    }
    if (shape_below(random, 2) == 0) {
        ldr_store_copy_many(world->store, copies, BATCH, 0);
        for (unsigned i = 0; i < BATCH; i++)
            check(world, (first + i) % STAYING, known[i], copies[i].found == LDR_FOUND,
                  ldr_slice(buffers[i], copies[i].size));
        return;
    }
    ldr_store_get_many(world->store, slices, BATCH, 0, entries);
    for (unsigned i = 0; i < BATCH; i++) {
        check(world, (first + i) % STAYING, known[i], entries[i] != NULL,
              entries[i] != NULL ? ldr_entry_value(entries[i]) : ldr_slice(NULL, 0));
        ldr_entry_release(entries[i]);
    }
}

static void *read_on(void *arg)
{
    struct world *world = arg;
    uint64_t random = 77 + atomic_fetch_add(&world->readers, 1), lookups = 0;
    for (; !atomic_load(&world->over); lookups++) {
        unsigned k = shape_below(&random, STAYING);
        if (shape_below(&random, 8) == 0)
            read_many(world, k, &random);
        else
            read_one(world, k, &random);
    }
    atomic_fetch_add(&world->lookups, lookups);
    return NULL;
}

static struct larder_slice passing_key(unsigned wave, unsigned i, char buffer[32])
{
    return ldr_slice(buffer, (size_t)snprintf(buffer, 32, "%u/%u", wave, i));
}

/* Entries of one size come and go again, in another order: the index grows and shrinks, memory changes its class. */
static void pass(struct world *world, unsigned wave, uint64_t *random)
{
    static const uint32_t sizes[] = {48, 1000, 60, 3000, 200};
    uint32_t size = sizes[wave % 5];
    unsigned count = size < 500 ? world->wave : world->wave * 500 / size;
    char key[32];
    for (unsigned i = 0; i < count; i++) {
        put_sealed(world->store, passing_key(wave, i, key), (struct seal){.key = i, .serial = wave, .size = size});
        if (shape_below(random, 2000) == 0)
            require(ldr_store_set_eviction(world->store, shape_policies[shape_below(random, SHAPE_POLICIES)], NULL) ==
                    LARDER_OK);
        if (shape_below(random, 2000) == 0)
            require(ldr_store_set_max_bytes(world->store, world->budget + shape_below(random, 1 << 20)) == LARDER_OK);
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned victim = (unsigned)((uint64_t)i * 7919 % count); /* a prime that divides no count used here */
        enum larder_status status = ldr_store_remove(world->store, passing_key(wave, victim, key), 0,
                                                     (struct larder_version){0}, 0);
        require(status == LARDER_OK || kit_stats(world->store).evictions > 0);
    }
}

/* Puts those again that were evicted. Returns how many. */
static unsigned put_staying(struct world *world)
{
    unsigned count = 0;
    char key[32];
    for (unsigned k = 0; k < STAYING; k++) {
        struct ldr_entry *entry = ldr_store_peek(world->store, staying_key(k, key), 0);
        ldr_entry_release(entry);
        if (entry != NULL)
            continue;
        struct seal seal = {.key = k, .serial = atomic_load(&world->staying[k].put) + 1};
        seal.size = sizeof seal + k * 13 % (k % 9 == 0 ? 2000 : 200);
        put_sealed(world->store, staying_key(k, key), seal);
        atomic_store(&world->staying[k].put, seal.serial);
        count++;
    }
    return count;
}

/* Who was missed was evicted: no more than evictions tell of, and only if there were any. */
static void check_missed(struct world *world)
{
    struct ldr_store_stats stats = kit_stats(world->store);
    assert_in_range(world->missed_keys, 0, stats.evictions);
    if (stats.evictions == 0)
        assert_int_equal(stats.entries, STAYING);
    print_message("    %llu lookups, %llu evictions, %llu missed\n", (unsigned long long)world->lookups,
                  (unsigned long long)stats.evictions, (unsigned long long)world->missed_keys);
}

static void run(const struct shape *shape, unsigned wave)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    shape_print(shape);
    world->store = shape_open(shape);
    world->budget = shape->max_bytes;
    world->waves = SHAPE_SANITIZED ? 3 : 20;
    world->wave = wave;
    uint64_t random = 5;
    assert_int_equal(put_staying(world), STAYING);
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, world), 0);
    for (unsigned i = 0; i < world->waves; i++) {
        pass(world, i, &random);
        put_staying(world);
    }
    atomic_store(&world->over, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    check_missed(world);
    ldr_store_close(world->store);
    free(world);
}

static void for_each_shape(uint64_t max_bytes, unsigned wave)
{
    for (size_t policy = 0; policy < SHAPE_POLICIES; policy++)
        for (uint32_t shards = 1; shards <= 8; shards += 7) {
            struct shape shape = {.eviction = shape_policies[policy], .max_bytes = max_bytes, .shards = shards};
            run(&shape, wave);
        }
}

/* There is room for all: nobody may be missed at all. */
static void a_key_that_stays_is_found_in_every_lookup(void **unused)
{
    (void)unused;
    for_each_shape(32 << 20, 6000);
}

/* Little room, so that memory has to be put in order all the time. */
static void a_key_is_missed_only_after_it_was_evicted(void **unused)
{
    (void)unused;
    for_each_shape(1 << 20, 6000);
}

/* ---- pins and the end of the store */

struct closing {
    struct ldr_store *store;
    pthread_barrier_t barrier;
    _Atomic unsigned readers;
};

static void *hold(void *arg)
{
    struct closing *closing = arg;
    struct ldr_entry *entries[STAYING];
    unsigned first = atomic_fetch_add(&closing->readers, 1);
    char key[32];
    for (unsigned k = 0; k < STAYING; k++)
        entries[k] = k % READERS == first || k % 5 == 0 ? ldr_store_get(closing->store, staying_key(k, key), 0) : NULL;
    pthread_barrier_wait(&closing->barrier);
    /* From here on the store is being closed. */
    for (unsigned k = 0; k < STAYING; k++) {
        struct seal seal;
        if (entries[k] == NULL)
            continue;
        require(seal_read(ldr_entry_value(entries[k]), &seal) && seal.key == k);
        ldr_entry_release(entries[k]);
    }
    return NULL;
}

static void pins_are_released_while_the_store_is_closed(void **unused)
{
    (void)unused;
    char key[32];
    for (unsigned round = 0; round < (SHAPE_SANITIZED ? 100 : 1000); round++) {
        const struct shape shape = {.eviction = shape_policies[round % SHAPE_POLICIES],
                                    .max_bytes = round % 3 == 0 ? 1 << 15 : 1 << 20,
                                    .shards = round % 2 == 0 ? 1 : 4};
        struct closing closing = {.store = shape_open(&shape)};
        assert_int_equal(pthread_barrier_init(&closing.barrier, NULL, READERS + 1), 0);
        for (unsigned k = 0; k < STAYING; k++)
            put_sealed(closing.store, staying_key(k, key),
                       (struct seal){.key = k, .size = sizeof(struct seal) + (k + round) * 13 % 300});
        pthread_t threads[READERS];
        for (size_t i = 0; i < READERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, hold, &closing), 0);
        pthread_barrier_wait(&closing.barrier);
        if (round % 5 == 0)
            ldr_store_clear(closing.store);
        if (round % 7 == 0) /* what is cleared and pinned has its place taken by others */
            for (unsigned k = 0; k < STAYING; k++)
                put_sealed(closing.store, staying_key(k, key), (struct seal){.key = k + 1000, .size = 100});
        ldr_store_close(closing.store);
        for (size_t i = 0; i < READERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        pthread_barrier_destroy(&closing.barrier);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_stays_is_found_in_every_lookup),
        cmocka_unit_test(a_key_is_missed_only_after_it_was_evicted),
        cmocka_unit_test(pins_are_released_while_the_store_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
