#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/runtime.h"
#include "core/node/node.h"
#include "larder/larder.h"
#include "modules.h"

void *sim_allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fputs("sim_cluster: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

struct sim_world *sim_world_open(uint64_t seed, bool verbose)
{
    const struct larder_runtime *runtime = ldr_sim_open(seed);
    if (runtime == NULL)
        return NULL;
    struct sim_world *world = sim_allocate(sizeof *world);
    world->runtime = *runtime;
    world->verbose = verbose;
    return world;
}

void sim_world_close(struct sim_world *world)
{
    sim_network_close(world);
    sim_clients_close(world);
    ldr_sim_close(&world->runtime);
    free(world);
}

static double seconds(const struct sim_world *world)
{
    return (double)larder_now(&world->runtime) / 1e9;
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
    char text[sizeof world->failure];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim_tell(world, "BROKEN: %s", text);
    if (world->failure[0] == '\0')
        snprintf(world->failure, sizeof world->failure, "%s", text);
}

void sim_tell(struct sim_world *world, const char *format, ...)
{
    if (!world->verbose)
        return;
    va_list arguments;
    printf("%12.6f  ", seconds(world));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

uint64_t sim_draw(struct sim_world *world, uint64_t bound)
{
    return bound <= 1 ? 0 : world->runtime.random(&world->runtime) % bound;
}

bool sim_chance(struct sim_world *world, unsigned permille)
{
    return permille > 0 && sim_draw(world, 1000) < permille;
}

void sim_wait(struct sim_world *world, uint64_t ms)
{
    ldr_sim_run(&world->runtime, larder_deadline_in(&world->runtime, ms));
}

/* ------------------------------------------------------------------------------------------------ nodes */

/* What is the same at all nodes; their names come with larder_config_set(). */
static const char settings[] = "node: {log_level: error, drain_timeout: 0ms}\n"
                               "transports: [{plugin: memory}]\n"
                               "cluster:\n"
                               "  peer_transport: memory\n"
                               "  hash: xxhash\n"
                               "  virtual_nodes: 64\n"
                               "  backoff: 20ms\n"
                               "  suspend: 2s\n"
                               "  probe_interval: 500ms\n"
                               "  fallback_ttl: 2s\n"
                               "  discovery: {plugin: memory}\n";

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

static bool fill_config(struct larder_config *config, const struct sim_world *world, unsigned node)
{
    const char *name = sim_node_name(node);
    const struct larder_plugin *const modules[] = {
        &larder_plugin_table_sim_transport.head, &larder_plugin_table_sim_discovery.head,
        &larder_plugin_table_sim_loader.head,    &larder_plugin_table__hash_xxhash.head,
        &larder_plugin_table__eviction_lru.head,
    };
    bool good = larder_config_parse(config, settings, sizeof settings - 1, "simulation") == LARDER_OK &&
                set(config, "node.name=%s", name) && set(config, "node.request_timeout=%dms", SIM_REQUEST_MS) &&
                set(config, "transports.0.listen=%s", name) && set(config, "cluster.retries=%d", SIM_RETRIES) &&
                set(config, "cluster.peer_timeout=%dms", SIM_PEER_MS) &&
                set(config, "cluster.suspend_after=%u", world->suspend_after);
    if (node == SIM_GATEWAY)
        good = good && set(config, "node.role=gateway");
    else
        good = good &&
               set(config, "groups.0={name: %s, max_bytes: 1MiB, load_timeout: %dms, near_ttl: %dms, loader: memory}",
                   SIM_GROUP, SIM_LOAD_MS, SIM_NEAR_MS);
    if (world->verbose)
        good = good && set(config, "node.log_level=info");
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        good = good && larder_config_add_plugin(config, modules[i]) == LARDER_OK;
    return good;
}

bool sim_node_start(struct sim_world *world, unsigned node)
{
    struct larder_config *config = larder_config_new();
    if (config != NULL && fill_config(config, world, node))
        world->nodes[node] = ldr_node_open_on(config, &world->runtime);
    larder_config_free(config);
    if (world->nodes[node] == NULL)
        sim_fail(world, "node %s does not start: %s", sim_node_name(node), larder_last_error());
    sim_tell(world, "node %s starts", sim_node_name(node));
    return world->nodes[node] != NULL;
}

void sim_node_crash(struct sim_world *world, unsigned node, bool silent)
{
    sim_tell(world, "node %s crashes%s", sim_node_name(node), silent ? " silently" : "");
    sim_network_leave(world, node, silent);
    struct larder_node *crashed = world->nodes[node];
    world->nodes[node] = NULL;
    larder_node_close(crashed);
}
