/* Leaving the cluster: announced, then everything is handed over, then whoever runs the node is told that it may go. */
#include "core/base/fail.h"
#include "core/node/node.h"

#define SHOWN_MS 1000 /* that a node which has left still answers: whoever follows it shall see that it has */

static const struct larder_discovery *discovery_of(const struct larder_node *node)
{
    return (const struct larder_discovery *)(const void *)node->settings->cluster.discovery.table;
}

/* 0: it was not told to leave. */
static uint64_t leave_by(struct larder_node *node)
{
    return atomic_load_explicit(&node->leave_by, memory_order_acquire);
}

bool ldr_node_is_leaving(struct larder_node *node)
{
    return leave_by(node) != 0;
}

enum larder_status larder_node_leave(struct larder_node *node)
{
    if (node->context.cluster == NULL || node->settings->gateway)
        return ldr_fail(LARDER_UNSUPPORTED, "leave: this node is no member of a cluster");
    if (discovery_of(node)->leave == NULL)
        return ldr_fail(LARDER_UNSUPPORTED, "leave: discovery %s does not let members come and go",
                        discovery_of(node)->head.name);
    uint64_t none = 0, by = larder_deadline_in(node->runtime, node->settings->leave_timeout_ms);
    if (!atomic_compare_exchange_strong_explicit(&node->leave_by, &none, by, memory_order_acq_rel,
                                                 memory_order_acquire))
        return LARDER_OK;
    pthread_mutex_lock(&node->reload);
    enum larder_status status = node->discovery_started
                                    ? discovery_of(node)->leave(node->discovery)
                                    : ldr_fail(LARDER_UNAVAILABLE, "leave: discovery is not running");
    pthread_mutex_unlock(&node->reload);
    if (status == LARDER_OK)
        ldr_log(node->log, LARDER_LOG_INFO, "leaving: keys are handed over to the other members");
    else
        atomic_store_explicit(&node->leave_by, 0, memory_order_release);
    return status;
}

bool ldr_node_has_left(struct larder_node *node)
{
    return ldr_node_is_leaving(node) && ldr_cluster_is_leaving(node->context.cluster) &&
           ldr_handoff_finished(node->context.handoff) && ldr_cluster_may_go(node->context.cluster);
}

void larder_node_on_left(struct larder_node *node, void (*left)(void *arg), void *arg)
{
    node->left_arg = arg;
    atomic_store_explicit(&node->left, left, memory_order_release);
}

/* Once. */
static void log_left(struct larder_node *node)
{
    if (atomic_exchange_explicit(&node->left_logged, true, memory_order_relaxed))
        return;
    if (!ldr_handoff_finished(node->context.handoff))
        ldr_log(node->log, LARDER_LOG_WARN, "left: leave_timeout has passed, not all keys were handed over");
    else if (ldr_cluster_is_last(node->context.cluster))
        ldr_log(node->log, LARDER_LOG_INFO, "left: no other member stays, what only this one had is gone");
    else
        ldr_log(node->log, LARDER_LOG_INFO, "left: the other members have all keys");
}

void ldr_node_look_after_leave(struct larder_node *node)
{
    uint64_t now = larder_now(node->runtime), by = leave_by(node);
    if (by == 0)
        return;
    if (!ldr_node_has_left(node))
        node->go_at = 0;
    else if (node->go_at == 0)
        node->go_at = larder_deadline_in(node->runtime, SHOWN_MS);
    if (now < by && (node->go_at == 0 || now < node->go_at))
        return;
    log_left(node);
    void (*left)(void *arg) = atomic_exchange_explicit(&node->left, NULL, memory_order_acq_rel);
    if (left != NULL)
        left(node->left_arg);
}

void ldr_node_hand_over(struct larder_node *node)
{
    /* A simulated runtime needs this very thread for anything to be handed over. */
    if (!node->owns_runtime || !node->discovery_started || node->context.handoff == NULL ||
        node->settings->leave_timeout_ms == 0 || discovery_of(node)->leave == NULL)
        return;
    if (!ldr_node_is_leaving(node) && larder_node_leave(node) != LARDER_OK) {
        ldr_log(node->log, LARDER_LOG_WARN, "%s", larder_last_error());
        return;
    }
    while (!ldr_node_has_left(node) && larder_now(node->runtime) < leave_by(node))
        ldr_handoff_wait(node->context.handoff, leave_by(node));
    log_left(node);
}
