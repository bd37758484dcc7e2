/* The digests of the hash modules are fixed: they place keys, on every machine and in every version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <murmurhash.h>
#include <string.h>

#include "core/plugin/catalog.h"
#include "tests/unit/catalog_kit.h"

struct vector {
    const char *text;
    uint64_t seed, digest;
};

#define SENTENCE  "the quick brown fox jumps over the lazy dog, 64 bytes and more"
#define LONG_SEED UINT64_C(0x123456789abcdef0)

static int open_catalog(void **state)
{
    *state = ldr_catalog_open(NULL);
    return *state != NULL ? 0 : -1;
}

static int close_catalog(void **state)
{
    ldr_catalog_close(*state);
    return 0;
}

static const struct larder_hash *find(void **state, const char *name)
{
    const struct larder_hash *found = find_hash(*state, name);
    if (found == NULL)
        fail_msg("%s", larder_last_error());
    return found;
}

/* The digest of nothing is the same whether `data` points anywhere or not, and no byte beyond `length` counts. */
static void check(const struct larder_hash *hash, const struct vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char padded[128];
        size_t length = strlen(vectors[i].text);
        assert_int_equal(hash->digest(vectors[i].text, length, vectors[i].seed), vectors[i].digest);
        for (size_t shift = 0; shift < 8; shift++) {
            memset(padded, (int)shift, sizeof padded);
            memcpy(padded + shift, vectors[i].text, length);
            assert_int_equal(hash->digest(padded + shift, length, vectors[i].seed), vectors[i].digest);
        }
        if (length == 0)
            assert_int_equal(hash->digest(NULL, 0, vectors[i].seed), vectors[i].digest);
    }
}

static void crc32_is_zlibs(void **state)
{
    static const struct vector vectors[] = {
        {"", 0, UINT64_C(0x0000000000000000)},          {"", 1, UINT64_C(0x0000000000000001)},
        {"a", 0, UINT64_C(0x00000000e8b7be43)},         {"a", 1, UINT64_C(0x000000009fb08ed5)},
        {"Tom", 0, UINT64_C(0x00000000459235f3)},       {"Tom", 1, UINT64_C(0x0000000044505fc4)},
        {"123456789", 0, UINT64_C(0x00000000cbf43926)}, {"123456789", 1, UINT64_C(0x00000000dc8f2d65)},
        {SENTENCE, 0, UINT64_C(0x00000000c28ecc48)},    {SENTENCE, 1, UINT64_C(0x0000000074952c38)},
    };
    check(find(state, "crc32"), vectors, sizeof vectors / sizeof *vectors);
}

static void murmur3_is_the_low_half_of_x64_128(void **state)
{
    static const struct vector vectors[] = {
        {"", 0, UINT64_C(0x0000000000000000)},          {"", 1, UINT64_C(0x4610abe56eff5cb5)},
        {"a", 0, UINT64_C(0x85555565f6597889)},         {"a", 1, UINT64_C(0x47eae1073748cf70)},
        {"Tom", 0, UINT64_C(0xb03eeaf16bb7094c)},       {"Tom", 1, UINT64_C(0x62f68d88d0043aa0)},
        {"123456789", 0, UINT64_C(0x3c84645edb66cca4)}, {"123456789", 1, UINT64_C(0xf16b761fe114e80b)},
        {SENTENCE, 0, UINT64_C(0xfdc125402fe013dc)},    {SENTENCE, 1, UINT64_C(0xef8a096898e5775f)},
    };
    check(find(state, "murmur3"), vectors, sizeof vectors / sizeof *vectors);
}

static void xxhash_is_xxh3_with_64_bits(void **state)
{
    static const struct vector vectors[] = {
        {"", 0, UINT64_C(0x2d06800538d394c2)},
        {"", 1, UINT64_C(0x4dc5b0cc826f6703)},
        {"", LONG_SEED, UINT64_C(0x8aa56c2c3d8317f6)},
        {"a", 0, UINT64_C(0xe6c632b61e964e1f)},
        {"a", 1, UINT64_C(0xd2f6d0996f37a720)},
        {"a", LONG_SEED, UINT64_C(0xb3d499069b2d173a)},
        {"Tom", 0, UINT64_C(0x205f9571a131187f)},
        {"Tom", 1, UINT64_C(0xbf1820e4fc1172f5)},
        {"Tom", LONG_SEED, UINT64_C(0x7fa0f0d97edefcde)},
        {"123456789", 0, UINT64_C(0x72dcb18b67a17dff)},
        {"123456789", 1, UINT64_C(0xe967c19057995816)},
        {"123456789", LONG_SEED, UINT64_C(0x8d49229d94a3ab82)},
        {SENTENCE, 0, UINT64_C(0x4abbd9ca70c54944)},
        {SENTENCE, 1, UINT64_C(0x1c7cbac191e7932a)},
        {SENTENCE, LONG_SEED, UINT64_C(0xa817ec875ccb10d2)},
    };
    check(find(state, "xxhash"), vectors, sizeof vectors / sizeof *vectors);
}

static void a_seed_that_is_too_long_is_folded(void **state)
{
    const struct larder_hash *crc32 = find(state, "crc32"), *murmur3 = find(state, "murmur3");
    assert_int_equal(crc32->digest("Tom", 3, LONG_SEED), crc32->digest("Tom", 3, 0x12345678 ^ 0x9abcdef0));
    assert_int_equal(murmur3->digest("Tom", 3, LONG_SEED), murmur3->digest("Tom", 3, 0x12345678 ^ 0x9abcdef0));
}

/*
 * How smhasher proves an implementation: the digests of the keys {}, {0}, {0, 1}, ... with the seeds 256, 255, ... are
 * hashed with seed 0, and the first four bytes of that are known.
 */
static void the_murmurhash_library_passes_smhashers_verification(void **state)
{
    (void)state;
    uint8_t key[256];
    uint32_t narrow[256];
    uint64_t wide[256][2];
    uint32_t verdict;
    for (unsigned i = 0; i < 256; i++) {
        key[i] = (uint8_t)i;
        lmmh_x86_32(key, i, 256 - i, &narrow[i]);
        lmmh_x64_128(key, i, 256 - i, wide[i]);
    }
    lmmh_x86_32(narrow, sizeof narrow, 0, &verdict);
    assert_int_equal(verdict, UINT32_C(0xb0f57ee3));
    uint64_t wide_verdict[2];
    lmmh_x64_128(wide, sizeof wide, 0, wide_verdict);
    assert_int_equal((uint32_t)wide_verdict[0], UINT32_C(0x6384ba69));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32_is_zlibs),
        cmocka_unit_test(murmur3_is_the_low_half_of_x64_128),
        cmocka_unit_test(xxhash_is_xxh3_with_64_bits),
        cmocka_unit_test(a_seed_that_is_too_long_is_folded),
        cmocka_unit_test(the_murmurhash_library_passes_smhashers_verification),
    };
    return cmocka_run_group_tests(tests, open_catalog, close_catalog);
}
