/*
 * The lengths of spans follow what a slab is expected to hold. They were chosen when the store was opened, and where its
 * budget has become much smaller, half a span of each class that nothing lies in would be most of it. Then spans are
 * shorter, entries lie in cells up to half larger than their own would be, and more of them have spans of their own.
 */
#include <stdlib.h>

#include "core/store/slab_state.h"

static size_t fit_bytes(const struct ldr_heap *heap)
{
    return sizeof(struct ldr_fit) + heap->sizes.classes * sizeof(struct ldr_size_class);
}

struct ldr_fit *ldr_fit_new(struct ldr_heap *heap, uint64_t quota)
{
    struct ldr_sizes sizes = heap->sizes, fitting = ldr_sizes_for(quota, heap->place.shift);
    uint64_t bytes = (uint64_t)fitting.span_target << fitting.grain_shift, target = bytes >> sizes.grain_shift;
    if (target >= sizes.span_target)
        return NULL;
    struct ldr_fit *fit = malloc(fit_bytes(heap));
    if (fit == NULL)
        return NULL;
    sizes.span_target = (uint8_t)(target > 0 ? target : 1);
    sizes.borrow_part = 2;
    ldr_sizes_fill(&sizes, fit->table);
    uint32_t large = ldr_sizes_class(&sizes, ((size_t)fitting.span_max << fitting.grain_shift) / 4);
    fit->large_from = large < sizes.classes ? large + 1 : sizes.classes;
    atomic_fetch_add_explicit(&heap->slab_bytes, fit_bytes(heap), memory_order_relaxed);
    return fit;
}

void ldr_fit_free(struct ldr_heap *heap, struct ldr_fit *fit)
{
    if (fit == NULL)
        return;
    atomic_fetch_sub_explicit(&heap->slab_bytes, fit_bytes(heap), memory_order_relaxed);
    free(fit);
}

void ldr_slab_fit(struct ldr_slab *slab, const struct ldr_fit *fit)
{
    slab->table = fit != NULL ? fit->table : slab->heap->classes;
    slab->large_from = fit != NULL ? fit->large_from : slab->heap->sizes.classes;
}
