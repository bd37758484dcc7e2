#include "core/store/state.h"

/* A table of fewer slots is not worth making smaller. */
#define COMPACT_FROM 64u

void ldr_room_drop(struct ldr_store *store, uint32_t slot)
{
    struct ldr_entry *entry = ldr_table_remove(&store->table, slot);
    ldr_account_subtract(store, entry);
    ldr_entry_release(entry);
}

bool ldr_room_evict(struct ldr_store *store, struct ldr_keep *keep)
{
    uint32_t slot = ldr_policy_evict(&store->policy, &store->table, keep, &store->policy_faults);
    if (slot == LARDER_NO_SLOT)
        return false;
    store->evictions++;
    if (!ldr_entry_expired(store->table.slots[slot].entry, store->latest))
        store->evictions_unexpired++;
    ldr_room_drop(store, slot);
    return true;
}

/* More slots, when they fit beside `need`. */
static bool grow(struct ldr_store *store, uint64_t need)
{
    struct ldr_table *table = &store->table;
    struct ldr_policy *policy = &store->policy;
    uint64_t wanted = (uint64_t)table->capacity + table->capacity / 8 + LDR_TABLE_MIN;
    uint32_t capacity = wanted < policy->max_slots ? (uint32_t)wanted : policy->max_slots;
    if (capacity <= table->capacity)
        return false;
    uint64_t grown = ldr_account_used(store) - ldr_allocated(table->slots) + ldr_table_bytes(capacity) -
                     ldr_policy_bytes(policy, table->capacity) + ldr_policy_bytes(policy, capacity);
    return grown + need <= store->setup.max_bytes && ldr_table_resize(table, capacity);
}

/*
 * Everything but `keep` is gone, and the table or what the policy keeps besides its slots is still in the way. A fresh
 * state and table are as small as they get. When that fails or does not help, the policy's state is given up: a module
 * that keeps more than its fresh state for at most one entry is at fault.
 */
static bool renew(struct ldr_store *store, struct ldr_keep *keep, bool *renewed)
{
    enum larder_status status = LARDER_NO_ROOM;
    if (!*renewed) {
        *renewed = true;
        status = ldr_rebuild(store, &store->setup, keep);
        if (status == LARDER_OK)
            return true;
    }
    if (store->policy.state == NULL)
        return false;
    if (status == LARDER_NO_ROOM)
        store->policy_faults++;
    ldr_policy_close(&store->policy);
    return true;
}

bool ldr_room_make(struct ldr_store *store, uint64_t need, bool slot, struct ldr_keep *keep)
{
    bool renewed = false;
    for (;;) {
        if (slot && !ldr_table_has_free(&store->table)) {
            if (grow(store, need))
                continue;
        } else if (ldr_account_used(store) + need <= store->setup.max_bytes) {
            return true;
        }
        if (ldr_room_evict(store, keep))
            ldr_room_compact(store, keep);
        else if (!renew(store, keep, &renewed))
            return false;
    }
}

void ldr_room_settle(struct ldr_store *store, struct ldr_keep *keep)
{
    for (;;) {
        ldr_room_make(store, 0, false, keep);
        if (!keep->held)
            return;
        const struct ldr_slot *slot = &store->table.slots[keep->slot];
        struct larder_object object = ldr_account_object(store->setup.module, slot->entry, slot->hash);
        ldr_policy_insert(&store->policy, keep->slot, &object);
        keep->held = false;
    }
}

void ldr_room_compact(struct ldr_store *store, struct ldr_keep *keep)
{
    if (store->table.capacity > COMPACT_FROM && store->table.count < store->table.capacity / 4)
        ldr_rebuild(store, &store->setup, keep);
}
