#include <inttypes.h>

#include "core/base/fail.h"
#include "core/base/pages.h"
#include "core/store/state.h"

/* The allocator is asked to give back what was freed when it is this part of the budget, and more than a little. */
#define FREED_PART  128u
#define FREED_LEAST (UINT64_C(64) << 10)

/* Slots of an empty shard, if it may have so many. Fewer are not worth numbering anew. */
#define SLOTS_LEAST 1536u

/* A limited shard has all its slots at once when they cost at most one part in so many of its part of the budget. */
#define SLOTS_PART 4u

/* So many entries are asked for at a time when they are moved: they are in no cache, the coldest above all. */
#define MOVED_TOGETHER 16u

static enum larder_status too_small(const struct ldr_setup *setup, uint64_t least)
{
    return ldr_fail(LARDER_NO_ROOM, "max_bytes: got %" PRIu64 ", wanted at least %" PRIu64 " (eviction %s)",
                    setup->max_bytes, least, setup->module->head.name);
}

/* What one shard costs with a fresh state, no matter how small its arrays are. */
static uint64_t fresh_bytes(const struct ldr_setup *setup, uint32_t max_slots, uint64_t extra)
{
    return ldr_policy_array_bytes(setup->module, max_slots) + extra + 2 * sizeof(struct ldr_line);
}

/* The entries that a shard may have, all together as many as the limit says; 0: there is none. */
static uint32_t limit_of(const struct ldr_store *store, const struct ldr_shard *shard, const struct ldr_setup *setup)
{
    uint64_t limit = setup->max_entries >> store->shard_bits, left = setup->max_entries % ldr_store_shards(store);
    limit += (uint64_t)(shard - store->shards) < left;
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

/*
 * As many slots as a shard would need for the smallest entries, within its part of the budget and a little more; no more
 * than it may have entries.
 */
static uint32_t most_slots(const struct ldr_store *store, const struct ldr_shard *shard, const struct ldr_setup *setup,
                           uint64_t extra)
{
    uint64_t shards = ldr_store_shards(store), spent = store->base + shards * fresh_bytes(setup, 0, extra);
    if (setup->max_bytes <= spent)
        return 0;
    uint64_t each = LDR_SMALLEST + setup->module->slot_bytes + 1; /* the same whether hits are counted or not */
    uint64_t slots = (setup->max_bytes - spent) / shards / each;
    if (shards > 1)
        slots += slots / 8;
    if (setup->max_entries != 0 && slots > limit_of(store, shard, setup))
        slots = limit_of(store, shard, setup);
    return slots < store->slots_max ? (uint32_t)slots : store->slots_max;
}

static uint32_t slots_within(uint64_t wanted, uint32_t most)
{
    uint64_t slots = wanted > SLOTS_LEAST ? wanted : SLOTS_LEAST;
    return slots < most ? (uint32_t)slots : most;
}

/* The slots of a shard that wants so many. All at once, so that its policy forgets nothing by being laid out anew. */
static uint32_t slots_of(const struct ldr_store *store, const struct ldr_shard *shard, const struct ldr_setup *setup,
                         uint64_t extra, uint64_t wanted)
{
    uint32_t most = most_slots(store, shard, setup, extra);
    bool at_once = setup->max_entries != 0 &&
                   ldr_policy_array_bytes(setup->module, most) <= (setup->max_bytes >> store->shard_bits) / SLOTS_PART;
    return at_once ? most : slots_within(wanted, most);
}

/*
 * As many as the shard will need when its part of the budget is full of entries like those it has, and a few to spare. As
 * that is a guess, no more than four times as many as there are, later a quarter more. So an entry is moved once or twice
 * until its shard is full.
 */
static uint64_t slots_for(const struct ldr_store *store, const struct ldr_shard *shard)
{
    uint64_t entries = shard->slots.count, part = ldr_budget_limit(&store->budget) >> store->shard_bits;
    uint64_t held = ldr_slab_bytes(shard->slab).spans + shard->owed;
    uint64_t sixteenths = held != 0 && held < part ? 16 * part / held : 16, most = entries < 4096 ? 64 : 20;
    return entries * ((sixteenths < most ? sixteenths : most) + 1) / 16;
}

enum larder_status ldr_rebuild_open(const struct ldr_store *store, const struct ldr_shard *shard,
                                    const struct ldr_setup *setup, uint64_t slots, struct ldr_policy *policy)
{
    uint32_t limit = limit_of(store, shard, setup);
    uint64_t shards = ldr_store_shards(store), extra = 0;
    /* What a module keeps in a fresh state besides its slots is known afterwards: then there is room for fewer slots. */
    for (int attempt = 0; attempt < 2; attempt++) {
        uint32_t max_slots = slots_of(store, shard, setup, extra, slots);
        if (max_slots == 0)
            break;
        const struct ldr_policy_size size = {
            .max_slots = max_slots,
            .expected = limit != 0 || slots > max_slots ? max_slots : (uint32_t)slots,
            .limit = limit,
            .bytes = (setup->max_bytes - store->base) / shards,
        };
        if (!ldr_policy_open(policy, setup->module, setup->params, &size))
            return ldr_fail_memory();
        if (store->base + shards * fresh_bytes(setup, max_slots, policy->fresh_bytes) + LDR_FIRST_ENTRY <=
            setup->max_bytes)
            return LARDER_OK;
        extra = policy->fresh_bytes;
        ldr_policy_close(policy);
    }
    return too_small(setup, store->base + shards * fresh_bytes(setup, 0, extra) + 2 * LDR_FIRST_ENTRY);
}

uint64_t ldr_rebuild_least(struct ldr_store *store)
{
    uint64_t least = store->base;
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_spin_lock(&shard->lock);
        const struct ldr_policy *policy = shard->next;
        uint32_t slots = policy->limit != 0 ? policy->max_slots : slots_within(0, policy->max_slots);
        least += ldr_policy_array_bytes(policy->module, slots) + policy->fresh_bytes + 2 * sizeof(struct ldr_line);
        ldr_spin_unlock(&shard->lock);
    }
    return least;
}

void ldr_store_set_room(struct ldr_store *store, uint64_t least)
{
    uint64_t limit = ldr_budget_limit(&store->budget);
    least += atomic_load_explicit(&store->budget.reserve, memory_order_relaxed);
    atomic_store_explicit(&store->room, limit > least ? limit - least : 0, memory_order_relaxed);
}

/* Where the entries of a shard go. */
struct target {
    struct ldr_policy policy;
    struct ldr_slots slots;
    struct ldr_due due;
    uint32_t guarded; /* the number of the entry that is guarded; LARDER_NO_SLOT: none */
};

/* An entry on its way: its slot is free already. */
struct leaver {
    uint32_t slot;
    ldr_ref ref;
};

static struct leaver leave(const struct ldr_store *store, struct ldr_shard *shard, uint32_t slot)
{
    struct leaver leaver = {slot, shard->slots.refs[slot]};
    const unsigned char *entry = (const unsigned char *)ldr_entry_at(store->place, leaver.ref);
    __builtin_prefetch(entry, 1);
    __builtin_prefetch(entry + sizeof(struct ldr_line) / 2); /* of the key, which may lie in the next line */
    shard->slots.refs[slot] = LDR_SLOT_FREE;
    return leaver;
}

static void arrive(const struct ldr_store *store, const struct ldr_shard *shard, struct leaver leaver,
                   struct target *target)
{
    uint32_t slot = leaver.slot;
    ldr_ref ref = leaver.ref;
    struct ldr_entry *entry = ldr_entry_at(store->place, ref);
    struct larder_object object = ldr_shard_object(store, entry, ldr_store_hash(ldr_entry_key(entry), store->seed));
    uint32_t to = ldr_slots_take(&target->slots, ref);
    if (shard->due.count != 0 && shard->due.where[slot] != 0) {
        target->due.where[to] = shard->due.where[slot];
        target->due.slots[target->due.where[to] - 1] = to;
    }
    /* Relaxed: a reader that still sees the old number warms a stranger. */
    atomic_store_explicit(&entry->slot, to, memory_order_relaxed);
    ldr_policy_insert(&target->policy, to, &object);
    if (ldr_shard_guards(shard, slot))
        target->guarded = to;
}

/* Coldest first; LARDER_NO_SLOT: the old state was given up, and the rest is taken in the order of slots, from *from on. */
static uint32_t next_to_move(struct ldr_shard *shard, uint32_t *from)
{
    uint32_t slot = ldr_policy_coldest(&shard->policy, &shard->slots);
    if (slot != LARDER_NO_SLOT)
        return slot;
    while (!ldr_slots_resident(&shard->slots, *from))
        ++*from;
    return *from;
}

static void move_all(struct ldr_store *store, struct ldr_shard *shard, struct target *target)
{
    struct leaver leavers[MOVED_TOGETHER];
    uint32_t from = 0;
    for (uint32_t left = shard->slots.count, some; left > 0; left -= some) {
        some = left < MOVED_TOGETHER ? left : MOVED_TOGETHER;
        for (uint32_t i = 0; i < some; i++)
            leavers[i] = leave(store, shard, next_to_move(shard, &from));
        for (uint32_t i = 0; i < some; i++)
            arrive(store, shard, leavers[i], target);
    }
}

/* The state goes now, the hits when no reader can see them any more: nobody waits for that under the lock. */
static void close_policy(struct ldr_store *store, struct ldr_shard *shard)
{
    struct ldr_hits *hits = shard->policy.hits;
    atomic_fetch_add_explicit(&store->freed, ldr_policy_bytes(&shard->policy), memory_order_relaxed);
    ldr_policy_give_up(&shard->policy);
    if (hits == NULL)
        return;
    shard->dropped_hits += atomic_load_explicit(&hits->dropped, memory_order_relaxed);
    hits->tag = ldr_epoch_tag(LDR_EPOCH_STORE);
    hits->left = shard->left_hits;
    shard->left_hits = hits;
}

bool ldr_rebuild_collect(struct ldr_shard *shard)
{
    struct ldr_hits **at = &shard->left_hits;
    while (*at != NULL && !ldr_epoch_passed(LDR_EPOCH_STORE, (*at)->tag)) /* the latest comes first */
        at = &(*at)->left;
    ldr_hits_close(*at);
    *at = NULL;
    return shard->left_hits == NULL;
}

/* The allocator keeps what is freed, which nobody counts: a little of it may stay there. */
void ldr_rebuild_trim(struct ldr_store *store)
{
    uint64_t freed = atomic_load_explicit(&store->freed, memory_order_relaxed);
    if (freed < ldr_budget_limit(&store->budget) / FREED_PART + FREED_LEAST ||
        atomic_exchange_explicit(&store->freed, 0, memory_order_relaxed) == 0) /* another thread is at it */
        return;
    ldr_pages_trim_allocator();
}

void ldr_rebuild_shard(struct ldr_store *store, struct ldr_shard *shard, const struct ldr_policy *policy)
{
    struct target target = {.policy = *policy, .guarded = LARDER_NO_SLOT};
    ldr_policy_hand_on(&shard->policy, &shard->slots);
    while (shard->slots.count > policy->max_slots && ldr_room_evict(store, shard))
        ;
    target.due = shard->due;
    ldr_ranges_turn(store, shard, &target.slots, &target.due);
    move_all(store, shard, &target);
    /* Release: whoever finds the hits finds them made. */
    atomic_store_explicit(&shard->hits, target.policy.hits, memory_order_release);
    target.policy.faults += shard->policy.faults;
    close_policy(store, shard);
    shard->policy = target.policy;
    shard->slots = target.slots;
    shard->layout++;
    shard->due = target.due;
    if (shard->guard != NULL)
        shard->guard->slot = target.guarded;
    ldr_ranges_drop_other(store, shard);
    ldr_ranges_trim_due(store, shard);
    ldr_shard_account(store, shard);
}

void ldr_rebuild_renew(struct ldr_store *store, struct ldr_shard *shard)
{
    struct ldr_policy policy;
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_acquire);
    uint64_t slots = shard->slots.count != 0 ? slots_for(store, shard) : 0;
    if (shard->policy.state != NULL && ldr_rebuild_open(store, shard, setup, slots, &policy) == LARDER_OK)
        ldr_rebuild_shard(store, shard, &policy);
}

void ldr_rebuild_compact(struct ldr_store *store, struct ldr_shard *shard)
{
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_acquire);
    struct ldr_policy policy;
    /* Far below what slots_for() allows for growth, so that what was laid out just now is not laid out again. */
    if (shard->policy.max_slots <= SLOTS_LEAST || shard->slots.count >= shard->policy.max_slots / 8)
        return;
    uint64_t wanted = slots_for(store, shard);
    if (slots_of(store, shard, setup, shard->policy.fresh_bytes, wanted) < shard->policy.max_slots &&
        ldr_rebuild_open(store, shard, setup, wanted, &policy) == LARDER_OK)
        ldr_rebuild_shard(store, shard, &policy);
}

/* What is about to take the policy's place gets as many slots. False: there is no memory, and nothing has changed. */
static bool grow_next(const struct ldr_store *store, struct ldr_shard *shard, uint64_t slots)
{
    struct ldr_policy larger;
    if (shard->next == NULL)
        return true;
    if (ldr_rebuild_open(store, shard, store->next_setup, slots, &larger) != LARDER_OK)
        return false;
    ldr_policy_close(shard->next);
    *shard->next = larger;
    return true;
}

void ldr_rebuild_grow(struct ldr_store *store, struct ldr_shard *shard)
{
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_acquire);
    struct ldr_policy policy;
    uint64_t wanted = slots_for(store, shard);
    if (shard->slots.count >= most_slots(store, shard, setup, shard->policy.fresh_bytes) ||
        ldr_rebuild_open(store, shard, setup, wanted, &policy) != LARDER_OK)
        return;
    if (grow_next(store, shard, policy.max_slots))
        ldr_rebuild_shard(store, shard, &policy);
    else
        ldr_policy_close(&policy);
}
