/* Making room in all shards: for one that has nothing left to give, or for a budget that has become less. */
#include "core/store/state.h"

/* So many steps are made for others before writers of the shard get a turn. */
#define GIVEN_AT_ONCE 64u

/*
 * Has a shard give back its part of what is missing, down to what it shall keep, or some of it: it is asked again. False:
 * it has nothing to give.
 */
static bool take_from(struct ldr_store *store, struct ldr_shard *shard, struct ldr_guard *guard, uint64_t part,
                      uint64_t keep, uint64_t now)
{
    unsigned waits = 0;
    ldr_shard_enter_guarded(shard, now, guard);
    uint64_t spans = ldr_slab_bytes(shard->slab).spans, until = spans > part ? spans - part : 0;
    until = until > keep ? until : keep;
    bool gave = spans > until;
    for (unsigned steps = 0; gave && steps < GIVEN_AT_ONCE && spans > until && ldr_budget_lacks(&store->budget, 0);
         steps++) {
        if (!ldr_slab_collect(shard->slab))
            gave = ldr_room_step(store, shard, ldr_slab_need_bytes(shard->slab, spans - until), &waits);
        spans = ldr_slab_bytes(shard->slab).spans;
    }
    ldr_rebuild_compact(store, shard);
    ldr_shard_account(store, shard);
    ldr_shard_leave(shard);
    return gave && spans > 0;
}

/* Has every shard give its part, that of a claimant last. False: none had anything. */
static bool take_from_all(struct ldr_store *store, const struct ldr_claimant *claimant, uint64_t keep, uint64_t now)
{
    uint32_t shards = ldr_store_shards(store);
    uint64_t part = ldr_budget_excess(&store->budget) / shards + 1;
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
