#include "core/store/state.h"

/* A key of one byte, no value; the allocator's header and its rounding to 16 included. */
uint64_t ldr_account_smallest(void)
{
    return (sizeof(struct ldr_entry) + 1 + sizeof(size_t) + 15) / 16 * 16;
}

/* What is spent before the first slot; the slack is that of an entry, so that the one promised does fit. */
static uint64_t empty_bytes(const struct larder_eviction *module, uint64_t base)
{
    return base + LDR_ALLOCATED_SLACK + ldr_table_bytes(0) + ldr_policy_array_bytes(module, 0, 0);
}

static uint64_t smallest_bytes(const struct larder_eviction *module)
{
    return ldr_account_smallest() + sizeof(struct ldr_slot) + ldr_policy_slot_bytes(module);
}

uint32_t ldr_account_slots(const struct ldr_setup *setup, uint64_t base)
{
    uint64_t empty = empty_bytes(setup->module, base);
    if (setup->max_bytes <= empty)
        return 0;
    uint64_t slots = (setup->max_bytes - empty) / smallest_bytes(setup->module);
    return slots < UINT32_MAX - 1 ? (uint32_t)slots : UINT32_MAX - 1;
}

uint64_t ldr_account_least(const struct ldr_setup *setup, uint64_t base)
{
    return empty_bytes(setup->module, base) + smallest_bytes(setup->module);
}

uint64_t ldr_account_base(const struct ldr_store *store, const struct ldr_setup *setup)
{
    return ldr_allocated(store) + ldr_allocated(setup->params);
}

uint64_t ldr_account_fresh(const struct ldr_store *store, const struct ldr_setup *setup,
                           const struct ldr_policy *policy, uint32_t count, uint64_t entry_bytes)
{
    uint32_t capacity = ldr_table_capacity(count, policy->max_slots);
    return ldr_account_base(store, setup) + ldr_table_bytes(capacity) +
           ldr_policy_array_bytes(setup->module, policy->max_slots, capacity) + policy->fresh_bytes + entry_bytes;
}

uint64_t ldr_account_used(const struct ldr_store *store)
{
    return ldr_account_base(store, &store->setup) + ldr_allocated(store->table.slots) +
           ldr_policy_bytes(&store->policy, store->table.capacity) + store->entry_bytes;
}

void ldr_account_add(struct ldr_store *store, const struct ldr_entry *entry)
{
    store->entry_bytes += ldr_allocated(entry);
    store->value_bytes += entry->key_size + entry->value_size;
}

void ldr_account_subtract(struct ldr_store *store, const struct ldr_entry *entry)
{
    store->entry_bytes -= ldr_allocated(entry);
    store->value_bytes -= entry->key_size + entry->value_size;
}

struct larder_object ldr_account_object(const struct larder_eviction *module, const struct ldr_entry *entry,
                                        uint64_t hash)
{
    uint64_t charge = ldr_allocated(entry) + sizeof(struct ldr_slot) + ldr_policy_slot_bytes(module);
    return (struct larder_object){.digest = hash, .charge = charge < UINT32_MAX ? (uint32_t)charge : UINT32_MAX};
}
