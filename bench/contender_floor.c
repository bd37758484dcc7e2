/*
 * What memory costs, and nothing else: a table that is written by one thread before it is read, without locks, order,
 * budget or removal, on huge pages. A lookup hashes the key, reads an index line of 64 bytes (12 tags of a byte, 12
 * numbers of records), reads the record, compares the key and copies the value. Only gets are measured.
 */
#include "bench/contender.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#define LINE_SLOTS 12
#define BATCH_MAX  64u
#define HUGE_PAGE  ((size_t)2 << 20)

struct line {
    _Alignas(64) uint8_t tags[LINE_SLOTS]; /* never 0 */
    uint8_t unused[4];
    uint32_t records[LINE_SLOTS];
};
_Static_assert(sizeof(struct line) == 64, "a line of the index is a line of the processor's cache");

struct floor {
    struct line *lines;
    char *records; /* key, then value */
    size_t mask, stride, value_size, lines_bytes, records_bytes;
    uint32_t count, capacity;
};

static uint64_t bytes_for(uint64_t entries, size_t value_size)
{
    return entries * (KEY_SIZE + value_size);
}

static void *map_pages(size_t *bytes, bool small_pages)
{
    *bytes = (*bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    char *all = mmap(NULL, *bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    /* The ends that do not fill a huge page go back. */
    size_t before = (HUGE_PAGE - (uintptr_t)all % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0)
        munmap(all, before);
    munmap(all + before + *bytes, HUGE_PAGE - before);
    madvise(all + before, *bytes, small_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return all + before;
}

static void close_floor(void *opaque)
{
    struct floor *floor = opaque;
    if (floor->lines != NULL)
        munmap(floor->lines, floor->lines_bytes);
    if (floor->records != NULL)
        munmap(floor->records, floor->records_bytes);
    free(floor);
}

static void *open_floor(const struct cache_options *options)
{
    struct floor *floor = calloc(1, sizeof *floor);
    if (floor == NULL)
        return NULL;
    size_t lines = 1;
    while (lines * LINE_SLOTS * 3 / 4 < options->entries)
        lines *= 2;
    floor->mask = lines - 1;
    floor->value_size = options->value_size;
    floor->stride = (KEY_SIZE + options->value_size + 7) & ~(size_t)7;
    floor->capacity = (uint32_t)options->entries;
    floor->lines_bytes = lines * sizeof *floor->lines;
    floor->records_bytes = floor->capacity * floor->stride;
    floor->lines = map_pages(&floor->lines_bytes, options->small_pages);
    floor->records = map_pages(&floor->records_bytes, options->small_pages);
    if (floor->lines == NULL || floor->records == NULL) {
        fprintf(stderr, "floor: no memory\n");
        close_floor(floor);
        return NULL;
    }
    return floor;
}

static inline uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(hash >> 56 | 1);
}

/* A bit for each slot of the line whose tag is this. */
static inline unsigned match_tags(const struct line *line, uint8_t tag)
{
#ifdef __SSE2__
    __m128i tags = _mm_load_si128((const __m128i *)(const void *)line);
    int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag)));
    return (unsigned)bits & ((1u << LINE_SLOTS) - 1);
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < LINE_SLOTS; i++)
        bits |= (unsigned)(line->tags[i] == tag) << i;
    return bits;
#endif
}

static inline char *find(const struct floor *floor, const char *key, uint64_t hash)
{
    for (size_t at = hash & floor->mask;; at = (at + 1) & floor->mask) {
        const struct line *line = &floor->lines[at];
        for (unsigned bits = match_tags(line, tag_of(hash)); bits != 0; bits &= bits - 1) {
            char *record = floor->records + line->records[__builtin_ctz(bits)] * floor->stride;
            if (memcmp(record, key, KEY_SIZE) == 0)
                return record;
        }
        if (line->tags[LINE_SLOTS - 1] == 0) /* slots fill upward: this line never ran over */
            return NULL;
    }
}

static inline uint64_t hash_of(const char *key)
{
    return XXH3_64bits_withSeed(key, KEY_SIZE, 0);
}

static bool get(void *opaque, const char *key, void *buffer)
{
    const struct floor *floor = opaque;
    const char *record = find(floor, key, hash_of(key));
    if (record != NULL)
        memcpy(buffer, record + KEY_SIZE, floor->value_size);
    return record != NULL;
}

/* All lines of the index first, then all records that a tag points at, then the same again with the data at hand. */
static void get_many(void *opaque, const char (*keys)[KEY_SIZE], size_t count, char *buffers, size_t stride,
                     bool *found)
{
    const struct floor *floor = opaque;
    uint64_t hashes[BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_of(keys[i]);
        __builtin_prefetch(&floor->lines[hashes[i] & floor->mask]);
    }
    size_t bytes = floor->stride < 1024 ? floor->stride : 1024; /* the processor follows longer ones by itself */
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &floor->lines[hashes[i] & floor->mask];
        unsigned bits = match_tags(line, tag_of(hashes[i]));
        if (bits == 0)
            continue;
        const char *record = floor->records + line->records[__builtin_ctz(bits)] * floor->stride;
        for (size_t offset = 0; offset < bytes + 63; offset += 64)
            __builtin_prefetch(record + (offset < bytes ? offset : bytes - 1));
    }
    for (size_t i = 0; i < count; i++) {
        const char *record = find(floor, keys[i], hashes[i]);
        found[i] = record != NULL;
        if (record != NULL)
            memcpy(buffers + i * stride, record + KEY_SIZE, floor->value_size);
    }
}

static bool set(void *opaque, const char *key, const void *value, bool absent)
{
    struct floor *floor = opaque;
    uint64_t hash = hash_of(key);
    char *record = find(floor, key, hash);
    (void)absent;
    if (record == NULL) {
        if (floor->count == floor->capacity)
            return false;
        size_t at = hash & floor->mask;
        while (floor->lines[at].tags[LINE_SLOTS - 1] != 0)
            at = (at + 1) & floor->mask;
        unsigned slot = 0;
        while (floor->lines[at].tags[slot] != 0)
            slot++;
        floor->lines[at].tags[slot] = tag_of(hash);
        floor->lines[at].records[slot] = floor->count;
        record = floor->records + floor->count++ * floor->stride;
        memcpy(record, key, KEY_SIZE);
    }
    memcpy(record + KEY_SIZE, value, floor->value_size);
    return true;
}

static uint64_t entries(void *opaque)
{
    return ((struct floor *)opaque)->count;
}

const struct contender contender_floor = {.name = "floor",
                                          .note = "floor: hash, index line, record, compare and copy on huge pages; "
                                                  "no cache at all",
                                          .kind = CONTENDER_FLOOR,
                                          .bytes_for = bytes_for,
                                          .open = open_floor,
                                          .close = close_floor,
                                          .get = get,
                                          .set = set,
                                          .get_many = get_many,
                                          .entries = entries};

/* ------------------------------------------------------------------------------------------------ the harness */

/* Does nothing, so that what the streams, the keys and the calls cost can be seen in the same table. */
static void *open_harness(const struct cache_options *options)
{
    (void)options;
    return malloc(1);
}

static bool get_nothing(void *opaque, const char *key, void *buffer)
{
    (void)opaque;
    memcpy(buffer, key, KEY_SIZE);
    return true;
}

static bool set_nothing(void *opaque, const char *key, const void *value, bool absent)
{
    (void)opaque, (void)key, (void)value, (void)absent;
    return true;
}

static uint64_t no_entries(void *opaque)
{
    (void)opaque;
    return 0;
}

const struct contender contender_harness = {.name = "harness",
                                            .note = "harness: streams, keys and calls alone; part of every other row",
                                            .kind = CONTENDER_NONE,
                                            .bytes_for = bytes_for,
                                            .open = open_harness,
                                            .close = free,
                                            .get = get_nothing,
                                            .set = set_nothing,
                                            .entries = no_entries};
