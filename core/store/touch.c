/* A new time of expiry for an entry, which may have to be put anew for it. */
#include "core/store/put.h"

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
    struct ldr_newcomer newcomer;
    ldr_put_begin(&newcomer, &put, hash, now);
    newcomer.over = pinned;
    enum larder_status status = ldr_put_run(store, shard, &newcomer);
    ldr_entry_release(pinned);
    return status;
}

enum larder_status ldr_store_touch(struct ldr_store *store, struct larder_slice key, uint64_t expires, uint64_t now,
                                   struct larder_version *version)
{
    uint64_t hash = ldr_store_hash(key, store->seed);
    struct ldr_shard *shard = ldr_store_shard(store, hash);
    struct ldr_entry *pinned = NULL;
    ldr_shard_enter(shard, now);
    struct ldr_found_entry found;
    ldr_shard_find(store, shard, key, hash, now, &found);
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
