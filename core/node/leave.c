/* Leaving the cluster: announced, then everything is handed over, then whoever runs the node is told that it may go. */
#include "core/base/fail.h"
#include "core/node/node.h"

#define SHOWN_MS 1000 /* that a node which has left still answers: whoever follows it shall see that it has */

static const struct larder_discovery *discovery_of(const struct larder_node *node)
{
    return (const struct larder_discovery *)(const void *)node->settings->cluster.discovery.table;
}

enum larder_status larder_node_leave(struct larder_node *node)
{
    if (node->context.cluster == NULL || node->settings->gateway)
        return ldr_fail(LARDER_UNSUPPORTED, "leave: this node is no member of a cluster");
    if (discovery_of(node)->leave == NULL)
        return ldr_fail(LARDER_UNSUPPORTED, "leave: discovery %s does not let members come and go",
                        discovery_of(node)->head.name);
    if (atomic_exchange_explicit(&node->leaving, true, memory_order_acq_rel))
        return LARDER_OK;
    node->leave_by = larder_deadline_in(node->runtime, node->settings->leave_timeout_ms);
    pthread_mutex_lock(&node->reload);
    enum larder_status status = node->discovery_started
                                    ? discovery_of(node)->leave(node->discovery)
                                    : ldr_fail(LARDER_UNAVAILABLE, "leave: discovery is not running");
    pthread_mutex_unlock(&node->reload);
    if (status == LARDER_OK)
        ldr_log(node->log, LARDER_LOG_INFO, "leaving: keys are handed over to the other members");
    else
        atomic_store_explicit(&node->leaving, false, memory_order_release);
    return status;
}

bool ldr_node_has_left(struct larder_node *node)
{
    return atomic_load_explicit(&node->leaving, memory_order_acquire) &&
           ldr_cluster_is_leaving(node->context.cluster) && ldr_handoff_finished(node->context.handoff) &&
           ldr_cluster_may_go(node->context.cluster);
}

void larder_node_on_left(struct larder_node *node, void (*left)(void *arg), void *arg)
{
    node->left_arg = arg;
    atomic_store_explicit(&node->left, left, memory_order_release);
}

void ldr_node_look_after_leave(struct larder_node *node)
{
    if (!atomic_load_explicit(&node->leaving, memory_order_acquire))
        return;
    uint64_t now = larder_now(node->runtime);
    if (!ldr_node_has_left(node))
        node->go_at = 0;
    else if (node->go_at == 0)
        node->go_at = larder_deadline_in(node->runtime, SHOWN_MS);
    if (now < node->leave_by && (node->go_at == 0 || now < node->go_at))
        return;
    void (*left)(void *arg) = atomic_exchange_explicit(&node->left, NULL, memory_order_acq_rel);
    if (left == NULL)
        return;
    ldr_log(node->log, LARDER_LOG_INFO, "left: %s",
            ldr_handoff_finished(node->context.handoff) ? "the other members have all keys"
                                                        : "leave_timeout has passed");
    left(node->left_arg);
}

void ldr_node_hand_over(struct larder_node *node)
{
    /* A simulated runtime needs this very thread for anything to be handed over. */
    if (!node->owns_runtime || !node->discovery_started || node->context.handoff == NULL ||
        node->settings->leave_timeout_ms == 0 || discovery_of(node)->leave == NULL)
        return;
    if (!atomic_load_explicit(&node->leaving, memory_order_acquire) && larder_node_leave(node) != LARDER_OK) {
        ldr_log(node->log, LARDER_LOG_WARN, "%s", larder_last_error());
        return;
    }
    while (!ldr_node_has_left(node) && larder_now(node->runtime) < node->leave_by)
        ldr_handoff_wait(node->context.handoff, node->leave_by);
    if (!ldr_handoff_finished(node->context.handoff))
        ldr_log(node->log, LARDER_LOG_WARN, "leave_timeout has passed: not all keys were handed over");
}
