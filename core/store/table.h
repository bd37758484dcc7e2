/*
 * The resident entries by slot, by key and by time of expiry: one array of slots that carries all three.
 *
 *     slots[i].entry    the entry in slot i, NULL when the slot is free
 *     slots[i].next     the next slot of its bucket's chain, or of the list of free slots
 *     slots[i].bucket   the head of chain number i of the index
 *     slots[i].due      element number i of the heap by time of expiry
 *
 * The index is a linear hash table with as many buckets as there are entries (at least one): each insert splits one
 * bucket and each removal merges one, so that it grows and shrinks with the entries and never stops for a rehash. One
 * array means one allocation that can fail, before anything has changed. Links are slot + 1; 0 is none.
 */
#ifndef LDR_STORE_TABLE_H
#define LDR_STORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/store/entry.h"

struct ldr_slot {
    struct ldr_entry *entry;
    uint64_t hash;
    uint32_t next;
    uint32_t bucket;
    uint32_t due;
    uint32_t due_index; /* where in the heap this slot is, plus 1; 0: never expires */
};

struct ldr_table {
    struct ldr_slot *slots;
    uint32_t capacity;  /* elements of the array */
    uint32_t used;      /* slots below this were in use at some time */
    uint32_t free;      /* the slot freed last */
    uint32_t count;     /* entries */
    uint32_t buckets;   /* 1 or count, whichever is more */
    uint32_t due_count; /* elements of the heap */
};

/* The fewest slots of a table. */
#define LDR_TABLE_MIN 4u

/* False when out of memory. `capacity` is at least 1. */
bool ldr_table_open(struct ldr_table *table, uint32_t capacity);
void ldr_table_close(struct ldr_table *table); /* the entries stay */

/* How large to make a table for `count` entries: with none to spare, so that a full store can be rebuilt as it is. */
uint32_t ldr_table_capacity(uint32_t count, uint32_t max_slots);

/* The most that ldr_allocated() will say of the slots of a table. */
uint64_t ldr_table_bytes(uint32_t capacity);

/* Gives the array a new size, not below `used`. False when out of memory; nothing has changed then. */
bool ldr_table_resize(struct ldr_table *table, uint32_t capacity);

static inline bool ldr_table_has_free(const struct ldr_table *table)
{
    return table->free != 0 || table->used < table->capacity;
}

/* The slot of a key, or LARDER_NO_SLOT. */
uint32_t ldr_table_find(const struct ldr_table *table, struct larder_slice key, uint64_t hash);

/* Puts an entry whose key is not there into a free slot, of which there is one. Returns the slot. */
uint32_t ldr_table_insert(struct ldr_table *table, struct ldr_entry *entry, uint64_t hash);

/* Takes the entry out and frees its slot. Returns the entry. */
struct ldr_entry *ldr_table_remove(struct ldr_table *table, uint32_t slot);

/* Puts another entry of the same key in the place of the one there, which is returned. */
struct ldr_entry *ldr_table_replace(struct ldr_table *table, uint32_t slot, struct ldr_entry *entry);

/* Gives the entry of a slot a new time of expiry. */
void ldr_table_set_expires(struct ldr_table *table, uint32_t slot, uint64_t expires);

/* The slot that is due first, or LARDER_NO_SLOT when none will ever be. */
uint32_t ldr_table_due(const struct ldr_table *table);

/* expiry.c: puts a slot into the heap, to its right place in it, or out of it, as its entry's time wants. */
void ldr_due_update(struct ldr_table *table, uint32_t slot);
void ldr_due_remove(struct ldr_table *table, uint32_t slot);

#endif
