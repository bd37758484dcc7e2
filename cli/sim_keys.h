/*
 * The distinct keys of a trace: each gets a number, from 0 on in the order of their first requests, so that all else
 * can be arrays by number. Keys are compared to the last byte. Memory grows with the number of distinct keys: 32 to 64
 * bytes for each, and its bytes where these are more than eight.
 */
#ifndef CLI_SIM_KEYS_H
#define CLI_SIM_KEYS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SIM_KEY_NONE UINT32_MAX
#define SIM_KEYS_MAX (UINT32_MAX - 1)

struct sim_key_place {
    uint64_t word;   /* the key's bytes where they fit; else where they begin in `bytes`, and bits of the key's hash */
    uint32_t number; /* + 1; 0: nobody's place */
    uint32_t size;   /* of the key; 0: nobody's place */
};

#define SIM_KEY_PLACES 4 /* of a bucket, which is one line of the processor's cache */

struct sim_key_bucket {
    _Alignas(64) struct sim_key_place places[SIM_KEY_PLACES];
};

/* Zeroed: empty. */
struct sim_keys {
    struct sim_key_bucket *buckets; /* open addressing, linear probing, at most half full */
    size_t capacity;                /* buckets: a power of two, or 0 */
    uint32_t count;
    char *bytes; /* of the keys that do not fit into a word, one behind the other */
    size_t bytes_size, bytes_capacity;
};

void sim_keys_free(struct sim_keys *keys);

/* Spread well over all 64 bits. */
uint64_t sim_keys_hash(const char *key, uint32_t size);

/* Has the processor fetch what sim_keys_number() will look at. */
static inline void sim_keys_prefetch(const struct sim_keys *keys, uint64_t hash)
{
    if (keys->capacity > 0)
        __builtin_prefetch(&keys->buckets[hash & (keys->capacity - 1)]);
}

#define SIM_KEY_WORD sizeof(uint64_t)

/* The first bytes of the key, at most eight, and zeros. */
static inline uint64_t sim_key_word(const char *key, uint32_t size)
{
    uint64_t word;
    memcpy(&word, key, SIM_KEY_WORD);
    return size >= SIM_KEY_WORD ? word : htole64(le64toh(word) & ((UINT64_C(1) << 8 * size) - 1));
}

static inline unsigned sim_key_is_candidate(const struct sim_key_place *place, uint64_t word, uint64_t mask,
                                            uint32_t size)
{
    return (((place->word ^ word) & mask) == 0) & (place->size == size);
}

/* A bit for each place that may be the key's: without branches, since nobody can tell which of them it will be. */
static inline unsigned sim_key_candidates(const struct sim_key_bucket *bucket, uint64_t word, uint64_t mask,
                                          uint32_t size)
{
    const struct sim_key_place *places = bucket->places;
    return sim_key_is_candidate(&places[0], word, mask, size) |
           sim_key_is_candidate(&places[1], word, mask, size) << 1 |
           sim_key_is_candidate(&places[2], word, mask, size) << 2 |
           sim_key_is_candidate(&places[3], word, mask, size) << 3;
}

/* sim_keys_number() for any key. */
uint32_t sim_keys_search(struct sim_keys *keys, const char *key, uint32_t size, uint64_t hash);

/*
 * The number of a key of 1 to 65535 bytes; a new key gets the next one. Eight bytes can be read from its start however
 * short it is. SIM_KEY_NONE: out of memory, or there are SIM_KEYS_MAX keys. Most keys of most traces are short, known, and in
 * the bucket of their hash.
 */
static inline uint32_t sim_keys_number(struct sim_keys *keys, const char *key, uint32_t size, uint64_t hash)
{
    if (size <= SIM_KEY_WORD && keys->capacity > 0) {
        const struct sim_key_bucket *bucket = &keys->buckets[hash & (keys->capacity - 1)];
        unsigned found = sim_key_candidates(bucket, sim_key_word(key, size), UINT64_MAX, size);
        if (__builtin_expect(found != 0, true))
            return bucket->places[__builtin_ctz(found)].number - 1;
    }
    return sim_keys_search(keys, key, size, hash);
}

#endif
