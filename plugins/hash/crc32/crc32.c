/*
 * crc32: the checksum of zlib, gzip and PNG, as many older consistent-hash rings use it. The seed is the value that the
 * checksum starts from: with seed 0 the digest is what every crc32 tool prints.
 */
#include <zlib.h>

#include "larder/plugin/hash.h"

static uint64_t crc32_digest(const void *data, size_t length, uint64_t seed)
{
    uint32_t start = (uint32_t)(seed ^ seed >> 32); /* every bit of a longer seed counts */
    if (length == 0)
        return start; /* zlib takes a NULL for the question what to start from, and says 0 */
    return crc32_z(start, data, length);
}

LARDER_HASH("crc32", "CRC-32 of zlib: 32 bits, for rings that other software shares", NULL, .digest = crc32_digest);
