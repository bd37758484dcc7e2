/* What a slab needs, and how it makes spans empty when its free cells lie scattered. */
#include "core/store/slab_state.h"

#define CANDIDATES   4u  /* spans of a class looked at for the sparsest */
#define LOOKED_BYTES 64u /* what looking at a cell that stays counts for */

/* ---- what is needed */

/* The cells that entries of a class can be moved to, its own and those a little larger, from one class to the next. */
struct window {
    const struct ldr_slab *slab;
    uint32_t end;
    uint64_t free, retired;
};

static void window_at(struct window *window, uint32_t class)
{
    const struct ldr_class *classes = window->slab->classes;
    if (class > 0) {
        window->free -= classes[class - 1].free;
        window->retired -= classes[class - 1].retired;
    }
    for (; window->end < window->slab->table[class].borrow_end; window->end++) {
        window->free += classes[window->end].free;
        window->retired += classes[window->end].retired;
    }
}

/*
 * Spans of a class that can be emptied, when it has `own` free cells in so many partial spans, and `all` with those a
 * little larger. Its own make as many as they could take the entries of. The larger ones help with one more when that
 * is worth its while: the spans are half empty, or there are cells in plenty. With just enough of them entries would be
 * copied for the sake of one span, and soon others for want of the cells that they have taken.
 */
static uint64_t spare_spans(const struct ldr_size_class *class, uint64_t spans, uint64_t own, uint64_t all)
{
    if (own >= class->cells)
        return own / class->cells;
    bool sparse = 2 * own >= spans * class->cells && all >= class->cells;
    return sparse || all / 2 >= class->cells ? 1 : 0;
}

/* Grains of spans that compaction would bring. */
struct gain {
    uint64_t grains;
    uint32_t next; /* classes below this share their free cells with one that was counted */
};

static void add_gain(struct gain *gain, const struct ldr_size_class *class, uint32_t number, uint64_t spans,
                     uint64_t own)
{
    if (spans == 0 || (own < class->cells && number < gain->next))
        return;
    gain->grains += spans * class->span_grains;
    if (own < class->cells)
        gain->next = class->borrow_end;
}

/* What compaction would bring now, and what when everything retired has come free. */
static void find_gains(const struct ldr_slab *slab, struct gain *now, struct gain *later)
{
    const struct ldr_sizes *sizes = &slab->heap->sizes;
    struct window window = {.slab = slab};
    *now = *later = (struct gain){0};
    if (slab->emptying != 0)
        now->grains = later->grains = ldr_heap_span(slab->heap, slab->emptying)->grains;
    for (uint32_t i = 0; i < sizes->classes; i++) {
        const struct ldr_size_class *class = &slab->table[i];
        const struct ldr_class *cells = &slab->classes[i];
        window_at(&window, i);
        if (cells->spans != 0)
            add_gain(now, class, i, spare_spans(class, cells->spans, cells->free, window.free), cells->free);
        uint64_t own = (uint64_t)cells->free + cells->retired, all = window.free + window.retired;
        if (own != 0)
            add_gain(later, class, i, spare_spans(class, cells->spans, own, all), own);
    }
}

/* Whether a cell that an entry of the class may have comes free by itself. */
static bool cell_comes(const struct ldr_slab *slab, uint32_t class)
{
    uint32_t end = slab->table[class].borrow_end;
    for (uint32_t i = class; i < end; i++)
        if (slab->classes[i].retired > 0)
            return true;
    return false;
}

/* What brings so many grains back to the heap. */
static enum ldr_need need_grains(const struct ldr_slab *slab, uint64_t lacks)
{
    if (slab->leaving >= lacks)
        return LDR_NEED_GRACE;
    struct gain now, later;
    find_gains(slab, &now, &later);
    if (now.grains > 0 && slab->leaving + now.grains >= lacks)
        return LDR_NEED_COMPACT;
    return slab->units[LDR_CELL_RETIRED] > 0 && slab->leaving + later.grains >= lacks ? LDR_NEED_GRACE : LDR_NEED_ROOM;
}

enum ldr_need ldr_slab_need_bytes(const struct ldr_slab *slab, uint64_t bytes)
{
    return need_grains(slab, ldr_sizes_grains(&slab->heap->sizes, bytes > 0 ? bytes : 1));
}

static enum ldr_need need_span(const struct ldr_slab *slab, uint64_t grains)
{
    struct ldr_heap *heap = slab->heap;
    uint64_t lacks = ldr_sizes_grains(&heap->sizes, ldr_heap_lacks(heap, grains)), leaving = slab->leaving;
    if (lacks == 0 && grains > 0) {
        if (ldr_heap_has_place(heap, grains))
            return LDR_NEED_GRACE; /* another thread gave it back just now */
        lacks = leaving + 1;       /* enough is free, but nowhere in a row: any span that goes may help */
    } else if (lacks == 0) {
        lacks = 1;
    }
    return need_grains(slab, lacks);
}

enum ldr_need ldr_slab_need(const struct ldr_slab *slab, size_t size)
{
    const struct ldr_sizes *sizes = &slab->heap->sizes;
    if (size == 0)
        return need_span(slab, 0);
    uint32_t class = ldr_slab_class(slab, size);
    if (class == LDR_CLASS_LARGE)
        return need_span(slab, ldr_sizes_grains(sizes, size));
    return cell_comes(slab, class) ? LDR_NEED_GRACE : need_span(slab, slab->table[class].span_grains);
}

/* ---- compaction */

/* A choice on its way. */
struct choice {
    uint32_t number; /* of the span; 0: none yet */
    uint64_t live, grains;
};

/* Looks at the spans of a class that have not been taken from for longest: they are the sparsest. */
static void look_at(const struct ldr_slab *slab, uint32_t class, struct choice *choice)
{
    uint32_t head = slab->classes[class].partial, number = head;
    for (uint32_t i = 0; i < CANDIDATES && (i == 0 || number != head); i++) {
        number = ldr_heap_span(slab->heap, number)->previous;
        const struct ldr_span *span = ldr_heap_span(slab->heap, number);
        uint64_t live = (uint64_t)span->count[LDR_CELL_LIVE] * span->cell;
        if (span->held || (choice->number != 0 && live * choice->grains >= choice->live * span->grains))
            continue;
        *choice = (struct choice){number, live, span->grains};
    }
}

/* Entries stayed in all spans that there are to choose from when they were tried before: they may be tried again. */
static void forget_held(const struct ldr_slab *slab, uint32_t class)
{
    uint32_t number = slab->classes[class].partial;
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        number = ldr_heap_span(slab->heap, number)->previous;
        ldr_heap_span(slab->heap, number)->held = false;
    }
}

/*
 * Chooses the span to be emptied, whose entries have room outside of it: in all there are as many free cells as it has.
 */
static uint32_t choose(const struct ldr_slab *slab)
{
    const struct ldr_sizes *sizes = &slab->heap->sizes;
    struct window window = {.slab = slab};
    struct choice choice = {0};
    for (uint32_t i = 0; i < sizes->classes; i++) {
        window_at(&window, i);
        const struct ldr_class *cells = &slab->classes[i];
        if (cells->spans != 0 && spare_spans(&slab->table[i], cells->spans, cells->free, window.free) > 0)
            look_at(slab, i, &choice);
    }
    for (uint32_t i = 0; choice.number == 0 && i < sizes->classes; i++)
        if (slab->classes[i].partial != 0)
            forget_held(slab, i);
    return choice.number;
}

static bool begin(struct ldr_slab *slab)
{
    slab->emptying = choose(slab);
    slab->cursor = 0;
    if (slab->emptying != 0)
        ldr_slab_set_emptied(slab, slab->emptying, true);
    return slab->emptying != 0;
}

/* Ends the emptying of a span: entries that are left stay. */
static void stop(struct ldr_slab *slab)
{
    uint32_t number = slab->emptying;
    struct ldr_span *span = ldr_heap_span(slab->heap, number);
    slab->emptying = 0;
    if (span->count[LDR_CELL_LIVE] == 0 && span->count[LDR_CELL_PINNED] == 0)
        return; /* it goes to the heap when its last cell is collected */
    span->held = true;
    ldr_slab_set_emptied(slab, number, false);
}

/* Moves on their way. */
struct moves {
    const struct ldr_mover *mover;
    size_t spent, limit; /* bytes */
    bool any;
};

/* False: there is no cell to move it to. */
static bool move(struct ldr_slab *slab, ldr_ref from, uint32_t class, struct moves *moves)
{
    uint32_t target = ldr_slab_giver(slab, class);
    if (target == 0)
        return false;
    const struct ldr_entry *entry = ldr_slab_entry(slab, from);
    size_t size = ldr_entry_size(entry);
    ldr_ref to = ldr_slab_take_from(slab, target, size);
    ldr_entry_copy(ldr_slab_entry(slab, to), entry);
    moves->mover->moved(moves->mover->arg, from, to);
    ldr_slab_retire(slab, from);
    moves->spent += size;
    moves->any = true;
    return true;
}

/*
 * Entries that are pinned stay (a reader that pins one now does no harm: the old copy is retired and kept for it), as do
 * cells that were taken and are not written yet.
 */
static bool can_move(const struct ldr_slab *slab, ldr_ref ref, const struct ldr_mover *mover)
{
    return atomic_load_explicit(&ldr_slab_entry(slab, ref)->pins, memory_order_relaxed) == 0 &&
           mover->live(mover->arg, ref);
}

/* Goes on with the span that is being emptied. */
static void go_on(struct ldr_slab *slab, struct moves *moves)
{
    const struct ldr_span *span = ldr_heap_span(slab->heap, slab->emptying);
    while (slab->cursor < span->carved && moves->spent < moves->limit) {
        ldr_ref from = ldr_span_start(slab->heap, span) + slab->cursor;
        slab->cursor += span->cell;
        if (!can_move(slab, from, moves->mover)) {
            moves->spent += LOOKED_BYTES;
        } else if (!move(slab, from, span->class, moves)) {
            slab->cursor = span->carved;
        }
    }
    if (slab->cursor >= span->carved)
        stop(slab);
}

bool ldr_slab_compact(struct ldr_slab *slab, size_t bytes, const struct ldr_mover *mover)
{
    struct moves moves = {.mover = mover, .limit = bytes > 0 ? bytes : 1};
    do {
        if (slab->emptying == 0 && !begin(slab))
            return moves.any;
        go_on(slab, &moves);
    } while (!moves.any && moves.spent < moves.limit);
    return true;
}
