#include <inttypes.h>
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/store/state.h"

static enum larder_status too_small(const struct ldr_setup *setup, uint64_t least)
{
    return ldr_fail(LARDER_NO_ROOM, "max_bytes: got %" PRIu64 ", wanted at least %" PRIu64 " (eviction %s)",
                    setup->max_bytes, least, setup->module->head.name);
}

/* How many entries of the size of those here the budget holds; 0 when there are none to judge by. */
static uint32_t expected_entries(const struct ldr_store *store, const struct ldr_setup *setup, uint32_t max_slots)
{
    if (store->table.count == 0)
        return 0;
    uint64_t each = store->entry_bytes / store->table.count + sizeof(struct ldr_slot) +
                    ldr_policy_slot_bytes(setup->module);
    uint64_t expected = setup->max_bytes / each + 1;
    return expected < max_slots ? (uint32_t)expected : max_slots;
}

enum larder_status ldr_rebuild_policy(const struct ldr_store *store, const struct ldr_setup *setup,
                                      struct ldr_policy *policy)
{
    uint64_t base = ldr_account_base(store, setup);
    /* What a module keeps in a fresh state besides its slots is known afterwards: then there is room for fewer slots. */
    for (int attempt = 0; attempt < 2; attempt++) {
        uint32_t max_slots = ldr_account_slots(setup, base);
        if (max_slots == 0)
            break;
        if (!ldr_policy_open(policy, setup->module, setup->params, max_slots, expected_entries(store, setup, max_slots),
                             setup->max_bytes - base))
            return ldr_fail_memory();
        if (ldr_account_fresh(store, setup, policy, 0, ldr_account_smallest()) <= setup->max_bytes)
            return LARDER_OK;
        base += policy->fresh_bytes;
        ldr_policy_close(policy);
    }
    return too_small(setup, ldr_account_least(setup, base));
}

/* Where the entries go. */
struct target {
    const struct ldr_setup *setup;
    struct ldr_policy policy;
    struct ldr_table table;
    uint32_t keep; /* where the entry to keep went */
};

static void move_entry(struct ldr_store *store, uint32_t slot, struct target *target, const struct ldr_keep *keep)
{
    struct ldr_slot *from = &store->table.slots[slot];
    struct larder_object object = ldr_account_object(target->setup->module, from->entry, from->hash);
    uint32_t to = ldr_table_insert(&target->table, from->entry, from->hash);
    ldr_policy_insert(&target->policy, to, &object);
    if (slot == keep->slot)
        target->keep = to;
    from->entry = NULL;
}

/* Coldest first; when the old state was given up, the rest in the order of slots; an entry held out of it last. */
static void move_all(struct ldr_store *store, struct target *target, struct ldr_keep *keep)
{
    uint32_t left = store->table.count - (keep->held ? 1u : 0u);
    for (; left > 0; left--) {
        uint32_t slot = ldr_policy_coldest(&store->policy, &store->table, keep, &store->policy_faults);
        if (slot == LARDER_NO_SLOT)
            break;
        move_entry(store, slot, target, keep);
    }
    for (uint32_t slot = 0; left > 0; slot++) {
        if (store->table.slots[slot].entry == NULL || (keep->held && slot == keep->slot))
            continue;
        move_entry(store, slot, target, keep);
        left--;
    }
    if (keep->held)
        move_entry(store, keep->slot, target, keep);
    *keep = (struct ldr_keep){.slot = target->keep};
}

static bool fits(const struct ldr_store *store, const struct target *target)
{
    uint32_t count = store->table.count;
    if (count > target->table.capacity)
        return false;
    uint64_t bytes = ldr_account_fresh(store, target->setup, &target->policy, count, store->entry_bytes);
    /* What the slots really cost may be less than the estimate. */
    uint64_t estimate = ldr_table_bytes(ldr_table_capacity(count, target->policy.max_slots));
    uint64_t real = ldr_allocated(target->table.slots);
    return bytes - (real < estimate ? estimate - real : 0) <= target->setup->max_bytes;
}

enum larder_status ldr_rebuild(struct ldr_store *store, const struct ldr_setup *setup, struct ldr_keep *keep)
{
    struct target target = {.setup = setup, .keep = LARDER_NO_SLOT};
    enum larder_status status = ldr_rebuild_policy(store, setup, &target.policy);
    if (status != LARDER_OK)
        return status;
    if (!ldr_table_open(&target.table, ldr_table_capacity(store->table.count, target.policy.max_slots))) {
        ldr_policy_close(&target.policy);
        return ldr_fail_memory();
    }
    while (!fits(store, &target) && ldr_room_evict(store, keep))
        ;
    move_all(store, &target, keep);
    uint32_t capacity = ldr_table_capacity(target.table.count, target.policy.max_slots);
    if (capacity < target.table.capacity)
        (void)ldr_table_resize(&target.table, capacity); /* left too large, it counts as such */
    ldr_policy_close(&store->policy);
    ldr_table_close(&store->table);
    if (store->setup.params != setup->params)
        free(store->setup.params);
    store->policy = target.policy;
    store->table = target.table;
    store->setup = *setup;
    return LARDER_OK;
}
