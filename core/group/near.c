#include "core/group/near.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
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
    uint64_t serial;  /* of the member list under which its owner was asked */
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

static struct ldr_hot_key hot_key(const struct ldr_group *group, struct larder_slice key)
{
    return ldr_hot_key(group->id, group->name_hash, key);
}

/* ------------------------------------------------------------------------------------------------ gets */

static void release_entry(void *pin)
{
    ldr_entry_release(pin);
}

/* Strict: asked after the look, as whatever was seen there was good if nobody can have acted without this node until now. */
static bool is_current(struct ldr_group *group, uint64_t serial)
{
    struct ldr_cluster *cluster = group->context->cluster;
    return serial == ldr_cluster_serial(cluster) &&
           (!ldr_cluster_strict(cluster) || ldr_cluster_acts(cluster, serial));
}

static bool look(struct ldr_group *group, struct larder_slice key, uint64_t now, struct larder_reply *reply)
{
    struct ldr_near *near = near_of(group);
    struct ldr_entry *entry = near != NULL ? ldr_store_get(near->store, key, now) : NULL;
    if (entry == NULL)
        return false;
    struct trailer trailer;
    struct larder_slice value = ldr_entry_value(entry);
    value.size -= sizeof trailer;
    memcpy(&trailer, (const char *)value.data + value.size, sizeof trailer);
    bool current = is_current(group, trailer.serial);
    if (!current || trailer.found == 0) {
        ldr_entry_release(entry);
        *reply = (struct larder_reply){.status = LARDER_NOT_FOUND, .source = LARDER_SOURCE_NEAR};
        return current;
    }
    *reply = (struct larder_reply){
        .status = LARDER_OK,
        .source = LARDER_SOURCE_NEAR,
        .value = value,
        .ttl_ms = ldr_context_remaining(trailer.expires, now),
        .version = ldr_entry_version(entry),
        .release = release_entry,
        .pin = entry,
    };
    return true;
}

bool ldr_near_answer(struct ldr_group *group, const struct larder_request *request, uint64_t begun, larder_reply_fn done,
                     void *arg)
{
    struct larder_reply reply;
    if (!look(group, request->key, begun, &reply))
        return false;
    ldr_lane_add(ldr_lanes_mine(group->lanes), LDR_NEAR_HITS, 1);
    ldr_group_sample_get(group, request);
    ldr_histogram_add(&group->get_latency, larder_now(group->context->runtime) - begun);
    ldr_answer(group->context, &reply, done, arg);
    return true;
}

int64_t ldr_near_wanted(struct ldr_group *group, struct larder_slice key, uint64_t now)
{
    struct ldr_hot *hot = group->context->hot;
    if (hot == NULL)
        return 0;
    const struct ldr_hot_key counted = hot_key(group, key);
    double rate = ldr_hot_count(hot, &counted, now);
    int64_t ttl_ms = group->near_ttl_ms;
    return near_of(group) != NULL && rate * (double)ttl_ms >= WORTH * 1e3 ? ttl_ms : 0;
}

/* ------------------------------------------------------------------------------------------------ marks */

/*
 * Keys share marks: a write of another key may keep an answer out. Who keeps an answer looks at the mark after it has put it
 * into the store, who drops one moves the mark before it takes it out: of the two, which take the same lock of the store,
 * one always sees the other.
 */
static _Atomic uint64_t *mark_of(struct ldr_group *group, struct larder_slice key)
{
    return &group->near_marks[hot_key(group, key).digest % LDR_NEAR_MARKS];
}

void ldr_near_ask(struct ldr_group *group, int64_t ttl_ms, struct larder_request *request, struct ldr_near_ask *ask)
{
    const struct ldr_context *context = group->context;
    *ask = (struct ldr_near_ask){.ttl_ms = ttl_ms};
    if (ttl_ms == 0)
        return;
    ask->mark = atomic_load_explicit(mark_of(group, request->key), memory_order_relaxed);
    ask->serial = ldr_cluster_serial(context->cluster);
    ask->begun = larder_now(context->runtime);
    request->flags |= LARDER_REQUEST_NEAR;
    request->ttl_ms = ttl_ms;
}

void ldr_near_drop(struct ldr_group *group, struct larder_slice key)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    atomic_fetch_add_explicit(mark_of(group, key), 1, memory_order_relaxed);
    struct ldr_near *near = near_of(group);
    if (near != NULL)
        ldr_store_remove(near->store, key, 0, (struct larder_version){0}, larder_now(group->context->runtime));
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

/* ------------------------------------------------------------------------------------------------ keeping */

/*
 * When a time ends that began at `begun`, at the latest. The owner rounds what remains of a time up to a whole millisecond,
 * which may have been less.
 */
static uint64_t end_of(uint64_t begun, int64_t ttl_ms)
{
    uint64_t end, ns;
    if (ttl_ms == LARDER_TTL_NONE)
        return LARDER_NEVER;
    if (ttl_ms <= 0)
        return 0;
    if (__builtin_mul_overflow((uint64_t)ttl_ms - 1, LARDER_NS_PER_MS, &ns) || __builtin_add_overflow(begun, ns, &end))
        return LARDER_NEVER;
    return end;
}

static bool is_marked(struct ldr_group *group, struct larder_slice key, const struct ldr_near_ask *ask)
{
    return atomic_load_explicit(mark_of(group, key), memory_order_relaxed) == ask->mark;
}

/* Only what the owner itself has, under the one member list that this node and the owner have seen all along. */
static bool may_keep(struct ldr_group *group, struct larder_slice key, const struct ldr_near_ask *ask,
                     const struct larder_reply *reply)
{
    struct ldr_cluster *cluster = group->context->cluster;
    return ask->ttl_ms != 0 && (reply->flags & LARDER_REPLY_OWNER) != 0 && is_marked(group, key, ask) &&
           (reply->status == LARDER_OK || reply->status == LARDER_NOT_FOUND) &&
           reply->ring.checksum == ldr_cluster_ring(cluster).checksum && ask->serial == ldr_cluster_serial(cluster);
}

static void keep(struct ldr_group *group, struct larder_slice key, const struct ldr_near_ask *ask,
                 const struct larder_reply *reply)
{
    const struct larder_runtime *runtime = group->context->runtime;
    struct ldr_near *near = near_of(group);
    const struct trailer trailer = {
        .expires = end_of(ask->begun, reply->ttl_ms),
        .serial = ask->serial,
        .found = reply->status == LARDER_OK,
    };
    uint64_t end = ask->begun + (uint64_t)ask->ttl_ms * LARDER_NS_PER_MS;
    end = end < trailer.expires ? end : trailer.expires;
    size_t size = trailer.found ? reply->value.size : 0;
    char *bytes = near != NULL && larder_now(runtime) < end ? malloc(size + sizeof trailer) : NULL;
    if (bytes == NULL)
        return;
    if (size != 0)
        memcpy(bytes, reply->value.data, size);
    memcpy(bytes + size, &trailer, sizeof trailer);
    const struct ldr_put put = {
        .key = key,
        .value = ldr_slice(bytes, size + sizeof trailer),
        .expires = end,
        .version = reply->version,
        .flags = LDR_PUT_NEWER,
    };
    ldr_store_put(near->store, &put, larder_now(runtime), NULL); /* what does not fit is not kept */
    if (!is_marked(group, key, ask))
        ldr_store_remove(near->store, key, 0, (struct larder_version){0}, larder_now(runtime));
    free(bytes);
}

void ldr_near_keep(struct ldr_group *group, struct larder_slice key, const struct ldr_near_ask *ask,
                   const struct larder_reply *reply)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    if (may_keep(group, key, ask, reply))
        keep(group, key, ask, reply);
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

/* ------------------------------------------------------------------------------------------------ all of them */

void ldr_near_clear(struct ldr_group *group)
{
    for (size_t i = 0; i < LDR_NEAR_MARKS; i++)
        atomic_fetch_add_explicit(&group->near_marks[i], 1, memory_order_relaxed);
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
