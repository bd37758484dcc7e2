/*
 * How a policy hears of hits from readers that take no lock.
 *
 * A policy that counts hits (hit_max 1 to 15) has a byte a slot, which readers raise up to hit_max and then no longer
 * write. One that wants to be called (hit_max 0) has a ring: readers put slots into it, and whoever puts something
 * new into the shard, or evicts, hands them on first. A reader that fills the ring takes the lock itself if it is free; what
 * finds the ring full is dropped and counted.
 *
 * Where a shard has many slots, a byte a slot tells the generation in which the slot was last put into the ring; within
 * one generation that happens once, so that keys in constant use cost no write. A generation ends when half as many hits
 * were handed on as there are entries, or an eighth as many entries have come: whoever was in use in it is still far from
 * the coldest.
 */
#ifndef LDR_STORE_HITS_H
#define LDR_STORE_HITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most elements of a ring. */
#define LDR_HITS_RING 128u

/* The most that hit_max may be for hits to be counted in bytes. */
#define LDR_HIT_MAX 15u

/* Of one state of a policy. Readers reach it through the shard; it lives until the sections that might have are over. */
struct ldr_hits {
    uint8_t *bytes;              /* one a slot; NULL: none. All accesses are relaxed atomics: each byte stands alone */
    uint32_t slots;              /* an entry that is gone may show any number as its slot */
    uint32_t ring;               /* elements, a power of two; 0: hits are counted in the bytes */
    uint8_t most;                /* hits that are counted */
    _Atomic uint32_t generation; /* 1 to 255 */
    _Atomic uint64_t dropped;
    struct ldr_hits *left; /* what the shard had before this one; set when this one, too, is not in use any more */
    uint64_t tag;          /* which has passed when no reader sees it; set likewise */
    /*
     * The ring's ends count on and on. Readers move `end` by a load and a store, since an atomic addition would cost a
     * reader as much as a tenth of its lookup: of two who do it in the very same moment one is lost, and not counted as
     * dropped. One who is held up between the two may set `end` back, behind `first`: then the ring counts as empty.
     * All relaxed, as a slot that is read too early or too late is one hit wrong.
     */
    _Alignas(64) _Atomic uint32_t end;
    _Atomic uint32_t first; /* written under the shard's lock */
    uint32_t told, news;    /* hits handed on, and new entries, of this generation; under the shard's lock */
    _Atomic uint32_t waiting[];
};

/* For a module with this hit_max. NULL: out of memory. */
struct ldr_hits *ldr_hits_open(uint32_t hit_max, uint32_t slots);
void ldr_hits_close(struct ldr_hits *hits); /* and all that were left before; NULL is fine */

/* What its bytes cost. */
uint64_t ldr_hits_bytes(uint32_t hit_max, uint32_t slots);

/* One hit. False: the ring is full now, and whoever can take the shard's lock should empty it. */
static inline bool ldr_hits_add(struct ldr_hits *hits, uint32_t slot)
{
    if (slot >= hits->slots)
        return true;
    uint8_t *mark = NULL, generation = 0;
    if (hits->bytes != NULL) {
        uint8_t byte = __atomic_load_n(&hits->bytes[slot], __ATOMIC_RELAXED);
        if (hits->ring == 0) {
            if (byte < hits->most)
                __atomic_store_n(&hits->bytes[slot], (uint8_t)(byte + 1), __ATOMIC_RELAXED);
            return true;
        }
        generation = (uint8_t)atomic_load_explicit(&hits->generation, memory_order_relaxed);
        if (byte == generation)
            return true;
        mark = &hits->bytes[slot];
    }
    uint32_t end = atomic_load_explicit(&hits->end, memory_order_relaxed);
    uint32_t waiting = end - atomic_load_explicit(&hits->first, memory_order_relaxed);
    if (waiting >= hits->ring) {
        atomic_fetch_add_explicit(&hits->dropped, 1, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(&hits->waiting[end & (hits->ring - 1)], slot, memory_order_relaxed);
    atomic_store_explicit(&hits->end, end + 1, memory_order_relaxed);
    if (mark != NULL) /* only now: one that was dropped is to be told the next time */
        __atomic_store_n(mark, generation, __ATOMIC_RELAXED);
    return waiting + 1 < hits->ring;
}

/* Asks for what ldr_hits_add() looks at. NULL is fine. */
static inline void ldr_hits_prefetch(const struct ldr_hits *hits, uint32_t slot)
{
    if (hits != NULL && hits->bytes != NULL)
        __builtin_prefetch(&hits->bytes[slot], 1);
}

/* Whether the generation has had as many hits and new entries as it may among so many entries. Under the shard's lock. */
static inline bool ldr_hits_is_over(const struct ldr_hits *hits, uint32_t entries)
{
    return hits->ring > 0 && hits->bytes != NULL && (hits->told > entries / 2 || hits->news > entries / 8);
}

/* Whether the ring has something in it, or a generation is over. Under the shard's lock. */
static inline bool ldr_hits_due(const struct ldr_hits *hits, uint32_t entries)
{
    return atomic_load_explicit(&hits->end, memory_order_relaxed) !=
               atomic_load_explicit(&hits->first, memory_order_relaxed) ||
           ldr_hits_is_over(hits, entries);
}

/* Takes what is in the ring out of it, oldest first: slots, up to LDR_HITS_RING. Begins a generation if one is over. Under the
   shard's lock. */
uint32_t ldr_hits_take(struct ldr_hits *hits, uint32_t entries, uint32_t *slots);

/* A slot has a new entry, which was not used yet. Under the shard's lock. */
static inline void ldr_hits_reset(struct ldr_hits *hits, uint32_t slot)
{
    hits->news++;
    if (hits->bytes != NULL)
        __atomic_store_n(&hits->bytes[slot], 0, __ATOMIC_RELAXED);
}

#endif
