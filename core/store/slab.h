/*
 * Memory for entries. One heap a store: a reserved range of addresses, cut into grains, from which runs of grains are
 * taken as spans. One slab a shard: spans of its own, each cut into cells of one size class (an entry too large for a
 * class has a span of one cell). The grain is 4 KiB; small stores have a smaller one, so that a cache of 2 KiB works.
 *
 *     heap   |span of 8 grains: cells of 136 B |free|span: one large entry |span: cells of 1,088 B|free ...
 *
 * All memory is taken from the budget in whole spans. A cell that is retired may still be read, and is used again only
 * when no section of LDR_EPOCH_STORE that was open then is open any more and no reader pins the entry. What readers pin
 * beyond that is theirs: it is given back to the budget, and owed again when it is released.
 *
 * A heap may be used by many threads; a slab only under its shard's lock.
 */
#ifndef LDR_STORE_SLAB_H
#define LDR_STORE_SLAB_H

#include "core/store/budget.h"
#include "core/store/entry.h"

struct ldr_heap;
struct ldr_slab;

struct ldr_heap_options {
    uint64_t reach; /* bytes of entries that can ever be held: twice that range is reserved, for runs of many grains */
    uint64_t quota; /* what one shard is expected to hold: sizes of grains and spans follow it */
    bool huge;      /* use huge pages where the budget has room for whole ones */
};

/* Address space is reserved, and only its first page touched. NULL: no address space or memory; nothing leaked. */
struct ldr_heap *ldr_heap_open(const struct ldr_heap_options *options, struct ldr_budget *budget);

/*
 * Ends it once the slabs are closed. When entries are pinned still, the last ldr_entry_release() does the rest. NULL is
 * fine.
 */
void ldr_heap_close(struct ldr_heap *heap);

struct ldr_place ldr_heap_place(const struct ldr_heap *heap);

/*
 * What the heap keeps besides the spans, now: its own struct, maps of grains, structs of spans, in whole grains; slabs.
 * Not taken from the budget. Grows and shrinks with the spans.
 */
uint64_t ldr_heap_overhead(const struct ldr_heap *heap);

/* NULL when out of memory. What it takes is part of ldr_heap_overhead(). */
struct ldr_slab *ldr_slab_open(struct ldr_heap *heap);

/*
 * How a store whose budget has become smaller cuts its memory, for all of its slabs: new spans are no longer than a slab
 * that is expected to hold `quota` is worth. NULL: as at first, also when there is no memory for another way. It must
 * outlive its use by slabs, of which every one is told, under its shard's lock.
 */
struct ldr_fit;
struct ldr_fit *ldr_fit_new(struct ldr_heap *heap, uint64_t quota);
void ldr_fit_free(struct ldr_heap *heap, struct ldr_fit *fit); /* NULL is fine */
void ldr_slab_fit(struct ldr_slab *slab, const struct ldr_fit *fit);

/*
 * When nobody reads or writes any more, though pins may be released meanwhile. Entries still resident or retired are
 * orphaned when pinned, else forgotten; the budget gets everything back. NULL is fine.
 */
void ldr_slab_close(struct ldr_slab *slab);

/* The bytes of the cell that an entry of this size gets in a span that is new. */
size_t ldr_slab_cell_size(const struct ldr_heap *heap, size_t size);

/* The bytes of that span: what the budget has to have when no cell is free. */
size_t ldr_slab_span_size(const struct ldr_slab *slab, size_t size);

/* Whether there is such a span without asking the budget: what is left of a huge page. */
bool ldr_slab_has_span(const struct ldr_slab *slab, size_t size);

/* Whether the budget has room for that span, and the reserved range has no place. */
bool ldr_slab_lacks_addresses(const struct ldr_slab *slab, size_t size);

/* The bytes of the cell that an entry has. */
size_t ldr_slab_cell_of(const struct ldr_heap *heap, ldr_ref ref);

/*
 * A cell for an entry of `size` bytes, of those at hand after ldr_slab_turn_over(), from the free cells, or a new span that
 * the budget allows. 0: none of these. The cell's bytes are undefined. Waits for nothing.
 */
ldr_ref ldr_slab_take(struct ldr_slab *slab, size_t size);

/*
 * Takes a cell at hand, of an entry's own size, and retires in the same step the one of the entry whose place it takes:
 * what a slab holds is the same before and after. 0: nothing has happened.
 */
ldr_ref ldr_slab_exchange(struct ldr_slab *slab, size_t size, ldr_ref old);

/*
 * Asks for two more cache lines of the cell that the next taker will be given, as a rule: its first one was asked for
 * before, and the processor follows longer ones by itself. Without the shard's lock.
 */
void ldr_slab_prefetch(const struct ldr_slab *slab);

/* Gives back a cell whose entry no reader can have seen, written or not. */
void ldr_slab_untake(struct ldr_slab *slab, ldr_ref ref);

/* The entry has been unlinked: its cell will be free when nobody can read it any more. */
void ldr_slab_retire(struct ldr_slab *slab, ldr_ref ref);

/*
 * Takes back what nobody can read any more, and gives spans that are empty to the heap. Looks at a bounded number of
 * cells; O(1) when there is nothing to do. True when a cell or a span came free, or the budget got something back that
 * the heap had kept for the next span.
 */
bool ldr_slab_collect(struct ldr_slab *slab);

/*
 * The same, but what nobody can read any more is at hand for ldr_slab_take() until this is called again: only then what
 * nobody has taken goes back to its span, but for some cells, if others were taken. For the steady state, in which as
 * many cells are retired as are taken.
 */
bool ldr_slab_turn_over(struct ldr_slab *slab);

/* Whether what was retired first has to wait for the epoch still. */
bool ldr_slab_waits(const struct ldr_slab *slab);

/*
 * What has to happen so that ldr_slab_take() can succeed, when it did not and ldr_slab_collect() brought nothing. With
 * size 0: so that spans go back to the heap, as many as the budget is over its limit, one at least. Claims and reserve
 * of the budget count as held. GRACE is answered no longer than something is retired (or when another thread has just
 * made room), COMPACT no longer than free cells would fill spans.
 */
enum ldr_need {
    LDR_NEED_GRACE,   /* enough is retired already: advance the epoch (LDR_EPOCH_STORE), collect, try again */
    LDR_NEED_COMPACT, /* enough is free in cells of other classes, or scattered: ldr_slab_compact(), or evict */
    LDR_NEED_ROOM     /* evict, then ask again */
};
enum ldr_need ldr_slab_need(const struct ldr_slab *slab, size_t size);

/* The same so that this slab's spans become so many bytes fewer. */
enum ldr_need ldr_slab_need_bytes(const struct ldr_slab *slab, uint64_t bytes);

/* What the owner of entries does when they are moved. */
struct ldr_mover {
    bool (*live)(void *arg, ldr_ref ref); /* whether a cell that is in use has an entry that is resident */
    void (*moved)(void *arg, ldr_ref from,
                  ldr_ref to); /* swaps the references in the index and in the table of slots */
    void *arg;
};

/*
 * Empties one of the sparsest spans whose entries have room in other spans of this slab: each live entry is copied into
 * another cell and `moved` is called; the old cell is retired then. At most about `bytes` are copied a call, one entry
 * at least: a span half emptied is gone on with next time. Never a span that has the only free cells of its class, nor
 * one that pins keep. False: there is none.
 */
bool ldr_slab_compact(struct ldr_slab *slab, size_t bytes, const struct ldr_mover *mover);

/*
 * Bytes in this slab's spans; those in free cells; those in retired cells and spans, without what readers pin. The
 * budget holds spans less pinned.
 */
struct ldr_slab_bytes {
    uint64_t spans, free, retired, pinned;
};
struct ldr_slab_bytes ldr_slab_bytes(const struct ldr_slab *slab);

/* What resident entries have of them. */
static inline uint64_t ldr_slab_live(const struct ldr_slab_bytes *bytes)
{
    return bytes->spans - bytes->free - bytes->retired - bytes->pinned;
}

/* Grains in this slab's spans: changes whenever it takes or gives one. */
uint32_t ldr_slab_grains(const struct ldr_slab *slab);

#endif
