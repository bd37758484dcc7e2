/* From an entry that was unlinked to a free cell. */
#include "core/base/epoch.h"
#include "core/store/slab_state.h"

#define COLLECT_CELLS  32u /* that a call looks at */
#define COLLECT_PINNED 4u
#define REUSE_CELLS    2u /* that a taker looks at: one more than it needs, so that those of other classes get fewer */

static uint32_t pins_of(const struct ldr_slab *slab, ldr_ref ref)
{
    /* Acquire: what the last reader read comes before the cell is used again. */
    return atomic_load_explicit(&ldr_slab_entry(slab, ref)->pins, memory_order_acquire) & LDR_ENTRY_PINS;
}

void ldr_slab_retire(struct ldr_slab *slab, ldr_ref ref)
{
    /* Key, value and sizes stay: readers may be at them. */
    ldr_slab_change(slab, ldr_heap_owner(slab->heap, ref), LDR_CELL_LIVE, LDR_CELL_RETIRED);
    ldr_slab_set_link(slab, ref, slab->fresh_first);
    if (slab->fresh_first == 0)
        slab->fresh_last = ref;
    slab->fresh_first = ref;
}

/*
 * Gives a tag to what has been retired since this was last done: one for all, as asking costs a barrier. When every bag
 * is in use the last one gets the newer tag, and what it has waits a little longer.
 */
static void tag_fresh(struct ldr_slab *slab)
{
    if (slab->fresh_first == 0)
        return;
    uint64_t tag = ldr_epoch_tag(LDR_EPOCH_STORE);
    uint32_t count = slab->bag_count;
    if (count > 0 && (slab->bags[count - 1].tag == tag || count == LDR_BAGS)) {
        struct ldr_bag *bag = &slab->bags[count - 1];
        ldr_slab_set_link(slab, slab->fresh_last, bag->first);
        bag->first = slab->fresh_first;
        bag->tag = tag;
    } else {
        slab->bags[slab->bag_count++] = (struct ldr_bag){tag, slab->fresh_first};
    }
    slab->fresh_first = 0;
}

/* A cell that no reader can see any more but those who pin it: out of the budget until they let go. */
static void set_aside(struct ldr_slab *slab, ldr_ref ref)
{
    struct ldr_heap *heap = slab->heap;
    uint32_t number = ldr_heap_owner(heap, ref);
    struct ldr_span *span = ldr_heap_span(heap, number);
    ldr_slab_change(slab, number, LDR_CELL_RETIRED, LDR_CELL_PINNED);
    ldr_budget_give(heap->budget, (uint64_t)ldr_span_units(heap, span) << heap->place.shift);
    if (span->emptied && slab->emptying != number)
        ldr_slab_set_emptied(slab, number, false); /* it stays: its free cells may as well be used */
    if (slab->pinned == 0) {
        ldr_slab_set_link(slab, ref, ref);
    } else {
        ldr_slab_set_link(slab, ref, ldr_slab_link(slab, slab->pinned));
        ldr_slab_set_link(slab, slab->pinned, ref);
    }
    slab->pinned = ref;
}

/* Looks at some cells that were set aside, in turn. */
static bool collect_pinned(struct ldr_slab *slab)
{
    struct ldr_heap *heap = slab->heap;
    bool freed = false;
    for (uint32_t i = 0; i < COLLECT_PINNED && slab->pinned != 0; i++) {
        ldr_ref ref = ldr_slab_link(slab, slab->pinned);
        if (pins_of(slab, ref) != 0) {
            slab->pinned = ref;
            continue;
        }
        if (ref == slab->pinned)
            slab->pinned = 0;
        else
            ldr_slab_set_link(slab, slab->pinned, ldr_slab_link(slab, ref));
        const struct ldr_span *span = ldr_heap_span(heap, ldr_heap_owner(heap, ref));
        ldr_budget_owe(heap->budget, (uint64_t)ldr_span_units(heap, span) << heap->place.shift);
        ldr_slab_free_cell(slab, ref, LDR_CELL_PINNED);
        freed = true;
    }
    return freed;
}

/* Cells that nobody can read any more but those who pin them: from the oldest bag, when it has passed. */
static void refill(struct ldr_slab *slab)
{
    struct ldr_bag *bag = &slab->bags[0];
    if (slab->passed != 0 || slab->bag_count == 0 || !ldr_epoch_passed(LDR_EPOCH_STORE, bag->tag))
        return;
    slab->passed = bag->first;
    slab->bag_count--;
    memmove(bag, bag + 1, slab->bag_count * sizeof *bag);
}

/* The next of them; there is one. */
static ldr_ref pop_passed(struct ldr_slab *slab)
{
    ldr_ref ref = slab->passed;
    slab->passed = ldr_slab_link(slab, ref);
    __builtin_prefetch(ldr_slab_entry(slab, slab->passed)); /* its link and pins */
    return ref;
}

bool ldr_slab_waits(const struct ldr_slab *slab)
{
    return slab->bag_count > 0 && !ldr_epoch_passed(LDR_EPOCH_STORE, slab->bags[0].tag);
}

/* Gives one that has passed back to its span. False: readers pin it. */
static bool free_passed(struct ldr_slab *slab)
{
    ldr_ref ref = pop_passed(slab);
    if (pins_of(slab, ref) != 0) {
        set_aside(slab, ref);
        return false;
    }
    ldr_slab_free_cell(slab, ref, LDR_CELL_RETIRED);
    return true;
}

bool ldr_slab_turn_over(struct ldr_slab *slab)
{
    tag_fresh(slab);
    bool relieved = ldr_heap_relieve(slab->heap), freed = collect_pinned(slab);
    for (uint32_t i = 0; i < COLLECT_CELLS && slab->passed != 0; i++)
        freed |= free_passed(slab);
    refill(slab);
    return relieved || freed;
}

bool ldr_slab_collect(struct ldr_slab *slab)
{
    bool freed = ldr_slab_turn_over(slab);
    for (uint32_t i = 0; i < COLLECT_CELLS && slab->passed != 0; i++) {
        freed |= free_passed(slab);
        refill(slab);
    }
    return freed;
}

ldr_ref ldr_slab_take_passed(struct ldr_slab *slab, uint32_t class, size_t size)
{
    for (uint32_t i = 0; i < REUSE_CELLS && slab->passed != 0; i++) {
        ldr_ref ref = pop_passed(slab);
        uint32_t number = ldr_heap_owner(slab->heap, ref);
        const struct ldr_span *span = ldr_heap_span(slab->heap, number);
        if (pins_of(slab, ref) != 0) {
            set_aside(slab, ref);
        } else if (span->class == class && !span->emptied) {
            ldr_slab_change(slab, number, LDR_CELL_RETIRED, LDR_CELL_LIVE);
            ldr_poison(ldr_slab_entry(slab, ref)->bytes,
                       ((size_t)span->cell << slab->heap->place.shift) - LDR_ENTRY_HEADER);
            ldr_slab_begin_cell(slab, ref, size);
            return ref;
        } else {
            ldr_slab_free_cell(slab, ref, LDR_CELL_RETIRED);
        }
    }
    return 0;
}
