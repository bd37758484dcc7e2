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

void ldr_store_limit(struct ldr_store *store, const struct ldr_setup *setup)
{
    uint64_t max_bytes = setup->max_bytes;
    atomic_store_explicit(&store->budget.limit, max_bytes, memory_order_release);
    atomic_store_explicit(&store->budget.reserve, max_bytes / RESERVE_PART + RESERVE_LEAST, memory_order_relaxed);
    atomic_store_explicit(&store->paged, max_bytes >> store->shard_bits >= PAGED_FROM, memory_order_relaxed);
}

bool ldr_store_limit_good(const struct ldr_store *store, uint64_t max_entries)
{
    if (max_entries == 0 || max_entries >= ldr_store_shards(store))
        return true;
    ldr_fail(LARDER_NO_ROOM, "max_entries: got %" PRIu64 ", wanted at least %" PRIu32 ", one for each shard",
             max_entries, ldr_store_shards(store));
    return false;
}

/* Opens what a shard will have, with as many slots as it has, which stays so until it has it: see ldr_rebuild_grow(). */
static enum larder_status open_next(const struct ldr_store *store, struct ldr_shard *shard,
                                    const struct ldr_setup *setup, struct ldr_policy *next)
{
    uint32_t slots = 0, most;
    for (;;) {
        ldr_spin_lock(&shard->lock);
        most = shard->policy.max_slots;
        if (slots == most)
            shard->next = next;
        ldr_spin_unlock(&shard->lock);
        if (slots == most)
            return LARDER_OK;
        if (slots != 0) /* it has grown meanwhile */
            ldr_policy_close(next);
        slots = most;
        enum larder_status status = ldr_rebuild_open(store, shard, setup, slots, next);
        if (status != LARDER_OK)
            return status;
    }
}

static void close_next(struct ldr_store *store, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_spin_lock(&shard->lock);
        struct ldr_policy *next = shard->next;
        shard->next = NULL;
        ldr_spin_unlock(&shard->lock);
        ldr_policy_close(next);
    }
}

/* States for all shards, or none. */
static enum larder_status open_all(struct ldr_store *store, const struct ldr_setup *setup, struct ldr_policy *policies)
{
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        enum larder_status status = open_next(store, &store->shards[i], setup, &policies[i]);
        if (status == LARDER_OK)
            continue;
        close_next(store, i);
        return status;
    }
    return LARDER_OK;
}

/* Nobody knows how much the maps of the heap will shrink: what they take now may be what they take then. */
static bool fits(struct ldr_store *store, const struct ldr_setup *setup)
{
    uint64_t least = ldr_rebuild_least(store) + LDR_FIRST_ENTRY +
                     atomic_load_explicit(&store->heap_owed, memory_order_relaxed);
    if (setup->max_bytes >= least)
        return true;
    ldr_fail(LARDER_NO_ROOM, "max_bytes: got %" PRIu64 ", wanted at least %" PRIu64 " (eviction %s)", setup->max_bytes,
             least, setup->module->head.name);
    return false;
}

/* What readers that are stopped keep is collected by later writes. */
#define COLLECT_WAITS 100u

/* Readers may still count hits for states that are closed. No lock of a shard is held while they are waited for. */
static void collect_all(struct ldr_store *store)
{
    unsigned waits = 0;
    for (uint32_t i = 0; i < ldr_store_shards(store) && waits < COLLECT_WAITS;) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_spin_lock(&shard->lock);
        bool collected = ldr_rebuild_collect(shard);
        ldr_spin_unlock(&shard->lock);
        if (collected)
            i++;
        else
            ldr_room_wait(&waits);
    }
}

/* So many entries are evicted before writers of the shard get a turn. */
#define EVICTED_AT_ONCE 256u

/* Evicts some of what a shard will have no slots for. False: there is nothing left. */
static bool thin_out(struct ldr_store *store, struct ldr_shard *shard)
{
    ldr_shard_enter(shard, 0);
    bool more = true;
    for (unsigned i = 0; more && i < EVICTED_AT_ONCE; i++)
        more = shard->slots.count > shard->next->max_slots && ldr_room_evict(store, shard);
    ldr_shard_leave(shard);
    return more;
}

static void thin_out_all(struct ldr_store *store)
{
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < ldr_store_shards(store); i++)
            more |= thin_out(store, &store->shards[i]);
    }
}

/* Of two limits of entries. */
static bool allows_more(uint64_t max_entries, uint64_t than)
{
    return max_entries - 1 > than - 1; /* unsigned: 0, no limit, allows most */
}

/* Goes over to a setup whose states are open, which cannot fail; takes it. With the setup's lock. */
static void change(struct ldr_store *store, struct ldr_setup *setup)
{
    struct ldr_setup *old = atomic_load_explicit(&store->setup, memory_order_relaxed);
    struct ldr_fit *fit = ldr_fit_new(store->heap, setup->max_bytes >> store->shard_bits);
    uint64_t least = ldr_rebuild_least(store);
    if (setup->max_bytes > old->max_bytes)
        atomic_store(&store->limit_told, setup->max_bytes);
    if (allows_more(setup->max_entries, old->max_entries))
        atomic_store(&store->entries_told, setup->max_entries);
    atomic_fetch_add(&store->raised, 1); /* or not: then what is read just now is read again in vain */
    ldr_store_limit(store, setup);
    ldr_store_set_room(store, least);
    atomic_store_explicit(&store->setup, setup, memory_order_release);
    thin_out_all(store);
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_shard_enter(shard, 0);
        ldr_slab_fit(shard->slab, fit);
        ldr_rebuild_shard(store, shard, shard->next);
        shard->next = NULL;
        ldr_shard_leave(shard);
    }
    free(old);
    ldr_fit_free(store->heap, store->fit);
    store->fit = fit;
    ldr_ranges_fit(store); /* else entries are evicted for lines that nobody needs any more */
    ldr_room_fit(store, 0);
    ldr_ranges_trim(store);
    ldr_room_fit(store, 0); /* it may have told what writers have added meanwhile */
    atomic_store(&store->limit_told, setup->max_bytes);
    atomic_store(&store->entries_told, setup->max_entries);
    collect_all(store);
    ldr_rebuild_trim(store);
}

/* All shards, or none. With the setup's lock. Takes the setup when it succeeds. */
static enum larder_status try_change(struct ldr_store *store, struct ldr_setup *setup, struct ldr_policy *policies)
{
    const struct ldr_setup *now = atomic_load_explicit(&store->setup, memory_order_relaxed);
    if (!ldr_store_limit_good(store, setup->max_entries))
        return LARDER_NO_ROOM;
    if (setup->max_bytes > store->reach && setup->max_bytes > now->max_bytes)
        return ldr_fail(LARDER_NO_ROOM, "max_bytes: got %" PRIu64 ", wanted at most %" PRIu64, setup->max_bytes,
                        store->reach);
    store->next_setup = setup;
    enum larder_status status = open_all(store, setup, policies);
    if (status == LARDER_OK && !fits(store, setup)) {
        close_next(store, ldr_store_shards(store));
        status = LARDER_NO_ROOM;
    }
    if (status == LARDER_OK)
        change(store, setup);
    return status;
}

/* What is not given stays as it is. */
struct wanted {
    const struct larder_eviction *eviction;
    const struct larder_param_value *params; /* with `eviction` */
    uint64_t max_bytes;
    const uint64_t *max_entries;
};

static enum larder_status set(struct ldr_store *store, const struct wanted *wanted)
{
    enum larder_status status = LARDER_NO_MEMORY;
    pthread_mutex_lock(&store->setup_lock);
    struct ldr_setup next = *atomic_load_explicit(&store->setup, memory_order_relaxed);
    if (wanted->eviction != NULL) {
        next.module = wanted->eviction;
        next.params = wanted->params;
    }
    if (wanted->max_bytes != 0)
        next.max_bytes = wanted->max_bytes;
    if (wanted->max_entries != NULL)
        next.max_entries = *wanted->max_entries;
    struct ldr_setup *setup = ldr_setup_new(&next);
    struct ldr_policy *policies = calloc(ldr_store_shards(store), sizeof *policies);
    if (setup == NULL || policies == NULL)
        ldr_fail_memory();
    else
        status = try_change(store, setup, policies);
    if (status != LARDER_OK)
        free(setup);
    free(policies);
    pthread_mutex_unlock(&store->setup_lock);
    return status;
}

enum larder_status ldr_store_set_eviction(struct ldr_store *store, const struct larder_eviction *eviction,
                                          const struct larder_param_value *params)
{
    return set(store, &(struct wanted){.eviction = eviction, .params = params});
}

enum larder_status ldr_store_set(struct ldr_store *store, const struct larder_eviction *eviction,
                                 const struct larder_param_value *params, uint64_t max_bytes, uint64_t max_entries)
{
    return set(store, &(struct wanted){eviction, params, max_bytes, &max_entries});
}

enum larder_status ldr_store_set_max_bytes(struct ldr_store *store, uint64_t max_bytes)
{
    return set(store, &(struct wanted){.max_bytes = max_bytes});
}

void ldr_store_set_exact_hits(struct ldr_store *store, bool exact)
{
    atomic_store_explicit(&store->exact_hits, exact, memory_order_relaxed);
}
