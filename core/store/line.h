/*
 * A line of the index: 12 references, each with one byte of the hash of its key, in one cache line.
 *
 *     | 12 tags of 1 byte | next | 12 references of 4 bytes |
 *
 * One writer, many readers. Every store is a release and every load of a reader an acquire, which cost nothing on x86:
 * whoever sees a byte that a writer has written sees everything the writer did before, and that is all that the argument
 * in index.h needs.
 */
#ifndef LDR_STORE_LINE_H
#define LDR_STORE_LINE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/store/entry.h"

#define LDR_LINE_REFS 12u

/* A tag whose reference is 0 means nothing. */
struct ldr_line {
    _Alignas(64) _Atomic uint64_t tags; /* of the references 0 to 7, the first in the lowest byte */
    _Atomic uint64_t more; /* the tags of 8 to 11; above them the number of the line that goes on, plus 1 */
    _Atomic uint32_t refs[LDR_LINE_REFS];
};

_Static_assert(sizeof(struct ldr_line) == 64, "a line of the index is one cache line");

/* The number of the line that goes on, plus 1; 0: none. */
static inline uint32_t ldr_line_next(const struct ldr_line *line)
{
    return (uint32_t)(atomic_load_explicit(&line->more, memory_order_acquire) >> 32);
}

static inline ldr_ref ldr_line_ref(const struct ldr_line *line, unsigned i)
{
    return atomic_load_explicit(&line->refs[i], memory_order_acquire);
}

/* The first reference that is 0; LDR_LINE_REFS: none is. For the writer. */
static inline unsigned ldr_line_hole(const struct ldr_line *line)
{
#ifdef __SSE2__
    /* Nobody writes meanwhile, so that plain loads do. */
    const __m128i *refs = (const __m128i *)(const void *)line->refs, zero = _mm_setzero_si128();
    __m128i low = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(refs), zero),
                                  _mm_cmpeq_epi32(_mm_load_si128(refs + 1), zero));
    __m128i high = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(refs + 2), zero), zero);
    unsigned holes = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high));
    return (unsigned)__builtin_ctz(holes | 1u << LDR_LINE_REFS);
#else
    unsigned i = 0;
    while (i < LDR_LINE_REFS && atomic_load_explicit(&line->refs[i], memory_order_relaxed) != 0)
        i++;
    return i;
#endif
}

/*
 * The references whose tag is `tag`, as bits to be taken from the lowest on; ldr_line_match() says which reference the
 * lowest stands for. SSE2 makes a lookup among a million entries about a tenth faster than the portable way.
 */
#ifdef __SSE2__
static inline uint64_t ldr_line_matches(const struct ldr_line *line, uint8_t tag)
{
    uint64_t tags = atomic_load_explicit(&line->tags, memory_order_acquire);
    uint64_t more = atomic_load_explicit(&line->more, memory_order_acquire);
    __m128i both = _mm_set_epi64x((long long)more, (long long)tags);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(both, _mm_set1_epi8((char)tag))) & ((1u << LDR_LINE_REFS) - 1);
}

static inline unsigned ldr_line_match(uint64_t matches)
{
    return (unsigned)__builtin_ctzll(matches);
}
#else
/*
 * The test for zero bytes (A. Mycroft, 1987) may add a wrong one above a right one, which costs a look at a key and nothing
 * else. Bit 8 * i + 7 stands for reference i, bit 8 * i + 3 for reference 8 + i.
 */
static inline uint64_t ldr_line_matches(const struct ldr_line *line, uint8_t tag)
{
    uint64_t tags = atomic_load_explicit(&line->tags, memory_order_acquire);
    uint64_t more = atomic_load_explicit(&line->more, memory_order_acquire);
    const uint64_t ones = UINT64_C(0x0101010101010101);
    tags ^= tag * ones;
    more ^= tag * ones;
    tags = (tags - ones) & ~tags & UINT64_C(0x8080808080808080);
    more = (more - ones) & ~more & UINT64_C(0x80808080);
    return tags | more >> 4;
}

static inline unsigned ldr_line_match(uint64_t matches)
{
    unsigned bit = (unsigned)__builtin_ctzll(matches);
    return (bit >> 3) + (~bit & 4) * 2;
}
#endif

#endif
