/* For entries that other nodes have copies of: versions outlive what they stood for, and everything can be walked through. */
#include "core/store/state.h"

void ldr_store_hold(struct ldr_store *store, uint64_t past, bool floors)
{
    atomic_store_explicit(&store->kept, past, memory_order_relaxed);
    if (atomic_exchange_explicit(&store->floors, floors, memory_order_relaxed) == floors || floors)
        return;
    for (uint32_t i = 0; i < ldr_store_shards(store); i++) {
        struct ldr_shard *shard = &store->shards[i];
        ldr_shard_enter(shard, 0);
        shard->floor = (struct larder_version){0};
        ldr_shard_leave(shard);
    }
}

static struct larder_version floor_of(struct ldr_shard *shard)
{
    ldr_shard_enter(shard, 0);
    struct larder_version floor = shard->floor;
    ldr_shard_leave(shard);
    return floor;
}

struct larder_version ldr_store_floor(struct ldr_store *store, struct larder_slice key)
{
    if (!ldr_store_has_floors(store))
        return (struct larder_version){0};
    return floor_of(ldr_store_shard(store, ldr_store_hash(key, store->seed)));
}

static void raise(struct ldr_shard *shard, struct larder_version floor)
{
    ldr_shard_enter(shard, 0);
    if (ldr_version_after(floor, shard->floor))
        shard->floor = floor;
    ldr_shard_leave(shard);
}

void ldr_store_raise_floor(struct ldr_store *store, struct larder_slice key, struct larder_version floor)
{
    if (ldr_store_has_floors(store) && (floor.epoch | floor.clock) != 0)
        raise(ldr_store_shard(store, ldr_store_hash(key, store->seed)), floor);
}

bool ldr_store_drop(struct ldr_store *store, struct larder_slice key, struct larder_version version)
{
    ldr_ref ref;
    uint64_t hash = ldr_store_hash(key, store->seed);
    struct ldr_shard *shard = ldr_store_shard(store, hash);
    ldr_shard_enter(shard, 0);
    const struct ldr_entry *entry = ldr_index_find(&shard->index, store->place, key, hash, &ref);
    bool there = entry != NULL && ldr_version_same(ldr_entry_version(entry), version);
    if (there)
        ldr_shard_discard(store, shard, ref);
    ldr_shard_tidy(store, shard);
    ldr_shard_leave(shard);
    return there;
}

/* Under the lock: what is in the shard from the slot on. Where its slots were numbered anew it begins again. */
static size_t walk_shard(struct ldr_store *store, struct ldr_shard *shard, struct ldr_store_walk *at,
                         struct ldr_entry **entries, size_t most)
{
    size_t count = 0;
    if (at->slot != 0 && at->layout != shard->layout)
        at->slot = 0;
    at->layout = shard->layout;
    for (; at->slot < shard->slots.used && count < most; at->slot++) {
        if (!ldr_slots_resident(&shard->slots, at->slot))
            continue;
        struct ldr_entry *entry = ldr_entry_at(store->place, shard->slots.refs[at->slot]);
        ldr_entry_pin(entry);
        entries[count++] = entry;
    }
    return count;
}

size_t ldr_store_walk(struct ldr_store *store, struct ldr_store_walk *at, struct ldr_entry **entries, size_t most)
{
    size_t count = 0;
    while (at->shard < ldr_store_shards(store) && count < most) {
        struct ldr_shard *shard = &store->shards[at->shard];
        ldr_shard_enter(shard, 0);
        count += walk_shard(store, shard, at, entries + count, most - count);
        bool end = at->slot >= shard->slots.used;
        ldr_shard_leave(shard);
        if (end)
            *at = (struct ldr_store_walk){.shard = at->shard + 1};
    }
    return count;
}
