#include "core/store/slab.h"

#include <stdlib.h>

#include "core/store/slab_state.h"

#define LINK_BYTES offsetof(struct ldr_entry, value_size) /* of a free cell that stay in use: slot and pins */

#define CACHE_LINE 64u

static size_t slab_bytes(const struct ldr_heap *heap)
{
    return sizeof(struct ldr_slab) + heap->sizes.classes * sizeof(struct ldr_class);
}

/* With what the allocator keeps in front of a block, rounded as it does. */
static uint64_t slab_cost(const struct ldr_heap *heap)
{
    return (slab_bytes(heap) + sizeof(size_t) + 15) / 16 * 16;
}

struct ldr_slab *ldr_slab_open(struct ldr_heap *heap)
{
    struct ldr_slab *slab = calloc(1, slab_bytes(heap));
    if (slab == NULL)
        return NULL;
    slab->heap = heap;
    slab->table = heap->classes;
    slab->large_from = heap->sizes.classes;
    atomic_fetch_add_explicit(&heap->slab_bytes, slab_cost(heap), memory_order_relaxed);
    return slab;
}

/* ---- rings of spans */

static void ring_add(struct ldr_slab *slab, uint32_t *head, uint32_t number)
{
    struct ldr_span *spans = slab->heap->spans, *span = &spans[number];
    if (*head == 0) {
        span->next = span->previous = number;
    } else {
        span->next = *head;
        span->previous = spans[*head].previous;
        spans[span->previous].next = number;
        spans[*head].previous = number;
    }
    *head = number;
    if (head != &slab->others)
        slab->classes[span->class].spans++;
}

static void ring_remove(struct ldr_slab *slab, uint32_t *head, uint32_t number)
{
    struct ldr_span *spans = slab->heap->spans, *span = &spans[number];
    spans[span->previous].next = span->next;
    spans[span->next].previous = span->previous;
    if (*head == number)
        *head = span->next != number ? span->next : 0;
    if (head != &slab->others)
        slab->classes[span->class].spans--;
}

static uint32_t *ring_of(struct ldr_slab *slab, const struct ldr_span *span)
{
    return ldr_span_gives(span) ? &slab->classes[span->class].partial : &slab->others;
}

/* A span that gives cells does so no longer, or the reverse: it has moved from one ring to another. */
void ldr_slab_turn(struct ldr_slab *slab, uint32_t number)
{
    struct ldr_span *span = ldr_heap_span(slab->heap, number);
    if (span->class == LDR_CLASS_LARGE || span->emptied)
        return;
    bool gives = ldr_span_gives(span);
    uint32_t *partial = &slab->classes[span->class].partial;
    ring_remove(slab, gives ? &slab->others : partial, number);
    ring_add(slab, gives ? partial : &slab->others, number);
}

/* ---- counting */

/* What the cells of a span count for in its class, once more or once less. */
static void count_in_class(struct ldr_slab *slab, const struct ldr_span *span, bool more)
{
    if (span->class == LDR_CLASS_LARGE)
        return;
    struct ldr_class *class = &slab->classes[span->class];
    class->free += more ? span->count[LDR_CELL_FREE] : -(uint32_t)span->count[LDR_CELL_FREE];
    class->retired += more ? span->count[LDR_CELL_RETIRED] : -(uint32_t)span->count[LDR_CELL_RETIRED];
}

void ldr_slab_set_emptied(struct ldr_slab *slab, uint32_t number, bool emptied)
{
    struct ldr_span *span = ldr_heap_span(slab->heap, number);
    ring_remove(slab, ring_of(slab, span), number);
    span->emptied = emptied;
    ring_add(slab, ring_of(slab, span), number);
    count_in_class(slab, span, !emptied);
}

/* ---- spans */

static uint32_t new_span(struct ldr_slab *slab, uint32_t class, uint64_t grains)
{
    struct ldr_heap *heap = slab->heap;
    uint32_t number = ldr_heap_take(heap, grains);
    if (number == 0)
        return 0;
    struct ldr_span *span = ldr_heap_span(heap, number);
    span->class = (uint8_t) class;
    span->count[LDR_CELL_FREE] = 1;
    if (class != LDR_CLASS_LARGE) {
        span->cell = (uint16_t)(ldr_sizes_cell(&heap->sizes, class) >> heap->place.shift);
        span->count[LDR_CELL_FREE] = slab->table[class].cells;
    }
    ldr_poison(ldr_slab_entry(slab, ldr_span_start(heap, span)), (size_t)span->grains << heap->sizes.grain_shift);
    slab->grains += span->grains;
    slab->units[LDR_CELL_FREE] += span->count[LDR_CELL_FREE] * ldr_span_units(heap, span);
    count_in_class(slab, span, true);
    ring_add(slab, ring_of(slab, span), number);
    return number;
}

static void drop_span(struct ldr_slab *slab, uint32_t number)
{
    struct ldr_span *span = ldr_heap_span(slab->heap, number);
    ring_remove(slab, ring_of(slab, span), number);
    if (!span->emptied)
        count_in_class(slab, span, false);
    slab->units[LDR_CELL_FREE] -= span->count[LDR_CELL_FREE] * ldr_span_units(slab->heap, span);
    slab->grains -= span->grains;
    if (slab->emptying == number)
        slab->emptying = 0;
    ldr_heap_give(slab->heap, number);
}

/* ---- taking and giving back */

ldr_ref ldr_slab_take_from(struct ldr_slab *slab, uint32_t number, size_t size)
{
    struct ldr_span *span = ldr_heap_span(slab->heap, number);
    ldr_ref ref = ldr_span_start(slab->heap, span);
    if (span->free != 0) {
        ref += span->free - 1u;
        span->free = (uint16_t)ldr_slab_link(slab, ref);
    } else {
        ref += span->carved;
        span->carved = (uint16_t)(span->carved + span->cell);
    }
    ldr_slab_change(slab, number, LDR_CELL_FREE, LDR_CELL_LIVE);
    ldr_slab_begin_cell(slab, ref, size);
    return ref;
}

/* A span of the class that gives cells; 0: there is none. */
static uint32_t partial(struct ldr_slab *slab, uint32_t class)
{
    uint32_t number = slab->classes[class].partial;
    if (number != 0 || slab->emptying == 0)
        return number;
    /* The span being emptied has the last free cells: they are needed more than its pages. */
    struct ldr_span *emptying = ldr_heap_span(slab->heap, slab->emptying);
    if (emptying->class != class || emptying->count[LDR_CELL_FREE] == 0)
        return 0;
    number = slab->emptying;
    slab->emptying = 0;
    ldr_slab_set_emptied(slab, number, false);
    return number;
}

uint32_t ldr_slab_giver(const struct ldr_slab *slab, uint32_t class)
{
    uint32_t number = slab->classes[class].partial, end = slab->table[class].borrow_end;
    while (number == 0 && ++class < end)
        number = slab->classes[class].partial;
    return number;
}

/* Not from those that have passed. */
static ldr_ref take_elsewhere(struct ldr_slab *slab, uint32_t class, size_t size)
{
    uint32_t number;
    if (class == LDR_CLASS_LARGE) {
        number = new_span(slab, class, ldr_sizes_grains(&slab->heap->sizes, size));
    } else {
        number = partial(slab, class);
        if (number == 0)
            number = new_span(slab, class, slab->table[class].span_grains);
        if (number == 0)
            number = ldr_slab_giver(slab, class);
    }
    return number == 0 ? 0 : ldr_slab_take_from(slab, number, size);
}

ldr_ref ldr_slab_take(struct ldr_slab *slab, size_t size)
{
    uint32_t class = ldr_slab_class(slab, size);
    ldr_ref ref = ldr_slab_reuse_first(slab, class, size);
    if (ref == 0 && class != LDR_CLASS_LARGE && (slab->passed_count | slab->bag_count) != 0)
        ref = ldr_slab_take_passed(slab, class, size);
    if (ref != 0)
        return ref;
    return take_elsewhere(slab, class, size);
}

void ldr_slab_prefetch(const struct ldr_slab *slab)
{
    const char *cell = (const char *)ldr_slab_entry(slab, ldr_slab_passed(slab));
    __builtin_prefetch(cell + CACHE_LINE, 1);
    __builtin_prefetch(cell + 2 * CACHE_LINE, 1);
}

void ldr_slab_free_cell(struct ldr_slab *slab, ldr_ref ref, enum ldr_cell_state from)
{
    struct ldr_heap *heap = slab->heap;
    uint32_t number = ldr_heap_owner(heap, ref);
    struct ldr_span *span = ldr_heap_span(heap, number);
    struct ldr_entry *entry = ldr_slab_entry(slab, ref);
    atomic_store_explicit(&entry->pins, LDR_ENTRY_FREE, memory_order_relaxed);
    ldr_slab_set_link(slab, ref, span->free);
    ldr_poison(entry->bytes - (LDR_ENTRY_HEADER - LINK_BYTES),
               ((size_t)ldr_span_units(heap, span) << heap->place.shift) - LINK_BYTES);
    span->free = (uint16_t)(ref - ldr_span_start(heap, span) + 1);
    if (from == LDR_CELL_PINNED)
        span->held = false;
    ldr_slab_change(slab, number, from, LDR_CELL_FREE);
    if (ldr_span_is_empty(span))
        drop_span(slab, number);
}

void ldr_slab_untake(struct ldr_slab *slab, ldr_ref ref)
{
    ldr_slab_free_cell(slab, ref, LDR_CELL_LIVE);
}

size_t ldr_slab_cell_size(const struct ldr_heap *heap, size_t size)
{
    uint32_t class = ldr_sizes_class(&heap->sizes, size);
    return class == LDR_CLASS_LARGE ? (size_t)ldr_sizes_grains(&heap->sizes, size) << heap->sizes.grain_shift
                                    : ldr_sizes_cell(&heap->sizes, class);
}

size_t ldr_slab_span_size(const struct ldr_slab *slab, size_t size)
{
    const struct ldr_sizes *sizes = &slab->heap->sizes;
    uint32_t class = ldr_slab_class(slab, size);
    uint64_t grains = class == LDR_CLASS_LARGE ? ldr_sizes_grains(sizes, size) : slab->table[class].span_grains;
    return (size_t)grains << sizes->grain_shift;
}

bool ldr_slab_has_span(const struct ldr_slab *slab, size_t size)
{
    return atomic_load_explicit(&slab->heap->fresh_bytes, memory_order_relaxed) >= ldr_slab_span_size(slab, size);
}

bool ldr_slab_lacks_addresses(const struct ldr_slab *slab, size_t size)
{
    uint64_t grains = ldr_slab_span_size(slab, size) >> slab->heap->sizes.grain_shift;
    return ldr_heap_lacks(slab->heap, grains) == 0 && !ldr_heap_has_place(slab->heap, grains);
}

size_t ldr_slab_cell_of(const struct ldr_heap *heap, ldr_ref ref)
{
    const struct ldr_span *span = ldr_heap_span(heap, ldr_heap_owner(heap, ref));
    return (size_t)ldr_span_units(heap, span) << heap->place.shift;
}

struct ldr_slab_bytes ldr_slab_bytes(const struct ldr_slab *slab)
{
    unsigned shift = slab->heap->place.shift;
    return (struct ldr_slab_bytes){
        .spans = (uint64_t)slab->grains << slab->heap->sizes.grain_shift,
        .free = (uint64_t)slab->units[LDR_CELL_FREE] << shift,
        .retired = (uint64_t)slab->units[LDR_CELL_RETIRED] << shift,
        .pinned = (uint64_t)slab->units[LDR_CELL_PINNED] << shift,
    };
}

uint32_t ldr_slab_grains(const struct ldr_slab *slab)
{
    return slab->grains;
}
