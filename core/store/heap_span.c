/* Spans of the heap: where they lie, what they cost the budget, and what is kept of them for the next. */
#include "core/base/pages.h"
#include "core/store/heap.h"
#include "core/store/run.h"

#define KEPT_PART 512u /* of the limit may be kept for the next span */

/* ---- places; under the lock */

/* Takes the lowest run; 0: there is none. */
static uint32_t place_take(struct ldr_heap *heap, uint32_t grains)
{
    uint32_t most = heap->sizes.span_max, *lowest = &heap->lowest[(grains < most ? grains : most) - 1];
    uint32_t high = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    uint32_t first = ldr_run_find(heap->used, *lowest, high, heap->end, grains);
    if (grains <= most)
        *lowest = first != 0 ? first + grains : heap->end;
    if (first == 0)
        return 0;
    ldr_run_mark(heap->used, first, grains, true);
    if (first + grains > high)
        atomic_store_explicit(&heap->high_grain, first + grains, memory_order_relaxed);
    return first;
}

static void place_give(struct ldr_heap *heap, struct ldr_run run)
{
    ldr_run_mark(heap->used, run.first, run.grains, false);
    /* What lies free beside it makes it longer; runs beyond the longest of interest were known already. */
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

/* Gives a run's memory to the system, its place to others and its bytes to the budget. Without the lock. */
static void release(struct ldr_heap *heap, struct ldr_run run)
{
    size_t bytes = (size_t)run.grains << heap->sizes.grain_shift;
    if (heap->page == 1)
        ldr_pages_discard(ldr_heap_grain_at(heap, run.first), bytes); /* the place is still taken: nobody need wait */
    pthread_mutex_lock(&heap->lock);
    place_give(heap, run);
    if (heap->page > 1)
        discard_shared(heap, run);
    pthread_mutex_unlock(&heap->lock);
    ldr_budget_give(heap->budget, bytes);
}

/* ---- runs that are kept */

static void count_kept(struct ldr_heap *heap, int64_t grains)
{
    uint64_t bytes = atomic_load_explicit(&heap->kept_bytes, memory_order_relaxed);
    bytes += (uint64_t)(grains * (int64_t)ldr_heap_grain(heap));
    atomic_store_explicit(&heap->kept_bytes, bytes, memory_order_relaxed);
}

static struct ldr_run kept_remove(struct ldr_heap *heap, uint32_t index)
{
    struct ldr_run run = heap->kept[index];
    heap->kept_count--;
    memmove(&heap->kept[index], &heap->kept[index + 1], (heap->kept_count - index) * sizeof *heap->kept);
    count_kept(heap, -(int64_t)run.grains);
    return run;
}

/* A part of the shortest kept run that is long enough; 0: none is. */
static uint32_t kept_take(struct ldr_heap *heap, uint32_t grains)
{
    struct ldr_run *best = NULL;
    for (uint32_t i = 0; i < heap->kept_count; i++)
        if (heap->kept[i].grains >= grains && (best == NULL || heap->kept[i].grains < best->grains))
            best = &heap->kept[i];
    if (best == NULL)
        return 0;
    uint32_t first = best->first;
    if (best->grains == grains) {
        kept_remove(heap, (uint32_t)(best - heap->kept));
    } else {
        *best = (struct ldr_run){best->first + grains, best->grains - grains};
        count_kept(heap, -(int64_t)grains);
    }
    return first;
}

/* Releases the oldest kept run. False: there is none. */
static bool trim(struct ldr_heap *heap)
{
    pthread_mutex_lock(&heap->lock);
    bool any = heap->kept_count > 0;
    struct ldr_run run = any ? kept_remove(heap, 0) : (struct ldr_run){0};
    pthread_mutex_unlock(&heap->lock);
    if (any)
        release(heap, run);
    return any;
}

static bool too_much_is_kept(const struct ldr_heap *heap)
{
    uint64_t kept = atomic_load_explicit(&heap->kept_bytes, memory_order_relaxed);
    uint64_t limit = ldr_budget_limit(heap->budget);
    return kept > limit / KEPT_PART ||
           (kept > 0 && (ldr_budget_lacks(heap->budget, 0) ||
                         atomic_load_explicit(&heap->budget->claimed, memory_order_relaxed) > 0));
}

bool ldr_heap_relieve(struct ldr_heap *heap)
{
    bool any = false;
    while (too_much_is_kept(heap) && trim(heap))
        any = true;
    return any;
}

/* Keeps a run for the next span, or releases it. */
static void run_give(struct ldr_heap *heap, struct ldr_run run)
{
    bool kept = false;
    pthread_mutex_lock(&heap->lock);
    if (heap->page == 1 && heap->kept_count < LDR_KEPT_MAX) {
        heap->kept[heap->kept_count++] = run;
        count_kept(heap, run.grains);
        kept = true;
    }
    pthread_mutex_unlock(&heap->lock);
    if (!kept)
        release(heap, run);
    ldr_heap_relieve(heap);
}

/* ---- spans */

uint64_t ldr_heap_lacks(const struct ldr_heap *heap, uint64_t grains)
{
    const struct ldr_budget *budget = heap->budget;
    uint64_t held = ldr_budget_used(budget) + atomic_load_explicit(&budget->claimed, memory_order_relaxed) +
                    atomic_load_explicit(&budget->reserve, memory_order_relaxed) + (grains << heap->sizes.grain_shift);
    uint64_t there = ldr_budget_limit(budget) + atomic_load_explicit(&heap->kept_bytes, memory_order_relaxed);
    return held > there ? held - there : 0;
}

/* A run that the budget is charged with; 0: none. What is kept goes when it would be enough. */
static uint32_t run_take(struct ldr_heap *heap, uint32_t grains)
{
    uint64_t bytes = (uint64_t)grains << heap->sizes.grain_shift;
    if (ldr_heap_lacks(heap, grains) != 0)
        return 0;
    while (!ldr_budget_take(heap->budget, bytes))
        if (!trim(heap))
            return 0;
    uint32_t first;
    do {
        pthread_mutex_lock(&heap->lock);
        first = place_take(heap, grains);
        pthread_mutex_unlock(&heap->lock);
    } while (first == 0 && trim(heap));
    if (first == 0)
        ldr_budget_give(heap->budget, bytes);
    return first;
}

static uint32_t number_take(struct ldr_heap *heap)
{
    uint32_t number = heap->free_span;
    if (number != 0) {
        heap->free_span = heap->spans[number].next;
    } else {
        number = atomic_load_explicit(&heap->high_span, memory_order_relaxed);
        atomic_store_explicit(&heap->high_span, number + 1, memory_order_relaxed);
    }
    return number;
}

uint32_t ldr_heap_take(struct ldr_heap *heap, uint64_t grains)
{
    if (grains >= heap->end)
        return 0;
    pthread_mutex_lock(&heap->lock);
    uint32_t count = (uint32_t)grains, first = kept_take(heap, count);
    pthread_mutex_unlock(&heap->lock);
    if (first == 0)
        first = run_take(heap, count);
    if (first == 0)
        return 0;
    pthread_mutex_lock(&heap->lock);
    uint32_t number = number_take(heap);
    pthread_mutex_unlock(&heap->lock);
    heap->spans[number] = (struct ldr_span){.first = first, .grains = count};
    for (uint32_t i = 0; i < count && i < heap->sizes.span_max; i++)
        heap->owners[first + i] = number;
    return number;
}

void ldr_heap_give(struct ldr_heap *heap, uint32_t number)
{
    struct ldr_span *span = &heap->spans[number];
    struct ldr_run run = {span->first, span->grains};
    pthread_mutex_lock(&heap->lock);
    span->grains = 0;
    span->next = heap->free_span;
    heap->free_span = number;
    pthread_mutex_unlock(&heap->lock);
    run_give(heap, run);
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
