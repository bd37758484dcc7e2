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

static struct larder_config *node_config(const struct sim_world *world, unsigned node)
{
    char text[2048];
    int length = snprintf(
        text, sizeof text,
        "node: {name: %s, log_level: %s, request_timeout: %dms, drain_timeout: 0ms}\n"
        "transports: [{plugin: memory, listen: %s}]\n"
        "cluster:\n"
        "  peer_transport: memory\n"
        "  hash: xxhash\n"
        "  virtual_nodes: 64\n"
        "  peer_timeout: %dms\n"
        "  retries: %d\n"
        "  backoff: 20ms\n"
        "  suspend_after: %u\n"
        "  suspend: 2s\n"
        "  probe_interval: 500ms\n"
        "  fallback_ttl: 2s\n"
        "  discovery: {plugin: memory}\n"
        "groups:\n"
        "  - {name: %s, max_bytes: 1MiB, eviction: lru, load_timeout: %dms, loader: {plugin: memory}}\n",
        sim_node_name(node), world->verbose ? "debug" : "error", SIM_REQUEST_MS, sim_node_name(node), SIM_PEER_MS,
        SIM_RETRIES, world->suspend_after, SIM_GROUP, SIM_LOAD_MS);
    const struct larder_plugin *const modules[] = {
        &larder_plugin_table_sim_transport.head, &larder_plugin_table_sim_discovery.head,
        &larder_plugin_table_sim_loader.head,    &larder_plugin_table__hash_xxhash.head,
        &larder_plugin_table__eviction_lru.head,
    };
    struct larder_config *config = larder_config_new();
    if (config == NULL)
        return NULL;
    bool good = larder_config_parse(config, text, (size_t)length, "simulation") == LARDER_OK;
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        good = good && larder_config_add_plugin(config, modules[i]) == LARDER_OK;
    if (good)
        return config;
    larder_config_free(config);
    return NULL;
}

bool sim_node_start(struct sim_world *world, unsigned node)
{
    struct larder_config *config = node_config(world, node);
    world->nodes[node] = config != NULL ? ldr_node_open_on(config, &world->runtime) : NULL;
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
