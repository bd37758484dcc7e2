#define XXH_INLINE_ALL /* a call would cost as much as the hash of a short key */
#include "sim_keys.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CAPACITY_LEAST 1024
#define BYTES_BITS     48 /* enough to tell where a key begins; above it stand bits of its hash */

void sim_keys_free(struct sim_keys *keys)
{
    free(keys->buckets);
    free(keys->bytes);
    *keys = (struct sim_keys){0};
}

uint64_t sim_keys_hash(const char *key, uint32_t size)
{
    return XXH3_64bits(key, size);
}

/* Those that neither choose the bucket nor decide whether a key is of a sample. */
static uint64_t further_bits(uint64_t hash)
{
    return (hash >> 24) << BYTES_BITS;
}

static const char *key_of(const struct sim_keys *keys, const struct sim_key_place *place)
{
    return place->size <= SIM_KEY_WORD ? (const char *)&place->word
                                       : keys->bytes + (place->word & ((UINT64_C(1) << BYTES_BITS) - 1));
}

/* The first free place from the bucket of the hash on. */
static struct sim_key_place *free_place(const struct sim_keys *keys, uint64_t hash)
{
    for (;; hash++) {
        struct sim_key_bucket *bucket = &keys->buckets[hash & (keys->capacity - 1)];
        for (size_t i = 0; i < SIM_KEY_PLACES; i++)
            if (bucket->places[i].number == 0)
                return &bucket->places[i];
    }
}

static bool grow(struct sim_keys *keys)
{
    struct sim_keys larger = *keys;
    larger.capacity = keys->capacity > 0 ? 2 * keys->capacity : CAPACITY_LEAST;
    larger.buckets = aligned_alloc(sizeof *larger.buckets, larger.capacity * sizeof *larger.buckets);
    if (larger.buckets == NULL)
        return false;
    memset(larger.buckets, 0, larger.capacity * sizeof *larger.buckets);
    for (size_t i = 0; i < keys->capacity * SIM_KEY_PLACES; i++) {
        const struct sim_key_place *place = &keys->buckets[i / SIM_KEY_PLACES].places[i % SIM_KEY_PLACES];
        if (place->number != 0)
            *free_place(&larger, sim_keys_hash(key_of(keys, place), place->size)) = *place;
    }
    free(keys->buckets);
    *keys = larger;
    return true;
}

/* Where it begins in `bytes`; SIZE_MAX: out of memory. */
static size_t add_bytes(struct sim_keys *keys, const char *key, uint32_t size)
{
    if (keys->bytes_size >> BYTES_BITS != 0)
        return SIZE_MAX;
    if (keys->bytes_capacity - keys->bytes_size < size) {
        size_t capacity = keys->bytes_capacity + keys->bytes_capacity / 2 + UINT16_MAX + 1;
        char *bytes = realloc(keys->bytes, capacity);
        if (bytes == NULL)
            return SIZE_MAX;
        keys->bytes = bytes;
        keys->bytes_capacity = capacity;
    }
    memcpy(keys->bytes + keys->bytes_size, key, size);
    keys->bytes_size += size;
    return keys->bytes_size - size;
}

static uint32_t add(struct sim_keys *keys, const char *key, uint32_t size, uint64_t hash)
{
    if (keys->count == SIM_KEYS_MAX || (keys->count >= keys->capacity * SIM_KEY_PLACES / 2 && !grow(keys)))
        return SIM_KEY_NONE;
    uint64_t word = sim_key_word(key, size);
    if (size > SIM_KEY_WORD) {
        size_t begin = add_bytes(keys, key, size);
        if (begin == SIZE_MAX)
            return SIM_KEY_NONE;
        word = begin | further_bits(hash);
    }
    *free_place(keys, hash) = (struct sim_key_place){word, ++keys->count, size};
    return keys->count - 1;
}

uint32_t sim_keys_search(struct sim_keys *keys, const char *key, uint32_t size, uint64_t hash)
{
    bool fits = size <= SIM_KEY_WORD;
    uint64_t word = fits ? sim_key_word(key, size) : further_bits(hash);
    uint64_t mask = fits ? UINT64_MAX : further_bits(UINT64_MAX);
    for (size_t i = hash; keys->capacity > 0; i++) {
        const struct sim_key_bucket *bucket = &keys->buckets[i & (keys->capacity - 1)];
        for (unsigned found = sim_key_candidates(bucket, word, mask, size); found != 0; found &= found - 1) {
            const struct sim_key_place *place = &bucket->places[__builtin_ctz(found)];
            if (fits || memcmp(key_of(keys, place), key, size) == 0)
                return place->number - 1;
        }
        if (bucket->places[SIM_KEY_PLACES - 1].number == 0) /* places are taken from the first on */
            break;
    }
    return add(keys, key, size, hash);
}
