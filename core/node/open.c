/* Opens a node, part by part. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/base/runtime.h"
#include "core/group/copies.h"
#include "core/group/holders.h"
#include "core/group/hot.h"
#include "core/group/strict.h"
#include "core/node/node.h"

static enum larder_status open_runtime(struct larder_node *node, const struct larder_runtime *runtime)
{
    node->runtime = runtime;
    if (runtime == NULL) {
        node->runtime = ldr_runtime_open(node->settings->workers, node->settings->queue);
        node->owns_runtime = true;
    }
    return node->runtime != NULL ? LARDER_OK : larder_last_status();
}

static enum larder_status open_settings(struct larder_node *node, const struct larder_config *config)
{
    node->catalog = ldr_settings_catalog(config);
    if (node->catalog == NULL)
        return larder_last_status();
    struct ldr_errors errors = {0};
    node->settings = ldr_settings_check(config, node->catalog, &errors);
    if (errors.count > 0)
        return ldr_fail(LARDER_INVALID, "%s", errors.first);
    return node->settings != NULL ? LARDER_OK : ldr_fail_memory();
}

/* A gateway's keys are others' to count. */
static enum larder_status open_hot(struct larder_node *node)
{
    const struct ldr_settings *settings = node->settings;
    if (settings->hot_keys == 0 || settings->gateway)
        return LARDER_OK;
    node->context.hot = ldr_hot_open(node->runtime, settings->hot_keys);
    if (node->context.hot == NULL)
        return larder_last_status();
    if (settings->cluster.enabled && (node->context.holders = ldr_holders_open(settings->hot_keys)) == NULL)
        return ldr_fail_memory();
    return LARDER_OK;
}

static enum larder_status open_context(struct larder_node *node)
{
    const struct ldr_settings *settings = node->settings;
    ldr_node_init_host(node, &node->host);
    node->started_ms = node->runtime->wall_ms(node->runtime);
    node->context.runtime = node->runtime;
    node->context.log = node->log;
    node->context.host = &node->host;
    node->context.replicas = 1;
    node->context.request_timeout_ms = settings->request_timeout_ms;
    node->context.fallback_ttl_ms = settings->cluster.fallback_ttl_ms;
    node->context.max_waiting = settings->max_waiting;
    node->context.flights = ldr_flights_open(&node->context, node->runtime->random(node->runtime));
    node->registry = ldr_registry_open();
    return node->context.flights != NULL && node->registry != NULL ? LARDER_OK : ldr_fail_memory();
}

static enum larder_status open_doors(struct larder_node *node)
{
    const struct ldr_settings *settings = node->settings;
    if (settings->transport_count == 0)
        return LARDER_OK;
    node->doors = calloc(settings->transport_count, sizeof *node->doors);
    node->addresses = calloc(settings->transport_count, sizeof *node->addresses);
    if (node->doors == NULL || node->addresses == NULL)
        return ldr_fail_memory();
    for (size_t i = 0; i < settings->transport_count; i++) {
        struct ldr_door *door = &node->doors[i];
        door->table = (const struct larder_transport *)(const void *)settings->transports[i].table;
        ldr_node_init_door(node, door);
        door->state = door->table->open(&door->host, settings->transports[i].params);
        if (door->state == NULL)
            return larder_last_status();
        node->door_count++;
    }
    return LARDER_OK;
}

static const struct ldr_door *peer_door(const struct larder_node *node)
{
    for (size_t i = 0; i < node->door_count; i++)
        if (strcmp(node->doors[i].table->head.name, node->settings->cluster.peer_transport) == 0)
            return &node->doors[i];
    return NULL;
}

static void overtake(void *arg, struct ldr_group *group)
{
    struct ldr_cluster *cluster = arg;
    ldr_flights_overtake(group->context->flights, group);
    ldr_group_hold(group, LARDER_NEVER, true); /* see ldr_handoff_tick() */
    if (group->store != NULL && ldr_cluster_has_past(cluster))
        ldr_group_drop_outlived(group);
}

/* What was begun under an older list may bring what is outdated under the new one. */
static void listed(void *arg)
{
    const struct larder_node *node = arg;
    if (ldr_cluster_strict(node->context.cluster))
        ldr_registry_each(node->registry, overtake, node->context.cluster);
}

static void clear(void *arg, struct ldr_group *group)
{
    (void)arg;
    if (group->store != NULL)
        ldr_group_clear(group);
}

static void outdated(void *arg)
{
    struct larder_node *node = arg;
    ldr_log(node->log, LARDER_LOG_WARN, "others may have served without this node: it begins without entries");
    ldr_registry_each(node->registry, clear, NULL);
}

static void wake(void *arg)
{
    const struct larder_node *node = arg;
    if (node->context.handoff != NULL)
        ldr_handoff_wake(node->context.handoff);
}

static enum larder_status open_handoff(struct larder_node *node)
{
    const struct ldr_cluster_settings *settings = &node->settings->cluster;
    node->context.replicas = settings->replicas;
    node->context.clock_mark = (uint8_t)ldr_hash(ldr_slice_text(node->settings->node_name), 0);
    node->context.peer_timeout_ms = settings->peer_timeout_ms;
    node->context.tombstone_ttl_ms = settings->tombstone_ttl_ms;
    node->context.sends_most = 1 + settings->retries;
    if (settings->strict) {
        uint64_t timeout = settings->peer_timeout_ms * LARDER_NS_PER_MS;
        node->context.kept_past = LDR_KEPT_TIMEOUTS * timeout + LDR_KEPT_MORE_MS * LARDER_NS_PER_MS;
        node->context.seen = ldr_seen_open(2 * timeout);
        if (node->context.seen == NULL)
            return LARDER_NO_MEMORY;
    }
    if (!node->settings->gateway) {
        node->context.handoff = ldr_handoff_open(&node->context, node->registry, settings->handoff_bandwidth);
        if (node->context.handoff == NULL)
            return LARDER_NO_MEMORY;
    }
    node->events = (struct ldr_cluster_events){node, listed, outdated, wake};
    ldr_cluster_listen(node->context.cluster, &node->events);
    return LARDER_OK;
}

static enum larder_status open_cluster(struct larder_node *node)
{
    const struct ldr_settings *settings = node->settings;
    const struct ldr_cluster_settings *cluster = &settings->cluster;
    if (!cluster->enabled)
        return LARDER_OK;
    const struct ldr_door *door = peer_door(node);
    node->context.cluster = ldr_cluster_open(&(struct ldr_cluster_options){
        .runtime = node->runtime,
        .log = node->log,
        .self = settings->node_name,
        .gateway = settings->gateway,
        .ring = {(const struct larder_hash *)(const void *)cluster->hash.table, cluster->seed, cluster->virtual_nodes},
        .transport = door->table,
        .transport_state = door->state,
        .transport_name = cluster->peer_transport,
        .peer_timeout_ms = cluster->peer_timeout_ms,
        .retries = cluster->retries,
        .backoff_ms = cluster->backoff_ms,
        .suspend_after = cluster->suspend_after,
        .suspend_ms = cluster->suspend_ms,
        .probe_ms = cluster->probe_ms,
        .replicas = cluster->replicas,
        .strict = cluster->strict,
        .fence_peer_ms = cluster->fence_peer_ms,
        .orphan_wait_ms = cluster->orphan_wait_ms,
        .tombstone_ttl_ms = cluster->tombstone_ttl_ms,
        .max_calls = cluster->max_calls,
        /* A gateway knows of no group; other nodes tell with each group they make. */
        .slow_limit_ms = settings->gateway ? settings->request_timeout_ms : 0,
    });
    return node->context.cluster != NULL ? open_handoff(node) : larder_last_status();
}

static enum larder_status open_groups(struct larder_node *node)
{
    const struct ldr_settings *settings = node->settings;
    enum larder_status status = LARDER_OK;
    pthread_mutex_lock(&node->admin);
    for (size_t i = 0; i < settings->group_count && status == LARDER_OK; i++)
        status = ldr_node_create_group(node, &settings->groups[i], true);
    pthread_mutex_unlock(&node->admin);
    if (status != LARDER_OK || !settings->gateway)
        return status;
    node->transit = ldr_group_open(&node->context, &(struct ldr_group_options){
                                                       .name = ldr_slice_text("gateway"),
                                                       .transit = true,
                                                       .max_value = UINT64_MAX, /* the owner decides */
                                                       .ttl_ms = LARDER_TTL_NONE,
                                                   });
    return node->transit != NULL ? LARDER_OK : larder_last_status();
}

static enum larder_status listen_all(struct larder_node *node)
{
    for (size_t i = 0; i < node->door_count; i++) {
        struct ldr_door *door = &node->doors[i];
        enum larder_status status = door->table->listen(door->state);
        if (status != LARDER_OK)
            return status;
        door->table->address(door->state, door->address, sizeof door->address);
        node->addresses[i] = (struct larder_address){door->table->head.name, door->address};
        ldr_log(node->log, LARDER_LOG_INFO, "%s listens on %s", door->table->head.name, door->address);
    }
    node->self = (struct larder_member){
        .name = node->settings->node_name,
        .weight = 1,
        .address_count = node->door_count,
        .addresses = node->addresses,
        .zone = node->settings->zone,
    };
    atomic_store_explicit(&node->listening, true, memory_order_relaxed); /* a word to others, nothing hangs on it */
    return LARDER_OK;
}

static enum larder_status start_discovery(struct larder_node *node)
{
    const struct ldr_plugin_choice *choice = &node->settings->cluster.discovery;
    if (choice->table == NULL)
        return LARDER_OK;
    const struct larder_discovery *table = (const struct larder_discovery *)(const void *)choice->table;
    ldr_node_init_discovery_host(node);
    node->discovery_params = choice->params;
    node->discovery = table->open(&node->discovery_host, choice->params);
    if (node->discovery == NULL)
        return larder_last_status();
    enum larder_status status = table->start(node->discovery);
    node->discovery_started = status == LARDER_OK;
    return status;
}

struct larder_node *ldr_node_open_on(const struct larder_config *config, const struct larder_runtime *runtime)
{
    struct larder_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        ldr_fail_memory();
        return NULL;
    }
    node->references = 1;
    pthread_mutex_init(&node->reload, NULL);
    pthread_mutex_init(&node->ticking, NULL);
    pthread_mutex_init(&node->admin, NULL);
    ldr_tally_init(&node->context.waiting);
    pthread_mutex_init(&node->context.strict.lock, NULL);
    pthread_mutex_init(&node->context.near.lock, NULL);
    ldr_tally_init(&node->changes);
    enum larder_status status = open_settings(node, config);
    if (status == LARDER_OK) {
        const struct ldr_settings *settings = node->settings;
        node->log = ldr_log_open(settings->node_name, settings->log_level, settings->log_format, 2);
        status = node->log != NULL ? open_runtime(node, runtime) : ldr_fail_memory();
    }
    enum larder_status (*const steps[])(struct larder_node *) = {open_context, open_hot,   open_doors,     open_cluster,
                                                                 open_groups,  listen_all, start_discovery};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == LARDER_OK; i++)
        status = steps[i](node);
    if (status != LARDER_OK) {
        /* Closing calls modules, which may fail in their turn: the reason that counts is the first. */
        char reason[1024];
        snprintf(reason, sizeof reason, "%s", larder_last_error());
        larder_node_close(node);
        ldr_fail(status, "%s", reason);
        return NULL;
    }
    ldr_node_start_ticking(node);
    return node;
}

struct larder_node *larder_node_open(const struct larder_config *config)
{
    return ldr_node_open_on(config, NULL);
}
