#include <inttypes.h>

#include "core/base/fail.h"
#include "core/base/pages.h"
#include "core/store/state.h"

/* The allocator is asked to give back what was freed when it is this part of the budget, and more than a little. */
#define FREED_PART  128u
#define FREED_LEAST (UINT64_C(64) << 10)

/* Slots of an empty shard, if it may have so many. Fewer are not worth numbering anew. */
#define SLOTS_LEAST 1536u

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

/* As many slots as a shard would need for the smallest entries, within its part of the budget and a little more. */
static uint32_t most_slots(const struct ldr_store *store, const struct ldr_setup *setup, uint64_t extra)
{
    uint64_t shards = ldr_store_shards(store), spent = store->base + shards * fresh_bytes(setup, 0, extra);
    if (setup->max_bytes <= spent)
        return 0;
    uint64_t each = LDR_SMALLEST + setup->module->slot_bytes + 1; /* the same whether hits are counted or not */
    uint64_t slots = (setup->max_bytes - spent) / shards / each;
    if (shards > 1)
        slots += slots / 8;
    return slots < store->slots_max ? (uint32_t)slots : store->slots_max;
}

static uint32_t slots_within(uint64_t wanted, uint32_t most)
{
    uint64_t slots = wanted > SLOTS_LEAST ? wanted : SLOTS_LEAST;
    return slots < most ? (uint32_t)slots : most;
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

enum larder_status ldr_rebuild_open(const struct ldr_store *store, const struct ldr_setup *setup, uint64_t entries,
                                    uint64_t slots, struct ldr_policy *policy)
{
    uint64_t shards = ldr_store_shards(store), extra = 0;
    /* What a module keeps in a fresh state besides its slots is known afterwards: then there is room for fewer slots. */
    for (int attempt = 0; attempt < 2; attempt++) {
        uint32_t max_slots = slots_within(slots, most_slots(store, setup, extra));
        if (max_slots == 0)
            break;
        uint32_t expected = entries < max_slots ? (uint32_t)entries : max_slots;
        if (!ldr_policy_open(policy, setup->module, setup->params, max_slots, expected,
                             (setup->max_bytes - store->base) / shards))
            return ldr_fail_memory();
        if (store->base + shards * fresh_bytes(setup, max_slots, policy->fresh_bytes) + LDR_FIRST_ENTRY <=
            setup->max_bytes)
            return LARDER_OK;
        extra = policy->fresh_bytes;
        ldr_policy_close(policy);
    }
    return too_small(setup, store->base + shards * fresh_bytes(setup, 0, extra) + 2 * LDR_FIRST_ENTRY);
}

uint64_t ldr_rebuild_least(const struct ldr_store *store, const struct ldr_policy *policies)
{
    uint64_t least = store->base;
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        const struct ldr_policy *policy = &policies[i];
        least += ldr_policy_array_bytes(policy->module, slots_within(0, policy->max_slots)) + policy->fresh_bytes +
                 2 * sizeof(struct ldr_line);
    }
    return least;
}

uint64_t ldr_store_room(const struct ldr_store *store)
{
    uint64_t limit = ldr_budget_limit(&store->budget),
             least = atomic_load_explicit(&store->least, memory_order_relaxed);
    least += atomic_load_explicit(&store->budget.reserve, memory_order_relaxed);
    return limit > least ? limit - least : 0;
}

/* Where the entries of a shard go. */
struct target {
    struct ldr_policy policy;
    struct ldr_slots slots;
    struct ldr_due due;
    uint32_t guarded; /* the number of the entry that is guarded; LARDER_NO_SLOT: none */
};

static void move_entry(struct ldr_store *store, struct ldr_shard *shard, uint32_t slot, struct target *target)
{
    ldr_ref ref = shard->slots.refs[slot];
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
    shard->slots.refs[slot] = LDR_SLOT_FREE;
}

/* Coldest first; when the old state was given up, the rest in the order of slots. */
static void move_all(struct ldr_store *store, struct ldr_shard *shard, struct target *target)
{
    uint32_t left = shard->slots.count;
    for (; left > 0; left--) {
        uint32_t slot = ldr_policy_coldest(&shard->policy, &shard->slots);
        if (slot == LARDER_NO_SLOT)
            break;
        move_entry(store, shard, slot, target);
    }
    for (uint32_t slot = 0; left > 0; slot++) {
        if (!ldr_slots_resident(&shard->slots, slot))
            continue;
        move_entry(store, shard, slot, target);
        left--;
    }
}

/* Readers may still count hits for the old state. */
static void wait_for_readers(void)
{
    uint64_t tag = ldr_epoch_tag(LDR_EPOCH_STORE);
    unsigned waits = 0;
    while (!ldr_epoch_passed(LDR_EPOCH_STORE, tag))
        ldr_room_wait(&waits);
}

/* More entries may have come since the state was opened. Where it cannot be larger, some of them have to go. */
static void fit_policy(struct ldr_store *store, struct ldr_shard *shard, struct ldr_policy *policy)
{
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_acquire);
    struct ldr_policy larger;
    if (shard->slots.count > policy->max_slots &&
        ldr_rebuild_open(store, setup, shard->slots.count, slots_for(store, shard), &larger) == LARDER_OK) {
        ldr_policy_close(policy);
        *policy = larger;
    }
    while (shard->slots.count > policy->max_slots && ldr_room_evict(store, shard))
        ;
}

/* The allocator keeps what is freed, which nobody counts: a little of it may stay there. */
static void give_back(struct ldr_store *store, uint64_t bytes)
{
    uint64_t freed = atomic_fetch_add_explicit(&store->freed, bytes, memory_order_relaxed) + bytes;
    if (freed < ldr_budget_limit(&store->budget) / FREED_PART + FREED_LEAST)
        return;
    atomic_store_explicit(&store->freed, 0, memory_order_relaxed);
    ldr_pages_trim_allocator();
}

void ldr_rebuild_shard(struct ldr_store *store, struct ldr_shard *shard, const struct ldr_policy *policy)
{
    struct target target = {.policy = *policy, .guarded = LARDER_NO_SLOT};
    ldr_policy_hand_on(&shard->policy, &shard->slots);
    fit_policy(store, shard, &target.policy);
    target.due = shard->due;
    ldr_ranges_turn(store, shard, &target.slots, &target.due);
    move_all(store, shard, &target);
    /* Release: whoever finds the hits finds them made. */
    atomic_store_explicit(&shard->hits, target.policy.hits, memory_order_release);
    wait_for_readers();
    target.policy.faults += shard->policy.faults;
    if (shard->policy.hits != NULL)
        shard->dropped_hits += atomic_load_explicit(&shard->policy.hits->dropped, memory_order_relaxed);
    uint64_t freed = ldr_policy_bytes(&shard->policy);
    ldr_policy_close(&shard->policy);
    give_back(store, freed);
    shard->policy = target.policy;
    shard->slots = target.slots;
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
    if (shard->policy.state != NULL && ldr_rebuild_open(store, setup, 0, 0, &policy) == LARDER_OK)
        ldr_rebuild_shard(store, shard, &policy);
}

void ldr_rebuild_compact(struct ldr_store *store, struct ldr_shard *shard)
{
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_acquire);
    struct ldr_policy policy;
    uint32_t count = shard->slots.count;
    /* Far below what slots_for() allows for growth, so that what was laid out just now is not laid out again. */
    if (shard->policy.max_slots <= SLOTS_LEAST || count >= shard->policy.max_slots / 8)
        return;
    if (ldr_rebuild_open(store, setup, count, slots_for(store, shard), &policy) == LARDER_OK)
        ldr_rebuild_shard(store, shard, &policy);
}

void ldr_rebuild_grow(struct ldr_store *store, struct ldr_shard *shard)
{
    const struct ldr_setup *setup = atomic_load_explicit(&store->setup, memory_order_acquire);
    struct ldr_policy policy;
    uint32_t count = shard->slots.count;
    if (count < most_slots(store, setup, shard->policy.fresh_bytes) &&
        ldr_rebuild_open(store, setup, count, slots_for(store, shard), &policy) == LARDER_OK)
        ldr_rebuild_shard(store, shard, &policy);
}
