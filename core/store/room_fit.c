/* Making room in all shards: for one that has nothing left to give, or for a budget that has become less. */
#include "core/store/state.h"

/* So many steps are made for others before writers of the shard get a turn. */
#define GIVEN_AT_ONCE 64u

/* So often readers are waited for, that they leave what a shard has evicted, before others are asked as well. */
#define GRACE_WAITS 512u

enum gift {
    NOTHING,
    SOME,
    COMING /* enough is evicted, and readers may see it still */
};

/* What a shard shall still have when it has given its part. */
static uint64_t rest_of(struct ldr_shard *shard, uint64_t part, uint64_t keep)
{
    ldr_spin_lock(&shard->lock);
    uint64_t spans = ldr_slab_bytes(shard->slab).spans, rest = spans > part ? spans - part : 0;
    ldr_spin_unlock(&shard->lock);
    return rest > keep ? rest : keep;
}

/* One step towards so many bytes less. */
static enum gift give(struct ldr_store *store, struct ldr_shard *shard, uint64_t bytes)
{
    unsigned waits = 0;
    if (ldr_slab_collect(shard->slab))
        return SOME;
    enum ldr_need need = ldr_slab_need_bytes(shard->slab, bytes);
    if (need == LDR_NEED_GRACE)
        return COMING;
    return ldr_room_step(store, shard, need, &waits) ? SOME : NOTHING;
}

/* Has a shard give back what it has over its rest, or some of it: it is asked again. */
static enum gift take_some(struct ldr_store *store, struct ldr_shard *shard, struct ldr_guard *guard, uint64_t rest,
                           uint64_t now)
{
    ldr_shard_enter_guarded(shard, now, guard);
    uint64_t spans = ldr_slab_bytes(shard->slab).spans;
    enum gift gift = spans > rest ? SOME : NOTHING;
    for (unsigned steps = 0;
         gift == SOME && steps < GIVEN_AT_ONCE && spans > rest && ldr_budget_lacks(&store->budget, 0); steps++) {
        gift = give(store, shard, spans - rest);
        spans = ldr_slab_bytes(shard->slab).spans;
    }
    ldr_rebuild_compact(store, shard);
    ldr_shard_account(store, shard);
    ldr_shard_leave(shard);
    return spans > 0 ? gift : NOTHING;
}

/*
 * Has a shard give back its part of what is missing, down to what it shall keep. What is to come free is waited for
 * without its lock: the next one would give as much for the same, and where entries are few, the last ones. False: it has nothing
 * to give.
 */
static bool take_from(struct ldr_store *store, struct ldr_shard *shard, struct ldr_guard *guard, uint64_t part,
                      uint64_t keep, uint64_t now)
{
    unsigned waits = 0;
    uint64_t rest = rest_of(shard, part, keep);
    enum gift gift;
    while ((gift = take_some(store, shard, guard, rest, now)) == COMING && waits < GRACE_WAITS)
        ldr_room_wait(&waits);
    return gift != NOTHING;
}

/* Has every shard give its part, that of a claimant last. False: none had anything. */
static bool take_from_all(struct ldr_store *store, const struct ldr_claimant *claimant, uint64_t keep, uint64_t now)
{
    uint32_t shards = ldr_store_shards(store);
    uint64_t part = ldr_budget_excess(&store->budget) / shards / 2 + 1;
    bool gave = false;
    for (uint32_t i = 0; i < shards; i++)
        if (&store->shards[i] != claimant->shard)
            gave |= take_from(store, &store->shards[i], NULL, part, keep, now);
    if (claimant->shard != NULL && ldr_budget_lacks(&store->budget, 0) && !gave)
        gave = take_from(store, claimant->shard, claimant->guard, ldr_budget_excess(&store->budget), keep, now);
    return gave;
}

/* First those give that have more than their share, then all. */
static bool fit(struct ldr_store *store, const struct ldr_claimant *claimant, uint64_t now)
{
    uint64_t keep = store->shard_bits != 0 ? ldr_room_fair_share(store) : 0;
    while (ldr_budget_lacks(&store->budget, 0)) {
        bool gave = take_from_all(store, claimant, keep, now);
        if (!gave && keep == 0)
            break;
        if (!gave)
            keep = 0;
    }
    if (ldr_budget_lacks(&store->budget, 0))
        ldr_ranges_trim(store);
    return !ldr_budget_lacks(&store->budget, 0);
}

bool ldr_room_fit(struct ldr_store *store, uint64_t now)
{
    return fit(store, &(struct ldr_claimant){0}, now);
}

uint64_t ldr_room_claim(struct ldr_store *store, const struct ldr_claimant *claimant, uint64_t bytes, uint64_t now)
{
    uint64_t claim = bytes + atomic_load_explicit(&store->budget.reserve, memory_order_relaxed);
    ldr_budget_claim(&store->budget, claim);
    if (fit(store, claimant, now))
        return claim;
    ldr_budget_unclaim(&store->budget, claim);
    return 0;
}
