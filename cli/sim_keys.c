#define XXH_INLINE_ALL /* a call would cost as much as the hash of a short key */
#include "sim_keys.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WORD            sizeof(uint64_t)
#define CAPACITY_LEAST  4096
#define FURTHER_BITS(hash) ((uint16_t)((hash) >> 32)) /* the low ones choose the place */

void sim_keys_free(struct sim_keys *keys)
{
    free(keys->places);
    free(keys->bytes);
    *keys = (struct sim_keys){0};
}

uint64_t sim_keys_hash(const char *key, uint32_t size)
{
    return XXH3_64bits(key, size);
}

/* The first bytes of the key, at most eight, and zeros. */
static uint64_t word_of(const char *key, uint32_t size)
{
    uint64_t word;
    memcpy(&word, key, WORD);
    return size >= WORD ? word : htole64(le64toh(word) & ((UINT64_C(1) << 8 * size) - 1));
}

static const char *key_of(const struct sim_keys *keys, const struct sim_key_place *place)
{
    return place->size <= WORD ? (const char *)&place->word : keys->bytes + place->word;
}

static bool grow(struct sim_keys *keys)
{
    size_t capacity = keys->capacity > 0 ? 2 * keys->capacity : CAPACITY_LEAST;
    struct sim_key_place *places = calloc(capacity, sizeof *places);
    if (places == NULL)
        return false;
    for (size_t i = 0; i < keys->capacity; i++) {
        const struct sim_key_place *place = &keys->places[i];
        if (place->number == 0)
            continue;
        size_t at = sim_keys_hash(key_of(keys, place), place->size) & (capacity - 1);
        while (places[at].number != 0)
            at = (at + 1) & (capacity - 1);
        places[at] = *place;
    }
    free(keys->places);
    keys->places = places;
    keys->capacity = capacity;
    return true;
}

/* Where it begins in `bytes`; SIZE_MAX: out of memory. */
static size_t add_bytes(struct sim_keys *keys, const char *key, uint32_t size)
{
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
    if (keys->count == SIM_KEYS_MAX || (keys->count >= keys->capacity / 4 * 3 && !grow(keys)))
        return SIM_KEY_NONE;
    uint64_t word = word_of(key, size);
    if (size > WORD) {
        word = add_bytes(keys, key, size);
        if (word == SIZE_MAX)
            return SIM_KEY_NONE;
    }
    size_t at = hash & (keys->capacity - 1);
    while (keys->places[at].number != 0)
        at = (at + 1) & (keys->capacity - 1);
    keys->places[at] = (struct sim_key_place){word, ++keys->count, (uint16_t)size, FURTHER_BITS(hash)};
    return keys->count - 1;
}

uint32_t sim_keys_number(struct sim_keys *keys, const char *key, uint32_t size, uint64_t hash)
{
    uint64_t word = word_of(key, size);
    for (size_t i = hash; keys->capacity > 0; i++) {
        const struct sim_key_place *place = &keys->places[i & (keys->capacity - 1)];
        if (place->number == 0)
            break;
        if (place->size == size && place->further == FURTHER_BITS(hash) &&
            (size <= WORD ? place->word == word : memcmp(keys->bytes + place->word, key, size) == 0))
            return place->number - 1;
    }
    return add(keys, key, size, hash);
}
