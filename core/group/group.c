#include "core/group/group.h"

#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/group/flight.h"
#include "core/group/hot.h"
#include "core/group/near.h"

static uint64_t clock_of(void *arg)
{
    return larder_now(arg);
}

static bool open_store(struct ldr_group *group, const struct ldr_group_options *options)
{
    if (options->transit)
        return true;
    const struct larder_runtime *runtime = group->context->runtime;
    uint64_t seed = runtime->random(runtime);
    group->spread_seed = ldr_mix(seed); /* so that when a key expires does not tell where the index has it */
    group->store = ldr_store_open(&(struct ldr_store_options){
        .max_bytes = options->max_bytes,
        .max_entries = options->max_entries,
        .max_value = options->max_value,
        .eviction = options->eviction,
        .params = options->eviction_params,
        .seed = seed,
        .exact_hits = options->exact_hits,
        .clock = clock_of,
        .clock_arg = (void *)(uintptr_t)runtime,
    });
    if (group->store != NULL && group->context->kept_past > 0) /* until it is known that nothing is under way */
        ldr_store_hold(group->store, LARDER_NEVER, true);
    return group->store != NULL;
}

static bool open_loader(struct ldr_group *group, const struct ldr_group_options *options)
{
    if (options->loader == NULL)
        return true;
    group->loader = options->loader;
    group->loader_state = options->loader->open(group->context->host, options->loader_params);
    return group->loader_state != NULL;
}

struct ldr_group *ldr_group_open(struct ldr_context *context, const struct ldr_group_options *options)
{
    struct ldr_near *near = NULL;
    struct ldr_group *group = calloc(1, sizeof *group);
    if (group == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    group->context = context;
    group->references = 1;
    memcpy(group->name, options->name.data, options->name.size);
    group->max_value = options->max_value;
    group->ttl_ms = options->ttl_ms;
    group->negative_ttl_ms = options->negative_ttl_ms;
    group->load_timeout_ms = options->load_timeout_ms;
    group->near_ttl_ms = options->near_ttl_ms;
    group->name_hash = ldr_hot_name_hash(options->name);
    group->stale_while_revalidate_ms = options->stale_while_revalidate_ms;
    group->stale_if_error_ms = options->stale_if_error_ms;
    group->refresh_permille = options->refresh_permille;
    group->max_loads = options->max_loads;
    group->lanes = ldr_lanes_open();
    if (group->lanes == NULL) {
        ldr_fail_memory();
        goto group;
    }
    if (!open_store(group, options))
        goto lanes;
    if (ldr_near_open(context, options, &near) != LARDER_OK)
        goto store;
    group->near = near;
    if (!open_loader(group, options))
        goto near;
    pthread_rwlock_init(&group->loader_lock, NULL);
    return group;
near:
    ldr_near_close(near);
store:
    ldr_store_close(group->store);
lanes:
    ldr_lanes_close(group->lanes);
group:
    free(group);
    return NULL;
}

struct ldr_group *ldr_group_reference(struct ldr_group *group)
{
    /* Relaxed: the caller holds a reference, so the count cannot reach 0 meanwhile. */
    atomic_fetch_add_explicit(&group->references, 1, memory_order_relaxed);
    return group;
}

void ldr_group_release(struct ldr_group *group)
{
    /* acq_rel: all use of the group by other holders comes before it is taken apart. */
    if (group == NULL || atomic_fetch_sub_explicit(&group->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_rwlock_destroy(&group->loader_lock);
    ldr_near_close(group->near);
    ldr_store_close(group->store);
    ldr_lanes_close(group->lanes);
    free(group);
}

void ldr_group_shut(struct ldr_group *group)
{
    pthread_rwlock_wrlock(&group->loader_lock);
    void *state = group->loader_state;
    group->loader_state = NULL;
    pthread_rwlock_unlock(&group->loader_lock);
    atomic_store_explicit(&group->load, NULL, memory_order_release);
    if (state != NULL)
        group->loader->close(state);
}

void ldr_group_clear(struct ldr_group *group)
{
    ldr_flights_overtake(group->context->flights, group);
    ldr_store_clear(group->store);
    ldr_near_clear(group);
}

bool ldr_group_loads(const struct ldr_group *group)
{
    return group->loader != NULL || atomic_load_explicit(&group->load, memory_order_acquire) != NULL;
}

struct ldr_route ldr_group_route(struct ldr_group *group, const struct larder_request *request)
{
    struct ldr_cluster *cluster = group->context->cluster;
    bool forwarded = (request->flags & LARDER_REQUEST_PEER) != 0;
    if (cluster == NULL || (forwarded && request->ring.checksum != ldr_cluster_ring(cluster).checksum))
        return (struct ldr_route){.owner = true};
    struct ldr_route route = ldr_cluster_route(cluster, request->group, request->key);
    if (forwarded) {
        route.owner = group->context->replicas > 1 ? ldr_group_holds(group, request->group, request->key)
                                                   : route.owner && route.peer == NULL;
        ldr_peer_release(route.peer);
        route.peer = NULL;
    }
    return route;
}

bool ldr_group_holds(struct ldr_group *group, struct larder_slice name, struct larder_slice key)
{
    struct ldr_placement placement;
    if (group->context->cluster == NULL)
        return true;
    ldr_cluster_place(group->context->cluster, name, key, &placement);
    bool holds = placement.self < placement.count;
    ldr_placement_release(&placement);
    return holds;
}

static void release_entry(void *pin)
{
    ldr_entry_release(pin);
}

struct larder_reply ldr_group_entry_reply(const struct ldr_group *group, struct ldr_entry *entry,
                                          enum larder_source source, uint64_t now)
{
    uint64_t expires = ldr_entry_expires(entry);
    if (now == LDR_NOW && expires != LARDER_NEVER)
        now = larder_now(group->context->runtime);
    return (struct larder_reply){
        .status = LARDER_OK,
        .source = source,
        .value = ldr_entry_value(entry),
        .ttl_ms = ldr_entry_age(entry, now) == LDR_STALE ? 0 : ldr_context_remaining(expires, now),
        .version = ldr_entry_version(entry),
        .release = release_entry,
        .pin = entry,
    };
}

void ldr_group_read_stats(struct ldr_group *group, struct larder_statistics *stats)
{
    const struct ldr_group_counters *counters = &group->counters;
    *stats = (struct larder_statistics){
        .gets = ldr_lanes_sum(group->lanes, LDR_GETS),
        .hits = ldr_lanes_sum(group->lanes, LDR_HITS),
        .misses = ldr_lanes_sum(group->lanes, LDR_MISSES),
        .peer_hits = ldr_count_read(&counters->peer_hits),
        .peer_misses = ldr_count_read(&counters->peer_misses),
        .loads = ldr_count_read(&counters->loads),
        .loads_deduplicated = ldr_count_read(&counters->loads_deduplicated),
        .load_errors = ldr_count_read(&counters->load_errors),
        .negative_hits = ldr_lanes_sum(group->lanes, LDR_NEGATIVE_HITS),
        .stale_hits = ldr_lanes_sum(group->lanes, LDR_STALE_HITS),
        .refreshes = ldr_count_read(&counters->refreshes),
        .sets = ldr_count_read(&counters->sets),
        .deletes = ldr_count_read(&counters->deletes),
        .near_hits = ldr_lanes_sum(group->lanes, LDR_NEAR_HITS),
    };
    ldr_near_sizes(group, &stats->near_bytes_used, &stats->near_bytes_limit);
    if (group->store != NULL) {
        struct ldr_store_stats store;
        ldr_store_stats(group->store, &store);
        stats->expirations = store.expirations;
        stats->evictions = store.evictions;
        stats->evictions_unexpired = store.evictions_unexpired;
        stats->policy_faults = store.policy_faults;
        stats->dropped_hits = store.dropped_hits;
        stats->entries = store.entries;
        stats->entries_limit = store.entries_limit;
        stats->bytes_used = store.bytes_used;
        stats->bytes_limit = store.bytes_limit;
        stats->value_bytes = store.value_bytes;
    }
    if (stats->gets != 0)
        stats->hit_ratio = (double)(stats->hits + stats->near_hits + stats->negative_hits) / (double)stats->gets;
    ldr_histogram_read(&group->get_latency, &stats->get);
    ldr_histogram_read(&group->set_latency, &stats->set);
    ldr_histogram_read(&group->load_latency, &stats->load);
    ldr_histogram_read(&group->peer_latency, &stats->peer);
}
