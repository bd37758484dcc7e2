#include "core/store/entry.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "larder/plugin/runtime.h"

/* The word that the allocator keeps in front of a block. */
#define BLOCK_HEADER sizeof(size_t)

struct ldr_entry *ldr_entry_new(const struct ldr_put *put)
{
    size_t size;
    if (!ldr_add(sizeof(struct ldr_entry) + put->key.size, put->value.size, &size))
        return NULL;
    struct ldr_entry *entry = malloc(size);
    if (entry == NULL)
        return NULL;
    atomic_init(&entry->pins, 1);
    atomic_init(&entry->expires, put->expires);
    entry->key_size = (uint16_t)put->key.size;
    entry->value_size = put->value.size;
    entry->negative = (put->flags & LDR_PUT_NEGATIVE) != 0;
    entry->version = put->version;
    memcpy(entry->bytes, put->key.data, put->key.size);
    if (put->value.size > 0)
        memcpy(entry->bytes + put->key.size, put->value.data, put->value.size);
    return entry;
}

void ldr_entry_pin(struct ldr_entry *entry)
{
    /* Relaxed: the caller holds the store's lock, and with it a resident entry, so the count cannot reach zero here. */
    atomic_fetch_add_explicit(&entry->pins, 1, memory_order_relaxed);
}

void ldr_entry_release(struct ldr_entry *entry)
{
    if (entry == NULL)
        return;
    /* Release: this thread's reads come before the free. Acquire: the one that frees sees all others' reads done. */
    if (atomic_fetch_sub_explicit(&entry->pins, 1, memory_order_acq_rel) == 1)
        free(entry);
}

struct larder_slice ldr_entry_key(const struct ldr_entry *entry)
{
    return ldr_slice(entry->bytes, entry->key_size);
}

struct larder_slice ldr_entry_value(const struct ldr_entry *entry)
{
    return ldr_slice(entry->bytes + entry->key_size, entry->value_size);
}

struct larder_version ldr_entry_version(const struct ldr_entry *entry)
{
    return entry->version;
}

bool ldr_entry_negative(const struct ldr_entry *entry)
{
    return entry->negative;
}

/* Relaxed both ways: the time stands alone, nothing is published with it. */
uint64_t ldr_entry_expires(const struct ldr_entry *entry)
{
    return atomic_load_explicit(&entry->expires, memory_order_relaxed);
}

void ldr_entry_set_expires(struct ldr_entry *entry, uint64_t expires)
{
    atomic_store_explicit(&entry->expires, expires, memory_order_relaxed);
}

bool ldr_entry_expired(const struct ldr_entry *entry, uint64_t now)
{
    uint64_t expires = ldr_entry_expires(entry);
    return expires != LARDER_NEVER && expires <= now;
}

uint64_t ldr_allocated(const void *block)
{
    return block == NULL ? 0 : malloc_usable_size((void *)block) + BLOCK_HEADER;
}
