#include "core/store/table.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

bool ldr_table_open(struct ldr_table *table, uint32_t capacity)
{
    *table = (struct ldr_table){.slots = calloc(capacity, sizeof(struct ldr_slot)), .capacity = capacity, .buckets = 1};
    return table->slots != NULL;
}

void ldr_table_close(struct ldr_table *table)
{
    free(table->slots);
    table->slots = NULL;
}

uint32_t ldr_table_capacity(uint32_t count, uint32_t max_slots)
{
    uint32_t wanted = count > LDR_TABLE_MIN ? count : LDR_TABLE_MIN;
    return wanted < max_slots ? wanted : max_slots;
}

uint64_t ldr_table_bytes(uint32_t capacity)
{
    uint64_t bytes = (uint64_t)capacity * sizeof(struct ldr_slot) + 2 * sizeof(size_t) + LDR_ALLOCATED_SLACK;
    return bytes >= LDR_MAPPED_FROM ? ldr_whole_pages(bytes) : bytes;
}

bool ldr_table_resize(struct ldr_table *table, uint32_t capacity)
{
    struct ldr_slot *slots = reallocarray(table->slots, capacity, sizeof *slots);
    if (slots == NULL)
        return false;
    if (capacity > table->capacity)
        memset(slots + table->capacity, 0, (size_t)(capacity - table->capacity) * sizeof *slots);
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

/* The greatest power of two that is not above n; n is at least 1. */
static uint32_t power_below(uint32_t n)
{
    return UINT32_C(1) << (31 - __builtin_clz(n));
}

static uint32_t bucket_of(const struct ldr_table *table, uint64_t hash)
{
    uint32_t half = power_below(table->buckets);
    uint32_t bucket = (uint32_t)hash & (2 * half - 1);
    return bucket < table->buckets ? bucket : bucket - half;
}

uint32_t ldr_table_find(const struct ldr_table *table, struct larder_slice key, uint64_t hash)
{
    const struct ldr_slot *slots = table->slots;
    for (uint32_t link = slots[bucket_of(table, hash)].bucket; link != 0; link = slots[link - 1].next) {
        const struct ldr_slot *slot = &slots[link - 1];
        if (slot->hash == hash && ldr_slice_equal(ldr_entry_key(slot->entry), key))
            return link - 1;
    }
    return LARDER_NO_SLOT;
}

/* One bucket more: what belongs there leaves the chain of the bucket it is split from. */
static void split_bucket(struct ldr_table *table)
{
    struct ldr_slot *slots = table->slots;
    uint32_t fresh = table->buckets++, half = power_below(fresh);
    slots[fresh].bucket = 0;
    uint32_t *link = &slots[fresh - half].bucket;
    while (*link != 0) {
        uint32_t slot = *link - 1;
        if (((uint32_t)slots[slot].hash & (2 * half - 1)) != fresh) {
            link = &slots[slot].next;
            continue;
        }
        *link = slots[slot].next;
        slots[slot].next = slots[fresh].bucket;
        slots[fresh].bucket = slot + 1;
    }
}

/* One bucket less: the last one's chain goes to the end of the bucket it was split from. */
static void merge_bucket(struct ldr_table *table)
{
    struct ldr_slot *slots = table->slots;
    uint32_t last = --table->buckets;
    uint32_t *link = &slots[last - power_below(last)].bucket;
    while (*link != 0)
        link = &slots[*link - 1].next;
    *link = slots[last].bucket;
    slots[last].bucket = 0;
}

uint32_t ldr_table_insert(struct ldr_table *table, struct ldr_entry *entry, uint64_t hash)
{
    uint32_t slot;
    if (table->free != 0) {
        slot = table->free - 1;
        table->free = table->slots[slot].next;
    } else {
        slot = table->used++;
    }
    if (++table->count > table->buckets)
        split_bucket(table);
    uint32_t *head = &table->slots[bucket_of(table, hash)].bucket;
    table->slots[slot].entry = entry;
    table->slots[slot].hash = hash;
    table->slots[slot].next = *head;
    *head = slot + 1;
    ldr_due_update(table, slot);
    return slot;
}

struct ldr_entry *ldr_table_remove(struct ldr_table *table, uint32_t slot)
{
    struct ldr_slot *slots = table->slots;
    struct ldr_entry *entry = slots[slot].entry;
    uint32_t *link = &slots[bucket_of(table, slots[slot].hash)].bucket;
    while (*link != slot + 1)
        link = &slots[*link - 1].next;
    *link = slots[slot].next;
    ldr_due_remove(table, slot);
    if (--table->count > 0 && table->buckets > table->count)
        merge_bucket(table);
    slots[slot].entry = NULL;
    slots[slot].next = table->free;
    table->free = slot + 1;
    return entry;
}

struct ldr_entry *ldr_table_replace(struct ldr_table *table, uint32_t slot, struct ldr_entry *entry)
{
    struct ldr_entry *old = table->slots[slot].entry;
    table->slots[slot].entry = entry;
    ldr_due_update(table, slot);
    return old;
}

void ldr_table_set_expires(struct ldr_table *table, uint32_t slot, uint64_t expires)
{
    ldr_entry_set_expires(table->slots[slot].entry, expires);
    ldr_due_update(table, slot);
}

uint32_t ldr_table_due(const struct ldr_table *table)
{
    return table->due_count == 0 ? LARDER_NO_SLOT : table->slots[0].due;
}
