/* What takes entries out: a removal, expiry, and clearing the whole. */
#include "core/base/fail.h"
#include "core/store/state.h"

enum larder_status ldr_store_remove(struct ldr_store *store, struct larder_slice key, uint32_t flags,
                                    struct larder_version expected, uint64_t now)
{
    enum larder_status status = LARDER_OK;
    uint64_t hash = ldr_store_hash(key, store->seed);
    struct ldr_shard *shard = ldr_store_shard(store, hash);
    ldr_shard_enter(shard, now);
    struct ldr_found_entry found;
    ldr_shard_find(store, shard, key, hash, now, &found);
    const struct ldr_entry *present = ldr_entry_present(found.entry, now);
    if (present == NULL)
        status = LARDER_NOT_FOUND;
    else if ((flags & LDR_PUT_IF_VERSION) != 0 && !ldr_version_same(ldr_entry_version(present), expected))
        status = LARDER_PRECONDITION;
    if (found.entry != NULL && status != LARDER_PRECONDITION)
        ldr_shard_discard(store, shard, found.ref);
    ldr_shard_tidy(store, shard);
    ldr_shard_leave(shard);
    return status == LARDER_PRECONDITION ? ldr_fail(status, "the entry has another version") : status;
}

/* So many entries are removed before writers of the shard get a turn. */
#define EXPIRED_AT_ONCE 256u

/* What ended then or before. */
static size_t expire_some(struct ldr_store *store, struct ldr_shard *shard, uint64_t now, uint64_t end, size_t limit)
{
    size_t removed = 0;
    ldr_shard_enter(shard, now);
    for (; removed < limit && shard->due.count != 0 && shard->due.times[0] <= end; removed++) {
        shard->expirations++;
        ldr_shard_discard(store, shard, shard->slots.refs[ldr_due_first(&shard->due)]);
    }
    ldr_shard_tidy(store, shard);
    ldr_shard_leave(shard);
    return removed;
}

/* What was retired and not needed since: a shard that is in use takes it back by itself. */
static void collect(struct ldr_store *store, struct ldr_shard *shard)
{
    if (!ldr_shard_try(shard, 0))
        return;
    if (ldr_slab_bytes(shard->slab).retired != 0)
        ldr_epoch_advance(LDR_EPOCH_STORE, true);
    ldr_shard_tidy(store, shard);
    bool trim = ldr_ranges_sparse(shard);
    ldr_shard_leave(shard);
    if (trim)
        ldr_ranges_trim(store);
}

uint64_t ldr_store_expire(struct ldr_store *store, uint64_t now, size_t limit)
{
    uint64_t next = LARDER_NEVER, kept = ldr_store_kept(store), end = ldr_gone_by(now, kept);
    ldr_rebuild_trim(store);
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        uint64_t due = LARDER_NEVER;
        if (limit == 0)
            return now;
        while ((due = atomic_load_explicit(&shard->next_due, memory_order_relaxed)) <= end && due != LARDER_NEVER) {
            if (limit == 0)
                return now;
            limit -= expire_some(store, shard, now, end, limit < EXPIRED_AT_ONCE ? limit : EXPIRED_AT_ONCE);
        }
        next = due < next ? due : next;
        collect(store, shard);
    }
    return next < LARDER_NEVER - kept ? next + kept : LARDER_NEVER;
}

void ldr_store_clear(struct ldr_store *store)
{
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_shard_enter(shard, 0);
        for (uint32_t slot = 0; slot < shard->slots.used; slot++)
            if (ldr_slots_resident(&shard->slots, slot))
                ldr_shard_discard(store, shard, shard->slots.refs[slot]);
        ldr_room_reclaim(shard);
        ldr_shard_tidy(store, shard);
        ldr_shard_leave(shard);
    }
    ldr_ranges_trim(store);
}
