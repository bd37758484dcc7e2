/* A node while it runs, and its end. */
#include "core/node/node.h"

#include <stdlib.h>

#include "core/base/epoch.h"
#include "core/base/fail.h"
#include "core/base/runtime.h"
#include "core/group/handoff.h"
#include "core/group/holders.h"
#include "core/group/hot.h"
#include "core/group/near.h"
#include "core/group/strict.h"

#define TICK_MS      250
#define EXPIRE_BATCH 10000 /* entries a group and tick: bounds how long the runtime's thread is kept */

/* ------------------------------------------------------------------------------------------------ ticking */

static void expire_group(void *arg, struct ldr_group *group)
{
    ldr_store_expire(group->store, *(const uint64_t *)arg, EXPIRE_BATCH);
    ldr_near_expire(group, *(const uint64_t *)arg);
}

static void tick(struct larder_timer *timer)
{
    struct larder_node *node = (struct larder_node *)((char *)timer - offsetof(struct larder_node, tick));
    uint64_t now = larder_now(node->runtime);
    /* Under the lock: see wait_for_tick(). */
    pthread_mutex_lock(&node->ticking);
    if (atomic_load_explicit(&node->closing, memory_order_acquire)) {
        pthread_mutex_unlock(&node->ticking);
        return;
    }
    ldr_registry_each(node->registry, expire_group, &now);
    if (node->context.hot != NULL)
        ldr_hot_settle(node->context.hot);
    if (node->context.cluster != NULL)
        ldr_cluster_tick(node->context.cluster);
    if (node->context.handoff != NULL)
        ldr_handoff_tick(node->context.handoff);
    ldr_node_look_after_leave(node);
    node->runtime->timer_start(node->runtime, timer, larder_deadline_in(node->runtime, TICK_MS));
    pthread_mutex_unlock(&node->ticking);
}

void ldr_node_start_ticking(struct larder_node *node)
{
    node->tick.fire = tick;
    node->runtime->timer_start(node->runtime, &node->tick, larder_deadline_in(node->runtime, TICK_MS));
}

/* ------------------------------------------------------------------------------------------------ closing */

static void passed(struct ldr_retired *mark)
{
    (void)mark;
}

/* Returns when no request that was taken before is still on its way through ldr_node_execute(), and no flight's answer. */
static void wait_for_entrants(struct larder_node *node)
{
    ldr_epoch_retire(&node->mark, passed);
    ldr_epoch_barrier();
}

/* Lets a reload end; those that come later find the node closing. */
static void wait_for_reload(struct larder_node *node)
{
    pthread_mutex_lock(&node->reload);
    pthread_mutex_unlock(&node->reload);
}

/* Lets a tick end, which uses the cluster and the groups; one that comes later finds the node closing. */
static void wait_for_tick(struct larder_node *node)
{
    pthread_mutex_lock(&node->ticking);
    pthread_mutex_unlock(&node->ticking);
}

static void drain_doors(struct larder_node *node, uint64_t deadline)
{
    bool served = node->door_count > 0 && node->tick.fire != NULL;
    if (served)
        ldr_log(node->log, LARDER_LOG_INFO, "leaving: requests under way have %llu ms to finish",
                (unsigned long long)node->settings->drain_timeout_ms);
    /* All are told before one is waited for: what is slow at one door takes no time from the others. */
    for (size_t i = 0; i < node->door_count; i++)
        node->doors[i].table->drain(node->doors[i].state, 0);
    for (size_t i = 0; i < node->door_count; i++)
        node->doors[i].table->drain(node->doors[i].state, deadline);
}

void larder_node_close(struct larder_node *node)
{
    if (node == NULL)
        return;
    uint64_t deadline = 0;
    if (node->runtime != NULL) {
        ldr_node_hand_over(node);
        deadline = larder_deadline_in(node->runtime, node->settings->drain_timeout_ms);
        drain_doors(node, deadline);
    }
    /* Release: pairs with the acquire in ldr_node_execute() and tick(). */
    atomic_store_explicit(&node->closing, true, memory_order_release);
    wait_for_reload(node);
    wait_for_tick(node);
    wait_for_entrants(node);
    /* A simulated runtime needs this very thread for anything to finish. */
    if (node->owns_runtime)
        ldr_tally_wait(&node->context.waiting, deadline);
    if (node->discovery != NULL)
        ((const struct larder_discovery *)(const void *)node->settings->cluster.discovery.table)
            ->close(node->discovery);
    if (node->context.flights != NULL)
        ldr_flights_abort(node->context.flights);
    ldr_strict_abort(&node->context);
    ldr_near_abort(&node->context);
    wait_for_entrants(node); /* those that were answering gets before the flights were ended */
    if (node->owns_runtime)
        ldr_tally_wait(&node->changes, LARDER_NEVER); /* their answers go to doors, which are closed below */
    ldr_handoff_stop(node->context.handoff);
    ldr_cluster_close(node->context.cluster);
    ldr_handoff_close(node->context.handoff);
    ldr_node_shut_groups(node);
    ldr_group_release(node->transit);
    for (size_t i = 0; i < node->door_count; i++)
        node->doors[i].table->close(node->doors[i].state);
    if (node->runtime != NULL)
        node->runtime->timer_cancel(node->runtime, &node->tick);
    if (node->owns_runtime)
        ldr_runtime_close(node->runtime);
    ldr_registry_close(node->registry);
    ldr_epoch_barrier(); /* groups dropped earlier */
    ldr_flights_close(node->context.flights);
    ldr_holders_close(node->context.holders);
    ldr_hot_close(node->context.hot);
    ldr_seen_close(node->context.seen);
    ldr_catalog_close(node->catalog);
    ldr_arena_close(node->discovery_arena);
    ldr_settings_free(node->settings);
    ldr_log_close(node->log);
    free(node->addresses);
    free(node->doors);
    ldr_node_release(node);
}

struct larder_node *ldr_node_reference(struct larder_node *node)
{
    atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return node;
}

void ldr_node_release(struct larder_node *node)
{
    /* acq_rel: what other handles did comes before the memory goes. */
    if (atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel) != 1)
        return;
    ldr_tally_destroy(&node->context.waiting);
    pthread_mutex_destroy(&node->context.strict.lock);
    pthread_mutex_destroy(&node->context.near.lock);
    ldr_tally_destroy(&node->changes);
    pthread_mutex_destroy(&node->admin);
    pthread_mutex_destroy(&node->reload);
    pthread_mutex_destroy(&node->ticking);
    free(node);
}

enum larder_status larder_node_address(struct larder_node *node, size_t transport, char *buffer, size_t capacity)
{
    if (transport >= node->door_count)
        return ldr_fail(LARDER_INVALID, "transport %zu: this node has %zu", transport, node->door_count);
    snprintf(buffer, capacity, "%s", node->doors[transport].address);
    return LARDER_OK;
}

enum larder_status larder_node_ready(struct larder_node *node)
{
    if (atomic_load_explicit(&node->closing, memory_order_acquire))
        return ldr_fail(LARDER_UNAVAILABLE, "the node is closing");
    if (!atomic_load_explicit(&node->listening, memory_order_relaxed))
        return ldr_fail(LARDER_UNAVAILABLE, "the node does not listen everywhere yet");
    if (node->context.cluster != NULL && !ldr_cluster_ready(node->context.cluster))
        return ldr_fail(LARDER_UNAVAILABLE, "the node has no member list yet");
    return LARDER_OK;
}
