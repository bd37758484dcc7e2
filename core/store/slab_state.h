/* The slab's own struct and what its files share; private to them. See slab.h. Everything under the shard's lock. */
#ifndef LDR_STORE_SLAB_STATE_H
#define LDR_STORE_SLAB_STATE_H

#include "core/store/heap.h"
#include "core/store/poison.h"

#define LDR_BAGS 4u

/* Cells retired under one tag, linked by `slot`. */
struct ldr_bag {
    uint64_t tag;
    ldr_ref first;
    uint32_t count;
};

struct ldr_class {
    uint32_t partial; /* ring of spans that give cells: the one to take from next, then those that were in its place */
    uint32_t spans;   /* of this ring */
    uint32_t free;    /* cells in these spans */
    uint32_t retired; /* cells that will be free in spans of the class */
};

struct ldr_fit {
    uint32_t large_from; /* entries of this class, and of those above it, have a span of their own */
    struct ldr_size_class table[];
};

struct ldr_slab {
    struct ldr_heap *heap;
    const struct ldr_size_class *table; /* the heap's, or that of a struct ldr_fit */
    uint32_t large_from;                /* new entries of this class, and of those above it, have a span of their own */
    struct ldr_bag bags[LDR_BAGS];      /* the oldest first */
    uint32_t bag_count;
    ldr_ref fresh_first, fresh_last; /* retired and not yet given a tag */
    uint32_t fresh_count;
    uint32_t passed_count, reused; /* cells of `passed`, and how many of them takers were given since the last turn */
    _Atomic ldr_ref passed;        /* retired, their tag has passed: linked by `slot`. Atomic for ldr_slab_prefetch() */
    ldr_ref pinned;                /* the last of a ring linked by `slot` */
    uint32_t units[LDR_CELL_STATES]; /* in cells, of 1 << place.shift bytes */
    uint32_t grains;                 /* in spans */
    uint32_t leaving;                /* grains of spans that hold nothing but retired cells */
    uint32_t others;                 /* ring of spans that give no cells: full, being emptied, or of a large entry */
    uint32_t emptying, cursor;       /* the span that is being emptied, and its next cell to look at; 0: none */
    struct ldr_class classes[];
};

/*
 * Takes a cell of the class from those whose tag has passed, which readers may pin or which may be of other classes. 0:
 * there is none at hand.
 */
ldr_ref ldr_slab_take_passed(struct ldr_slab *slab, uint32_t class, size_t size) __attribute__((cold));

/* Takes a cell from a span that gives cells. */
ldr_ref ldr_slab_take_from(struct ldr_slab *slab, uint32_t number, size_t size);

/* A span that gives cells for entries of a class, its own or a little larger ones; 0: there is none. */
uint32_t ldr_slab_giver(const struct ldr_slab *slab, uint32_t class);

/* The last free cell of a span was taken, or the first one came free: the span goes over to the other ring. */
void ldr_slab_turn(struct ldr_slab *slab, uint32_t number) __attribute__((cold));

/* A cell is free: no reader can see it, nobody pins it. A span that is then empty goes back to the heap. */
void ldr_slab_free_cell(struct ldr_slab *slab, ldr_ref ref, enum ldr_cell_state from);

/* From now on a span gives no cells, or gives them again. */
void ldr_slab_set_emptied(struct ldr_slab *slab, uint32_t number, bool emptied);

static inline struct ldr_entry *ldr_slab_entry(const struct ldr_slab *slab, ldr_ref ref)
{
    return ldr_entry_at(slab->heap->place, ref);
}

/*
 * Links in `slot`. Relaxed: what is linked is the slab's, under the shard's lock; a reader that is late finds any
 * number, and is prepared for it.
 */
static inline uint32_t ldr_slab_link(const struct ldr_slab *slab, ldr_ref ref)
{
    return atomic_load_explicit(&ldr_slab_entry(slab, ref)->slot, memory_order_relaxed);
}

static inline void ldr_slab_set_link(struct ldr_slab *slab, ldr_ref ref, uint32_t link)
{
    atomic_store_explicit(&ldr_slab_entry(slab, ref)->slot, link, memory_order_relaxed);
}

/* Readers who still pin it. Acquire: what the last one read comes before the cell is used again. */
static inline uint32_t ldr_slab_pins(const struct ldr_slab *slab, ldr_ref ref)
{
    return atomic_load_explicit(&ldr_slab_entry(slab, ref)->pins, memory_order_acquire) & LDR_ENTRY_PINS;
}

static inline ldr_ref ldr_slab_passed(const struct ldr_slab *slab)
{
    return atomic_load_explicit(&slab->passed, memory_order_relaxed);
}

/* Takes the first of those that have passed out of the list. */
static inline void ldr_slab_pop_passed(struct ldr_slab *slab, ldr_ref ref)
{
    uint32_t next = ldr_slab_link(slab, ref);
    atomic_store_explicit(&slab->passed, next, memory_order_relaxed);
    slab->passed_count--;
    __builtin_prefetch(ldr_slab_entry(slab, next)); /* its link and pins */
}

/* A cell is about to be written, and not to be moved before that. */
static inline void ldr_slab_begin_cell(const struct ldr_slab *slab, ldr_ref ref, size_t size)
{
    struct ldr_entry *entry = ldr_slab_entry(slab, ref);
    ldr_unpoison(entry, size);
    atomic_store_explicit(&entry->pins, LDR_ENTRY_NEW, memory_order_relaxed);
}

/* The class of a new entry. */
static inline uint32_t ldr_slab_class(const struct ldr_slab *slab, size_t size)
{
    uint32_t class = ldr_sizes_class(&slab->heap->sizes, size);
    return class < slab->large_from ? class : LDR_CLASS_LARGE;
}

static inline uint32_t ldr_span_cells(const struct ldr_span *span)
{
    return (uint32_t)span->count[LDR_CELL_FREE] + span->count[LDR_CELL_LIVE] + span->count[LDR_CELL_RETIRED] +
           span->count[LDR_CELL_PINNED];
}

static inline bool ldr_span_is_empty(const struct ldr_span *span)
{
    return span->count[LDR_CELL_FREE] == ldr_span_cells(span);
}

static inline bool ldr_span_gives(const struct ldr_span *span)
{
    return !span->emptied && span->count[LDR_CELL_FREE] > 0 && span->class != LDR_CLASS_LARGE;
}

/* Nothing but time keeps it from going back to the heap. */
static inline bool ldr_span_is_leaving(const struct ldr_span *span)
{
    return span->count[LDR_CELL_RETIRED] > 0 && span->count[LDR_CELL_LIVE] == 0 && span->count[LDR_CELL_PINNED] == 0;
}

/* A cell of a span changes its state. Inline with states that are known: three of these are a good part of a small write. */
__attribute__((always_inline)) static inline void ldr_slab_change(struct ldr_slab *slab, uint32_t number,
                                                                  enum ldr_cell_state from, enum ldr_cell_state to)
{
    struct ldr_span *span = ldr_heap_span(slab->heap, number);
    uint32_t units = ldr_span_units(slab->heap, span);
    bool may_leave = span->count[LDR_CELL_LIVE] <= 1; /* else it has a live cell before and after */
    if (may_leave && ldr_span_is_leaving(span))
        slab->leaving -= span->grains;
    span->count[from]--;
    span->count[to]++;
    if (may_leave && ldr_span_is_leaving(span))
        slab->leaving += span->grains;
    slab->units[from] -= units;
    slab->units[to] += units;
    if (span->class != LDR_CLASS_LARGE && !span->emptied) {
        struct ldr_class *class = &slab->classes[span->class];
        class->free += (uint32_t)(to == LDR_CELL_FREE) - (from == LDR_CELL_FREE);
        class->retired += (uint32_t)(to == LDR_CELL_RETIRED) - (from == LDR_CELL_RETIRED);
    }
    if ((from == LDR_CELL_FREE && span->count[LDR_CELL_FREE] == 0) ||
        (to == LDR_CELL_FREE && span->count[LDR_CELL_FREE] == 1))
        ldr_slab_turn(slab, number);
}

/* What was retired is taken again, without a detour over its span. Its owner is `number`. */
static inline void ldr_slab_reuse(struct ldr_slab *slab, ldr_ref ref, uint32_t number, size_t size)
{
    const struct ldr_span *span = ldr_heap_span(slab->heap, number);
    slab->reused++;
    ldr_slab_change(slab, number, LDR_CELL_RETIRED, LDR_CELL_LIVE);
    ldr_poison(ldr_slab_entry(slab, ref)->bytes, ((size_t)span->cell << slab->heap->place.shift) - LDR_ENTRY_HEADER);
    ldr_slab_begin_cell(slab, ref, size);
}

/* The first of those that have passed, when it is of the class and nobody pins it. 0: it is not, or there is none. */
static inline ldr_ref ldr_slab_reuse_first(struct ldr_slab *slab, uint32_t class, size_t size)
{
    ldr_ref ref = ldr_slab_passed(slab);
    if (ref == 0)
        return 0;
    uint32_t number = ldr_heap_owner(slab->heap, ref);
    const struct ldr_span *span = ldr_heap_span(slab->heap, number);
    if (span->class != class || class == LDR_CLASS_LARGE || span->emptied || ldr_slab_pins(slab, ref) != 0)
        return 0;
    ldr_slab_pop_passed(slab, ref);
    ldr_slab_reuse(slab, ref, number, size);
    return ref;
}

#endif
