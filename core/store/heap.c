#include "core/store/heap.h"

#include "core/base/pages.h"
#include "core/store/poison.h"
#include "core/store/run.h"

#define REACH_MAX (UINT64_C(1) << 42)
#define REFS      (UINT64_C(1) << 32)

/* Where the parts of the range begin, in bytes from its start. */
struct layout {
    size_t used, numbers, owners, spans, grains, end;
};

static size_t round_up(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

static size_t header_bytes(const struct ldr_heap *heap)
{
    return sizeof *heap + heap->sizes.classes * sizeof *heap->classes;
}

/* The parts begin at whole grains, so that what is touched of each can be counted in grains. */
static struct layout layout_of(const struct ldr_heap *heap, bool huge)
{
    struct layout layout;
    size_t to = ldr_heap_grain(heap), page = ldr_pages_size();
    layout.used = round_up(header_bytes(heap), to);
    layout.numbers = layout.used + round_up((heap->end / 64 + 1) * sizeof *heap->used, to);
    layout.owners = layout.numbers + round_up((heap->end / 64 + 1) * sizeof *heap->numbers, to);
    layout.spans = layout.owners + round_up(heap->end * sizeof *heap->owners, to);
    layout.grains = round_up(layout.spans + heap->end * sizeof *heap->spans + to, page);
    /* The system chooses the start of the range: grain 1 may move up to where a huge page begins. */
    layout.end = round_up(layout.grains + heap->end * to + (huge ? LDR_HUGE_PAGE : 0), page);
    return layout;
}

/*
 * References reach 2^32 units. The range is twice as long as what it will hold, where that does not make the units
 * larger: a long run finds its place although short ones lie about.
 */
static void measure(struct ldr_heap *heap, const struct ldr_heap_options *options)
{
    const uint64_t spare = UINT64_C(2) << 16;
    heap->place.shift = 3;
    while (options->reach + spare > REFS << heap->place.shift)
        heap->place.shift++;
    heap->sizes = ldr_sizes_for(options->quota, heap->place.shift);
    uint64_t most = (REFS << heap->place.shift) - spare, area = 2 * options->reach < most ? 2 * options->reach : most;
    heap->end = (uint32_t)ldr_sizes_grains(&heap->sizes, area) + 1;
    size_t page = ldr_pages_size();
    heap->page = page > ldr_heap_grain(heap) ? (uint32_t)(page / ldr_heap_grain(heap)) : 1;
}

static void start(struct ldr_heap *heap, const struct layout *layout, bool huge)
{
    unsigned char *base = (unsigned char *)heap;
    heap->mapped = layout->end;
    heap->used = (uint64_t *)(void *)(base + layout->used);
    heap->numbers = (uint64_t *)(void *)(base + layout->numbers);
    heap->owners = (uint32_t *)(void *)(base + layout->owners);
    heap->spans = (struct ldr_span *)(void *)(base + layout->spans);
    uintptr_t first = (uintptr_t)(base + layout->grains), to = huge ? LDR_HUGE_PAGE : 1;
    heap->place.base = base + layout->grains + (-first & (to - 1)) - ldr_heap_grain(heap);
    ldr_sizes_fill(&heap->sizes, heap->classes);
    for (uint32_t i = 0; i < LDR_SPAN_GRAINS_MAX; i++)
        heap->lowest[i] = 1;
    ldr_run_mark(heap->used, 0, 1, true);
    ldr_run_mark(heap->numbers, 0, 1, true);
    heap->lowest_number = 1;
    heap->huge = huge && heap->page == 1;
    atomic_init(&heap->high_grain, 1);
    atomic_init(&heap->high_span, 1);
    atomic_init(&heap->owner_count, 0);
    atomic_init(&heap->span_count, 0);
    atomic_init(&heap->slab_bytes, 0);
    atomic_init(&heap->kept_bytes, 0);
    atomic_init(&heap->fresh_bytes, 0);
    atomic_init(&heap->holders, 1);
}

struct ldr_heap *ldr_heap_open(const struct ldr_heap_options *options, struct ldr_budget *budget)
{
    if (options->reach > REACH_MAX)
        return NULL;
    struct ldr_heap measured = {.budget = budget};
    measure(&measured, options);
    struct layout layout = layout_of(&measured, options->huge);
    struct ldr_heap *heap = ldr_pages_reserve(layout.end);
    if (heap == NULL)
        return NULL;
    memcpy(heap, &measured, sizeof measured);
    if (pthread_mutex_init(&heap->lock, NULL) != 0) {
        ldr_pages_release(heap, layout.end);
        return NULL;
    }
    start(heap, &layout, options->huge);
    ldr_pages_huge(heap, heap->mapped, false);
    return heap;
}

struct ldr_place ldr_heap_place(const struct ldr_heap *heap)
{
    return heap->place;
}

/*
 * Maps cost the pages that they reach over. Where a page holds several grains, which is in small stores, they cost what is
 * in use: else what is left of a larger budget could take a good part of a smaller one.
 */
uint64_t ldr_heap_overhead(const struct ldr_heap *heap)
{
    bool paged = heap->page == 1;
    size_t to = paged ? ldr_heap_grain(heap) : 1;
    size_t grains = atomic_load_explicit(&heap->high_grain, memory_order_relaxed), owners = grains;
    size_t numbers = atomic_load_explicit(&heap->high_span, memory_order_relaxed), spans = numbers;
    if (!paged) {
        owners = atomic_load_explicit(&heap->owner_count, memory_order_relaxed);
        spans = atomic_load_explicit(&heap->span_count, memory_order_relaxed);
    }
    return round_up(header_bytes(heap), to) + round_up((grains / 64 + 1) * sizeof *heap->used, to) +
           round_up((numbers / 64 + 1) * sizeof *heap->numbers, to) + round_up(owners * sizeof *heap->owners, to) +
           round_up(spans * sizeof *heap->spans, to) + atomic_load_explicit(&heap->slab_bytes, memory_order_relaxed);
}

static void let_go(struct ldr_heap *heap)
{
    /* Release and acquire: whatever others read of the range comes before it goes. */
    if (atomic_fetch_sub_explicit(&heap->holders, 1, memory_order_acq_rel) != 1)
        return;
    uint32_t high = atomic_load_explicit(&heap->high_grain, memory_order_relaxed);
    ldr_unpoison(heap->place.base, (size_t)high << heap->sizes.grain_shift);
    ldr_pages_release(heap, heap->mapped);
}

void ldr_heap_orphan_released(struct ldr_entry *entry)
{
    /* As ldr_slab_close() left it: pages from the start of the range. */
    size_t pages = atomic_load_explicit(&entry->slot, memory_order_relaxed),
           within = (uintptr_t)entry % LDR_ORPHAN_PAGE;
    let_go((struct ldr_heap *)(void *)((unsigned char *)entry - within - pages * LDR_ORPHAN_PAGE));
}

/* Readers may hold an entry for long: of a closed heap only the spans of such entries stay. */
static void discard_without_orphans(struct ldr_heap *heap)
{
    uint32_t high = atomic_load_explicit(&heap->high_span, memory_order_relaxed);
    for (uint32_t number = 1; number < high; number++) {
        struct ldr_span *span = &heap->spans[number];
        size_t bytes = (size_t)span->grains << heap->sizes.grain_shift;
        if (span->grains == 0 || span->count[LDR_CELL_PINNED] != 0)
            continue;
        ldr_unpoison(ldr_heap_grain_at(heap, span->first), bytes);
        ldr_pages_discard(ldr_heap_grain_at(heap, span->first), bytes);
    }
}

void ldr_heap_close(struct ldr_heap *heap)
{
    if (heap == NULL)
        return;
    ldr_budget_give(heap->budget, atomic_load_explicit(&heap->kept_bytes, memory_order_relaxed));
    pthread_mutex_destroy(&heap->lock);
    if (atomic_load_explicit(&heap->holders, memory_order_relaxed) > 1)
        discard_without_orphans(heap);
    let_go(heap);
}
