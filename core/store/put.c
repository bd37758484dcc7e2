/* A put, from the search for its key to its entry in the place of the old one. What it does seldom is in put_claim.c. */
#include "core/store/put.h"

/* Values from this size on are copied without the shard's lock. */
#define COPIED_OUTSIDE (UINT64_C(64) << 10)

static inline uint32_t slot_of(const struct ldr_entry *entry)
{
    return atomic_load_explicit(&entry->slot, memory_order_relaxed); /* the lock orders it */
}

/* What the policy is told of the newcomer. */
static inline struct larder_object object_of(const struct ldr_newcomer *newcomer)
{
    size_t charge = newcomer->cell_size;
    return (struct larder_object){.digest = newcomer->hash,
                                  .charge = charge < UINT32_MAX ? (uint32_t)charge : UINT32_MAX};
}

/* ---- room for it */

/* From now on what is there goes last. */
static inline void guard(struct ldr_newcomer *newcomer, const struct ldr_found_entry *found)
{
    newcomer->guard.slot = found->entry != NULL ? slot_of(found->entry) : LARDER_NO_SLOT;
    newcomer->guard.ref = found->ref;
}

/* A rewrite is a use; an exact one comes before what has to go for it. */
static inline void note_exact_use(const struct ldr_store *store, struct ldr_shard *shard,
                                  const struct ldr_newcomer *newcomer)
{
    if (__builtin_expect(atomic_load_explicit(&store->exact_hits, memory_order_relaxed), 0) && newcomer->over == NULL &&
        !newcomer->prepared)
        ldr_policy_hit(&shard->policy, newcomer->guard.slot);
}

/* Others come after it, when what they look at has arrived from memory: what is rewritten is guarded meanwhile. */
static inline void note_use(const struct ldr_store *store, struct ldr_shard *shard, const struct ldr_newcomer *newcomer)
{
    if (newcomer->over == NULL && shard->policy.hits != NULL &&
        __builtin_expect(!atomic_load_explicit(&store->exact_hits, memory_order_relaxed), 1) &&
        !ldr_hits_add(shard->policy.hits, newcomer->guard.slot))
        ldr_policy_hand_on(&shard->policy, &shard->slots);
}

static inline void write_cell(struct ldr_store *store, struct ldr_newcomer *newcomer)
{
    ldr_entry_write(ldr_entry_at(store->place, newcomer->cell), newcomer->put, newcomer->layout, LARDER_NO_SLOT);
    newcomer->written = true;
}

/* Uses so far come before the newcomer. */
static inline void prepare(struct ldr_shard *shard, struct ldr_newcomer *newcomer, bool there)
{
    if (!there && !newcomer->prepared) {
        const struct larder_object object = object_of(newcomer);
        ldr_policy_hand_on(&shard->policy, &shard->slots);
        ldr_policy_prepare(&shard->policy, &object);
    }
    newcomer->prepared = true;
}

/* A cell, which is filled at once unless it is large. DONE: it has one and goes on. */
static inline enum ldr_put_outcome get_cell(struct ldr_store *store, struct ldr_shard *shard,
                                            struct ldr_newcomer *newcomer, bool there, enum larder_status *status)
{
    bool unreachable = false;
    if (newcomer->cell_size > ldr_store_room(store)) {
        *status = LARDER_TOO_LARGE;
        return LDR_PUT_DONE;
    }
    if (there)
        note_exact_use(store, shard, newcomer);
    prepare(shard, newcomer, there);
    newcomer->cell = ldr_room_cell(store, shard, newcomer->size, newcomer->asked, &unreachable);
    if (unreachable)
        *status = LARDER_NO_MEMORY;
    if (newcomer->cell == 0 && !unreachable) {
        newcomer->span_size = ldr_slab_span_size(shard->slab, newcomer->size);
        return LDR_PUT_ELSEWHERE;
    }
    if (newcomer->size >= COPIED_OUTSIDE && newcomer->cell != 0)
        return LDR_PUT_AGAIN;
    if (newcomer->cell != 0)
        write_cell(store, newcomer);
    return LDR_PUT_DONE;
}

/* When room was made by evicting there is one: so it is asked for after the cell. */
static inline void get_slot(struct ldr_store *store, struct ldr_shard *shard)
{
    uint32_t limit = shard->policy.limit;
    if (limit != 0 && shard->slots.count >= limit)
        ldr_room_evict(store, shard);
    /* A change that leaves fewer slots is under way: it comes to an end, as no write adds to what has to go. */
    const struct ldr_policy *next = shard->next;
    if (next != NULL && next->max_slots < shard->policy.max_slots && shard->slots.count >= next->max_slots)
        ldr_room_evict(store, shard);
    if (ldr_slots_have_free(&shard->slots, shard->policy.max_slots))
        return;
    ldr_rebuild_grow(store, shard);
    if (!ldr_slots_have_free(&shard->slots, shard->policy.max_slots))
        ldr_room_evict(store, shard);
}

/* ---- its place */

/* What remains to be done for a put whose entry has its cell. False: the index is being trimmed just now. */
static inline bool add(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer)
{
    struct ldr_entry *entry = ldr_entry_at(store->place, newcomer->cell);
    const struct larder_object object = object_of(newcomer);
    uint32_t slot = ldr_slots_take(&shard->slots, newcomer->cell);
    atomic_store_explicit(&entry->slot, slot, memory_order_relaxed); /* published with the reference */
    if (!ldr_index_insert(&shard->writer, newcomer->hash, newcomer->cell)) {
        ldr_slots_give(&shard->slots, slot);
        return false;
    }
    ldr_policy_insert(&shard->policy, slot, &object);
    return true;
}

static inline void replace(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                           const struct ldr_found_entry *old)
{
    struct ldr_entry *entry = ldr_entry_at(store->place, newcomer->cell);
    const struct larder_object object = object_of(newcomer);
    uint32_t slot = newcomer->guard.slot;
    atomic_store_explicit(&entry->slot, slot, memory_order_relaxed);
    shard->slots.refs[slot] = newcomer->cell;
    shard->value_bytes -= (uint64_t)old->entry->key_size + old->entry->value_size;
    ldr_index_replace(&shard->writer, newcomer->hash, old->ref, newcomer->cell);
    ldr_slab_retire(shard->slab, old->ref);
    ldr_policy_update(&shard->policy, slot, &object);
}

/*
 * A rewrite as most are: nothing expires, no condition has to hold, a cell is at hand, and it is not the write that looks
 * after the shard. As it takes one cell and retires one, no room has to be made for it. False: nothing has happened.
 */
static inline bool rewrite(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                           const struct ldr_found_entry *old)
{
    const struct ldr_put *put = newcomer->put;
    unsigned flags = ldr_layout_flags(newcomer->layout) | old->entry->flags;
    if (put->flags != 0 || (flags & (LDR_ENTRY_EXPIRES | LDR_ENTRY_NEGATIVE)) != 0 || newcomer->over != NULL ||
        newcomer->prepared || newcomer->size >= COPIED_OUTSIDE || (shard->writes + 1) % LDR_WRITES_AT_ONCE == 0 ||
        atomic_load_explicit(&store->exact_hits, memory_order_relaxed))
        return false;
    uint32_t slot = slot_of(old->entry);
    struct ldr_hits *hits = shard->policy.hits;
    __builtin_prefetch(&shard->slots.refs[slot], 1);
    ldr_hits_prefetch(hits, slot);
    newcomer->cell = ldr_slab_exchange(shard->slab, newcomer->size, old->ref);
    if (newcomer->cell == 0)
        return false;
    shard->writes++;
    struct ldr_entry *entry = ldr_entry_at(store->place, newcomer->cell);
    ldr_entry_write(entry, put, newcomer->layout, slot);
    atomic_store_explicit(&entry->pins, 0, memory_order_relaxed);
    ldr_index_replace(&shard->writer, newcomer->hash, old->ref, newcomer->cell);
    shard->slots.refs[slot] = newcomer->cell;
    shard->value_bytes += put->key.size + put->value.size;
    shard->value_bytes -= (uint64_t)old->entry->key_size + old->entry->value_size;
    if (hits != NULL && !ldr_hits_add(hits, slot))
        ldr_policy_hand_on(&shard->policy, &shard->slots);
    if (shard->policy.module->update != NULL) {
        newcomer->cell_size = ldr_slab_cell_size(store->heap, newcomer->size);
        const struct larder_object object = object_of(newcomer);
        ldr_policy_update(&shard->policy, slot, &object);
    }
    newcomer->cell = 0;
    newcomer->published = true;
    return true;
}

/* The newcomer stays: what is missing then is taken from all shards, see locked_put(). */
static inline void settle(struct ldr_store *store, struct ldr_shard *shard, const struct ldr_entry *newcomer)
{
    if (!ldr_shard_grew(store, shard) && !ldr_budget_lacks(&store->budget, 0))
        return;
    struct ldr_guard guard = {.slot = slot_of(newcomer)};
    guard.ref = shard->slots.refs[guard.slot];
    shard->guard = &guard;
    ldr_room_settle(store, shard);
    shard->guard = NULL;
}

static inline bool publish(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                           const struct ldr_found_entry *old)
{
    struct ldr_entry *entry = ldr_entry_at(store->place, newcomer->cell);
    atomic_store_explicit(&entry->pins, 0, memory_order_relaxed);
    if (old->entry != NULL) {
        replace(store, shard, newcomer, old);
    } else if (!add(store, shard, newcomer)) {
        atomic_store_explicit(&entry->pins, LDR_ENTRY_NEW, memory_order_relaxed);
        return false;
    }
    newcomer->cell = 0;
    newcomer->published = true;
    shard->value_bytes += (uint64_t)newcomer->put->key.size + newcomer->put->value.size;
    if (shard->due.count != 0 || (ldr_layout_flags(newcomer->layout) & LDR_ENTRY_EXPIRES) != 0)
        ldr_shard_set_due(shard, entry);
    settle(store, shard, entry);
    return true;
}

/* ---- the whole of it */

/* Making room may have moved what was found, or, when nothing else was left, evicted it. */
static __attribute__((cold)) void find_again(const struct ldr_store *store, const struct ldr_shard *shard,
                                             struct ldr_newcomer *newcomer, struct ldr_found_entry *found)
{
    found->entry = ldr_index_find(&shard->index, store->place, newcomer->put->key, newcomer->hash, &found->ref);
    guard(newcomer, found);
}

static inline enum ldr_put_outcome try_put(struct ldr_store *store, struct ldr_shard *shard,
                                           struct ldr_newcomer *newcomer, enum larder_status *status)
{
    struct ldr_found_entry found;
    ldr_shard_find(store, shard, newcomer->put->key, newcomer->hash, newcomer->now, &found);
    *status = LARDER_OK;
    if (found.entry != NULL && rewrite(store, shard, newcomer, &found))
        return LDR_PUT_REWRITTEN;
    guard(newcomer, &found);
    const struct ldr_entry *present = ldr_entry_present(found.entry, newcomer->now);
    if (!newcomer->prepared)
        newcomer->created = present == NULL;
    if ((newcomer->put->flags != 0 || newcomer->over != NULL) &&
        !ldr_put_wanted(shard, newcomer, found.entry, present, status))
        return LDR_PUT_DONE;
    if (newcomer->cell_size == 0)
        newcomer->cell_size = ldr_slab_cell_size(store->heap, newcomer->size);
    if (newcomer->cell == 0) {
        const uint32_t slot = newcomer->guard.slot;
        if (found.entry != NULL) {
            __builtin_prefetch(&shard->slots.refs[slot], 1);
            ldr_hits_prefetch(shard->policy.hits, slot);
        }
        enum ldr_put_outcome outcome = get_cell(store, shard, newcomer, found.entry != NULL, status);
        if (outcome != LDR_PUT_DONE || newcomer->cell == 0)
            return outcome;
        if (found.entry != NULL && (newcomer->guard.slot != slot || newcomer->guard.ref != found.ref))
            find_again(store, shard, newcomer, &found);
    }
    if (found.entry == NULL)
        get_slot(store, shard);
    else
        note_use(store, shard, newcomer);
    return publish(store, shard, newcomer, &found) ? LDR_PUT_DONE : LDR_PUT_AGAIN;
}

/* One try. What was claimed for it is given back under the lock, so that nobody comes in between. */
static enum ldr_put_outcome locked_put(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                                       uint64_t claim, enum larder_status *status)
{
    if (newcomer->guard.slot != LARDER_NO_SLOT) {
        ldr_shard_enter_guarded(shard, newcomer->now, &newcomer->guard);
    } else {
        ldr_shard_enter(shard, newcomer->now);
        shard->guard = &newcomer->guard;
    }
    if (claim != 0) /* its line is everybody's */
        ldr_budget_unclaim(&store->budget, claim);
    enum ldr_put_outcome outcome = try_put(store, shard, newcomer, status);
    if (outcome == LDR_PUT_REWRITTEN) {
        ldr_shard_leave(shard);
        return LDR_PUT_DONE;
    }
    if (outcome == LDR_PUT_DONE && newcomer->cell != 0)
        ldr_slab_untake(shard->slab, newcomer->cell);
    bool trim = ldr_ranges_sparse(shard);
    if (trim)
        ldr_rebuild_compact(store, shard);
    ldr_shard_leave(shard);
    if (trim)
        ldr_ranges_trim(store);
    ldr_rebuild_trim(store);
    if (outcome == LDR_PUT_DONE && ldr_budget_lacks(&store->budget, 0))
        ldr_put_fit(store, shard, newcomer->now);
    return outcome;
}

enum ldr_put_outcome ldr_put_try(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                                 uint64_t claim, enum larder_status *status)
{
    enum ldr_put_outcome outcome;
    while ((outcome = locked_put(store, shard, newcomer, claim, status)) == LDR_PUT_AGAIN) {
        claim = 0;
        if (!newcomer->written)
            write_cell(store, newcomer);
    }
    return outcome;
}

enum larder_status ldr_put_run(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer)
{
    enum larder_status status = LARDER_OK;
    enum ldr_put_outcome outcome = ldr_put_try(store, shard, newcomer, 0, &status);
    if (outcome == LDR_PUT_ELSEWHERE)
        outcome = ldr_put_claim(store, shard, newcomer, &status);
    if (outcome != LDR_PUT_DONE)
        status = LARDER_NO_ROOM;
    if (newcomer->guard.went && !newcomer->published)
        ldr_put_count_eviction(shard, newcomer);
    return status == LARDER_OK ? LARDER_OK : ldr_put_explain(store, status, newcomer);
}

enum larder_status ldr_store_put(struct ldr_store *store, const struct ldr_put *put, uint64_t now, bool *created)
{
    if (created != NULL)
        *created = false;
    enum larder_status status = ldr_put_check(store, put);
    if (status != LARDER_OK)
        return status;
    struct ldr_newcomer newcomer;
    ldr_put_begin(&newcomer, put, ldr_store_hash(put->key, store->seed), now);
    struct ldr_shard *shard = ldr_store_shard(store, newcomer.hash);
    /* Before the lock is taken, as nothing can be read ahead of that. What is asked for here is not looked at. */
    struct ldr_probe probe = ldr_index_probe(&shard->index, newcomer.hash);
    ldr_index_prefetch(&probe);
    ldr_shard_prefetch(shard);
    ldr_slab_prefetch(shard->slab);
    ldr_index_prefetch_entry(&probe, store->place, 1);
    status = ldr_put_run(store, shard, &newcomer);
    if (created != NULL)
        *created = status == LARDER_OK && newcomer.created;
    return status;
}
