/*
 * Gets of 100,000 keys that collide under a ring hash against gets of as many ordinary keys of the same length: one JSON
 * row for each hash. A program of its own, or a row of the benchmark's table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/bytes.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"
#include "tests/unit/hostile_keys.h"

enum { COUNT = 100000, SIZE_MOST = HOSTILE_MURMUR3_SIZE, VALUE_SIZE = 100, ROUNDS = 15 };

extern const struct larder_eviction larder_plugin_table__eviction_lru;

/* The same seeds as the ring's default. */
static void make_crc32(uint64_t number, unsigned char *key)
{
    hostile_crc32(number, 0, UINT32_C(0xdecade00), key);
}

static void make_murmur3(uint64_t number, unsigned char *key)
{
    hostile_murmur3(number, 0, UINT64_C(0x0123456789abcdef), key);
}

static const struct kind {
    const char *name;
    size_t size;
    void (*make)(uint64_t number, unsigned char *key);
} kinds[] = {
    {"crc32", HOSTILE_CRC32_SIZE, make_crc32},
    {"murmur3", HOSTILE_MURMUR3_SIZE, make_murmur3},
};

static uint64_t draw(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 32;
}

static void make_ordinary(unsigned char *key, size_t size, uint64_t *random)
{
    for (size_t i = 0; i < size; i++)
        key[i] = (unsigned char)draw(random);
}

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void shuffle(uint32_t *order, uint64_t *random)
{
    for (uint32_t i = 0; i < COUNT; i++)
        order[i] = i;
    for (uint32_t i = COUNT; i > 1; i--) {
        uint32_t other = (uint32_t)(draw(random) % i), kept = order[other];
        order[other] = order[i - 1];
        order[i - 1] = kept;
    }
}

static struct ldr_store *filled(unsigned char (*keys)[SIZE_MOST], size_t size)
{
    static const char value[VALUE_SIZE];
    const struct ldr_store_options options = {.max_bytes = UINT64_C(256) << 20,
                                              .max_value = VALUE_SIZE,
                                              .eviction = &larder_plugin_table__eviction_lru,
                                              .seed = 4711};
    struct ldr_store *store = ldr_store_open(&options);
    for (uint32_t i = 0; store != NULL && i < COUNT; i++) {
        const struct ldr_put put = {
            .key = ldr_slice(keys[i], size), .value = ldr_slice(value, sizeof value), .expires = LARDER_NEVER};
        if (ldr_store_put(store, &put, 0, NULL) != LARDER_OK) {
            ldr_store_close(store);
            return NULL;
        }
    }
    return store;
}

/* Nanoseconds a get, each key once, in a random order. */
static double get_all(struct ldr_store *store, unsigned char (*keys)[SIZE_MOST], size_t size, const uint32_t *order)
{
    size_t found = 0;
    double start = seconds();
    for (uint32_t i = 0; i < COUNT; i++) {
        struct ldr_entry *entry = ldr_store_get(store, ldr_slice(keys[order[i]], size), 0);
        found += entry != NULL;
        ldr_entry_release(entry);
    }
    double nanoseconds = (seconds() - start) * 1e9 / COUNT;
    return found == COUNT ? nanoseconds : -1;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Both stores in turn, so that what else the machine does meets both. */
static int compare(const struct kind *kind)
{
    static unsigned char hostile[COUNT][SIZE_MOST], ordinary[COUNT][SIZE_MOST];
    static uint32_t order[COUNT];
    double times[2][ROUNDS];
    uint64_t random = 1;
    for (uint32_t i = 0; i < COUNT; i++) {
        kind->make(i, hostile[i]);
        make_ordinary(ordinary[i], kind->size, &random);
    }
    struct ldr_store *hostile_store = filled(hostile, kind->size), *ordinary_store = filled(ordinary, kind->size);
    int status = hostile_store != NULL && ordinary_store != NULL ? 0 : 1;
    for (size_t round = 0; status == 0 && round < ROUNDS; round++) {
        shuffle(order, &random);
        times[0][round] = get_all(hostile_store, hostile, kind->size, order);
        times[1][round] = get_all(ordinary_store, ordinary, kind->size, order);
        if (times[0][round] < 0 || times[1][round] < 0)
            status = 1;
    }
    ldr_store_close(hostile_store);
    ldr_store_close(ordinary_store);
    if (status != 0) {
        fprintf(stderr, "hostile: a key was not stored or not found\n");
        return status;
    }
    qsort(times[0], ROUNDS, sizeof times[0][0], by_value);
    qsort(times[1], ROUNDS, sizeof times[1][0], by_value);
    double slow = times[0][ROUNDS / 2], fast = times[1][ROUNDS / 2];
    printf("{\"row\": \"hostile\", \"hash\": \"%s\", \"keys\": %d, \"hostile_ns\": %.1f, \"ordinary_ns\": %.1f, "
           "\"ratio\": %.3f, \"goal\": 2.0}\n",
           kind->name, COUNT, slow, fast, slow / fast);
    return 0;
}

int main(void)
{
    int status = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        status |= compare(&kinds[i]);
    return status;
}
