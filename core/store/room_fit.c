/* Making room in all shards: for one that has nothing left to give, or for a budget that has become less. */
#include "core/store/heap.h"
#include "core/store/state.h"

/* So many steps are made for others before writers of the shard get a turn. */
#define GIVEN_AT_ONCE 64u

/* So often readers are waited for, that they leave what one shard has evicted, before the next one is asked. */
#define GRACE_WAITS 4096u

/* For what somebody needs room, and how far that has come. */
struct fitting {
    struct ldr_store *store;
    const struct ldr_claimant *claimant;
    uint64_t now;
    uint64_t keep; /* what a shard may keep */
    unsigned waits;
    unsigned patience; /* GRACE_WAITS, or 0 once that was not enough: somebody is stopped */
};

/* Has a shard give back what it has over `rest`, or some of it. */
static enum ldr_step take_some(const struct fitting *fitting, struct ldr_shard *shard, uint64_t rest)
{
    struct ldr_store *store = fitting->store;
    enum ldr_step step = LDR_STEP_MADE;
    ldr_shard_enter_guarded(shard, fitting->now, shard == fitting->claimant->shard ? fitting->claimant->guard : NULL);
    uint64_t spans = ldr_slab_bytes(shard->slab).spans;
    for (unsigned steps = 0;
         step == LDR_STEP_MADE && steps < GIVEN_AT_ONCE && spans > rest && ldr_budget_lacks(&store->budget, 0);
         steps++) {
        if (!ldr_slab_collect(shard->slab))
            step = ldr_room_step(store, shard, ldr_slab_need_bytes(shard->slab, spans - rest));
        spans = ldr_slab_bytes(shard->slab).spans;
    }
    ldr_rebuild_compact(store, shard);
    ldr_shard_account(store, shard);
    ldr_shard_leave(shard);
    return step;
}

static uint64_t spans_of(struct ldr_shard *shard)
{
    ldr_spin_lock(&shard->lock);
    uint64_t spans = ldr_slab_bytes(shard->slab).spans;
    ldr_spin_unlock(&shard->lock);
    return spans;
}

/*
 * Has a shard give back a part of what is missing, down to what it may keep, or some of it: it is asked again. The part
 * of a span is a whole one. So that not each shard gives one for the sake of the last bytes, which may be all that it has,
 * that one is waited for, without the lock, until it is free.
 */
static enum ldr_step take_from(struct fitting *fitting, struct ldr_shard *shard, uint64_t part)
{
    const struct ldr_sizes *sizes = &fitting->store->heap->sizes;
    uint64_t spans = spans_of(shard), rest = spans > part ? spans - part : 0;
    bool is_last = part < (uint64_t)sizes->span_max << sizes->grain_shift >> 1;
    if (spans <= fitting->keep)
        return LDR_STEP_NONE;
    rest = rest > fitting->keep ? rest : fitting->keep;
    enum ldr_step step = take_some(fitting, shard, rest);
    for (unsigned left = is_last ? fitting->patience : 0; step == LDR_STEP_WAITS && left > 0; left--) {
        ldr_room_wait(&fitting->waits);
        step = take_some(fitting, shard, rest);
        if (left == 1 && step == LDR_STEP_WAITS)
            fitting->patience = 0;
    }
    return step;
}

static enum ldr_step more_of(enum ldr_step a, enum ldr_step b)
{
    return a > b ? a : b;
}

/* Has every shard give its part, that of a claimant last. */
static enum ldr_step take_from_all(struct fitting *fitting)
{
    struct ldr_store *store = fitting->store;
    uint32_t shards = ldr_store_shards(store);
    /* Half of it, as each gives a little more than it is asked for. */
    uint64_t part = shards > 1 ? ldr_budget_excess(&store->budget) / shards / 2 + 1 : ldr_budget_excess(&store->budget);
    enum ldr_step step = LDR_STEP_NONE;
    for (uint32_t i = 0; i < shards; i++)
        if (&store->shards[i] != fitting->claimant->shard)
            step = more_of(step, take_from(fitting, &store->shards[i], part));
    if (fitting->claimant->shard != NULL && ldr_budget_lacks(&store->budget, 0) && step == LDR_STEP_NONE)
        step = take_from(fitting, fitting->claimant->shard, ldr_budget_excess(&store->budget));
    return step;
}

/* First those give that have more than their share, then all. */
static bool fit(struct ldr_store *store, const struct ldr_claimant *claimant, uint64_t now)
{
    struct fitting fitting = {
        .store = store,
        .claimant = claimant,
        .now = now,
        .keep = store->shard_bits != 0 ? ldr_room_fair_share(store) : 0,
        .patience = GRACE_WAITS,
    };
    while (ldr_budget_lacks(&store->budget, 0)) {
        enum ldr_step step = take_from_all(&fitting);
        if (step == LDR_STEP_NONE && fitting.keep == 0)
            break;
        if (step == LDR_STEP_NONE)
            fitting.keep = 0;
        else if (step == LDR_STEP_WAITS)
            ldr_room_wait(&fitting.waits);
    }
    if (ldr_budget_lacks(&store->budget, 0))
        ldr_ranges_fit(store);
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
