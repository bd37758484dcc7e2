/*
 * The distinct keys of a trace: each gets a number, from 0 on in the order of their first requests, so that all else
 * can be arrays by number. Keys are compared to the last byte. Memory grows with the number of distinct keys: 32 to 64
 * bytes for each, and its bytes where these are more than eight.
 */
#ifndef CLI_SIM_KEYS_H
#define CLI_SIM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/*
 * The number of a key of 1 to 65535 bytes; a new key gets the next one. Eight bytes can be read from its start however
 * short it is. SIM_KEY_NONE: out of memory, or there are SIM_KEYS_MAX keys.
 */
uint32_t sim_keys_number(struct sim_keys *keys, const char *key, uint32_t size, uint64_t hash);

#endif
