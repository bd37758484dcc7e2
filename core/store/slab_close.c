/* The end of a slab: entries that readers hold outlive it. */
#include <stdlib.h>

#include "core/store/slab_state.h"

/* Pages from the start of the heap's range, as ldr_heap_orphan_released() wants it. */
static uint32_t pages_from_heap(const struct ldr_heap *heap, const struct ldr_entry *entry)
{
    return (uint32_t)(((uintptr_t)entry - (uintptr_t)heap) / LDR_ORPHAN_PAGE);
}

/* True when readers hold the entry. */
static bool orphan(struct ldr_heap *heap, struct ldr_entry *entry)
{
    uint32_t pins = atomic_load_explicit(&entry->pins, memory_order_relaxed);
    if (pins == LDR_ENTRY_FREE || (pins & LDR_ENTRY_PINS) == 0)
        return false;
    /* Counted first: the heap holds itself, so that nothing ends before it is decided here who ends it. */
    atomic_fetch_add_explicit(&heap->holders, 1, memory_order_relaxed);
    atomic_store_explicit(&entry->slot, pages_from_heap(heap, entry), memory_order_relaxed);
    /* Release: who releases the last pin from now on finds the mark, and with it the slot. */
    pins = atomic_fetch_or_explicit(&entry->pins, LDR_ENTRY_ORPHAN, memory_order_release);
    if ((pins & LDR_ENTRY_PINS) != 0)
        return true;
    atomic_fetch_sub_explicit(&heap->holders, 1, memory_order_relaxed);
    return false;
}

static void close_span(struct ldr_heap *heap, struct ldr_span *span)
{
    /* A large entry has one cell, which is not counted as carved. */
    uint32_t end = span->cell == 0 ? 1 : span->carved, step = span->cell == 0 ? 1 : span->cell;
    ldr_ref start = ldr_span_start(heap, span);
    uint16_t orphans = 0;
    for (uint32_t cell = 0; cell < end; cell += step)
        if (orphan(heap, ldr_entry_at(heap->place, start + cell)))
            orphans++;
    span->count[LDR_CELL_PINNED] = orphans;
}

static void close_ring(struct ldr_heap *heap, uint32_t head)
{
    uint32_t number = head;
    while (number != 0) {
        struct ldr_span *span = ldr_heap_span(heap, number);
        close_span(heap, span);
        number = span->next == head ? 0 : span->next;
    }
}

void ldr_slab_close(struct ldr_slab *slab)
{
    if (slab == NULL)
        return;
    struct ldr_heap *heap = slab->heap;
    struct ldr_slab_bytes bytes = ldr_slab_bytes(slab);
    for (uint32_t i = 0; i < heap->sizes.classes; i++)
        close_ring(heap, slab->classes[i].partial);
    close_ring(heap, slab->others);
    ldr_budget_give(heap->budget, bytes.spans - bytes.pinned);
    free(slab);
}
