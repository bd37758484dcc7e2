/* The one function that every request goes through. */
#include "core/base/bytes.h"
#include "core/base/epoch.h"
#include "core/base/fail.h"
#include "core/group/near.h"
#include "core/group/copies.h"
#include "core/node/node.h"

static bool is_data(enum larder_operation operation)
{
    return (operation >= LARDER_OP_GET && operation <= LARDER_OP_TOUCH) || operation == LARDER_OP_FORGET;
}

static bool names_group(enum larder_operation operation)
{
    return is_data(operation) || operation == LARDER_OP_EXCHANGE ||
           (operation >= LARDER_OP_GROUP_GET && operation <= LARDER_OP_GROUP_STATS);
}

/* Of some operations without a name is of all groups. */
static bool may_name_group(const struct larder_request *request)
{
    return names_group(request->operation) || (request->operation == LARDER_OP_TOP && request->group.size != 0);
}

bool ldr_group_name_good(struct larder_slice name)
{
    const char *text = name.data;
    if (name.size == 0 || name.size > LARDER_GROUP_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
              (text[i] >= '0' && text[i] <= '9') || text[i] == '.' || text[i] == '_' || text[i] == '-'))
            return false;
    return true;
}

/* Whether the request makes sense by itself. */
static enum larder_status validate(const struct larder_request *request)
{
    if (may_name_group(request) && !ldr_group_name_good(request->group))
        return ldr_fail(LARDER_INVALID, "group name: got \"%.*s\", wanted 1 to %d of A-Z a-z 0-9 . _ -",
                        request->group.size > 64 ? 64 : (int)request->group.size, (const char *)request->group.data,
                        LARDER_GROUP_MAX);
    if (!is_data(request->operation))
        return LARDER_OK;
    if (request->key.size == 0)
        return ldr_fail(LARDER_INVALID, "key: got 0 bytes, wanted 1 to %d", LARDER_KEY_MAX);
    if (request->key.size > LARDER_KEY_MAX)
        return ldr_fail(LARDER_TOO_LARGE, "key: got %zu bytes, wanted 1 to %d", request->key.size, LARDER_KEY_MAX);
    if (request->ttl_ms < LARDER_TTL_NONE || request->ttl_ms > LARDER_TTL_MAX)
        return ldr_fail(LARDER_INVALID, "ttl: got %lld ms, wanted at most %lld", (long long)request->ttl_ms,
                        (long long)LARDER_TTL_MAX);
    return LARDER_OK;
}

/* Whether this node may serve it now. */
static enum larder_status admit(struct larder_node *node, const struct larder_request *request)
{
    struct ldr_cluster *cluster = node->context.cluster;
    enum larder_status status = validate(request);
    if (status != LARDER_OK)
        return status;
    if (cluster == NULL)
        return LARDER_OK;
    if ((request->flags & LARDER_REQUEST_PEER) != 0 && (status = ldr_cluster_accept(cluster, request)) != LARDER_OK)
        return status;
    /* Before the first list every key would seem to be this node's own. */
    return is_data(request->operation) || request->operation == LARDER_OP_EXCHANGE ? larder_node_ready(node)
                                                                                   : LARDER_OK;
}

/* The owner of the key has written it. */
static void forget(struct ldr_group *group, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    ldr_near_drop(group, request->key);
    ldr_flights_overtake_key(group->context->flights, group, request->group, request->key);
    ldr_answer_status(group->context, LARDER_OK, NULL, done, arg);
}

static void execute_data(struct larder_node *node, const struct larder_request *request, larder_reply_fn done,
                         void *arg)
{
    struct ldr_group *group = node->transit != NULL ? node->transit : ldr_registry_find(node->registry, request->group);
    if (group == NULL) {
        ldr_fail(LARDER_NO_GROUP, "no group %.*s", (int)request->group.size, (const char *)request->group.data);
        ldr_answer_status(&node->context, LARDER_NO_GROUP, larder_last_error(), done, arg);
    } else if (request->operation == LARDER_OP_EXCHANGE) {
        ldr_group_exchange(group, request, done, arg);
    } else if (request->operation == LARDER_OP_GET) {
        ldr_group_get(group, request, done, arg);
    } else if (request->operation == LARDER_OP_SET) {
        ldr_group_set(group, request, done, arg);
    } else if (request->operation == LARDER_OP_DELETE) {
        ldr_group_delete(group, request, done, arg);
    } else if (request->operation == LARDER_OP_FORGET) {
        forget(group, request, done, arg);
    } else {
        ldr_group_touch(group, request, done, arg);
    }
}

static void execute(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    enum larder_status status = admit(node, request);
    if (status != LARDER_OK)
        ldr_answer_status(&node->context, status, larder_last_error(), done, arg);
    else if (is_data(request->operation) || request->operation == LARDER_OP_EXCHANGE)
        execute_data(node, request, done, arg);
    else
        ldr_node_administer(node, request, done, arg);
}

bool ldr_node_enter(struct larder_node *node)
{
    ldr_epoch_enter(LDR_EPOCH_NODE);
    /* Acquire: pairs with larder_node_close(), which waits for every section that may have seen false. */
    if (!atomic_load_explicit(&node->closing, memory_order_acquire))
        return true;
    ldr_epoch_exit(LDR_EPOCH_NODE);
    ldr_fail(LARDER_UNAVAILABLE, "the node is closing");
    return false;
}

void ldr_node_exit(void)
{
    ldr_epoch_exit(LDR_EPOCH_NODE);
}

void ldr_node_execute(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    if (ldr_node_enter(node)) {
        execute(node, request, done, arg);
        ldr_node_exit();
    } else {
        struct larder_reply reply = {.status = LARDER_UNAVAILABLE, .message = ldr_slice_text(larder_last_error())};
        done(arg, &reply);
    }
}
