/* What a node offers to its modules: the functions behind the tables of larder/plugin/. */
#include <stdio.h>

#include "core/base/fail.h"
#include "core/node/node.h"

static void host_log(const struct larder_host *host, enum larder_log_level level, const char *format, ...)
{
    const struct larder_node *node = host->owner;
    va_list arguments;
    va_start(arguments, format);
    ldr_log_v(node->log, level, format, arguments);
    va_end(arguments);
}

static enum larder_status host_fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    (void)host;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return ldr_fail(status, "%s", message);
}

void ldr_node_init_host(struct larder_node *node, struct larder_host *host)
{
    *host = (struct larder_host){
        .log = host_log,
        .fail = host_fail,
        .runtime = node->runtime,
        .node_name = node->settings->node_name,
        .owner = node,
    };
}

static void host_submit(const struct larder_transport_host *host, const struct larder_request *request,
                        larder_reply_fn done, void *arg)
{
    ldr_node_execute(host->base.owner, request, done, arg);
}

/* So many requests are looked at together. */
#define EXPECTED 16

/* Nobody has looked yet whether the request makes sense. */
static bool is_get(const struct larder_request *request)
{
    return request->operation == LARDER_OP_GET && request->group.size > 0 && request->key.size > 0;
}

/* Inside the node's section, which keeps the stores there. */
static void expect(const struct larder_node *node, const struct larder_request *const *requests, size_t count)
{
    struct ldr_store *stores[EXPECTED];
    struct larder_slice keys[EXPECTED];
    for (size_t i = 0; i < count; i++) {
        const struct ldr_group *group = is_get(requests[i]) ? ldr_registry_find(node->registry, requests[i]->group)
                                                            : NULL;
        stores[i] = group != NULL ? group->store : NULL;
        keys[i] = requests[i]->key;
    }
    ldr_store_expect(stores, keys, count);
}

static void host_expect(const struct larder_transport_host *host, const struct larder_request *const *requests,
                        size_t count)
{
    struct larder_node *node = host->base.owner;
    if (node->transit != NULL || !ldr_node_enter(node))
        return; /* a gateway stores nothing; and one that closes answers nothing */
    for (size_t i = 0; i < count; i += EXPECTED)
        expect(node, requests + i, count - i < EXPECTED ? count - i : EXPECTED);
    ldr_node_exit();
}

/* Groups made while running may take as much as the settings allow. */
#define VALUE_LIMIT (UINT64_C(1) << 30)

static uint64_t host_value_limit(const struct larder_transport_host *host, struct larder_slice name)
{
    struct larder_node *node = host->base.owner;
    uint64_t limit = 0;
    if (!ldr_node_enter(node))
        return VALUE_LIMIT; /* whoever submits will be told */
    const struct ldr_group *group = node->transit != NULL ? node->transit : ldr_registry_find(node->registry, name);
    if (group != NULL)
        limit = atomic_load_explicit(&group->max_value, memory_order_relaxed);
    ldr_node_exit();
    return limit < VALUE_LIMIT ? limit : VALUE_LIMIT;
}

void ldr_node_init_door(struct larder_node *node, struct ldr_door *door)
{
    ldr_node_init_host(node, &door->host.base);
    door->host.submit = host_submit;
    door->host.expect = host_expect;
    door->host.value_limit = host_value_limit;
    door->host.request_timeout_ms = node->settings->request_timeout_ms;
    door->host.max_value = VALUE_LIMIT;
}

static enum larder_status host_members(const struct larder_discovery_host *host, uint64_t epoch,
                                       const struct larder_member *members, size_t count)
{
    struct larder_node *node = host->base.owner;
    /* Epochs that all members have in common stay what they are. */
    bool common = count > 0 && members[0].incarnation != 0;
    enum larder_status status = ldr_cluster_set_members(node->context.cluster,
                                                        common ? epoch : node->epoch_base + epoch, members, count);
    if (status != LARDER_OK)
        ldr_log(node->log, LARDER_LOG_WARN, "member list refused, the old one stays: %s", larder_last_error());
    return status;
}

static void host_lease(const struct larder_discovery_host *host, uint64_t until)
{
    const struct larder_node *node = host->base.owner;
    ldr_cluster_lease(node->context.cluster, until);
}

static void host_founded(const struct larder_discovery_host *host)
{
    const struct larder_node *node = host->base.owner;
    ldr_cluster_founded(node->context.cluster);
}

void ldr_node_init_discovery_host(struct larder_node *node)
{
    ldr_node_init_host(node, &node->discovery_host.base);
    node->discovery_host.self = node->settings->gateway ? NULL : &node->self;
    node->discovery_host.members = host_members;
    node->discovery_host.lease = host_lease;
    node->discovery_host.founded = host_founded;
    node->discovery_host.settings = node->context.cluster != NULL ? ldr_cluster_settings_text(node->context.cluster)
                                                                  : "";
}
