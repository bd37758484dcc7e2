/* The JSON documents of administrative answers. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/node/json.h"
#include "core/node/stats.h"

/* ------------------------------------------------------------------------------------------------ the node */

static void add_group_stats(void *arg, struct ldr_group *group)
{
    struct larder_statistics stats;
    ldr_group_read_stats(group, &stats);
    json_t **groups = arg;
    *groups = ldr_json_append(*groups, ldr_group_stats_to_json(group->name, &stats));
}

static json_t *requests_by_transport(struct larder_node *node)
{
    json_t *all = json_object();
    for (size_t i = 0; i < node->door_count; i++) {
        struct larder_transport_stats stats = {0};
        node->doors[i].table->stats(node->doors[i].state, &stats);
        json_t *one = json_object();
        for (int status = 0; status < LARDER_STATUS_COUNT; status++)
            if (stats.requests[status] != 0)
                one = ldr_json_set(one, larder_status_name((enum larder_status)status),
                                   json_integer((json_int_t)stats.requests[status]));
        all = ldr_json_set(all, node->doors[i].table->head.name, one);
    }
    return all;
}

json_t *ldr_document_node(struct larder_node *node)
{
    struct ldr_node_stats stats;
    ldr_node_read_stats(node, &stats);
    json_t *own = json_object();
    own = ldr_json_set(own, "name", json_string(node->settings->node_name));
    own = ldr_json_set(own, "version", json_string(LARDER_VERSION));
    for (const struct ldr_stat *stat = ldr_node_stat_table; stat->name != NULL; stat++)
        own = ldr_json_set(own, stat->name, json_integer((json_int_t)ldr_stat_read(stat, &stats)));
    own = ldr_json_set(own, "requests", requests_by_transport(node));
    json_t *groups = json_array();
    ldr_registry_each(node->registry, add_group_stats, &groups);
    return ldr_json_set(ldr_json_set(json_object(), "node", own), "groups", groups);
}

/* ------------------------------------------------------------------------------------------------ the cluster */

static void add_member(void *arg, const struct ldr_member_info *info)
{
    json_t **members = arg;
    json_t *member = json_pack("{s:s, s:I, s:f, s:s, s:b, s:I, s:I}", "name", info->name, "weight",
                               (json_int_t)info->weight, "share", info->share, "state", info->state, "agrees",
                               info->agrees, "requests", (json_int_t)info->requests, "failures",
                               (json_int_t)info->failures);
    member = ldr_json_set(member, "address", ldr_json_text(info->address));
    member = ldr_json_set(member, "zone", ldr_json_text(info->zone));
    member = ldr_json_set(member, "leaving", json_boolean(info->leaving));
    member = ldr_json_set(member, "reason", ldr_json_text(info->reason));
    *members = ldr_json_append(*members, member);
}

/* How far the hand-off is; null at a gateway, which hands nothing over. */
static json_t *handoff(struct larder_node *node)
{
    struct ldr_handoff_progress progress;
    if (node->context.handoff == NULL)
        return json_null();
    ldr_handoff_read(node->context.handoff, &progress);
    struct ldr_cluster *cluster = node->context.cluster;
    uint64_t serial = ldr_cluster_serial(cluster);
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "active", progress.active,
                     "finished", ldr_handoff_finished(node->context.handoff), "caught_up",
                     ldr_cluster_caught_up(cluster, serial), "leaving", ldr_node_is_leaving(node), "left",
                     ldr_node_has_left(node), "entries", (json_int_t)progress.stored, "entries_total",
                     (json_int_t)progress.total, "entries_left", (json_int_t)progress.left, "entries_sent",
                     (json_int_t)progress.sent, "entries_received", (json_int_t)progress.received, "entries_dropped",
                     (json_int_t)progress.dropped, "failures", (json_int_t)progress.failures);
}

json_t *ldr_document_cluster(struct larder_node *node)
{
    struct ldr_cluster *cluster = node->context.cluster;
    const char *role = node->settings->gateway ? "gateway" : "node";
    json_t *members = json_array();
    struct larder_ring_view ring = {0};
    const char *settings = "";
    if (cluster != NULL) {
        ring = ldr_cluster_ring(cluster);
        settings = ldr_cluster_settings_text(cluster);
        ldr_cluster_members(cluster, add_member, &members);
    }
    char checksum[17];
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)ring.checksum);
    json_t *json = json_pack("{s:s, s:s, s:I, s:s, s:s}", "node", node->settings->node_name, "role", role, "epoch",
                             (json_int_t)ring.epoch, "checksum", checksum, "settings", settings);
    if (cluster != NULL) {
        json = ldr_json_set(json, "acts", json_boolean(ldr_cluster_acts(cluster, ldr_cluster_serial(cluster))));
        json = ldr_json_set(json, "handoff", handoff(node));
    }
    return ldr_json_set(json, "members", members);
}

/* ------------------------------------------------------------------------------------------------ settings of groups */

/* A parameter as a configuration file would say it. */
static json_t *param_to_json(const struct larder_param *row, const struct larder_param_value *value)
{
    json_t *list;
    char text[32];
    switch (row->type) {
    case LARDER_PARAM_BOOL: return json_boolean(value->integer != 0);
    case LARDER_PARAM_INT:
    case LARDER_PARAM_SIZE: return json_integer((json_int_t)value->integer);
    case LARDER_PARAM_FLOAT: return json_real(value->number);
    case LARDER_PARAM_DURATION:
        snprintf(text, sizeof text, "%lldms", (long long)value->integer);
        return json_string(text);
    case LARDER_PARAM_STRING: return value->string != NULL ? ldr_json_text(value->string) : json_null();
    case LARDER_PARAM_STRINGS:
        list = json_array();
        for (size_t i = 0; i < value->count; i++)
            list = ldr_json_append(list, ldr_json_text(value->items[i].string));
        return list;
    default: return json_null(); /* no module of a group has other types */
    }
}

static json_t *choice_to_json(const struct ldr_plugin_choice *choice)
{
    if (choice->table == NULL)
        return json_null();
    json_t *json = json_pack("{s:s}", "plugin", choice->table->name);
    const struct larder_param *rows = choice->table->params;
    for (size_t i = 0; rows != NULL && rows[i].name != NULL; i++)
        json = ldr_json_set(json, rows[i].name, param_to_json(&rows[i], &choice->params[i]));
    return json;
}

static json_t *duration(int64_t ms)
{
    char text[32];
    snprintf(text, sizeof text, "%lldms", (long long)(ms == LARDER_TTL_NONE ? 0 : ms));
    return json_string(text);
}

static json_t *settings_to_json(const struct ldr_group_record *record)
{
    const struct ldr_group_settings *settings = &record->settings;
    json_t *json = json_pack("{s:s, s:I, s:I, s:I}", "name", settings->name, "max_bytes",
                             (json_int_t)settings->max_bytes, "max_entries", (json_int_t)settings->max_entries,
                             "max_value", (json_int_t)settings->max_value);
    json = ldr_json_set(json, "ttl", duration(settings->ttl_ms));
    json = ldr_json_set(json, "negative_ttl", duration(settings->negative_ttl_ms));
    json = ldr_json_set(json, "load_timeout", duration((int64_t)settings->load_timeout_ms));
    json = ldr_json_set(json, "near_bytes", json_integer((json_int_t)settings->near_bytes));
    json = ldr_json_set(json, "near_ttl", duration(settings->near_ttl_ms));
    json = ldr_json_set(json, "stale_while_revalidate", duration(settings->stale_while_revalidate_ms));
    json = ldr_json_set(json, "stale_if_error", duration(settings->stale_if_error_ms));
    json = ldr_json_set(json, "refresh_ahead", json_real(settings->refresh_ahead));
    json = ldr_json_set(json, "max_loads", json_integer((json_int_t)settings->max_loads));
    json = ldr_json_set(json, "exact_hits", json_boolean(settings->exact_hits));
    json = ldr_json_set(json, "eviction", choice_to_json(&settings->eviction));
    if (settings->loader.table != NULL)
        json = ldr_json_set(json, "loader", choice_to_json(&settings->loader));
    else if (ldr_group_loads(record->group))
        json = ldr_json_set(json, "loader", json_string("callback"));
    return json;
}

json_t *ldr_document_groups(struct larder_node *node)
{
    json_t *groups = json_array();
    pthread_mutex_lock(&node->admin);
    for (const struct ldr_group_record *record = node->records; record != NULL; record = record->next)
        groups = ldr_json_append(groups, settings_to_json(record));
    pthread_mutex_unlock(&node->admin);
    return ldr_json_set(json_object(), "groups", groups);
}

json_t *ldr_document_group(struct larder_node *node, struct larder_slice name)
{
    json_t *json = NULL;
    pthread_mutex_lock(&node->admin);
    const struct ldr_group_record *record = ldr_node_record(node, name);
    if (record == NULL)
        ldr_fail(LARDER_NO_GROUP, "no group %.*s", (int)name.size, (const char *)name.data);
    else if ((json = settings_to_json(record)) == NULL)
        ldr_fail_memory();
    pthread_mutex_unlock(&node->admin);
    return json;
}

/* ------------------------------------------------------------------------------------------------ answering */

void ldr_answer_document(struct larder_node *node, json_t *document, larder_reply_fn done, void *arg)
{
    char *text = document != NULL ? json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(document);
    if (text == NULL) {
        ldr_answer_status(&node->context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    struct larder_reply reply = {
        .status = LARDER_OK,
        .source = LARDER_SOURCE_LOCAL,
        .value = ldr_slice_text(text),
        .ttl_ms = LARDER_TTL_NONE,
        .release = free,
        .pin = text,
    };
    ldr_answer(&node->context, &reply, done, arg);
}
