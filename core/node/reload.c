/* Takes over from a new configuration what can be changed while a node runs. */
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/node.h"

static void warn_fixed(struct larder_node *node, bool differs, const char *what)
{
    if (differs)
        ldr_log(node->log, LARDER_LOG_WARN, "reload: %s cannot be changed while the node runs; the old value stays",
                what);
}

static bool same_transports(const struct ldr_settings *a, const struct ldr_settings *b)
{
    if (a->transport_count != b->transport_count)
        return false;
    for (size_t i = 0; i < a->transport_count; i++)
        if (a->transports[i].table != b->transports[i].table ||
            !ldr_schema_equal(a->transports[i].params, b->transports[i].params,
                              ldr_schema_count(a->transports[i].table->params)))
            return false;
    return true;
}

static void warn_of_fixed(struct larder_node *node, const struct ldr_settings *next)
{
    const struct ldr_settings *now = node->settings;
    warn_fixed(node, strcmp(now->node_name, next->node_name) != 0 || now->gateway != next->gateway,
               "node.name or node.role");
    warn_fixed(node, now->log_format != next->log_format, "node.log_format");
    warn_fixed(node, now->workers != next->workers || now->queue != next->queue, "node.workers or node.load_queue");
    warn_fixed(node, now->hot_keys != next->hot_keys, "node.hot_keys");
    warn_fixed(node,
               now->request_timeout_ms != next->request_timeout_ms || now->drain_timeout_ms != next->drain_timeout_ms,
               "node.request_timeout or node.drain_timeout");
    warn_fixed(node, now->leave_timeout_ms != next->leave_timeout_ms || strcmp(now->zone, next->zone) != 0,
               "node.leave_timeout or node.zone");
    warn_fixed(node, !same_transports(now, next), "transports");
    const struct ldr_cluster_settings *a = &now->cluster, *b = &next->cluster;
    warn_fixed(node, a->enabled != b->enabled, "the cluster section");
    if (a->enabled && b->enabled)
        warn_fixed(node,
                   a->hash.table != b->hash.table || a->seed != b->seed || a->virtual_nodes != b->virtual_nodes ||
                       strcmp(a->peer_transport, b->peer_transport) != 0 || a->peer_timeout_ms != b->peer_timeout_ms ||
                       a->retries != b->retries || a->backoff_ms != b->backoff_ms ||
                       a->suspend_after != b->suspend_after || a->suspend_ms != b->suspend_ms ||
                       a->probe_ms != b->probe_ms || a->fallback_ttl_ms != b->fallback_ttl_ms ||
                       a->replicas != b->replicas || a->strict != b->strict || a->fence_peer_ms != b->fence_peer_ms ||
                       a->orphan_wait_ms != b->orphan_wait_ms || a->tombstone_ttl_ms != b->tombstone_ttl_ms ||
                       a->handoff_bandwidth != b->handoff_bandwidth || a->max_calls != b->max_calls ||
                       a->discovery.table != b->discovery.table,
                   "cluster settings besides the parameters of discovery");
}

/* A second instance with the new parameters takes over from the first; the epochs it reports come after all before. */
static enum larder_status replace_discovery(struct larder_node *node, const struct ldr_plugin_choice *choice)
{
    const struct larder_discovery *table = (const struct larder_discovery *)(const void *)choice->table;
    struct ldr_arena *arena = ldr_arena_open();
    const struct larder_param_value *params = arena != NULL ? ldr_schema_copy(arena, choice->params,
                                                                              ldr_schema_count(choice->table->params))
                                                            : NULL;
    void *discovery = NULL;
    if (params == NULL)
        ldr_fail_memory();
    else
        discovery = table->open(&node->discovery_host, params);
    if (discovery == NULL) {
        ldr_arena_close(arena);
        return larder_last_status();
    }
    table->close(node->discovery);
    ldr_arena_close(node->discovery_arena);
    node->discovery = discovery;
    node->discovery_arena = arena;
    node->discovery_params = params;
    node->epoch_base = ldr_cluster_ring(node->context.cluster).epoch;
    enum larder_status status = table->start(discovery);
    node->discovery_started = status == LARDER_OK;
    return status;
}

/* One that stays as it is is left alone: else its announcement would be taken back for a moment. */
static enum larder_status reload_discovery(struct larder_node *node, const struct ldr_settings *next)
{
    const struct ldr_plugin_choice *choice = &next->cluster.discovery;
    if (node->discovery == NULL || choice->table != node->settings->cluster.discovery.table)
        return LARDER_OK;
    if (node->discovery_started &&
        ldr_schema_equal(choice->params, node->discovery_params, ldr_schema_count(choice->table->params)))
        return LARDER_OK;
    return replace_discovery(node, choice);
}

static bool names(const struct ldr_settings *settings, const char *group)
{
    for (size_t i = 0; i < settings->group_count; i++)
        if (strcmp(settings->groups[i].name, group) == 0)
            return true;
    return false;
}

static enum larder_status reload_group(struct larder_node *node, const struct ldr_group_settings *settings)
{
    pthread_mutex_lock(&node->admin);
    struct ldr_group_record *record = ldr_node_record(node, ldr_slice_text(settings->name));
    enum larder_status status = record != NULL ? ldr_node_change_group(record, settings)
                                               : ldr_node_create_group(node, settings, true);
    if (record != NULL)
        record->configured = true;
    pthread_mutex_unlock(&node->admin);
    return status;
}

/* The name of a group that a configuration made and the next one does not have; false: none is left. */
static bool find_removed(struct larder_node *node, const struct ldr_settings *next, char *name)
{
    bool found = false;
    pthread_mutex_lock(&node->admin);
    for (const struct ldr_group_record *record = node->records; record != NULL && !found; record = record->next) {
        found = record->configured && !names(next, record->settings.name);
        if (found)
            memcpy(name, record->group->name, sizeof record->group->name);
    }
    pthread_mutex_unlock(&node->admin);
    return found;
}

static enum larder_status reload_groups(struct larder_node *node, const struct ldr_settings *next)
{
    enum larder_status first = LARDER_OK;
    char name[LARDER_GROUP_MAX + 1];
    for (size_t i = 0; i < next->group_count; i++) {
        enum larder_status status = reload_group(node, &next->groups[i]);
        if (status != LARDER_OK)
            ldr_log(node->log, LARDER_LOG_ERROR, "reload: %s", larder_last_error());
        first = first == LARDER_OK ? status : first;
    }
    while (find_removed(node, next, name)) {
        enum larder_status status = ldr_node_drop_group(node, ldr_slice_text(name));
        if (status == LARDER_NO_GROUP)
            continue; /* somebody else was faster */
        if (status != LARDER_OK)
            return first == LARDER_OK ? status : first;
        ldr_log(node->log, LARDER_LOG_INFO, "reload: group %s dropped", name);
    }
    return first;
}

static enum larder_status reload(struct larder_node *node, const struct larder_config *config)
{
    struct ldr_errors errors = {0};
    struct ldr_settings *next = ldr_settings_check(config, node->catalog, &errors);
    if (next == NULL || errors.count != 0) {
        ldr_settings_free(next);
        return errors.count != 0 ? ldr_fail(LARDER_INVALID, "%s", errors.first) : ldr_fail_memory();
    }
    warn_of_fixed(node, next);
    enum larder_status status = reload_discovery(node, next);
    if (status == LARDER_OK) {
        ldr_log_set_level(node->log, next->log_level);
        node->context.max_waiting = next->max_waiting;
        status = reload_groups(node, next);
    }
    if (status == LARDER_OK)
        ldr_log(node->log, LARDER_LOG_INFO, "reload: done");
    ldr_settings_free(next);
    return status;
}

enum larder_status larder_node_reload(struct larder_node *node, const struct larder_config *config)
{
    pthread_mutex_lock(&node->reload);
    /* Acquire: see larder_node_close(), which sets the flag before it takes the lock. */
    enum larder_status status = atomic_load_explicit(&node->closing, memory_order_acquire)
                                    ? ldr_fail(LARDER_UNAVAILABLE, "the node is closing")
                                    : reload(node, config);
    pthread_mutex_unlock(&node->reload);
    return status;
}
