/*
 * The entries of a shard that will expire, by time: a binary heap, so that those that are due are found without touching
 * another entry, and one that was deleted leaves nothing behind. Its arrays lie in the store's reserved range and are
 * touched only as far as entries expire. Under the shard's lock.
 */
#ifndef LDR_STORE_DUE_H
#define LDR_STORE_DUE_H

#include "core/store/slots.h"

struct ldr_due {
    uint64_t *times; /* of the heap's elements: times[0] is due first */
    uint32_t *slots; /* whose they are */
    uint32_t *where; /* by slot: its place in the heap plus 1; 0: never expires */
    uint32_t count;
    uint32_t high; /* elements below this have been touched */
};

/* Puts a slot in, or gives it another time. */
void ldr_due_set(struct ldr_due *due, uint32_t slot, uint64_t time);

/* Takes a slot out, if it is in. */
void ldr_due_remove(struct ldr_due *due, uint32_t slot);

/* The slot that is due first; LARDER_NO_SLOT when none will ever be. */
static inline uint32_t ldr_due_first(const struct ldr_due *due)
{
    return due->count == 0 ? LARDER_NO_SLOT : due->slots[0];
}

#endif
