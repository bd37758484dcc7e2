/* xxhash: XXH3 with 64 bits, the fastest of the three and the default. */
#include <xxhash.h>

#include "larder/plugin/hash.h"

static uint64_t xxhash_digest(const void *data, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(length > 0 ? data : "", length, seed);
}

LARDER_HASH("xxhash", "XXH3: 64 bits, the fastest", NULL, .digest = xxhash_digest);
