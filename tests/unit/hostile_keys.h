/*
 * Keys made to collide under a ring hash: any number of them, all with one digest. What an attacker can do who knows the
 * hash and its seed, which a ring has to tell its members.
 */
#ifndef HOSTILE_KEYS_H
#define HOSTILE_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { HOSTILE_CRC32_SIZE = 12, HOSTILE_MURMUR3_SIZE = 32 };

/* ---- crc32: four bytes take it from any state to any other */

static inline uint32_t hostile_crc32_step(uint32_t state, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        state ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            state = state & 1 ? state >> 1 ^ UINT32_C(0xedb88320) : state >> 1;
    }
    return state;
}

/*
 * The number in the first 8 bytes, and four that lead to the state `target`. All keys have one length, so that they
 * collide with any value to start from: the checksum is linear.
 */
static inline void hostile_crc32(uint64_t number, uint32_t seed, uint32_t target, unsigned char key[HOSTILE_CRC32_SIZE])
{
    memcpy(key, &number, sizeof number);
    uint32_t state = hostile_crc32_step(~seed, key, sizeof number);
    /* Four bytes are xored into the state before 32 steps of one bit; those steps, backwards from the target. */
    uint32_t before = target;
    for (unsigned bit = 0; bit < 32; bit++)
        before = before >> 31 != 0 ? (before ^ UINT32_C(0xedb88320)) << 1 | 1 : before << 1;
    uint32_t patch = before ^ state;
    for (unsigned i = 0; i < 4; i++)
        key[sizeof number + i] = (unsigned char)(patch >> 8 * i);
}

/* ---- MurmurHash3_x64_128: a block takes it from any state to any other */

static inline uint64_t hostile_rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

/* The inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the bits that are right. */
static inline uint64_t hostile_inverse(uint64_t odd)
{
    uint64_t inverse = odd;
    for (unsigned i = 0; i < 6; i++)
        inverse *= 2 - odd * inverse;
    return inverse;
}

#define HOSTILE_C1 UINT64_C(0x87c37b91114253d5)
#define HOSTILE_C2 UINT64_C(0x4cf5ad432745937f)
#define HOSTILE_A1 UINT64_C(0x52dce729)
#define HOSTILE_A2 UINT64_C(0x38495ab5)

struct hostile_state {
    uint64_t h1, h2;
};

static inline struct hostile_state hostile_murmur3_step(struct hostile_state state, const uint64_t block[2])
{
    state.h1 ^= hostile_rotate(block[0] * HOSTILE_C1, 31) * HOSTILE_C2;
    state.h1 = (hostile_rotate(state.h1, 27) + state.h2) * 5 + HOSTILE_A1;
    state.h2 ^= hostile_rotate(block[1] * HOSTILE_C2, 33) * HOSTILE_C1;
    state.h2 = (hostile_rotate(state.h2, 31) + state.h1) * 5 + HOSTILE_A2;
    return state;
}

/* The block that leads from one state to the other: every step above backwards. */
static inline void hostile_murmur3_block(struct hostile_state from, struct hostile_state to, uint64_t block[2])
{
    uint64_t fifth = hostile_inverse(5);
    uint64_t h1 = hostile_rotate((to.h1 - HOSTILE_A1) * fifth - from.h2, 64 - 27);
    uint64_t h2 = hostile_rotate((to.h2 - HOSTILE_A2) * fifth - to.h1, 64 - 31);
    block[0] = hostile_rotate((h1 ^ from.h1) * hostile_inverse(HOSTILE_C2), 64 - 31) * hostile_inverse(HOSTILE_C1);
    block[1] = hostile_rotate((h2 ^ from.h2) * hostile_inverse(HOSTILE_C1), 64 - 33) * hostile_inverse(HOSTILE_C2);
}

/* The number in the first block, and a second one that leads to the state `target`. For little-endian machines. */
static inline void hostile_murmur3(uint64_t number, uint32_t seed, uint64_t target,
                                   unsigned char key[HOSTILE_MURMUR3_SIZE])
{
    uint64_t first[2] = {number, ~number}, second[2];
    struct hostile_state state = hostile_murmur3_step((struct hostile_state){seed, seed}, first);
    hostile_murmur3_block(state, (struct hostile_state){target, ~target}, second);
    memcpy(key, first, sizeof first);
    memcpy(key + sizeof first, second, sizeof second);
}

#endif
