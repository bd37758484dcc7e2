/* Where spans lie in the heap and which numbers they have: the maps. Under the heap's lock. */
#include "core/base/pages.h"
#include "core/store/heap.h"
#include "core/store/run.h"

/* ---- what is not in use any more */

/* Gives back the pages of a map that lie beyond its elements below `high`; those below `was` were touched. */
static void shorten(const struct ldr_heap *heap, void *map, size_t element, uint32_t high, uint32_t was)
{
    size_t page = heap->page == 1 ? ldr_pages_size() : 0, from = high * element, to = was * element;
    if (page == 0)
        return;
    to = (to + page - 1) / page * page;
    if (to > (from + page - 1) / page * page)
        ldr_pages_discard((unsigned char *)map + from, to - from);
}

/* Grains or numbers were given back: whether they were the last in use is seen from the map. */
static void fall(_Atomic uint32_t *mark, const uint64_t *map)
{
    uint32_t high = atomic_load_explicit(mark, memory_order_relaxed);
    atomic_store_explicit(mark, ldr_run_end(map, high), memory_order_relaxed);
}

/* ---- places */

/* Owners that a run has in the map: see ldr_heap_owner(). */
static uint32_t owners_of(const struct ldr_heap *heap, uint32_t grains)
{
    return grains < heap->sizes.span_max ? grains : heap->sizes.span_max;
}

static void mark(struct ldr_heap *heap, struct ldr_run run, bool used)
{
    uint32_t owners = owners_of(heap, run.grains);
    ldr_run_mark(heap->used, run.first, run.grains, used);
    atomic_fetch_add_explicit(&heap->owner_count, used ? owners : -owners, memory_order_relaxed);
}

uint32_t ldr_heap_place_take(struct ldr_heap *heap, uint32_t grains)
{
    uint32_t most = heap->sizes.span_max, *lowest = &heap->lowest[(grains < most ? grains : most) - 1];
    uint32_t high = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    uint32_t first = ldr_run_find(heap->used, *lowest, high, heap->end, grains);
    if (grains <= most)
        *lowest = first != 0 ? first + grains : heap->end;
    if (first == 0)
        return 0;
    mark(heap, (struct ldr_run){first, grains}, true);
    if (first + grains > high)
        atomic_store_explicit(&heap->high_grain, first + grains, memory_order_relaxed);
    return first;
}

bool ldr_heap_place_between(struct ldr_heap *heap, uint32_t grains)
{
    uint32_t high = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    return ldr_run_find(heap->used, heap->lowest[grains - 1], high, high, grains) != 0;
}

struct ldr_run ldr_heap_place_huge(struct ldr_heap *heap)
{
    uint32_t high = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    uint32_t grains = (uint32_t)(LDR_HUGE_PAGE >> heap->sizes.grain_shift);
    uint64_t first = (high - 1 + (uint64_t)grains - 1) / grains * grains + 1; /* grain 1 is where a huge page begins */
    if (first + grains > heap->end)
        return (struct ldr_run){0};
    struct ldr_run run = {(uint32_t)first, grains};
    mark(heap, run, true);
    atomic_store_explicit(&heap->high_grain, run.first + grains, memory_order_relaxed);
    return run;
}

/* Makes known that the run is free, and as long as what lies free beside it makes it. */
static void offer(struct ldr_heap *heap, struct ldr_run run)
{
    /* Runs beyond the longest of interest were known already. */
    uint32_t most = heap->sizes.span_max, first = run.first, end = run.first + run.grains;
    for (uint32_t i = 0; i < most && first > 1 && ldr_run_is_free(heap->used, first - 1, first); i++)
        first--;
    for (uint32_t i = 0; i < most && end < heap->end && ldr_run_is_free(heap->used, end, end + 1); i++)
        end++;
    for (uint32_t n = 1; n <= most && n <= end - first; n++)
        if (heap->lowest[n - 1] > first)
            heap->lowest[n - 1] = first;
}

/* Where a page holds several grains: discards the pages, too, that the run shares with free grains only. */
static void discard_shared(const struct ldr_heap *heap, struct ldr_run run)
{
    /* Grain 1 is at the start of a page. */
    uint32_t first = run.first - (run.first - 1) % heap->page, end = run.first + run.grains;
    uint32_t last = end + (heap->page - (end - 1) % heap->page) % heap->page;
    if (last > heap->end)
        last = heap->end;
    if (!ldr_run_is_free(heap->used, first, run.first))
        first = run.first;
    if (!ldr_run_is_free(heap->used, end, last))
        last = end;
    ldr_pages_discard(ldr_heap_grain_at(heap, first), (size_t)(last - first) << heap->sizes.grain_shift);
}

void ldr_heap_place_give(struct ldr_heap *heap, struct ldr_run run)
{
    uint32_t was = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    mark(heap, run, false);
    offer(heap, run);
    if (heap->page > 1)
        discard_shared(heap, run);
    if (run.first + run.grains < was)
        return;
    fall(&heap->high_grain, heap->used);
    shorten(heap, heap->owners, sizeof *heap->owners, atomic_load_explicit(&heap->high_grain, memory_order_relaxed),
            was);
}

bool ldr_heap_has_place(struct ldr_heap *heap, uint64_t grains)
{
    if (grains >= heap->end)
        return false;
    pthread_mutex_lock(&heap->lock);
    uint32_t from = heap->lowest[(grains < heap->sizes.span_max ? grains : heap->sizes.span_max) - 1];
    uint32_t high = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    bool found = ldr_run_find(heap->used, from, high, heap->end, (uint32_t)grains) != 0;
    pthread_mutex_unlock(&heap->lock);
    return found;
}

/* ---- numbers */

uint32_t ldr_heap_number_take(struct ldr_heap *heap)
{
    uint32_t high = atomic_load_explicit(&heap->high_span, memory_order_relaxed);
    uint32_t number = ldr_run_find(heap->numbers, heap->lowest_number, high, heap->end, 1);
    ldr_run_mark(heap->numbers, number, 1, true);
    heap->lowest_number = number + 1;
    atomic_fetch_add_explicit(&heap->span_count, 1, memory_order_relaxed);
    if (number >= high)
        atomic_store_explicit(&heap->high_span, number + 1, memory_order_relaxed);
    return number;
}

void ldr_heap_number_give(struct ldr_heap *heap, uint32_t number)
{
    uint32_t was = atomic_load_explicit(&heap->high_span, memory_order_relaxed);
    ldr_run_mark(heap->numbers, number, 1, false);
    if (number < heap->lowest_number)
        heap->lowest_number = number;
    atomic_fetch_sub_explicit(&heap->span_count, 1, memory_order_relaxed);
    if (number + 1 < was)
        return;
    fall(&heap->high_span, heap->numbers);
    shorten(heap, heap->spans, sizeof *heap->spans, atomic_load_explicit(&heap->high_span, memory_order_relaxed), was);
}
