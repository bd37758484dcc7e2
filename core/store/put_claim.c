/* What a put does seldom: it has other shards give room, and says why it failed. */
#include <inttypes.h>

#include "core/base/fail.h"
#include "core/store/put.h"

/* Others may take the room that was made; so often one has to be unlucky before it is said that there is none. */
#define CLAIMS 1000u

void ldr_put_fit(struct ldr_store *store, struct ldr_shard *shard, uint64_t now)
{
    if (ldr_room_fit(store, now))
        return;
    ldr_shard_enter(shard, 0);
    ldr_rebuild_renew(store, shard);
    ldr_shard_leave(shard);
    ldr_room_fit(store, now);
}

/* One thread at a time, as several that each want half of the budget would keep it from one another. */
enum ldr_put_outcome ldr_put_claim(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                                   enum larder_status *status)
{
    enum ldr_put_outcome outcome = LDR_PUT_ELSEWHERE;
    newcomer->asked = true;
    pthread_mutex_lock(&store->claim_lock);
    for (unsigned claims = 0; claims < CLAIMS && outcome == LDR_PUT_ELSEWHERE; claims++) {
        if (claims > 0) {
            ldr_shard_enter_guarded(shard, newcomer->now, &newcomer->guard);
            ldr_rebuild_renew(store, shard);
            ldr_shard_leave(shard);
        }
        uint64_t claim = ldr_room_claim(store, &(struct ldr_claimant){shard, &newcomer->guard}, newcomer->span_size,
                                        newcomer->now);
        outcome = ldr_put_try(store, shard, newcomer, claim, status);
    }
    pthread_mutex_unlock(&store->claim_lock);
    return outcome;
}

void ldr_put_count_eviction(struct ldr_shard *shard, const struct ldr_newcomer *newcomer)
{
    ldr_shard_enter(shard, 0);
    shard->evictions++;
    shard->evictions_unexpired += newcomer->guard.unexpired;
    ldr_shard_leave(shard);
}

enum larder_status ldr_put_explain(const struct ldr_store *store, enum larder_status status,
                                   const struct ldr_newcomer *newcomer)
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
