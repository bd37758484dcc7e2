/*
 * 100,000 keys that have one digest under the ring's hash. The store's index has a hash of its own, keyed with a secret,
 * under which they are keys like any others: how fast they are is the benchmark's to say (bench/hostile.c).
 */
#include "store_shapes.h"

#include "core/store/hash.h"
#include "hostile_keys.h"
#include "larder/plugin/hash.h"

enum { COUNT = 100000, SIZE_MOST = HOSTILE_MURMUR3_SIZE, BUCKETS = 8192 };

extern const struct larder_hash larder_plugin_table__hash_crc32, larder_plugin_table__hash_murmur3;

static unsigned char keys[COUNT][SIZE_MOST];

static struct larder_slice key_of(size_t i, size_t size)
{
    return ldr_slice(keys[i], size);
}

static void make_crc32(uint32_t seed)
{
    for (size_t i = 0; i < COUNT; i++)
        hostile_crc32(i, seed, UINT32_C(0xdecade00), keys[i]);
}

static void make_murmur3(uint32_t seed)
{
    for (size_t i = 0; i < COUNT; i++)
        hostile_murmur3(i, seed, UINT64_C(0x0123456789abcdef), keys[i]);
}

static void check_collisions(const struct larder_hash *hash, uint64_t seed, size_t size)
{
    uint64_t digest = hash->digest(keys[0], size, seed);
    for (size_t i = 1; i < COUNT; i++) {
        assert_int_equal(hash->digest(keys[i], size, seed), digest);
        assert_memory_not_equal(keys[i], keys[i - 1], size);
    }
}

static void the_keys_collide_under_the_rings_hash(void **unused)
{
    (void)unused;
    static const uint32_t seeds[] = {0, 1, UINT32_C(0x9abcdef0)};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        make_crc32(seeds[i]);
        check_collisions(&larder_plugin_table__hash_crc32, seeds[i], HOSTILE_CRC32_SIZE);
        check_collisions(&larder_plugin_table__hash_crc32, seeds[i] + 77, HOSTILE_CRC32_SIZE);
        make_murmur3(seeds[i]);
        check_collisions(&larder_plugin_table__hash_murmur3, seeds[i], HOSTILE_MURMUR3_SIZE);
    }
}

/* All are stored, all are found, and none takes the place of another. */
static void check_stored(size_t size)
{
    for (uint32_t shards = 0; shards <= 1; shards++) {
        const struct shape shape = {.eviction = LRU, .max_bytes = 64 << 20, .shards = shards};
        struct ldr_store *store = shape_open(&shape);
        for (uint32_t i = 0; i < COUNT; i++) {
            const struct ldr_put put = {
                .key = key_of(i, size), .value = ldr_slice(&i, sizeof i), .expires = LARDER_NEVER};
            assert_int_equal(ldr_store_put(store, &put, 0, NULL), LARDER_OK);
        }
        assert_int_equal(kit_stats(store).entries, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t found = 0;
            struct ldr_copy copy = {.key = key_of(i, size), .buffer = &found, .capacity = sizeof found};
            assert_int_equal(ldr_store_copy(store, &copy, 0), LDR_FOUND);
            assert_int_equal(found, i);
        }
        for (uint32_t i = 0; i < COUNT; i++)
            assert_int_equal(ldr_store_remove(store, key_of(i, size), 0, (struct larder_version){0}, 0), LARDER_OK);
        assert_int_equal(kit_stats(store).entries, 0);
        ldr_store_close(store);
    }
}

/*
 * The sum over buckets of the squares of their sizes, which is what looking all keys up costs, is about what chance gives:
 * n + n^2 / buckets, with a deviation of n * sqrt(2 / buckets), of which six are allowed. It is n^2 where all collide.
 */
static void check_spread(size_t size)
{
    static const uint64_t seeds[] = {42, UINT64_C(0xfeedfacecafebeef)};
    for (size_t s = 0; s < 2; s++) {
        static uint32_t in_bucket[BUCKETS], in_shard[64];
        memset(in_bucket, 0, sizeof in_bucket);
        memset(in_shard, 0, sizeof in_shard);
        for (size_t i = 0; i < COUNT; i++) {
            uint64_t hash = ldr_store_hash(key_of(i, size), seeds[s]);
            in_bucket[hash % BUCKETS]++;
            in_shard[ldr_hash_shard(hash, 6)]++;
        }
        uint64_t cost = 0, expected = COUNT + (uint64_t)COUNT * COUNT / BUCKETS;
        for (size_t i = 0; i < BUCKETS; i++)
            cost += (uint64_t)in_bucket[i] * in_bucket[i];
        assert_in_range(cost, expected - 6 * COUNT / 64, expected + 6 * COUNT / 64); /* sqrt(2 / 8192) is 1/64 */
        for (size_t i = 0; i < 64; i++)
            assert_in_range(in_shard[i], COUNT / 64 - 240, COUNT / 64 + 240); /* six times sqrt(n / 64) */
    }
}

static void keys_that_collide_on_the_ring_are_spread_in_the_store(void **unused)
{
    (void)unused;
    make_crc32(0);
    check_spread(HOSTILE_CRC32_SIZE);
    check_stored(HOSTILE_CRC32_SIZE);
    make_murmur3(0);
    check_spread(HOSTILE_MURMUR3_SIZE);
    check_stored(HOSTILE_MURMUR3_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_collide_under_the_rings_hash),
        cmocka_unit_test(keys_that_collide_on_the_ring_are_spread_in_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
