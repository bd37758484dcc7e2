/*
 * The lengths of spans follow what a slab is expected to hold. They were chosen when the store was opened, and where its
 * budget has become much smaller, half a span of each class that nothing lies in would be most of it. Then spans are
 * shorter, entries lie in cells up to half larger than their own would be, and more of them have spans of their own.
 */
#include <stdlib.h>

#include "core/store/slab_state.h"

static size_t table_bytes(const struct ldr_heap *heap)
{
    return heap->sizes.classes * sizeof(struct ldr_size_class);
}

void ldr_slab_unfit(struct ldr_slab *slab)
{
    struct ldr_heap *heap = slab->heap;
    if (slab->table == heap->classes)
        return;
    slab->large_from = heap->sizes.classes;
    free((void *)(uintptr_t)slab->table);
    slab->table = heap->classes;
    atomic_fetch_sub_explicit(&heap->slab_bytes, table_bytes(heap), memory_order_relaxed);
}

void ldr_slab_fit(struct ldr_slab *slab, uint64_t quota)
{
    struct ldr_heap *heap = slab->heap;
    struct ldr_sizes sizes = heap->sizes, fitting = ldr_sizes_for(quota, heap->place.shift);
    uint64_t bytes = (uint64_t)fitting.span_target << fitting.grain_shift, target = bytes >> sizes.grain_shift;
    if (target >= sizes.span_target) {
        ldr_slab_unfit(slab);
        return;
    }
    struct ldr_size_class *table = malloc(table_bytes(heap));
    if (table == NULL)
        return;
    sizes.span_target = (uint8_t)(target > 0 ? target : 1);
    sizes.borrow_part = 2;
    ldr_sizes_fill(&sizes, table);
    ldr_slab_unfit(slab);
    slab->table = table;
    uint32_t large = ldr_sizes_class(&sizes, ((size_t)fitting.span_max << fitting.grain_shift) / 4);
    slab->large_from = large < sizes.classes ? large + 1 : sizes.classes;
    atomic_fetch_add_explicit(&heap->slab_bytes, table_bytes(heap), memory_order_relaxed);
}
