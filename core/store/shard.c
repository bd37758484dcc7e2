/* One shard: taking entries in and out, and what it costs. */
#include "core/store/state.h"

void ldr_shard_enter_guarded(struct ldr_shard *shard, uint64_t now, struct ldr_guard *guard)
{
    ldr_shard_enter(shard, now);
    if (guard != NULL && guard->slot != LARDER_NO_SLOT &&
        (guard->slot >= shard->slots.used || shard->slots.refs[guard->slot] != guard->ref))
        guard->slot = LARDER_NO_SLOT;
    shard->guard = guard;
}

bool ldr_shard_try(struct ldr_shard *shard, uint64_t now)
{
    if (!ldr_spin_try(&shard->lock))
        return false;
    ldr_shard_tell(shard, now);
    return true;
}

struct larder_object ldr_shard_object(const struct ldr_store *store, const struct ldr_entry *entry, uint64_t hash)
{
    uint64_t charge = ldr_slab_cell_size(store->heap, ldr_entry_size(entry));
    return (struct larder_object){.digest = hash, .charge = charge < UINT32_MAX ? (uint32_t)charge : UINT32_MAX};
}

static void next_due(struct ldr_shard *shard)
{
    uint64_t time = shard->due.count != 0 ? shard->due.times[0] : LARDER_NEVER;
    atomic_store_explicit(&shard->next_due, time, memory_order_relaxed);
}

void ldr_shard_set_due(struct ldr_shard *shard, const struct ldr_entry *entry)
{
    uint32_t slot = atomic_load_explicit(&entry->slot, memory_order_relaxed);
    uint64_t end = ldr_entry_end(entry);
    if (end != LARDER_NEVER)
        ldr_due_set(&shard->due, slot, end);
    else if (shard->due.count != 0)
        ldr_due_remove(&shard->due, slot);
    next_due(shard);
}

void ldr_shard_drop(struct ldr_store *store, struct ldr_shard *shard, ldr_ref ref, uint64_t hash)
{
    struct ldr_entry *entry = ldr_entry_at(store->place, ref);
    uint32_t slot = atomic_load_explicit(&entry->slot, memory_order_relaxed);
    shard->value_bytes -= (uint64_t)entry->key_size + entry->value_size;
    if ((entry->flags & LDR_ENTRY_EXPIRES) != 0) {
        ldr_due_remove(&shard->due, slot);
        next_due(shard);
    }
    ldr_slots_give(&shard->slots, slot);
    ldr_index_remove(&shard->writer, hash, ref);
    ldr_slab_retire(shard->slab, ref);
}

void ldr_shard_discard(struct ldr_store *store, struct ldr_shard *shard, ldr_ref ref)
{
    const struct ldr_entry *entry = ldr_entry_at(store->place, ref);
    ldr_policy_remove(&shard->policy, atomic_load_explicit(&entry->slot, memory_order_relaxed));
    ldr_shard_drop(store, shard, ref, ldr_store_hash(ldr_entry_key(entry), store->seed));
}

bool ldr_shard_expire(struct ldr_store *store, struct ldr_shard *shard, ldr_ref ref, uint64_t now)
{
    if (ldr_entry_end(ldr_entry_at(store->place, ref)) > ldr_gone_by(now, ldr_store_kept(store)))
        return false;
    shard->expirations++;
    ldr_shard_discard(store, shard, ref);
    return true;
}

/*
 * Maps of grains and structs of spans, which any shard may have made longer or shorter. Every exchange owes the difference
 * to the one before it: unsigned, so that one below zero comes out right. It is summed up anew after each, as a sum that was
 * out of date may have taken the place of a later one.
 */
static void account_heap(struct ldr_store *store)
{
    uint64_t owed = atomic_load_explicit(&store->heap_owed, memory_order_acquire), now;
    while ((now = ldr_heap_overhead(store->heap) - store->heap_fresh) != owed) {
        if (!atomic_compare_exchange_weak_explicit(&store->heap_owed, &owed, now, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        ldr_budget_owe(&store->budget, now - owed);
        owed = now;
    }
}

static inline struct ldr_extent extent(const struct ldr_shard *shard)
{
    return (struct ldr_extent){shard->slots.used, shard->due.high, ldr_index_lines(&shard->writer),
                               ldr_slab_grains(shard->slab)};
}

bool ldr_shard_grew(const struct ldr_store *store, const struct ldr_shard *shard)
{
    /* Between the writes at which all is looked at, a large shard grows by less than a KiB, but for spans. */
    if (ldr_store_paged(store) && shard->writes % LDR_WRITES_AT_ONCE != 0)
        return shard->told.grains != ldr_slab_grains(shard->slab);
    const struct ldr_extent now = extent(shard), told = shard->told;
    return ((now.slots ^ told.slots) | (now.due ^ told.due) | (now.lines ^ told.lines) | (now.grains ^ told.grains)) !=
               0 ||
           shard->policy.module->extra_bytes != NULL;
}

/* The processor follows longer ones by itself. */
#define AHEAD_MOST 16u

/* Readers ask for as much of an entry as the mean one has, before they know how long it is. */
static void set_ahead(struct ldr_shard *shard)
{
    struct ldr_slab_bytes bytes = ldr_slab_bytes(shard->slab);
    uint64_t ahead = shard->slots.count != 0 ? ldr_slab_live(&bytes) / shard->slots.count / sizeof(struct ldr_line) : 0;
    ahead = ahead < AHEAD_MOST ? ahead : AHEAD_MOST;
    if (ahead != ldr_index_ahead(&shard->index)) /* their line is not to be written without need */
        atomic_store_explicit(&shard->index.ahead, (uint32_t)ahead, memory_order_relaxed);
}

void ldr_shard_account(struct ldr_store *store, struct ldr_shard *shard)
{
    set_ahead(shard);
    ldr_ranges_account(store, shard);
    shard->told = extent(shard);
    uint64_t owed = ldr_ranges_bytes(store, shard) + ldr_policy_bytes(&shard->policy);
    if (owed > shard->owed)
        ldr_budget_owe(&store->budget, owed - shard->owed);
    else if (owed < shard->owed)
        ldr_budget_give(&store->budget, shard->owed - owed);
    if (owed != shard->owed) /* unsigned, so that a difference below zero comes out right */
        atomic_fetch_add_explicit(&store->owed, owed - shard->owed, memory_order_relaxed);
    shard->owed = owed;
    if (store->heap_fresh != 0) /* not while it is being opened */
        account_heap(store);
}

void ldr_shard_tidy(struct ldr_store *store, struct ldr_shard *shard)
{
    ldr_shard_account(store, shard);
    ldr_epoch_advance(LDR_EPOCH_STORE, false);
    while (ldr_slab_collect(shard->slab))
        ;
    ldr_rebuild_collect(shard);
    ldr_ranges_trim_due(store, shard);
    ldr_rebuild_compact(store, shard);
    ldr_room_settle(store, shard);
}
