/*
 * The heap: spans for the slabs of a store; private to the heap and the slabs. See slab.h.
 *
 *     | struct ldr_heap, tables by class | maps of used grains and numbers | owners of grains | spans | grains 1, 2 ...
 *
 * All of it is one reserved range; the maps are as long as the range needs, and touched as far as spans reach. Runs of
 * grains are taken at the lowest place where they fit. Some runs given back are kept as they are, still in the budget,
 * for the next span of that length: spans of many sizes come and go all the time, and pages cost more than cells.
 *
 * While there is budget for it, grains that were never used are taken a huge page at a time: all of it is in the budget
 * from then on, and kept for the spans that follow, as all of it is in memory.
 */
#ifndef LDR_STORE_HEAP_H
#define LDR_STORE_HEAP_H

#include <pthread.h>

#include "core/store/size_class.h"
#include "core/store/slab.h"

#define LDR_KEPT_MAX    16u
#define LDR_ORPHAN_PAGE 4096u /* unit of an orphan's distance from the start of the range */

enum ldr_cell_state {
    LDR_CELL_FREE,
    LDR_CELL_LIVE,    /* taken */
    LDR_CELL_RETIRED, /* unlinked, in a bag */
    LDR_CELL_PINNED,  /* unlinked, out of sight of readers, pinned: not in the budget */
    LDR_CELL_STATES
};

/* A run of grains cut into cells. The slab's, but for first and grains, which are the heap's. */
struct ldr_span {
    uint32_t first, grains;  /* grains 0: no span */
    uint32_t next, previous; /* in a ring of its slab */
    uint16_t count[LDR_CELL_STATES];
    uint16_t cell;   /* units of a cell, as references count; 0: a large entry has the whole span */
    uint16_t carved; /* units from the start that have been used */
    uint16_t
        free; /* the free cell to be used next, as units from the start, plus 1; linked by `slot`. 0: none of these */
    uint8_t class;
    bool emptied : 1; /* its entries are being moved out: gives no cells */
    bool held : 1;    /* entries stayed in it when it was last tried to empty it: readers pin them */
};

_Static_assert(sizeof(struct ldr_span) == 32, "two spans share a cache line");

struct ldr_run {
    uint32_t first, grains;
};

struct ldr_heap {
    /* Never changed: one cache line, which every thread reads. */
    struct ldr_place place; /* reference 0 is at grain 0, which does not exist */
    struct ldr_budget *budget;
    struct ldr_sizes sizes;
    uint32_t *owners; /* the number of the span of a grain; of a large span only that of its first grain */
    struct ldr_span *spans;
    uint32_t end;  /* grains are 1 to end - 1 */
    uint32_t page; /* grains of a page */
    bool huge;

    size_t mapped; /* bytes, from this struct on */
    uint64_t *used, *numbers;
    _Atomic uint32_t high_grain; /* grains from this on are free, and their part of the maps is not in memory */
    _Atomic uint32_t high_span;
    _Atomic uint32_t owner_count, span_count; /* in use */
    _Atomic uint64_t slab_bytes;
    _Atomic uint64_t holders; /* the heap itself until it is closed, and the entries that outlive it */
    pthread_mutex_t lock;     /* a leaf: over all that follows, the maps, and for writing what is atomic above */
    uint32_t lowest_number;   /* no free number is below this */
    uint32_t kept_count;
    _Atomic uint64_t kept_bytes; /* those of `fresh` among them */
    _Atomic uint64_t fresh_bytes;
    struct ldr_run fresh;                 /* what is left of the huge page that was taken last */
    struct ldr_run kept[LDR_KEPT_MAX];    /* the oldest first; their grains are used in the map, as those of `fresh` */
    uint32_t lowest[LDR_SPAN_GRAINS_MAX]; /* [n - 1]: no n free grains in a row begin below this */
    struct ldr_size_class classes[];
};

/* The number of a new span, its run set and all else zeroed; 0: neither budget nor place. */
uint32_t ldr_heap_take(struct ldr_heap *heap, uint64_t grains);
void ldr_heap_give(struct ldr_heap *heap, uint32_t number);

/* The bytes of the budget that are missing for a run, when all that is kept were given back. 0: it would be granted. */
uint64_t ldr_heap_lacks(const struct ldr_heap *heap, uint64_t grains);

/* Gives what is kept back to the budget when that is over its limit, or somebody has claims. True: it did. */
bool ldr_heap_relieve(struct ldr_heap *heap);

/* Whether there are so many free grains in a row. */
bool ldr_heap_has_place(struct ldr_heap *heap, uint64_t grains);

/* ---- heap_place.c: places and numbers; under the lock, but for ldr_heap_has_place() */

/* Takes the lowest run; 0: there is none. */
uint32_t ldr_heap_place_take(struct ldr_heap *heap, uint32_t grains);

/* Takes a huge page behind all that is in use. No grains: the range ends before it. */
struct ldr_run ldr_heap_place_huge(struct ldr_heap *heap);

/* Whether a run as long as a span of cells may be lies free between others. */
bool ldr_heap_place_between(struct ldr_heap *heap, uint32_t grains);

void ldr_heap_place_give(struct ldr_heap *heap, struct ldr_run run);

/* The lowest number that is free, of which there is one; it is not too high again when higher ones go. */
uint32_t ldr_heap_number_take(struct ldr_heap *heap);
void ldr_heap_number_give(struct ldr_heap *heap, uint32_t number);

/* ---- */

/* The last pin of an entry of a closed store is gone. */
void ldr_heap_orphan_released(struct ldr_entry *entry);

/* Bytes of a grain. */
static inline size_t ldr_heap_grain(const struct ldr_heap *heap)
{
    return (size_t)1 << heap->sizes.grain_shift;
}

static inline void *ldr_heap_grain_at(const struct ldr_heap *heap, uint32_t number)
{
    return heap->place.base + ((size_t)number << heap->sizes.grain_shift);
}

static inline struct ldr_span *ldr_heap_span(const struct ldr_heap *heap, uint32_t number)
{
    return &heap->spans[number];
}

/* The span that a cell lies in. Under the lock of the shard that owns it. */
static inline uint32_t ldr_heap_owner(const struct ldr_heap *heap, ldr_ref ref)
{
    return heap->owners[((size_t)ref << heap->place.shift) >> heap->sizes.grain_shift];
}

/* The reference of the first cell of a span. */
static inline ldr_ref ldr_span_start(const struct ldr_heap *heap, const struct ldr_span *span)
{
    return span->first << (heap->sizes.grain_shift - heap->place.shift);
}

/* Units of a span's cells. */
static inline uint32_t ldr_span_units(const struct ldr_heap *heap, const struct ldr_span *span)
{
    return span->cell != 0 ? span->cell : span->grains << (heap->sizes.grain_shift - heap->place.shift);
}

#endif
