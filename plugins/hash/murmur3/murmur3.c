/*
 * murmur3: the low 64 bits of MurmurHash3_x64_128. The algorithm's seed has 32 bits; a longer one is folded into them, so
 * that a seed below 2^32 gives what other implementations give.
 */
#include <murmurhash.h>

#include "larder/plugin/hash.h"

/* The library counts bytes in an unsigned int. Keys are shorter; what is not is hashed in parts, each seeded by the last. */
#define PART_MAX ((size_t)1 << 30)

static uint64_t murmur3_part(const void *data, size_t length, uint64_t seed)
{
    uint64_t out[2];
    lmmh_x64_128(data, (unsigned)length, (uint32_t)(seed ^ seed >> 32), out);
    return out[0];
}

static uint64_t murmur3_digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    while (length > PART_MAX) {
        seed = murmur3_part(bytes, PART_MAX, seed);
        bytes += PART_MAX;
        length -= PART_MAX;
    }
    return murmur3_part(length > 0 ? (const void *)bytes : "", length, seed);
}

LARDER_HASH("murmur3", "MurmurHash3 x64_128: the low 64 bits", NULL, .digest = murmur3_digest);
