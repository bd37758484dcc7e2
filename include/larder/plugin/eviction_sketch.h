/*
 * A sketch: about how often each digest was seen lately, for eviction policies. eviction.h includes this file.
 *
 * A count-min sketch (G. Cormode and S. Muthukrishnan, "An Improved Data Stream Summary: The Count-Min Sketch and its
 * Applications", Journal of Algorithms 55, 2005) of four rows with counters of 4 bits, which are halved after ten times as
 * many additions as it has room for entries (G. Einziger, R. Friedman and B. Manes, "TinyLFU: A Highly Efficient Cache
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
    uint64_t additions;                  /* since counters were halved, with what was left of them then */
};

/* ---- inside */

/* Of how many entries: a word for each. */
static inline uint64_t larder_sketch_room_(uint32_t bits)
{
    return UINT64_C(8) << bits;
}

/* Where a digest is counted: its block, and 5 bits for each row that choose one of 32 counters. */
struct larder_sketch_place_ {
    uint64_t *words;
    uint32_t counters;
};

static inline struct larder_sketch_place_ larder_sketch_locate_(const struct larder_sketch *sketch, uint64_t digest)
{
    uint64_t hash = digest * UINT64_C(0x9e3779b97f4a7c15);
    struct larder_sketch_place_ place;
    place.words = sketch->blocks[hash >> (64 - sketch->bits)].words;
    place.counters = (uint32_t)((hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93) >> 32);
    return place;
}

static inline uint64_t *larder_sketch_word_(struct larder_sketch_place_ place, uint32_t row)
{
    return &place.words[2 * row + (place.counters >> 5 * row & 1)];
}

/* Of the counter in its word. */
static inline uint32_t larder_sketch_shift_(struct larder_sketch_place_ place, uint32_t row)
{
    return (place.counters >> (5 * row + 1) & 15) * 4;
}

/* 1 when the counter was not full. */
static inline uint64_t larder_sketch_add_(struct larder_sketch_place_ place, uint32_t row)
{
    uint64_t *word = larder_sketch_word_(place, row);
    uint32_t shift = larder_sketch_shift_(place, row);
    uint64_t more = (*word >> shift & LARDER_SKETCH_MAX) != LARDER_SKETCH_MAX;
    *word += more << shift;
    return more;
}

static inline uint32_t larder_sketch_count_(struct larder_sketch_place_ place, uint32_t row)
{
    return (uint32_t)(*larder_sketch_word_(place, row) >> larder_sketch_shift_(place, row)) & LARDER_SKETCH_MAX;
}

static inline uint32_t larder_sketch_min_(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline void larder_sketch_age_(struct larder_sketch *sketch)
{
    uint64_t odd = 0;
    for (uint64_t i = 0; i >> sketch->bits == 0; i++)
        for (uint32_t j = 0; j < 8; j++) {
            uint64_t *word = &sketch->blocks[i].words[j];
            odd += (uint64_t)__builtin_popcountll(*word & UINT64_C(0x1111111111111111));
            *word = *word >> 1 & UINT64_C(0x7777777777777777);
        }
    /* An addition counts in four rows; those that were odd are gone altogether. */
    sketch->additions = (sketch->additions - odd / 4) / 2;
}

/* ---- what policies call */

/* Makes room for so many entries; what was counted stays. False when out of memory: the sketch is as it was. */
static inline bool larder_sketch_reserve(struct larder_sketch *sketch, uint64_t entries)
{
    uint32_t bits = sketch->blocks != NULL ? sketch->bits : 1;
    while (larder_sketch_room_(bits) < entries)
        bits++;
    if (sketch->blocks != NULL && bits == sketch->bits)
        return true;
    size_t bytes = sizeof *sketch->blocks << bits;
    struct larder_sketch_block_ *blocks = (struct larder_sketch_block_ *)aligned_alloc(sizeof *blocks, bytes);
    if (blocks == NULL)
        return false;
    if (sketch->blocks == NULL) {
        memset(blocks, 0, bytes);
    } else { /* the upper bits of its hash choose a digest's block, so each block becomes some of the same */
        for (uint64_t i = 0; i >> bits == 0; i++)
            blocks[i] = sketch->blocks[i >> (bits - sketch->bits)];
        sketch->additions <<= bits - sketch->bits;
    }
    free(sketch->blocks);
    sketch->blocks = blocks;
    sketch->bits = bits;
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
    struct larder_sketch_place_ place = larder_sketch_locate_(sketch, digest);
    sketch->additions += larder_sketch_add_(place, 0) | larder_sketch_add_(place, 1) | larder_sketch_add_(place, 2) |
                         larder_sketch_add_(place, 3);
    if (sketch->additions >= 10 * larder_sketch_room_(sketch->bits))
        larder_sketch_age_(sketch);
}

/* How often a digest was counted lately: rather too often than too seldom, at most LARDER_SKETCH_MAX. */
static inline uint32_t larder_sketch_count(const struct larder_sketch *sketch, uint64_t digest)
{
    struct larder_sketch_place_ place = larder_sketch_locate_(sketch, digest);
    return larder_sketch_min_(larder_sketch_min_(larder_sketch_count_(place, 0), larder_sketch_count_(place, 1)),
                              larder_sketch_min_(larder_sketch_count_(place, 2), larder_sketch_count_(place, 3)));
}

#ifdef __cplusplus
}
#endif
#endif
