#include "core/store/store.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/config/schema.h"
#include "core/store/state.h"
#include "larder/plugin/runtime.h"

/*
 * Kept because the module's state is opened anew when the budget or the slots change. *copy is one block, so that its size
 * can be counted; NULL when there are no parameters. False: out of memory.
 */
static bool copy_params(const struct larder_eviction *eviction, const struct larder_param_value *params,
                        struct larder_param_value **copy)
{
    size_t count = ldr_schema_count(eviction->head.params), size;
    *copy = NULL;
    if (count == 0 || params == NULL)
        return true;
    if (ldr_schema_copy_size(params, count, &size))
        *copy = malloc(size);
    if (*copy != NULL)
        ldr_schema_copy_into(*copy, size, params, count);
    return *copy != NULL;
}

static enum larder_status open_parts(struct ldr_store *store, const struct ldr_store_options *options)
{
    if (!copy_params(options->eviction, options->params, &store->setup.params))
        return ldr_fail_memory();
    enum larder_status status = ldr_rebuild_policy(store, &store->setup, &store->policy);
    if (status != LARDER_OK)
        goto params;
    if (!ldr_table_open(&store->table, ldr_table_capacity(0, store->policy.max_slots))) {
        status = ldr_fail_memory();
        goto policy;
    }
    if (pthread_mutex_init(&store->lock, NULL) == 0)
        return LARDER_OK;
    status = ldr_fail_memory();
    ldr_table_close(&store->table);
policy:
    ldr_policy_close(&store->policy);
params:
    free(store->setup.params);
    return status;
}

struct ldr_store *ldr_store_open(const struct ldr_store_options *options)
{
    struct ldr_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    store->setup.module = options->eviction;
    store->setup.max_bytes = options->max_bytes;
    store->max_value = options->max_value;
    store->seed = options->seed;
    if (open_parts(store, options) != LARDER_OK) {
        free(store);
        return NULL;
    }
    return store;
}

void ldr_store_close(struct ldr_store *store)
{
    if (store == NULL)
        return;
    for (uint32_t slot = 0; slot < store->table.used; slot++)
        ldr_entry_release(store->table.slots[slot].entry);
    ldr_policy_close(&store->policy);
    ldr_table_close(&store->table);
    free(store->setup.params);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* The caller's clock may be read by one thread before another, and told after it. */
void ldr_store_enter(struct ldr_store *store, uint64_t now)
{
    pthread_mutex_lock(&store->lock);
    if (now > store->latest)
        store->latest = now;
}

void ldr_store_leave(struct ldr_store *store)
{
    struct ldr_keep keep = {.slot = LARDER_NO_SLOT};
    ldr_room_compact(store, &keep);
    ldr_room_settle(store, &keep);
    pthread_mutex_unlock(&store->lock);
}

static void discard(struct ldr_store *store, uint32_t slot)
{
    ldr_policy_remove(&store->policy, slot);
    ldr_room_drop(store, slot);
}

uint32_t ldr_store_find(struct ldr_store *store, struct larder_slice key, uint64_t hash, uint64_t now)
{
    uint32_t slot = ldr_table_find(&store->table, key, hash);
    if (slot == LARDER_NO_SLOT || !ldr_entry_expired(store->table.slots[slot].entry, now))
        return slot;
    store->expirations++;
    discard(store, slot);
    return LARDER_NO_SLOT;
}

static struct ldr_entry *look_up(struct ldr_store *store, struct larder_slice key, uint64_t now, bool used)
{
    struct ldr_entry *entry = NULL;
    uint64_t hash = ldr_hash(key, store->seed);
    ldr_store_enter(store, now);
    uint32_t slot = ldr_store_find(store, key, hash, now);
    if (slot != LARDER_NO_SLOT) {
        entry = store->table.slots[slot].entry;
        ldr_entry_pin(entry);
        if (used)
            ldr_policy_hit(&store->policy, slot);
    }
    ldr_store_leave(store);
    return entry;
}

struct ldr_entry *ldr_store_get(struct ldr_store *store, struct larder_slice key, uint64_t now)
{
    return look_up(store, key, now, true);
}

struct ldr_entry *ldr_store_peek(struct ldr_store *store, struct larder_slice key, uint64_t now)
{
    return look_up(store, key, now, false);
}

struct ldr_entry *ldr_store_positive(struct ldr_store *store, uint32_t slot)
{
    if (slot == LARDER_NO_SLOT || store->table.slots[slot].entry->negative)
        return NULL;
    return store->table.slots[slot].entry;
}

enum larder_status ldr_store_remove(struct ldr_store *store, struct larder_slice key, uint32_t flags,
                                    struct larder_version expected, uint64_t now)
{
    enum larder_status status = LARDER_OK;
    uint64_t hash = ldr_hash(key, store->seed);
    ldr_store_enter(store, now);
    uint32_t slot = ldr_store_find(store, key, hash, now);
    const struct ldr_entry *entry = ldr_store_positive(store, slot);
    if (entry == NULL)
        status = LARDER_NOT_FOUND;
    else if ((flags & LDR_PUT_IF_VERSION) != 0 && !ldr_version_same(entry->version, expected))
        status = LARDER_PRECONDITION;
    if (slot != LARDER_NO_SLOT && status != LARDER_PRECONDITION)
        discard(store, slot);
    ldr_store_leave(store);
    return status == LARDER_PRECONDITION ? ldr_fail(status, "the entry has another version") : status;
}

enum larder_status ldr_store_touch(struct ldr_store *store, struct larder_slice key, uint64_t expires, uint64_t now,
                                   struct larder_version *version)
{
    uint64_t hash = ldr_hash(key, store->seed);
    ldr_store_enter(store, now);
    uint32_t slot = ldr_store_find(store, key, hash, now);
    const struct ldr_entry *entry = ldr_store_positive(store, slot);
    if (entry != NULL) {
        ldr_table_set_expires(&store->table, slot, expires);
        if (version != NULL)
            *version = entry->version;
    }
    ldr_store_leave(store);
    return entry != NULL ? LARDER_OK : LARDER_NOT_FOUND;
}

uint64_t ldr_store_expire(struct ldr_store *store, uint64_t now, size_t limit)
{
    uint64_t next = now;
    ldr_store_enter(store, now);
    for (size_t removed = 0; removed < limit; removed++) {
        uint32_t slot = ldr_table_due(&store->table);
        if (slot == LARDER_NO_SLOT || !ldr_entry_expired(store->table.slots[slot].entry, now)) {
            next = slot == LARDER_NO_SLOT ? LARDER_NEVER : ldr_entry_expires(store->table.slots[slot].entry);
            break;
        }
        store->expirations++;
        discard(store, slot);
    }
    ldr_store_leave(store);
    return next;
}

void ldr_store_clear(struct ldr_store *store)
{
    ldr_store_enter(store, 0);
    for (uint32_t slot = 0; slot < store->table.used; slot++)
        if (store->table.slots[slot].entry != NULL)
            discard(store, slot);
    ldr_store_leave(store);
}

/* Goes over to another setup; store->setup was copied under the lock, as another thread may change it. */
static enum larder_status change(struct ldr_store *store, const struct ldr_setup *setup)
{
    struct ldr_keep keep = {.slot = LARDER_NO_SLOT};
    enum larder_status status = ldr_rebuild(store, setup, &keep);
    ldr_store_leave(store);
    return status;
}

/* `max_bytes` NULL: as it is. */
static enum larder_status change_policy(struct ldr_store *store, const struct larder_eviction *eviction,
                                        const struct larder_param_value *params, const uint64_t *max_bytes)
{
    struct larder_param_value *copy;
    if (!copy_params(eviction, params, &copy))
        return ldr_fail_memory();
    ldr_store_enter(store, 0);
    struct ldr_setup setup = {.module = eviction, .params = copy, .max_bytes = store->setup.max_bytes};
    if (max_bytes != NULL)
        setup.max_bytes = *max_bytes;
    enum larder_status status = change(store, &setup);
    if (status != LARDER_OK)
        free(copy);
    return status;
}

enum larder_status ldr_store_set_eviction(struct ldr_store *store, const struct larder_eviction *eviction,
                                          const struct larder_param_value *params)
{
    return change_policy(store, eviction, params, NULL);
}

enum larder_status ldr_store_set_both(struct ldr_store *store, const struct larder_eviction *eviction,
                                      const struct larder_param_value *params, uint64_t max_bytes)
{
    return change_policy(store, eviction, params, &max_bytes);
}

enum larder_status ldr_store_set_max_bytes(struct ldr_store *store, uint64_t max_bytes)
{
    ldr_store_enter(store, 0);
    struct ldr_setup setup = store->setup;
    setup.max_bytes = max_bytes;
    return change(store, &setup);
}

void ldr_store_stats(struct ldr_store *store, struct ldr_store_stats *stats)
{
    pthread_mutex_lock(&store->lock);
    *stats = (struct ldr_store_stats){
        .entries = store->table.count,
        .bytes_used = ldr_account_used(store),
        .bytes_limit = store->setup.max_bytes,
        .value_bytes = store->value_bytes,
        .evictions = store->evictions,
        .evictions_unexpired = store->evictions_unexpired,
        .expirations = store->expirations,
        .policy_faults = store->policy_faults,
    };
    pthread_mutex_unlock(&store->lock);
}
