/* What no single row of a table can tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/units.h"
#include "core/node/settings_read.h"
#include "core/node/settings_table.h"
#include "larder/plugin/discovery.h"

/* What an error points at: the setting, or what should have held it. */
static const struct ldr_tree *place(const struct ldr_tree *map, const char *key)
{
    const struct ldr_tree *found = ldr_tree_find(map, key);
    return found != NULL ? found : map;
}

static bool is_name(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return text[strspn(text, allowed)] == '\0';
}

/* ------------------------------------------------------------------------------------------------ groups */

/* A limit that only came about through a default is no contradiction. */
static void check_max_value(const struct ldr_settings_input *input, const struct ldr_tree *tree, const char *prefix,
                            const struct larder_param_value *values, const struct ldr_group_settings *base)
{
    const struct larder_param_value *value = ldr_settings_value(values, ldr_settings_group_table, "max_value");
    const struct larder_param_value *max_bytes = ldr_settings_value(values, ldr_settings_group_table, "max_bytes");
    int64_t budget = max_bytes->given || base == NULL ? max_bytes->integer : (int64_t)base->max_bytes;
    if (!value->given || value->integer <= budget || budget == 0)
        return;
    char got[LDR_UNIT_TEXT], limit[LDR_UNIT_TEXT];
    ldr_format_size(value->integer, got, sizeof got);
    ldr_format_size(budget, limit, sizeof limit);
    ldr_errors_add(input->errors, place(tree, "max_value"), "%smax_value: got %s, wanted at most max_bytes, %s", prefix,
                   got, limit);
}

void ldr_settings_group_rules(const struct ldr_settings_input *input, const struct ldr_tree *tree, const char *prefix,
                              const struct larder_param_value *values, const struct ldr_group_settings *base)
{
    const char *name = ldr_settings_value(values, ldr_settings_group_table, "name")->string;
    if (name != NULL && !is_name(name))
        ldr_errors_add(input->errors, place(tree, "name"), "%sname: got \"%.64s\", wanted letters, digits and ._- only",
                       prefix, name);
    check_max_value(input, tree, prefix, values, base);
}

static const char *group_name(const struct larder_param_value *group)
{
    return group->items == NULL ? NULL : ldr_settings_value(group->items, ldr_settings_group_table, "name")->string;
}

static void check_duplicate(const struct ldr_settings_input *input, const struct ldr_tree *list,
                            const struct larder_param_value *groups, size_t index)
{
    const char *name = group_name(&groups->items[index]);
    for (size_t i = 0; name != NULL && i < index; i++) {
        const char *other = group_name(&groups->items[i]);
        if (other == NULL || strcmp(other, name) != 0)
            continue;
        ldr_errors_add(input->errors, place(list->items[index], "name"),
                       "groups[%zu].name: got \"%.64s\" a second time, after groups[%zu]", index, name, i);
        return;
    }
}

static void check_groups(const struct ldr_settings_input *input, const struct larder_param_value *groups)
{
    const struct ldr_tree *list = ldr_tree_find(input->tree, "groups");
    for (size_t i = 0; i < groups->count; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "groups[%zu].", i);
        if (groups->items[i].items != NULL)
            ldr_settings_group_rules(input, list->items[i], prefix, groups->items[i].items, NULL);
        check_duplicate(input, list, groups, i);
    }
}

/* ------------------------------------------------------------------------------------------------ cluster */

/* The transports' names for messages: "http, grpc". */
static void list_transports(const struct larder_param_value *transports, char *text, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < transports->count && used < capacity; i++) {
        const char *name = transports->items[i].string;
        if (name != NULL)
            used += (size_t)snprintf(text + used, capacity - used, "%s%s", used == 0 ? "" : ", ", name);
    }
}

static void check_peer_transport(const struct ldr_settings_input *input, const struct larder_param_value *cluster,
                                 const struct larder_param_value *transports)
{
    const char *wanted = ldr_settings_value(cluster->items, ldr_settings_cluster, "peer_transport")->string;
    bool all_valid = true;
    for (size_t i = 0; wanted != NULL && i < transports->count; i++) {
        const char *name = transports->items[i].string;
        if (name != NULL && strcmp(name, wanted) == 0)
            return;
        all_valid = all_valid && name != NULL;
    }
    if (wanted == NULL || transports->count == 0 || !all_valid)
        return;
    char names[256];
    list_transports(transports, names, sizeof names);
    ldr_errors_add(input->errors, place(ldr_tree_find(input->tree, "cluster"), "peer_transport"),
                   "cluster.peer_transport: got \"%.64s\", wanted one of the transports: %s", wanted, names);
}

/* Without leases nobody knows that he was taken off the list. */
static void check_write_acks(const struct ldr_settings_input *input, const struct larder_param_value *cluster)
{
    const char *acks = ldr_settings_value(cluster->items, ldr_settings_cluster, "write_acks")->string;
    const char *name = ldr_settings_value(cluster->items, ldr_settings_cluster, "discovery")->string;
    const struct larder_plugin *table = name == NULL ? NULL
                                                     : ldr_catalog_find(input->catalog, LARDER_PLUGIN_DISCOVERY, name);
    if (table == NULL || acks == NULL || strcmp(acks, "all") != 0)
        return;
    if (table->size < sizeof(struct larder_discovery) ||
        ((const struct larder_discovery *)(const void *)table)->leave == NULL)
        ldr_errors_add(input->errors, place(ldr_tree_find(input->tree, "cluster"), "write_acks"),
                       "cluster.write_acks: got \"all\", wanted one: discovery %s knows no leases", name);
}

static void check_cluster(const struct ldr_settings_input *input, const struct larder_param_value *cluster,
                          const struct larder_param_value *node, const struct larder_param_value *transports)
{
    const struct ldr_tree *at = ldr_tree_find(input->tree, "cluster");
    if (node->items != NULL && !ldr_settings_value(node->items, ldr_settings_node, "name")->given)
        ldr_errors_add(input->errors, at, "node.name: missing, a member of a cluster has a name of its own");
    if (!transports->given || (transports->count == 0 && ldr_tree_find(input->tree, "transports")->count == 0))
        ldr_errors_add(input->errors, at, "transports: missing, a cluster needs at least one");
    if (cluster->items == NULL)
        return;
    check_peer_transport(input, cluster, transports);
    check_write_acks(input, cluster);
}

static void check_gateway(const struct ldr_settings_input *input, const struct larder_param_value *cluster,
                          const struct larder_param_value *groups)
{
    if (!cluster->given)
        ldr_errors_add(input->errors, place(ldr_tree_find(input->tree, "node"), "role"),
                       "node.role: got \"gateway\" without a cluster, wanted a section cluster or the role node");
    if (groups->count > 0)
        ldr_errors_add(input->errors, ldr_tree_find(input->tree, "groups"),
                       "groups: got %zu with node.role gateway, wanted none", groups->count);
}

static void check_node(const struct ldr_settings_input *input, const struct larder_param_value *node)
{
    const char *name = ldr_settings_value(node->items, ldr_settings_node, "name")->string;
    if (name != NULL && !is_name(name))
        ldr_errors_add(input->errors, place(ldr_tree_find(input->tree, "node"), "name"),
                       "node.name: got \"%.64s\", wanted letters, digits and ._- only", name);
}

void ldr_settings_rules(const struct ldr_settings_input *input, const struct larder_param_value *root)
{
    const struct larder_param_value *node = ldr_settings_value(root, ldr_settings_table, "node");
    const struct larder_param_value *cluster = ldr_settings_value(root, ldr_settings_table, "cluster");
    const struct larder_param_value *groups = ldr_settings_value(root, ldr_settings_table, "groups");
    const struct larder_param_value *transports = ldr_settings_value(root, ldr_settings_table, "transports");
    const char *role = NULL;
    if (node->items != NULL) {
        check_node(input, node);
        role = ldr_settings_value(node->items, ldr_settings_node, "role")->string;
    }
    if (cluster->given)
        check_cluster(input, cluster, node, transports);
    if (role != NULL && strcmp(role, "gateway") == 0)
        check_gateway(input, cluster, groups);
    check_groups(input, groups);
}
