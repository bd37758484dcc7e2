/* FNV-1a, 64 bits, with the seed as the first eight bytes: a hash that was written for the first published headers. */
#include <larder/plugin/hash.h>

static uint64_t kept_digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (unsigned i = 0; i < 8; i++)
        digest = (digest ^ (seed >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < length; i++)
        digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

LARDER_HASH(KEPT_NAME, "FNV-1a, 64 bits", NULL, .digest = kept_digest);
