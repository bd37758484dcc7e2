/* Writes: put, and touch, which may have to put an entry anew. What takes entries out is in remove.c. */
#include <inttypes.h>

#include "core/base/fail.h"
#include "core/store/state.h"

/* Values from this size on are copied without the shard's lock. */
#define COPIED_OUTSIDE (UINT64_C(64) << 10)

/* A put on its way. */
struct newcomer {
    const struct ldr_put *put;
    uint64_t hash, now;
    size_t size;                  /* of the entry */
    size_t cell_size;             /* of its cell */
    ldr_ref cell;                 /* 0: none yet */
    bool written;                 /* the cell is filled */
    const struct ldr_entry *over; /* only in the place of this entry, which the caller pins, and not a use; NULL: any */
    bool prepared;
    bool created;
    bool published;
    size_t span_size;       /* what others have to give when the shard has no cell */
    struct ldr_guard guard; /* of the entry it takes the place of */
    bool asked;             /* other shards have given room, or have none */
};

static enum larder_status check(const struct ldr_store *store, const struct ldr_put *put)
{
    uint64_t most = store->max_value < LDR_VALUE_MAX ? store->max_value : LDR_VALUE_MAX;
    if (put->key.size == 0)
        return ldr_fail(LARDER_INVALID, "key: got 0 bytes, wanted 1 to %d", LARDER_KEY_MAX);
    if (put->key.size > LARDER_KEY_MAX)
        return ldr_fail(LARDER_TOO_LARGE, "key: got %zu bytes, wanted at most %d", put->key.size, LARDER_KEY_MAX);
    if (put->value.size > most)
        return ldr_fail(LARDER_TOO_LARGE, "value: got %zu bytes, wanted at most %" PRIu64, put->value.size, most);
    if ((put->flags & LDR_PUT_NEGATIVE) != 0 && put->value.size > 0)
        return ldr_fail(LARDER_INVALID, "value of a negative entry: got %zu bytes, wanted none", put->value.size);
    return LARDER_OK;
}

static uint32_t slot_of(const struct ldr_entry *entry)
{
    return atomic_load_explicit(&entry->slot, memory_order_relaxed); /* the lock orders it */
}

static bool conditions_hold(const struct ldr_put *put, const struct ldr_entry *present)
{
    if ((put->flags & LDR_PUT_IF_ABSENT) != 0 && present != NULL)
        return false;
    if ((put->flags & LDR_PUT_IF_PRESENT) != 0 && present == NULL)
        return false;
    return (put->flags & LDR_PUT_IF_VERSION) == 0 ||
           (present != NULL && ldr_version_same(ldr_entry_version(present), put->expected));
}

/* What the policy is told of the newcomer. */
static struct larder_object object_of(const struct newcomer *newcomer)
{
    size_t charge = newcomer->cell_size;
    return (struct larder_object){.digest = newcomer->hash,
                                  .charge = charge < UINT32_MAX ? (uint32_t)charge : UINT32_MAX};
}

/* What remains to be done for a put whose entry has its cell. False: the index is being trimmed just now. */
static bool add(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer)
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

static void replace(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer,
                    const struct ldr_found_entry *old)
{
    struct ldr_entry *entry = ldr_entry_at(store->place, newcomer->cell);
    const struct larder_object object = object_of(newcomer);
    uint32_t slot = slot_of(old->entry);
    atomic_store_explicit(&entry->slot, slot, memory_order_relaxed);
    shard->slots.refs[slot] = newcomer->cell;
    shard->value_bytes -= (uint64_t)old->entry->key_size + old->entry->value_size;
    ldr_index_replace(&shard->writer, newcomer->hash, old->ref, newcomer->cell);
    ldr_slab_retire(shard->slab, old->ref);
    ldr_policy_update(&shard->policy, slot, &object);
}

/* The newcomer stays: what is missing then is taken from all shards, see after_put(). */
static void settle(struct ldr_store *store, struct ldr_shard *shard, const struct ldr_entry *newcomer)
{
    struct ldr_guard guard = {.slot = slot_of(newcomer)};
    guard.ref = shard->slots.refs[guard.slot];
    shard->guard = &guard;
    ldr_room_settle(store, shard);
    shard->guard = NULL;
}

static bool publish(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer,
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
    shard->value_bytes += (uint64_t)entry->key_size + entry->value_size;
    if (shard->due.count != 0 || (entry->flags & LDR_ENTRY_EXPIRES) != 0)
        ldr_shard_set_due(shard, entry);
    settle(store, shard, entry);
    return true;
}

/* Others may take the room that was made; so often one has to be unlucky before it is said that there is none. */
#define CLAIMS 1000u

/* What became of a try under the lock. */
enum outcome {
    DONE,
    AGAIN,     /* the lock was given back in between */
    ELSEWHERE, /* this shard has nothing more to give */
};

/* False: the process has no addresses for it. */
static bool get_cell(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer, bool there)
{
    const struct larder_object object = object_of(newcomer);
    if (!there && !newcomer->prepared) {
        ldr_policy_hand_on(&shard->policy, &shard->slots); /* uses so far come before the newcomer */
        ldr_policy_prepare(&shard->policy, &object);
    }
    newcomer->prepared = true;
    bool unreachable = false;
    newcomer->cell = ldr_room_cell(store, shard, newcomer->size, newcomer->asked, &unreachable);
    return !unreachable;
}

static void measure(const struct ldr_store *store, struct newcomer *newcomer)
{
    newcomer->size = ldr_entry_bytes_of(newcomer->put);
    newcomer->cell_size = ldr_slab_cell_size(store->heap, newcomer->size);
}

/* When room was made by evicting there is one: so it is asked for after the cell. */
static void get_slot(struct ldr_store *store, struct ldr_shard *shard)
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

static void write_cell(struct ldr_store *store, struct newcomer *newcomer)
{
    ldr_entry_write(ldr_entry_at(store->place, newcomer->cell), newcomer->put, LARDER_NO_SLOT);
    newcomer->written = true;
}

/* From now on what is there goes last. */
static void guard(struct newcomer *newcomer, const struct ldr_found_entry *found)
{
    newcomer->guard.slot = found->entry != NULL ? slot_of(found->entry) : LARDER_NO_SLOT;
    newcomer->guard.ref = found->ref;
}

/* A rewrite is a use. */
static void note_use(const struct ldr_store *store, struct ldr_shard *shard, uint32_t slot)
{
    if (atomic_load_explicit(&store->exact_hits, memory_order_relaxed))
        ldr_policy_hit(&shard->policy, slot);
    else if (shard->policy.hits != NULL && !ldr_hits_add(shard->policy.hits, slot))
        ldr_policy_hand_on(&shard->policy, &shard->slots);
}

static enum outcome try_put(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer,
                            enum larder_status *status)
{
    const struct ldr_put *put = newcomer->put;
    struct ldr_found_entry found = ldr_shard_find(store, shard, put->key, newcomer->hash, newcomer->now);
    const struct ldr_entry *present = ldr_entry_present(found.entry, newcomer->now);
    bool gone = found.entry == NULL && newcomer->guard.went; /* for this very put: it was there when that was asked */
    *status = LARDER_OK;
    guard(newcomer, &found);
    if (newcomer->over != NULL && newcomer->over != found.entry && !gone)
        return DONE; /* somebody has written the key since */
    if (!gone && !conditions_hold(put, present)) {
        *status = LARDER_PRECONDITION;
        return DONE;
    }
    if (!newcomer->prepared)
        newcomer->created = present == NULL;
    if ((put->flags & LDR_PUT_NEWER) != 0 && found.entry != NULL &&
        !ldr_version_after(put->version, ldr_entry_version(found.entry))) {
        newcomer->created = false;
        return DONE;
    }
    if ((put->flags & LDR_PUT_COPY) != 0 && found.entry == NULL && !newcomer->prepared &&
        !ldr_version_after(put->version, shard->floor)) {
        newcomer->created = false;
        return DONE;
    }
    if (newcomer->cell == 0) {
        if (newcomer->cell_size > ldr_store_room(store)) {
            *status = LARDER_TOO_LARGE;
            return DONE;
        }
        /* The use first, so that what is rewritten is not what has to go for it. */
        if (found.entry != NULL && newcomer->over == NULL && !newcomer->prepared)
            note_use(store, shard, slot_of(found.entry));
        uint32_t slot = newcomer->guard.slot;
        if (!get_cell(store, shard, newcomer, found.entry != NULL)) {
            *status = LARDER_NO_MEMORY;
            return DONE;
        }
        if (newcomer->cell == 0) {
            newcomer->span_size = ldr_slab_span_size(shard->slab, newcomer->size);
            return ELSEWHERE;
        }
        if (newcomer->size >= COPIED_OUTSIDE)
            return AGAIN;
        write_cell(store, newcomer);
        /* Making room may have moved what was found, or, when nothing else was left, evicted it. */
        if (found.entry != NULL && shard->slots.refs[slot] != found.ref)
            found.entry = ldr_index_find(&shard->index, store->place, put->key, newcomer->hash, &found.ref);
    }
    if (found.entry == NULL)
        get_slot(store, shard);
    return publish(store, shard, newcomer, &found) ? DONE : AGAIN;
}

/* Makes the budget hold where the shard alone could not: by what its policy remembers besides entries, and by others. */
static void after_put(struct ldr_store *store, struct ldr_shard *shard, uint64_t now)
{
    if (!ldr_budget_lacks(&store->budget, 0) || ldr_room_fit(store, now))
        return;
    ldr_shard_enter(shard, 0);
    ldr_rebuild_renew(store, shard);
    ldr_shard_leave(shard);
    ldr_room_fit(store, now);
}

/* One try. What was claimed for it is given back under the lock, so that nobody comes in between. */
static enum outcome locked_put(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer,
                               uint64_t claim, enum larder_status *status)
{
    ldr_shard_enter_guarded(shard, newcomer->now, &newcomer->guard);
    ldr_budget_unclaim(&store->budget, claim);
    enum outcome outcome = try_put(store, shard, newcomer, status);
    if (outcome == DONE && newcomer->cell != 0)
        ldr_slab_untake(shard->slab, newcomer->cell);
    bool trim = ldr_ranges_sparse(shard);
    if (trim)
        ldr_rebuild_compact(store, shard);
    ldr_shard_leave(shard);
    if (trim)
        ldr_ranges_trim(store);
    ldr_rebuild_trim(store);
    if (outcome == DONE)
        after_put(store, shard, newcomer->now);
    return outcome;
}

/* Tries until the shard has room by itself. ELSEWHERE: others have to give. */
static enum outcome try_alone(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer,
                              uint64_t claim, enum larder_status *status)
{
    enum outcome outcome;
    while ((outcome = locked_put(store, shard, newcomer, claim, status)) == AGAIN) {
        claim = 0;
        if (!newcomer->written)
            write_cell(store, newcomer);
    }
    return outcome;
}

/*
 * Has others give room, again and again if need be: what they give may be taken by smaller puts. One thread at a time, as
 * several that each want half of the budget would keep it from one another.
 */
static enum outcome try_with_others(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer,
                                    enum larder_status *status)
{
    enum outcome outcome = ELSEWHERE;
    newcomer->asked = true;
    pthread_mutex_lock(&store->claim_lock);
    for (unsigned claims = 0; claims < CLAIMS && outcome == ELSEWHERE; claims++) {
        if (claims > 0) {
            ldr_shard_enter_guarded(shard, newcomer->now, &newcomer->guard);
            ldr_rebuild_renew(store, shard);
            ldr_shard_leave(shard);
        }
        uint64_t claim = ldr_room_claim(store, &(struct ldr_claimant){shard, &newcomer->guard}, newcomer->span_size,
                                        newcomer->now);
        outcome = try_alone(store, shard, newcomer, claim, status);
    }
    pthread_mutex_unlock(&store->claim_lock);
    return outcome;
}

/* The entry that was to be replaced had to go, and the put failed all the same. */
static void count_eviction(struct ldr_shard *shard, const struct newcomer *newcomer)
{
    ldr_shard_enter(shard, 0);
    shard->evictions++;
    shard->evictions_unexpired += newcomer->guard.unexpired;
    ldr_shard_leave(shard);
}

static enum larder_status run_put(struct ldr_store *store, struct ldr_shard *shard, struct newcomer *newcomer)
{
    enum larder_status status = LARDER_OK;
    enum outcome outcome = try_alone(store, shard, newcomer, 0, &status);
    if (outcome == ELSEWHERE)
        outcome = try_with_others(store, shard, newcomer, &status);
    if (newcomer->guard.went && !newcomer->published)
        count_eviction(shard, newcomer);
    return outcome == DONE ? status : LARDER_NO_ROOM;
}

static enum larder_status explain(const struct ldr_store *store, enum larder_status status,
                                  const struct newcomer *newcomer)
{
    switch (status) {
    case LARDER_PRECONDITION: return ldr_fail(status, "the key is not as the condition wants it");
    case LARDER_TOO_LARGE: /* for the budget, not for the limit of a value: see check() */
        return ldr_fail(LARDER_NO_ROOM, "entry: got %zu bytes with its header, wanted at most %" PRIu64, newcomer->size,
                        ldr_store_room(store));
    case LARDER_NO_MEMORY:
        return ldr_fail(status, "entry: got %zu bytes with its header, for which the process has no addresses",
                        newcomer->size);
    case LARDER_NO_ROOM:
        return ldr_fail(status,
                        "entry: got %zu bytes with its header, for which there is no room beside what readers hold",
                        newcomer->size);
    default: return status;
    }
}

enum larder_status ldr_store_put(struct ldr_store *store, const struct ldr_put *put, uint64_t now, bool *created)
{
    if (created != NULL)
        *created = false;
    enum larder_status status = check(store, put);
    if (status != LARDER_OK)
        return status;
    struct newcomer newcomer = {
        .put = put, .hash = ldr_store_hash(put->key, store->seed), .now = now, .guard = {.slot = LARDER_NO_SLOT}};
    measure(store, &newcomer);
    struct ldr_shard *shard = ldr_store_shard(store, newcomer.hash);
    /* Before the lock is taken, as nothing can be read ahead of that. What is asked for here is not looked at. */
    struct ldr_probe probe = ldr_index_probe(&shard->index, newcomer.hash);
    ldr_index_prefetch_entry(&probe, store->place, 1);
    status = run_put(store, shard, &newcomer);
    if (created != NULL)
        *created = status == LARDER_OK && newcomer.created;
    return explain(store, status, &newcomer);
}

/* An entry without a time of expiry has no place for one: it gets a new entry. Takes the pin. */
static enum larder_status touch_anew(struct ldr_store *store, struct ldr_shard *shard, struct ldr_entry *pinned,
                                     uint64_t hash, uint64_t expires, uint64_t now)
{
    const struct ldr_put put = {
        .key = ldr_entry_key(pinned),
        .value = ldr_entry_value(pinned),
        .expires = expires,
        .version = ldr_entry_version(pinned),
    };
    struct newcomer newcomer = {
        .put = &put, .hash = hash, .now = now, .over = pinned, .guard = {.slot = LARDER_NO_SLOT}};
    measure(store, &newcomer);
    enum larder_status status = run_put(store, shard, &newcomer);
    ldr_entry_release(pinned);
    return explain(store, status, &newcomer);
}

enum larder_status ldr_store_touch(struct ldr_store *store, struct larder_slice key, uint64_t expires, uint64_t now,
                                   struct larder_version *version)
{
    uint64_t hash = ldr_store_hash(key, store->seed);
    struct ldr_shard *shard = ldr_store_shard(store, hash);
    struct ldr_entry *pinned = NULL;
    ldr_shard_enter(shard, now);
    struct ldr_found_entry found = ldr_shard_find(store, shard, key, hash, now);
    const struct ldr_entry *present = ldr_entry_present(found.entry, now);
    if (present != NULL && version != NULL)
        *version = ldr_entry_version(present);
    if (present != NULL && (present->flags & LDR_ENTRY_EXPIRES) != 0) {
        ldr_entry_set_expires(found.entry, expires);
        ldr_shard_set_due(shard, found.entry);
        ldr_shard_account(store, shard);
        ldr_room_settle(store, shard);
    } else if (present != NULL && expires != LARDER_NEVER) {
        ldr_entry_pin(found.entry);
        pinned = found.entry;
    }
    ldr_shard_leave(shard);
    if (present == NULL)
        return LARDER_NOT_FOUND;
    return pinned != NULL ? touch_anew(store, shard, pinned, hash, expires, now) : LARDER_OK;
}
