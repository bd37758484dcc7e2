/* What a store can be given anew while it runs: its policy and its budget. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/store/state.h"

/* A shard of this budget counts its arrays in whole pages. */
#define PAGED_FROM (UINT64_C(512) << 10)

/* What is kept back for arrays that grow: one part in so many, and a little. */
#define RESERVE_PART  100u
#define RESERVE_LEAST 96u

void ldr_store_limit(struct ldr_store *store, uint64_t max_bytes)
{
    atomic_store_explicit(&store->budget.limit, max_bytes, memory_order_relaxed);
    atomic_store_explicit(&store->budget.reserve, max_bytes / RESERVE_PART + RESERVE_LEAST, memory_order_relaxed);
    atomic_store_explicit(&store->paged, max_bytes >> store->shard_bits >= PAGED_FROM, memory_order_relaxed);
}

/* States for all shards, or none. */
static enum larder_status open_policies(const struct ldr_store *store, const struct ldr_setup *setup,
                                        struct ldr_policy *policies)
{
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_spin_lock(&shard->lock);
        uint32_t entries = shard->slots.count, slots = shard->policy.max_slots;
        ldr_spin_unlock(&shard->lock);
        enum larder_status status = ldr_rebuild_open(store, setup, entries, slots, &policies[i]);
        if (status == LARDER_OK)
            continue;
        while (i-- > 0)
            ldr_policy_close(&policies[i]);
        return status;
    }
    return LARDER_OK;
}

/* Nobody knows how much the maps of the heap will shrink: what they take now may be what they take then. */
static bool fits(struct ldr_store *store, const struct ldr_setup *setup, const struct ldr_policy *policies)
{
    uint64_t least = ldr_rebuild_least(store, policies) + LDR_FIRST_ENTRY +
                     atomic_load_explicit(&store->heap_owed, memory_order_relaxed);
    if (setup->max_bytes >= least)
        return true;
    ldr_fail(LARDER_NO_ROOM, "max_bytes: got %" PRIu64 ", wanted at least %" PRIu64 " (eviction %s)", setup->max_bytes,
             least, setup->module->head.name);
    return false;
}

/* Goes over to a setup whose states are open; takes both. With the setup's lock. */
static void change(struct ldr_store *store, struct ldr_setup *setup, const struct ldr_policy *policies)
{
    struct ldr_setup *old = atomic_load_explicit(&store->setup, memory_order_relaxed);
    struct ldr_fit *fit = ldr_fit_new(store->heap, setup->max_bytes >> store->shard_bits);
    ldr_store_limit(store, setup->max_bytes);
    atomic_store_explicit(&store->least, ldr_rebuild_least(store, policies), memory_order_relaxed);
    atomic_store_explicit(&store->setup, setup, memory_order_release);
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_shard_enter(shard, 0);
        ldr_slab_fit(shard->slab, fit);
        ldr_rebuild_shard(store, shard, &policies[i]);
        ldr_shard_leave(shard);
    }
    free(old);
    ldr_fit_free(store->heap, store->fit);
    store->fit = fit;
    ldr_room_fit(store, 0);
    ldr_ranges_trim(store);
}

/* `eviction` NULL and `max_bytes` 0: as it is. */
static enum larder_status set(struct ldr_store *store, const struct larder_eviction *eviction,
                              const struct larder_param_value *params, uint64_t max_bytes)
{
    enum larder_status status = LARDER_NO_MEMORY;
    pthread_mutex_lock(&store->setup_lock);
    const struct ldr_setup *now = atomic_load_explicit(&store->setup, memory_order_relaxed);
    if (max_bytes == 0)
        max_bytes = now->max_bytes;
    struct ldr_setup *setup = eviction != NULL ? ldr_setup_new(eviction, params, max_bytes)
                                               : ldr_setup_new(now->module, now->params, max_bytes);
    struct ldr_policy *policies = calloc(ldr_store_shards(store), sizeof *policies);
    if (setup == NULL || policies == NULL)
        ldr_fail_memory();
    else if (max_bytes > store->reach && max_bytes > now->max_bytes)
        status = ldr_fail(LARDER_NO_ROOM, "max_bytes: got %" PRIu64 ", wanted at most %" PRIu64, max_bytes,
                          store->reach);
    else
        status = open_policies(store, setup, policies);
    if (status == LARDER_OK && !fits(store, setup, policies)) {
        status = LARDER_NO_ROOM;
        for (uint32_t i = 0; i < ldr_store_shards(store); i++)
            ldr_policy_close(&policies[i]);
    }
    if (status == LARDER_OK)
        change(store, setup, policies);
    else
        free(setup);
    free(policies);
    pthread_mutex_unlock(&store->setup_lock);
    return status;
}

enum larder_status ldr_store_set_eviction(struct ldr_store *store, const struct larder_eviction *eviction,
                                          const struct larder_param_value *params)
{
    return set(store, eviction, params, 0);
}

enum larder_status ldr_store_set_both(struct ldr_store *store, const struct larder_eviction *eviction,
                                      const struct larder_param_value *params, uint64_t max_bytes)
{
    return set(store, eviction, params, max_bytes);
}

enum larder_status ldr_store_set_max_bytes(struct ldr_store *store, uint64_t max_bytes)
{
    return set(store, NULL, NULL, max_bytes);
}

void ldr_store_set_exact_hits(struct ldr_store *store, bool exact)
{
    atomic_store_explicit(&store->exact_hits, exact, memory_order_relaxed);
}
