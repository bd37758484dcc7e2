/* An entry: one block of memory with a header, the key and the value. Shared by the store and its readers. */
#ifndef LDR_STORE_ENTRY_H
#define LDR_STORE_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store/store.h"

struct ldr_entry {
    _Atomic uint32_t pins; /* one for being resident, one for each reader; the last release frees */
    uint16_t key_size;
    bool negative;
    size_t value_size;
    _Atomic uint64_t expires;
    struct larder_version version;
    unsigned char bytes[]; /* the key, then the value */
};

/* A new entry with one pin, the store's; sizes were checked. NULL when out of memory. */
struct ldr_entry *ldr_entry_new(const struct ldr_put *put);

/* Adds a reader. Only while the entry is resident, under the store's lock. */
void ldr_entry_pin(struct ldr_entry *entry);

void ldr_entry_set_expires(struct ldr_entry *entry, uint64_t expires);

bool ldr_entry_expired(const struct ldr_entry *entry, uint64_t now);

/* An allocator may give a block this much more than was asked for, when what is left over is too small for a block. */
#define LDR_ALLOCATED_SLACK 16u

/* Blocks from this size on are mapped in whole pages, which come when they are touched. */
#define LDR_MAPPED_FROM (UINT64_C(128) << 10)

static inline uint64_t ldr_whole_pages(uint64_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

/* What a block costs the process: what the allocator gave, with its header. 0 for NULL. */
uint64_t ldr_allocated(const void *block);

#endif
