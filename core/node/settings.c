#include "core/node/settings.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/node/settings_read.h"
#include "core/node/settings_table.h"

const struct larder_param_value *ldr_settings_value(const struct larder_param_value *values,
                                                    const struct larder_param *table, const char *name)
{
    return &values[ldr_schema_row(table, name)];
}

static const struct larder_plugin *find_plugin(void *arg, enum larder_plugin_kind kind, const char *name)
{
    return ldr_catalog_find(arg, kind, name);
}

const struct larder_param_value *ldr_settings_values(const struct ldr_settings_input *input,
                                                     const struct ldr_tree *tree, const struct larder_param *table)
{
    const struct ldr_schema_plugins plugins = {.find = find_plugin, .arg = input->catalog};
    return ldr_schema_check(tree, table, &plugins, input->arena, input->errors);
}

bool ldr_settings_choice(const struct ldr_settings_input *input, enum larder_plugin_kind kind,
                         const struct larder_param_value *value, struct ldr_plugin_choice *choice)
{
    *choice = (struct ldr_plugin_choice){0};
    if (value->string == NULL)
        return true;
    choice->table = ldr_catalog_find(input->catalog, kind, value->string);
    choice->params = value->items;
    return choice->table != NULL;
}

static const struct larder_param_value *section(const struct larder_param_value *root, const char *name)
{
    return ldr_settings_value(root, ldr_settings_table, name);
}

static int64_t integer(const struct larder_param_value *values, const struct larder_param *table, const char *name)
{
    return ldr_settings_value(values, table, name)->integer;
}

static const char *text(const struct larder_param_value *values, const struct larder_param *table, const char *name)
{
    return ldr_settings_value(values, table, name)->string;
}

static enum larder_log_level level_of(const char *name)
{
    static const char *const levels[] = {[LARDER_LOG_ERROR] = "error",
                                         [LARDER_LOG_WARN] = "warn",
                                         [LARDER_LOG_INFO] = "info",
                                         [LARDER_LOG_DEBUG] = "debug"};
    unsigned level = LARDER_LOG_ERROR;
    while (strcmp(levels[level], name) != 0)
        level++;
    return (enum larder_log_level)level;
}

static void read_node(struct ldr_settings *settings, const struct larder_param_value *node)
{
    const struct larder_param *table = ldr_settings_node;
    settings->node_name = text(node, table, "name");
    settings->gateway = strcmp(text(node, table, "role"), "gateway") == 0;
    settings->log_level = level_of(text(node, table, "log_level"));
    settings->log_format = strcmp(text(node, table, "log_format"), "json") == 0 ? LDR_LOG_JSON : LDR_LOG_LOGFMT;
    settings->workers = (unsigned)integer(node, table, "workers");
    settings->queue = (uint64_t)integer(node, table, "load_queue");
    settings->hot_keys = (size_t)integer(node, table, "hot_keys");
    settings->max_waiting = (uint64_t)integer(node, table, "max_waiting");
    settings->request_timeout_ms = (uint64_t)integer(node, table, "request_timeout");
    settings->drain_timeout_ms = (uint64_t)integer(node, table, "drain_timeout");
    settings->leave_timeout_ms = (uint64_t)integer(node, table, "leave_timeout");
    settings->zone = text(node, table, "zone") != NULL ? text(node, table, "zone") : "";
}

/* `count` elements that are zero; NULL only when out of memory. */
static void *alloc_array(struct ldr_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return ldr_multiply(count == 0 ? 1 : count, size, &bytes) ? ldr_arena_alloc(arena, bytes) : NULL;
}

static bool read_transports(const struct ldr_settings_input *input, struct ldr_settings *settings,
                            const struct larder_param_value *list)
{
    settings->transports = alloc_array(input->arena, list->count, sizeof *settings->transports);
    if (settings->transports == NULL)
        return false;
    settings->transport_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        if (!ldr_settings_choice(input, LARDER_PLUGIN_TRANSPORT, &list->items[i], &settings->transports[i]))
            return false;
    }
    return true;
}

static bool read_cluster(const struct ldr_settings_input *input, struct ldr_settings *settings,
                         const struct larder_param_value *value)
{
    const struct larder_param *table = ldr_settings_cluster;
    const struct larder_param_value *values = value->items;
    const char *peer_transport = text(values, table, "peer_transport");
    if (peer_transport == NULL && settings->transport_count > 0)
        peer_transport = settings->transports[0].table->name;
    settings->cluster = (struct ldr_cluster_settings){
        .enabled = value->given,
        .peer_transport = peer_transport,
        .seed = (uint64_t)integer(values, table, "seed"),
        .virtual_nodes = (unsigned)integer(values, table, "virtual_nodes"),
        .peer_timeout_ms = (uint64_t)integer(values, table, "peer_timeout"),
        .retries = (unsigned)integer(values, table, "retries"),
        .backoff_ms = (uint64_t)integer(values, table, "backoff"),
        .suspend_after = (unsigned)integer(values, table, "suspend_after"),
        .suspend_ms = (uint64_t)integer(values, table, "suspend"),
        .probe_ms = (uint64_t)integer(values, table, "probe_interval"),
        .max_calls = (uint64_t)integer(values, table, "max_calls"),
        .fallback_ttl_ms = (uint64_t)integer(values, table, "fallback_ttl"),
        .replicas = (unsigned)integer(values, table, "replicas"),
        .strict = strcmp(text(values, table, "write_acks"), "all") == 0,
        .fence_peer_ms = (uint64_t)integer(values, table, "fence_peer"),
        .orphan_wait_ms = (uint64_t)integer(values, table, "orphan_wait"),
        .tombstone_ttl_ms = (uint64_t)integer(values, table, "tombstone_ttl"),
        .handoff_bandwidth = (uint64_t)integer(values, table, "handoff_bandwidth"),
    };
    return ldr_settings_choice(input, LARDER_PLUGIN_HASH, ldr_settings_value(values, table, "hash"),
                               &settings->cluster.hash) &&
           ldr_settings_choice(input, LARDER_PLUGIN_DISCOVERY, ldr_settings_value(values, table, "discovery"),
                               &settings->cluster.discovery);
}

/* The list of the one group that a node has when its configuration names none. */
static const struct larder_param_value *default_groups(const struct ldr_settings_input *input)
{
    char key[] = "name", text[] = "default";
    struct ldr_tree name = {.kind = LDR_TREE_SCALAR, .key = key, .text = text};
    struct ldr_tree *items[] = {&name};
    const struct ldr_tree map = {.kind = LDR_TREE_MAP, .items = items, .count = 1};
    struct larder_param_value *list = alloc_array(input->arena, 2, sizeof *list);
    const struct larder_param_value *values = ldr_settings_values(input, &map, ldr_settings_group_table);
    if (list == NULL || values == NULL)
        return NULL;
    list[0] = (struct larder_param_value){.count = 1, .items = &list[1]};
    list[1] = (struct larder_param_value){.count = ldr_schema_count(ldr_settings_group_table), .items = values};
    return list;
}

static bool read_groups(const struct ldr_settings_input *input, struct ldr_settings *settings,
                        const struct larder_param_value *list)
{
    if (!list->given && settings->transport_count > 0 && !settings->gateway) {
        list = default_groups(input);
        if (list == NULL || input->errors->count > 0)
            return false;
    }
    settings->groups = alloc_array(input->arena, list->count, sizeof *settings->groups);
    if (settings->groups == NULL)
        return false;
    settings->group_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        if (!ldr_settings_read_group(input, list->items[i].items, &settings->groups[i]))
            return false;
    }
    return true;
}

static struct ldr_settings *read_all(const struct ldr_settings_input *input, const struct larder_param_value *root)
{
    struct ldr_settings *settings = ldr_arena_alloc(input->arena, sizeof *settings);
    if (settings == NULL)
        return NULL;
    settings->arena = input->arena;
    read_node(settings, section(root, "node")->items);
    bool read = read_transports(input, settings, section(root, "transports")) &&
                read_cluster(input, settings, section(root, "cluster")) &&
                read_groups(input, settings, section(root, "groups"));
    return read ? settings : NULL;
}

static struct ldr_settings *check(const struct ldr_settings_input *input)
{
    const struct larder_param_value *root = ldr_settings_values(input, input->tree, ldr_settings_table);
    if (root == NULL)
        return NULL;
    ldr_settings_rules(input, root);
    return input->errors->count == 0 ? read_all(input, root) : NULL;
}

struct ldr_settings *ldr_settings_check(const struct larder_config *config, struct ldr_catalog *catalog,
                                        struct ldr_errors *errors)
{
    const struct larder_config nothing = {0};
    struct ldr_settings *settings = NULL;
    struct ldr_tree *tree = ldr_config_merged(config == NULL ? &nothing : config);
    if (tree == NULL && larder_last_status() != LARDER_NO_MEMORY)
        ldr_errors_add(errors, NULL, "%s", larder_last_error());
    struct ldr_arena *arena = tree == NULL ? NULL : ldr_arena_open();
    if (arena != NULL)
        settings = check(&(struct ldr_settings_input){tree, catalog, arena, errors});
    if (settings == NULL) {
        ldr_arena_close(arena);
        if (errors->count > 0)
            ldr_fail(LARDER_INVALID, "%s", errors->first);
        else
            ldr_fail_memory();
    }
    ldr_tree_free(tree);
    return settings;
}

void ldr_settings_free(struct ldr_settings *settings)
{
    if (settings != NULL)
        ldr_arena_close(settings->arena);
}
