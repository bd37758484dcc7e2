/*
 * How a policy hears of hits from readers that take no lock.
 *
 * A policy that counts hits (hit_max 1 to 15) has a byte a slot, which readers raise up to hit_max and then no longer
 * write. One that wants to be called (hit_max 0) has a ring: readers put slots into it, and whoever puts something
 * new into the shard, or evicts, hands them on first. A reader that fills the ring takes the lock itself if it is free; what
 * finds the ring full is dropped and counted.
 *
 * Where a shard has many slots, a bit a slot marks those that were put into the ring in this generation; within one
 * generation that happens once, so that keys in constant use cost no write. A generation ends when half as many hits
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
    /* One a slot; NULL where there is a ring. All accesses are relaxed atomics: each byte stands alone. */
    uint8_t *bytes;
    /*
     * One bit a slot, of a ring that has many, else NULL. A word is changed by a load and a store, as an atomic OR would wait
     * for all that is under way. Between the two another reader's mark may be lost, and its slot is told again; or a mark may
     * come back that was cleared, of a newcomer, too, whose hits are then not told until the generation ends.
     */
    _Atomic uint64_t *marks;
    uint32_t slots; /* an entry that is gone may show any number as its slot */
    uint32_t ring;  /* elements, a power of two; 0: hits are counted in the bytes */
    uint8_t most;   /* hits that are counted */
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

/* What its bytes or marks cost. */
uint64_t ldr_hits_bytes(uint32_t hit_max, uint32_t slots);

/* Puts a hit into the ring, if it has room. How many waited before it; as many as the ring holds, or more: it was dropped. */
static inline uint32_t ldr_hits_wait(struct ldr_hits *hits, uint32_t slot)
{
    uint32_t end = atomic_load_explicit(&hits->end, memory_order_relaxed);
    uint32_t waiting = end - atomic_load_explicit(&hits->first, memory_order_relaxed);
    if (waiting >= hits->ring) {
        atomic_fetch_add_explicit(&hits->dropped, 1, memory_order_relaxed);
        return waiting;
    }
    atomic_store_explicit(&hits->waiting[end & (hits->ring - 1)], slot, memory_order_relaxed);
    atomic_store_explicit(&hits->end, end + 1, memory_order_relaxed);
    return waiting;
}

/* One hit. False: the ring is full now, and whoever can take the shard's lock should empty it. */
static inline bool ldr_hits_add(struct ldr_hits *hits, uint32_t slot)
{
    if (slot >= hits->slots)
        return true;
    if (hits->ring == 0) {
        uint8_t byte = __atomic_load_n(&hits->bytes[slot], __ATOMIC_RELAXED);
        if (byte < hits->most)
            __atomic_store_n(&hits->bytes[slot], (uint8_t)(byte + 1), __ATOMIC_RELAXED);
        return true;
    }
    _Atomic uint64_t *word = hits->marks != NULL ? &hits->marks[slot / 64] : NULL;
    uint64_t mark = UINT64_C(1) << slot % 64;
    if (word != NULL && (atomic_load_explicit(word, memory_order_relaxed) & mark) != 0)
        return true;
    uint32_t waiting = ldr_hits_wait(hits, slot);
    if (waiting >= hits->ring) /* without a mark: it is to be told the next time */
        return false;
    if (word != NULL) /* loaded again, as the ring may have taken its time */
        atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) | mark, memory_order_relaxed);
    return waiting + 1 < hits->ring;
}

/* Asks for what ldr_hits_add() looks at. NULL is fine. */
static inline void ldr_hits_prefetch(const struct ldr_hits *hits, uint32_t slot)
{
    if (hits == NULL)
        return;
    if (hits->bytes != NULL)
        __builtin_prefetch(&hits->bytes[slot]);
    else if (hits->marks != NULL)
        __builtin_prefetch(&hits->marks[slot / 64]);
}

/* Whether the generation has had as many hits and new entries as it may among so many entries. Under the shard's lock. */
static inline bool ldr_hits_is_over(const struct ldr_hits *hits, uint32_t entries)
{
    return hits->marks != NULL && (hits->told > entries / 2 || hits->news > entries / 8);
}

/* Whether the ring has something in it, or a generation is over. Under the shard's lock. */
static inline bool ldr_hits_due(const struct ldr_hits *hits, uint32_t entries)
{
    return atomic_load_explicit(&hits->end, memory_order_relaxed) !=
               atomic_load_explicit(&hits->first, memory_order_relaxed) ||
           ldr_hits_is_over(hits, entries);
}

/*
 * Takes what is in the ring out of it, oldest first: slots, up to LDR_HITS_RING, into `taken`. Begins a generation if one is
 * over, among slots of which those from `used` on never had an entry. Under the shard's lock.
 */
uint32_t ldr_hits_take(struct ldr_hits *hits, uint32_t entries, uint32_t used, uint32_t *taken);

/*
 * A slot has a new entry, which was not used yet. Under the shard's lock. Seldom is there anything to clear, as what was evicted
 * was not in use: a line that other readers look at is not to be written without need.
 */
static inline void ldr_hits_reset(struct ldr_hits *hits, uint32_t slot)
{
    hits->news++;
    if (hits->bytes != NULL && __atomic_load_n(&hits->bytes[slot], __ATOMIC_RELAXED) != 0)
        __atomic_store_n(&hits->bytes[slot], 0, __ATOMIC_RELAXED);
    if (hits->marks == NULL)
        return;
    uint64_t marks = atomic_load_explicit(&hits->marks[slot / 64], memory_order_relaxed);
    uint64_t mark = UINT64_C(1) << slot % 64;
    if ((marks & mark) != 0)
        atomic_store_explicit(&hits->marks[slot / 64], marks & ~mark, memory_order_relaxed);
}

#endif
