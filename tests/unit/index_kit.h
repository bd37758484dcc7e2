/* For the tests of the index: an index of one shard among four, and the entries that it refers to. */
#ifndef LDR_TEST_INDEX_KIT_H
#define LDR_TEST_INDEX_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/index.h"

/* Entries are in a plain buffer, two of each key, so that one can be put in the place of the other. */

#define KEY_SIZE   16u
#define ENTRY_SIZE 32u

struct world {
    struct ldr_line *lines, *extra;
    size_t lines_count, extra_count; /* of all shards */
    struct ldr_index index;
    struct ldr_index_writer writer;
    unsigned char *entries;
    uint64_t *hashes;
    uint8_t *there; /* 0, or 1 + which entry of the key */
    uint32_t keys;
};

#define SHARD_BITS 2u
#define SHARD      3u

static uint64_t drawn = 1;

static uint32_t draw(uint32_t below)
{
    drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((drawn >> 32) * below >> 32);
}

static void *zeroed(size_t size)
{
    void *bytes = aligned_alloc(64, (size + 63) & ~(size_t)63);
    if (bytes == NULL)
        abort();
    return memset(bytes, 0, size);
}

static ldr_ref ref_of(uint32_t key, unsigned which)
{
    return (ldr_ref)((1 + (size_t)key * 2 + which) * (ENTRY_SIZE / LDR_ENTRY_ALIGN));
}

static struct ldr_entry *entry_of(const struct world *world, uint32_t key, unsigned which)
{
    return ldr_entry_at(world->writer.place, ref_of(key, which));
}

static struct larder_slice key_of(const struct world *world, uint32_t key)
{
    return ldr_slice(ldr_entry_key_bytes(entry_of(world, key, 0)), KEY_SIZE);
}

static void write_entries(struct world *world, uint32_t key, const char *name)
{
    for (unsigned which = 0; which < 2; which++) {
        struct ldr_entry *entry = entry_of(world, key, which);
        entry->key_size = KEY_SIZE;
        entry->offset = LDR_ENTRY_HEADER;
        memcpy(entry->bytes, name, KEY_SIZE);
    }
    world->hashes[key] = ldr_store_hash(key_of(world, key), world->writer.seed);
}

/* Keys are named by numbers; of those only such are taken whose hash has zeros where `mask` has ones. */
static struct world *open_world(uint32_t keys, uint32_t lines_max, uint32_t extra_max, uint64_t mask)
{
    struct world *world = zeroed(sizeof *world);
    world->keys = keys;
    world->hashes = zeroed(keys * sizeof *world->hashes);
    world->there = zeroed(keys);
    world->entries = zeroed((1 + (size_t)keys * 2) * ENTRY_SIZE);
    world->lines_count = (size_t)lines_max << SHARD_BITS;
    world->extra_count = (size_t)extra_max << SHARD_BITS;
    world->lines = zeroed(world->lines_count * sizeof *world->lines);
    world->extra = zeroed(world->extra_count * sizeof *world->extra);
    world->writer.place = (struct ldr_place){world->entries, 3};
    world->writer.seed = 77;
    uint64_t number = 0;
    for (uint32_t key = 0; key < keys; key++) {
        do {
            char name[32];
            snprintf(name, sizeof name, "%016llx", (unsigned long long)number++);
            write_entries(world, key, name);
        } while ((world->hashes[key] & mask) != 0);
    }
    ldr_index_open(&world->writer, &world->index, world->lines + SHARD, world->extra + SHARD, SHARD_BITS, lines_max,
                   extra_max);
    return world;
}

static void close_world(struct world *world)
{
    free(world->lines);
    free(world->extra);
    free(world->entries);
    free(world->hashes);
    free(world->there);
    free(world);
}

static inline uint32_t buckets(const struct world *world)
{
    return ldr_index_buckets(atomic_load(&world->index.state));
}

static struct ldr_entry *find(const struct world *world, uint32_t key, ldr_ref *ref)
{
    return ldr_index_find(&world->index, world->writer.place, key_of(world, key), world->hashes[key], ref);
}

static bool insert(struct world *world, uint32_t key)
{
    unsigned which = draw(2);
    if (!ldr_index_insert(&world->writer, world->hashes[key], ref_of(key, which)))
        return false;
    world->there[key] = (uint8_t)(1 + which);
    return true;
}

static inline void replace(struct world *world, uint32_t key)
{
    unsigned which = world->there[key] - 1u;
    ldr_index_replace(&world->writer, world->hashes[key], ref_of(key, which), ref_of(key, 1 - which));
    world->there[key] = (uint8_t)(2 - which);
}

static void remove_key(struct world *world, uint32_t key)
{
    ldr_index_remove(&world->writer, world->hashes[key], ref_of(key, world->there[key] - 1u));
    world->there[key] = 0;
}

static inline void check_key(const struct world *world, uint32_t key)
{
    ldr_ref ref = 0;
    struct ldr_entry *entry = find(world, key, &ref);
    if (world->there[key] == 0) {
        assert_null(entry);
    } else {
        assert_ptr_equal(entry, entry_of(world, key, world->there[key] - 1u));
        assert_int_equal(ref, ref_of(key, world->there[key] - 1u));
    }
}

#endif
