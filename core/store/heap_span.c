/* Spans of the heap: what they cost the budget, and what is kept of them for the next. */
#include "core/base/pages.h"
#include "core/store/heap.h"
#include "core/store/poison.h"

#define KEPT_PART 512u                /* of the limit may be kept for the next span */
#define HUGE_MIN  (UINT64_C(8) << 20) /* smaller budgets get no huge pages */
#define HUGE_FROM (UINT64_C(4) << 20) /* nor the first bytes: what holds a few entries takes no more than they do */

/* Gives a run's memory to the system, its place to others and its bytes to the budget. Without the lock. */
static void release(struct ldr_heap *heap, struct ldr_run run)
{
    size_t bytes = (size_t)run.grains << heap->sizes.grain_shift;
    ldr_unpoison(ldr_heap_grain_at(heap, run.first), bytes); /* where the system takes nothing back it is cleared */
    if (heap->page == 1)
        ldr_pages_discard(ldr_heap_grain_at(heap, run.first), bytes); /* the place is still taken: nobody need wait */
    pthread_mutex_lock(&heap->lock);
    ldr_heap_place_give(heap, run);
    pthread_mutex_unlock(&heap->lock);
    ldr_budget_give(heap->budget, bytes);
}

/* ---- runs that are kept */

static void count_kept(struct ldr_heap *heap, int64_t grains)
{
    uint64_t bytes = atomic_load_explicit(&heap->kept_bytes, memory_order_relaxed);
    bytes += (uint64_t)(grains * (int64_t)ldr_heap_grain(heap));
    atomic_store_explicit(&heap->kept_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&heap->fresh_bytes, (uint64_t)heap->fresh.grains << heap->sizes.grain_shift,
                          memory_order_relaxed);
}

static struct ldr_run kept_remove(struct ldr_heap *heap, uint32_t index)
{
    struct ldr_run run = heap->kept[index];
    heap->kept_count--;
    memmove(&heap->kept[index], &heap->kept[index + 1], (heap->kept_count - index) * sizeof *heap->kept);
    count_kept(heap, -(int64_t)run.grains);
    return run;
}

/* A part of the shortest kept run that is long enough, of the fresh huge page if there is none; 0: neither. */
static uint32_t kept_take(struct ldr_heap *heap, uint32_t grains)
{
    struct ldr_run *best = NULL;
    for (uint32_t i = 0; i < heap->kept_count; i++)
        if (heap->kept[i].grains >= grains && (best == NULL || heap->kept[i].grains < best->grains))
            best = &heap->kept[i];
    if (best == NULL && heap->fresh.grains >= grains)
        best = &heap->fresh;
    if (best == NULL)
        return 0;
    uint32_t first = best->first;
    if (best != &heap->fresh && best->grains == grains) {
        kept_remove(heap, (uint32_t)(best - heap->kept));
    } else {
        *best = (struct ldr_run){best->first + grains, best->grains - grains};
        count_kept(heap, -(int64_t)grains);
    }
    return first;
}

/* Another run, or none, in the place of what is left of the huge page taken last; that is returned. */
static struct ldr_run fresh_swap(struct ldr_heap *heap, struct ldr_run run)
{
    struct ldr_run left = heap->fresh;
    heap->fresh = run;
    count_kept(heap, (int64_t)run.grains - left.grains);
    return left;
}

/* Releases the oldest kept run, and what is left of the fresh huge page when there is none. False: there is neither. */
static bool trim(struct ldr_heap *heap)
{
    pthread_mutex_lock(&heap->lock);
    struct ldr_run run = heap->kept_count > 0 ? kept_remove(heap, 0) : fresh_swap(heap, (struct ldr_run){0});
    pthread_mutex_unlock(&heap->lock);
    if (run.grains != 0)
        release(heap, run);
    return run.grains != 0;
}

static bool too_much_is_kept(const struct ldr_heap *heap)
{
    uint64_t kept = atomic_load_explicit(&heap->kept_bytes, memory_order_relaxed);
    uint64_t fresh = atomic_load_explicit(&heap->fresh_bytes, memory_order_relaxed);
    uint64_t limit = ldr_budget_limit(heap->budget);
    return kept > fresh + limit / KEPT_PART || (fresh > 0 && ldr_budget_used(heap->budget) < HUGE_FROM) ||
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

/*
 * Takes a whole huge page for this span and those that follow, when the budget has room for all of it and nothing between
 * the spans is long enough. Under the lock, as it takes no longer than touching the pages one by one.
 */
static void fresh_open(struct ldr_heap *heap, uint32_t grains)
{
    if (!heap->huge || grains > heap->sizes.span_max || ldr_budget_limit(heap->budget) < HUGE_MIN ||
        ldr_budget_used(heap->budget) < HUGE_FROM)
        return;
    struct ldr_run run = {0}, left = {0};
    pthread_mutex_lock(&heap->lock);
    if (heap->fresh.grains < grains && !ldr_heap_place_between(heap, grains) &&
        ldr_budget_take(heap->budget, LDR_HUGE_PAGE)) {
        run = ldr_heap_place_huge(heap);
        if (run.grains == 0) {
            ldr_budget_give(heap->budget, LDR_HUGE_PAGE);
        } else {
            left = fresh_swap(heap, run);
            ldr_pages_take_huge(ldr_heap_grain_at(heap, run.first));
        }
    }
    pthread_mutex_unlock(&heap->lock);
    if (left.grains != 0)
        release(heap, left);
}

/* A run that the budget is charged with; 0: none. What is kept goes when it would be enough. */
static uint32_t run_take(struct ldr_heap *heap, uint32_t grains)
{
    uint64_t bytes = (uint64_t)grains << heap->sizes.grain_shift;
    while (!ldr_budget_take(heap->budget, bytes))
        if (!trim(heap))
            return 0;
    uint32_t first;
    do {
        pthread_mutex_lock(&heap->lock);
        first = ldr_heap_place_take(heap, grains);
        pthread_mutex_unlock(&heap->lock);
    } while (first == 0 && trim(heap));
    if (first == 0)
        ldr_budget_give(heap->budget, bytes);
    return first;
}

static uint32_t kept(struct ldr_heap *heap, uint32_t grains)
{
    pthread_mutex_lock(&heap->lock);
    uint32_t first = kept_take(heap, grains);
    pthread_mutex_unlock(&heap->lock);
    return first;
}

uint32_t ldr_heap_take(struct ldr_heap *heap, uint64_t grains)
{
    if (grains >= heap->end)
        return 0;
    uint32_t count = (uint32_t)grains, first = kept(heap, count);
    if (first == 0 && ldr_heap_lacks(heap, grains) == 0) {
        fresh_open(heap, count);
        first = kept(heap, count);
        first = first != 0 ? first : run_take(heap, count);
    }
    if (first == 0)
        return 0;
    pthread_mutex_lock(&heap->lock);
    uint32_t number = ldr_heap_number_take(heap);
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
    ldr_heap_number_give(heap, number);
    pthread_mutex_unlock(&heap->lock);
    run_give(heap, run);
}
