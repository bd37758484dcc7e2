/*
 * The slots of a shard: the small integers by which its policy knows the entries, and the way from them to the entries.
 * Dense, filled upward; the one freed last is used first. Under the shard's lock.
 *
 * The array has two halves in the store's reserved range, of which one is in use: a rebuild numbers all entries anew in
 * the other, so that it needs no memory that could be refused.
 */
#ifndef LDR_STORE_SLOTS_H
#define LDR_STORE_SLOTS_H

#include "core/store/entry.h"
#include "larder/plugin/eviction.h"

/* References are below this, which leaves a bit to tell a free slot from one in use. */
#define LDR_SLOT_FREE UINT32_C(0x80000000)

struct ldr_slots {
    uint32_t *refs; /* of a resident entry; LDR_SLOT_FREE | the next free slot + 1 of a free one */
    uint32_t used;  /* slots below this were in use at some time */
    uint32_t free;  /* the slot freed last, plus 1 */
    uint32_t count; /* entries */
};

static inline bool ldr_slots_resident(const struct ldr_slots *slots, uint32_t slot)
{
    return slot < slots->used && (slots->refs[slot] & LDR_SLOT_FREE) == 0;
}

/* False: every slot below max_slots is in use. */
static inline bool ldr_slots_have_free(const struct ldr_slots *slots, uint32_t max_slots)
{
    return slots->free != 0 || slots->used < max_slots;
}

/* A free slot, of which there is one. */
static inline uint32_t ldr_slots_take(struct ldr_slots *slots, ldr_ref ref)
{
    uint32_t slot = slots->used;
    if (slots->free != 0) {
        slot = slots->free - 1;
        slots->free = slots->refs[slot] & ~LDR_SLOT_FREE;
    } else {
        slots->used++;
    }
    slots->refs[slot] = ref;
    slots->count++;
    return slot;
}

static inline void ldr_slots_give(struct ldr_slots *slots, uint32_t slot)
{
    slots->refs[slot] = LDR_SLOT_FREE | slots->free;
    slots->free = slot + 1;
    slots->count--;
}

#endif
