/* From an entry that was unlinked to a free cell. */
#include "core/base/epoch.h"
#include "core/store/slab_state.h"

#define COLLECT_CELLS  32u /* that a call looks at */
#define COLLECT_PINNED 4u
#define REUSE_CELLS    2u  /* that a taker looks at: one more than it needs, so that those of other classes get fewer */
#define AT_HAND        16u /* cells that stay at hand while takers use them and few are behind them */

static inline void retire(struct ldr_slab *slab, ldr_ref ref)
{
    /* Key, value and sizes stay: readers may be at them. */
    ldr_slab_change(slab, ldr_heap_owner(slab->heap, ref), LDR_CELL_LIVE, LDR_CELL_RETIRED);
    ldr_slab_set_link(slab, ref, slab->fresh_first);
    if (slab->fresh_first == 0)
        slab->fresh_last = ref;
    slab->fresh_first = ref;
    slab->fresh_count++;
}

void ldr_slab_retire(struct ldr_slab *slab, ldr_ref ref)
{
    retire(slab, ref);
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
        bag->count += slab->fresh_count;
    } else {
        slab->bags[slab->bag_count++] = (struct ldr_bag){tag, slab->fresh_first, slab->fresh_count};
    }
    slab->fresh_first = 0;
    slab->fresh_count = 0;
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
        if (ldr_slab_pins(slab, ref) != 0) {
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
    if (ldr_slab_passed(slab) != 0 || slab->bag_count == 0 || !ldr_epoch_passed(LDR_EPOCH_STORE, bag->tag))
        return;
    atomic_store_explicit(&slab->passed, bag->first, memory_order_relaxed);
    slab->passed_count = bag->count;
    slab->bag_count--;
    memmove(bag, bag + 1, slab->bag_count * sizeof *bag);
}

bool ldr_slab_waits(const struct ldr_slab *slab)
{
    return slab->bag_count > 0 && !ldr_epoch_passed(LDR_EPOCH_STORE, slab->bags[0].tag);
}

/* Gives one that has passed back to its span. False: readers pin it. */
static bool free_passed(struct ldr_slab *slab)
{
    ldr_ref ref = ldr_slab_passed(slab);
    ldr_slab_pop_passed(slab, ref);
    if (ldr_slab_pins(slab, ref) != 0) {
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
    uint32_t keep = slab->reused != 0 && slab->bag_count <= 1 ? AT_HAND : 0;
    for (uint32_t i = 0; i < COLLECT_CELLS && slab->passed_count > keep; i++)
        freed |= free_passed(slab);
    slab->reused = 0;
    refill(slab);
    return relieved || freed;
}

bool ldr_slab_collect(struct ldr_slab *slab)
{
    slab->reused = 0;
    bool freed = ldr_slab_turn_over(slab);
    for (uint32_t i = 0; i < COLLECT_CELLS && slab->passed_count != 0; i++) {
        freed |= free_passed(slab);
        refill(slab);
    }
    return freed;
}

ldr_ref ldr_slab_exchange(struct ldr_slab *slab, size_t size, ldr_ref old)
{
    ldr_ref ref = ldr_slab_reuse_first(slab, ldr_slab_class(slab, size), size);
    if (ref != 0)
        retire(slab, old);
    return ref;
}

ldr_ref ldr_slab_take_passed(struct ldr_slab *slab, uint32_t class, size_t size)
{
    refill(slab);
    for (uint32_t i = 0; i < REUSE_CELLS && slab->passed_count != 0; i++) {
        ldr_ref ref = ldr_slab_passed(slab);
        uint32_t number = ldr_heap_owner(slab->heap, ref);
        const struct ldr_span *span = ldr_heap_span(slab->heap, number);
        ldr_slab_pop_passed(slab, ref);
        if (ldr_slab_pins(slab, ref) != 0) {
            set_aside(slab, ref);
        } else if (span->class == class && !span->emptied) {
            ldr_slab_reuse(slab, ref, number, size);
            return ref;
        } else {
            ldr_slab_free_cell(slab, ref, LDR_CELL_RETIRED);
        }
    }
    return 0;
}
