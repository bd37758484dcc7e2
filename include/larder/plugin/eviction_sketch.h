/*
 * A sketch: about how often each digest was seen lately, for eviction policies. eviction.h includes this file.
 *
 * A count-min sketch (G. Cormode and S. Muthukrishnan, "An Improved Data Stream Summary: The Count-Min Sketch and its
 * Applications", Journal of Algorithms 55, 2005) of four rows with counters of 4 bits, which are halved after ten times as
 * many additions as there are entries (G. Einziger, R. Friedman and B. Manes, "TinyLFU: A Highly Efficient Cache
 * Admission Policy", ACM Transactions on Storage 13, 2017). As in Caffeine, all counters of a digest lie in one block of
 * 64 bytes. 8 to 16 bytes an entry.
 */
#ifndef LARDER_PLUGIN_EVICTION_SKETCH_H
#define LARDER_PLUGIN_EVICTION_SKETCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most that a digest counts. */
#define LARDER_SKETCH_MAX 15u

struct larder_sketch_block_ {
    uint64_t words[8]; /* two for each row, of 16 counters each */
};

/* Leave the members to the functions. Zeroed: nothing yet; reserve before use. */
struct larder_sketch {
    struct larder_sketch_block_ *blocks; /* a power of two */
    uint32_t bits;                       /* of the number of blocks: at least 1 */
    uint64_t entries;                    /* that it is meant for */
    uint64_t additions;                  /* since counters were halved, with what was left of them then */
};

/* ---- inside */

static inline struct larder_sketch_block_ *larder_sketch_alloc_(uint32_t bits)
{
    size_t bytes = sizeof(struct larder_sketch_block_) << bits;
    void *blocks = aligned_alloc(sizeof(struct larder_sketch_block_), bytes);
    if (blocks != NULL)
        memset(blocks, 0, bytes);
    return (struct larder_sketch_block_ *)blocks;
}

/* Where a digest is counted: its block, and 5 bits for each row that choose one of 32 counters. */
struct larder_sketch_place_ {
    uint64_t *words;
    uint32_t counters;
};

static inline struct larder_sketch_place_ larder_sketch_place_(const struct larder_sketch *sketch, uint64_t digest)
{
    uint64_t hash = digest * UINT64_C(0x9e3779b97f4a7c15);
    struct larder_sketch_place_ place;
    place.words = sketch->blocks[hash >> (64 - sketch->bits)].words;
    place.counters = (uint32_t)((hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93) >> 32);
    return place;
}

static inline void larder_sketch_age_(struct larder_sketch *sketch)
{
    uint64_t odd = 0, words = UINT64_C(8) << sketch->bits, *word = sketch->blocks->words;
    for (uint64_t i = 0; i < words; i++) {
        odd += (uint64_t)__builtin_popcountll(word[i] & UINT64_C(0x1111111111111111));
        word[i] = word[i] >> 1 & UINT64_C(0x7777777777777777);
    }
    /* An addition counts in four rows; those that were odd are gone altogether. */
    sketch->additions = (sketch->additions - odd / 4) / 2;
}

/* ---- what policies call */

/* Makes the sketch large enough for so many entries; what was counted stays. False when out of memory: it is as it was. */
static inline bool larder_sketch_reserve(struct larder_sketch *sketch, uint64_t entries)
{
    if (sketch->blocks != NULL && entries <= sketch->entries)
        return true;
    uint32_t bits = sketch->blocks != NULL ? sketch->bits : 1;
    while (UINT64_C(8) << bits < entries)
        bits++;
    if (sketch->blocks == NULL || bits > sketch->bits) {
        struct larder_sketch_block_ *blocks = larder_sketch_alloc_(bits);
        if (blocks == NULL)
            return false;
        /* The upper bits of its hash choose a digest's block, so each block becomes some of the same. */
        for (uint64_t i = 0; sketch->blocks != NULL && i >> bits == 0; i++)
            blocks[i] = sketch->blocks[i >> (bits - sketch->bits)];
        free(sketch->blocks);
        sketch->blocks = blocks;
        sketch->bits = bits;
    }
    sketch->entries = entries;
    return true;
}

static inline void larder_sketch_free(struct larder_sketch *sketch)
{
    free(sketch->blocks);
}

static inline uint64_t larder_sketch_bytes(const struct larder_sketch *sketch)
{
    return sketch->blocks != NULL ? sizeof *sketch->blocks << sketch->bits : 0;
}

/* Counts a digest once more. */
static inline void larder_sketch_add(struct larder_sketch *sketch, uint64_t digest)
{
    struct larder_sketch_place_ place = larder_sketch_place_(sketch, digest);
    uint64_t added = 0;
    for (uint32_t row = 0; row < 4; row++, place.counters >>= 5) {
        uint64_t *word = &place.words[2 * row + (place.counters & 1)];
        uint32_t shift = (place.counters >> 1 & 15) * 4;
        uint64_t below = (*word >> shift & LARDER_SKETCH_MAX) != LARDER_SKETCH_MAX;
        *word += below << shift;
        added |= below;
    }
    sketch->additions += added;
    if (sketch->additions >= 10 * sketch->entries)
        larder_sketch_age_(sketch);
}

/* How often a digest was counted lately: rather too often than too seldom, at most LARDER_SKETCH_MAX. */
static inline uint32_t larder_sketch_count(const struct larder_sketch *sketch, uint64_t digest)
{
    struct larder_sketch_place_ place = larder_sketch_place_(sketch, digest);
    uint32_t least = LARDER_SKETCH_MAX;
    for (uint32_t row = 0; row < 4; row++, place.counters >>= 5) {
        uint64_t word = place.words[2 * row + (place.counters & 1)];
        uint32_t count = (uint32_t)(word >> (place.counters >> 1 & 15) * 4) & LARDER_SKETCH_MAX;
        least = count < least ? count : least;
    }
    return least;
}

#ifdef __cplusplus
}
#endif
#endif
