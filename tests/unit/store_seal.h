/* Values that say whose they are and can tell when a byte of them is of another. */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "larder/plugin/request.h"

/* The first bytes of a value; words made of the sum fill the rest. */
struct seal {
    uint64_t key, writer, serial, expires, size, sum;
};

static inline uint64_t seal_mix(uint64_t word)
{
    word ^= word >> 32;
    word *= UINT64_C(0xd6e8feb86659fd93);
    return word ^ word >> 32;
}

static inline uint64_t seal_sum(const struct seal *seal)
{
    uint64_t sum = seal_mix(seal->key + 1);
    sum = seal_mix(sum ^ (seal->writer << 32 | (uint32_t)seal->serial));
    return seal_mix(sum ^ seal->expires) + seal->size;
}

/* Writes a value of seal->size bytes, at least sizeof *seal. */
static inline void seal_write(unsigned char *value, struct seal seal)
{
    seal.sum = seal_sum(&seal);
    memcpy(value, &seal, sizeof seal);
    for (size_t at = sizeof seal; at < seal.size; at += sizeof seal.sum) {
        uint64_t word = seal.sum + at * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(value + at, &word, seal.size - at < sizeof word ? seal.size - at : sizeof word);
    }
}

/* False: it is not a value that seal_write() wrote. */
static inline bool seal_read(struct larder_slice value, struct seal *seal)
{
    const unsigned char *bytes = value.data;
    if (value.size < sizeof *seal)
        return false;
    memcpy(seal, bytes, sizeof *seal);
    if (seal->size != value.size || seal->sum != seal_sum(seal))
        return false;
    for (size_t at = sizeof *seal; at < value.size; at += sizeof seal->sum) {
        uint64_t word = seal->sum + at * UINT64_C(0x9e3779b97f4a7c15);
        if (memcmp(bytes + at, &word, value.size - at < sizeof word ? value.size - at : sizeof word) != 0)
            return false;
    }
    return true;
}

#endif
