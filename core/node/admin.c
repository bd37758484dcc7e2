/* Administrative requests: groups made and dropped, documents, health. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/limits.h"
#include "core/node/stats.h"

enum larder_status ldr_node_apply(struct larder_node *node, const struct larder_request *request, uint32_t *flags)
{
    bool created = false;
    enum larder_status status;
    struct ldr_group *group;
    switch (request->operation) {
    case LARDER_OP_GROUP_PUT:
        status = ldr_node_put_group(node, request->group, request->value, &created);
        *flags = created && status == LARDER_OK ? LARDER_REPLY_CREATED : 0;
        return status;
    case LARDER_OP_GROUP_DROP: return ldr_node_drop_group(node, request->group);
    default: /* LARDER_OP_GROUP_CLEAR */
        group = ldr_node_find_group(node, request->group);
        if (group == NULL)
            return LARDER_NO_GROUP;
        ldr_group_clear(group);
        ldr_group_release(group);
        return LARDER_OK;
    }
}

static void apply_here(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {.source = LARDER_SOURCE_LOCAL};
    reply.status = ldr_node_apply(node, request, &reply.flags);
    if (reply.status != LARDER_OK)
        reply.message = ldr_slice_text(larder_last_error());
    ldr_answer(&node->context, &reply, done, arg);
}

static void answer_group_stats(struct larder_node *node, struct larder_slice name, larder_reply_fn done, void *arg)
{
    struct ldr_group *group = ldr_node_find_group(node, name);
    if (group == NULL) {
        ldr_answer_status(&node->context, LARDER_NO_GROUP, larder_last_error(), done, arg);
        return;
    }
    struct larder_statistics stats;
    ldr_group_read_stats(group, &stats);
    ldr_answer_document(node, ldr_group_stats_to_json(group->name, &stats), done, arg);
    ldr_group_release(group);
}

static void answer_metrics(struct larder_node *node, larder_reply_fn done, void *arg)
{
    struct ldr_buffer text = {0};
    ldr_node_metrics(node, &text);
    if (text.failed || text.data == NULL) {
        ldr_buffer_free(&text);
        ldr_answer_status(&node->context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    struct larder_reply reply = {
        .status = LARDER_OK,
        .source = LARDER_SOURCE_LOCAL,
        .value = ldr_slice(text.data, text.size),
        .ttl_ms = LARDER_TTL_NONE,
        .release = free,
        .pin = text.data, /* the reply owns the text now */
    };
    ldr_answer(&node->context, &reply, done, arg);
}

static void answer_group(struct larder_node *node, struct larder_slice name, larder_reply_fn done, void *arg)
{
    json_t *document = ldr_document_group(node, name);
    if (document == NULL)
        ldr_answer_status(&node->context, larder_last_status(), larder_last_error(), done, arg);
    else
        ldr_answer_document(node, document, done, arg);
}

static void answer_ping(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {.status = LARDER_OK};
    if (node->context.cluster != NULL && (request->flags & LARDER_REQUEST_PEER) != 0)
        ldr_cluster_greet(node->context.cluster, request, &reply);
    ldr_answer(&node->context, &reply, done, arg);
}

/* Whether the request is for every member: it came from a client, and there are others. */
static bool goes_around(const struct larder_node *node, const struct larder_request *request)
{
    if (node->context.cluster == NULL || (request->flags & LARDER_REQUEST_PEER) != 0)
        return false;
    switch (request->operation) {
    case LARDER_OP_GROUP_PUT:
    case LARDER_OP_GROUP_DROP:
    case LARDER_OP_GROUP_CLEAR: return true;
    case LARDER_OP_GROUP_LIST:
    case LARDER_OP_GROUP_GET: return node->transit != NULL;
    case LARDER_OP_GROUP_STATS: return node->transit != NULL || (request->flags & LARDER_REQUEST_CLUSTER) != 0;
    default: return false;
    }
}

#define MAX_CHANGES 64 /* that wait for a worker, or for other members, at a time */

/* A change of groups on its way to a worker. The request stays valid until it is answered. */
struct change {
    struct larder_task task;
    struct larder_node *node;
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
};

static void apply(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    if (goes_around(node, request))
        ldr_node_fan_out(node, request, done, arg);
    else
        apply_here(node, request, done, arg);
}

static void run_change(struct larder_task *task)
{
    struct change *change = (struct change *)task;
    struct larder_node *node = change->node;
    if (ldr_node_enter(node)) {
        apply(node, change->request, change->done, change->arg);
        ldr_node_exit();
    } else {
        ldr_answer_status(&node->context, LARDER_UNAVAILABLE, larder_last_error(), change->done, change->arg);
    }
    free(change);
    ldr_tally_end(&node->changes);
}

/*
 * A change of a group of a million entries takes a tenth of a second, for which no connection of a transport's thread shall
 * wait: workers make it. When they have no room for it, it is made here, so that a node whose loads hang can still be changed; so
 * it is on a runtime of others, for which nobody can wait when the node is closed.
 */
static void apply_later(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    const struct larder_runtime *runtime = node->context.runtime;
    struct change *change = node->owns_runtime ? malloc(sizeof *change) : NULL;
    if (change != NULL) {
        *change = (struct change){.task.run = run_change, .node = node, .request = request, .done = done, .arg = arg};
        ldr_tally_begin(&node->changes);
        bool room = ldr_tally_count(&node->changes) <= MAX_CHANGES;
        if (room && runtime->work(runtime, &change->task))
            return;
        ldr_tally_end(&node->changes);
        free(change);
        if (!room) {
            struct larder_reply busy = ldr_limits_busy(&node->context, "too many changes of groups are under way");
            ldr_answer(&node->context, &busy, done, arg);
            return;
        }
    }
    apply(node, request, done, arg);
}

void ldr_node_administer(struct larder_node *node, const struct larder_request *request, larder_reply_fn done,
                         void *arg)
{
    enum larder_status status = LARDER_OK;
    switch (request->operation) {
    case LARDER_OP_GROUP_PUT:
    case LARDER_OP_GROUP_DROP:
    case LARDER_OP_GROUP_CLEAR: apply_later(node, request, done, arg); return;
    default: break;
    }
    if (goes_around(node, request)) {
        ldr_node_fan_out(node, request, done, arg);
        return;
    }
    switch (request->operation) {
    case LARDER_OP_GROUP_STATS: answer_group_stats(node, request->group, done, arg); return;
    case LARDER_OP_GROUP_LIST: ldr_answer_document(node, ldr_document_groups(node), done, arg); return;
    case LARDER_OP_GROUP_GET: answer_group(node, request->group, done, arg); return;
    case LARDER_OP_STATS: ldr_answer_document(node, ldr_document_node(node), done, arg); return;
    case LARDER_OP_CLUSTER: ldr_answer_document(node, ldr_document_cluster(node), done, arg); return;
    case LARDER_OP_TOP: ldr_node_answer_top(node, request, done, arg); return;
    case LARDER_OP_METRICS: answer_metrics(node, done, arg); return;
    case LARDER_OP_LEAVE: status = larder_node_leave(node); break;
    case LARDER_OP_READY: status = larder_node_ready(node); break;
    case LARDER_OP_PING: answer_ping(node, request, done, arg); return;
    case LARDER_OP_HEALTH: break;
    default: status = ldr_fail(LARDER_UNSUPPORTED, "operation %d is not known", (int)request->operation); break;
    }
    ldr_answer_status(&node->context, status, status != LARDER_OK ? larder_last_error() : NULL, done, arg);
}
