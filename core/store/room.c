/* Making room in the shard that needs it. When it has nothing left to give, all others do: see room_fit.c. */
#include <sched.h>
#include <time.h>

#include "core/store/state.h"

/* So many bytes of entries are moved at a time, so that no single write takes long. */
#define MOVED_AT_ONCE 8192u

/* Grace periods that are waited for by spinning, then by giving way, before the thread sleeps. */
#define SPINS  64u
#define YIELDS 256u

static uint64_t hash_of(const struct ldr_store *store, const struct ldr_entry *entry)
{
    return ldr_store_hash(ldr_slice(ldr_entry_key_bytes(entry), entry->key_size), store->seed);
}

/* The policy takes an entry back as a newcomer, which it has given up and which shall stay. */
static void readmit(struct ldr_store *store, struct ldr_shard *shard, uint32_t slot)
{
    const struct ldr_entry *entry = ldr_entry_at(store->place, shard->slots.refs[slot]);
    struct larder_object object = ldr_shard_object(store, entry, hash_of(store, entry));
    ldr_policy_insert(&shard->policy, slot, &object);
}

/* Another victim in the place of the one that shall stay. */
static uint32_t another(struct ldr_store *store, struct ldr_shard *shard)
{
    uint32_t kept = shard->guard->slot, slot = ldr_policy_evict_next(&shard->policy, &shard->slots);
    if (slot == kept && shard->policy.state != NULL)
        ldr_policy_fault(&shard->policy); /* it was given up already */
    while (slot == kept)
        slot = ldr_policy_evict_next(&shard->policy, &shard->slots);
    readmit(store, shard, kept);
    return slot;
}

/* Drops an entry that the policy has given up. */
static void drop_victim(struct ldr_store *store, struct ldr_shard *shard, uint32_t slot, ldr_ref ref, uint64_t hash)
{
    const struct ldr_entry *entry = ldr_entry_at(store->place, ref);
    bool unexpired = !ldr_entry_expired(entry, shard->latest);
    if (__builtin_expect(ldr_store_has_floors(store), 0) && ldr_version_after(ldr_entry_version(entry), shard->floor))
        shard->floor = ldr_entry_version(entry);
    if (ldr_shard_guards(shard, slot)) {
        *shard->guard = (struct ldr_guard){.slot = LARDER_NO_SLOT, .went = true, .unexpired = unexpired};
    } else {
        shard->evictions++;
        shard->evictions_unexpired += unexpired;
    }
    ldr_shard_drop(store, shard, ref, hash);
}

bool ldr_room_evict(struct ldr_store *store, struct ldr_shard *shard)
{
    uint32_t slot = ldr_policy_evict(&shard->policy, &shard->slots);
    if (slot == LARDER_NO_SLOT)
        return false;
    if (ldr_shard_guards(shard, slot) && shard->slots.count > 1)
        slot = another(store, shard);
    ldr_ref ref = shard->slots.refs[slot];
    drop_victim(store, shard, slot, ref, hash_of(store, ldr_entry_at(store->place, ref)));
    return true;
}

/* So many are evicted at a time when there is a choice. */
#define VICTIMS      8u
#define SMALL_VICTIM 512u

static bool is_among(const uint32_t *victims, uint32_t count, uint32_t slot)
{
    while (count > 0 && victims[count - 1] != slot)
        count--;
    return count > 0;
}

/*
 * Evicts some entries ahead of need. Victims are what has not been used for longest: their slots, entries and lines are
 * in no cache, so they are asked for all at once.
 */
static void evict_some(struct ldr_store *store, struct ldr_shard *shard, uint32_t most)
{
    uint32_t victims[VICTIMS], count = 0;
    ldr_policy_hand_on(&shard->policy, &shard->slots);
    while (count < most && shard->slots.count > count + most) {
        uint32_t slot = ldr_policy_coldest(&shard->policy, &shard->slots);
        if (is_among(victims, count, slot)) /* it is resident still: only we know better than to believe the module */
            ldr_policy_fault(&shard->policy);
        if (slot == LARDER_NO_SLOT || shard->policy.state == NULL)
            break;
        if (ldr_shard_guards(shard, slot)) {
            readmit(store, shard, slot);
            break;
        }
        victims[count++] = slot;
        __builtin_prefetch(&shard->slots.refs[slot]);
    }
    ldr_ref refs[VICTIMS];
    uint64_t hashes[VICTIMS];
    for (uint32_t i = 0; i < count; i++) {
        refs[i] = shard->slots.refs[victims[i]];
        __builtin_prefetch(ldr_entry_at(store->place, refs[i]), 1); /* its slot becomes a link */
    }
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = hash_of(store, ldr_entry_at(store->place, refs[i]));
        __builtin_prefetch(ldr_index_probe(&shard->index, hashes[i]).line, 1);
    }
    for (uint32_t i = 0; i < count; i++)
        drop_victim(store, shard, victims[i], refs[i], hashes[i]);
}

struct place {
    struct ldr_store *store;
    struct ldr_shard *shard;
};

/* A cell that is retired or free has a link for its slot, at which no reference leads back to it. */
static bool live(void *arg, ldr_ref ref)
{
    const struct place *place = arg;
    const struct ldr_entry *entry = ldr_entry_at(place->store->place, ref);
    uint32_t slot = atomic_load_explicit(&entry->slot, memory_order_relaxed);
    return slot < place->shard->slots.used && place->shard->slots.refs[slot] == ref;
}

/* The copy is complete: readers find the one or the other from here on, which are the same to them. */
static void moved(void *arg, ldr_ref from, ldr_ref to)
{
    const struct place *place = arg;
    const struct ldr_entry *entry = ldr_entry_at(place->store->place, to);
    uint64_t hash = hash_of(place->store, entry);
    ldr_index_replace(&place->shard->writer, hash, from, to);
    uint32_t slot = atomic_load_explicit(&entry->slot, memory_order_relaxed);
    place->shard->slots.refs[slot] = to;
    if (ldr_shard_guards(place->shard, slot))
        place->shard->guard->ref = to;
}

/*
 * Waits a little for readers to leave. One that the scheduler has stopped inside its section takes a time slice to come
 * back, and needs a processor for it.
 */
void ldr_room_wait(unsigned *waits)
{
    const struct timespec pause = {.tv_nsec = 20000};
    if (ldr_epoch_advance(LDR_EPOCH_STORE, *waits > 32) || ++*waits < SPINS)
        return;
    if (*waits < YIELDS)
        sched_yield();
    else
        nanosleep(&pause, NULL);
}

void ldr_room_reclaim(struct ldr_shard *shard)
{
    unsigned waits = 0;
    while (ldr_slab_collect(shard->slab) || (ldr_slab_bytes(shard->slab).retired != 0 && waits < YIELDS))
        ldr_room_wait(&waits);
}

enum ldr_step ldr_room_step(struct ldr_store *store, struct ldr_shard *shard, enum ldr_need need)
{
    struct place place = {store, shard};
    const struct ldr_mover mover = {live, moved, &place};
    if (need == LDR_NEED_COMPACT && ldr_slab_compact(shard->slab, MOVED_AT_ONCE, &mover))
        return LDR_STEP_MADE;
    if (need != LDR_NEED_GRACE && ldr_room_evict(store, shard))
        return LDR_STEP_MADE;
    bool comes = need == LDR_NEED_GRACE || ldr_slab_bytes(shard->slab).retired != 0;
    return comes ? LDR_STEP_WAITS : LDR_STEP_NONE;
}

/*
 * After so many tries in vain threads that have become idle are parked: they would hold back everything that is retired
 * until the budget is full, and each write would go to memory that is in no cache.
 */
#define TRIES 16u

static void take_back(struct ldr_shard *shard)
{
    if (++shard->writes % LDR_WRITES_AT_ONCE != 0)
        return;
    if (ldr_slab_waits(shard->slab) || shard->left_hits != NULL)
        shard->tries = ldr_epoch_advance(LDR_EPOCH_STORE, shard->tries >= TRIES) ? 0 : shard->tries + 1;
    ldr_slab_turn_over(shard->slab);
    ldr_rebuild_collect(shard);
}

uint64_t ldr_room_fair_share(const struct ldr_store *store)
{
    uint64_t used = ldr_budget_used(&store->budget);
    uint64_t other = store->base + atomic_load_explicit(&store->heap_owed, memory_order_relaxed) +
                     atomic_load_explicit(&store->owed, memory_order_relaxed);
    return used > other ? (used - other) >> store->shard_bits : 0;
}

/*
 * Whether others should give room before this shard evicts: it has clearly less than they have. If every shard made room
 * by itself only, one that has little would keep little, and lose what is put into it at once.
 */
static bool is_poor(const struct ldr_store *store, const struct ldr_shard *shard)
{
    if (store->shard_bits == 0)
        return false;
    uint64_t share = ldr_room_fair_share(store);
    return ldr_slab_bytes(shard->slab).spans < share - share / 8;
}

/* What a shard keeps to spare, when entries of `size` bytes are put into it. */
static uint64_t spare_of(uint64_t spans, size_t size)
{
    uint64_t cells = (uint64_t)size * LDR_SPARE_CELLS, part = spans / LDR_SPARE_PART_SMALL;
    uint64_t small = cells < part ? cells : part;
    return small > spans / LDR_SPARE_PART ? small : spans / LDR_SPARE_PART;
}

/*
 * Evicts a little more than is needed, a few entries a write, until the shard has cells to spare: what was evicted can be
 * used again only after a grace period, which nobody has to wait for then.
 */
static void keep_spare(struct ldr_store *store, struct ldr_shard *shard, size_t size)
{
    struct ldr_slab_bytes bytes = ldr_slab_bytes(shard->slab);
    uint64_t spare = spare_of(bytes.spans, size);
    if (bytes.free + bytes.retired >= spare + size || spare < LDR_SPARE_LEAST ||
        !ldr_budget_lacks(&store->budget, spare + atomic_load_explicit(&store->budget.reserve, memory_order_relaxed)) ||
        atomic_load_explicit(&store->exact_hits, memory_order_relaxed) || /* then evictions are exact, too */
        ldr_slab_has_span(shard->slab, size) || is_poor(store, shard))
        return;
    /* Of small entries as many as are worth asking for together, of large ones no more than are needed. */
    uint64_t mean = ldr_slab_live(&bytes) / (shard->slots.count + UINT64_C(1)) + 1;
    uint64_t want = (spare + size - bytes.free - bytes.retired) / mean + 1;
    if (want > VICTIMS || mean < SMALL_VICTIM)
        want = VICTIMS;
    evict_some(store, shard, (uint32_t)want);
}

/*
 * Whether the budget has room for an entry of `size` bytes and the process no addresses, of which it may have few, and
 * nothing comes free by itself. Nothing is evicted for that: the budget was promised.
 */
static bool is_out_of_reach(const struct ldr_store *store, const struct ldr_shard *shard, size_t size)
{
    return store->reach < ldr_budget_limit(&store->budget) && ldr_slab_bytes(shard->slab).retired == 0 &&
           ldr_slab_lacks_addresses(shard->slab, size);
}

ldr_ref ldr_room_cell(struct ldr_store *store, struct ldr_shard *shard, size_t size, bool alone, bool *unreachable)
{
    unsigned waits = 0;
    take_back(shard);
    keep_spare(store, shard, size);
    for (;;) {
        ldr_ref ref = ldr_slab_take(shard->slab, size);
        if (ref != 0)
            return ref;
        if (ldr_slab_collect(shard->slab))
            continue;
        enum ldr_need need = ldr_slab_need(shard->slab, size);
        *unreachable = need == LDR_NEED_ROOM && is_out_of_reach(store, shard, size);
        if (*unreachable)
            return 0;
        /* For something large all shards give their part, not this one everything. */
        if (size > ldr_budget_limit(&store->budget) >> store->shard_bits >> 2 && store->shard_bits != 0)
            return 0;
        if (need == LDR_NEED_ROOM && !alone && is_poor(store, shard))
            return 0;
        enum ldr_step step = ldr_room_step(store, shard, need);
        if (step == LDR_STEP_NONE)
            return 0;
        if (step == LDR_STEP_WAITS)
            ldr_room_wait(&waits);
    }
}

/* A module that keeps more by itself than all of its shard may is at fault: evicting for it would not end. */
static void check_policy(const struct ldr_store *store, struct ldr_shard *shard)
{
    uint64_t part = ldr_budget_limit(&store->budget) >> store->shard_bits;
    if (shard->policy.state == NULL || ldr_policy_extra_bytes(&shard->policy) <= part)
        return;
    ldr_policy_fault(&shard->policy);
}

void ldr_room_settle(struct ldr_store *store, struct ldr_shard *shard)
{
    unsigned waits = 0;
    if (ldr_shard_grew(store, shard)) {
        check_policy(store, shard);
        ldr_shard_account(store, shard);
    }
    while (ldr_budget_lacks(&store->budget, 0) &&
           (shard->guard == NULL || shard->guard->slot == LARDER_NO_SLOT || shard->slots.count > 1)) {
        enum ldr_step step = LDR_STEP_MADE;
        if (!ldr_slab_collect(shard->slab))
            step = ldr_room_step(store, shard, ldr_slab_need_bytes(shard->slab, ldr_budget_excess(&store->budget)));
        if (step == LDR_STEP_NONE)
            break;
        if (step == LDR_STEP_WAITS)
            ldr_room_wait(&waits);
        ldr_shard_account(store, shard);
    }
}
