#include <inttypes.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/store/state.h"

/* A put on its way. */
struct newcomer {
    const struct ldr_put *put;
    struct ldr_entry *entry; /* NULL once the store has it */
    uint64_t hash;
    uint64_t room; /* with LARDER_NO_ROOM: what could ever fit */
    bool created;
};

static enum larder_status check(const struct ldr_store *store, const struct ldr_put *put)
{
    if (put->key.size == 0)
        return ldr_fail(LARDER_INVALID, "key: got 0 bytes, wanted 1 to %d", LARDER_KEY_MAX);
    if (put->key.size > LARDER_KEY_MAX)
        return ldr_fail(LARDER_TOO_LARGE, "key: got %zu bytes, wanted at most %d", put->key.size, LARDER_KEY_MAX);
    if (put->value.size > store->max_value)
        return ldr_fail(LARDER_TOO_LARGE, "value: got %zu bytes, wanted at most %" PRIu64, put->value.size,
                        store->max_value);
    if ((put->flags & LDR_PUT_NEGATIVE) != 0 && put->value.size > 0)
        return ldr_fail(LARDER_INVALID, "value of a negative entry: got %zu bytes, wanted none", put->value.size);
    return LARDER_OK;
}

static bool newer(struct larder_version a, struct larder_version b)
{
    return a.epoch != b.epoch ? a.epoch > b.epoch : a.clock > b.clock;
}

static bool conditions_hold(const struct ldr_put *put, const struct ldr_entry *present)
{
    if ((put->flags & LDR_PUT_IF_ABSENT) != 0 && present != NULL)
        return false;
    if ((put->flags & LDR_PUT_IF_PRESENT) != 0 && present == NULL)
        return false;
    return (put->flags & LDR_PUT_IF_VERSION) == 0 ||
           (present != NULL && ldr_version_same(present->version, put->expected));
}

static enum larder_status add(struct ldr_store *store, struct newcomer *newcomer)
{
    struct ldr_keep keep = {.slot = LARDER_NO_SLOT};
    struct larder_object object = ldr_account_object(store->setup.module, newcomer->entry, newcomer->hash);
    ldr_policy_prepare(&store->policy, &object);
    if (!ldr_room_make(store, ldr_allocated(newcomer->entry), true, &keep))
        return LARDER_NO_MEMORY;
    keep.slot = ldr_table_insert(&store->table, newcomer->entry, newcomer->hash);
    ldr_account_add(store, newcomer->entry);
    newcomer->entry = NULL;
    ldr_policy_insert(&store->policy, keep.slot, &object);
    ldr_room_settle(store, &keep);
    return LARDER_OK;
}

static enum larder_status replace(struct ldr_store *store, struct newcomer *newcomer, uint32_t slot)
{
    struct ldr_keep keep = {.slot = slot};
    uint64_t before = ldr_allocated(store->table.slots[slot].entry), after = ldr_allocated(newcomer->entry);
    ldr_policy_hit(&store->policy, slot);
    if (!ldr_room_make(store, after > before ? after - before : 0, false, &keep)) {
        ldr_room_settle(store, &keep);
        return LARDER_NO_MEMORY;
    }
    struct larder_object object = ldr_account_object(store->setup.module, newcomer->entry, newcomer->hash);
    struct ldr_entry *old = ldr_table_replace(&store->table, keep.slot, newcomer->entry);
    ldr_account_add(store, newcomer->entry);
    newcomer->entry = NULL;
    ldr_account_subtract(store, old);
    ldr_entry_release(old);
    if (!keep.held)
        ldr_policy_update(&store->policy, keep.slot, &object);
    ldr_room_settle(store, &keep);
    return LARDER_OK;
}

static enum larder_status put_locked(struct ldr_store *store, struct newcomer *newcomer, uint64_t now)
{
    const struct ldr_put *put = newcomer->put;
    uint32_t slot = ldr_store_find(store, put->key, newcomer->hash, now);
    const struct ldr_entry *present = ldr_store_positive(store, slot);
    if (!conditions_hold(put, present))
        return LARDER_PRECONDITION;
    if ((put->flags & LDR_PUT_NEWER) != 0 && slot != LARDER_NO_SLOT &&
        !newer(put->version, store->table.slots[slot].entry->version))
        return LARDER_OK;
    newcomer->room = store->setup.max_bytes - ldr_account_fresh(store, &store->setup, &store->policy, 0, 0);
    if (ldr_allocated(newcomer->entry) > newcomer->room)
        return LARDER_NO_ROOM;
    newcomer->created = present == NULL;
    return slot == LARDER_NO_SLOT ? add(store, newcomer) : replace(store, newcomer, slot);
}

static enum larder_status explain(enum larder_status status, const struct newcomer *newcomer)
{
    switch (status) {
    case LARDER_PRECONDITION: return ldr_fail(status, "the key is not as the condition wants it");
    case LARDER_NO_ROOM:
        return ldr_fail(status, "entry: got %" PRIu64 " bytes with its header, wanted at most %" PRIu64,
                        ldr_allocated(newcomer->entry), newcomer->room);
    case LARDER_NO_MEMORY: return ldr_fail_memory();
    default: return status;
    }
}

enum larder_status ldr_store_put(struct ldr_store *store, const struct ldr_put *put, uint64_t now, bool *created)
{
    enum larder_status status = check(store, put);
    if (status != LARDER_OK)
        return status;
    struct newcomer newcomer = {.put = put, .hash = ldr_hash(put->key, store->seed)};
    /* Before the lock: copying a large value keeps nobody waiting. */
    newcomer.entry = ldr_entry_new(put);
    if (newcomer.entry == NULL)
        return ldr_fail_memory();
    ldr_store_enter(store, now);
    status = put_locked(store, &newcomer, now);
    ldr_store_leave(store);
    status = explain(status, &newcomer);
    ldr_entry_release(newcomer.entry);
    if (created != NULL)
        *created = status == LARDER_OK && newcomer.created;
    return status;
}
