#include "nodes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/runtime.h"
#include "core/node/node.h"
#include "modules.h"
#include "world.h"

/* What is the same at all nodes; the rest comes with larder_config_set(). */
static const char settings[] = "node: {log_level: error, drain_timeout: 0ms}\n"
                               "transports: [{plugin: memory}]\n"
                               "cluster:\n"
                               "  peer_transport: memory\n"
                               "  hash: xxhash\n"
                               "  virtual_nodes: 64\n"
                               "  backoff: 20ms\n"
                               "  suspend: 2s\n"
                               "  probe_interval: 500ms\n";

static bool set(struct larder_config *config, const char *format, ...) LARDER_PRINTF(2, 3);
static bool set(struct larder_config *config, const char *format, ...)
{
    char setting[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(setting, sizeof setting, format, arguments);
    va_end(arguments);
    return larder_config_set(config, setting) == LARDER_OK;
}

static bool add_modules(struct larder_config *config, bool registry)
{
    const struct larder_plugin *const modules[] = {
        &larder_plugin_table_sim_transport.head,
        registry ? &larder_plugin_table_sim_leases.head : &larder_plugin_table_sim_discovery.head,
        &larder_plugin_table_sim_loader.head,
        &larder_plugin_table__hash_xxhash.head,
        &larder_plugin_table__eviction_lru.head,
    };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        if (larder_config_add_plugin(config, modules[i]) != LARDER_OK)
            return false;
    return true;
}

static bool set_groups(struct larder_config *config, const struct sim_world *world)
{
    const char *budget = world->plan.small ? "64KiB" : "1MiB";
    return set(config, "groups.0={name: %s, max_bytes: %s, load_timeout: %dms, near_ttl: %dms, loader: memory}",
               SIM_GROUP, budget, SIM_LOAD_MS, SIM_NEAR_MS) &&
           set(config, "groups.1={name: %s, max_bytes: %s, near_ttl: %dms}", SIM_PLAIN, budget, SIM_NEAR_MS);
}

static bool fill_config(struct larder_config *config, const struct sim_world *world, unsigned node)
{
    const char *name = sim_node_name(node);
    bool registry = world->plan.registry;
    return larder_config_parse(config, settings, sizeof settings - 1, "simulation") == LARDER_OK &&
           set(config, "node.name=%s", name) && set(config, "node.request_timeout=%dms", SIM_REQUEST_MS) &&
           set(config, "transports.0.listen=%s", name) && set(config, "cluster.retries=%d", SIM_RETRIES) &&
           set(config, "cluster.peer_timeout=%dms", SIM_PEER_MS) &&
           set(config, "cluster.fallback_ttl=%dms", SIM_FALLBACK_MS) &&
           set(config, "cluster.suspend_after=%u", world->plan.suspend_after) &&
           set(config, "cluster.replicas=%u", world->plan.replicas) &&
           set(config, "cluster.write_acks=%s", world->plan.strict ? "all" : "one") &&
           set(config, "cluster.fence_peer=%dms", SIM_FENCE_MS) &&
           set(config, "cluster.orphan_wait=%dms", SIM_ORPHAN_MS) &&
           set(config, "cluster.tombstone_ttl=%ums", world->plan.tombstone_ms) &&
           set(config, "cluster.discovery={plugin: %s}", registry ? "registry" : "memory") &&
           (node == SIM_GATEWAY ? set(config, "node.role=gateway") : set_groups(config, world)) &&
           (!world->verbose || set(config, "node.log_level=info")) && add_modules(config, registry);
}

bool sim_node_start(struct sim_world *world, unsigned node)
{
    struct larder_config *config = larder_config_new();
    sim_machine_stop(world, node, false);
    sim_tell(world, "node %s starts", sim_node_name(node));
    world->nodes[node].left = false;
    if (config != NULL && fill_config(config, world, node))
        world->nodes[node].node = ldr_node_open_on(config, &world->machines[node].runtime);
    larder_config_free(config);
    if (world->nodes[node].node == NULL)
        sim_fail(world, "node %s does not start: %s", sim_node_name(node), larder_last_error());
    return world->nodes[node].node != NULL;
}

void sim_node_close(struct sim_world *world, unsigned node)
{
    struct sim_node *closed = &world->nodes[node];
    struct larder_node *open = closed->node;
    closed->left = closed->leaving && ldr_node_has_left(open);
    /* Where nobody else stays, nobody has its keys. */
    bool last = closed->left && ldr_cluster_is_last(open->context.cluster);
    sim_tell(world, "node %s closes%s", sim_node_name(node),
             last           ? ", the last one"
             : closed->left ? ", as the others have its keys"
                            : "");
    if (!closed->left || last)
        sim_checker_removed(world, node);
    closed->leaving = closed->draining = false;
    closed->node = NULL;
    larder_node_close(open);
}

void sim_node_leave(struct sim_world *world, unsigned node)
{
    struct sim_node *leaver = &world->nodes[node];
    sim_tell(world, "node %s is told to leave", sim_node_name(node));
    leaver->belongs = false;
    leaver->leaving = true;
    if (larder_node_leave(leaver->node) != LARDER_OK)
        sim_fail(world, "node %s does not leave: %s", sim_node_name(node), larder_last_error());
}

/* A process that ends lets clients and peers have their answers first; a simulated node cannot wait for that in its close. */
static bool is_drained(const struct sim_world *world, unsigned node)
{
    return world->clients.pending_at[node] == 0 && world->network.endpoints[node].serving == 0;
}

void sim_nodes_look(struct sim_world *world)
{
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        struct sim_node *node = &world->nodes[i];
        if (!node->leaving || world->machines[i].stopped)
            continue;
        node->draining = ldr_node_has_left(node->node);
        if (node->draining && is_drained(world, i))
            sim_node_close(world, i);
    }
}

void sim_node_crash(struct sim_world *world, unsigned node, bool silent)
{
    sim_tell(world, "node %s crashes%s", sim_node_name(node), silent ? " silently" : "");
    sim_network_leave(world, node, silent);
    if (node < SIM_MEMBERS)
        sim_checker_removed(world, node);
    struct larder_node *crashed = world->nodes[node].node;
    world->nodes[node].node = NULL;
    world->nodes[node].crashing = true;
    world->nodes[node].leaving = world->nodes[node].draining = false;
    larder_node_close(crashed);
    world->nodes[node].crashing = false;
    sim_machine_stop(world, node, false);
}

bool sim_node_runs(const struct sim_world *world, unsigned node)
{
    return world->nodes[node].node != NULL && !world->machines[node].stopped;
}

unsigned sim_some_node(struct sim_world *world)
{
    unsigned node = (unsigned)sim_draw(world, SIM_NODES);
    while (!sim_node_runs(world, node) || world->nodes[node].draining)
        node = (node + 1) % SIM_NODES;
    return node;
}

unsigned sim_members_up(const struct sim_world *world)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        count += sim_node_runs(world, i) && !world->nodes[i].leaving;
    return count;
}

uint64_t sim_node_epoch(const struct sim_world *world, unsigned node)
{
    const struct larder_node *open = world->nodes[node].node;
    return open == NULL ? 0 : ldr_cluster_ring(open->context.cluster).epoch;
}

static void place(const struct sim_world *world, unsigned key, unsigned by, struct ldr_placement *placement)
{
    char text[SIM_KEY_TEXT];
    sim_key_name(key, text);
    ldr_cluster_place(world->nodes[by].node->context.cluster, ldr_slice_text(sim_key_group(key)), ldr_slice_text(text),
                      placement);
}

static unsigned holder(const struct ldr_placement *placement, unsigned i, unsigned by)
{
    return placement->peers[i] == NULL ? by : sim_node_of(ldr_peer_name(placement->peers[i]));
}

unsigned sim_owner_of(const struct sim_world *world, unsigned key, unsigned by)
{
    struct ldr_placement placement;
    place(world, key, by, &placement);
    unsigned owner = holder(&placement, 0, by);
    ldr_placement_release(&placement);
    return owner;
}

unsigned sim_holders_of(const struct sim_world *world, unsigned key, unsigned by)
{
    struct ldr_placement placement;
    unsigned holders = 0;
    place(world, key, by, &placement);
    for (unsigned i = 0; i < placement.count; i++)
        holders |= 1u << holder(&placement, i, by);
    ldr_placement_release(&placement);
    return holders;
}

bool sim_node_acts(const struct sim_world *world, unsigned node)
{
    if (world->nodes[node].node == NULL || sim_node_epoch(world, node) != sim_registry_list(world)->epoch)
        return false;
    struct ldr_cluster *cluster = world->nodes[node].node->context.cluster;
    return ldr_cluster_acts(cluster, ldr_cluster_serial(cluster));
}
