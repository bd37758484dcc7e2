#include "core/group/near.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/group/flight.h"
#include "core/group/hot.h"

/* A key is hot when so many gets of it are to be expected in the life of one copy. */
#define WORTH 4

struct ldr_near {
    struct ldr_retired retired;
    struct ldr_store *store;
};

/* What stands behind the bytes of a value: the store's own time is the copy's. */
struct trailer {
    uint64_t expires; /* the entry's, at its owner */
    uint64_t epoch;   /* of the member list under which its owner was asked */
    uint64_t found;   /* 0: a "not found" */
};

static uint64_t clock_of(void *arg)
{
    return larder_now(arg);
}

enum larder_status ldr_near_open(const struct ldr_context *context, const struct ldr_group_options *options,
                                 struct ldr_near **near)
{
    *near = NULL;
    if (options->near_bytes == 0 || options->transit || context->cluster == NULL || context->hot == NULL)
        return LARDER_OK;
    struct ldr_near *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return ldr_fail_memory();
    opened->store = ldr_store_open(&(struct ldr_store_options){
        .max_bytes = options->near_bytes,
        .max_value = options->near_bytes,
        .eviction = options->eviction,
        .params = options->eviction_params,
        .seed = context->runtime->random(context->runtime),
        .small_pages = true,
        .clock = clock_of,
        .clock_arg = (void *)(uintptr_t)context->runtime,
    });
    if (opened->store == NULL) {
        free(opened);
        return larder_last_status();
    }
    *near = opened;
    return LARDER_OK;
}

void ldr_near_close(struct ldr_near *near)
{
    if (near == NULL)
        return;
    ldr_store_close(near->store);
    free(near);
}

static void retire(struct ldr_retired *retired)
{
    ldr_near_close((struct ldr_near *)((char *)retired - offsetof(struct ldr_near, retired)));
}

void ldr_near_replace(struct ldr_group *group, struct ldr_near *near)
{
    struct ldr_near *old = atomic_exchange_explicit(&group->near, near, memory_order_acq_rel);
    if (old != NULL)
        ldr_epoch_retire(&old->retired, retire);
}

/* Acquire: pairs with the exchange that published it. */
static struct ldr_near *near_of(struct ldr_group *group)
{
    return atomic_load_explicit(&group->near, memory_order_acquire);
}

/* ------------------------------------------------------------------------------------------------ gets */

static void release_entry(void *pin)
{
    ldr_entry_release(pin);
}

bool ldr_near_get(struct ldr_group *group, struct larder_slice key, uint64_t now, struct larder_reply *reply)
{
    const struct ldr_context *context = group->context;
    struct ldr_near *near = near_of(group);
    struct ldr_entry *entry = near != NULL ? ldr_store_get(near->store, key, now) : NULL;
    if (entry == NULL)
        return false;
    struct trailer trailer;
    struct larder_slice value = ldr_entry_value(entry);
    value.size -= sizeof trailer;
    memcpy(&trailer, (const char *)value.data + value.size, sizeof trailer);
    bool current = trailer.epoch == ldr_cluster_ring(context->cluster).epoch;
    if (!current || trailer.found == 0) {
        ldr_entry_release(entry);
        *reply = (struct larder_reply){.status = LARDER_NOT_FOUND, .source = LARDER_SOURCE_NEAR};
        return current;
    }
    *reply = (struct larder_reply){
        .status = LARDER_OK,
        .source = LARDER_SOURCE_NEAR,
        .value = value,
        .ttl_ms = ldr_context_remaining(context, trailer.expires, now),
        .version = ldr_entry_version(entry),
        .release = release_entry,
        .pin = entry,
    };
    return true;
}

int64_t ldr_near_wanted(struct ldr_group *group, struct larder_slice key, uint64_t now)
{
    struct ldr_hot *hot = group->context->hot;
    if (hot == NULL)
        return 0;
    struct ldr_hot_key hot_key = ldr_hot_key(group->id, group->name_hash, key);
    double rate = ldr_hot_count(hot, &hot_key, now);
    int64_t ttl_ms = group->near_ttl_ms;
    return near_of(group) != NULL && rate * (double)ttl_ms >= WORTH * 1e3 ? ttl_ms : 0;
}

void ldr_near_ask(struct ldr_flight *flight, int64_t ms)
{
    flight->request.flags |= LARDER_REQUEST_NEAR;
    flight->request.ttl_ms = ms;
    flight->version.epoch = ldr_cluster_ring(flight->group->context->cluster).epoch;
}

/* ------------------------------------------------------------------------------------------------ keeping */

/* A copy on its way into the store. */
struct copy {
    struct ldr_near *near;
    struct ldr_put put;
};

static void store_copy(struct ldr_flight *flight, void *arg)
{
    struct copy *copy = arg;
    /* What does not fit is not kept. */
    ldr_store_put(copy->near->store, &copy->put, larder_now(flight->group->context->runtime), NULL);
}

/*
 * When a copy ends, at the latest; `begun`: when it was asked for. The owner rounds what remains of a time up to a whole
 * millisecond, which may have been less.
 */
static uint64_t end_of(uint64_t begun, int64_t ttl_ms)
{
    if (ttl_ms == LARDER_TTL_NONE)
        return LARDER_NEVER;
    uint64_t end, ns;
    if (ttl_ms <= 0 || __builtin_mul_overflow((uint64_t)ttl_ms - 1, LARDER_NS_PER_MS, &ns) ||
        __builtin_add_overflow(begun, ns, &end))
        return ttl_ms <= 0 ? 0 : LARDER_NEVER;
    return end;
}

/* Only what the owner itself has, under the one member list that this node and the owner have seen all along. */
static bool may_keep(const struct ldr_flight *flight, const struct larder_reply *reply)
{
    if ((flight->request.flags & LARDER_REQUEST_NEAR) == 0 || (reply->flags & LARDER_REPLY_OWNER) == 0 ||
        (reply->status != LARDER_OK && reply->status != LARDER_NOT_FOUND))
        return false;
    struct larder_ring_view ring = ldr_cluster_ring(flight->group->context->cluster);
    return reply->ring.checksum == ring.checksum && flight->version.epoch == ring.epoch;
}

static void keep(struct ldr_flight *flight, const struct larder_reply *reply)
{
    struct copy copy = {.near = near_of(flight->group)};
    struct trailer trailer = {
        .expires = end_of(flight->begun, reply->ttl_ms),
        .epoch = flight->version.epoch,
        .found = reply->status == LARDER_OK,
    };
    size_t size = trailer.found ? reply->value.size : 0;
    char *bytes = copy.near != NULL ? malloc(size + sizeof trailer) : NULL;
    if (bytes == NULL)
        return;
    if (size != 0)
        memcpy(bytes, reply->value.data, size);
    memcpy(bytes + size, &trailer, sizeof trailer);
    uint64_t end = flight->begun + (uint64_t)flight->request.ttl_ms * LARDER_NS_PER_MS;
    copy.put = (struct ldr_put){
        .key = flight->key,
        .value = ldr_slice(bytes, size + sizeof trailer),
        .expires = end < trailer.expires ? end : trailer.expires,
        .version = reply->version,
        .flags = LDR_PUT_NEWER,
    };
    if (larder_now(flight->group->context->runtime) < copy.put.expires)
        ldr_flight_store(flight, store_copy, &copy);
    free(bytes);
}

void ldr_near_keep(struct ldr_flight *flight, const struct larder_reply *reply)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    if (may_keep(flight, reply))
        keep(flight, reply);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

/* ------------------------------------------------------------------------------------------------ forgetting */

/* A key whose copy is to go. */
struct gone {
    struct ldr_group *group;
    struct larder_slice key;
};

static enum larder_status drop(void *arg)
{
    const struct gone *gone = arg;
    struct ldr_near *near = near_of(gone->group);
    if (near != NULL)
        ldr_store_remove(near->store, gone->key, 0, (struct larder_version){0},
                         larder_now(gone->group->context->runtime));
    return LARDER_OK; /* what flights of the key bring is older, in any case */
}

void ldr_near_forget(struct ldr_group *group, struct larder_slice name, struct larder_slice key)
{
    struct gone gone = {group, key};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    ldr_flights_write(group->context->flights, group, name, key, drop, &gone);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

void ldr_near_clear(struct ldr_group *group)
{
    struct ldr_near *near = near_of(group);
    if (near != NULL)
        ldr_store_clear(near->store);
}

#define EXPIRE_BATCH 10000

void ldr_near_expire(struct ldr_group *group, uint64_t now)
{
    struct ldr_near *near = near_of(group);
    if (near != NULL)
        ldr_store_expire(near->store, now, EXPIRE_BATCH);
}

void ldr_near_sizes(struct ldr_group *group, uint64_t *used, uint64_t *limit)
{
    struct ldr_store_stats stats = {0};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    struct ldr_near *near = near_of(group);
    if (near != NULL)
        ldr_store_stats(near->store, &stats);
    ldr_epoch_exit(LDR_EPOCH_NODE);
    *used = stats.bytes_used;
    *limit = stats.bytes_limit;
}
