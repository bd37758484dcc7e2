#include "core/store/hits.h"

#include <stdlib.h>
#include <string.h>

/* How many slots it takes to be worth marking those that were put into the ring. */
#define MARKS_FROM 2048u

static uint32_t ring_of(uint32_t hit_max, uint32_t slots)
{
    if (hit_max != 0)
        return 0;
    uint32_t ring = LDR_HITS_RING;
    while (ring > 4 && ring > slots / 4)
        ring /= 2;
    return ring;
}

static size_t words_for(uint32_t slots)
{
    return (slots + 63u) / 64;
}

/* Words of marks. */
static size_t words_of(uint32_t hit_max, uint32_t slots)
{
    return hit_max == 0 && slots >= MARKS_FROM ? words_for(slots) : 0;
}

static size_t struct_bytes(uint32_t ring)
{
    size_t size = sizeof(struct ldr_hits) + ring * sizeof(uint32_t);
    return (size + 63) / 64 * 64;
}

struct ldr_hits *ldr_hits_open(uint32_t hit_max, uint32_t slots)
{
    uint32_t ring = ring_of(hit_max, slots);
    struct ldr_hits *hits = aligned_alloc(64, struct_bytes(ring));
    if (hits == NULL)
        return NULL;
    memset(hits, 0, struct_bytes(ring));
    hits->slots = slots;
    hits->ring = ring;
    hits->most = (uint8_t)hit_max;
    size_t words = words_of(hit_max, slots);
    if (hit_max != 0)
        hits->bytes = calloc(slots, 1);
    if (words != 0)
        hits->marks = calloc(words, sizeof *hits->marks);
    if ((hit_max == 0 || hits->bytes != NULL) && (words == 0 || hits->marks != NULL))
        return hits;
    ldr_hits_close(hits);
    return NULL;
}

void ldr_hits_close(struct ldr_hits *hits)
{
    while (hits != NULL) {
        struct ldr_hits *left = hits->left;
        free(hits->bytes);
        free(hits->marks);
        free(hits);
        hits = left;
    }
}

uint64_t ldr_hits_bytes(uint32_t hit_max, uint32_t slots)
{
    return hit_max != 0 ? slots : words_of(hit_max, slots) * sizeof(uint64_t);
}

uint32_t ldr_hits_take(struct ldr_hits *hits, uint32_t entries, uint32_t used, uint32_t *taken)
{
    uint32_t first = atomic_load_explicit(&hits->first, memory_order_relaxed);
    uint32_t end = atomic_load_explicit(&hits->end, memory_order_relaxed);
    uint32_t count = end - first <= hits->ring ? end - first : 0;
    for (uint32_t i = 0; i < count; i++)
        taken[i] = atomic_load_explicit(&hits->waiting[(first + i) & (hits->ring - 1)], memory_order_relaxed);
    atomic_store_explicit(&hits->first, end, memory_order_relaxed);
    hits->told += count;
    if (ldr_hits_is_over(hits, entries)) {
        for (size_t i = 0; i < words_for(used); i++)
            atomic_store_explicit(&hits->marks[i], 0, memory_order_relaxed);
        hits->told = hits->news = 0;
    }
    return count;
}
