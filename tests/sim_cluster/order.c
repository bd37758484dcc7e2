/* Whether everything is in order: what must come true some time after the last fault. */
#include <inttypes.h>
#include <string.h>

#include "copies.h"
#include "core/cluster/peer.h"
#include "core/node/node.h"
#include "stages.h"

/* What is not in order at a node that sees the ring as `wanted`; NULL: nothing. */
static const char *disorder_at(const struct larder_node *node, unsigned members, const struct larder_ring_view *wanted)
{
    struct ldr_cluster *cluster = node->context.cluster;
    struct larder_ring_view view = ldr_cluster_ring(cluster);
    uint64_t serial = ldr_cluster_serial(cluster);
    struct ldr_cluster_stats stats;
    ldr_cluster_stats(cluster, &stats);
    if (view.checksum != wanted->checksum || view.epoch != wanted->epoch)
        return "sees another ring than others";
    if (stats.members != members)
        return "does not see all members";
    if (stats.peer_suspended != 0)
        return "shuns others";
    if (node->settings->gateway)
        return NULL;
    if (!ldr_cluster_acts(cluster, serial))
        return "may not act";
    if (!ldr_cluster_caught_up(cluster, serial))
        return "was not given what it is to hold";
    return ldr_cluster_is_complete(cluster, serial) ? NULL : "has not given others what they are to hold";
}

/* Whether all members of the list that the node goes by are up, and none has heard of a later one. */
static bool is_backed(const struct sim_world *world, unsigned node)
{
    const struct ldr_view *view = ldr_cluster_view(world->nodes[node].node->context.cluster);
    size_t backed = 0;
    if (view == NULL || view->self == view->count)
        return false;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        uint64_t epoch = sim_node_epoch(world, i);
        bool listed = i == node;
        for (size_t j = 0; j < view->count && !listed; j++)
            listed = view->members[j].peer != NULL && strcmp(view->members[j].peer->name, sim_node_name(i)) == 0;
        backed += listed && epoch != 0 && epoch <= view->seen.epoch;
    }
    return backed == view->count;
}

/*
 * Whether somebody who is not on the list acts by the word of others of an earlier one, or may do so as soon as he hears from
 * them, or of a list that they are on: what is written there may be lost.
 */
static bool somebody_acts_aside(const struct sim_world *world)
{
    const struct sim_list *list = sim_registry_list(world);
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        if (!world->plan.strict || list->members[i].in || world->nodes[i].node == NULL)
            continue;
        struct ldr_cluster *cluster = world->nodes[i].node->context.cluster;
        if (ldr_cluster_acts(cluster, ldr_cluster_serial(cluster)) || is_backed(world, i) ||
            world->registry.watches[i].last_at > larder_now(&world->runtime))
            return true;
    }
    return false;
}

/* Whether all members of the registry's list are up, know it, and have what they are to hold. */
static bool has_converged(const struct sim_world *world, unsigned members)
{
    const struct sim_list *list = sim_registry_list(world);
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        if (!list->members[i].in)
            continue;
        if (world->nodes[i].node == NULL || sim_node_epoch(world, i) != list->epoch)
            return false;
        const struct larder_ring_view view = ldr_cluster_ring(world->nodes[i].node->context.cluster);
        if (disorder_at(world->nodes[i].node, members, &view) != NULL)
            return false;
    }
    return true;
}

void sim_look_for_order(struct sim_world *world)
{
    const struct sim_list *list = sim_registry_list(world);
    unsigned members = 0, staying = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        members += list->members[i].in;
        staying += list->members[i].in && !list->members[i].leaving;
    }
    if ((members > 0 || !world->plan.registry) && has_converged(world, members) && !somebody_acts_aside(world))
        sim_checker_converged(world, staying);
}

/* The first node that is not in order, and why; NULL: all are. */
static const char *find_disorder(const struct sim_world *world, unsigned *node)
{
    struct larder_ring_view view = {0};
    const char *disorder = NULL;
    unsigned members = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        members += world->nodes[i].belongs;
    for (unsigned i = 0; i < SIM_NODES && disorder == NULL; i++) {
        const struct larder_node *open = world->nodes[i].node;
        if (open == NULL)
            continue;
        if (view.epoch == 0)
            view = ldr_cluster_ring(open->context.cluster);
        *node = i;
        disorder = world->nodes[i].leaving ? "has not left yet" : disorder_at(open, members, &view);
    }
    return disorder;
}

/* What a node knows of the others, for the trace. */
static void tell_standings(struct sim_world *world, unsigned node)
{
    struct ldr_cluster *cluster = world->nodes[node].node->context.cluster;
    const struct ldr_view *view = ldr_cluster_view(cluster);
    for (size_t i = 0; view != NULL && i < view->count; i++) {
        const struct ldr_peer *peer = view->members[i].peer;
        if (peer == NULL)
            continue;
        const struct ldr_standing *standing = &peer->standing;
        sim_tell(world,
                 "node %s of node %s, list %" PRIu64 ": it answered with epoch %" PRIu64 "%s, is done in %" PRIu64
                 ", was given all in %" PRIu64 "%s%s",
                 sim_node_name(node), peer->name, view->serial, standing->epoch, standing->seasoned ? ", seasoned" : "",
                 standing->done ? standing->done_serial : 0, standing->passed_serial,
                 standing->passed_boot == standing->boot ? "" : " in an earlier life",
                 standing->behind ? ", behind" : "");
    }
}

static void give_up(struct sim_world *world, unsigned node, const char *disorder, uint64_t after_ms)
{
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (world->nodes[i].node != NULL)
            tell_standings(world, i);
    sim_fail(world, "%" PRIu64 " ms after the last fault node %s %s", after_ms, sim_node_name(node), disorder);
}

/*
 * Until when all must be in order. As long as fewer members went than hold a key, none while some were cut off from each other,
 * and not all left, somebody ties the next list to the last one, and nobody waits for orphan_wait: only for the news of the registry
 * that are still under way.
 */
static uint64_t limit(const struct sim_world *world, uint64_t start)
{
    bool tied = !world->checker.in_doubt && !world->checker.untied && world->checker.copies > 0;
    uint64_t settled = start + SIM_SETTLED_MS * SIM_MS, told = start;
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (world->registry.watches[i].last_at > told)
            told = world->registry.watches[i].last_at;
    told += SIM_TIED_MS * SIM_MS;
    return world->plan.kind == SIM_STRICT && tied && told < settled ? told : settled;
}

bool sim_await_order(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    uint64_t start = larder_now(&world->runtime), now = start;
    const char *disorder;
    unsigned node;
    while (world->failure[0] == '\0' && (disorder = find_disorder(world, &node)) != NULL) {
        if (now > limit(world, start))
            give_up(world, node, disorder, (now - start) / SIM_MS);
        sim_wait(world, 50);
        sim_nodes_look(world);
        now = larder_now(&world->runtime);
    }
    sim_tell(world, "everything is in order");
    sim_look_for_order(world);
    sim_check_copies(world);
    scenario->settlings++;
    scenario->settling_ns += now - start;
    if (now - start > scenario->slowest_ns)
        scenario->slowest_ns = now - start;
    return world->failure[0] == '\0';
}

bool sim_settle_down(struct scenario *scenario)
{
    sim_tell(scenario->world, "the faults end");
    sim_end_faults(scenario);
    return sim_await_order(scenario);
}
